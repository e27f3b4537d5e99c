#include "provider/sse.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace joey;

namespace {

using Events = std::vector<std::pair<std::string, std::string>>;  // name and data

Events parse_pieces(const std::vector<std::string>& pieces, std::size_t event_bytes_max = 1000) {
  SseParser parser(event_bytes_max);
  Events events;
  const auto add = [&](const std::optional<Frame>& event) {
    if (event) events.emplace_back(event->name, event->data);
    return event.has_value();
  };
  for (const std::string& piece : pieces) {
    parser.feed(piece);
    while (add(parser.next())) {
    }
  }
  add(parser.finish());
  if (parser.too_large()) events.emplace_back("too large", "");
  return events;
}

// The events, which must be the same wherever the bytes are cut.
Events parse(const std::string& bytes, std::size_t event_bytes_max = 1000) {
  const Events whole = parse_pieces({bytes}, event_bytes_max);
  for (std::size_t a = 0; a <= bytes.size(); ++a) {
    for (std::size_t b = a; b <= bytes.size(); ++b) {
      CAPTURE(a);
      CAPTURE(b);
      REQUIRE(parse_pieces({bytes.substr(0, a), bytes.substr(a, b - a), bytes.substr(b)}, event_bytes_max) == whole);
    }
  }
  std::vector<std::string> single;
  for (const char c : bytes) single.emplace_back(1, c);
  CHECK(parse_pieces(single, event_bytes_max) == whole);
  return whole;
}

}  // namespace

TEST_CASE("an event ends at a blank line, however lines end") {
  CHECK(parse("data: a\n\ndata: b\n\n") == Events{{"", "a"}, {"", "b"}});
  CHECK(parse("data: a\r\n\r\ndata: b\r\n\r\n") == Events{{"", "a"}, {"", "b"}});
  CHECK(parse("data: a\r\rdata: b\r\r") == Events{{"", "a"}, {"", "b"}});
  CHECK(parse("data: a\n\r\ndata: b\r\n\n\r\r\n") == Events{{"", "a"}, {"", "b"}});
}

TEST_CASE("data lines are joined, names kept, comments and unknown fields passed over") {
  CHECK(parse("event: ping\ndata: a\ndata:b\ndata:  c\nid: 7\n\n") == Events{{"ping", "a\nb\n c"}});
  CHECK(parse(": keep alive\n\n:\ndata: x\nretry: 10\nfoo\n\n") == Events{{"", "x"}});
  CHECK(parse("data\n\ndata:\ndata\n\n") == Events{{"", ""}, {"", "\n"}});
  CHECK(parse("event: lonely\n\ndata: y\n\n") == Events{{"", "y"}});
  CHECK(parse("database: no\ndat: no\n data: no\ndata: yes\n\n") == Events{{"", "yes"}});
  CHECK(parse("\n\n\n").empty());
}

TEST_CASE("a byte order mark is skipped once, and only whole") {
  CHECK(parse("\xEF\xBB\xBF"
              "data: a\n\n") == Events{{"", "a"}});
  CHECK(parse("\xEF\xBB"
              "data: a\n\ndata: b\n\n") == Events{{"", "b"}});
  CHECK(parse("data: \xEF\xBB\xBF\n\n") == Events{{"", "\xEF\xBB\xBF"}});
}

TEST_CASE("an event that the stream does not close is still given at its end") {
  CHECK(parse("data: a\n\ndata: b") == Events{{"", "a"}, {"", "b"}});
  CHECK(parse("data: a\n\nevent: e\ndata: b\n") == Events{{"", "a"}, {"e", "b"}});
  CHECK(parse("data: a\n\nevent: e") == Events{{"", "a"}});
}

TEST_CASE("an event of the limit passes, one byte more does not") {
  const std::string ten(10, 'x');
  CHECK(parse("data: " + ten + "\n\n", 10) == Events{{"", ten}});
  CHECK(parse("data: a\n\ndata: " + ten + "x\n\ndata: b\n\n", 10) == Events{{"", "a"}, {"too large", ""}});
  CHECK(parse("data: 12345\ndata: 1234\n\n", 10) == Events{{"", "12345\n1234"}});
  CHECK(parse("data: 12345\ndata: 12345\n\n", 10) == Events{{"too large", ""}});
  CHECK(parse(": " + std::string(30, 'c') + "\n\ndata: a\n\n", 10) == Events{{"too large", ""}});
  CHECK(parse(std::string(30, 'c'), 10) == Events{{"too large", ""}});
}

TEST_CASE("slack tells the bytes that follow the data in the piece") {
  SseParser parser(100);
  parser.feed("data: a\n\nrest");
  const auto event = parser.next();
  REQUIRE(event);
  CHECK(event->slack == 6);
  CHECK(std::string_view(event->data.data(), event->data.size() + event->slack) == "a\n\nrest");
}

#include "provider/framing.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

using Frames = std::vector<std::pair<std::string, std::string>>;  // name and data

struct Parsed {
  Frames frames;
  bool too_large{false};
  std::string broken;
  bool operator==(const Parsed&) const = default;
};

Parsed parse(Framing framing, std::string_view bytes, std::size_t piece, std::size_t limit = 1000) {
  const auto parser = make_frame_parser(framing, limit);
  Parsed out;
  const auto add = [&](const Frame& frame) { out.frames.emplace_back(frame.name, frame.data); };
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    // Of exactly its size, so that a sanitizer sees a byte read too many.
    const std::string exact(bytes.substr(at, piece));
    parser->feed(exact);
    while (const auto frame = parser->next()) add(*frame);
  }
  if (const auto frame = parser->finish()) add(*frame);
  out.too_large = parser->too_large();
  out.broken = parser->broken();
  return out;
}

Parsed parse_all_ways(Framing framing, std::string_view bytes, std::size_t limit = 1000) {
  const Parsed whole = parse(framing, bytes, bytes.size() + 1, limit);
  for (std::size_t piece = 1; piece < bytes.size(); ++piece) CHECK(parse(framing, bytes, piece, limit) == whole);
  return whole;
}

}  // namespace

TEST_CASE("lines are frames, whatever ends them; blank ones are not") {
  CHECK(parse_all_ways(Framing::lines, "{\"a\":1}\n\r\n  \n{\"b\":2}\r\n{\"c\":3}").frames ==
        Frames{{"", "{\"a\":1}"}, {"", "{\"b\":2}\r"}, {"", "{\"c\":3}"}});
  CHECK(parse_all_ways(Framing::lines, "").frames.empty());
  CHECK(parse_all_ways(Framing::lines, std::string(30, 'x') + "\n", 20).too_large);
  CHECK(parse_all_ways(Framing::lines, std::string(30, 'x'), 20).too_large);
  CHECK_FALSE(parse_all_ways(Framing::lines, std::string(20, 'x') + "\n", 20).too_large);
}

TEST_CASE("an AWS event stream is read by its event types") {
  const std::string bytes = aws_frame("messageStart", R"({"role":"assistant"})") + aws_frame("contentBlockDelta", "{}");
  CHECK(parse_all_ways(Framing::aws, bytes).frames ==
        Frames{{"messageStart", R"({"role":"assistant"})"}, {"contentBlockDelta", "{}"}});
  CHECK(parse_all_ways(Framing::aws, aws_frame("throttlingException", "{}", ":exception-type")).frames ==
        Frames{{"exception:throttlingException", "{}"}});
}

TEST_CASE("an AWS frame is laid out as its documentation draws it") {
  const std::string frame = aws_frame("v", "{}", "n");
  REQUIRE(frame.size() == 12 + 1 + 1 + 1 + 2 + 1 + 2 + 4);
  CHECK(frame.substr(0, 8) == std::string("\0\0\0\x18\0\0\0\x06", 8));
  CHECK(frame.substr(12, 6) == std::string("\x01n\x07\0\x01v", 6));
}

TEST_CASE("a damaged AWS event stream is told by its checksums, and one too large by its size") {
  const std::string good = aws_frame("messageStart", R"({"role":"assistant"})");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    const Parsed parsed = parse(Framing::aws, bad, 7);
    CHECK(parsed.frames.empty());
    CHECK_FALSE(parsed.broken.empty());
  }
  CHECK(parse(Framing::aws, aws_frame("x", std::string(200'000, ' ')), 1000, 100).too_large);
  CHECK(parse_all_ways(Framing::aws, good.substr(0, good.size() - 1)).frames.empty());
}

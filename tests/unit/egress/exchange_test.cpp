#include "egress/exchange.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <vector>

#include "base/base64.hpp"

using namespace joey;
using namespace joey::egress;

namespace {

const std::string stands = "joey-secret-0123456789abcdef0123456789abcdef";
const std::string value = "s3cr3t/of \"somebody\"";

HostRules rules(const std::vector<std::string>& hosts) {
  auto parsed = HostRules::parse(hosts, {});
  REQUIRE(parsed);
  return *parsed;
}

std::vector<HostSecret> secrets() { return {{"token", stands, value, rules({"api.test"})}}; }

// What goes to either side, when the client sends `request` and the server `answer`, both cut into pieces of `piece` bytes.
struct Passed {
  std::string up;
  std::string down;
  std::string problem;
  std::vector<std::string> used;
  bool complete{false};
};

Passed pass(const std::string& request, const std::string& answer, std::size_t piece = std::string::npos,
            std::vector<HostSecret> known = secrets()) {
  Passed passed;
  HeadReader reader;
  const auto head_size = reader.feed(request);
  REQUIRE(head_size);
  REQUIRE(reader.complete());
  auto head = parse_request(reader.text());
  REQUIRE(head);
  const auto target = parse_target(*head);
  REQUIRE(target);
  Exchange exchange(*target, approved_secrets(known, target->host));
  const auto note = [&](const Parsed<void>& result) {
    if (!result) passed.problem = fmt::format("{} {}", result.error().status, result.error().message);
    return result.has_value();
  };
  bool ok = note(exchange.begin(*std::move(head), passed.up, passed.down));
  const auto each_piece = [&](std::string_view bytes, auto take) {
    for (; ok && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) ok = note(take(bytes.substr(0, piece)));
  };
  each_piece(std::string_view(request).substr(*head_size), [&](std::string_view bytes) { return exchange.take_up(bytes, passed.up); });
  each_piece(answer, [&](std::string_view bytes) { return exchange.take_down(bytes, passed.down); });
  if (ok && !answer.empty()) ok = note(exchange.end_down(passed.down));
  passed.used = exchange.secrets_used();
  passed.complete = ok && exchange.request_complete() && (answer.empty() || exchange.answer_complete());
  return passed;
}

std::string post(const std::string& host, const std::string& fields, const std::string& body) {
  return fmt::format("POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\n{1}\r\n{2}", host, fields, body);
}
std::string with_length(const std::string& body, const std::string& type = "text/plain") {
  return post("api.test", fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", type, body.size()), body);
}
std::string content_of(const std::string& message, Framing framing) {
  std::string content;
  BodyMeter meter(framing);
  const auto taken = meter.take(std::string_view(message).substr(message.find("\r\n\r\n") + 4), &content);
  CHECK(taken);
  CHECK(meter.may_end());
  return content;
}
std::string chunked_content(const std::string& message) {
  CHECK(message.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(message.find("Content-Length") == std::string::npos);
  return content_of(message, {Framing::Kind::chunked, 0});
}
std::string in_chunks(const std::string& body, std::size_t size) {
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += size) append_chunk(out, std::string_view(body).substr(at, size));
  return out.append(last_chunk);
}
constexpr std::string_view plain_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace

TEST_CASE("a placeholder becomes the value in target, headers and Basic credentials, and Accept-Encoding goes") {
  const Passed passed = pass(fmt::format("GET http://API.test/a/{0}?key={0}&x=1 HTTP/1.1\r\nHost: api.test:80\r\nAuthorization: Bearer {0}\r\n"
                                         "X-Other: Basic {1}\r\nX-Plain: Basic {2}\r\nAccept-Encoding: gzip\r\n\r\n",
                                         stands, encode_base64("me:" + stands), encode_base64("me:you")),
                             std::string(plain_answer));
  CHECK(passed.complete);
  const std::string escaped = "s3cr3t%2Fof%20%22somebody%22";
  CHECK(passed.up == fmt::format("GET /a/{0}?key={0}&x=1 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {1}\r\nX-Other: Basic {2}\r\n"
                                 "X-Plain: Basic {3}\r\nConnection: close\r\n\r\n",
                                 escaped, value, encode_base64("me:" + value), encode_base64("me:you")));
  CHECK(passed.used == std::vector<std::string>{"token"});
}

TEST_CASE("to a host that is not approved the placeholder goes as it is, and nothing else is changed either") {
  for (const char* host : {"other.test", "api.test:8080", "x.api.test", "127.0.0.1"}) {
    const std::string body = fmt::format("a={}", stands);
    const Passed passed = pass(post(host, fmt::format("Authorization: {}\r\nAccept-Encoding: gzip\r\nContent-Length: {}\r\n", stands, body.size()), body),
                               fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", value.size(), value));
    CHECK(passed.complete);
    CHECK(passed.up == fmt::format("POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nAccept-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                                   host, stands, body.size(), body));
    CHECK(passed.down.ends_with("\r\n\r\n" + value));
    CHECK(passed.used.empty());
  }
}

TEST_CASE("a body gets the value at every split, with its length or its chunks anew") {
  const std::string body = fmt::format("<{0}{0}joey-secret-{0} joey-secret-0123", stands);
  const std::string wanted = fmt::format("<{0}{0}joey-secret-{0} joey-secret-0123", value);
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    CAPTURE(piece);
    const Passed length = pass(with_length(body), std::string(plain_answer), piece);
    CHECK(length.complete);
    CHECK(length.up.find(fmt::format("\r\nContent-Length: {}\r\n", wanted.size())) != std::string::npos);
    CHECK(length.up.ends_with("\r\n\r\n" + wanted));
    const Passed chunked = pass(post("api.test", "Transfer-Encoding: chunked\r\n", in_chunks(body, piece)), std::string(plain_answer), 7);
    CHECK(chunked.complete);
    CHECK(chunked_content(chunked.up) == wanted);
    CHECK(chunked.used == std::vector<std::string>{"token"});
  }
}

TEST_CASE("a value is written as its surroundings need") {
  const auto body_of = [](const std::string& type) {
    const Passed passed = pass(with_length("k=" + stands, type), std::string(plain_answer));
    CHECK(passed.complete);
    return passed.up.substr(passed.up.find("\r\n\r\n") + 4);
  };
  for (const char* type : {"application/json", "application/JSON; charset=utf-8", "application/vnd.api+json"}) {
    CHECK(body_of(type) == "k=s3cr3t/of \\\"somebody\\\"");
  }
  CHECK(body_of("application/x-www-form-urlencoded") == "k=s3cr3t%2Fof%20%22somebody%22");
  CHECK(body_of("text/json-like") == "k=" + value);
}

TEST_CASE("an answer that echoes the value brings the placeholder, at every split and in every spelling") {
  const std::vector<std::string> echoes = {value, "s3cr3t%2Fof%20%22somebody%22", "s3cr3t%2fof%20%22somebody%22", "s3cr3t%2Fof+%22somebody%22",
                                           "s3cr3t/of \\\"somebody\\\"", "s3cr3t\\/of \\\"somebody\\\""};
  for (const std::string& echo : echoes) {
    const std::string body = fmt::format("<{0}> s3cr3t/of {0}s3cr3t", echo);
    const std::string wanted = fmt::format("<{0}> s3cr3t/of {0}s3cr3t", stands);
    for (std::size_t piece = 1; piece <= body.size(); piece += 3) {
      CAPTURE(piece);
      const std::string request = "GET http://api.test/ HTTP/1.1\r\n\r\n";
      const Passed length = pass(request, fmt::format("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: {}\r\n\r\n{}", echo, body.size(), body), piece);
      CHECK(length.complete);
      CHECK(length.down.find("\r\nX: " + stands + "\r\n") != std::string::npos);
      CHECK(chunked_content(length.down) == wanted);
      const Passed chunked = pass(request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(body, piece), 5);
      CHECK(chunked_content(chunked.down) == wanted);
      const Passed until_close = pass(request, "HTTP/1.1 200 OK\r\n\r\n" + body, piece);
      CHECK(until_close.complete);
      CHECK(chunked_content(until_close.down) == wanted);
      const Passed old = pass("GET http://api.test/ HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n" + body, piece);
      CHECK(old.down.ends_with("\r\n\r\n" + wanted));
      CHECK(old.down.find("chunked") == std::string::npos);
    }
  }
}

TEST_CASE("credentials that are echoed come back as they were sent") {
  const std::string sent = encode_base64("me:" + stands);
  const Passed passed = pass(fmt::format("GET http://api.test/ HTTP/1.1\r\nAuthorization: basic {}\r\n\r\n", sent),
                             fmt::format("HTTP/1.1 200 OK\r\n\r\n{{\"Authorization\": \"Basic {}\"}}", encode_base64("me:" + value)));
  CHECK(passed.up.find("Authorization: basic " + encode_base64("me:" + value)) != std::string::npos);
  CHECK(chunked_content(passed.down) == fmt::format("{{\"Authorization\": \"Basic {}\"}}", sent));
}

TEST_CASE("answers without a body, and those that are compressed all the same, keep their framing") {
  const Passed head = pass("HEAD http://api.test/ HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK(head.complete);
  CHECK(head.down.find("Content-Length: 5\r\n") != std::string::npos);
  const Passed none = pass("GET http://api.test/ HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(none.down == "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  const Passed gzip = pass("GET http://api.test/ HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b!");
  CHECK(gzip.down.ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n\x1f\x8b!"));
}

TEST_CASE("a large body with Content-Length passes as it is, and a placeholder in it is refused before it leaves") {
  const std::string large(collected_size_max, 'x');
  const Passed clean = pass(with_length(large + "joey-secret-"), std::string(plain_answer), 4096);
  CHECK(clean.complete);
  CHECK(clean.up.ends_with("xjoey-secret-"));
  CHECK(clean.up.find(fmt::format("Content-Length: {}\r\n", large.size() + 12)) != std::string::npos);
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{16384}}) {
    const Passed passed = pass(with_length(large + stands), {}, piece);
    CHECK(passed.problem.starts_with("413 a placeholder in a body of more than 262144 bytes"));
    CHECK(passed.up.find(value) == std::string::npos);
  }
  const Passed chunked = pass(post("api.test", "Transfer-Encoding: chunked\r\n", in_chunks(large + stands, 1000)), std::string(plain_answer), 1000);
  CHECK(chunked_content(chunked.up) == large + value);
}

TEST_CASE("what grows too large by the values is refused") {
  const std::vector<HostSecret> big{{"token", stands, std::string(8000, 'v'), rules({"api.test"})}};
  const auto times = [](std::size_t count) {
    std::string text;
    while (count-- > 0) text += stands;
    return text;
  };
  CHECK(pass(fmt::format("GET http://api.test/ HTTP/1.1\r\nA: {}\r\n\r\n", times(20)), {}, 100, big).problem.starts_with("431 "));
  CHECK(pass(with_length(times(200)), {}, 100, big).problem.starts_with("413 "));
}

TEST_CASE("a client that waits to be told to go on is told, and the server is not asked") {
  const std::string request = post("api.test", fmt::format("Expect: 100-continue\r\nContent-Length: {}\r\n", stands.size()), stands);
  const Passed passed = pass(request, std::string(plain_answer));
  CHECK(passed.down.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  CHECK(passed.up.find("Expect") == std::string::npos);
}

TEST_CASE("a Host header of another host is refused where secrets are put in") {
  for (const char* host : {"other.test", "api.test:81", "api.test@other.test", "", "api.test, other.test"}) {
    CHECK_MESSAGE(pass(fmt::format("GET http://api.test/ HTTP/1.1\r\nHost: {}\r\n\r\n", host), {}).problem.starts_with("421 "), host);
  }
  CHECK(pass("GET http://api.test/ HTTP/1.1\r\nHost: API.test.\r\n\r\n", {}).problem.empty());
}

TEST_CASE("within a tunnel a request names a path and the tunnel's host") {
  const HostPort host = *parse_host("api.test:443", 0);
  const auto status = [&](const std::string& line, const std::string& fields) {
    const auto request = parse_request(line + " HTTP/1.1\r\n" + fields + "\r\n");
    REQUIRE(request);
    const auto target = parse_target_within(*request, host);
    return target ? 0 : target.error().status;
  };
  CHECK(status("GET /a?b", "Host: api.test\r\n") == 0);
  CHECK(status("GET /", "Host: API.test:443\r\n") == 0);
  CHECK(status("OPTIONS *", "Host: api.test\r\n") == 0);
  CHECK(status("GET /", "Host: other.test\r\n") == 421);
  CHECK(status("GET /", "Host: api.test:80\r\n") == 421);
  CHECK(status("GET /", "Host: api.test\r\nHost: other.test\r\n") == 400);
  CHECK(status("GET /", "") == 400);
  CHECK(status("GET *", "Host: api.test\r\n") == 400);
  CHECK(status("GET /#a", "Host: api.test\r\n") == 400);
  CHECK(status("GET https://other.test/", "Host: api.test\r\n") == 400);
  CHECK(status("CONNECT other.test:443", "Host: api.test\r\n") == 400);
}

TEST_CASE("only the first of two requests goes on") {
  const Passed passed = pass(with_length(stands) + "GET http://api.test/ HTTP/1.1\r\n\r\n", std::string(plain_answer), 10);
  CHECK(passed.up.ends_with("\r\n\r\n" + value));
}

TEST_CASE("of several texts the leftmost and longest is replaced, however they were cut") {
  const std::vector<Replacement> replacements{{"aab", "1", "a"}, {"ab", "2", "b"}, {"abcabcabd", "3", "c"}, {"bcab", "4", "d"}, {"aaaa", "5", "e"}};
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"aab", "1"}, {"aaab", "a1"}, {"aaaaab", "52"}, {"abcabcabd", "3"}, {"abcabcabcabd", "2c3"}, {"abcabcab", "2c2c2"}, {"", ""}, {"xbcaby", "x4y"}, {"aaaab", "5b"}}) {
    for (std::size_t piece = 1; piece <= text.size() + 1; ++piece) {
      Substitution substitution(replacements);
      std::string out;
      for (std::size_t at = 0; at < text.size(); at += piece) substitution.feed(std::string_view(text).substr(at, piece), out);
      substitution.finish(out);
      CHECK_MESSAGE(out == wanted, text);
    }
  }
  CHECK(Substitution().replace("as it is") == "as it is");
}

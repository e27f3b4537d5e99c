#include "egress/http.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace joey::egress;

namespace {

// What the whole of a request's head leads to: the refusal's status, or 0.
int status_of(const std::string& head) {
  HeadReader reader;
  const auto taken = reader.feed(head);
  if (!taken) return taken.error().status;
  if (!reader.complete()) return -1;
  const auto request = parse_request(reader.text());
  if (!request) return request.error().status;
  const auto target = parse_target(*request);
  if (!target) return target.error().status;
  const auto framing = framing_of(*request);
  return framing ? 0 : framing.error().status;
}

std::string head(const std::string& line, const std::string& fields = "") { return line + "\r\n" + fields + "\r\n"; }

std::string forwarded_request(const std::string& text) {
  const auto request = parse_request(text);
  REQUIRE_MESSAGE(request, text);
  const auto target = parse_target(*request);
  REQUIRE_MESSAGE(target, target.error().message);
  return forwarded(*request, *target);
}

std::string forwarded_answer(const std::string& text, const std::string& method = "GET") {
  const auto answer = parse_answer(text);
  REQUIRE_MESSAGE(answer, text);
  const auto framing = framing_of(*answer, method);
  REQUIRE(framing);
  return forwarded(*answer, *framing);
}

// What of `bytes` is the body, or "malformed".
std::string body_of(const std::string& bytes, Framing framing, std::size_t cut, bool& complete) {
  BodyMeter meter(framing);
  std::size_t size = 0;
  for (const std::string& part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    const auto taken = meter.take(part);
    if (!taken) return "malformed";
    size += *taken;
  }
  complete = meter.complete();
  return bytes.substr(0, size);
}

}  // namespace

TEST_CASE("a request is sent on as it was understood, and without what concerns one connection") {
  CHECK(forwarded_request(head("GET http://Example.COM/a?b=c HTTP/1.1", "Host: other\r\nAccept: */*\r\n")) ==
        "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  CHECK(forwarded_request(head("GET HTTP://example.com:8080 HTTP/1.1")) ==
        "GET / HTTP/1.1\r\nHost: example.com:8080\r\nConnection: close\r\n\r\n");
  CHECK(forwarded_request(head("GET http://[fd12::7]?q HTTP/1.0")) == "GET /?q HTTP/1.0\r\nHost: [fd12::7]\r\nConnection: close\r\n\r\n");
  CHECK(forwarded_request(head("POST http://a.b/ HTTP/1.1",
                               "Connection: keep-alive, X-Mine\r\nx-mine: 1\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                               "Upgrade: h2c\r\nTrailer: x\r\nProxy-Authorization: Basic eDp5\r\nTransfer-Encoding: CHUNKED\r\nX-Yours:  a  b \r\n")) ==
        "POST / HTTP/1.1\r\nHost: a.b\r\nX-Yours: a  b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
}

TEST_CASE("an answer is sent on likewise") {
  CHECK(forwarded_answer(head("HTTP/1.1 200 OK", "Content-Length: 5\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n")) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
  CHECK(forwarded_answer(head("HTTP/1.1 200", "Transfer-Encoding: chunked\r\n")) ==
        "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
}

TEST_CASE("requests that two readers could understand differently are refused") {
  struct Row {
    int status;
    std::string head;
  };
  const std::string get = "GET http://a.b/ HTTP/1.1";
  const std::string post = "POST http://a.b/ HTTP/1.1";
  const Row rows[] = {
      {0, head(get)},
      {0, head("CONNECT a.b:443 HTTP/1.1", "Host: a.b:443\r\n")},
      {0, head("CONNECT [fd12::7]:443 HTTP/1.1")},
      {0, head(post, "Content-Length: 0\r\n")},
      {0, head(post, "Transfer-Encoding: chunked\r\n")},
      // lines
      {400, "GET http://a.b/ HTTP/1.1\n\n"},
      {400, "GET http://a.b/ HTTP/1.1\r\nA: b\n\r\n"},
      {400, "GET http://a.b/ HTTP/1.1\r\nA: b\rC: d\r\n\r\n"},
      {400, "GET http://a.b/ HTTP/1.1\r\r\n\r\n"},
      {400, "\r\nGET http://a.b/ HTTP/1.1\r\n\r\n" + head("")},
      {400, " " + head(get)},
      {400, head("GET  http://a.b/ HTTP/1.1")},
      {400, head("GET http://a.b/  HTTP/1.1")},
      {400, head("GET http://a.b/ x HTTP/1.1")},
      {400, head("GET\thttp://a.b/ HTTP/1.1")},
      {400, head("GET http://a.b/")},
      {400, head("G(T http://a.b/ HTTP/1.1")},
      {400, head("GET http://a.b/\xc3\xbc HTTP/1.1")},
      {400, head(std::string("GET http://a.b/\0 HTTP/1.1", 25))},
      {505, head("GET http://a.b/ HTTP/2.0")},
      {505, head("GET http://a.b/ HTTP/1.2")},
      {505, head("GET http://a.b/ HTTP/1.1x")},
      {400, head("GET http://a.b/ http/1.1")},
      // fields
      {400, head(get, "A : b\r\n")},
      {400, head(get, " A: b\r\n")},
      {400, head(get, "A: b\r\n c\r\n")},
      {400, head(get, "A\r\n")},
      {400, head(get, ": b\r\n")},
      {400, head(get, "A\x01: b\r\n")},
      {400, head(get, std::string("A: b\0c\r\n", 8))},
      {400, head(get, "A: \x7f\r\n")},
      {400, head(get, "Host: a.b\r\nHost: c.d\r\n")},
      // framing
      {400, head(post, "Content-Length: 5\r\nContent-Length: 5\r\n")},
      {400, head(post, "Content-Length: 5\r\ncontent-length: 6\r\n")},
      {400, head(post, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
      {400, head(post, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {501, head(post, "Transfer-Encoding: gzip, chunked\r\n")},
      {501, head(post, "Transfer-Encoding: chunked, identity\r\n")},
      {501, head(post, "Transfer-Encoding: \"chunked\"\r\n")},
      {501, head(post, "Transfer-Encoding:\r\n")},
      {400, head("POST http://a.b/ HTTP/1.0", "Transfer-Encoding: chunked\r\n")},
      {400, head(post, "Content-Length: +5\r\n")},
      {400, head(post, "Content-Length: -1\r\n")},
      {400, head(post, "Content-Length: 5, 5\r\n")},
      {400, head(post, "Content-Length: 0x5\r\n")},
      {400, head(post, "Content-Length: 5 5\r\n")},
      {400, head(post, "Content-Length:\r\n")},
      {400, head(post, "Content-Length: 9999999999999999999\r\n")},
      {400, head(post, "Connection: Content-Length\r\nContent-Length: 5\r\n")},
      {400, head(post, "Connection: close , transfer-encoding\r\nTransfer-Encoding: chunked\r\n")},
      {400, head(post, "Connection: host\r\n")},
      // targets
      {400, head("GET / HTTP/1.1", "Host: a.b\r\n")},
      {400, head("OPTIONS * HTTP/1.1")},
      {400, head("GET https://a.b/ HTTP/1.1")},
      {400, head("GET ftp://a.b/ HTTP/1.1")},
      {400, head("GET a.b:80 HTTP/1.1")},
      {400, head("GET http:///x HTTP/1.1")},
      {400, head("GET http://user@a.b/ HTTP/1.1")},
      {400, head("GET http://user:password@a.b/ HTTP/1.1")},
      {400, head("GET http://a.b#c HTTP/1.1")},
      {400, head("GET http://a.b/c#d HTTP/1.1")},
      {400, head("GET http://a.b:/ HTTP/1.1")},
      {400, head("GET http://a.b\\@c.d/ HTTP/1.1")},
      {400, head("GET http://0x7f.1/ HTTP/1.1")},
      {400, head("CONNECT a.b HTTP/1.1")},
      {400, head("CONNECT http://a.b:443 HTTP/1.1")},
      {400, head("CONNECT a.b:443/x HTTP/1.1")},
      {400, head("CONNECT u@a.b:443 HTTP/1.1")},
      {400, head("connect a.b:443 HTTP/1.1")},
  };
  for (const Row& row : rows) CHECK_MESSAGE(status_of(row.head) == row.status, row.head);
}

TEST_CASE("a head has a largest size and number of fields") {
  const std::string get = "GET http://a.b/ HTTP/1.1\r\n";
  CHECK(status_of(get + "A: " + std::string(head_size_max, 'x')) == 431);
  std::string many = get;
  for (std::size_t i = 0; i < fields_max; ++i) many += "A: b\r\n";
  CHECK(status_of(many + "\r\n") == 0);
  CHECK(status_of(many + "A: b\r\n\r\n") == 431);
}

TEST_CASE("a head is the same at every split, and nothing behind it is taken") {
  const std::string text = head("GET http://a.b/ HTTP/1.1", "A: b\r\n");
  const std::string all = text + "rest\n\n";
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    HeadReader reader;
    const auto first = reader.feed(std::string_view(all).substr(0, cut));
    REQUIRE(first);
    std::size_t taken = *first;
    if (!reader.complete()) {
      const auto second = reader.feed(std::string_view(all).substr(cut));
      REQUIRE(second);
      taken += *second;
    }
    CHECK(reader.complete());
    CHECK(reader.text() == text);
    CHECK(taken == text.size());
  }
}

TEST_CASE("a body ends where its framing says, at every split") {
  struct Row {
    Framing framing;
    std::string body;
    std::string behind;
  };
  const Row rows[] = {
      {{Framing::Kind::none, 0}, "", "GET"},
      {{Framing::Kind::length, 0}, "", "GET"},
      {{Framing::Kind::length, 5}, "hello", "GET"},
      {{Framing::Kind::chunked, 0}, "0\r\n\r\n", "GET"},
      {{Framing::Kind::chunked, 0}, "5\r\nhello\r\n00a;x=y\r\n0123456789\r\n0;z\r\n\r\n", "\r\nGET"},
  };
  for (const Row& row : rows) {
    const std::string bytes = row.body + row.behind;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      bool complete = false;
      CHECK(body_of(bytes, row.framing, cut, complete) == row.body);
      CHECK(complete);
    }
  }
  bool complete = true;
  CHECK(body_of("all of it", {Framing::Kind::until_close, 0}, 3, complete) == "all of it");
  CHECK(!complete);
}

TEST_CASE("a malformed chunk is refused at every split") {
  for (const std::string& bytes : std::vector<std::string>{"\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\r\r", "1\r\nab\r\n", "1\r\na\n",
                                  "1\r\na\rb", "0\r\nA: b\r\n\r\n", "0\n\n", "0\r\n\n", "1;x\ny\r\na\r\n", "1;\x01\r\na\r\n",
                                  "1234567890123456\r\n", ";x\r\n"}) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      bool complete = false;
      CHECK_MESSAGE(body_of(bytes, {Framing::Kind::chunked, 0}, cut, complete) == "malformed", bytes);
    }
  }
  bool complete = false;
  CHECK(body_of("1;" + std::string(300, 'x'), {Framing::Kind::chunked, 0}, 1, complete) == "malformed");
}

TEST_CASE("an answer that is none is refused") {
  for (const char* line : {"HTTP/2 200 OK", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2x0 OK", "HTTP/1.1 099 OK", "HTTP/1.1 2000", "ICY 200 OK", "",
                           "HTTP/1.1  200 OK", "HTTP/1.1 200 \x01"}) {
    const auto answer = parse_answer(head(line));
    CHECK_MESSAGE(!answer, line);
    if (!answer) CHECK(answer.error().status == 502);
  }
  for (const char* fields : {"Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                             "Transfer-Encoding: gzip\r\n", "Content-Length: x\r\n"}) {
    const auto answer = parse_answer(head("HTTP/1.1 200 OK", fields));
    REQUIRE(answer);
    CHECK_MESSAGE(!framing_of(*answer, "GET"), fields);
  }
}

TEST_CASE("answers without a body have none, whatever they say") {
  const auto kind = [](const char* line, const char* fields, const char* method) {
    const auto framing = framing_of(*parse_answer(head(line, fields)), method);
    REQUIRE(framing);
    return framing->kind;
  };
  const char* length = "Content-Length: 5\r\n";
  CHECK(kind("HTTP/1.1 200 OK", length, "GET") == Framing::Kind::length);
  CHECK(kind("HTTP/1.1 200 OK", "", "GET") == Framing::Kind::until_close);
  CHECK(kind("HTTP/1.1 200 OK", length, "HEAD") == Framing::Kind::none);
  CHECK(kind("HTTP/1.1 204 No Content", length, "GET") == Framing::Kind::none);
  CHECK(kind("HTTP/1.1 304 Not Modified", length, "GET") == Framing::Kind::none);
}

TEST_CASE("a refusal says its line twice, and how long it is") {
  const std::string answer = refusal_answer({403, "a.b:443 is not allowed"});
  CHECK(answer.starts_with("HTTP/1.1 403 a.b:443 is not allowed\r\n"));
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  CHECK(body == "joey: a.b:443 is not allowed\n");
  CHECK(answer.find("Content-Length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
}

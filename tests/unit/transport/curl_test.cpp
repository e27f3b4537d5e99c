#include "transport/curl.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "runtime/uv_loop.hpp"
#include "test_server.hpp"

using namespace joey;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

// Writes down what a sink is told, and runs the hook of each call.
struct Recorder final : HttpSink {
  int status{0};
  std::vector<HttpField> headers;
  std::string body;
  std::optional<Status> end;
  int heads{0};
  int calls{0};
  bool in_order{true};  // the head first and once, nothing after the end

  std::function<void()> head_hook;
  std::function<void()> body_hook;
  std::function<void()> end_hook;

  void on_head(int code, const std::vector<HttpField>& fields) override {
    ++calls;
    in_order = in_order && ++heads == 1 && body.empty() && !end;
    status = code;
    headers = fields;
    if (head_hook) head_hook();
  }
  void on_body(std::string_view bytes) override {
    ++calls;
    in_order = in_order && heads == 1 && !end && !bytes.empty();
    body += bytes;
    if (body_hook) body_hook();
  }
  void on_end(Status result) override {
    ++calls;
    in_order = in_order && !end;
    end = std::move(result);
    if (end_hook) end_hook();
  }

  [[nodiscard]] bool succeeded() const { return end && end->has_value() && in_order; }
  [[nodiscard]] Error error() const { return end && !end->has_value() ? end->error() : Error{}; }
  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& field : headers) {
      if (field.name == name) return field.value;
    }
    return {};
  }
};

struct World {
  explicit World(CurlOptions options = {}) : transport(make_curl_transport(loop.handle(), loop, std::move(options))) {}

  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds limit = 20s) {
    const auto start = Clock::now();
    while (!done() && Clock::now() - start < limit) loop.step(20);
    return done();
  }
  bool run_to_end(const Recorder& sink) {
    return run_until([&] { return sink.end.has_value(); });
  }
  void run_for(std::chrono::milliseconds time) {
    run_until([] { return false; }, time);
  }

  UvLoop loop;
  std::unique_ptr<Transport> transport;
};

BodyRope rope(std::initializer_list<std::string_view> pieces) {
  BodyRope result;
  for (const auto piece : pieces) result.push_back(std::make_shared<const std::string>(piece));
  return result;
}

// Bytes without a period that a doubled or lost piece could hide in.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (auto& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

BodyRope cut(const std::string& bytes, std::size_t piece_size) {
  BodyRope result;
  for (std::size_t at = 0; at < bytes.size(); at += piece_size) {
    result.push_back(std::make_shared<const std::string>(bytes.substr(at, piece_size)));
  }
  return result;
}

std::int64_t milliseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

constexpr std::string_view chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("a request arrives as it was given, and the answer's head before its body") {
  std::string head;
  TestServer server([&](ServerConnection& connection) {
    const auto request = connection.read_request();
    head = request->head;
    CHECK(request->body == "{\"a\":1}");
    connection.send("HTTP/1.1 201 Created\r\nX-One: 1\r\nX-Folded: a\r\n  b\r\nX-Empty:\r\nContent-Length: 4\r\n\r\n");
    connection.send("text");
    connection.wait_closed();
  });
  World world;
  Recorder sink;
  HttpRequest request{.url = server.url("/v1/messages?beta=1"), .body = rope({"{\"a\"", ":", "", "1}"})};
  request.headers = {{"Authorization", "Bearer secret"}, {"X-Nothing", ""}};
  const auto exchange = world.transport->start(std::move(request), sink);
  CHECK(sink.calls == 0);
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.succeeded());
  CHECK(sink.status == 201);
  CHECK(sink.header("X-One") == "1");
  CHECK(sink.header("X-Folded") == "a b");
  CHECK(sink.body == "text");
  CHECK(head.starts_with("POST /v1/messages?beta=1 HTTP/1.1\r\n"));
  CHECK(head.find("\r\nAuthorization: Bearer secret\r\n") != std::string::npos);
  CHECK(head.find("\r\nX-Nothing:\r\n") != std::string::npos);
  CHECK(head.find("\r\nContent-Length: 7\r\n") != std::string::npos);
  CHECK(head.find("Expect:") == std::string::npos);
  CHECK(head.find("Accept-Encoding:") == std::string::npos);
  CHECK(head.find("Content-Type:") == std::string::npos);
}

TEST_CASE("every method arrives with its body or without one") {
  std::string seen;
  TestServer server([&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      seen = request->head.substr(0, request->head.find(' ')) + ":" + request->body;
      connection.answer(seen.starts_with("HEAD") ? "" : "ok");
    }
  });
  World world;
  const auto send = [&](const std::string& method, std::string_view body) {
    Recorder sink;
    HttpRequest request{.method = method, .url = server.url()};
    if (!body.empty()) request.body = rope({body});
    const auto exchange = world.transport->start(std::move(request), sink);
    world.run_to_end(sink);
    return sink.succeeded() ? seen : "failed: " + sink.error().message;
  };
  for (int round = 0; round < 2; ++round) {  // the second on used handles
    CHECK(send("GET", "") == "GET:");
    CHECK(send("POST", "x") == "POST:x");
    CHECK(send("HEAD", "") == "HEAD:");
    CHECK(send("PUT", "y") == "PUT:y");
    CHECK(send("DELETE", "") == "DELETE:");
    CHECK(send("POST", "") == "POST:");
    CHECK(send("DELETE", "z") == "DELETE:z");
  }
  CHECK(server.accepted() == 1);
}

TEST_CASE("ropes from 0 bytes to 8 MB arrive whole and in order, and so do the answers") {
  TestServer server([](ServerConnection& connection) {
    while (const auto request = connection.read_request()) connection.answer(request->body);
  });
  World world;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65'535}, std::size_t{65'536},
                                 std::size_t{1'000'003}, std::size_t{8} << 20}) {
    for (const std::size_t piece_size : {std::size_t{997}, std::size_t{70'000}, std::size_t{16} << 20}) {
      CAPTURE(size);
      CAPTURE(piece_size);
      const std::string bytes = pattern(size);
      Recorder sink;
      const auto exchange = world.transport->start({.url = server.url(), .body = cut(bytes, piece_size)}, sink);
      REQUIRE(world.run_to_end(sink));
      CHECK(sink.succeeded());
      CHECK(sink.body.size() == size);
      CHECK((sink.body == bytes));
    }
  }
  CHECK(server.accepted() == 1);
}

TEST_CASE("a server that reads slowly gets the whole upload, and its slowness is no silence") {
  const std::string bytes = pattern(16 << 20);
  std::atomic<bool> compared{false};
  std::atomic<bool> exact{false};
  TestServer server([&](ServerConnection& connection) {
    connection.read_head();
    std::string got;
    while (got.size() < bytes.size()) {
      const std::string some = connection.read_some(64 * 1024);
      if (some.empty()) return;
      got += some;
      std::this_thread::sleep_for(5ms);
    }
    connection.answer("done");
    connection.wait_closed();
    exact = got == bytes;
    compared = true;
  }, 256 * 1024);
  World world;
  Recorder sink;
  HttpRequest request{.url = server.url(), .body = cut(bytes, 100'000)};
  request.idle_timeout = 500ms;
  const auto start = Clock::now();
  const auto exchange = world.transport->start(std::move(request), sink);
  REQUIRE(world.run_to_end(sink));
  CAPTURE(sink.error().message);
  CHECK(sink.succeeded());
  const auto took = milliseconds_since(start);
  world.transport.reset();
  CHECK(world.run_until([&] { return compared.load(); }));
  CHECK(exact);
  CHECK(took > 800);
}

TEST_CASE("a server that stops reading the upload is silent from then on") {
  TestServer server([](ServerConnection& connection) {
    connection.read_head();
    connection.read_some(100'000);
    std::this_thread::sleep_for(2s);
  });
  World world;
  for (const std::size_t size : {std::size_t{1} << 20, std::size_t{32} << 20}) {  // within the kernel's buffers or not
    CAPTURE(size);
    Recorder sink;
    HttpRequest request{.url = server.url(), .body = cut(pattern(size), 1 << 20)};
    request.idle_timeout = 300ms;
    const auto start = Clock::now();
    const auto exchange = world.transport->start(std::move(request), sink);
    REQUIRE(world.run_to_end(sink));
    CHECK(sink.error().code == ErrorCode::timeout);
    CHECK(milliseconds_since(start) >= 290);
    CHECK(milliseconds_since(start) < 1500);
  }
}

TEST_CASE("pieces of an answer come as they are sent, also across the idle timeout in sum") {
  TestServer server([](ServerConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    connection.send(chunked_head);
    for (int i = 0; i < 8; ++i) {
      std::this_thread::sleep_for(60ms);
      connection.send_chunk("event " + std::to_string(i) + "\n");
    }
    connection.send_chunk("");
    connection.wait_closed();
  });
  World world;
  Recorder sink;
  std::vector<std::int64_t> arrivals;
  const auto start = Clock::now();
  sink.body_hook = [&] { arrivals.push_back(milliseconds_since(start)); };
  HttpRequest request{.url = server.url()};
  request.idle_timeout = 300ms;
  const auto exchange = world.transport->start(std::move(request), sink);
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.succeeded());
  CHECK(sink.status == 200);
  CHECK(sink.header("Link").empty());
  CHECK(sink.body == "event 0\nevent 1\nevent 2\nevent 3\nevent 4\nevent 5\nevent 6\nevent 7\n");
  REQUIRE(arrivals.size() == 8);
  CHECK(arrivals.back() - arrivals.front() >= 300);
}

TEST_CASE("redirects and refusals are answers, not errors") {
  for (const char* status : {"302 Found\r\nLocation: http://127.0.0.1:1/", "401 Unauthorized", "429 Too Many Requests",
                             "500 Internal Server Error"}) {
    CAPTURE(status);
    TestServer server([&](ServerConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 2\r\n\r\nno");
      connection.wait_closed();
    });
    World world;
    Recorder sink;
    const auto exchange = world.transport->start({.url = server.url()}, sink);
    REQUIRE(world.run_to_end(sink));
    CHECK(sink.succeeded());
    CHECK(std::to_string(sink.status) == std::string(status).substr(0, 3));
    CHECK(sink.body == "no");
  }
}

TEST_CASE("a compressed answer is passed through as it came") {
  TestServer server([](ServerConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip");
    connection.wait_closed();
  });
  World world;
  Recorder sink;
  const auto exchange = world.transport->start({.url = server.url()}, sink);
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.succeeded());
  CHECK(sink.body == "notgzip");
}

// --- Failures ---

namespace {

struct Failure {
  const char* name;
  TestServer::Script script;
  ErrorCode code;
  const char* says;
  bool head;  // whether the head arrives
};

void read_and(ServerConnection& connection, std::string_view bytes, void (ServerConnection::*then)()) {
  connection.read_request();
  connection.send(bytes);
  std::this_thread::sleep_for(20ms);
  (connection.*then)();
}

}  // namespace

TEST_CASE("a broken exchange ends once, with the cause and where it happened") {
  const std::string begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";
  const std::string chunk = std::string(chunked_head) + "5\r\nbegun\r\n";
  const std::vector<Failure> failures = {
      {"closed before the answer", [](auto& c) { read_and(c, "", &ServerConnection::close); }, ErrorCode::io,
       "closed before the answer's head", false},
      {"reset before the answer", [](auto& c) { read_and(c, "", &ServerConnection::reset); }, ErrorCode::io,
       "before the answer: Connection reset", false},
      {"cut in the head", [](auto& c) { read_and(c, "HTTP/1.1 200 OK\r\nX-A: b\r\n", &ServerConnection::close); },
       ErrorCode::io, "closed before the answer's head", false},
      {"cut in the body", [=](auto& c) { read_and(c, begun, &ServerConnection::close); }, ErrorCode::io,
       "closed within the answer, after 5 bytes", true},
      {"reset in the body", [=](auto& c) { read_and(c, begun, &ServerConnection::reset); }, ErrorCode::io,
       "within the answer, after 5 bytes of its body: Connection reset", true},
      {"cut in a chunked body", [=](auto& c) { read_and(c, chunk, &ServerConnection::close); }, ErrorCode::io,
       "closed within the answer, after 5 bytes", true},
      {"reset in a chunked body", [=](auto& c) { read_and(c, chunk, &ServerConnection::reset); }, ErrorCode::io,
       "within the answer, after 5 bytes of its body: Connection reset", true},
      {"a bad chunk", [=](auto& c) { read_and(c, chunk + "zz\r\n", &ServerConnection::wait_closed); }, ErrorCode::io,
       "within the answer, after 5 bytes", true},
      {"garbage", [](auto& c) { read_and(c, "SSH-2.0-OpenSSH_9.2\r\n\r\n", &ServerConnection::wait_closed); },
       ErrorCode::io, "not HTTP", false},
      {"silence before the answer", [](auto& c) { read_and(c, "", &ServerConnection::wait_closed); },
       ErrorCode::timeout, "no answer within 250 ms", false},
      {"silence in the head", [](auto& c) { read_and(c, "HTTP/1.1 200", &ServerConnection::wait_closed); },
       ErrorCode::timeout, "no answer within 250 ms", false},
      {"silence in the body", [=](auto& c) { read_and(c, begun, &ServerConnection::wait_closed); }, ErrorCode::timeout,
       "silent for 250 ms within the answer, after 5 bytes", true},
      {"a huge head",
       [](auto& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\n");
         for (int i = 0; i < 100; ++i) c.send("X-Filler: " + std::string(2000, 'x') + "\r\n");
         c.wait_closed();
       },
       ErrorCode::limit, "larger than 65536 bytes", false},
  };
  for (const auto& expected : failures) {
    CAPTURE(expected.name);
    TestServer server(expected.script);
    World world({.head_size_max = 65'536});
    Recorder sink;
    HttpRequest request{.url = server.url("/?key=sesame"), .body = rope({"body"})};
    request.headers = {{"Authorization", "Bearer sesame"}};
    request.idle_timeout = 250ms;
    const auto exchange = world.transport->start(std::move(request), sink);
    REQUIRE(world.run_to_end(sink));
    world.run_for(30ms);  // nothing follows
    CHECK(sink.in_order);
    CHECK(sink.heads == (expected.head ? 1 : 0));
    const Error error = sink.error();
    CAPTURE(error.message);
    CHECK(error.code == expected.code);
    CHECK(error.message.starts_with("127.0.0.1:" + std::to_string(server.port()) + ": "));
    CHECK(error.message.find(expected.says) != std::string::npos);
    CHECK(error.message.find("sesame") == std::string::npos);
    CHECK(error.message.find('\n') == std::string::npos);
    CHECK(server.accepted() == 1);  // a fresh connection's failure is not tried again
  }
}

TEST_CASE("refused, unresolvable, malformed and foreign URLs say so") {
  int dead_port;
  {
    TestServer server(answers(""));
    dead_port = server.port();
  }
  World world;
  const auto fail = [&](HttpRequest request) {
    Recorder sink;
    const auto exchange = world.transport->start(std::move(request), sink);
    CHECK(sink.calls == 0);
    CHECK(world.run_to_end(sink));
    CHECK(sink.heads == 0);
    return sink.error();
  };
  Error error = fail({.url = "http://127.0.0.1:" + std::to_string(dead_port) + "/"});
  CHECK(error.code == ErrorCode::io);
  CHECK(error.message.find("connection refused") != std::string::npos);

  error = fail({.url = "http://no-such-host.invalid/x?key=sesame"});
  CHECK(error.code == ErrorCode::io);
  CHECK(error.message.find("no-such-host.invalid:80: the host name could not be resolved") == 0);

  CHECK(fail({.url = "http://[bad/"}).code == ErrorCode::invalid_argument);
  CHECK(fail({.url = ""}).code == ErrorCode::invalid_argument);
  CHECK(fail({.url = "file:///etc/passwd"}).code == ErrorCode::invalid_argument);
  CHECK(fail({.url = "http://127.0.0.1/a\r\nX: y"}).code == ErrorCode::invalid_argument);
  CHECK(fail({.method = "GET /", .url = "http://127.0.0.1/"}).code == ErrorCode::invalid_argument);

  error = fail({.url = "http://127.0.0.1/", .headers = {{"X-Key", "sesame\r\nX-Evil: 1"}}});
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.message.find("X-Key") != std::string::npos);
  CHECK(error.message.find("sesame") == std::string::npos);
}

TEST_CASE("a TLS handshake with a server that speaks plain HTTP fails with a hint") {
  TestServer server([](ServerConnection& connection) {
    connection.read_some(1);
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_closed();
  });
  World world;
  Recorder sink;
  const auto exchange =
      world.transport->start({.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/"}, sink);
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.error().code == ErrorCode::io);
  CHECK(sink.error().message.find("TLS handshake failed") != std::string::npos);
}

TEST_CASE("a connection that does not come about times out, however long the idle timeout") {
  TestServer server([](ServerConnection& connection) { connection.wait_closed(); });  // accepts, but no handshake
  World world;
  Recorder sink;
  HttpRequest request{.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/"};
  request.connect_timeout = 200ms;
  const auto start = Clock::now();
  const auto exchange = world.transport->start(std::move(request), sink);
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.error().code == ErrorCode::timeout);
  CHECK(sink.error().message.find("not connected within 200 ms") != std::string::npos);
  CHECK(milliseconds_since(start) >= 200);
  CHECK(milliseconds_since(start) < 3000);
}

TEST_CASE("each exchange times its own silence") {
  TestServer server([](ServerConnection& connection) {
    connection.read_request();
    connection.send(chunked_head);
    connection.send_chunk("x");
    connection.wait_closed();
  });
  World world;
  struct Timed {
    Recorder sink;
    std::unique_ptr<HttpExchange> exchange;
    std::int64_t silent_ms{0};
    Clock::time_point last;
  };
  std::vector<std::unique_ptr<Timed>> all;
  for (int i = 0; i < 20; ++i) {
    auto timed = std::make_unique<Timed>();
    timed->sink.body_hook = [t = timed.get()] { t->last = Clock::now(); };
    timed->sink.end_hook = [t = timed.get()] { t->silent_ms = milliseconds_since(t->last); };
    HttpRequest request{.url = server.url()};
    request.idle_timeout = std::chrono::milliseconds(100 + 30 * i);
    timed->exchange = world.transport->start(std::move(request), timed->sink);
    all.push_back(std::move(timed));
  }
  REQUIRE(world.run_until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& timed) { return timed->sink.end.has_value(); });
  }));
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    CHECK(all[static_cast<std::size_t>(i)]->sink.error().code == ErrorCode::timeout);
    CHECK(all[static_cast<std::size_t>(i)]->silent_ms >= 100 + 30 * i - 5);
    CHECK(all[static_cast<std::size_t>(i)]->silent_ms <= 100 + 30 * i + 250);
  }
}

TEST_CASE("a loop that was late itself does not take that for the server's silence") {
  TestServer server([](ServerConnection& connection) {
    connection.read_request();
    std::this_thread::sleep_for(50ms);
    connection.answer("in time");
    connection.wait_closed();
  });
  World world;
  Recorder sink;
  HttpRequest request{.url = server.url()};
  request.idle_timeout = 150ms;
  const auto exchange = world.transport->start(std::move(request), sink);
  world.run_for(20ms);
  world.loop.post([] { std::this_thread::sleep_for(400ms); });
  REQUIRE(world.run_to_end(sink));
  CHECK(sink.succeeded());
}

// --- Cancelling ---

TEST_CASE("a cancelled exchange is silent from then on, whatever it was doing") {
  enum class Stage { started, connecting, uploading, waiting, in_head, in_body };
  for (const Stage stage : {Stage::started, Stage::connecting, Stage::uploading, Stage::waiting, Stage::in_head,
                            Stage::in_body}) {
    CAPTURE(static_cast<int>(stage));
    std::atomic<bool> closed{false};
    TestServer server([&](ServerConnection& connection) {
      if (stage == Stage::connecting) {
        connection.wait_closed();
        return;
      }
      connection.read_head();
      if (stage != Stage::uploading) {
        if (stage == Stage::in_head) connection.send("HTTP/1.1 200 OK\r\nX-A: b\r\n");
        if (stage == Stage::in_body) {
          connection.send(chunked_head);
          connection.send_chunk("x");
        }
      } else {
        std::this_thread::sleep_for(100ms);
      }
      connection.wait_closed();
      closed = true;
    });
    World world;
    Recorder sink;
    HttpRequest request{.url = server.url()};
    if (stage == Stage::connecting) request.url = "https" + request.url.substr(4);
    if (stage == Stage::uploading) request.body = cut(pattern(8 << 20), 1 << 20);
    auto exchange = world.transport->start(std::move(request), sink);
    if (stage != Stage::started) world.run_for(60ms);
    const int calls = sink.calls;
    CHECK(calls == (stage == Stage::in_body ? 2 : 0));
    exchange.reset();
    world.run_for(50ms);
    CHECK(sink.calls == calls);
    if (stage != Stage::started && stage != Stage::connecting) {
      CHECK(world.run_until([&] { return closed.load(); }));
    }
    if (stage == Stage::started) CHECK(server.accepted() == 0);
  }
}

TEST_CASE("cancelling while the name is being resolved does not wait for it") {
  World world;
  Recorder sink;
  auto exchange = world.transport->start({.url = "http://no-such-host.invalid/"}, sink);
  world.loop.step(0);
  const auto start = Clock::now();
  exchange.reset();
  CHECK(milliseconds_since(start) < 50);
  world.run_for(20ms);
  CHECK(sink.calls == 0);
}

TEST_CASE("an exchange may be destroyed inside any call of its own sink") {
  TestServer server([](ServerConnection& connection) {
    while (connection.read_request()) {
      connection.send(chunked_head);
      for (int i = 0; i < 5; ++i) connection.send_chunk("piece");
      connection.send_chunk("");
    }
  });
  World world;
  for (int round = 0; round < 3; ++round) {
    for (int call = 1; call <= 3; ++call) {
      CAPTURE(call);
      Recorder sink;
      std::unique_ptr<HttpExchange> exchange;
      const auto destroy = [&] {
        if (sink.calls >= call) exchange.reset();
      };
      sink.head_hook = destroy;
      sink.body_hook = destroy;
      sink.end_hook = [&] { exchange.reset(); };
      exchange = world.transport->start({.url = server.url()}, sink);
      CHECK(world.run_until([&] { return exchange == nullptr; }));
      const int calls = sink.calls;
      world.run_for(10ms);
      CHECK(sink.calls == calls);
    }
  }
}

TEST_CASE("inside a call of a sink, others may be destroyed and new ones started") {
  TestServer server([](ServerConnection& connection) {
    while (connection.read_request()) {
      connection.send(chunked_head);
      connection.send_chunk("piece");
      std::this_thread::sleep_for(5ms);
      connection.send_chunk("");
    }
  });
  World world;
  constexpr int count = 16;
  std::vector<std::unique_ptr<Recorder>> sinks;
  std::vector<std::unique_ptr<HttpExchange>> exchanges(count);
  Recorder late;
  std::unique_ptr<HttpExchange> late_exchange;
  for (int i = 0; i < count; ++i) sinks.push_back(std::make_unique<Recorder>());
  sinks[0]->body_hook = [&] {
    for (int i = 1; i < count; ++i) exchanges[static_cast<std::size_t>(i)].reset();
    late_exchange = world.transport->start({.url = server.url()}, late);
  };
  for (std::size_t i = 0; i < count; ++i) exchanges[i] = world.transport->start({.url = server.url()}, *sinks[i]);
  REQUIRE(world.run_until([&] { return sinks[0]->end && late.end; }));
  CHECK(sinks[0]->succeeded());
  CHECK(late.succeeded());

  // The same from on_end(), and from the on_end() of a request that never was one.
  Recorder again;
  std::unique_ptr<HttpExchange> again_exchange;
  Recorder bad;
  bad.end_hook = [&] { again_exchange = world.transport->start({.url = server.url()}, again); };
  const auto bad_exchange = world.transport->start({.url = server.url(), .headers = {{"a b", ""}}}, bad);
  REQUIRE(world.run_to_end(again));
  CHECK(again.succeeded());
}

// --- Connections ---

TEST_CASE("requests one after the other share a connection, those side by side do not") {
  TestServer server([](ServerConnection& connection) {
    while (connection.read_request()) {
      std::this_thread::sleep_for(5ms);
      connection.answer("hello");
    }
  });
  World world;
  for (int i = 0; i < 20; ++i) {
    Recorder sink;
    const auto exchange = world.transport->start({.url = server.url(), .body = rope({"x"})}, sink);
    REQUIRE(world.run_to_end(sink));
    CHECK(sink.succeeded());
  }
  CHECK(server.accepted() == 1);
  Recorder sinks[4];
  std::unique_ptr<HttpExchange> exchanges[4];
  for (int i = 0; i < 4; ++i) exchanges[i] = world.transport->start({.url = server.url()}, sinks[i]);
  for (const auto& sink : sinks) REQUIRE(world.run_to_end(sink));
  CHECK(server.accepted() == 4);
}

TEST_CASE("a request goes to a fresh connection when the server closed the kept one") {
  // Closes a kept connection, either before the next request or upon it.
  for (const bool upon_request : {false, true}) {
    for (const std::size_t size : {std::size_t{10}, std::size_t{3'000'000}}) {
      CAPTURE(upon_request);
      CAPTURE(size);
      TestServer server([&](ServerConnection& connection) {
        const auto request = connection.read_request();
        connection.answer(request ? std::to_string(request->body.size()) : "");
        if (connection.index() == 0 && upon_request) connection.read_head();
        if (connection.index() != 0) connection.wait_closed();
      });
      World world;
      const std::string bytes = pattern(size);
      for (int i = 0; i < 2; ++i) {
        Recorder sink;
        const auto exchange = world.transport->start({.url = server.url(), .body = cut(bytes, 50'000)}, sink);
        REQUIRE(world.run_to_end(sink));
        CAPTURE(sink.error().message);
        CHECK(sink.succeeded());
        CHECK(sink.body == std::to_string(size));
        if (!upon_request) world.run_for(50ms);  // learns that the server closed
      }
      CHECK(server.accepted() == 2);
    }
  }
}

TEST_CASE("a request whose answer had begun is not sent again") {
  std::atomic<int> requests{0};
  TestServer server([&](ServerConnection& connection) {
    while (connection.read_request()) {
      if (++requests == 1) {
        connection.answer("whole");
        continue;
      }
      connection.send("HTTP/1.1 200 OK\r\nContent-Le");
      return;
    }
  });
  World world;
  Recorder first;
  const auto first_exchange = world.transport->start({.url = server.url()}, first);
  REQUIRE(world.run_to_end(first));
  Recorder second;
  const auto second_exchange = world.transport->start({.url = server.url()}, second);
  REQUIRE(world.run_to_end(second));
  CHECK(second.error().code == ErrorCode::io);
  CHECK(requests == 2);
}

TEST_CASE("beyond the limit of connections exchanges wait, without running into their timeouts") {
  std::atomic<int> open{0};
  std::atomic<int> open_max{0};
  TestServer server([&](ServerConnection& connection) {
    while (connection.read_request()) {
      const int now = ++open;
      for (int seen = open_max; now > seen && !open_max.compare_exchange_weak(seen, now);) {}
      std::this_thread::sleep_for(60ms);
      --open;
      connection.answer("ok");
    }
  });
  World world({.host_connections_max = 2});
  std::vector<std::unique_ptr<Recorder>> sinks;
  std::vector<std::unique_ptr<HttpExchange>> exchanges;
  for (int i = 0; i < 30; ++i) {
    sinks.push_back(std::make_unique<Recorder>());
    HttpRequest request{.url = server.url()};
    request.connect_timeout = 600ms;
    request.idle_timeout = 600ms;
    exchanges.push_back(world.transport->start(std::move(request), *sinks.back()));
  }
  for (const auto& sink : sinks) {
    REQUIRE(world.run_to_end(*sink));
    CAPTURE(sink->error().message);
    CHECK(sink->succeeded());
  }
  CHECK(open_max == 2);
  CHECK(server.accepted() == 2);
}

TEST_CASE("1,000 exchanges run side by side") {
  constexpr std::size_t count = 1000;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
  setrlimit(RLIMIT_NOFILE, &files);
  REQUIRE(files.rlim_cur > 2 * count + 100);

  std::atomic<std::size_t> waiting{0};
  std::atomic<bool> released{false};
  const auto release = [&] {
    released = true;
    released.notify_all();
  };
  TestServer server([&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      connection.send(chunked_head);
      connection.send_chunk("first");
      if (++waiting == count) release();
      released.wait(false);
      connection.send_chunk(request->body);
      connection.send_chunk("");
    }
  });
  World world({.connections_max = count, .host_connections_max = count});
  std::vector<std::unique_ptr<Recorder>> sinks;
  std::vector<std::unique_ptr<HttpExchange>> exchanges;
  for (std::size_t i = 0; i < count; ++i) {
    sinks.push_back(std::make_unique<Recorder>());
    const std::string body = "request " + std::to_string(i);
    exchanges.push_back(world.transport->start({.url = server.url(), .body = rope({body})}, *sinks.back()));
  }
  std::size_t succeeded = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!world.run_until([&] { return sinks[i]->end.has_value(); }, 60s)) break;
    if (sinks[i]->succeeded() && sinks[i]->body == "firstrequest " + std::to_string(i)) ++succeeded;
  }
  release();
  CHECK(succeeded == count);
  CHECK(server.accepted() == static_cast<int>(count));
}

TEST_CASE("a transport may be destroyed before its exchanges") {
  TestServer server([](ServerConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(chunked_head);
    connection.send_chunk("x");
    connection.wait_closed();
  });
  World world;
  Recorder sinks[6];
  std::unique_ptr<HttpExchange> exchanges[6];
  for (int i = 0; i < 5; ++i) exchanges[i] = world.transport->start({.url = server.url()}, sinks[i]);
  REQUIRE(world.run_until([&] { return sinks[0].calls == 2; }));
  exchanges[5] = world.transport->start({.url = server.url()}, sinks[5]);
  exchanges[4].reset();
  world.transport.reset();
  world.run_for(30ms);
  for (const auto& sink : sinks) CHECK_FALSE(sink.end);
}

TEST_CASE("two transports come and go independently") {
  TestServer server(answers("ok"));
  auto first = std::make_unique<World>();
  for (int i = 0; i < 3; ++i) {
    World second;
    for (World* world : {first.get(), &second}) {
      Recorder sink;
      const auto exchange = world->transport->start({.url = server.url()}, sink);
      REQUIRE(world->run_to_end(sink));
      CHECK(sink.succeeded());
    }
  }
}

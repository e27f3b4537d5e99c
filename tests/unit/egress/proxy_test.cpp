// The proxy on the production loop, with real servers on loopback and names that lead where the test says.
#include "egress/proxy.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/uv_loop.hpp"
#include "transport/test_server.hpp"

using namespace joey;
using namespace joey::egress;
using namespace std::chrono_literals;

namespace {

class FakeResolver final : public Resolver {
 public:
  explicit FakeResolver(Scheduler& scheduler) : scheduler_(scheduler) {}
  void resolve(std::string name, Completion<std::vector<IpAddress>> done) override {
    asked.push_back(name);
    if (silent) {
      held.push_back(std::move(done));
      return;
    }
    const auto found = names.find(name);
    Result<std::vector<IpAddress>> result = failure(ErrorCode::not_found, name + " has no address");
    if (found != names.end()) {
      result = std::vector<IpAddress>();
      for (const std::string& text : found->second) result->push_back(*parse_address(text));
    }
    scheduler_.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
  std::map<std::string, std::vector<std::string>> names;
  std::vector<std::string> asked;
  std::vector<Completion<std::vector<IpAddress>>> held;
  bool silent{false};

 private:
  Scheduler& scheduler_;
};

// A command's end of a connection.
class Peer {
 public:
  Peer(UvLoop& loop, Client& client, int buffer = 0) : loop_(loop) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    fd_ = pair[0];
    if (buffer > 0) {
      for (const int fd : pair) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    client.serve(pair[1]);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }

  // How many bytes the other side took within the time.
  std::size_t send(std::string_view bytes, std::chrono::milliseconds limit = 5s) {
    std::size_t sent = 0;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (sent < bytes.size() && std::chrono::steady_clock::now() < deadline) {
      const ssize_t put = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (put > 0) sent += static_cast<std::size_t>(put);
      if (put < 0 && errno != EAGAIN) break;
      loop_.step(1);
    }
    return sent;
  }
  // Until the end, or until `size` bytes are there.
  std::string read(std::size_t size = std::string::npos, std::chrono::milliseconds limit = 10s) {
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (text.size() < size && std::chrono::steady_clock::now() < deadline) {
      char buffer[65536];
      const ssize_t got = ::recv(fd_, buffer, std::min(sizeof buffer, size - text.size()), 0);
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
      ended_ = got == 0 || (got < 0 && errno != EAGAIN);
      if (ended_) break;
      if (got < 0) loop_.step(1);
    }
    return text;
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return read();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  void end_writing() const { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  UvLoop& loop_;
  int fd_{-1};
  bool ended_{false};
};

struct Rig {
  explicit Rig(std::vector<std::string> allow, ProxyOptions options = {}) {
    auto parsed = HostRules::parse(allow, {});
    REQUIRE(parsed);
    proxy = make_proxy(loop.handle(), loop, resolver, options);
    client = proxy->add_client(std::make_shared<const HostRules>(*parsed), nullptr, [this](const Record& record) { records.push_back(record); });
  }
  // Steps until it holds.
  template <class Holds>
  bool until(Holds holds) {
    for (int i = 0; i < 2'000 && !holds(); ++i) loop.step(2);
    return holds();
  }
  [[nodiscard]] std::string told() const {
    std::string text;
    for (const Record& record : records) {
      constexpr std::string_view kinds[] = {"refused", "opened", "closed"};
      text += fmt::format("{} {} {} {} {} {} [{}] {}\n", kinds[static_cast<int>(record.kind)], record.connection, record.method, record.host,
                          record.port, record.address, record.rule, record.message);
    }
    return text;
  }

  UvLoop loop;
  std::shared_ptr<FakeResolver> resolver{std::make_shared<FakeResolver>(loop)};
  std::vector<Record> records;
  std::shared_ptr<Proxy> proxy;
  std::shared_ptr<Client> client;
};

std::string rule_for(const std::string& name, int port, bool with_private = true) {
  return fmt::format("{}:{}{}", name, port, with_private ? "+private" : "");
}
std::string get(const std::string& host, int port, const std::string& path = "/") {
  return fmt::format("GET http://{}:{}{} HTTP/1.1\r\nHost: x\r\n\r\n", host, port, path);
}
std::string tunnel(const std::string& host, int port) { return fmt::format("CONNECT {0}:{1} HTTP/1.1\r\nHost: {0}:{1}\r\n\r\n", host, port); }

// Answers what it read, in capital letters, until the end.
void echo(ServerConnection& connection) {
  for (std::string bytes; !(bytes = connection.read_some(65536)).empty();) {
    for (char& c : bytes) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    connection.send(bytes);
  }
}

}  // namespace

TEST_CASE("an allowed host is reached by plain HTTP, and what went each way is recorded") {
  std::string seen;
  TestServer server([&](ServerConnection& connection) {
    const auto request = connection.read_request();
    if (!request) return;
    seen = request->head + request->body;
    connection.answer("hello");
  });
  Rig rig({rule_for("web.test", server.port())});
  rig.resolver->names["web.test"] = {"127.0.0.1"};
  Peer peer(rig.loop, *rig.client);
  const std::string answer = peer.ask(fmt::format("POST http://web.test:{}/a HTTP/1.1\r\nHost: evil\r\nProxy-Authorization: x\r\nContent-Length: 4\r\n\r\nbody",
                                                  server.port()));
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(answer.ends_with("\r\n\r\nhello"));
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  CHECK(seen.starts_with(fmt::format("POST /a HTTP/1.1\r\nHost: web.test:{}\r\n", server.port())));
  CHECK(seen.ends_with("body"));
  CHECK(seen.find("evil") == std::string::npos);
  CHECK(seen.find("Proxy-Authorization") == std::string::npos);
  REQUIRE(rig.records.size() == 2);
  CHECK(rig.told() == fmt::format("opened 1 POST web.test {0} 127.0.0.1 [{1}] \nclosed 1 POST web.test {0} 127.0.0.1 [{1}] \n", server.port(),
                                  rule_for("web.test", server.port())));
  CHECK(rig.records[1].bytes_up == seen.size());
  CHECK(rig.records[1].bytes_down == answer.size());
  peer.close();
  CHECK(rig.until([&] { return rig.client->connections() == 0; }));
}

TEST_CASE("an allowed host is reached by a tunnel, whose bytes pass unchanged both ways") {
  TestServer server(echo);
  Rig rig({rule_for("web.test", server.port())});
  rig.resolver->names["web.test"] = {"127.0.0.1"};
  Peer peer(rig.loop, *rig.client);
  const std::string granted = "HTTP/1.1 200 Connection established\r\n\r\n";
  peer.send(tunnel("web.test", server.port()) + "early");  // bytes behind the head belong to the tunnel
  CHECK(peer.read(granted.size() + 5) == granted + "EARLY");
  peer.send("and late");
  CHECK(peer.read(8) == "AND LATE");
  peer.end_writing();  // half of the connection
  CHECK(peer.read().empty());
  CHECK(peer.ended());
  CHECK(rig.until([&] { return rig.records.size() == 2; }));
  CHECK(rig.records[1].bytes_up == 13);
  CHECK(rig.records[1].bytes_down == granted.size() + 13);
  CHECK(rig.client->connections() == 0);
}

TEST_CASE("a server that ends its half of a tunnel still gets what the command writes") {
  std::string got;
  std::atomic<bool> over{false};
  TestServer server([&](ServerConnection& connection) {
    connection.send("bye");
    connection.end_writing();
    got = connection.read_some(100);
    over = true;
  });
  Rig rig({rule_for("web.test", server.port())});
  rig.resolver->names["web.test"] = {"127.0.0.1"};
  Peer peer(rig.loop, *rig.client);
  peer.send(tunnel("web.test", server.port()));
  peer.read(std::string("HTTP/1.1 200 Connection established\r\n\r\nbye").size());
  peer.send("last words");
  CHECK(rig.until([&] { return over.load(); }));
  CHECK(got == "last words");
}

TEST_CASE("a request is served at every split") {
  TestServer server(answers("hello"));
  Rig rig({rule_for("localhost", server.port())});
  const std::string request = fmt::format("POST http://localhost:{}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", server.port());
  for (std::size_t cut = 1; cut < request.size(); cut += 3) {
    Peer peer(rig.loop, *rig.client);
    peer.send(std::string_view(request).substr(0, cut));
    for (int i = 0; i < 3; ++i) rig.loop.step(1);
    CHECK_MESSAGE(peer.ask(std::string_view(request).substr(cut)).ends_with("hello"), cut);
  }
}

TEST_CASE("what no rule allows is refused with a line that says what would, and no name is resolved") {
  Rig rig({"web.test", "10.9.9.9"});
  for (const auto& [request, line] : std::vector<std::pair<std::string, std::string>>{
           {tunnel("other.test", 443), "other.test:443 is not allowed by any rule: a person can allow \"other.test\""},
           {tunnel("web.test", 22), "web.test:22 is not allowed by any rule: a person can allow \"web.test:22\""},
           {get("other.test", 80), "other.test:80 is not allowed by any rule: a person can allow \"other.test\""},
           {get("127.0.0.1", 80), "127.0.0.1:80 is not allowed by any rule: a person can allow \"127.0.0.1\""},
           {get("localhost", 80), "localhost:80 is not allowed by any rule: a person can allow \"localhost\""},
       }) {
    rig.records.clear();
    Peer peer(rig.loop, *rig.client);
    const std::string answer = peer.ask(request);
    CHECK(answer.starts_with("HTTP/1.1 403 " + line + "\r\n"));
    CHECK(answer.ends_with("joey: " + line + "\n"));
    REQUIRE(rig.records.size() == 1);
    CHECK(rig.records[0].kind == Record::Kind::refused);
    CHECK(rig.records[0].message == line);
  }
  CHECK(rig.resolver->asked.empty());
}

TEST_CASE("a name that leads to an address that is not public is refused") {
  TestServer server(answers("secret"));
  Rig rig({rule_for("web.test", server.port(), false), rule_for("*", server.port(), false)});
  for (const char* address : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "10.0.0.1", "fe80::1", "64:ff9b::7f00:1"}) {
    rig.resolver->names["web.test"] = {address};
    for (const std::string& request : {get("web.test", server.port()), tunnel("web.test", server.port())}) {
      rig.records.clear();
      Peer peer(rig.loop, *rig.client);
      CHECK_MESSAGE(peer.ask(request).starts_with("HTTP/1.1 403 web.test"), address);
      REQUIRE(rig.records.size() == 1);
      CHECK(rig.records[0].kind == Record::Kind::refused);
    }
  }
  CHECK(server.accepted() == 0);
}

TEST_CASE("of a name's addresses those that are refused are passed over, and what is connected to is what was judged") {
  TestServer server(answers("hello"));
  Rig rig({rule_for("web.test", server.port(), false), rule_for("127.0.0.1", server.port(), false)});
  rig.resolver->names["web.test"] = {"10.0.0.1", "169.254.169.254", "127.0.0.1"};
  Peer peer(rig.loop, *rig.client);
  CHECK(peer.ask(get("web.test", server.port())).ends_with("hello"));
  CHECK(rig.resolver->asked.size() == 1);
  REQUIRE(rig.records.size() == 2);
  CHECK(rig.records[0].address == "127.0.0.1");
  CHECK(rig.records[0].rule == rule_for("127.0.0.1", server.port(), false));
}

TEST_CASE("what cannot be resolved or connected to is said") {
  int closed_port = 0;
  { closed_port = TestServer(answers("")).port(); }
  Rig rig({"nowhere.test", rule_for("web.test", closed_port)}, {.connect_timeout = 300ms});
  CHECK(Peer(rig.loop, *rig.client).ask(tunnel("nowhere.test", 443)).starts_with("HTTP/1.1 502 nowhere.test has no address\r\n"));
  rig.resolver->names["web.test"] = {"127.0.0.1"};
  const std::string answer = Peer(rig.loop, *rig.client).ask(tunnel("web.test", closed_port));
  CHECK(answer.starts_with(fmt::format("HTTP/1.1 502 web.test:{} at 127.0.0.1: Connection refused\r\n", closed_port)));
  REQUIRE(rig.records.size() == 3);
  CHECK(rig.records[2].kind == Record::Kind::closed);
  CHECK(rig.records[2].message.ends_with("Connection refused"));
  rig.resolver->silent = true;
  CHECK(Peer(rig.loop, *rig.client).ask(tunnel("nowhere.test", 443)).starts_with("HTTP/1.1 504 nowhere.test could not be resolved within 0.3 s\r\n"));
  for (auto& done : rig.resolver->held) done(std::vector{*parse_address("1.1.1.1")});  // too late
  CHECK(rig.records.size() == 4);
}

TEST_CASE("only one request of a connection is sent on") {
  std::vector<std::string> seen;
  TestServer server([&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      seen.push_back(request->head);
      connection.answer("hello");
    }
  });
  Rig rig({rule_for("localhost", server.port())});
  Peer peer(rig.loop, *rig.client);
  const std::string answer = peer.ask(get("localhost", server.port(), "/one") + get("127.0.0.1", server.port(), "/two") + "junk");
  CHECK(answer.ends_with("hello"));
  CHECK(answer.find("HTTP/1.1 200", 1) == std::string::npos);
  CHECK(seen.size() == 1);
}

TEST_CASE("what is no request is refused and recorded, and goes nowhere") {
  TestServer server(answers("hello"));
  Rig rig({rule_for("localhost", server.port()), "*:*"});
  for (const std::string& request : {std::string("\x16\x03\x01\x02\x00\r\n\r\n", 9), std::string("SSH-2.0-x\r\n\r\n"), std::string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                    std::string("GET / HTTP/1.1\n\n"), "GET http://localhost/ HTTP/1.1\r\nA: " + std::string(40'000, 'x'),
                                    fmt::format("POST http://localhost:{}/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", server.port())}) {
    rig.records.clear();
    Peer peer(rig.loop, *rig.client);
    CHECK(peer.ask(request).starts_with("HTTP/1.1 4"));
    REQUIRE(rig.records.size() == 1);
    CHECK(rig.records[0].kind == Record::Kind::refused);
  }
  CHECK(server.accepted() == 0);
}

TEST_CASE("a malformed chunk ends the connection to the server before the server sees it") {
  std::string seen;
  std::atomic<bool> over{false};
  TestServer server([&](ServerConnection& connection) {
    for (std::string bytes; !(bytes = connection.read_some(4096)).empty();) seen += bytes;
    over = true;
  });
  Rig rig({rule_for("localhost", server.port())});
  Peer peer(rig.loop, *rig.client);
  const std::string answer = peer.ask(fmt::format("POST http://localhost:{}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\nGET /smuggled HTTP/1.1\r\n\r\n", server.port()));
  CHECK(answer.starts_with("HTTP/1.1 400 a chunk of the body is malformed\r\n"));
  CHECK(rig.until([&] { return over.load(); }));
  CHECK(seen.find("smuggled") == std::string::npos);
}

TEST_CASE("a server's answer that is no HTTP, or not whole, is not passed off as one") {
  for (const std::string& bytes : std::vector<std::string>{"nonsense\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "",
                                  "HTTP/1.1 200 OK\r\nA: b"}) {
    TestServer server([&](ServerConnection& connection) {
      (void)connection.read_head();
      connection.send(bytes);
    });
    Rig rig({rule_for("localhost", server.port())});
    CHECK_MESSAGE(Peer(rig.loop, *rig.client).ask(get("localhost", server.port())).starts_with("HTTP/1.1 502 "), bytes);
  }
  TestServer server([&](ServerConnection& connection) {
    (void)connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  Rig rig({rule_for("localhost", server.port())});
  CHECK(Peer(rig.loop, *rig.client).ask(get("localhost", server.port())).ends_with("\r\n\r\nhalf"));
  CHECK(rig.records.back().message.find("within its answer") != std::string::npos);
}

TEST_CASE("answers before the answer, and answers that end with the connection, pass") {
  TestServer server([&](ServerConnection& connection) {
    (void)connection.read_head();
    connection.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  Rig rig({rule_for("localhost", server.port())});
  CHECK(Peer(rig.loop, *rig.client).ask(get("localhost", server.port())) ==
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
}

TEST_CASE("an answer reaches a command that is still writing") {
  TestServer server([&](ServerConnection& connection) {
    (void)connection.read_head();
    connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  });
  Rig rig({rule_for("localhost", server.port())});
  Peer peer(rig.loop, *rig.client);
  peer.send(fmt::format("POST http://localhost:{}/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{}", server.port(), std::string(500'000, 'x')));
  CHECK(peer.read().ends_with("\r\n\r\nno"));
}

TEST_CASE("a command that does not read is not read for without bound, and neither is a server") {
  std::atomic<std::size_t> produced{0};
  std::atomic<bool> go{false};
  TestServer server(
      [&](ServerConnection& connection) {
        const std::string block(1 << 16, 'x');
        for (int i = 0; i < 800; ++i) {  // 50 MB
          connection.send(block);
          produced += block.size();
        }
        while (!go) std::this_thread::sleep_for(5ms);
      },
      1 << 16);
  Rig rig({rule_for("localhost", server.port())});
  Peer peer(rig.loop, *rig.client, 1 << 16);
  peer.send(tunnel("localhost", server.port()));
  for (int i = 0; i < 200; ++i) rig.loop.step(1);
  CHECK(produced < 20U << 20);  // what kernels and the proxy hold
  const std::size_t up = peer.send(std::string(50U << 20, 'y'), 1s);  // nobody reads it
  CHECK(up < 20U << 20);
  const std::string head = "HTTP/1.1 200 Connection established\r\n\r\n";
  CHECK(peer.read(head.size() + (800U << 16), 30s).size() == head.size() + (800U << 16));
  go = true;
}

TEST_CASE("a slow or silent command is cut off") {
  Rig rig({"localhost"}, {.head_timeout = 100ms});
  Peer silent(rig.loop, *rig.client);
  Peer slow(rig.loop, *rig.client);
  slow.send("GET http://localhost/ HTT");
  CHECK(slow.read().starts_with("HTTP/1.1 408 the request was not whole within 0.1 s\r\n"));
  CHECK(silent.read().empty());
  CHECK(silent.ended());
  CHECK(rig.records.size() == 1);
}

TEST_CASE("a tunnel through which nothing goes is closed") {
  TestServer server(echo);
  Rig rig({rule_for("localhost", server.port())}, {.idle_timeout = 200ms});
  Peer peer(rig.loop, *rig.client);
  peer.send(tunnel("localhost", server.port()));
  peer.read();
  CHECK(peer.ended());
  REQUIRE(rig.records.size() == 2);
  CHECK(rig.records[1].message == "nothing went either way for 0.2 s");
}

TEST_CASE("a client has a largest number of connections, at a time and in all, and others are not touched by it") {
  TestServer server(echo);
  Rig rig({rule_for("localhost", server.port())}, {.connections_max = 5, .client_connections_max = 3, .client_total_max = 8});
  const std::string granted = "HTTP/1.1 200 ";
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<Peer>(rig.loop, *rig.client));
    peers.back()->send(tunnel("localhost", server.port()));
    CHECK(peers.back()->read(granted.size()) == granted);
  }
  CHECK(Peer(rig.loop, *rig.client).ask("x").starts_with("HTTP/1.1 503 a command may have 3 connections at a time\r\n"));
  const auto other = rig.proxy->add_client(std::make_shared<const HostRules>(*HostRules::parse(std::vector{rule_for("localhost", server.port())}, {})), nullptr,
                                           [](const Record&) {});
  CHECK(rig.until([&] { return rig.client->connections() == 3; }));
  std::vector<std::unique_ptr<Peer>> others;
  for (int i = 0; i < 2; ++i) {
    others.push_back(std::make_unique<Peer>(rig.loop, *other));
    others.back()->send(tunnel("localhost", server.port()));
    CHECK(others.back()->read(granted.size()) == granted);
  }
  CHECK(Peer(rig.loop, *other).ask("x").starts_with("HTTP/1.1 503 all commands together may have 5 connections at a time\r\n"));
  peers.clear();
  others.clear();
  CHECK(rig.until([&] { return rig.client->connections() == 0 && other->connections() == 0; }));
  for (int i = 0; i < 4; ++i) {
    Peer peer(rig.loop, *rig.client);
    peer.send(tunnel("localhost", server.port()));
    CHECK(peer.read(granted.size()) == granted);
  }
  CHECK(Peer(rig.loop, *rig.client).ask("x").starts_with("HTTP/1.1 503 a command may make 8 connections in all\r\n"));
  CHECK(Peer(rig.loop, *rig.client).ask("x").empty());
}

TEST_CASE("closing a client closes its connections at once, whatever they are at, and records those that were open") {
  std::atomic<int> closed{0};
  TestServer server([&](ServerConnection& connection) {
    connection.wait_closed();
    ++closed;
  });
  Rig rig({rule_for("localhost", server.port()), "slow.test"});
  rig.resolver->silent = true;
  Peer open(rig.loop, *rig.client);
  open.send(tunnel("localhost", server.port()));
  open.read(10);
  Peer asking(rig.loop, *rig.client);
  asking.send("GET ht");
  Peer resolving(rig.loop, *rig.client);
  resolving.send(tunnel("slow.test", 443));
  Peer refused(rig.loop, *rig.client);
  refused.send(tunnel("other.test", 443));
  refused.read(10);
  CHECK(rig.until([&] { return rig.resolver->held.size() == 1; }));
  CHECK(rig.client->connections() == 4);
  rig.records.clear();
  rig.client->close();
  CHECK(rig.client->connections() == 0);
  REQUIRE(rig.records.size() == 1);
  CHECK(rig.records[0].kind == Record::Kind::closed);
  CHECK(rig.records[0].message == "closed with the command");
  for (Peer* peer : {&open, &asking, &resolving, &refused}) {
    peer->read();
    CHECK(peer->ended());
  }
  Peer late(rig.loop, *rig.client);
  CHECK(late.read().empty());
  CHECK(rig.until([&] { return closed == 1; }));
  rig.client.reset();
  for (auto& done : rig.resolver->held) done(std::vector{*parse_address("1.1.1.1")});
}

TEST_CASE("the system's resolver knows the hosts file and says what has no address") {
  UvLoop loop;
  const auto resolver = make_system_resolver(loop);
  int answers_left = 4;
  for (int i = 0; i < 3; ++i) {
    resolver->resolve("localhost", [&](Result<std::vector<IpAddress>> addresses) {
      REQUIRE(addresses);
      CHECK(kind_of(addresses->front()) == AddressKind::private_);
      --answers_left;
    });
  }
  resolver->resolve("no-such-name.invalid", [&](Result<std::vector<IpAddress>> addresses) {
    REQUIRE(!addresses);
    CHECK(addresses.error().message.starts_with("no-such-name.invalid has no address: "));
    --answers_left;
  });
  for (int i = 0; i < 3'000 && answers_left > 0; ++i) loop.step(10);
  CHECK(answers_left == 0);
}

// Connections whose TLS ends at the proxy, between a command and a server on the same loop.
#include "egress/tls.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "egress/http.hpp"
#include "egress/proxy.hpp"
#include "runtime/uv_loop.hpp"

using namespace joey;
using namespace joey::egress;
using namespace std::chrono_literals;

namespace {

// Of an authority that has signed nothing here.
constexpr std::string_view other_authority =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdjCCAR2gAwIBAgIUNCI8tgWDXQ7MQEFkjGhqJBY2FhAwCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGbm9ib2R5MB4XDTI2MTIwMTA1NTA0OVoXDTI2MTIwMjA1NTA0\n"
    "OVowETEPMA0GA1UEAwwGbm9ib2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n"
    "pRGcNhlWqzZARlhzlrRNTZDYBZOpx5JIyhWm8DXbblbZaCDfj5w146SZZTQiR/bq\n"
    "yQpx/aSeeUwJwYsD4FOzaqNTMFEwHQYDVR0OBBYEFK2MKmmUgjjTOl+pUqz13zJx\n"
    "xKCwMB8GA1UdIwQYMBaAFK2MKmmUgjjTOl+pUqz13zJxxKCwMA8GA1UdEwEB/wQF\n"
    "MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgcnGPmtFxknF5rjjOq6NsrKZz9VFTX8Us\n"
    "UuGlkBQjM7ICIDidJjnh5ECdxx4ZSTK4ckiDdyo+ynK/VyfxWGiovutu\n"
    "-----END CERTIFICATE-----\n";

const std::string stands = "joey-secret-0123456789abcdef0123456789abcdef";
const std::string value = "s3cr3t-of-somebody";
constexpr std::string_view granted = "HTTP/1.1 200 Connection established\r\n\r\n";

std::shared_ptr<const Tls> make_tls(std::string_view trusted) {
  auto tls = Tls::make(trusted);
  REQUIRE(tls);
  return *tls;
}
HostPort host_of(const std::string& name, int port) { return *parse_host(fmt::format("{}:{}", name, port), 0); }

// One end of a connection, which does what it can whenever it is asked.
struct End {
  Socket socket;
  std::unique_ptr<TlsStream> tls;  // null: without
  std::string got;
  std::string to_write;
  bool ends_after{false};
  bool greeted{false};
  bool ended{false};
  std::string problem;

  End(UvLoop& loop, int fd) : socket(*Socket::open(loop.handle(), fd, [] {})) {}

  void go() {
    if (!greeted && tls) {
      const auto done = tls->shake_hands();
      if (!done) problem = done.error().message;
      greeted = done && *done;
      if (!greeted) return;
    }
    char buffer[TlsStream::record_size];
    while (!ended && problem.empty()) {
      const auto read = tls ? tls->read(buffer, sizeof buffer) : socket.read(buffer, sizeof buffer);
      if (read.end == Socket::Transfer::End::would_block) break;
      got.append(buffer, read.size);
      ended = read.end == Socket::Transfer::End::ended;
      if (read.end == Socket::Transfer::End::failed) problem = "cut off";
    }
    while (!to_write.empty() && problem.empty()) {
      const auto put = tls ? tls->write(to_write) : socket.write(to_write);
      if (put.end != Socket::Transfer::End::none) break;
      to_write.erase(0, put.size);
    }
    if (to_write.empty() && ends_after && (!tls || tls->end_writing())) {
      ends_after = false;
      socket.end_writing();
    }
  }
};

// Answers a connection once, when it has read the end of a head and `ending`. Its certificate is for `name`.
class Server {
 public:
  Server(UvLoop& loop, std::string name) : loop_(loop), name_(std::move(name)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port = ntohs(at.sin_port);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { ::close(listener_); }

  void go() {
    if (const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); fd >= 0) {
      ends.push_back(std::make_unique<End>(loop_, fd));
      if (speaks_tls) ends.back()->tls = *tls->accept(ends.back()->socket, host_of(name_, port), {});
      if (!speaks_tls) ends.back()->to_write = "220 mail.test\r\n";
      answered_.push_back(false);
    }
    for (std::size_t i = 0; i < ends.size(); ++i) {
      ends[i]->go();
      if (answered_[i] && !announces_end && ends[i]->to_write.empty()) ends[i]->socket.end_writing();
      if (answered_[i] || ends[i]->got.find("\r\n\r\n") == std::string::npos || !ends[i]->got.ends_with(ending)) continue;
      answered_[i] = true;
      ends[i]->to_write = answer;
      ends[i]->ends_after = announces_end;
    }
  }
  [[nodiscard]] std::string received() const { return ends.empty() ? std::string() : ends.back()->got; }

  const std::shared_ptr<const Tls> tls{make_tls(other_authority)};
  bool speaks_tls{true};
  bool announces_end{true};
  std::string ending;
  std::string answer{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
  std::vector<std::unique_ptr<End>> ends;
  int port{0};

 private:
  UvLoop& loop_;
  const std::string name_;
  const int listener_;
  std::vector<bool> answered_;
};

struct Rig {
  explicit Rig(std::string name = "localhost", ProxyOptions options = {}) : server(loop, std::move(name)), command(make_tls(other_authority)) {
    trusted = make_tls(server.tls->authority());
    const std::string port = fmt::to_string(server.port);
    const auto rules = [&](const std::vector<std::string>& hosts) { return *HostRules::parse(hosts, {}); };
    secrets = std::make_shared<ClientSecrets>(ClientSecrets{{{"token", stands, value, rules({"localhost:" + port})}}, trusted});
    proxy = make_proxy(loop.handle(), loop, make_system_resolver(loop), options);
    client = proxy->add_client(std::make_shared<const HostRules>(rules({"localhost:" + port, "127.0.0.1:" + port})), secrets,
                               [this](const Record& record) { records.push_back(record); });
    command = make_tls(trusted->authority());
  }

  template <class Holds>
  bool until(Holds holds) {
    for (int i = 0; i < 5'000 && !holds(); ++i) {
      server.go();
      if (peer) peer->go();
      loop.step(1);
    }
    return holds();
  }
  // Asks for a tunnel, and gives what is answered.
  std::string open_tunnel(const std::string& name = "localhost", const std::string& early = {}) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    peer = std::make_unique<End>(loop, pair[0]);
    client->serve(pair[1]);
    peer->to_write = fmt::format("CONNECT {0}:{1} HTTP/1.1\r\nHost: {0}:{1}\r\n\r\n{2}", name, server.port, early);
    until([&] { return peer->got.starts_with(granted) || peer->ended; });
    return std::exchange(peer->got, {});
  }
  // Whether the command has TLS in its tunnel.
  bool secure(const std::string& name = "localhost") { return secure_with(*command, name); }
  bool secure_with(const Tls& trusting, const std::string& name) {
    peer->tls = *trusting.connect(peer->socket, host_of(name, server.port));
    until([&] { return peer->greeted || !peer->problem.empty(); });
    return peer->greeted;
  }
  // Sends a request in a new tunnel, and gives all that is answered.
  std::string ask(const std::string& request) {
    REQUIRE(open_tunnel() == granted);
    REQUIRE(secure());
    peer->to_write = request;
    until([&] { return peer->ended || !peer->problem.empty(); });
    CHECK(peer->problem.empty());
    return peer->got;
  }
  [[nodiscard]] std::string host() const { return fmt::format("localhost:{}", server.port); }

  UvLoop loop;
  Server server;
  std::shared_ptr<const Tls> trusted;  // the proxy's
  std::shared_ptr<const Tls> command;
  std::shared_ptr<ClientSecrets> secrets;
  std::vector<Record> records;
  std::shared_ptr<Proxy> proxy;
  std::shared_ptr<Client> client;
  std::unique_ptr<End> peer;
};

}  // namespace

TEST_CASE("a request within TLS gets the secret, and its answer the placeholder") {
  Rig rig;
  rig.server.answer = fmt::format("HTTP/1.1 200 OK\r\nX-Token: {0}\r\nContent-Length: {1}\r\n\r\n<{0}>", value, value.size() + 2);
  const std::string answer = rig.ask(fmt::format("GET /a?t={0} HTTP/1.1\r\nHost: {1}\r\nAuthorization: Bearer {0}\r\n\r\n", stands, rig.host()));
  CHECK(rig.server.received() == fmt::format("GET /a?t={0} HTTP/1.1\r\nHost: {1}\r\nAuthorization: Bearer {0}\r\nConnection: close\r\n\r\n", value, rig.host()));
  CHECK(answer.find(value) == std::string::npos);
  CHECK(answer.find("X-Token: " + stands + "\r\n") != std::string::npos);
  CHECK(answer.find("<" + stands + ">") != std::string::npos);
  CHECK(rig.until([&] { return rig.records.size() == 2; }));
  CHECK(rig.records[0].kind == Record::Kind::opened);
  CHECK(rig.records[0].secrets.empty());
  CHECK(rig.records[1].kind == Record::Kind::closed);
  CHECK(rig.records[1].method == "CONNECT");
  CHECK(rig.records[1].message.empty());
  CHECK(rig.records[1].secrets == std::vector<std::string>{"token"});
  CHECK(rig.records[1].bytes_up == rig.server.received().size());
  CHECK(rig.until([&] { return rig.client->connections() == 0; }));
}

TEST_CASE("a request without placeholders has none put in, and is recorded so") {
  Rig rig;
  CHECK(rig.ask(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", rig.host())).find("ok") != std::string::npos);
  CHECK(rig.until([&] { return rig.records.size() == 2; }));
  CHECK(rig.records[1].secrets.empty());
}

TEST_CASE("a tunnel to a host that is approved for no secret is the server's own TLS, and the placeholder stays one") {
  Rig rig("127.0.0.1");
  REQUIRE(rig.open_tunnel("127.0.0.1") == granted);
  CHECK_FALSE(rig.secure("127.0.0.1"));  // it is not signed by the proxy
  REQUIRE(rig.open_tunnel("127.0.0.1") == granted);
  REQUIRE(rig.secure_with(*rig.trusted, "127.0.0.1"));
  rig.peer->to_write = fmt::format("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", stands);
  CHECK(rig.until([&] { return rig.peer->ended; }));
  CHECK(rig.server.received().find("Bearer " + stands) != std::string::npos);
  rig.peer.reset();
  CHECK(rig.until([&] { return rig.client->connections() == 0; }));
  REQUIRE(rig.records.size() == 4);
  for (const Record& record : rig.records) CHECK(record.secrets.empty());
}

TEST_CASE("a server whose certificate is not for its host, or is vouched for by nobody, gets nothing and is named") {
  for (const bool wrong_name : {true, false}) {
    Rig rig(wrong_name ? "other.test" : "localhost");
    if (!wrong_name) rig.secrets->tls = make_tls(other_authority);
    const std::string answer = rig.open_tunnel();
    CHECK(answer.starts_with(fmt::format("HTTP/1.1 502 TLS with localhost:{}: its certificate is not accepted: ", rig.server.port)));
    CHECK(rig.server.received().empty());
    REQUIRE(rig.records.size() == 2);
    CHECK(rig.records[1].message.find("its certificate is not accepted") != std::string::npos);
  }
}

TEST_CASE("a server that speaks no TLS is named") {
  Rig rig;
  rig.server.speaks_tls = false;
  CHECK(rig.open_tunnel().starts_with(fmt::format("HTTP/1.1 502 TLS with localhost:{}: ", rig.server.port)));
}

TEST_CASE("a command that does not trust the proxy's authority sends no request, which is recorded") {
  Rig rig;
  REQUIRE(rig.open_tunnel() == granted);
  CHECK_FALSE(rig.secure_with(*make_tls(other_authority), "localhost"));
  CHECK(rig.peer->problem.find("certificate") != std::string::npos);
  CHECK(rig.until([&] { return rig.records.size() == 2; }));
  CHECK(rig.records[1].message.find("SSL_CERT_FILE") != std::string::npos);
  CHECK(rig.server.received().empty());
  CHECK(rig.client->connections() == 0);
}

TEST_CASE("within TLS a request for another host than the tunnel's is refused, and nothing reaches the server") {
  for (const std::string& head : {std::string("GET / HTTP/1.1\r\nHost: other.test"), std::string("GET / HTTP/1.1"), std::string("GET https://other.test/ HTTP/1.1\r\nHost: localhost"),
                                  std::string("CONNECT other.test:443 HTTP/1.1\r\nHost: localhost"), std::string("no request")}) {
    Rig rig;
    const std::string answer = rig.ask(fmt::format("{}\r\nAuthorization: {}\r\n\r\n", head, stands));
    CHECK_MESSAGE(answer.starts_with("HTTP/1.1 4"), head);
    CHECK(answer.find("joey: ") != std::string::npos);
    CHECK(rig.server.received().empty());
    REQUIRE(rig.records.size() == 2);
    CHECK_FALSE(rig.records[1].message.empty());
    CHECK(rig.records[1].secrets.empty());
  }
}

TEST_CASE("of several requests in a connection only the first is sent on") {
  Rig rig;
  const std::string request = fmt::format("GET /one HTTP/1.1\r\nHost: {}\r\n\r\n", rig.host());
  const std::string answer = rig.ask(request + request + "junk");
  CHECK(answer.find("HTTP/1.1 200 OK", 1) == std::string::npos);
  CHECK(rig.server.received().find("GET", 1) == std::string::npos);
}

TEST_CASE("a command may begin its TLS before the tunnel is granted") {
  Rig rig;
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
  End scratch(rig.loop, pair[0]);
  const auto tls = *rig.command->connect(scratch.socket, host_of("localhost", rig.server.port));
  CHECK_FALSE(*tls->shake_hands());
  std::string hello(4096, '\0');
  hello.resize(static_cast<std::size_t>(::recv(pair[1], hello.data(), hello.size(), 0)));
  ::close(pair[1]);
  std::string answer = rig.open_tunnel("localhost", hello);
  REQUIRE(answer.starts_with(granted));
  // The handshake goes on with what was early.
  CHECK(rig.until([&] { return answer.size() + rig.peer->got.size() > granted.size(); }));
  CHECK((answer + rig.peer->got)[granted.size()] == '\x16');
}

TEST_CASE("large bodies go both ways, and what is in the last of them is put in") {
  Rig rig;
  const std::string large(3'000'000, 'x');
  rig.server.ending = "0\r\n\r\n";
  rig.server.answer = "HTTP/1.1 200 OK\r\n\r\n" + large + value;
  std::string request = fmt::format("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", rig.host());
  append_chunk(request, large);
  append_chunk(request, stands.substr(0, 20));
  append_chunk(request, stands.substr(20));
  const std::string answer = rig.ask(request.append(last_chunk));
  const auto content = [](const std::string& message) {
    std::string text;
    CHECK(BodyMeter({Framing::Kind::chunked, 0}).take(std::string_view(message).substr(message.find("\r\n\r\n") + 4), &text));
    return text;
  };
  CHECK(content(rig.server.received()) == large + value);
  CHECK(content(answer) == large + stands);
}

TEST_CASE("an answer that a server cuts off, or ends without saying so, comes as far as it went, and not as a whole one") {
  for (const char* head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"}) {
    Rig rig;
    rig.server.announces_end = false;
    rig.server.answer = head + value + " and s3cr3t-of";
    REQUIRE(rig.open_tunnel() == granted);
    REQUIRE(rig.secure());
    rig.peer->to_write = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", rig.host());
    CHECK(rig.until([&] { return rig.peer->ended || !rig.peer->problem.empty(); }));
    CHECK(rig.peer->problem == "cut off");
    CHECK(rig.peer->got.find("0\r\n\r\n") == std::string::npos);
    if (std::string_view(head).find("Length") == std::string_view::npos) {
      CHECK(rig.peer->got.find(stands) != std::string::npos);
      CHECK(rig.peer->got.find("s3cr3t-of") != std::string::npos);
    }
    REQUIRE(rig.records.size() == 2);
    CHECK_FALSE(rig.records[1].message.empty());
  }
}

TEST_CASE("who says nothing within TLS is cut off after a while") {
  Rig rig("localhost", {.head_timeout = 200ms});
  REQUIRE(rig.open_tunnel() == granted);
  REQUIRE(rig.secure());
  CHECK(rig.until([&] { return rig.client->connections() == 0; }));
  REQUIRE(rig.open_tunnel() == granted);  // and who does not even greet
  CHECK(rig.until([&] { return rig.client->connections() == 0; }));
  CHECK(rig.records.size() == 4);
}

TEST_CASE("closing a client ends what it has in TLS at every stage") {
  for (int stage = 0; stage < 3; ++stage) {
    Rig rig;
    rig.server.ending = "never";
    REQUIRE(rig.open_tunnel() == granted);
    if (stage > 0) REQUIRE(rig.secure());
    if (stage > 1) {
      rig.peer->to_write = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", rig.host());
      CHECK(rig.until([&] { return !rig.server.received().empty(); }));
    }
    rig.client->close();
    CHECK(rig.records.size() == 2);
    CHECK(rig.until([&] { return rig.peer->ended || !rig.peer->problem.empty(); }));
  }
}

TEST_CASE("an authority without certificates to trust is none") {
  for (const char* trusted : {"", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) CHECK_FALSE(Tls::make(trusted));
}

TEST_CASE("each authority is its own, and its text has no key") {
  const auto one = make_tls(other_authority);
  CHECK(one->authority() != make_tls(other_authority)->authority());
  CHECK(one->authority().starts_with("-----BEGIN CERTIFICATE-----\n"));
  CHECK(one->authority().find("KEY") == std::string::npos);
}

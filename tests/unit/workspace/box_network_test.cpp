// What reaches the network from a box with a proxy, and what does not: with the programs that people use, against servers
// that count who comes.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "box_support.hpp"
#include "egress/proxy.hpp"
#include "transport/test_server.hpp"
#include "workspace/box.hpp"

using namespace joey;
using namespace joey::test;

namespace {

constexpr std::uint16_t proxy_port = 3128;

class NoNames final : public egress::Resolver {
 public:
  void resolve(std::string name, Completion<std::vector<IpAddress>> done) override {
    asked.push_back(name);
    done(failure(ErrorCode::not_found, name + " has no address"));
  }
  std::vector<std::string> asked;
};

class ToProxy final : public CommandNetwork {
 public:
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& environment() const override { return variables; }
  std::vector<std::pair<std::string, std::string>> variables;
  explicit ToProxy(std::shared_ptr<egress::Client> client) : client_(std::move(client)) {}
  void connected(int socket) override {
    ++connections;
    client_->serve(socket);
  }
  int connections{0};

 private:
  std::shared_ptr<egress::Client> client_;
};

// A box whose commands may reach one server of two.
struct Network {
  Network(BoxWorld& boxed, std::shared_ptr<const Box> made) : world(boxed), box(std::move(made)) {
    const auto rules = HostRules::parse(std::vector{fmt::format("localhost:{}", allowed.port())}, {});
    REQUIRE(rules);
    const auto proxy = egress::make_proxy(world.loop().handle(), world.loop(), resolver);
    client = proxy->add_client(std::make_shared<const HostRules>(*rules), nullptr, [this](const egress::Record& record) { records.push_back(record); });
    network = std::make_shared<ToProxy>(client);
  }

  CommandSpec spec_of(const std::string& command) {
    CommandSpec spec = world.spec_of(command);
    spec.environment.emplace_back("ALLOWED", fmt::to_string(allowed.port()));
    spec.environment.emplace_back("OTHER", fmt::to_string(other.port()));
    spec.box = box;
    spec.network = network;
    return spec;
  }
  std::string run(const std::string& command) { return world.run(spec_of(command)).output; }

  BoxWorld& world;
  std::shared_ptr<const Box> box;
  TestServer allowed{answers("hello from the server")};
  TestServer other{answers("nobody should read this")};
  std::vector<egress::Record> records;
  std::shared_ptr<NoNames> resolver{std::make_shared<NoNames>()};
  std::shared_ptr<egress::Client> client;
  std::shared_ptr<ToProxy> network;
};

template <class Check>
void in_every_network(Check check) {
  for (const BoxKind kind : {BoxKind::landlock, BoxKind::bubblewrap, BoxKind::oci}) {
    CAPTURE(to_string(kind));
    BoxWorld world;
    BoxRules rules = world.plain_rules();
    rules.proxy_port = proxy_port;
    auto box = try_box(kind, rules);
    if (!box) continue;
    Network network(world, std::move(box));
    check(network);
  }
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an allowed host is reached from a box by the programs people use, plainly and through a tunnel") {
  in_every_network([](Network& network) {
    for (const char* command : {
             "curl -sS http://localhost:$ALLOWED/",
             "curl -sS -p http://localhost:$ALLOWED/",
             "curl -sS -d body http://localhost:$ALLOWED/",
             "/usr/bin/python3 -c 'import os, urllib.request as u; print(u.urlopen(\"http://localhost:\" + os.environ[\"ALLOWED\"]).read())'",
             "/usr/bin/python3 -c 'import http.client as h, os; c = h.HTTPConnection(\"127.0.0.1\", 3128, timeout=20); "
             "c.set_tunnel(\"localhost\", int(os.environ[\"ALLOWED\"])); c.request(\"GET\", \"/\"); print(c.getresponse().read())'",
             // without waiting for the connection
             "/usr/bin/python3 -c 'import asyncio, os\n"
             "async def main():\n"
             "  r, w = await asyncio.open_connection(\"127.0.0.1\", 3128)\n"
             "  w.write(b\"GET http://localhost:%s/ HTTP/1.1\\r\\n\\r\\n\" % os.environ[\"ALLOWED\"].encode())\n"
             "  print(await r.read())\n"
             "asyncio.run(main())'",
             "exec 5<>/dev/tcp/127.0.0.1/3128; printf 'GET http://localhost:%s/ HTTP/1.0\\r\\n\\r\\n' $ALLOWED >&5; cat <&5",
             "for i in $(seq 20); do curl -sS http://localhost:$ALLOWED/ >/dev/null & done; wait; curl -sS http://localhost:$ALLOWED/",
         }) {
      const std::string output = network.run(command);
      CHECK_MESSAGE(has(output, "hello from the server"), std::string(command) << ": " << output);
    }
    CHECK(network.other.accepted() == 0);
    REQUIRE(!network.records.empty());
    CHECK(network.records[0].kind == egress::Record::Kind::opened);
    CHECK(network.records[0].address == "127.0.0.1");
    CHECK(network.world.loop().run_until([&] { return network.client->connections() == 0; }));
  });
}

TEST_CASE("everything else is stopped, and no server notices that it was tried") {
  in_every_network([](Network& network) {
    const auto count = [&] { return network.allowed.accepted() + network.other.accepted(); };
    for (const char* command : {
             "curl -sS -m 10 http://localhost:$OTHER/",
             "curl -sS -m 10 -p http://localhost:$OTHER/",
             "curl -sS -m 10 http://127.0.0.1:$ALLOWED/",
             "curl -sS -m 10 http://[::1]:$ALLOWED/",
             "curl -sS -m 10 http://0x7f000001:$ALLOWED/",
             "curl -sS -m 10 -H \"Host: localhost:$ALLOWED\" http://localhost:$OTHER/",
             // past the proxy
             "curl -sS -m 10 --noproxy '*' http://127.0.0.1:$ALLOWED/",
             "curl -sS -m 10 --noproxy '*' http://localhost:$OTHER/",
             "curl -sS -m 10 --noproxy '*' http://[::1]:$OTHER/",
             "curl -sS -m 10 --noproxy '*' --tcp-fastopen http://127.0.0.1:$OTHER/",
             "curl -sS -m 10 --noproxy '*' --interface lo http://127.0.0.1:$OTHER/",
             "curl -sS -m 10 -x socks5h://127.0.0.1:$OTHER http://localhost:$OTHER/",
             "env -i PATH=$PATH OTHER=$OTHER bash -c 'exec 5<>/dev/tcp/127.0.0.1/$OTHER; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&5; cat <&5'",
             "/usr/bin/python3 -c 'import os, socket as s; c = s.socket(); c.bind((\"127.0.0.1\", 0)); c.connect((\"127.0.0.1\", int(os.environ[\"OTHER\"])))'",
             // a socket that was connected before, and taken apart
             "/usr/bin/python3 -c 'import ctypes, os, socket as s, struct\n"
             "c = s.socket(); c.connect((\"127.0.0.1\", 3128)); l = ctypes.CDLL(None)\n"
             "l.connect(c.fileno(), struct.pack(\"=H14x\", 0), 16)\n"
             "to = struct.pack(\"=H\", 2) + struct.pack(\">H4B8x\", int(os.environ[\"OTHER\"]), 127, 0, 0, 1)\n"
             "l.connect(c.fileno(), to, 16)\n"
             "c.sendall(b\"GET / HTTP/1.0\\r\\n\\r\\n\"); c.settimeout(3); print(c.recv(1000))'",
             "/usr/bin/python3 -c 'import os, socket as s; c = s.socket(); "
             "c.sendto(b\"GET / HTTP/1.0\\r\\n\\r\\n\", 0x20000000, (\"127.0.0.1\", int(os.environ[\"OTHER\"]))); print(c.recv(1000))'",
         }) {
      const int before = count();
      const std::string output = network.run(command);
      CHECK_MESSAGE(!has(output, "nobody should"), std::string(command) << ": " << output);
      CHECK_MESSAGE(!has(output, "hello from"), std::string(command) << ": " << output);
      CHECK_MESSAGE(count() == before, std::string(command) << ": " << output);
    }
    for (const char* attempt : {"tcp6 $OTHER", "mptcp $OTHER", "udp $UDP", "abstract $ABSTRACT", "unix $SOCKET", "socket 2 3 255", "socket 2 1 262",
                                "socket 17 3 0x300", "socket 40 1 0", "descriptors", "getfd $VICTIM", "setns /proc/$VICTIM/ns/net",
                                "unshare 0x40000000", "io_uring"}) {
      const std::string output = network.run(fmt::format("$P {}", attempt));
      CHECK_MESSAGE(!has(output, "ESCAPED"), std::string(attempt) << ": " << output);
    }
    network.run("$P signal_owner $VICTIM");
    CHECK(network.world.outside().victim_lives());
    CHECK(network.allowed.accepted() == 0);
    CHECK(network.other.accepted() == 0);
    CHECK(network.resolver->asked.empty());
  });
}

TEST_CASE("there is no DNS in a box, and a name that is not allowed is not resolved outside either") {
  in_every_network([](Network& network) {
    CHECK(!has(network.run("/usr/bin/python3 -c 'import socket; print(\"FOUND\", socket.getaddrinfo(\"example.com\", 80))'"), "FOUND"));
    CHECK(!has(network.run("getent ahosts example.com && echo FOUND"), "FOUND"));
    CHECK(network.resolver->asked.empty());
    CHECK(has(network.run("curl -sS -m 10 http://secret.example.com/"), "joey: secret.example.com:80 is not allowed by any rule"));
    CHECK(network.resolver->asked.empty());
  });
}

TEST_CASE("a command is told the proxy by its environment alone, which holds no secret") {
  in_every_network([](Network& network) {
    const std::string environment = network.run("env | grep -i proxy | sort");
    CHECK(has(environment, "HTTPS_PROXY=http://127.0.0.1:3128\n"));
    CHECK(has(environment, "http_proxy=http://127.0.0.1:3128\n"));
    CHECK(has(environment, "NO_PROXY=\n"));
    CHECK(!has(environment, "@"));
  });
}

TEST_CASE("a box without a proxy is told of none") {
  for (const BoxKind kind : {BoxKind::landlock, BoxKind::bubblewrap, BoxKind::oci}) {
    BoxWorld world;
    const auto box = try_box(kind, world.plain_rules());
    if (box) CHECK(world.run(box, "env | grep -ci proxy").output == "0\n");
  }
}

TEST_CASE("where nobody takes the connections of a box with a proxy, there is no network") {
  in_every_network([](Network& network) {
    CommandSpec spec = network.spec_of("curl -sS -m 10 http://localhost:$ALLOWED/ || echo failed");
    spec.network.reset();
    CHECK(has(network.world.run(std::move(spec)).output, "failed"));
  });
}

TEST_CASE("a connection that outlives its command's shell is closed with the command") {
  in_every_network([](Network& network) {
    TestServer silent([](ServerConnection& connection) { connection.wait_closed(); });
    const auto rules = HostRules::parse(std::vector{fmt::format("localhost:{}", silent.port())}, {});
    const auto proxy = egress::make_proxy(network.world.loop().handle(), network.world.loop(), network.resolver);
    std::vector<egress::Record> records;
    auto client = proxy->add_client(std::make_shared<const HostRules>(*rules), nullptr, [&](const egress::Record& record) { records.push_back(record); });
    CommandSpec spec = network.spec_of(fmt::format("curl -sS http://localhost:{}/ & sleep 60", silent.port()));
    spec.network = std::make_shared<ToProxy>(std::exchange(client, nullptr));
    Recorder recorder;
    auto command = network.world.start(std::move(spec), recorder);
    REQUIRE(network.world.loop().run_until([&] { return silent.accepted() == 1 && !records.empty(); }));
    command.reset();
    REQUIRE(records.size() == 2);
    CHECK(records[1].kind == egress::Record::Kind::closed);
    CHECK(records[1].message == "closed with the command");
  });
}

TEST_CASE("a command that asks for sockets without end gets no more than it may have, and the next one gets its own") {
  in_every_network([](Network& network) {
    network.run("/usr/bin/python3 -c 'import socket as s\nall = []\ntry:\n  for i in range(900):\n    c = s.socket(); c.connect((\"127.0.0.1\", 3128)); all.append(c)\n"
                "except OSError as e: print(e)'");
    CHECK(network.world.loop().run_until([&] { return network.client->connections() == 0; }));
    CHECK(has(network.run("curl -sS http://localhost:$ALLOWED/"), "hello from the server"));
  });
}

// The egress proxy: the one way from boxed commands to the network.
//
// It listens nowhere. A box hands it each connection that a command in it makes, so who asks is known by the descriptor it
// came on: there is no port for others to find and no secret that could be printed.
//
//   command --- connection of the box's --- proxy: rules, names, addresses --- server
//
// It speaks CONNECT and plain HTTP (one request a connection). Which bytes go through a tunnel it does not look at, unless the
// tunnel is to a host that is approved for one of the client's secrets: there it ends the TLS of both sides, and puts
// secrets where their placeholders are, as in plain HTTP to such a host (exchange.hpp).
#pragma once

#include <uv.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/function.hpp"
#include "base/scheduler.hpp"
#include "core/host_rules.hpp"
#include "egress/resolver.hpp"
#include "egress/substitution.hpp"

namespace joey::egress {

class Tls;

// What commands have placeholders for.
struct ClientSecrets {
  std::vector<HostSecret> secrets;
  std::shared_ptr<const Tls> tls;  // not null
};

// What becomes of a connection: refused, or opened, perhaps at one address after another, and then closed. One that ends
// without a request leaves no record.
struct Record {
  enum class Kind : std::uint8_t {
    refused,  // nothing was connected to: `message` says why
    opened,   // it is about to be connected to `address`
    closed,   // with the bytes that went each way; `message`: what went wrong, if anything
  };
  Kind kind{Kind::refused};
  std::uint64_t connection{0};  // 1, 2, ... of the client
  std::string method;           // of the request; empty: there was none that could be understood
  std::string host;             // likewise
  std::uint16_t port{0};
  std::string address;  // empty: none was looked at
  std::string rule;     // that decided; empty: none fits
  std::string message;
  std::uint64_t bytes_up{0};    // to the server, as sent on
  std::uint64_t bytes_down{0};  // to the command
  std::vector<std::string> secrets{};  // names of those that were put into its request; when it is closed
};

struct ProxyOptions {
  std::size_t connections_max{512};         // open at once, of all clients
  std::size_t client_connections_max{128};  // of one
  std::uint64_t client_total_max{10'000};   // that one may make in all
  std::size_t buffer_size{std::size_t{64} << 10};  // bytes kept each way of a connection
  std::chrono::milliseconds head_timeout{30'000};     // until the request is there; again for one within TLS
  std::chrono::milliseconds connect_timeout{15'000};  // to resolve and connect, and for the server's side of TLS
  std::chrono::milliseconds idle_timeout{600'000};    // nothing goes either way
  std::chrono::milliseconds linger_timeout{2'000};    // for a client to take an answer before it is cut off
};

// The connections of one command. Destroying it closes them. Loop thread only.
class Client {
 public:
  virtual ~Client() = default;
  // Serves a connected stream socket, which is taken.
  virtual void serve(int socket) = 0;
  // Closes what is open, which is recorded before this returns, and serves nothing from now on.
  virtual void close() = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;  // open now
};

// Holds nothing of the loop's but through its clients. Loop thread, except for being made and destroyed.
class Proxy {
 public:
  virtual ~Proxy() = default;
  // `secrets` may be null. `record` must not call the client.
  [[nodiscard]] virtual std::shared_ptr<Client> add_client(std::shared_ptr<const HostRules> rules,
                                                           std::shared_ptr<const ClientSecrets> secrets,
                                                           UniqueFunction<void(const Record&)> record) = 0;
};

[[nodiscard]] std::shared_ptr<Proxy> make_proxy(uv_loop_t* loop, Scheduler& scheduler, std::shared_ptr<Resolver> resolver,
                                                ProxyOptions options = {});

}  // namespace joey::egress

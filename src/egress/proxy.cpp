#include "egress/proxy.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <unordered_map>
#include <utility>

#include "egress/connection.hpp"

namespace joey::egress {
namespace {

constexpr std::size_t refused_max = 16;  // connections of a client that are being told there are too many

class ProxyImpl final : public Proxy, public std::enable_shared_from_this<ProxyImpl> {
 public:
  ProxyImpl(uv_loop_t* loop, Scheduler& scheduler, std::shared_ptr<Resolver> resolver, ProxyOptions options)
      : options_(options), around_{loop, scheduler, std::move(resolver), options_} {}

  std::shared_ptr<Client> add_client(std::shared_ptr<const HostRules> rules, std::shared_ptr<const ClientSecrets> secrets,
                                     UniqueFunction<void(const Record&)> record) override;

  [[nodiscard]] const ProxyOptions& options() const { return options_; }
  [[nodiscard]] const Surroundings& around() const { return around_; }
  std::size_t connections{0};  // of all clients

 private:
  const ProxyOptions options_;
  const Surroundings around_;
};

class ClientImpl final : public Client, private ConnectionOwner {
 public:
  ClientImpl(std::shared_ptr<ProxyImpl> proxy, std::shared_ptr<const HostRules> rules, std::shared_ptr<const ClientSecrets> secrets,
             UniqueFunction<void(const Record&)> record)
      : proxy_(std::move(proxy)), rules_(std::move(rules)), secrets_(std::move(secrets)), record_(std::move(record)) {}
  ~ClientImpl() override { close(); }

  void serve(int socket) override {
    const ProxyOptions& options = proxy_->options();
    // Some more than may be are told so; those after them are not even answered, or they would take as much as the others.
    if (closed_ || total_ > options.client_total_max || connections_.size() >= options.client_connections_max + refused_max) {
      ::close(socket);
      return;
    }
    std::string problem;
    if (++total_ > options.client_total_max) {
      problem = fmt::format("a command may make {} connections in all", options.client_total_max);
    } else if (connections_.size() >= options.client_connections_max) {
      problem = fmt::format("a command may have {} connections at a time", options.client_connections_max);
    } else if (proxy_->connections >= options.connections_max) {
      problem = fmt::format("all commands together may have {} connections at a time", options.connections_max);
    }
    const auto connection = std::make_shared<Connection>(proxy_->around(), static_cast<ConnectionOwner&>(*this), rules_, secrets_, total_);
    connections_.emplace(total_, connection);
    ++proxy_->connections;
    if (problem.empty()) {
      connection->start(socket);
    } else {
      connection->start_refusing(socket, std::move(problem));
    }
  }

  void close() override {
    closed_ = true;
    proxy_->connections -= connections_.size();
    for (auto& [number, connection] : std::exchange(connections_, {})) connection->abandon("closed with the command");
  }

  [[nodiscard]] std::size_t connections() const override { return connections_.size(); }

 private:
  void record(const Record& record) override { record_(record); }
  void ended(std::uint64_t connection) override { proxy_->connections -= connections_.erase(connection); }

  const std::shared_ptr<ProxyImpl> proxy_;
  const std::shared_ptr<const HostRules> rules_;
  const std::shared_ptr<const ClientSecrets> secrets_;
  const UniqueFunction<void(const Record&)> record_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  std::uint64_t total_{0};
  bool closed_{false};
};

std::shared_ptr<Client> ProxyImpl::add_client(std::shared_ptr<const HostRules> rules, std::shared_ptr<const ClientSecrets> secrets,
                                              UniqueFunction<void(const Record&)> record) {
  return std::make_shared<ClientImpl>(shared_from_this(), std::move(rules), std::move(secrets), std::move(record));
}

}  // namespace

std::shared_ptr<Proxy> make_proxy(uv_loop_t* loop, Scheduler& scheduler, std::shared_ptr<Resolver> resolver, ProxyOptions options) {
  return std::make_shared<ProxyImpl>(loop, scheduler, std::move(resolver), options);
}

}  // namespace joey::egress

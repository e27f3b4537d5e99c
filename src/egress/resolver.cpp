#include "egress/resolver.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace joey::egress {
namespace {

constexpr std::size_t lookups_max = 2;       // at a time
constexpr std::size_t addresses_max = 16;    // of a name

std::optional<IpAddress> address_of(const addrinfo& entry) {
  IpAddress address;
  if (entry.ai_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6*>(entry.ai_addr)->sin6_addr;
    std::memcpy(address.bytes.data(), &v6, address.bytes.size());
    return address;
  }
  if (entry.ai_family != AF_INET) return std::nullopt;
  const auto& v4 = reinterpret_cast<const sockaddr_in*>(entry.ai_addr)->sin_addr;
  address.bytes[10] = address.bytes[11] = 0xff;
  std::memcpy(address.bytes.data() + 12, &v4, 4);
  return address;
}

// Blocks.
Result<std::vector<IpAddress>> look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, [](addrinfo* first) {
    if (first != nullptr) ::freeaddrinfo(first);
  });
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = list; error == 0 && at != nullptr && addresses.size() < addresses_max; at = at->ai_next) {
    const auto address = address_of(*at);
    if (address && std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) addresses.push_back(*address);
  }
  if (!addresses.empty()) return addresses;
  return failure(ErrorCode::not_found, fmt::format("{} has no address: {}", name, error == 0 ? "none of the Internet" : ::gai_strerror(error)));
}

class SystemResolver final : public Resolver, public std::enable_shared_from_this<SystemResolver> {
 public:
  explicit SystemResolver(Scheduler& scheduler) : scheduler_(scheduler) {}

  void resolve(std::string name, Completion<std::vector<IpAddress>> done) override {
    waiting_.emplace_back(std::move(name), std::move(done));
    start();
  }

 private:
  void start() {
    while (running_ < lookups_max && !waiting_.empty()) {
      auto [name, done] = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
      auto found = std::make_shared<Result<std::vector<IpAddress>>>();
      scheduler_.work([name = std::move(name), found] { *found = look_up(name); },
                      [self = shared_from_this(), done = std::move(done), found] {
                        --self->running_;
                        done(std::move(*found));
                        self->start();
                      });
    }
  }

  Scheduler& scheduler_;
  std::deque<std::pair<std::string, Completion<std::vector<IpAddress>>>> waiting_;
  std::size_t running_{0};
};

}  // namespace

std::shared_ptr<Resolver> make_system_resolver(Scheduler& scheduler) { return std::make_shared<SystemResolver>(scheduler); }

}  // namespace joey::egress

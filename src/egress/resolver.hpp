// Names to addresses.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/function.hpp"
#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "core/host_rules.hpp"

namespace joey::egress {

// Loop thread only.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // The addresses of a name in the order they should be tried, at least one. `not_found`: it has none.
  virtual void resolve(std::string name, Completion<std::vector<IpAddress>> done) = 0;
};

// The system's own resolver (hosts file, DNS), on workers of the scheduler's: two at a time, since each can take as long as
// the DNS is silent, and others need the workers too. What waits is bounded by the connections there may be.
[[nodiscard]] std::shared_ptr<Resolver> make_system_resolver(Scheduler& scheduler);

}  // namespace joey::egress

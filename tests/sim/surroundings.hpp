// What the simulated adapters share.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/auditor.hpp"
#include "sim/faults.hpp"
#include "sim/process.hpp"
#include "sim/scheduler.hpp"

namespace joey::sim {

struct Setting {
  SimScheduler& scheduler;
  Auditor& auditor;
  Random& random;
  Faults faults;
  Sabotage sabotage{Sabotage::none};
  bool verbose{false};
  bool calm{false};                          // faults are over
  std::map<std::string, std::string> files;  // the workspace: outlives every process

  // Whether a fault of this probability happens now.
  [[nodiscard]] bool happens(double probability) { return !calm && probability > 0 && random.chance(probability); }
  [[nodiscard]] milliseconds delay(std::int64_t most) { return milliseconds(random.between(0, most)); }

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (!verbose) return;
    const auto t = scheduler.now() - 1'700'000'000'000;
    fmt::print("{:>6}.{:03} {}\n", t / 1000, t % 1000, fmt::format(format, std::forward<Args>(args)...));
  }
};

}  // namespace joey::sim

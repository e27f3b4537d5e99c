// joey_sim [--seed N] [--runs N] [--steps N] [--verbose]
//
// Plays worlds, one for each seed from N on, and stops at the first in which an invariant breaks.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>

#include "sim/world.hpp"

namespace {

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  joey::sim::WorldOptions options;
  std::uint64_t runs = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--verbose") {
      options.verbose = true;
    } else if (name == "--seed" || name == "--runs" || name == "--steps") {
      (name == "--seed" ? options.seed : name == "--runs" ? runs : options.steps_busy) = number(value);
      ++i;
    } else {
      fmt::print(stderr, "usage: joey_sim [--seed N] [--runs N] [--steps N] [--verbose]\n");
      return 2;
    }
  }
  const auto start = Clock::now();
  joey::sim::Auditor::Counts all;
  std::uint64_t steps = 0;
  for (std::uint64_t last = options.seed + runs; options.seed < last; ++options.seed) {
    joey::sim::World world(options);
    const std::string violation = world.run();
    if (!violation.empty()) {
      const std::string wanted_steps = options.steps_busy > 0 ? fmt::format(" --steps {}", options.steps_busy) : "";
      fmt::print("seed {} after {} steps: {}\nreplay: joey_sim --seed {}{} --verbose\n", options.seed, world.steps_count(), violation,
                 options.seed, wanted_steps);
      return 1;
    }
    all.events += world.auditor().counts().events;
    all.requests += world.auditor().counts().requests;
    all.tool_runs += world.auditor().counts().tool_runs;
    steps += world.steps_count();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  fmt::print("{} runs, {} events, {} requests, {} tool runs, {} steps in {:.1f} s: {:.0f} runs a minute\n", runs, all.events,
             all.requests, all.tool_runs, steps, seconds, static_cast<double>(runs) / seconds * 60);
  return 0;
}

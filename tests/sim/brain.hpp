// What the model says.
#pragma once

#include <functional>

#include "sim/surroundings.hpp"
#include "sim/wire.hpp"

namespace joey::sim {

// Usage is filled in by the vendor.
using Brain = std::function<Answer(const Seen& seen)>;

// A model of every bad habit, each task with its own: it reads, writes and runs, in parallel too; invents tools and sends
// arguments that are not JSON; calls no tool; repeats itself without end; asks, switches modes and starts subtasks; and
// completes. In a calm world it completes soon.
[[nodiscard]] Brain make_random_brain(Setting& setting);

[[nodiscard]] bool is_asked_for_summary(const Seen& seen);

[[nodiscard]] inline AnswerBlock call_of(std::string name, std::string arguments) {
  return {AnswerBlock::Kind::call, std::move(arguments), std::move(name)};
}

}  // namespace joey::sim

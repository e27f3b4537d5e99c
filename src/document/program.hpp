// A helper program that turns bytes into text, in a process of its own with limits: what it makes of hostile bytes
// cannot harm this one.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace joey {

struct ProgramLimits {
  std::chrono::milliseconds time_max{30'000};  // then it is killed
  std::size_t memory_max{1U << 30};            // bytes of its address space
  std::size_t output_max{8U << 20};            // bytes; it is killed when it writes more, which is no error
};

struct ProgramOutput {
  std::string output;
  std::string errors;  // the beginning of what it wrote to standard error
  bool cut{false};     // at output_max
  int code{-1};        // its exit code; -1 when a signal ended it or nobody knows
};

// Runs `arguments`, of which the first is the program's absolute path, with `input` as its standard input, a bare
// environment, no other descriptor, and nothing it may write but its output. It and its like are gone when this
// returns. `not_found` when there is no such program; `timeout`, `cancelled`, `io`.
//
// Threads: any; it blocks.
[[nodiscard]] Result<ProgramOutput> run_program(const std::vector<std::string>& arguments, std::string_view input,
                                                const ProgramLimits& limits, const CancelToken& cancel);

}  // namespace joey

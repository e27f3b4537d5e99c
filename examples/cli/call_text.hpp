// What a person reads of a tool call: its key argument, what it is about to do, and what came of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "task_view.hpp"
#include "terminal.hpp"

namespace cli {

// The argument that tells this call from others of its tool: a path, a command, a pattern. One line, nothing hidden.
[[nodiscard]] std::string key_argument(const Call& call);

// What a person has to know to approve the call: a command in full, a diff, a file's new content.
[[nodiscard]] std::vector<Line> preview(const Call& call, std::size_t lines_max);

struct Outcome {
  std::string info;         // "94 lines", "+1 -1", "exit code 2"
  std::vector<Line> lines;  // a diff, the last lines of an output, an error
  bool failed{false};       // it ran, and says itself that it went wrong
};
// `status` and `text` as in tool.finished; an empty status is "ok".
[[nodiscard]] Outcome outcome_of(const Call& call, std::string_view status, std::string_view text);

}  // namespace cli

// execute_command: a shell command in the workspace.
#pragma once

#include <chrono>
#include <memory>

#include "tool/tool.hpp"

namespace joey {

struct ExecuteCommandOptions {
  std::chrono::milliseconds timeout{0};     // then the command is ended, also in the background; 0: never
  std::chrono::milliseconds drain_time{100};  // for output still in the pipe when the shell has ended
  std::chrono::milliseconds end_grace{1'000};  // from SIGTERM to SIGKILL
  std::size_t head_max{8U << 10};           // bytes kept of the output's beginning
  std::size_t tail_max{12U << 10};          // and of its end
};

// A command ends the call when its shell ends, not when all it started does: what still runs then, and a command whose
// call asked for a timeout that has passed, goes on in the background of the task (ToolContext::background), and the
// result says so. Without a background it is ended with the call.
[[nodiscard]] std::shared_ptr<const Tool> execute_command_tool(ExecuteCommandOptions options = {});

}  // namespace joey

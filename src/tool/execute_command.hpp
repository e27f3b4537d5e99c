// execute_command: a shell command in the workspace.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tool/command_call.hpp"
#include "tool/tool.hpp"

namespace joey {

struct ExecuteCommandOptions {
  CommandLimits limits{};                  // limits.time is the user's: the model's timeout ends nothing
  std::vector<std::string> unlimited{};    // commands that begin with the words of one of these have no limits.time
  TerminalSize terminal{};                 // for calls that ask for one
  std::size_t head_max{8U << 10};          // bytes shown of the output's beginning
  std::size_t tail_max{12U << 10};         // and of its end
  std::size_t news_max{4U << 10};          // bytes told of later output at a time
};

// A command ends the call when its shell ends, not when all it started does: what still runs then, and a command whose
// call asked for a timeout that has passed, goes on in the background of the task (ToolContext::background), and the
// result says so; TaskCommands::take_news() tells the rest. Without a background it is ended with the call.
//
// Output that is longer than what is shown of it is kept whole as an artifact (ToolContext::artifacts), as bytes, to the
// command's end, however it ends and also in the background. While the store has not kept up, the command waits.
[[nodiscard]] std::shared_ptr<const Tool> execute_command_tool(ExecuteCommandOptions options = {});

}  // namespace joey

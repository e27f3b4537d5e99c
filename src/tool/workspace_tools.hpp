// The built-in tools.
#pragma once

#include <memory>
#include <vector>

#include "tool/execute_command.hpp"
#include "tool/tool.hpp"

namespace joey {

// The tools that work on a workspace, in the order models see them.
[[nodiscard]] std::vector<std::shared_ptr<const Tool>> workspace_tools(const ExecuteCommandOptions& commands = {});

}  // namespace joey

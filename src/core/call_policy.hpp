// The policy of a session, held against one call with exactly its arguments: rules for tools, files and commands together.
#pragma once

#include <string_view>

#include "core/command_policy.hpp"
#include "core/policy.hpp"
#include "model/config.hpp"
#include "model/tool.hpp"

namespace joey {

// Whether the call may run. `workspace` is the root its paths are beneath. Arguments that cannot be read are judged by the
// tool alone: they fail when they are run.
[[nodiscard]] PolicyDecision evaluate_call(const PolicySnapshot& policy, const ToolSpec& tool, std::string_view arguments,
                                           std::string_view workspace);

// Whether a command line may run, part by part. Where the policy has rules for commands, each part must be allowed by one;
// that the tool or its group is allowed is the rule "*". Files of redirections must be beneath the workspace, and be
// allowed to be read or edited where commands are not allowed altogether. Where the policy has no such rules, what it says
// of the tool holds for all parts.
[[nodiscard]] CommandDecision evaluate_command_line(const PolicySnapshot& policy, const CommandUse& command,
                                                    std::string_view workspace);

// Whether the call would create, change or remove a protected file.
[[nodiscard]] bool changes_protected(const ToolSpec& tool, std::string_view arguments, std::string_view workspace);

}  // namespace joey

// Policy: whether a tool call runs by itself, waits for a person, or does not run.
#pragma once

#include <string>
#include <string_view>

#include "model/config.hpp"
#include "model/tool.hpp"

namespace joey {

enum class Verdict : std::uint8_t { allow, ask, deny };

struct PolicyDecision {
  Verdict verdict{Verdict::ask};
  std::string rule;  // that decided, as "allow:edit" or "default"
};

// A pure function over the snapshot: deny wins over allow, a tool's own name over its group's, and what no rule names
// asks. Tools of the group `always` need no approval unless they are denied by name.
[[nodiscard]] PolicyDecision evaluate(const PolicySnapshot& policy, std::string_view tool, ToolGroup group);

// Whether a file steers agents, or an editor, and so is changed only with an approval of its own: what allows edits does
// not allow it, "protected" does. `path` is relative to the workspace, without "..".
[[nodiscard]] bool is_protected(std::string_view path);

// What a call that changes protected files needs besides: "protected" allowed and not denied.
[[nodiscard]] PolicyDecision evaluate_protected(const PolicySnapshot& policy);

// The name of a group in policies: "read", "edit", "command", "mcp", "modes", "custom"; new_task's is "subtasks".
[[nodiscard]] std::string_view policy_group(std::string_view tool, ToolGroup group);

}  // namespace joey

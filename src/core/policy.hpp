// Policy: whether a tool call runs by itself, waits for a person, or does not run.
//
// A rule is a NAME or a NAME:PATTERN:
//
//   read  edit  command  mcp  modes  subtasks  custom  all    the tools of a group
//   read_file  mcp--github--*                                 tools by name, in which `*` is anything
//   command:git diff                                          commands that begin with these words (command_policy.hpp)
//   read:src/**  edit:*.md                                    files, by a pattern as in .gitignore at the workspace's root
//   protected                                                 changes of protected files: see is_protected()
//   tainted                                                   to ask or deny: what is more than reading, once a text that
//                                                             gives the model orders has reached it (injection.hpp)
//
// Of the rules that fit the strictest decides: deny, then ask, then allow. What no rule names asks.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/config.hpp"
#include "model/tool.hpp"

namespace joey {

enum class Verdict : std::uint8_t { allow, ask, deny };

[[nodiscard]] std::string_view name_of(Verdict verdict);

struct PolicyDecision {
  Verdict verdict{Verdict::ask};
  std::string rule;  // that decided, as "allow:edit" or "default"; empty: none was asked

  // A rule that somebody wrote, or that is joey's own, not just that there is none.
  [[nodiscard]] bool is_by_rule() const { return !rule.empty() && rule != "default"; }
};

// The stricter of two; of equals the first.
[[nodiscard]] PolicyDecision stricter(PolicyDecision a, PolicyDecision b);

// `invalid_argument`: a rule that could never fit; the message names it.
[[nodiscard]] Status check_rules(const PolicySnapshot& policy);

// What the rules for tools say. A tool's own name is found before its group's. Tools of the group `always` need no
// approval unless a rule denies or asks for them by name.
[[nodiscard]] PolicyDecision evaluate(const PolicySnapshot& policy, std::string_view tool, ToolGroup group);

// What the rules for files say of one: {allow, ""} where none fits. `path` is relative to the workspace, without "..".
// What may not be read may not be changed either. A pattern fits what is beneath a directory it fits.
[[nodiscard]] PolicyDecision evaluate_file(const PolicySnapshot& policy, std::string_view path, bool writes);

// The patterns of the rules that deny reading, or changing, as lines of an ignore file: what the workspace and the box are
// closed by.
struct DeniedFiles {
  std::string hidden;     // neither read nor changed
  std::string read_only;  // not changed
};
[[nodiscard]] DeniedFiles denied_files(const PolicySnapshot& policy);

// The words of the rules for commands.
[[nodiscard]] std::vector<std::string> command_rules(const std::vector<std::string>& rules);

// Whether a file steers agents, an editor or git's own programs, and so is changed only with an approval of its own: what
// allows edits does not allow it, "protected" does. `path` is relative to the workspace, without "..".
[[nodiscard]] bool is_protected(std::string_view path);
// Whether it is the .git of the workspace or of a repository in it, or beneath one.
[[nodiscard]] bool is_in_git(std::string_view path);

// The protected files at the workspace's top that have one name, and the parts of .git that git runs or obeys: for a box,
// in which git itself has to work.
[[nodiscard]] std::span<const std::string_view> protected_names();
[[nodiscard]] std::span<const std::string_view> protected_git_files();

// What a call that changes protected files needs besides: "protected" allowed and not denied.
[[nodiscard]] PolicyDecision evaluate_protected(const PolicySnapshot& policy);

// What the rules say of a call in a task that is tainted; {allow, ""} where they say nothing.
[[nodiscard]] PolicyDecision evaluate_tainted(const PolicySnapshot& policy);

// The name of a group in policies: "read", "edit", "command", "mcp", "modes", "custom"; new_task's is "subtasks".
[[nodiscard]] std::string_view policy_group(std::string_view tool, ToolGroup group);

}  // namespace joey

// The policy of a session, held against one call with exactly its arguments: rules for tools, files and commands together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/command_policy.hpp"
#include "core/mode.hpp"
#include "core/policy.hpp"
#include "model/config.hpp"
#include "model/tool.hpp"

namespace joey {

// What a call is held against. Must outlive the call of a function below.
struct CallRules {
  const PolicySnapshot& policy;
  std::string_view workspace;  // the root that paths are beneath
  const Mode* mode{nullptr};   // whose pattern for edits binds the redirections of commands too; null: none
  bool tainted{false};         // a text that gives the model orders has reached it
};

struct FileDecision {
  PathUse use;
  Verdict verdict{Verdict::ask};
  std::string rule;
};

struct CallDecision {
  Verdict verdict{Verdict::ask};
  std::string rule;
  std::vector<FileDecision> files;         // the call names, as far as a rule is about them
  std::vector<CommandPartDecision> parts;  // of its command line
};

// Whether the call may run: by the rules for its tool, for each of its files, for each part of its command line; the
// strictest decides. Files that are all allowed by rules allow the call that names them. Arguments that cannot be read are
// judged by the tool alone: they fail when they are run.
[[nodiscard]] CallDecision evaluate_call(const CallRules& rules, const ToolSpec& tool, std::string_view arguments);

// Whether a command line may run, part by part. Where the policy has rules for commands, each part must be allowed by one;
// that the tool or its group is allowed is the rule "*". Files of redirections must be beneath the workspace, and be
// allowed to be read or edited where commands are not allowed altogether. Where the policy has no such rules, what it says
// of the tool holds for all parts but those that name a file that a rule denies or asks for.
[[nodiscard]] CommandDecision evaluate_command_line(const CallRules& rules, const CommandUse& command);

// Whether the call would create, change or remove a protected file.
[[nodiscard]] bool changes_protected(const ToolSpec& tool, std::string_view arguments, std::string_view workspace);

}  // namespace joey

#include "core/call_policy.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/path.hpp"

namespace joey {
namespace {

constexpr std::string_view command_tool = "execute_command";

// It prepares its grammar once.
ShellParser& shell_parser() {
  thread_local ShellParser parser;
  return parser;
}

bool has_command_rules(const PolicySnapshot& policy) {
  return !policy.commands_allow.empty() || !policy.commands_deny.empty();
}

PolicyDecision judge_file(const PolicySnapshot& policy, const PolicyDecision& commands, const CommandUse& command,
                          std::string_view workspace, std::string_view path, bool writes) {
  const bool absolute = path.starts_with('/');
  const std::string from_root = absolute || command.directory.empty() ? std::string(path)
                                                                      : command.directory + "/" + std::string(path);
  const auto beneath = path_beneath(workspace, from_root);
  if (!beneath) return {Verdict::ask, "outside the workspace: " + std::string(path)};
  if (writes && is_protected(*beneath)) return evaluate_protected(policy);
  if (commands.verdict == Verdict::allow) return commands;
  return writes ? evaluate(policy, "write_to_file", ToolGroup::edit) : evaluate(policy, "read_file", ToolGroup::read);
}

}  // namespace

bool changes_protected(const ToolSpec& tool, std::string_view arguments, std::string_view workspace) {
  if (tool.paths == nullptr) return false;
  const std::vector<PathUse> uses = tool.paths(arguments);
  return std::any_of(uses.begin(), uses.end(), [&](const PathUse& use) {
    const auto path = path_beneath(workspace, use.path);
    return use.writes && path && is_protected(*path);
  });
}

CommandDecision evaluate_command_line(const PolicySnapshot& policy, const CommandUse& command, std::string_view workspace) {
  const PolicyDecision tool = evaluate(policy, command_tool, ToolGroup::command);
  CommandRules rules{policy.commands_allow, policy.commands_deny};
  if (tool.verdict == Verdict::allow) rules.allow.emplace_back("*");
  const auto judge = [&](std::string_view path, bool writes) {
    return judge_file(policy, tool, command, workspace, path, writes);
  };
  CommandFiles files{[&](std::string_view path) { return judge(path, false); },
                     [&](std::string_view path) { return judge(path, true); }};
  CommandDecision decision = evaluate_command(command.line, rules, files, shell_parser());
  if (has_command_rules(policy) && tool.verdict != Verdict::deny) return decision;
  decision.verdict = tool.verdict;
  decision.rule = tool.rule;
  for (CommandPartDecision& part : decision.parts) part.verdict = tool.verdict, part.rule = tool.rule;
  return decision;
}

PolicyDecision evaluate_call(const PolicySnapshot& policy, const ToolSpec& tool, std::string_view arguments,
                             std::string_view workspace) {
  PolicyDecision decision = evaluate(policy, tool.name, tool.group);
  if (tool.command != nullptr && has_command_rules(policy) && decision.verdict != Verdict::deny) {
    const auto command = tool.command(arguments);
    if (!command) return decision;
    CommandDecision line = evaluate_command_line(policy, *command, workspace);
    return {line.verdict, std::move(line.rule)};
  }
  if (decision.verdict == Verdict::allow && changes_protected(tool, arguments, workspace)) return evaluate_protected(policy);
  return decision;
}

}  // namespace joey

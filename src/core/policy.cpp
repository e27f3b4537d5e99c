#include "core/policy.hpp"

#include <algorithm>

namespace joey {
namespace {

bool names(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string rule(std::string_view verdict, std::string_view name) {
  return std::string(verdict).append(":").append(name);
}

}  // namespace

PolicyDecision evaluate_protected(const PolicySnapshot& policy) {
  constexpr std::string_view name = "protected";
  if (names(policy.deny, name)) return {Verdict::deny, rule("deny", name)};
  if (names(policy.allow, name)) return {Verdict::allow, rule("allow", name)};
  return {Verdict::ask, std::string(name)};
}

bool is_protected(std::string_view path) {
  for (const std::string_view directory : {".roo", ".vscode"}) {
    if (path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/')) return true;
  }
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view known : {".rooignore", ".roomodes", ".rooprotected", "AGENTS.md", "AGENT.md", "AGENTS.local.md"}) {
    if (name == known) return true;
  }
  return name.starts_with(".roorules") || name.starts_with(".clinerules") || name.ends_with(".code-workspace");
}

std::string_view policy_group(std::string_view tool, ToolGroup group) {
  if (tool == "new_task") return "subtasks";
  switch (group) {
    case ToolGroup::read: return "read";
    case ToolGroup::edit: return "edit";
    case ToolGroup::command: return "command";
    case ToolGroup::mcp: return "mcp";
    case ToolGroup::modes: return "modes";
    case ToolGroup::always: return "always";
    case ToolGroup::custom: return "custom";
  }
  return "custom";
}

PolicyDecision evaluate(const PolicySnapshot& policy, std::string_view tool, ToolGroup group) {
  const std::string_view group_name = policy_group(tool, group);
  for (const std::string_view name : {tool, group_name, std::string_view("all")}) {
    if (group == ToolGroup::always && name != tool) break;  // without them a task could not even end
    if (names(policy.deny, name)) return {Verdict::deny, rule("deny", name)};
  }
  if (group == ToolGroup::always) return {Verdict::allow, "always"};
  for (const std::string_view name : {tool, group_name, std::string_view("all")}) {
    if (names(policy.allow, name)) return {Verdict::allow, rule("allow", name)};
  }
  return {Verdict::ask, "default"};
}

}  // namespace joey

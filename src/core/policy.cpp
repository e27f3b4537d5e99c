#include "core/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/ignore.hpp"
#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::string_view tainted = "tainted";

// Of a rule NAME:PATTERN; of a plain NAME the pattern is empty.
struct Rule {
  std::string_view name;
  std::string_view pattern;
};

Rule parse(std::string_view rule) {
  const std::size_t colon = rule.find(':');
  if (colon == std::string_view::npos) return {rule, {}};
  return {rule.substr(0, colon), trim(rule.substr(colon + 1))};
}

// The lists of a policy from the strictest on.
struct RuleList {
  Verdict verdict;
  const std::vector<std::string>& rules;
};
std::array<RuleList, 3> by_strictness(const PolicySnapshot& policy) {
  return {{{Verdict::deny, policy.deny}, {Verdict::ask, policy.ask}, {Verdict::allow, policy.allow}}};
}

PolicyDecision decided(Verdict verdict, std::string_view rule) {
  return {verdict, std::string(name_of(verdict)).append(":").append(rule)};
}

// The rule of a list that names a tool, best first: by its name, its group, all. Empty: none does.
std::string_view naming(const std::vector<std::string>& rules, std::string_view tool, std::string_view group, bool by_name_only) {
  for (const std::string& rule : rules) {
    if (rule == tool || (rule.find('*') != std::string::npos && rule.find(':') == std::string::npos && Glob(rule).matches(tool))) {
      return rule;
    }
  }
  if (by_name_only) return {};
  for (const std::string_view name : {group, std::string_view("all")}) {
    if (std::find(rules.begin(), rules.end(), name) != rules.end()) return name;
  }
  return {};
}

bool fits(std::string_view pattern, std::string_view path) {
  const IgnorePatterns patterns(pattern);
  // By its name alone nobody knows whether it is a directory.
  return patterns.ignores(path, false) || patterns.ignores(path, true);
}

Status check_rule(std::string_view text, Verdict verdict) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorCode::invalid_argument, fmt::format("policy: rule \"{}\": {}", utf8_prefix(text, 200), why));
  };
  const Rule rule = parse(text);
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*';
  };
  if (text.find('\n') != std::string_view::npos) return wrong("is more than one line");
  if (rule.name.empty() || !std::all_of(rule.name.begin(), rule.name.end(), is_name)) {
    return wrong("a rule is a group or tool, as read, or command:WORDS, read:FILES, edit:FILES");
  }
  if (text == tainted && verdict == Verdict::allow) return wrong("it is a rule to ask or deny by");
  if (rule.name.find_first_not_of('*') == std::string_view::npos) return wrong("write all");
  if (rule.name.size() == text.size()) return {};
  if (rule.name != "command" && rule.name != "read" && rule.name != "edit") {
    return wrong("what stands before the colon is command, read or edit");
  }
  if (rule.pattern.empty()) return wrong("nothing stands behind the colon");
  if (rule.name == "command") return {};
  if (rule.pattern.front() == '!') return wrong("a pattern of files cannot begin with !: write a rule of another verdict");
  if (IgnorePatterns(rule.pattern).empty()) return wrong("is no pattern of files, as in .gitignore");
  return {};
}

void add_line(std::string& lines, std::string_view line) { lines.append(line).append("\n"); }

}  // namespace

std::string_view name_of(Verdict verdict) {
  constexpr std::array<std::string_view, 3> names{"allow", "ask", "deny"};
  return names[static_cast<std::size_t>(verdict)];
}

PolicyDecision stricter(PolicyDecision a, PolicyDecision b) { return b.verdict > a.verdict ? std::move(b) : std::move(a); }

Status check_rules(const PolicySnapshot& policy) {
  for (const RuleList& list : by_strictness(policy)) {
    for (const std::string& rule : list.rules) {
      if (Status checked = check_rule(rule, list.verdict); !checked) return checked;
    }
  }
  return {};
}

PolicyDecision evaluate(const PolicySnapshot& policy, std::string_view tool, ToolGroup group) {
  const bool always = group == ToolGroup::always;  // without them a task could not even end
  const std::string_view group_name = policy_group(tool, group);
  for (const RuleList& list : by_strictness(policy)) {
    if (always && list.verdict == Verdict::allow) return {Verdict::allow, "always"};
    const std::string_view rule = naming(list.rules, tool, group_name, always);
    if (!rule.empty()) return decided(list.verdict, rule);
  }
  return {Verdict::ask, "default"};
}

PolicyDecision evaluate_file(const PolicySnapshot& policy, std::string_view path, bool writes) {
  for (const RuleList& list : by_strictness(policy)) {
    for (const std::string& text : list.rules) {
      const Rule rule = parse(text);
      const bool is_of_use = writes ? rule.name == "edit" || (rule.name == "read" && list.verdict == Verdict::deny)
                                    : rule.name == "read";
      if (is_of_use && !rule.pattern.empty() && fits(rule.pattern, path)) return decided(list.verdict, text);
    }
  }
  return {Verdict::allow, ""};
}

DeniedFiles denied_files(const PolicySnapshot& policy) {
  DeniedFiles out;
  for (const std::string& text : policy.deny) {
    const Rule rule = parse(text);
    if (rule.pattern.empty()) continue;
    if (rule.name == "read") add_line(out.hidden, rule.pattern);
    if (rule.name == "edit") add_line(out.read_only, rule.pattern);
  }
  return out;
}

std::vector<std::string> command_rules(const std::vector<std::string>& rules) {
  std::vector<std::string> out;
  for (const std::string& text : rules) {
    const Rule rule = parse(text);
    if (rule.name == "command" && !rule.pattern.empty()) out.emplace_back(rule.pattern);
  }
  return out;
}

PolicyDecision evaluate_protected(const PolicySnapshot& policy) {
  constexpr std::string_view name = "protected";
  for (const RuleList& list : by_strictness(policy)) {
    if (std::find(list.rules.begin(), list.rules.end(), name) != list.rules.end()) return decided(list.verdict, name);
  }
  return {Verdict::ask, std::string(name)};
}

PolicyDecision evaluate_tainted(const PolicySnapshot& policy) {
  for (const RuleList& list : by_strictness(policy)) {
    if (list.verdict == Verdict::allow) break;
    if (std::find(list.rules.begin(), list.rules.end(), tainted) != list.rules.end()) return decided(list.verdict, tainted);
  }
  return {Verdict::allow, ""};
}

std::span<const std::string_view> protected_names() {
  static constexpr std::array<std::string_view, 10> names{".roo",      ".vscode",       ".rooignore", ".roomodes",
                                                          ".roorules", ".clinerules",   ".rooprotected",
                                                          "AGENTS.md", "AGENT.md",      "AGENTS.local.md"};
  return names;
}

std::span<const std::string_view> protected_git_files() {
  static constexpr std::array<std::string_view, 2> files{".git/hooks", ".git/config"};
  return files;
}

bool is_in_git(std::string_view path) {
  while (!path.empty()) {
    const std::string_view component = path.substr(0, path.find('/'));
    if (component == ".git") return true;
    path.remove_prefix(std::min(path.size(), component.size() + 1));
  }
  return false;
}

bool is_protected(std::string_view path) {
  const std::string_view top = path.substr(0, path.find('/'));
  if (top == ".roo" || top == ".vscode" || is_in_git(path)) return true;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto known = protected_names();
  if (name != ".roo" && name != ".vscode" && std::find(known.begin(), known.end(), name) != known.end()) return true;
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

}  // namespace joey

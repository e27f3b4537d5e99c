#include "core/call_policy.hpp"

#include <algorithm>
#include <optional>
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

std::optional<std::string> path_in_workspace(const CallRules& rules, const CommandUse& command, std::string_view path) {
  const bool from_root = path.starts_with('/') || command.directory.empty();
  return path_beneath(rules.workspace, from_root ? std::string(path) : command.directory + "/" + std::string(path));
}

// What stands against a redirection to or from a file, whatever is said of commands; {allow, ""} where nothing does.
PolicyDecision evaluate_redirect(const CallRules& rules, std::string_view path, bool writes) {
  PolicyDecision decision = evaluate_file(rules.policy, path, writes);
  if (!writes || decision.verdict == Verdict::deny) return decision;
  if (rules.mode != nullptr && !allows_edit(*rules.mode, path)) return {Verdict::deny, "mode:" + rules.mode->slug};
  if (!is_protected(path)) return decision;
  PolicyDecision guarded = evaluate_protected(rules.policy);
  return guarded.verdict == Verdict::allow ? std::move(decision) : stricter(std::move(guarded), std::move(decision));
}

class LineJudge {
 public:
  LineJudge(const CallRules& rules, const CommandUse& command)
      : rules_(rules), command_(command), tool_(evaluate(rules.policy, command_tool, ToolGroup::command)) {}

  CommandDecision run() {
    CommandRules commands{command_rules(rules_.policy.allow), command_rules(rules_.policy.deny),
                          command_rules(rules_.policy.ask)};
    const bool has_rules = !commands.allow.empty() || !commands.deny.empty() || !commands.ask.empty();
    if (tool_.verdict == Verdict::allow) commands.allow.emplace_back("*");
    CommandFiles files{[this](std::string_view path) { return judge(path, false); },
                       [this](std::string_view path) { return judge(path, true); }};
    if (!denied_files(rules_.policy).hidden.empty()) files.may_name = [this](std::string_view word) { return judge_word(word); };
    CommandDecision decision = evaluate_command(command_.line, commands, files, shell_parser());
    if (tool_.verdict == Verdict::deny || (tool_.verdict == Verdict::ask && tool_.is_by_rule())) {
      decision = whole(std::move(decision), tool_);
    } else if (!has_rules) {
      decision = by_tool(std::move(decision));
    }
    if (!rules_.policy.bash && decision.verdict == Verdict::allow) {
      decision = whole(std::move(decision), {Verdict::ask, "unknown: there is no Bash here, and another shell reads the line"});
    }
    return decision;
  }

 private:
  PolicyDecision judge(std::string_view path, bool writes) const {
    const auto inside = path_in_workspace(rules_, command_, path);
    if (!inside) return {Verdict::ask, "outside the workspace: " + std::string(path)};
    PolicyDecision file = evaluate_redirect(rules_, *inside, writes);
    if (file.verdict != Verdict::allow || tool_.verdict == Verdict::allow || file.is_by_rule()) {
      return file.rule.empty() ? tool_ : file;
    }
    return writes ? evaluate(rules_.policy, "write_to_file", ToolGroup::edit)
                  : evaluate(rules_.policy, "read_file", ToolGroup::read);
  }

  // A word that names a file which must not be read.
  PolicyDecision judge_word(std::string_view word) const {
    const auto inside = path_in_workspace(rules_, command_, word);
    if (!inside) return {Verdict::allow, ""};
    PolicyDecision file = evaluate_file(rules_.policy, *inside, false);
    return file.verdict == Verdict::deny ? file : PolicyDecision{Verdict::allow, ""};
  }

  // Whether a part is stopped by what is said of a file, which holds for commands that are allowed altogether too.
  static bool is_stopped_by_file(const CommandPartDecision& part) {
    const std::string_view rule = part.rule;
    return part.verdict != Verdict::allow && (rule == "protected" || rule.starts_with("deny:") || rule.starts_with("ask:") ||
                                              rule.starts_with("mode:"));
  }

  CommandDecision by_tool(CommandDecision decision) const {
    PolicyDecision worst = tool_;
    for (CommandPartDecision& part : decision.parts) {
      if (is_stopped_by_file(part)) {
        worst = stricter(std::move(worst), {part.verdict, part.rule});
      } else {
        part.verdict = tool_.verdict, part.rule = tool_.rule;
      }
    }
    decision.verdict = worst.verdict;
    decision.rule = std::move(worst.rule);
    return decision;
  }

  static CommandDecision whole(CommandDecision decision, const PolicyDecision& verdict) {
    decision.verdict = Verdict::allow;
    for (CommandPartDecision& part : decision.parts) {
      if (part.verdict < verdict.verdict) part.verdict = verdict.verdict, part.rule = verdict.rule;
      if (part.verdict > decision.verdict) decision.verdict = part.verdict, decision.rule = part.rule;
    }
    if (decision.parts.empty()) decision.verdict = verdict.verdict, decision.rule = verdict.rule;
    return decision;
  }

  const CallRules& rules_;
  const CommandUse& command_;
  const PolicyDecision tool_;  // what the policy says of running commands at all
};

CallDecision decided(CallDecision out, PolicyDecision by) {
  out.verdict = by.verdict;
  out.rule = std::move(by.rule);
  return out;
}

// What the rules say of a call in a task that no text has tried to give orders to.
CallDecision evaluate_untainted(const CallRules& rules, const ToolSpec& tool, std::string_view arguments) {
  CallDecision out;
  PolicyDecision decision = evaluate(rules.policy, tool.name, tool.group);
  if (decision.verdict == Verdict::deny) return decided(std::move(out), std::move(decision));
  if (const auto command = tool.command == nullptr ? std::nullopt : tool.command(arguments)) {
    CommandDecision line = evaluate_command_line(rules, *command);
    out.parts = std::move(line.parts);
    return decided(std::move(out), {line.verdict, std::move(line.rule)});
  }

  PolicyDecision files{Verdict::allow, ""};
  bool allowed_by_rules = true;
  for (PathUse& use : tool.paths == nullptr ? std::vector<PathUse>() : tool.paths(arguments)) {
    const auto path = path_beneath(rules.workspace, use.path);
    PolicyDecision file = path ? evaluate_file(rules.policy, *path, use.writes) : PolicyDecision{Verdict::allow, ""};
    if (file.is_by_rule()) {
      out.files.push_back({std::move(use), file.verdict, file.rule});
    } else {
      allowed_by_rules = false;
    }
    files = files.rule.empty() ? std::move(file) : stricter(std::move(files), std::move(file));
  }
  if (files.verdict == Verdict::deny) return decided(std::move(out), std::move(files));
  if (decision.verdict == Verdict::ask && decision.is_by_rule()) return decided(std::move(out), std::move(decision));
  if (files.verdict == Verdict::ask) return decided(std::move(out), std::move(files));
  if (decision.verdict == Verdict::ask && allowed_by_rules && !out.files.empty()) decision = std::move(files);
  if (decision.verdict == Verdict::allow && changes_protected(tool, arguments, rules.workspace)) {
    decision = evaluate_protected(rules.policy);
  }
  return decided(std::move(out), std::move(decision));
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

CommandDecision evaluate_command_line(const CallRules& rules, const CommandUse& command) {
  return LineJudge(rules, command).run();
}

CallDecision evaluate_call(const CallRules& rules, const ToolSpec& tool, std::string_view arguments) {
  CallDecision decision = evaluate_untainted(rules, tool, arguments);
  if (!rules.tainted || tool.read_only || tool.group == ToolGroup::always) return decision;
  PolicyDecision tainted = evaluate_tainted(rules.policy);
  return tainted.verdict > decision.verdict ? decided(std::move(decision), std::move(tainted)) : decision;
}

}  // namespace joey

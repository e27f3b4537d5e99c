// Whether a Bash command line may run without asking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/function.hpp"
#include "core/policy.hpp"
#include "shell/shell.hpp"

namespace joey {

// A rule is the words that a command begins with: "git diff", "npm test", "./run.sh"; "*" is any command. A word of a rule
// is a whole word of the command: "git" is no rule for gitfoo.
//
// allow: by the name as it is written, so that "git" does not allow /tmp/git. It covers a use by which a program does more
//   than its name says (git -c, tar --to-command) only if the rule spells that use out: "python -m pytest". "*" covers them
//   all when no rule denies or asks.
// deny: by the name without its directory, through every program that runs another (sudo, xargs, bash -c). Options that
//   stand between the rule's words are passed over, and an option in a rule may come anywhere later; of -rf each letter.
// ask: as deny.
struct CommandRules {
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::vector<std::string> ask{};
};

// Who judges files. A path is as it is written, relative to where the line starts; it is not looked at where symlinks
// lead. Called during evaluate_command only.
struct CommandFiles {
  // Of redirections. An empty function asks.
  UniqueFunction<PolicyDecision(std::string_view path)> may_read;
  UniqueFunction<PolicyDecision(std::string_view path)> may_write;
  // Of the words of commands, each of which may be a file's name: what is stricter than the command's own verdict holds.
  // Empty: words are not looked at.
  UniqueFunction<PolicyDecision(std::string_view path)> may_name{};
};

struct CommandPartDecision {
  std::string text;  // as it is written, cut
  ShellPart::Kind kind{ShellPart::Kind::unknown};
  Verdict verdict{Verdict::ask};
  std::string rule;
};

struct CommandDecision {
  Verdict verdict{Verdict::ask};
  // What decided: "allow:git diff", "deny:rm", "ask:git push", "default" (no rule names the command), "unknown: REASON",
  // "escape: REASON" (more than the allowed name says), "variable:PATH", or what CommandFiles gave. Of a line that is
  // allowed, the rules of its parts, each once: "allow:cd, allow:npm test".
  std::string rule;
  std::vector<CommandPartDecision> parts;
};

// Allowed when every part is; denied when one is; otherwise it asks, as does a line that runs nothing. Pure; in time linear
// in the line's size and in the rules. What the commands that are allowed do in their turn, such as what `make` runs, is
// theirs.
[[nodiscard]] CommandDecision evaluate_command(std::string_view line, const CommandRules& rules, const CommandFiles& files,
                                               ShellParser& parser);

}  // namespace joey

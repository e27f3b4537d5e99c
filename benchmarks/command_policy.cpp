// How long does it take to decide whether a command line may run?
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/command_policy.hpp"
#include "support.hpp"

namespace {

constexpr int lines = 2'000;  // a round
constexpr int rounds = 15;

const joey::CommandRules& rules() {
  static const joey::CommandRules all{{"git status", "git diff", "git log", "git add", "git commit", "ls", "cat", "cd", "echo", "grep",
                                       "rg", "find", "head", "tail", "sort", "uniq", "wc", "npm test", "npm run", "make", "cargo test",
                                       "pytest", "for", "true"},
                                      {"rm", "git push", "sudo", "npm publish", "shutdown", "dd"}};
  return all;
}

double microseconds(std::string_view line, joey::Verdict expected, joey::ShellParser& parser) {
  std::vector<double> times;
  for (int round = 0; round <= rounds; ++round) {
    const bench::Nanoseconds began = bench::process_cpu_now();
    for (int i = 0; i < lines; ++i) {
      if (joey::evaluate_command(line, rules(), {}, parser).verdict != expected) std::exit(1);
    }
    if (round > 0) times.push_back(static_cast<double>(bench::process_cpu_now() - began) / 1e3 / lines);
  }
  return bench::median(std::move(times));
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  joey::ShellParser parser;
  // The verdicts are those of a build with grammars.
  if (joey::evaluate_command("ls", rules(), {}, parser).verdict != joey::Verdict::allow) {
    std::fprintf(stderr, "command_policy: grammars are not built in, so every line asks\n");
    return 0;
  }
  struct Case {
    const char* name;
    const char* line;
    joey::Verdict verdict;
  };
  for (const Case& each : {
           Case{"command_policy.plain", "git status", joey::Verdict::allow},
           Case{"command_policy.pipeline", "cd src && npm test 2>&1 | tail -5", joey::Verdict::allow},
           Case{"command_policy.substitution", "git commit -m \"$(cat <<'EOF'\nfix: a title\n\nand a text\nEOF\n)\"", joey::Verdict::allow},
           Case{"command_policy.loop", "for f in a b c; do grep -n x \"$f\" | sort | uniq -c; done", joey::Verdict::allow},
           Case{"command_policy.wrapped", "find . -name '*.c' -exec sh -c 'sudo rm \"$1\"' _ {} +", joey::Verdict::deny},
       }) {
    const std::string_view line = each.line;
    report.line(each.name, microseconds(line, each.verdict, parser), "us", fmt::format("a line of {} bytes", line.size()));
  }
  return 0;
}

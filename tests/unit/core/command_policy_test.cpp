#include "core/command_policy.hpp"

#include <doctest/doctest.h>

#include <set>

#include "command_table.hpp"

using namespace joey;

namespace {

std::string shown(const CommandDecision& decision) {
  std::string out = std::string(name_of(decision.verdict)) + " {" + decision.rule + "}";
  for (const CommandPartDecision& part : decision.parts) {
    out += "\n  " + std::string(name_of(part.verdict)) + " {" + part.rule + "} " + part.text;
  }
  return out;
}

// Without the grammar of Bash nothing is allowed.
bool has_grammar(ShellParser& parser) { return evaluate_command("ls", {{"*"}, {}}, {}, parser).verdict == Verdict::allow; }

}  // namespace

TEST_CASE("every command line of the table gets its verdict") {
  ShellParser parser;
  const CommandFiles files = commands::table_files();
  const bool known = has_grammar(parser);
  std::size_t counts[3] = {0, 0, 0};
  for (const commands::Line& line : commands::read_table()) {
    const CommandDecision decision = evaluate_command(line.text, line.rules, files, parser);
    ++counts[static_cast<std::size_t>(line.verdict)];
    const Verdict expected = line.verdict == Verdict::allow && !known ? Verdict::ask : line.verdict;
    CHECK_MESSAGE(decision.verdict == expected, line.section << ": " << line.text << "\n" << shown(decision));
    if (!line.rule.empty() && known) CHECK_MESSAGE(decision.rule == line.rule, line.section << ": " << line.text << "\n" << shown(decision));
  }
  CHECK(counts[0] > 100);
  CHECK(counts[1] > 200);
  CHECK(counts[2] > 80);
}

TEST_CASE("a decision tells of each part, and names what decided") {
  ShellParser parser;
  if (!has_grammar(parser)) return;
  const CommandFiles files = commands::table_files();
  const CommandDecision decision =
      evaluate_command("cd src && npm test > out/log | evil $(rm x)", {{"cd", "npm test"}, {"rm"}}, files, parser);
  CHECK(shown(decision) ==
        "deny {deny:rm}\n"
        "  allow {allow:cd} cd src\n"
        "  ask {unknown: a file that is known only when it runs} > out/log\n"
        "  allow {allow:npm test} npm test > out/log\n"
        "  deny {deny:rm} rm x\n"
        "  ask {default} evil $(rm x)");
  const CommandDecision allowed = evaluate_command("CI=1 npm test; npm test; cd x", {{"cd", "npm test"}, {}}, files, parser);
  CHECK(allowed.verdict == Verdict::allow);
  CHECK(allowed.rule == "variable:CI, allow:npm test, allow:cd");
}

TEST_CASE("an empty function for files asks") {
  ShellParser parser;
  const CommandRules rules{{"*"}, {}};
  CHECK(evaluate_command("ls > a", rules, {}, parser).verdict == Verdict::ask);
  CHECK(evaluate_command("ls < a", rules, {}, parser).verdict == Verdict::ask);
  if (has_grammar(parser)) CHECK(evaluate_command("ls", rules, {}, parser).verdict == Verdict::allow);
}

TEST_CASE("a rule of blanks matches nothing") {
  ShellParser parser;
  CHECK(evaluate_command("ls", {{"", " ", "\t"}, {}}, {}, parser).verdict == Verdict::ask);
  if (has_grammar(parser)) CHECK(evaluate_command("ls", {{"*"}, {"", " "}}, {}, parser).verdict == Verdict::allow);
}

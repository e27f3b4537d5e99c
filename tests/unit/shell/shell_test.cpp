#include "shell/shell.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace joey;

namespace {

std::string parts_of(std::string_view line) {
  ShellParser parser;
  std::string out;
  for (const ShellPart& part : parser.parse(line)) {
    out += "\n";
    switch (part.kind) {
      case ShellPart::Kind::command:
        out += "command";
        for (const ShellWord& word : part.words) out += " " + word.text + (word.is_static ? "" : "...");
        if (part.escape_word) out += " !" + std::to_string(*part.escape_word);
        break;
      case ShellPart::Kind::redirect:
        out += std::string(part.reads ? "read" : "") + (part.writes ? "write" : "") + " " + part.path.text + (part.path.is_static ? "" : "...");
        break;
      case ShellPart::Kind::assignment: out += "assign " + part.variable + (part.is_harmless ? "" : " !"); break;
      case ShellPart::Kind::unknown: out += "unknown " + part.reason; break;
    }
  }
  return out.empty() ? out : out.substr(1);
}

bool has_unknown(const std::vector<ShellPart>& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const ShellPart& part) { return part.kind == ShellPart::Kind::unknown; });
}

bool has_grammar() {
  ShellParser parser;
  return !has_unknown(parser.parse("ls"));
}

}  // namespace

TEST_CASE("without the grammar every line has an unknown part, and its commands are found all the same") {
  if (has_grammar()) return;
  CHECK(parts_of("sudo rm x") == "command sudo rm x\ncommand rm x\nunknown the grammar of Bash, which is not built in");
}

TEST_CASE("wrapped commands are parts of their own") {
  if (!has_grammar()) return;
  CHECK(parts_of("sudo -u me env A=1 nice -n 5 rm x") ==
        "command sudo -u me env A=1 nice -n 5 rm x\ncommand env A=1 nice -n 5 rm x\nassign A !\ncommand nice -n 5 rm x\ncommand rm x");
  CHECK(parts_of("a | xargs -n 1 b c") == "command a\ncommand xargs -n 1 b c\ncommand b c ...");
  CHECK(parts_of("a | xargs -I% b c%d") == "command a\ncommand xargs -I% b c%d\ncommand b c...");
  CHECK(parts_of("find . -exec a {} \\; -ok b x{} + ") == "command find . -exec a {} ; -ok b x{} +\ncommand a ...\nunknown a command that is known only when it runs");
  CHECK(parts_of("bash -ec 'a; b \"$1\"' c") == "command bash -ec a; b \"$1\" c\ncommand a\ncommand b ...");
  CHECK(parts_of("eval a 'b; c'") == "command eval a b; c\ncommand a b\ncommand c");
  CHECK(parts_of("command -v a") == "command command -v a");
  CHECK(parts_of("timeout 5 a") == "command timeout 5 a\ncommand a");
  CHECK(parts_of("xargs --replace a") == "command xargs --replace a\nunknown a command that is known only when it runs");
}

TEST_CASE("files are relative to where the line starts, or not certain") {
  if (!has_grammar()) return;
  CHECK(parts_of("a <b >c") == "read b\nwrite c\ncommand a");
  CHECK(parts_of("a >b; cd c; d >/e") == "write b...\ncommand a\ncommand cd c\nwrite /e\ncommand d");
  CHECK(parts_of("eval 'cd c'; a >b") == "command eval cd c\ncommand cd c\nwrite b...\ncommand a");
  CHECK(parts_of("env -C d bash -c 'a >b'") == "command env -C d bash -c a >b\ncommand bash -c a >b\nwrite b...\ncommand a");
  CHECK(parts_of("a >/dev/null 2>&1") == "command a");
  CHECK(parts_of("a >/dev/tcp/b/1") == "unknown a network connection\ncommand a");
}

TEST_CASE("declarations are assignments") {
  if (!has_grammar()) return;
  CHECK(parts_of("export CI=1 PATH=$x") == "assign CI\nunknown a declaration that is not read here");
  CHECK(parts_of("export CI=1 PATH=x") == "assign CI\nassign PATH !");
  CHECK(parts_of("CI=1 a") == "assign CI\ncommand a");
  CHECK(parts_of("readonly -x A=\"$b\"") == "assign A !");
  CHECK(parts_of("declare -i a=1") == "unknown a declaration that is not read here");
}

TEST_CASE("where the two readings differ the line is unknown") {
  if (!has_grammar()) return;
  // The grammar takes backticks in a here-document for text once something was expanded in it.
  CHECK(parts_of("cat <<E\n$(a) `b`\nE").ends_with("unknown a line that can be read in two ways"));
  CHECK(parts_of("cat <<A <<B\na\nA\nb\nB").find("unknown a line that the grammar of Bash finds wrong") != std::string::npos);
}

TEST_CASE("limits are kept") {
  ShellParser parser;
  const std::string long_line(ShellParser::line_size_max + 1, 'a');
  CHECK(has_unknown(parser.parse(long_line)));
  std::string many;
  for (std::size_t i = 0; i < 2 * ShellParser::parts_max; ++i) many += "a;";
  const std::vector<ShellPart> parts = parser.parse(many);
  CHECK(has_unknown(parts));
  CHECK(parts.size() <= ShellParser::parts_max + 2);
  std::string wrapped;
  for (int i = 0; i < 100; ++i) wrapped += "env ";
  CHECK(has_unknown(parser.parse(wrapped + "a")));
  for (const ShellPart& part : parser.parse("echo " + std::string(1'000, 'x'))) CHECK(part.text.size() <= 200);
}

TEST_CASE("a parser is as good after a line it could not read") {
  ShellParser parser;
  const std::vector<ShellPart> before = parser.parse("ls -l");
  static_cast<void>(parser.parse("((((("));
  static_cast<void>(parser.parse("cat <<A <<B\na\nA\nb\nB"));
  const std::vector<ShellPart> after = parser.parse("ls -l");
  CHECK(after.size() == before.size());
  CHECK(has_unknown(after) == has_unknown(before));
}

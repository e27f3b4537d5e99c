#include "command_table.hpp"

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <utility>

namespace joey::commands {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::vector<std::string> split_rules(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t size = std::min(text.find(" | "), text.size());
    out.emplace_back(text.substr(0, size));
    if (size == text.size()) return out;
    text.remove_prefix(size + 3);
  }
}

Line parse_line(std::string_view text, const std::string& section, const CommandRules& rules) {
  Line line;
  line.section = section;
  line.rules = rules;
  bool found = false;
  for (const Verdict verdict : {Verdict::allow, Verdict::ask, Verdict::deny}) {
    const std::string_view name = name_of(verdict);
    if (!text.starts_with(name) || text.substr(name.size(), 1) != " ") continue;
    line.verdict = verdict;
    text.remove_prefix(name.size() + 1);
    found = true;
    break;
  }
  REQUIRE_MESSAGE(found, "no verdict begins the line: " << std::string(text));
  // A rule is in braces without blanks around it, which no command of the table begins with.
  if (text.starts_with("{") && text.substr(1, 1) != " " && text.find("} ") != std::string_view::npos && text.find(';') > text.find('}')) {
    const std::size_t end = text.find("} ");
    const std::string_view rule = text.substr(1, end - 1);
    if (rule.find(',') == std::string_view::npos || rule.find(":") != std::string_view::npos) {
      line.rule = rule;
      text.remove_prefix(end + 2);
    }
  }
  line.text = text;
  replace_all(line.text, "⏎", "\n");
  replace_all(line.text, "⇥", "\t");
  replace_all(line.text, "␍", "\r");
  replace_all(line.text, "␀", std::string_view("\0", 1));
  return line;
}

}  // namespace


std::vector<Line> read_table() {
  std::ifstream file(JOEY_COMMANDS);
  REQUIRE_MESSAGE(file, "cannot be read: " JOEY_COMMANDS);
  std::vector<Line> lines;
  std::string section;
  CommandRules rules;
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with("## ")) {
      section = text.substr(3);
      rules = {};
    } else if (text.starts_with("allow: ")) {
      rules.allow = split_rules(std::string_view(text).substr(7));
    } else if (text.starts_with("deny: ")) {
      rules.deny = split_rules(std::string_view(text).substr(6));
    } else if (!text.empty() && text[0] != '#') {
      lines.push_back(parse_line(text, section, rules));
    }
  }
  return lines;
}

CommandFiles table_files() {
  const auto is_below = [](std::string_view path) {
    return (path.starts_with("src/") || path.starts_with("out/")) && path.find("..") == std::string_view::npos;
  };
  CommandFiles files;
  files.may_read = [is_below](std::string_view path) {
    return is_below(path) || path == "README.md" ? PolicyDecision{Verdict::allow, "read"} : PolicyDecision{Verdict::ask, "default"};
  };
  files.may_write = [is_below](std::string_view path) {
    if (path.starts_with("/etc/")) return PolicyDecision{Verdict::deny, "outside"};
    return is_below(path) ? PolicyDecision{Verdict::allow, "write"} : PolicyDecision{Verdict::ask, "default"};
  };
  return files;
}

}  // namespace joey::commands

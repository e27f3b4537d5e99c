// The command lines of commands.txt.
#pragma once

#include <string>
#include <vector>

#include "core/command_policy.hpp"

namespace joey::commands {

struct Line {
  std::string section;
  CommandRules rules;
  Verdict verdict{Verdict::ask};
  std::string rule;  // that must have decided; empty: any
  std::string text;
};

[[nodiscard]] std::vector<Line> read_table();

// Judges files as commands.txt says.
[[nodiscard]] CommandFiles table_files();

}  // namespace joey::commands

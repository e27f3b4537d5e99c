// Our own reading of a Bash script: its commands, redirections and assignments, and where each stands.
//
// It knows a part of Bash in which it is certain how Bash reads a text. Whatever is beyond that ends the reading with an
// `unknown` item; what can be skipped with certainty gives such an item and the reading goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shell/shell.hpp"

namespace joey {

struct ScriptWord {
  ShellWord value;
  std::size_t begin{0};  // bytes of the text
  std::size_t end{0};
};

struct ScriptItem {
  ShellPart::Kind kind{ShellPart::Kind::unknown};
  std::size_t begin{0};
  std::size_t end{0};
  std::vector<ScriptWord> words;  // of a command; of a redirect its target
  std::string variable;           // of an assignment
  bool reads{false};              // of a redirect
  bool writes{false};
  std::string_view reason;        // of an unknown item
};

// A place that both readings must have found.
struct ScriptMark {
  enum class Kind : std::uint8_t { command, word, substitution, redirect, assignment, heredoc, comment };
  std::size_t begin{0};
  std::size_t end{0};  // 0 where only the beginning counts
  Kind kind{Kind::command};

  auto operator<=>(const ScriptMark&) const = default;
};

struct Script {
  std::vector<ScriptItem> items;
  std::vector<ScriptMark> marks;
  std::vector<std::size_t> keywords;  // ranges, as begin and end, of `time`, which the grammar takes for a command
  bool complete{false};               // read to its end
};

[[nodiscard]] Script read_script(std::string_view text);

}  // namespace joey

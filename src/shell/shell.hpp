// What a Bash command line would run, as far as that can be told from its text. Nothing is run.
//
// Two readers read the line: one of our own, which knows the part of Bash that is told apart with certainty, and
// tree-sitter's grammar. What either does not understand, and what they read differently, is an `unknown` part: a line
// without such a part runs the other parts and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// A word as a program gets it: after quotes are removed ('r'm and \rm are rm).
struct ShellWord {
  std::string text;      // what is certain of it: up to the first expansion, glob, brace or tilde
  bool is_static{true};  // `text` is all of it
  bool splits{false};    // it may become several words, or none

  bool operator==(const ShellWord&) const = default;
};

struct ShellPart {
  enum class Kind : std::uint8_t { command, redirect, assignment, unknown };

  Kind kind{Kind::unknown};
  std::string text;               // as it is written, or as a shell within the line would read it; cut to 200 bytes
  std::vector<ShellWord> words;   // of a command, its name first and static; of an assignment by a builtin (export A=1) too
  ShellWord path;                 // of a redirect, relative to where the line starts; not static if that cannot be told
  bool reads{false};              // of a redirect
  bool writes{false};             // of a redirect: also truncates, appends or creates
  std::string variable;           // of an assignment: its name
  bool is_harmless{false};        // of an assignment: the variable changes how programs speak, not what they run
  std::optional<std::size_t> escape_word;  // of a command: by this word it may run or write what its name does not say
  std::string reason;             // of an unknown part, or of the escape: one line
};

class SecondReader;

// Keeps what is prepared once: use it for many lines.
//
// Threads: one at a time; each thread has its own.
class ShellParser {
 public:
  static constexpr std::size_t line_size_max = 64U << 10;  // bytes
  static constexpr std::size_t parts_max = 1'000;

  ShellParser();
  ~ShellParser();
  ShellParser(const ShellParser&) = delete;
  ShellParser& operator=(const ShellParser&) = delete;

  // The parts in the order in which they are read; what is in a substitution comes before the command it is in, and the
  // command that a wrapper runs (sudo, xargs, bash -c) after the wrapper. None for a line that runs nothing. Where
  // grammars are not built in, an unknown part is among them always. Takes time linear in the line's size.
  [[nodiscard]] std::vector<ShellPart> parse(std::string_view line);

 private:
  std::unique_ptr<SecondReader> second_;
};

}  // namespace joey

// Some lines of a text, taken out of it while it passes by in pieces: what is not shown is counted and not kept. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

struct LineWindowOptions {
  std::uint64_t first{0};  // index of the first line
  std::uint64_t lines_max{2000};
  std::uint64_t column{0};           // characters at the start of each line that are left out
  std::size_t characters_max{2000};  // of each line, from there on
  std::size_t bytes_max{60'000};     // of all lines; none is begun beyond
};

class LineWindow {
 public:
  struct Line {
    std::string text;             // without its '\n'
    std::uint64_t characters{0};  // of the line: all of them, or as many as have passed
  };

  explicit LineWindow(const LineWindowOptions& options) : options_(options) {}

  // The next piece of a text in UTF-8, which ends between characters.
  void append(std::string_view text);
  void finish();

  [[nodiscard]] std::vector<Line>& lines() { return lines_; }
  // Lines that have passed. "a\n" is one line, "" is none.
  [[nodiscard]] std::uint64_t lines_count() const { return count_; }
  // Nothing more will be kept; only lines_count() and the last line's `characters` may still grow.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  [[nodiscard]] std::string_view skip(std::string_view text);
  void take(std::string_view piece);
  void end_line();

  const LineWindowOptions options_;
  std::vector<Line> lines_;
  std::uint64_t count_{0};  // line feeds that have passed: the index of the line in hand
  std::size_t bytes_{0};    // kept
  bool open_{false};        // there are characters after the last line feed
  bool taking_{false};      // they belong to lines_.back()
  bool complete_{false};
};

// Characters of a text in UTF-8; and the bytes of the first `characters` of them.
[[nodiscard]] std::uint64_t count_characters(std::string_view text);
[[nodiscard]] std::size_t size_of_characters(std::string_view text, std::uint64_t characters);

}  // namespace joey

// A text as its lines, each with the very bytes that end it.
#pragma once

#include <string_view>
#include <vector>

namespace joey {

struct Line {
  std::string_view text;
  std::string_view ending;  // "\n" or "\r\n"; empty only at the end of a text that does not end in a line ending
};

// The lines of `text`, which must outlive them. "a\n" is one line, "" is none; a lone '\r' is part of its line.
[[nodiscard]] std::vector<Line> to_lines(std::string_view text);

// The blanks that `line` starts with; and `line` without those at its end.
[[nodiscard]] std::string_view indent_of(std::string_view line);
[[nodiscard]] std::string_view trim_end(std::string_view line);

}  // namespace joey

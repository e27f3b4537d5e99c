// A text as its lines, each with the very bytes that end it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace joey {

struct Line {
  std::string_view text;
  std::string_view ending;  // "\n" or "\r\n"; empty only at the end of a text that does not end in a line ending
};

// The lines of `text`, which must outlive them. "a\n" is one line, "" is none; a lone '\r' is part of its line.
[[nodiscard]] std::vector<Line> to_lines(std::string_view text);

// The same, of a text to edit: without the byte order mark, which stays what it is. `limit`: more lines than
// text_lines_max.
struct EditableLines {
  std::string_view mark;  // the byte order mark, or nothing
  std::vector<Line> lines;
};
[[nodiscard]] Result<EditableLines> to_editable_lines(std::string_view text);

void append_lines(std::string& out, std::span<const Line> lines);

// The texts of the lines alone.
[[nodiscard]] std::vector<std::string_view> texts_of(std::span<const Line> lines);

// What a line put in before line `index` is to end with: the ending of the nearest line above that has one, else below,
// else "\n".
[[nodiscard]] std::string_view ending_at(std::span<const Line> lines, std::size_t index);

// Whether a line at the end of the text is to have an ending: as the last one has, or there is none.
[[nodiscard]] bool ends_terminated(std::span<const Line> lines);

// The blanks that `line` starts with; and `line` without those at its end.
[[nodiscard]] std::string_view indent_of(std::string_view line);
[[nodiscard]] std::string_view trim_end(std::string_view line);

}  // namespace joey

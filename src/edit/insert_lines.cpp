#include "edit/insert_lines.hpp"

#include <fmt/format.h>

#include "edit/lines.hpp"
#include "edit/splice.hpp"

namespace joey {

Result<EditResult> insert_lines(std::string_view text, std::size_t line, std::string_view content) {
  if (content.empty()) {
    return failure(ErrorCode::invalid_argument, "the content is empty: a line break alone inserts a blank line");
  }
  const auto editable = to_editable_lines(text);
  if (!editable) return tl::unexpected(editable.error());
  const std::span<const Line> lines = editable->lines;
  if (line > lines.size() + 1) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("there is no line {}: the file has {} lines; 0 or {} appends", line, lines.size(),
                               lines.size() + 1));
  }
  const std::size_t index = line == 0 ? lines.size() : line - 1;
  const std::string_view ending = ending_at(lines, index);

  EditResult result;
  result.text = editable->mark;
  append_lines(result.text, lines.subspan(0, index));
  if (index > 0 && result.text.back() != '\n') result.text += ending;
  const std::vector<NewLine> fresh = align_lines({}, texts_of(to_lines(content)));
  const bool terminated = index < lines.size() || ends_terminated(lines);
  if (!append_splice(result.text, {.gone = {}, .lines = fresh, .ending = ending, .terminated = terminated})) {
    return too_large();
  }
  append_lines(result.text, lines.subspan(index));
  result.applied = 1;
  result.exact = false;
  return result;
}

}  // namespace joey

#include "edit/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t nearest_lines_shown_max = 40;
constexpr std::size_t nearest_line_size_max = 200;

std::string numbered_lines(std::span<const Line> lines, std::size_t first, std::size_t count) {
  std::string out;
  const std::size_t shown = std::min(count, nearest_lines_shown_max);
  const std::size_t width = std::to_string(first + shown).size();
  for (std::size_t i = first; i < first + shown; ++i) {
    const std::string_view text = lines[i].text;
    const std::string_view head = utf8_prefix(text, nearest_line_size_max);
    out += fmt::format("\n{:>{}} | {}{}", i + 1, width, to_utf8(head), head.size() < text.size() ? "..." : "");
  }
  if (shown < count) out += fmt::format("\n... {} more lines", count - shown);
  return out;
}

}  // namespace

std::string line_range(std::size_t first, std::size_t count) {
  return count == 1 ? fmt::format("line {}", first + 1) : fmt::format("lines {}-{}", first + 1, first + count);
}

std::string line_list(std::span<const std::size_t> lines, std::size_t lines_count) {
  std::string out = lines_count == 1 ? "line " : "lines ";
  const std::size_t shown = std::min(lines.size(), candidates_shown_max);
  for (std::size_t i = 0; i < shown; ++i) out += fmt::format("{}{}", i == 0 ? "" : ", ", lines[i] + 1);
  if (lines_count > shown) out += ", ...";
  return out;
}

int percent(double similarity) { return similarity >= 1 ? 100 : static_cast<int>(similarity * 100); }

std::string explain_missing(std::string_view what, std::size_t count, std::span<const Line> lines,
                            const Location& nearest) {
  if (lines.empty()) return fmt::format("{} is not in the file: it is empty.", what);
  if (count > lines.size()) return fmt::format("{} has {} lines and the file only {}.", what, count, lines.size());
  if (nearest.similarity == 0) {
    if (nearest.kind == Location::Kind::too_costly) return fmt::format("{} is not in the file: read it again.", what);
    return fmt::format("{} is not in the file, nor anything like it: read the file again.", what);
  }
  const std::string like = nearest.similarity >= 1 ? "the same but for white space or typography"
                                                   : fmt::format("{} % similar", percent(nearest.similarity));
  return fmt::format("{} is not in the file. The nearest text is {}, {}:{}", what, line_range(nearest.line, count), like,
                     numbered_lines(lines, nearest.line, count));
}

}  // namespace joey

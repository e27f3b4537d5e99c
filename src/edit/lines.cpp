#include "edit/lines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "edit/edit.hpp"

namespace joey {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

}  // namespace

std::vector<Line> to_lines(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) {
      lines.push_back({text, {}});
      break;
    }
    const std::size_t end = newline > 0 && text[newline - 1] == '\r' ? newline - 1 : newline;
    lines.push_back({text.substr(0, end), text.substr(end, newline + 1 - end)});
    text.remove_prefix(newline + 1);
  }
  return lines;
}

Result<EditableLines> to_editable_lines(std::string_view text) {
  if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) > text_lines_max) {
    return failure(ErrorCode::limit, fmt::format("the text has more than {} lines: change it with a command", text_lines_max));
  }
  EditableLines result;
  if (text.starts_with(byte_order_mark)) result.mark = text.substr(0, byte_order_mark.size());
  result.lines = to_lines(text.substr(result.mark.size()));
  return result;
}

void append_lines(std::string& out, std::span<const Line> lines) {
  for (const Line& line : lines) out.append(line.text).append(line.ending);
}

std::vector<std::string_view> texts_of(std::span<const Line> lines) {
  std::vector<std::string_view> texts;
  texts.reserve(lines.size());
  for (const Line& line : lines) texts.push_back(line.text);
  return texts;
}

std::string_view ending_at(std::span<const Line> lines, std::size_t index) {
  for (std::size_t i = std::min(index, lines.size()); i-- > 0;) {
    if (!lines[i].ending.empty()) return lines[i].ending;
  }
  for (std::size_t i = index; i < lines.size(); ++i) {
    if (!lines[i].ending.empty()) return lines[i].ending;
  }
  return "\n";
}

bool ends_terminated(std::span<const Line> lines) { return lines.empty() || !lines.back().ending.empty(); }

std::string_view indent_of(std::string_view line) {
  return line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
}

std::string_view trim_end(std::string_view line) { return line.substr(0, line.find_last_not_of(blanks) + 1); }

}  // namespace joey

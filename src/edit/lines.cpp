#include "edit/lines.hpp"

#include <algorithm>

namespace joey {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";

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

std::string_view indent_of(std::string_view line) {
  return line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
}

std::string_view trim_end(std::string_view line) { return line.substr(0, line.find_last_not_of(blanks) + 1); }

}  // namespace joey

#include "tool/indentation.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t columns_per_level = 4;

std::size_t level_of(std::string_view line) {
  std::size_t columns = 0;
  for (const char c : line) {
    if (c == ' ') {
      ++columns;
    } else if (c == '\t') {
      columns += columns_per_level;
    } else {
      break;
    }
  }
  return columns / columns_per_level;
}

// A blank line belongs to the line before it.
std::vector<std::size_t> levels_of(std::span<const std::string_view> lines) {
  std::vector<std::size_t> levels;
  levels.reserve(lines.size());
  std::size_t level = 0;
  for (const std::string_view line : lines) {
    if (!trim(line).empty()) level = level_of(line);
    levels.push_back(level);
  }
  return levels;
}

bool is_comment(std::string_view line) {
  static constexpr std::array<std::string_view, 8> marks{"//", "#", "--", "/*", "*", "'''", "\"\"\"", "<!--"};
  line = trim(line);
  return std::any_of(marks.begin(), marks.end(), [line](std::string_view mark) { return line.starts_with(mark); });
}

// Grows a range from the anchor, one line up and one line down in turn.
class Growth {
 public:
  Growth(std::span<const std::string_view> lines, const IndentationOptions& options)
      : lines_(lines), options_(options), levels_(levels_of(lines)), range_{options.anchor, options.anchor + 1, false} {
    const std::size_t level = levels_[options.anchor];
    outermost_ = options.levels_max == 0 || options.levels_max > level ? 0 : level - options.levels_max;
  }

  LineRange grow() {
    while (up_ || down_) {
      if (up_ && (up_ = may_go_up())) {
        if (full()) break;
        --range_.first;
      }
      if (down_ && (down_ = may_go_down())) {
        if (full()) break;
        ++range_.end;
      }
    }
    while (range_.first < options_.anchor && trim(lines_[range_.first]).empty()) ++range_.first;
    while (range_.end > options_.anchor + 1 && trim(lines_[range_.end - 1]).empty()) --range_.end;
    return range_;
  }

 private:
  bool full() {
    range_.cut = range_.end - range_.first >= options_.lines_max;
    return range_.cut;
  }

  // Without siblings the first line of the outermost level opens the block, and the first one below closes it.
  bool may_go_up() {
    if (range_.first == 0) return false;
    const std::size_t line = range_.first - 1;
    if (levels_[line] < outermost_) return false;
    if (levels_[line] > outermost_ || options_.siblings) return !opened_ || options_.siblings;
    if (opened_) return options_.header && is_comment(lines_[line]);
    opened_ = true;
    return true;
  }

  bool may_go_down() {
    if (range_.end == lines_.size()) return false;
    const std::size_t level = levels_[range_.end];
    if (level < outermost_ || closed_) return false;
    closed_ = level == outermost_ && !options_.siblings;
    return true;
  }

  std::span<const std::string_view> lines_;
  const IndentationOptions& options_;
  std::vector<std::size_t> levels_;
  LineRange range_;
  std::size_t outermost_{0};
  bool up_{true};
  bool down_{true};
  bool opened_{false};
  bool closed_{false};
};

}  // namespace

LineRange lines_around(std::span<const std::string_view> lines, const IndentationOptions& options) {
  return Growth(lines, options).grow();
}

}  // namespace joey

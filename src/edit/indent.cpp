#include "edit/indent.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "edit/lines.hpp"

namespace joey {
namespace {

std::string converted(std::string_view indent, IndentShift::Convert convert, std::size_t tab_width) {
  if (convert == IndentShift::Convert::nothing) return std::string(indent);
  const auto tabs = static_cast<std::size_t>(std::count(indent.begin(), indent.end(), '\t'));
  const std::size_t columns = indent.size() - tabs + tabs * tab_width;
  if (convert == IndentShift::Convert::to_spaces) return std::string(columns, ' ');
  return std::string(columns / tab_width, '\t') + std::string(columns % tab_width, ' ');
}

// The prefix that separates the two, put into `shift`. False when neither ends with the other.
bool separate(std::string_view from, std::string_view to, IndentShift& shift) {
  if (to.ends_with(from)) {
    shift.add = to.substr(0, to.size() - from.size());
    return true;
  }
  if (!from.ends_with(to)) return false;
  shift.remove = from.substr(0, from.size() - to.size());
  return true;
}

std::optional<IndentShift> shift_with(IndentShift::Convert convert, std::size_t tab_width,
                                      std::span<const std::string_view> from, std::span<const std::string_view> to) {
  std::optional<IndentShift> common;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (trim(from[i]).empty() || trim(to[i]).empty()) continue;
    IndentShift shift{convert, tab_width, {}, {}, {}};
    if (!separate(converted(indent_of(from[i]), convert, tab_width), indent_of(to[i]), shift)) return std::nullopt;
    if (common && *common != shift) return std::nullopt;
    common = shift;
  }
  return common ? common : IndentShift{};
}

std::optional<IndentShift> shift_by_levels(std::span<const std::string_view> from,
                                           std::span<const std::string_view> to) {
  IndentShift shift;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (trim(from[i]).empty() || trim(to[i]).empty()) continue;
    const auto [level, is_new] = shift.levels.try_emplace(std::string(indent_of(from[i])), indent_of(to[i]));
    if (!is_new && level->second != indent_of(to[i])) return std::nullopt;
  }
  return shift;
}

// `indent` by the deepest level it begins with; what it has beyond that stays.
std::string by_level(const std::map<std::string, std::string, std::less<>>& levels, std::string_view indent) {
  for (std::size_t size = indent.size() + 1; size-- > 0;) {
    const auto level = levels.find(indent.substr(0, size));
    if (level != levels.end()) return level->second + std::string(indent.substr(size));
  }
  return std::string(indent);
}

}  // namespace

std::string IndentShift::apply(std::string_view line) const {
  if (trim(line).empty()) return std::string(line);
  const std::string_view indent = indent_of(line);
  if (!levels.empty()) return by_level(levels, indent) + std::string(line.substr(indent.size()));
  const std::string own = converted(indent, convert, tab_width);
  // A line indented less than what is to go loses as much of it as it has.
  const std::size_t gone = static_cast<std::size_t>(
      std::mismatch(own.begin(), own.end(), remove.begin(), remove.end()).first - own.begin());
  return add + own.substr(gone) + std::string(line.substr(indent.size()));
}

std::optional<IndentShift> find_indent_shift(std::span<const std::string_view> from,
                                             std::span<const std::string_view> to) {
  using Convert = IndentShift::Convert;
  struct Way {
    Convert convert;
    std::size_t tab_width;
  };
  static constexpr std::array ways{Way{Convert::nothing, 4},   Way{Convert::to_tabs, 4}, Way{Convert::to_tabs, 2},
                                   Way{Convert::to_tabs, 8},   Way{Convert::to_spaces, 4}, Way{Convert::to_spaces, 2},
                                   Way{Convert::to_spaces, 8}};
  for (const Way& way : ways) {
    if (auto shift = shift_with(way.convert, way.tab_width, from, to)) return shift;
  }
  return shift_by_levels(from, to);
}

}  // namespace joey

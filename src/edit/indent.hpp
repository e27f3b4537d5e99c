// A change of indentation that holds for every line of a block.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace joey {

// How the indentation a model wrote becomes the file's: tabs and spaces converted, then a prefix taken away or added; or,
// where the two step differently, each indentation that was seen by its counterpart.
struct IndentShift {
  enum class Convert : unsigned char { nothing, to_tabs, to_spaces };

  Convert convert{Convert::nothing};
  std::size_t tab_width{4};
  std::string remove;
  std::string add;
  std::map<std::string, std::string, std::less<>> levels;  // in place of the above when not empty

  // `line` shifted; a blank line stays as it is.
  [[nodiscard]] std::string apply(std::string_view line) const;

  bool operator==(const IndentShift&) const = default;
};

// The shift that turns the indentation of every line of `from` into that of the line of `to` beside it, blank lines
// aside; none when no rule explains them all.
[[nodiscard]] std::optional<IndentShift> find_indent_shift(std::span<const std::string_view> from,
                                                           std::span<const std::string_view> to);

}  // namespace joey

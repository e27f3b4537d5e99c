// How an edit tells a model where in a text something is, or what is there instead.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "edit/lines.hpp"
#include "edit/locate.hpp"

namespace joey {

inline constexpr std::size_t candidates_shown_max = 10;

// "line 3", "lines 3-5". `first` is from 0, as everywhere but in a message.
[[nodiscard]] std::string line_range(std::size_t first, std::size_t count);

// "line 3", "lines 3, 5, 9", or with "..." after ten of them when there are more.
[[nodiscard]] std::string line_list(std::span<const std::size_t> lines, std::size_t lines_count);

// "not in the file": what the text has instead of `count` lines that were looked for, its lines numbered. `what` is what
// the model calls them: "its SEARCH text".
[[nodiscard]] std::string explain_missing(std::string_view what, std::size_t count, std::span<const Line> lines,
                                          const Location& nearest);

// "87 % similarity": never 100 for what is not the same.
[[nodiscard]] int percent(double similarity);

}  // namespace joey

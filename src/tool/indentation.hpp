// The part of a source text around a line that its indentation marks as belonging together. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace joey {

struct IndentationOptions {
  std::size_t anchor{0};          // index of the line it is about
  std::size_t levels_max{0};      // of indentation above the anchor's; 0 is up to the top
  bool siblings{false};           // all blocks of the outermost level, not only the anchor's
  bool header{true};              // comment lines above the block's first line
  std::size_t lines_max{2000};
};

struct LineRange {
  std::size_t first{0};
  std::size_t end{0};
  bool cut{false};  // by lines_max
};

// `lines` is not empty and has the anchor. A tab counts as four columns, four columns are a level.
[[nodiscard]] LineRange lines_around(std::span<const std::string_view> lines, const IndentationOptions& options);

}  // namespace joey

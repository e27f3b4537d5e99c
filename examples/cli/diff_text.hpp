// Changes to files as lines to read.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "terminal.hpp"

namespace cli {

struct DiffText {
  std::vector<Line> lines;
  std::size_t added{0};
  std::size_t removed{0};
};

// The SEARCH/REPLACE blocks of apply_diff as a diff with line numbers, where the blocks name them.
[[nodiscard]] DiffText diff_of_blocks(std::string_view blocks);

}  // namespace cli

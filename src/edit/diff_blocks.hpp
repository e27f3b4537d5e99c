// Edits as a model writes them: SEARCH/REPLACE blocks applied to a text, byte for byte. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace joey {

struct DiffResult {
  std::string text;       // the text after every block that applied
  int blocks_applied{0};
  int blocks_failed{0};
  std::string report;     // of the failed blocks, for the model: which, why, where the candidates or nearest lines are
};

// Applies the blocks of `diff` to `text`. Every block is looked for in the text as it was; blocks may not overlap.
// Line endings, a byte order mark, trailing white space and `$` of what is not replaced stay as they are, and what is
// put in takes the line ending of the lines it replaces. `invalid_argument`: the diff is not of the block grammar; the
// message says which line and how to write it.
[[nodiscard]] Result<DiffResult> apply_diff_blocks(std::string_view text, std::string_view diff);

}  // namespace joey

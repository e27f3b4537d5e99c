// What an edit makes of a text: the same for every way a model may write one.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"

namespace joey {

// No edit makes a text larger than this: an indentation or a replacement repeated often enough would fill any memory.
inline constexpr std::size_t edited_size_max = 64U << 20;
// Of a text that is looked at line by line.
inline constexpr std::size_t text_lines_max = 1'000'000;

[[nodiscard]] inline tl::unexpected<Error> too_large() {
  return failure(ErrorCode::limit, "the edit would make a text of more than 64 MB");
}

struct EditResult {
  std::string text;    // after all that applied; as it was when nothing did
  int applied{0};      // blocks, chunks, places
  int failed{0};
  bool exact{true};    // what applied was found by its own text, byte for byte but for line endings, not by a line's number
  std::string report;  // of what failed, for the model: which, why, where the candidates or nearest lines are
  std::string notes;   // of what applied but was not found exactly, one line each
};

}  // namespace joey

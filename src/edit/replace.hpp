// A piece of text in the place of another. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.hpp"
#include "edit/edit.hpp"

namespace joey {

struct Replacement {
  std::string_view old_string{};
  std::string_view new_string{};
  std::size_t places{1};       // at which it must be found, and is replaced; 0: wherever it is, at least once
  bool tolerant{false};        // when it is not there literally that often, white space may differ
  std::string_view several{};  // what else to do when it is found more often, as the end of a sentence; may be empty
};

// Replaces `old_string`, byte for byte; nothing in either string is special. A line break in `old_string` is any of the
// text's; one in `new_string` becomes what is there, as in append_splice. Overlapping places of a text that must be there
// once are an error like others.
//
// `tolerant` looks in three ways, and takes the first that finds exactly `places`: literally; but for white space, where
// blanks stand for blanks and a line break for any white space; by the words alone, whatever white space is between
// them. What `new_string` repeats of `old_string`, line by line and in the white space around, stays as the text has it,
// and new lines get the text's indentation, where a rule explains how it differs.
//
// Nothing, or all places, are replaced: a failure is in EditResult::report, with the candidates or the nearest text.
// `invalid_argument`: an `old_string` that is empty or the same as `new_string`. `limit`: a result of more than
// edited_size_max bytes, or a million places. The work is bounded: a hostile text fails, and does not hang.
[[nodiscard]] Result<EditResult> replace_text(std::string_view text, const Replacement& replacement);

}  // namespace joey

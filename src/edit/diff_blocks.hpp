// Edits as a model writes them: SEARCH/REPLACE blocks applied to a text, byte for byte. Pure.
//
//   <<<<<<< SEARCH
//   :start_line:12          optional: where about; decides between several matches
//   -------                 optional
//   the lines to replace
//   =======
//   the lines to put there
//   >>>>>>> REPLACE
//
// Markers begin a line. A line of the text that looks like one (<<<<<<<, =======, >>>>>>>, -------, :start_line:,
// :end_line:) is written with a backslash before it. What stands between blocks is ignored.
//
// A block is found by the first of these ways that finds its lines: exactly; without the line numbers ("12 | text") that
// every line of the search carries; but for white space at the ends of lines; but for an indentation that differs by a
// rule, which then holds for the new lines too; but for typography and the blanks between words as well; by 90 %
// similarity, when nothing else comes close. Several matches are told apart by :start_line: (at that line, else the
// nearest within 40 lines), or else are an error that lists them.
//
// An empty search with :start_line:N inserts before line N; N one past the end appends.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "edit/edit.hpp"

namespace joey {

// Applies the blocks of `diff` to `text`. Every block is looked for in the text as it was; of two that overlap the later
// one fails. A block that fails keeps no other from applying. Line endings, a byte order mark, trailing white space and
// `$` of what is not replaced stay as they are, lines that a replacement repeats from its search included; what is put
// in takes the line ending of the lines it replaces. The work is bounded: a hostile text makes a block fail, not hang.
//
// `invalid_argument`: the diff is not of the block grammar; the message says which line and how to write it. `limit`: a
// text of more than text_lines_max lines, or a result of more than edited_size_max bytes.
[[nodiscard]] Result<EditResult> apply_diff_blocks(std::string_view text, std::string_view diff);

}  // namespace joey

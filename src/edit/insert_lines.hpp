// New lines between those of a text. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.hpp"
#include "edit/edit.hpp"

namespace joey {

// Puts the lines of `content` before line `line` of `text`, from 1; one past the last line, or 0, is the end. They get
// the line endings of the lines around them; a text that does not end in a line ending still does not afterwards.
//
// `invalid_argument`: no such line, or no content. `limit`: as in apply_diff_blocks.
[[nodiscard]] Result<EditResult> insert_lines(std::string_view text, std::size_t line, std::string_view content);

}  // namespace joey

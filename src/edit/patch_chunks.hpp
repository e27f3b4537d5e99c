// The chunks of a patch, applied to the text of one file. Pure.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "edit/edit.hpp"
#include "edit/patch.hpp"

namespace joey {

// Applies the chunks to `text`: all of them, or none when one fails. Every one that fails is reported.
//
// The lines of a chunk that stay and go are looked for exactly; then but for blanks at their ends; at their beginnings
// too; and but for typography and the blanks between words. Chunks come in the order of the text. Where that leaves one a choice, it fails and lists
// its candidates; with "@@" the first place after that line is meant. A chunk of new lines alone goes after its "@@"
// line, or without one to the end of the text.
//
// Lines that stay keep every byte. New ones get the line endings of those in whose place they come, and the text's
// indentation where a rule explains how it differs. A byte order mark, and a final newline or its absence, stay. The work
// is bounded: a hostile text makes a chunk fail, not hang.
//
// `limit`: a text of more than text_lines_max lines, or a result of more than edited_size_max bytes.
[[nodiscard]] Result<EditResult> apply_chunks(std::string_view text, std::span<const PatchChunk> chunks);

}  // namespace joey

// New lines in the place of old ones, without a byte of what stays being changed.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edit/indent.hpp"
#include "edit/lines.hpp"

namespace joey {

// A line after an edit.
struct NewLine {
  std::string_view text;
  std::optional<std::size_t> kept;  // it is this one of the lines that it stands in the place of, and stays as that is
};

// The lines of `replace`, each one kept that is also in `search`, along a longest common subsequence.
[[nodiscard]] std::vector<NewLine> align_lines(std::span<const std::string_view> search,
                                               std::span<const std::string_view> replace);

struct Splice {
  std::span<const Line> gone;        // the lines of the text that go
  std::span<const NewLine> lines;    // what takes their place
  const IndentShift* shift{nullptr};  // of those that are not kept
  std::string_view ending;           // of a new line where none that goes gives one
  bool terminated{true};             // the last of the new lines ends, like those before it
};

// Appends the new lines to `out`. One that is kept is the very bytes of the text; the others take the endings of the
// lines that go in their place, in order, so that mixed line endings stay mixed. False: `out` would be larger than
// edited_size_max.
[[nodiscard]] bool append_splice(std::string& out, const Splice& splice);

}  // namespace joey

#include "edit/splice.hpp"

#include <algorithm>
#include <cstdint>

#include "edit/edit.hpp"

namespace joey {
namespace {

constexpr std::size_t aligned_cells_max = 1'000'000;  // of the table that aligns a replacement with its search

// The ending of the nearest of `lines` up to and including `index` that has one.
std::string_view ending_up_to(std::span<const Line> lines, std::size_t index, std::string_view otherwise) {
  for (std::size_t i = index + 1; i-- > 0;) {
    if (!lines[i].ending.empty()) return lines[i].ending;
  }
  return otherwise;
}

}  // namespace

std::vector<NewLine> align_lines(std::span<const std::string_view> search, std::span<const std::string_view> replace) {
  std::vector<NewLine> lines;
  lines.reserve(replace.size());
  for (const std::string_view text : replace) lines.push_back({text, std::nullopt});
  const std::size_t shorter = std::min(search.size(), replace.size());
  std::size_t start = 0;
  for (; start < shorter && search[start] == replace[start]; ++start) lines[start].kept = start;
  std::size_t end = 0;
  for (; end < shorter - start && search[search.size() - 1 - end] == replace[replace.size() - 1 - end]; ++end) {
    lines[replace.size() - 1 - end].kept = search.size() - 1 - end;
  }
  const std::size_t rows = search.size() - start - end;
  const std::size_t columns = replace.size() - start - end;
  if (rows == 0 || columns == 0 || rows > aligned_cells_max / columns) return lines;

  // common[i][j]: of what follows line i of the search and line j of the replacement.
  std::vector<std::uint32_t> common((rows + 1) * (columns + 1), 0);
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return common[i * (columns + 1) + j]; };
  for (std::size_t i = rows; i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) {
      cell(i, j) = search[start + i] == replace[start + j] ? cell(i + 1, j + 1) + 1
                                                           : std::max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
    if (search[start + i] == replace[start + j]) {
      lines[start + j++].kept = start + i++;
    } else if (cell(i + 1, j) >= cell(i, j + 1)) {
      ++i;
    } else {
      ++j;
    }
  }
  return lines;
}

bool append_splice(std::string& out, const Splice& splice) {
  std::size_t next = 0;  // of the lines that go, the one whose ending comes next
  std::optional<std::size_t> last_used;
  std::size_t next_kept = 0;  // index into splice.lines
  for (std::size_t i = 0; i < splice.lines.size(); ++i) {
    const NewLine& line = splice.lines[i];
    if (line.kept) {
      last_used = *line.kept;
      next = *line.kept + 1;
      out += splice.gone[*line.kept].text;
    } else {
      while (next_kept < splice.lines.size() && (next_kept <= i || !splice.lines[next_kept].kept)) ++next_kept;
      const std::size_t limit = next_kept < splice.lines.size() ? *splice.lines[next_kept].kept : splice.gone.size();
      if (next < limit) last_used = next++;
      if (splice.shift != nullptr) {
        out += splice.shift->apply(line.text);
      } else {
        out += line.text;
      }
    }
    if (splice.terminated || i + 1 < splice.lines.size()) {
      out += last_used ? ending_up_to(splice.gone, *last_used, splice.ending) : splice.ending;
    }
    if (out.size() > edited_size_max) return false;
  }
  return true;
}

}  // namespace joey

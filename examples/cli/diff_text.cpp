#include "diff_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "text.hpp"

namespace cli {
namespace {

using Lines = std::vector<std::string_view>;

constexpr std::size_t context_lines = 2;     // shown around a change
constexpr std::size_t cells_max = 1'000'000;  // of the table below; larger blocks are shown as all removed, all added

struct Block {
  std::size_t start_line{0};  // 0: not named
  Lines search;
  Lines replace;
};

// A marker inside the text is written with a backslash before it.
std::string_view unescaped(std::string_view line) {
  if (!line.starts_with('\\')) return line;
  const std::string_view rest = line.substr(1);
  for (const char* marker : {"<<<<<<<", "=======", ">>>>>>>", "-------", ":start_line:", ":end_line:"}) {
    if (rest.starts_with(marker)) return rest;
  }
  return line;
}

std::vector<Block> parse(std::string_view text) {
  enum class Part : unsigned char { outside, head, search, replace } part = Part::outside;
  std::vector<Block> blocks;
  for (std::string_view line : lines_of(text)) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("<<<<<<<")) {
      blocks.emplace_back();
      part = Part::head;
    } else if (part == Part::outside) {
      continue;
    } else if (part == Part::head && line.starts_with(":start_line:")) {
      const std::string_view number = trim(line.substr(12));
      std::from_chars(number.data(), number.data() + number.size(), blocks.back().start_line);
    } else if (part == Part::head && (line.starts_with(":end_line:") || line.starts_with("-------"))) {
      if (line.starts_with("-------")) part = Part::search;
    } else if (part != Part::replace && line.starts_with("=======")) {
      part = Part::replace;
    } else if (part == Part::replace && line.starts_with(">>>>>>>")) {
      part = Part::outside;
    } else {
      if (part == Part::head) part = Part::search;
      (part == Part::search ? blocks.back().search : blocks.back().replace).push_back(unescaped(line));
    }
  }
  return blocks;
}

enum class Edit : char { keep = ' ', remove = '-', add = '+' };

// The edits from `before` to `after`, by the longest common subsequence.
std::vector<Edit> edits(const Lines& before, const Lines& after) {
  std::vector<Edit> out;
  const std::size_t rows = before.size();
  const std::size_t columns = after.size();
  if ((rows + 1) * (columns + 1) > cells_max) {
    out.assign(rows, Edit::remove);
    out.resize(rows + columns, Edit::add);
    return out;
  }
  std::vector<std::uint32_t> common((rows + 1) * (columns + 1), 0);  // of what follows row i and column j
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return common[i * (columns + 1) + j]; };
  for (std::size_t i = rows; i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) {
      cell(i, j) = before[i] == after[j] ? cell(i + 1, j + 1) + 1 : std::max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  for (std::size_t i = 0, j = 0; i < rows || j < columns;) {
    if (i < rows && j < columns && before[i] == after[j]) {
      out.push_back(Edit::keep);
      ++i, ++j;
    } else if (j == columns || (i < rows && cell(i + 1, j) >= cell(i, j + 1))) {
      out.push_back(Edit::remove);
      ++i;
    } else {
      out.push_back(Edit::add);
      ++j;
    }
  }
  return out;
}

void append(DiffText& out, const Block& block) {
  const std::vector<Edit> steps = edits(block.search, block.replace);
  const auto near_change = [&](std::size_t k) {
    const std::size_t first = k > context_lines ? k - context_lines : 0;
    const std::size_t last = std::min(steps.size(), k + context_lines + 1);
    return std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(first), steps.begin() + static_cast<std::ptrdiff_t>(last),
                       [](Edit edit) { return edit != Edit::keep; });
  };
  const auto gutter = [&](std::size_t index) {
    return block.start_line == 0 ? std::string() : fmt::format("{:>5} ", block.start_line + index);
  };
  std::size_t i = 0;
  std::size_t j = 0;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const bool shown = near_change(k);
    switch (steps[k]) {
      case Edit::keep:
        if (shown) out.lines.push_back({Tone::dim, fmt::format("{}  {}", gutter(i), show_all(block.search[i]))});
        ++i, ++j;
        break;
      case Edit::remove:
        out.lines.push_back({Tone::red, fmt::format("{}- {}", gutter(i), show_all(block.search[i]))});
        ++out.removed;
        ++i;
        break;
      case Edit::add:
        out.lines.push_back({Tone::green, fmt::format("{}+ {}", gutter(j), show_all(block.replace[j]))});
        ++out.added;
        ++j;
        break;
    }
  }
}

}  // namespace

DiffText diff_of_blocks(std::string_view blocks) {
  DiffText out;
  for (const Block& block : parse(blocks)) {
    if (!out.lines.empty()) out.lines.push_back({Tone::dim, "  ⋮"});
    append(out, block);
  }
  return out;
}

}  // namespace cli

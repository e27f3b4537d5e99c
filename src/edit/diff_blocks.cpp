#include "edit/diff_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "base/text.hpp"
#include "edit/explain.hpp"
#include "edit/lines.hpp"
#include "edit/locate.hpp"
#include "edit/splice.hpp"

namespace joey {
namespace {

constexpr std::size_t blocks_max = 1000;
constexpr std::size_t exact_steps_max = 2'000'000'000;  // of all blocks together; linear work

constexpr std::string_view grammar_help =
    "write each change as these lines, the markers at the start of a line: <<<<<<< SEARCH, :start_line:N (optional), "
    "-------, the lines to replace, =======, the new lines, >>>>>>> REPLACE";

// ---- The grammar --------------------------------------------------------------------------------------------------

struct Block {
  std::size_t diff_line{0};               // of its SEARCH marker, from 1
  std::optional<std::size_t> start_line;  // from 0
  std::vector<std::string_view> search;
  std::vector<std::string_view> replace;
};

enum class Marker : std::uint8_t { none, search, separator, replace, foreign };

// A marker stands alone at the start of its line; blanks may follow. A longer run (a heading underlined by "========")
// is text.
Marker marker_of(std::string_view line) {
  line = trim_end(line);
  if (line == "=======") return Marker::separator;
  const bool opens = line.starts_with("<<<<<<<") && !line.starts_with("<<<<<<<<");
  const bool closes = line.starts_with(">>>>>>>") && !line.starts_with(">>>>>>>>");
  if (!opens && !closes) return Marker::none;
  const std::string_view word = trim(line.substr(7));
  if (opens && (word == "SEARCH" || word == "SEARCH>")) return Marker::search;
  if (closes && word == "REPLACE") return Marker::replace;
  return Marker::foreign;
}

// A line as text. What would read as a marker is written with a backslash before it; one of several goes as well, so
// that every text can be written.
std::string_view unescaped(std::string_view line) {
  const std::size_t backslashes = std::min(line.find_first_not_of('\\'), line.size());
  if (backslashes == 0) return line;
  const std::string_view rest = line.substr(backslashes);
  for (const std::string_view marker : {"<<<<<<<", "=======", ">>>>>>>", "-------", ":start_line:", ":end_line:"}) {
    if (rest.starts_with(marker)) return line.substr(1);
  }
  return line;
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The value of `line` when it is ":name:value".
std::optional<std::string_view> line_hint(std::string_view line, std::string_view name) {
  line = trim_end(line);
  if (!line.starts_with(name)) return std::nullopt;
  return trim(line.substr(name.size()));
}

class BlockReader {
 public:
  explicit BlockReader(std::string_view diff) : lines_(to_lines(diff)) {}

  Result<std::vector<Block>> read() {
    std::vector<Block> blocks;
    while (at_ < lines_.size()) {
      const Marker marker = marker_of(text());
      if (marker == Marker::search) {
        if (blocks.size() == blocks_max) return failure(ErrorCode::invalid_argument, too_many());
        auto block = read_block(blocks.size() + 1);
        if (!block) return tl::unexpected(std::move(block.error()));
        blocks.push_back(std::move(*block));
      } else if (marker != Marker::none) {
        return unexpected_line("<<<<<<< SEARCH");
      } else {
        ++at_;  // between blocks: a blank line, a code fence, a remark
      }
    }
    if (blocks.empty()) {
      return failure(ErrorCode::invalid_argument, fmt::format("the diff has no block: {}", grammar_help));
    }
    return blocks;
  }

 private:
  [[nodiscard]] std::string_view text() const { return lines_[at_].text; }

  static std::string too_many() {
    return fmt::format("the diff has more than {} blocks: send it in parts", blocks_max);
  }

  Result<Block> read_block(std::size_t number) {
    Block block;
    block.diff_line = ++at_;
    if (auto header = read_header(block); !header) return tl::unexpected(std::move(header.error()));
    for (; at_ < lines_.size() && marker_of(text()) == Marker::none; ++at_) block.search.push_back(unescaped(text()));
    if (at_ == lines_.size()) return ends_early(number, block, "=======");
    if (marker_of(text()) != Marker::separator) return unexpected_line("=======");
    ++at_;
    for (; at_ < lines_.size() && marker_of(text()) == Marker::none; ++at_) {
      if (line_hint(text(), ":start_line:") || line_hint(text(), ":end_line:")) return hint_in_replacement();
      block.replace.push_back(unescaped(text()));
    }
    if (at_ == lines_.size()) return ends_early(number, block, ">>>>>>> REPLACE");
    if (marker_of(text()) != Marker::replace) return unexpected_line(">>>>>>> REPLACE");
    ++at_;
    return block;
  }

  Status read_header(Block& block) {
    for (; at_ < lines_.size(); ++at_) {
      if (const auto start = line_hint(text(), ":start_line:")) {
        const auto line = parse_number(*start);
        if (!line) return bad_number(":start_line:", *start);
        if (*line > 0) block.start_line = *line - 1;  // 0 says nothing
      } else if (const auto end = line_hint(text(), ":end_line:")) {
        if (!parse_number(*end)) return bad_number(":end_line:", *end);
      } else {
        if (trim_end(text()) == "-------") ++at_;
        break;
      }
    }
    return {};
  }

  [[nodiscard]] tl::unexpected<Error> bad_number(std::string_view name, std::string_view value) const {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("line {} of the diff: {} must be followed by a line number, not \"{}\"", at_ + 1, name,
                               utf8_prefix(value, 80)));
  }

  [[nodiscard]] tl::unexpected<Error> hint_in_replacement() const {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("line {} of the diff: \"{}\" may only follow <<<<<<< SEARCH; as text of the new lines it "
                               "is written with a backslash before it",
                               at_ + 1, utf8_prefix(trim_end(text()), 80)));
  }

  [[nodiscard]] tl::unexpected<Error> unexpected_line(std::string_view expected) const {
    const std::string_view found = utf8_prefix(trim_end(text()), 80);
    return failure(ErrorCode::invalid_argument,
                   fmt::format("line {} of the diff: found \"{}\" where \"{}\" was expected; a line of the file that "
                               "looks like a marker is written with a backslash before it: \\{}",
                               at_ + 1, found, expected, found));
  }

  [[nodiscard]] static tl::unexpected<Error> ends_early(std::size_t number, const Block& block,
                                                        std::string_view expected) {
    return failure(ErrorCode::invalid_argument, fmt::format("the diff ends inside block {}, which begins at its line {}: "
                                                            "\"{}\" was expected",
                                                            number, block.diff_line, expected));
  }

  std::vector<Line> lines_;
  std::size_t at_{0};
};

// ---- Line numbers that were copied with the text: "12 | text" --------------------------------------------------------

struct NumberedLine {
  std::size_t number{0};
  std::string_view text;
};

std::optional<NumberedLine> numbered_line(std::string_view line) {
  const std::string_view from_digits = line.substr(indent_of(line).size());
  const std::size_t digits = std::min(from_digits.find_first_not_of("0123456789"), from_digits.size());
  const auto number = parse_number(from_digits.substr(0, digits));
  if (!number) return std::nullopt;
  std::string_view rest = from_digits.substr(digits);
  rest.remove_prefix(indent_of(rest).size());
  if (!rest.starts_with('|') || rest.starts_with("||")) return std::nullopt;
  rest.remove_prefix(1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return NumberedLine{*number, rest};
}

// The block without line numbers; none when not every line of its search has one.
std::optional<Block> without_line_numbers(const Block& block) {
  Block plain{block.diff_line, block.start_line, {}, {}};
  for (const std::string_view line : block.search) {
    const auto numbered = numbered_line(line);
    if (!numbered) return std::nullopt;
    if (!plain.start_line && plain.search.empty() && numbered->number > 0) plain.start_line = numbered->number - 1;
    plain.search.push_back(numbered->text);
  }
  for (const std::string_view line : block.replace) {
    const auto numbered = numbered_line(line);
    plain.replace.push_back(numbered ? numbered->text : line);
  }
  return plain;
}

// ---- Applying --------------------------------------------------------------------------------------------------------

// A block whose place is known.
struct Edit {
  std::size_t block{0};  // from 0, in the order of the diff
  std::size_t first{0};  // lines [first, first + search.size()) go
  std::vector<std::string_view> search;
  std::vector<std::string_view> replace;
  IndentShift shift;
  bool exact{false};  // EditResult::exact

  [[nodiscard]] std::size_t end() const { return first + search.size(); }
};

class BlockApplier {
 public:
  BlockApplier(std::span<const Line> lines, std::vector<Block> blocks)
      : blocks_(std::move(blocks)), lines_(lines), locator_(lines_), failures_(blocks_.size()) {}

  // The text after the blocks goes behind what result.text holds already.
  Status apply(EditResult& result) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) locate(i);
    refuse_overlaps();

    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      append_lines(result.text, lines_.subspan(at, edit.first - at));
      if (!append(result.text, edit)) return too_large();
      at = edit.end();
    }
    append_lines(result.text, lines_.subspan(at));
    result.applied = static_cast<int>(edits_.size());
    result.failed = static_cast<int>(blocks_.size() - edits_.size());
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (!failures_[i].empty()) {
        result.report += fmt::format("Block {} of {} (line {} of the diff) failed: {}\n", i + 1, blocks_.size(),
                                     blocks_[i].diff_line, failures_[i]);
      }
    }
    result.exact = std::all_of(edits_.begin(), edits_.end(), [](const Edit& edit) { return edit.exact; });
    result.notes = std::move(notes_);
    return {};
  }

 private:
  [[nodiscard]] bool append(std::string& out, const Edit& edit) const {
    const std::string_view ending = ending_at(lines_, edit.first);
    // What was the last line is one of several now, unless it went.
    if (edit.first > 0 && edit.first == lines_.size() && out.back() != '\n') out += ending;
    return append_splice(out, {.gone = lines_.subspan(edit.first, edit.search.size()),
                               .lines = align_lines(edit.search, edit.replace),
                               .shift = &edit.shift,
                               .ending = ending,
                               .terminated = edit.end() < lines_.size() || ends_terminated(lines_)});
  }

  void locate(std::size_t index) {
    const Block& block = blocks_[index];
    if (block.search.empty()) return insert(index);
    if (block.search == block.replace) {
      failures_[index] = "SEARCH and REPLACE are the same, so it changes nothing.";
      return;
    }
    Location location = locator_.find_exactly(block.search, block.start_line, exact_budget_);
    if (location.kind == Location::Kind::missing) {
      if (auto plain = without_line_numbers(block)) {
        if (plain->search == plain->replace) {
          failures_[index] = "SEARCH and REPLACE are the same, so it changes nothing.";
          return;
        }
        blocks_[index] = std::move(*plain);
      }
      WorkBudget budget(tolerant_steps_max / blocks_.size());
      location = locator_.find(block.search, block.start_line, budget);
    }
    if (location.kind != Location::Kind::found) {
      failures_[index] = explain(block, location);
      return;
    }
    if (!location.exact) {
      notes_ += fmt::format("Block {} matched {} {}.\n", index + 1, line_range(location.line, block.search.size()),
                            location.similarity < 1
                                ? fmt::format("at {} % similarity: check the result", percent(location.similarity))
                                : "except for white space or typography");
    }
    edits_.push_back({index, location.line, block.search, block.replace, std::move(location.shift),
                      location.exact && !location.by_line});
  }

  // An empty search puts its replacement before its start line.
  void insert(std::size_t index) {
    const Block& block = blocks_[index];
    if (!block.start_line) {
      failures_[index] =
          "SEARCH is empty: copy the lines to replace, or give :start_line:N to insert the new lines before line N.";
    } else if (*block.start_line > lines_.size()) {
      failures_[index] = fmt::format("it inserts before line {}, but the file has {} lines; {} appends.",
                                     *block.start_line + 1, lines_.size(), lines_.size() + 1);
    } else if (block.replace.empty()) {
      failures_[index] = "SEARCH and REPLACE are both empty.";
    } else {
      edits_.push_back({index, *block.start_line, {}, block.replace, {}, false});
    }
  }

  // Leaves the edits in the order of the text. Of two that overlap the later of the diff is refused.
  void refuse_overlaps() {
    const auto before = [](const Edit& a, const Edit& b) {
      // Insertions before the lines that begin at the same place, in the order of the diff.
      return std::tuple(a.first, !a.search.empty(), a.block) < std::tuple(b.first, !b.search.empty(), b.block);
    };
    std::sort(edits_.begin(), edits_.end(), before);
    std::vector<Edit> accepted;
    for (Edit& edit : edits_) {
      while (!accepted.empty() && accepted.back().end() > edit.first) {
        const bool refuse_this = accepted.back().block < edit.block;
        const Edit& loser = refuse_this ? edit : accepted.back();
        const Edit& winner = refuse_this ? accepted.back() : edit;
        failures_[loser.block] =
            fmt::format("{} overlap those of block {}; make one block of the two.",
                        line_range(loser.first, std::max<std::size_t>(loser.search.size(), 1)), winner.block + 1);
        if (refuse_this) break;
        accepted.pop_back();
      }
      if (failures_[edit.block].empty()) accepted.push_back(std::move(edit));
    }
    edits_ = std::move(accepted);
  }

  [[nodiscard]] std::string explain(const Block& block, const Location& location) const {
    if (location.kind == Location::Kind::ambiguous) {
      return fmt::format("{}, at {}: add :start_line:N with one of them, or more lines around it.",
                         location.similarity < 1
                             ? "its SEARCH text is not in the file, and several places are about as similar to it"
                             : fmt::format("its SEARCH text is in the file {} times", location.candidates_count),
                         line_list(location.candidates, location.candidates_count));
    }
    if (location.kind == Location::Kind::too_costly) {
      return "its SEARCH text is not in the file exactly, and too many places are similar to compare them all: copy the "
             "lines exactly as the file has them.";
    }
    return explain_missing("its SEARCH text", block.search.size(), lines_, location);
  }

  std::vector<Block> blocks_;
  std::span<const Line> lines_;
  Locator locator_;
  WorkBudget exact_budget_{exact_steps_max};
  std::vector<Edit> edits_;
  std::vector<std::string> failures_;  // by block; empty when none
  std::string notes_;
};

}  // namespace

Result<EditResult> apply_diff_blocks(std::string_view text, std::string_view diff) {
  auto blocks = BlockReader(diff).read();
  if (!blocks) return tl::unexpected(std::move(blocks.error()));
  const auto editable = to_editable_lines(text);
  if (!editable) return tl::unexpected(editable.error());
  EditResult result;
  result.text = editable->mark;
  if (const auto applied = BlockApplier(editable->lines, std::move(*blocks)).apply(result); !applied) {
    return tl::unexpected(applied.error());
  }
  return result;
}

}  // namespace joey

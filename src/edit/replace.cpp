#include "edit/replace.hpp"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "edit/explain.hpp"
#include "edit/lines.hpp"
#include "edit/locate.hpp"
#include "edit/occurrences.hpp"
#include "edit/splice.hpp"

namespace joey {
namespace {

constexpr std::size_t places_max = 1'000'000;
constexpr std::size_t word_steps = 10;  // of a budget, to look at a word or at what is between two
constexpr std::string_view tabs_and_spaces = " \t";
constexpr std::string_view white = " \t\r\n\v\f";

bool is_white(char c) { return white.find(c) != std::string_view::npos; }

std::string_view leading_white(std::string_view text) {
  return text.substr(0, std::min(text.find_first_not_of(white), text.size()));
}
std::string_view trailing_white(std::string_view text) {
  return text.substr(text.find_last_not_of(white) + 1);
}

// A text with '\n' alone at the ends of its lines, and the way back to its bytes.
class LfText {
 public:
  explicit LfText(std::string_view text) : original_(text), text_(text) {
    if (text.find("\r\n") == std::string_view::npos) return;
    storage_.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
        cuts_.push_back(storage_.size());
      } else {
        storage_ += text[i];
      }
    }
    text_ = storage_;
  }
  LfText(const LfText&) = delete;
  LfText& operator=(const LfText&) = delete;

  [[nodiscard]] std::string_view text() const { return text_; }
  // The bytes that [begin, end) of text() is.
  [[nodiscard]] std::string_view original(std::size_t begin, std::size_t end) const {
    const std::size_t from = offset(begin);
    return original_.substr(from, offset(end) - from);
  }

 private:
  [[nodiscard]] std::size_t offset(std::size_t at) const {
    return at + static_cast<std::size_t>(std::lower_bound(cuts_.begin(), cuts_.end(), at) - cuts_.begin());
  }

  std::string_view original_;
  std::string_view text_;
  std::string storage_;
  std::vector<std::size_t> cuts_;  // before these of text() a '\r' is left out
};

// A place where the old string is.
struct Place {
  std::size_t begin{0};
  std::size_t end{0};
};

std::size_t line_of(std::string_view text, std::size_t offset) {
  return static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

// Every place of `wanted`, those that overlap too. memmem is linear where string_view::find is not; it also tells at once
// that there is none.
std::vector<Place> literal_places(std::string_view text, std::string_view wanted) {
  std::vector<Place> places;
  const void* first = ::memmem(text.data(), text.size(), wanted.data(), wanted.size());
  if (first == nullptr) return places;
  const auto before = static_cast<std::size_t>(static_cast<const char*>(first) - text.data());
  const std::string_view rest = text.substr(before);
  for (const std::size_t at : occurrences<char>(rest, wanted, places_max + 1)) {
    places.push_back({before + at, before + at + wanted.size()});
  }
  return places;
}

// Without those that overlap one before them.
std::vector<Place> disjoint(const std::vector<Place>& places) {
  std::vector<Place> kept;
  for (const Place& place : places) {
    if (kept.empty() || place.begin >= kept.back().end) kept.push_back(place);
  }
  return kept;
}

// ---- Finding a text whose white space differs ---------------------------------------------------------------------------

enum class Tolerance : std::uint8_t { white_space, words };

class TolerantSearch {
 public:
  TolerantSearch(std::string_view text, std::string_view wanted, Tolerance tolerance, WorkBudget& budget)
      : text_(text), tolerance_(tolerance), budget_(budget) {
    while (true) {
      const std::string_view gap = leading_white(wanted);
      wanted.remove_prefix(gap.size());
      if (!gap.empty() || words_.empty()) gaps_.push_back(gap);
      if (wanted.empty()) break;
      words_.push_back(wanted.substr(0, std::min(wanted.find_first_of(white), wanted.size())));
      wanted.remove_prefix(words_.back().size());
    }
    if (gaps_.size() == words_.size()) gaps_.emplace_back();
    if (tolerance == Tolerance::words && !gaps_.empty()) gaps_.front() = gaps_.back() = {};
  }

  // Words found at every place; the white space around them goes along as far as the old string has some.
  std::vector<Place> places() {
    std::vector<Place> found;
    if (words_.empty()) return found;
    const std::vector<Place> starts = literal_places(text_, words_[0]);
    if (starts.size() > places_max) budget_.spend(tolerant_steps_max);
    for (const Place& first : starts) {
      if (const auto place = place_at(first.begin)) found.push_back(*place);
      if (budget_.spent()) return {};
    }
    return found;
  }

 private:
  std::optional<Place> place_at(std::size_t begin) {
    std::size_t end = begin;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (i > 0) {
        const std::string_view gap = leading_white(text_.substr(end));
        budget_.spend(word_steps + gap.size());
        if (gap.empty() || !bridges(gaps_[i], gap)) return std::nullopt;
        end += gap.size();
      }
      budget_.spend(word_steps + words_[i].size() / 8);
      if (!text_.substr(end).starts_with(words_[i])) return std::nullopt;
      end += words_[i].size();
      if (budget_.spent()) return std::nullopt;
    }
    const std::size_t before = size_before(begin);
    const std::size_t after = size_after(end);
    if ((!gaps_.front().empty() && before == 0) || (!gaps_.back().empty() && after == 0)) return std::nullopt;
    return Place{begin - before, end + after};
  }

  // Whether white space of the text may stand where the old string has `wanted`.
  [[nodiscard]] bool bridges(std::string_view wanted, std::string_view gap) const {
    if (tolerance_ == Tolerance::words || wanted.find('\n') != std::string_view::npos) return true;
    return gap.find_first_not_of(tabs_and_spaces) == std::string_view::npos;
  }

  // White space before the first word that takes part: as many line breaks as the old string has there, and the blanks
  // beside them.
  [[nodiscard]] std::size_t size_before(std::size_t begin) const {
    auto breaks = std::count(gaps_.front().begin(), gaps_.front().end(), '\n');
    if (gaps_.front().empty()) return 0;
    const bool blanks_first = !gaps_.front().starts_with('\n');
    std::size_t at = begin;
    for (; at > 0 && is_white(text_[at - 1]); --at) {
      if (text_[at - 1] == '\n' ? breaks-- == 0 : breaks == 0 && !blanks_first) break;
    }
    return begin - at;
  }
  [[nodiscard]] std::size_t size_after(std::size_t end) const {
    auto breaks = std::count(gaps_.back().begin(), gaps_.back().end(), '\n');
    if (gaps_.back().empty()) return 0;
    const bool blanks_last = !gaps_.back().ends_with('\n');
    std::size_t at = end;
    for (; at < text_.size() && is_white(text_[at]); ++at) {
      if (text_[at] == '\n' ? breaks-- == 0 : breaks == 0 && !blanks_last) break;
    }
    return at - end;
  }

  std::string_view text_;
  Tolerance tolerance_;
  WorkBudget& budget_;
  std::vector<std::string_view> words_;
  std::vector<std::string_view> gaps_;  // before each word and after the last; inner ones are never empty
};

// ---- Replacing --------------------------------------------------------------------------------------------------------

class Replacer {
 public:
  Replacer(std::string_view text, const Replacement& what)
      : what_(what), file_(text), old_(what.old_string), new_(what.new_string), wanted_(old_.text()), fresh_(new_.text()) {}

  Result<EditResult> run() {
    if (wanted_.empty()) return failure(ErrorCode::invalid_argument, "old_string is empty: copy the text to replace");
    if (wanted_ == fresh_) {
      return failure(ErrorCode::invalid_argument,
                     what_.old_string == what_.new_string
                         ? "old_string and new_string are the same, so nothing would change"
                         : "old_string and new_string differ only in their line breaks, and an edit keeps those of the "
                           "file: write_to_file can change them");
    }
    const std::vector<Place> literal = literal_places(file_.text(), wanted_);
    if (literal.size() > places_max) {
      return failure(ErrorCode::limit, fmt::format("old_string is in the file more than {} times", places_max));
    }
    if (const auto places = chosen(literal)) return replace(*places);
    if (!what_.tolerant) return fail(literal.empty() ? missing() : miscounted(literal, literal, ""));
    return replace_tolerantly(literal);
  }

 private:
  // The places to replace, when they are as many as they must be.
  [[nodiscard]] std::optional<std::vector<Place>> chosen(const std::vector<Place>& places) const {
    if (places.empty()) return std::nullopt;
    if (what_.places == 1) return places.size() == 1 ? std::optional(places) : std::nullopt;
    std::vector<Place> apart = disjoint(places);
    if (what_.places != 0 && apart.size() != what_.places) return std::nullopt;
    return apart;
  }

  Result<EditResult> replace_tolerantly(const std::vector<Place>& literal) {
    set_common_edges_aside();
    std::vector<Place> nearest = literal;
    std::string counts;
    for (const auto& [tolerance, name] : {std::pair(Tolerance::white_space, "but for white space"),
                                          std::pair(Tolerance::words, "by its words alone")}) {
      WorkBudget budget(tolerant_steps_max);
      const std::vector<Place> places = TolerantSearch(file_.text(), wanted_, tolerance, budget).places();
      if (budget.spent()) {
        return fail("old_string is not in the file literally, and too many places begin like it to compare them all: copy "
                    "the text exactly as the file has it.");
      }
      if (const auto these = chosen(places)) {
        exact_ = false;
        return replace(*these);
      }
      counts += fmt::format("; {} {}", name, times(places.size()));
      if (nearest.empty()) nearest = places;
    }
    return fail(nearest.empty() ? missing() : miscounted(literal, nearest, counts));
  }

  // White space that both strings begin or end with is not theirs to change, and need not be there.
  void set_common_edges_aside() {
    const std::string_view old_lead = leading_white(wanted_);
    const std::string_view new_lead = leading_white(fresh_);
    const auto lead = static_cast<std::size_t>(
        std::mismatch(old_lead.begin(), old_lead.end(), new_lead.begin(), new_lead.end()).first - old_lead.begin());
    if (lead == wanted_.size()) return;  // all white space: there are no words to find
    lead_ = wanted_.substr(0, lead);
    wanted_.remove_prefix(lead);
    fresh_.remove_prefix(lead);
    const std::string_view old_tail = trailing_white(wanted_);
    const std::string_view new_tail = trailing_white(fresh_);
    const auto tail = static_cast<std::size_t>(
        std::mismatch(old_tail.rbegin(), old_tail.rend(), new_tail.rbegin(), new_tail.rend()).first - old_tail.rbegin());
    wanted_.remove_suffix(tail);
    fresh_.remove_suffix(tail);
  }

  Result<EditResult> replace(const std::vector<Place>& places) {
    const std::vector<Line> search_lines = to_lines(wanted_);
    const std::vector<Line> fresh_lines = to_lines(fresh_);
    const std::vector<std::string_view> search = texts_of(search_lines);
    const std::vector<std::string_view> fresh = texts_of(fresh_lines);
    const std::vector<NewLine> aligned = align_lines(search, fresh);

    EditResult result;
    result.exact = exact_;
    bool ruled = true;  // the new lines' indentation is the text's
    std::string_view ending = first_ending(file_.original(0, file_.text().size()));
    std::size_t at = 0;
    for (const Place& place : places) {
      const std::string_view between = file_.original(at, place.begin);
      result.text += between;
      if (const std::size_t last = between.rfind('\n'); last != std::string_view::npos) {
        ending = last > 0 && between[last - 1] == '\r' ? "\r\n" : "\n";
      }
      const std::vector<Line> gone = to_lines(file_.original(place.begin, place.end));
      Splice splice{.gone = gone, .lines = aligned, .ending = ending, .terminated = fresh_.ends_with('\n')};
      IndentedLines indented;
      if (!exact_) {
        const auto rule = gone.size() == search.size() ? indentation_rule(place, search, gone) : std::nullopt;
        indented = indent(gone.size() == search.size() ? aligned : align_lines({}, fresh), rule);
        ruled = ruled && indented.ruled;
        splice.lines = indented.lines;
      }
      if (!append_splice(result.text, splice)) return too_large();
      at = place.end;
    }
    const std::string_view rest = file_.original(at, file_.text().size());
    if (result.text.size() + rest.size() > edited_size_max) return too_large();
    result.text += rest;
    result.applied = static_cast<int>(places.size());
    if (!exact_) {
      result.notes = fmt::format("old_string matched at {} except for white space.{}\n", lines_of(places),
                                 ruled ? "" : " Check the indentation of the new lines.");
    }
    return result;
  }

  // The first line ending of a text.
  static std::string_view first_ending(std::string_view text) {
    const std::size_t newline = text.find('\n');
    return newline != std::string_view::npos && newline > 0 && text[newline - 1] == '\r' ? "\r\n" : "\n";
  }

  struct IndentedLines {
    std::vector<NewLine> lines;
    std::deque<std::string> texts;  // what the lines show, where they had to change
    bool ruled{true};
  };

  // The new lines in the text's indentation, where a rule explains how it differs from that of the old string. The first
  // begins in the middle of a line of the text, and has none.
  static IndentedLines indent(std::vector<NewLine> lines, const std::optional<IndentShift>& rule) {
    IndentedLines result{std::move(lines), {}, true};
    std::size_t size = 0;
    for (std::size_t i = 1; i < result.lines.size(); ++i) {
      NewLine& line = result.lines[i];
      if (line.kept) continue;
      if (!rule) {
        result.ruled = false;
      } else if (size <= edited_size_max) {  // beyond it the splice is refused
        line.text = result.texts.emplace_back(rule->apply(line.text));
        size += line.text.size();
      }
    }
    return result;
  }

  [[nodiscard]] std::optional<IndentShift> indentation_rule(const Place& place, std::span<const std::string_view> search,
                                                            std::span<const Line> gone) const {
    std::vector<std::string_view> from(search.begin(), search.end());
    std::vector<std::string_view> to = texts_of(gone);
    std::string from_first;
    std::string to_first;
    // The first line counts when both are known to begin a line.
    const std::string_view before = file_.text().substr(0, place.begin);
    const std::string_view indent = before.substr(before.find_last_not_of(tabs_and_spaces) + 1);
    const bool at_line_start = indent.size() == before.size() || before[before.size() - indent.size() - 1] == '\n';
    if (!lead_.empty() && at_line_start) {
      from_first = std::string(lead_.substr(lead_.rfind('\n') + 1)) + std::string(from[0]);
      to_first = std::string(indent) + std::string(to[0]);
      from[0] = from_first;
      to[0] = to_first;
    } else {
      from.erase(from.begin());
      to.erase(to.begin());
    }
    return find_indent_shift(from, to);
  }

  // ---- Failing

  static Result<EditResult> fail(std::string report) {
    EditResult result;
    result.failed = 1;
    result.report = std::move(report);
    return result;
  }

  static std::string times(std::size_t count) { return count == 1 ? "once" : fmt::format("{} times", count); }

  [[nodiscard]] std::string missing() const {
    const auto editable = to_editable_lines(file_.original(0, file_.text().size()));
    if (!editable) return "old_string is not in the file.";
    const std::vector<std::string_view> all = texts_of(to_lines(old_.text()));
    std::span<const std::string_view> wanted = all;
    // Blank lines at the ends say little about where the text is.
    while (wanted.size() > 1 && trim_end(wanted.back()).empty()) wanted = wanted.first(wanted.size() - 1);
    while (wanted.size() > 1 && trim_end(wanted.front()).empty()) wanted = wanted.subspan(1);
    WorkBudget budget(nearest_steps_max);
    const Location nearest = Locator(editable->lines).nearest(wanted, budget);
    return explain_missing("old_string", wanted.size(), editable->lines, nearest);
  }

  // "line 3", "lines 3, 5, ...".
  [[nodiscard]] std::string lines_of(const std::vector<Place>& places) const {
    std::vector<std::size_t> lines;
    for (const Place& place : places) {
      if (lines.size() == candidates_shown_max) break;
      lines.push_back(line_of(file_.text(), place.begin));
    }
    return line_list(lines, places.size());
  }

  // `counts`: what the tolerant ways found, the first of which something is at `nearest`.
  [[nodiscard]] std::string miscounted(const std::vector<Place>& literal, const std::vector<Place>& nearest,
                                       std::string_view counts) const {
    const std::string found = literal.empty() ? "not literally in the file" : "in the file " + times(literal.size());
    std::string text = fmt::format("old_string is {}{}, at {}", found, counts, lines_of(nearest));
    if (what_.places > 1) text += fmt::format(", and not {} times as expected", what_.places);
    return text + fmt::format(": {}{}.", what_.places > 1 ? "check the text" : "add lines around it until it is unique",
                              what_.several.empty() ? "" : fmt::format(", or {}", what_.several));
  }

  const Replacement& what_;
  LfText file_;
  LfText old_;
  LfText new_;
  std::string_view wanted_;
  std::string_view fresh_;
  std::string_view lead_;  // white space set aside before both
  bool exact_{true};
};

}  // namespace

Result<EditResult> replace_text(std::string_view text, const Replacement& replacement) {
  return Replacer(text, replacement).run();
}

}  // namespace joey

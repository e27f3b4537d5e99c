#include "edit/locate.hpp"

#include <algorithm>
#include <numeric>

#include "base/text.hpp"
#include "edit/occurrences.hpp"

namespace joey {
namespace {

constexpr std::size_t candidates_max = 10;  // given, of a text that is ambiguous
constexpr std::size_t search_steps = 3;   // of a budget, to look at a line that may be the next of a block
constexpr std::size_t bytes_per_step = 8;  // compared at once
constexpr std::size_t order_steps = 20;   // to put a line among those by which windows are ordered
constexpr double similarity_min = 0.9;
constexpr double lead_min = 0.05;           // of the best over the second, to be the one meant
constexpr double line_similarity_min = 0.5;  // a line that changed more is another line
constexpr double near_miss_min = 0.3;       // less is not worth showing

// What of a line counts, in the senses that leave it as it is otherwise.
std::string_view key_of(std::string_view line, Sameness sameness) {
  switch (sameness) {
    case Sameness::exact: return line;
    case Sameness::line_end: return trim_end(line);
    case Sameness::indentation:
    case Sameness::typography: break;
  }
  return trim(line);
}

// `line` in plain typography, without blanks around, and with one space for each run of blanks in it.
std::string plain_line(std::string_view line) {
  const std::string plain = plain_typography(line);
  std::string out;
  out.reserve(plain.size());
  bool gap = false;
  for (const char c : trim(plain)) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank || !gap) out += blank ? ' ' : c;
    gap = blank;
  }
  return out;
}

std::size_t distance_of(std::size_t a, std::size_t b) { return a > b ? a - b : b - a; }

// Which of several equally good matches is meant.
Location choose(const std::vector<std::size_t>& matches, std::optional<std::size_t> near) {
  Location location;
  if (matches.empty()) return location;
  location.similarity = 1;
  if (matches.size() == 1) {
    location.kind = Location::Kind::found;
    location.line = matches[0];
    return location;
  }
  if (near) {
    const auto closer = [near](std::size_t a, std::size_t b) { return distance_of(a, *near) < distance_of(b, *near); };
    const std::size_t best = *std::min_element(matches.begin(), matches.end(), closer);
    const std::size_t distance = distance_of(best, *near);
    const auto as_close = std::count_if(matches.begin(), matches.end(),
                                        [&](std::size_t match) { return distance_of(match, *near) == distance; });
    if (as_close == 1 && distance <= near_lines_max) {
      location.kind = Location::Kind::found;
      location.line = best;
      location.by_line = true;
      return location;
    }
  }
  location.kind = Location::Kind::ambiguous;
  location.candidates_count = matches.size();
  location.candidates = matches;
  location.candidates.resize(std::min(matches.size(), candidates_max));
  return location;
}

Location too_costly() {
  Location location;
  location.kind = Location::Kind::too_costly;
  return location;
}

// One block of lines compared with many windows of a text.
class SimilarityScan {
 public:
  struct Window {
    std::size_t line{0};
    double similarity{0};
    bool close{false};  // every line is, and so the window may be taken for the block
  };

  SimilarityScan(std::span<const std::string_view> block, std::span<const std::string_view> text, WorkBudget& budget)
      : text_(text), budget_(budget) {
    block_.reserve(block.size());
    for (const std::string_view line : block) block_.emplace_back(plain_line(line));
  }

  // The similarity of the window at `line`, or 0 when it is less than `floor`.
  Window compare(std::size_t line, double floor) {
    Window window;
    std::size_t total = 0;
    std::size_t distance_least = 0;  // the lines' lengths alone make it this much
    for (std::size_t i = 0; i < block_.size(); ++i) {
      const std::size_t a = block_[i].size();
      const std::size_t b = text_[line + i].size();
      total += std::max(a, b);
      distance_least += distance_of(a, b);
    }
    budget_.spend(block_.size());
    if (total == 0) return window;
    const auto distance_max = static_cast<std::size_t>((1 - floor) * static_cast<double>(total));
    if (distance_least > distance_max) return window;

    window.close = true;
    std::size_t distance = 0;
    for (std::size_t i = 0; i < block_.size(); ++i) {
      const std::size_t a = block_[i].size();
      const std::size_t b = text_[line + i].size();
      distance_least -= distance_of(a, b);  // of the lines that follow
      if (distance + distance_least > distance_max) return {};
      const std::size_t line_max = distance_max - distance - distance_least;
      const std::size_t line_distance = block_[i].to(text_[line + i], line_max, budget_);
      if (line_distance > line_max) return {};
      distance += line_distance;
      if (static_cast<double>(line_distance) > (1 - line_similarity_min) * static_cast<double>(std::max(a, b))) {
        window.close = false;
      }
    }
    window.line = line;
    window.similarity = 1 - static_cast<double>(distance) / static_cast<double>(total);
    return window;
  }

 private:
  std::vector<LineDistance> block_;
  std::span<const std::string_view> text_;
  WorkBudget& budget_;
};

}  // namespace

Locator::Locator(std::span<const Line> lines) : lines_(lines) {
  for (const Line& line : lines) size_ += line.text.size();
}

const std::vector<std::string_view>& Locator::keys(Sameness sameness) {
  std::vector<std::string_view>& keys = keys_[static_cast<std::size_t>(sameness)];
  if (!keys.empty()) return keys;
  keys.reserve(lines_.size());
  if (sameness == Sameness::typography) {
    plain_.reserve(lines_.size());
    for (const Line& line : lines_) plain_.push_back(plain_line(line.text));
    keys.assign(plain_.begin(), plain_.end());
  } else {
    for (const Line& line : lines_) keys.push_back(key_of(line.text, sameness));
  }
  return keys;
}

std::vector<std::size_t> Locator::places(std::span<const std::string_view> lines, Sameness sameness,
                                         WorkBudget& budget) {
  // A line of the text is compared with two of the block, at most and in the mean.
  if (!budget.spend((lines.size() + lines_.size()) * search_steps + size_ / bytes_per_step)) return {};
  std::vector<std::string> plain;
  std::vector<std::string_view> block;
  block.reserve(lines.size());
  for (const std::string_view line : lines) {
    if (sameness == Sameness::typography) {
      plain.push_back(plain_line(line));
    } else {
      block.push_back(key_of(line, sameness));
    }
  }
  if (sameness == Sameness::typography) block.assign(plain.begin(), plain.end());
  std::vector<std::size_t> found = occurrences<std::string_view>(keys(sameness), block, lines_.size());
  budget.spend(found.size() * search_steps);
  return found;
}

std::optional<IndentShift> Locator::shift_at(std::size_t first, std::span<const std::string_view> lines) const {
  return find_indent_shift(lines, texts_of(lines_.subspan(first, lines.size())));
}

Location Locator::find_exactly(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                               WorkBudget& budget) {
  Location location = choose(places(lines, Sameness::exact, budget), near);
  location.exact = location.kind == Location::Kind::found;
  return budget.spent() ? too_costly() : location;
}

Location Locator::find(std::span<const std::string_view> lines, std::optional<std::size_t> near, WorkBudget& budget) {
  Location location = find_exactly(lines, near, budget);
  if (location.kind != Location::Kind::missing) return location;

  location = choose(places(lines, Sameness::line_end, budget), near);
  if (location.kind != Location::Kind::missing) return location;

  for (const Sameness sameness : {Sameness::indentation, Sameness::typography}) {
    std::vector<std::size_t> shifted;
    for (const std::size_t place : places(lines, sameness, budget)) {
      if (!budget.spend(lines.size() * 100)) return too_costly();
      if (shift_at(place, lines)) shifted.push_back(place);
    }
    location = choose(shifted, near);
    if (location.kind == Location::Kind::found) location.shift = *shift_at(location.line, lines);
    if (location.kind != Location::Kind::missing) return location;
  }
  return find_similar(lines, near, budget);
}

Location Locator::nearest(std::span<const std::string_view> lines, WorkBudget& budget) {
  Location location = find_similar(lines, std::nullopt, budget);
  if (location.kind != Location::Kind::too_costly) location.kind = Location::Kind::missing;
  return location;
}

// The first lines of all windows of `lines.size()` lines, those that share many with the block first: once two good ones
// are known, most others are refused by their lengths alone. Sorting rather than hashing: no text can make it slow.
std::vector<std::size_t> Locator::windows_by_shared_lines(std::span<const std::string_view> lines, WorkBudget& budget) {
  const std::vector<std::string_view>& trimmed = keys(Sameness::indentation);
  if (sorted_.empty()) {
    sorted_.resize(lines_.size());
    std::iota(sorted_.begin(), sorted_.end(), std::size_t{0});
    std::sort(sorted_.begin(), sorted_.end(), [&](std::size_t a, std::size_t b) { return trimmed[a] < trimmed[b]; });
  }
  const std::size_t windows_count = lines_.size() - lines.size() + 1;
  std::vector<std::uint32_t> shared(windows_count, 0);
  for (std::size_t i = 0; i < lines.size() && !budget.spent(); ++i) {
    const std::string_view line = trim(lines[i]);
    if (line.empty()) continue;
    const auto first = std::lower_bound(sorted_.begin(), sorted_.end(), line,
                                        [&](std::size_t at, std::string_view text) { return trimmed[at] < text; });
    for (auto same = first; same != sorted_.end() && trimmed[*same] == line && budget.spend(1); ++same) {
      if (*same >= i && *same - i < windows_count) ++shared[*same - i];
    }
  }
  std::vector<std::size_t> order(windows_count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return shared[a] > shared[b]; });
  return order;
}

Location Locator::find_similar(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                               WorkBudget& budget) {
  Location location;
  if (lines.size() > lines_.size()) return location;
  if (!budget.spend(lines_.size() * order_steps)) return too_costly();

  SimilarityScan scan(lines, keys(Sameness::typography), budget);
  SimilarityScan::Window best;
  SimilarityScan::Window second;
  for (const std::size_t line : windows_by_shared_lines(lines, budget)) {
    if (budget.spent()) break;
    // Only what is better matters, or is as good as a match that would be taken.
    const double floor = best.similarity >= similarity_min ? best.similarity - lead_min : best.similarity;
    SimilarityScan::Window window = scan.compare(line, std::max(near_miss_min, floor));
    if (window.similarity > best.similarity) std::swap(window, best);
    if (window.similarity > second.similarity) second = window;
  }

  location.line = best.line;
  location.similarity = best.similarity;
  if (budget.spent()) {
    location.kind = Location::Kind::too_costly;  // another window might be as good
    return location;
  }
  if (best.similarity < similarity_min || !best.close) return location;
  if (near == second.line && second.similarity == best.similarity) std::swap(best, second);
  const bool leads = best.similarity - second.similarity >= lead_min;
  if (!leads && near != best.line) {
    location.kind = Location::Kind::ambiguous;
    location.candidates = {std::min(best.line, second.line), std::max(best.line, second.line)};
    location.candidates_count = 2;
    return location;
  }
  // Indentation that follows no rule leaves none for the replacement: better shown than guessed.
  auto shift = shift_at(best.line, lines);
  if (!shift) return location;
  location.kind = Location::Kind::found;
  location.line = best.line;
  location.shift = std::move(*shift);
  return location;
}

}  // namespace joey

#include "edit/locate.hpp"

#include <algorithm>
#include <numeric>

#include "base/text.hpp"
#include "edit/occurrences.hpp"

namespace joey {
namespace {

constexpr std::size_t candidates_max = 10;  // given, of a text that is ambiguous
constexpr std::size_t search_steps = 3;   // of a budget, to look at a line that may be the next of a block
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

// Blanks go last: a space that is none in ASCII is one in plain typography.
std::string plain_line(std::string_view line) { return std::string(trim(plain_typography(line))); }

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

  SimilarityScan(std::span<const std::string_view> block, std::span<const std::string> text, WorkBudget& budget)
      : text_(text), budget_(budget) {
    for (const std::string_view line : block) block_.push_back(plain_line(line));
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
      const std::size_t line_distance = bounded_distance(block_[i], text_[line + i], line_max, budget_);
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
  std::vector<std::string> block_;
  std::span<const std::string> text_;
  WorkBudget& budget_;
};

}  // namespace

std::uint32_t Locator::Numbering::number(std::string_view line) const {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), line);
  if (found == sorted.end() || *found != line) return 0;
  return static_cast<std::uint32_t>(found - sorted.begin()) + 1;
}

const std::vector<std::string>& Locator::plain() {
  if (plain_.empty()) {
    plain_.reserve(lines_.size());
    for (const Line& line : lines_) plain_.push_back(plain_line(line.text));
  }
  return plain_;
}

// Sorting rather than hashing: no text can make it slow.
const Locator::Numbering& Locator::numbering(Sameness sameness) {
  std::optional<Numbering>& cache = numberings_[static_cast<std::size_t>(sameness)];
  if (cache) return *cache;
  cache.emplace();
  std::vector<std::string_view> keys;
  keys.reserve(lines_.size());
  if (sameness == Sameness::typography) {
    keys.assign(plain().begin(), plain().end());
  } else {
    for (const Line& line : lines_) keys.push_back(key_of(line.text, sameness));
  }
  cache->sorted = keys;
  std::sort(cache->sorted.begin(), cache->sorted.end());
  cache->sorted.erase(std::unique(cache->sorted.begin(), cache->sorted.end()), cache->sorted.end());
  cache->lines.reserve(lines_.size());
  for (const std::string_view key : keys) cache->lines.push_back(cache->number(key));
  return *cache;
}

std::vector<std::size_t> Locator::places(std::span<const std::string_view> lines, Sameness sameness,
                                         WorkBudget& budget) {
  if (!budget.spend(lines.size())) return {};
  const Numbering& known = numbering(sameness);
  std::vector<std::uint32_t> block;
  block.reserve(lines.size());
  for (const std::string_view line : lines) {
    block.push_back(sameness == Sameness::typography ? known.number(plain_line(line))
                                                     : known.number(key_of(line, sameness)));
    if (block.back() == 0) return {};
  }
  if (!budget.spend(lines_.size() * search_steps)) return {};
  std::vector<std::size_t> found = occurrences<std::uint32_t>(known.lines, block, known.lines.size());
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
// are known, most others are refused by their lengths alone.
std::vector<std::size_t> Locator::windows_by_shared_lines(std::span<const std::string_view> lines, WorkBudget& budget) {
  const Numbering& trimmed = numbering(Sameness::indentation);
  if (lines_by_number_.empty()) {
    lines_by_number_.resize(trimmed.sorted.size() + 1);
    for (std::size_t i = 0; i < lines_.size(); ++i) lines_by_number_[trimmed.lines[i]].push_back(i);
  }
  const std::size_t windows_count = lines_.size() - lines.size() + 1;
  std::vector<std::uint32_t> shared(windows_count, 0);
  for (std::size_t i = 0; i < lines.size() && !budget.spent(); ++i) {
    const std::uint32_t number = trimmed.number(trim(lines[i]));
    if (number == 0 || trimmed.sorted[number - 1].empty()) continue;
    budget.spend(lines_by_number_[number].size());
    for (const std::size_t place : lines_by_number_[number]) {
      if (place >= i && place - i < windows_count) ++shared[place - i];
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

  SimilarityScan scan(lines, plain(), budget);
  SimilarityScan::Window best;
  SimilarityScan::Window second;
  for (const std::size_t line : windows_by_shared_lines(lines, budget)) {
    if (budget.spent()) break;
    SimilarityScan::Window window = scan.compare(line, std::max(near_miss_min, second.similarity));
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

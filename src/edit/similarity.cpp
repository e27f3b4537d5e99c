#include "edit/similarity.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace joey {
namespace {

constexpr std::size_t steps_per_word = 3;  // of a budget, for one step of 64 differences

struct LookAlike {
  std::string_view text;  // in ASCII
  std::size_t size;       // bytes of what looks like it
};

// What `text` begins with, when that looks like something in ASCII.
std::optional<LookAlike> look_alike(std::string_view text) {
  if (text.starts_with("\u00A0")) return LookAlike{" ", 2};
  if (text.starts_with("\u2212")) return LookAlike{"-", 3};
  if (text.starts_with("\u205F") || text.starts_with("\u3000")) return LookAlike{" ", 3};
  if (text.size() < 3 || !text.starts_with("\xE2\x80")) return std::nullopt;
  const auto last = static_cast<unsigned char>(text[2]);  // U+2000 to U+203F
  if (last >= 0x82 && last <= 0x8A) return LookAlike{" ", 3};
  if (last >= 0x90 && last <= 0x95) return LookAlike{"-", 3};
  if (last >= 0x98 && last <= 0x9B) return LookAlike{"'", 3};
  if (last >= 0x9C && last <= 0x9F) return LookAlike{"\"", 3};
  if (last == 0xA6) return LookAlike{"...", 3};
  if (last == 0xAF) return LookAlike{" ", 3};
  return std::nullopt;
}

}  // namespace

LineDistance::LineDistance(std::string_view line) : line_(line), words_((line.size() + 63) / 64), rows_{}, places_(words_, 0) {
  // 256 different bytes in one line have one row too few: the last of them is then as if it were in no line, and at most
  // makes the distance too large.
  for (std::size_t i = 0; i < line_.size(); ++i) {
    std::uint8_t& row = rows_[static_cast<unsigned char>(line_[i])];
    if (row == 0 && places_.size() < 256 * words_) {
      row = static_cast<std::uint8_t>(places_.size() / words_);
      places_.resize(places_.size() + words_, 0);
    }
    if (row != 0) places_[row * words_ + i / 64] |= std::uint64_t{1} << (i % 64);
  }
}

// The algorithm of Myers in the blocks of Hyyro: a column of the table of distances is kept as the differences between
// its neighbours, of which each is -1, 0 or 1, in two bits; 64 of them make one step to the next column.
std::size_t LineDistance::to(std::string_view other, std::size_t distance_max, WorkBudget& budget) const {
  const std::size_t beyond = distance_max + 1;
  if (!budget.spend(1 + other.size() / 16)) return beyond;
  if (line_ == other) return 0;
  if (distance_max == 0) return beyond;
  if (std::max(line_.size(), other.size()) - std::min(line_.size(), other.size()) > distance_max) return beyond;
  if (line_.empty()) return other.size();

  struct Differences {
    std::uint64_t more{~std::uint64_t{0}};  // one more than the cell above
    std::uint64_t less{0};
  };
  std::vector<Differences> column(words_);
  std::size_t distance = line_.size();  // in the last cell of the column
  for (std::size_t j = 0; j < other.size(); ++j) {
    if (!budget.spend(steps_per_word * words_)) return beyond;
    const std::uint64_t* places = places_.data() + rows_[static_cast<unsigned char>(other[j])] * words_;
    std::uint64_t came_more = 1;  // along the upper edge of the table, distances grow
    std::uint64_t came_less = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      const auto [more, less] = column[w];
      const std::uint64_t same = places[w] | came_less;
      const std::uint64_t diagonal = (((same & more) + more) ^ more) | same;
      std::uint64_t across_more = less | ~(diagonal | more);
      std::uint64_t across_less = more & diagonal;
      const std::size_t last = w + 1 < words_ ? 63 : (line_.size() - 1) % 64;
      const std::uint64_t goes_more = across_more >> last & 1;
      const std::uint64_t goes_less = across_less >> last & 1;
      across_more = across_more << 1 | came_more;
      across_less = across_less << 1 | came_less;
      const std::uint64_t changed = places[w] | less;
      column[w] = {across_less | ~(changed | across_more), across_more & changed};
      came_more = goes_more;
      came_less = goes_less;
    }
    distance += came_more;
    distance -= came_less;
    const std::size_t left = other.size() - j - 1;  // columns, each of which takes away one at most
    if (distance > distance_max + left) return beyond;
  }
  return std::min(distance, beyond);
}

std::string plain_typography(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  while (!line.empty()) {
    if (const auto plain = look_alike(line)) {
      out += plain->text;
      line.remove_prefix(plain->size);
    } else {
      out += line[0];
      line.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace joey

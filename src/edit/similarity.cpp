#include "edit/similarity.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace joey {
namespace {

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

std::size_t bounded_distance(std::string_view a, std::string_view b, std::size_t distance_max, WorkBudget& budget) {
  if (a.size() > b.size()) std::swap(a, b);
  const std::size_t beyond = distance_max + 1;
  if (b.size() - a.size() > distance_max) return beyond;

  const auto start = static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
  a.remove_prefix(start);
  b.remove_prefix(start);
  const auto end = static_cast<std::size_t>(std::mismatch(a.rbegin(), a.rend(), b.rbegin()).first - a.rbegin());
  a.remove_suffix(end);
  b.remove_suffix(end);
  budget.spend(1 + (start + end) / 8);
  if (a.empty()) return b.size() <= distance_max ? b.size() : beyond;
  if (distance_max == 0) return beyond;

  // Only cells within `distance_max` of the diagonal can lead to a distance within it.
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = std::min(j, beyond);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    const std::size_t first = i > distance_max ? i - distance_max : 1;
    const std::size_t last = std::min(b.size(), i + distance_max);
    if (!budget.spend(last - first + 1)) return beyond;
    std::size_t diagonal = row[first - 1];
    row[first - 1] = first == 1 ? std::min(i, beyond) : beyond;
    std::size_t least = row[first - 1];
    for (std::size_t j = first; j <= last; ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({diagonal + (a[i - 1] != b[j - 1]), above + 1, row[j - 1] + 1, beyond});
      diagonal = above;
      least = std::min(least, row[j]);
    }
    if (last < b.size()) row[last + 1] = beyond;  // the next row looks one cell further
    if (least > distance_max) return beyond;
  }
  return std::min(row[b.size()], beyond);
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

#include "edit/similarity.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace joey {

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
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 13> look_alikes{{
      {"\u2018", "'"}, {"\u2019", "'"}, {"\u201A", "'"}, {"\u201C", "\""}, {"\u201D", "\""}, {"\u201E", "\""},
      {"\u2010", "-"}, {"\u2011", "-"}, {"\u2013", "-"}, {"\u2014", "-"},  {"\u2026", "..."}, {"\u00A0", " "},
      {"\u202F", " "}}};
  std::string out;
  out.reserve(line.size());
  while (!line.empty()) {
    if (line[0] == '\xE2' || line[0] == '\xC2') {
      const auto found = std::find_if(look_alikes.begin(), look_alikes.end(),
                                      [line](const auto& pair) { return line.starts_with(pair.first); });
      if (found != look_alikes.end()) {
        out += found->second;
        line.remove_prefix(found->first.size());
        continue;
      }
    }
    out += line[0];
    line.remove_prefix(1);
  }
  return out;
}

}  // namespace joey

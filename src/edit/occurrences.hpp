// Where a sequence occurs in another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace joey {

// Every place of `pattern` in `text`, in order, those that overlap too; the first `count_max` of them. By Knuth, Morris
// and Pratt: linear however repetitive the two are. An empty pattern is nowhere.
template <class T>
[[nodiscard]] std::vector<std::size_t> occurrences(std::span<const T> text, std::span<const T> pattern,
                                                   std::size_t count_max) {
  std::vector<std::size_t> found;
  if (pattern.empty() || pattern.size() > text.size()) return found;
  std::vector<std::uint32_t> border(pattern.size(), 0);  // of each prefix, the length of the longest both at its ends
  for (std::size_t i = 1, matched = 0; i < pattern.size(); ++i) {
    while (matched > 0 && pattern[i] != pattern[matched]) matched = border[matched - 1];
    if (pattern[i] == pattern[matched]) ++matched;
    border[i] = static_cast<std::uint32_t>(matched);
  }
  for (std::size_t i = 0, matched = 0; i < text.size() && found.size() < count_max; ++i) {
    while (matched > 0 && text[i] != pattern[matched]) matched = border[matched - 1];
    if (text[i] == pattern[matched]) ++matched;
    if (matched < pattern.size()) continue;
    found.push_back(i + 1 - matched);
    matched = border[matched - 1];
  }
  return found;
}

}  // namespace joey

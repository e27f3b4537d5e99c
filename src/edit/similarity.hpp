// How alike lines are, within a bound on the work.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// Steps that may still be taken, one about a nanosecond. Once spent it stays spent.
class WorkBudget {
 public:
  explicit WorkBudget(std::size_t steps) : left_(steps) {}
  bool spend(std::size_t steps) {
    left_ = steps < left_ ? left_ - steps : 0;
    return left_ > 0;
  }
  [[nodiscard]] bool spent() const { return left_ == 0; }

 private:
  std::size_t left_;
};

// Of one edit, for all that is more than a search for exact text.
inline constexpr std::size_t tolerant_steps_max = 200'000'000;
// To find the text that a message shows instead.
inline constexpr std::size_t nearest_steps_max = 50'000'000;

// The Levenshtein distances, in bytes, of one line to many others.
class LineDistance {
 public:
  explicit LineDistance(std::string_view line);

  [[nodiscard]] std::size_t size() const { return line_.size(); }

  // The distance to `other` when it is at most `distance_max`, else distance_max + 1, as when the budget is spent.
  [[nodiscard]] std::size_t to(std::string_view other, std::size_t distance_max, WorkBudget& budget) const;

 private:
  std::string line_;
  std::size_t words_;                   // of 64 bytes of the line, one bit a byte
  std::array<std::uint8_t, 256> rows_;  // by byte: where in places_ it is; 0 when the line does not have it
  std::vector<std::uint64_t> places_;   // for each row, the bits of the places where the line has that byte
};

// `line` with typographic quotes, dashes, ellipses and odd spaces as their ASCII look-alikes: what models confuse.
[[nodiscard]] std::string plain_typography(std::string_view line);

}  // namespace joey

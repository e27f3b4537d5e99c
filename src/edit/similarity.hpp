// How alike two lines are, within a bound on the work.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

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

// The Levenshtein distance of `a` and `b` in bytes when it is at most `distance_max`, else distance_max + 1.
[[nodiscard]] std::size_t bounded_distance(std::string_view a, std::string_view b, std::size_t distance_max,
                                           WorkBudget& budget);

// `line` with typographic quotes, dashes, ellipses and odd spaces as their ASCII look-alikes: what models confuse.
[[nodiscard]] std::string plain_typography(std::string_view line);

}  // namespace joey

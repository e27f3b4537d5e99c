// Where in a text a run of lines is that somebody copied, perhaps not quite exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edit/indent.hpp"
#include "edit/lines.hpp"
#include "edit/similarity.hpp"

namespace joey {

// How far from a stated line a match is still taken to be the one meant.
inline constexpr std::size_t near_lines_max = 40;

struct Location {
  enum class Kind : std::uint8_t { found, ambiguous, missing, too_costly };

  Kind kind{Kind::missing};
  std::size_t line{0};                  // found: the first line, from 0; otherwise of the nearest text, if any
  double similarity{0};                 // 1 when found by the exact or an equivalent stage; 0 when nothing is near
  bool exact{false};                    // found: byte for byte, line endings aside
  IndentShift shift;                    // found: what turns the indentation of what was sought into the text's
  std::vector<std::size_t> candidates;  // ambiguous: first lines of the matches, from 0, the first few
  std::size_t candidates_count{0};      // ambiguous: of all
};

// Looks for lines in one text, in stages: the lines exactly; with trailing white space ignored; with their indentation
// shifted alike; at least 90 % similar. The first stage that finds something decides: a single match is the one, also
// when it is far from `near`. Of several the one that begins at `near` is, else the nearest to it within
// `near_lines_max`; a tie, or several and no `near`, is ambiguous.
class Locator {
 public:
  // The lines must outlive the locator.
  explicit Locator(std::span<const Line> lines) : lines_(lines) {}

  // `lines` is not empty. The work is bounded by the budget and, apart from similarity, linear in the text.
  [[nodiscard]] Location find(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                              WorkBudget& budget);
  // Only the first stage.
  [[nodiscard]] Location find_exactly(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                                      WorkBudget& budget);

 private:
  using View = std::string_view (*)(std::string_view);

  // The text's lines numbered so that two are equal, as `view` shows them, when their numbers are.
  struct Numbering {
    std::vector<std::string_view> sorted;
    std::vector<std::uint32_t> lines;
    [[nodiscard]] std::uint32_t number(std::string_view line) const;
  };

  const Numbering& numbering(std::optional<Numbering>& cache, View view) const;
  std::vector<std::size_t> positions(const Numbering& numbering, View view, std::span<const std::string_view> lines,
                                     WorkBudget& budget) const;
  std::vector<std::string_view> window(std::size_t first, std::size_t count) const;
  Location find_similar(std::span<const std::string_view> lines, std::optional<std::size_t> near, WorkBudget& budget);

  std::span<const Line> lines_;
  std::optional<Numbering> exact_;
  std::optional<Numbering> trimmed_end_;
  std::optional<Numbering> trimmed_;
  std::vector<std::string> plain_;  // the lines trimmed and in plain typography, once similarity is asked for
};

}  // namespace joey

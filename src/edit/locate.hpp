// Where in a text a run of lines is that somebody copied, perhaps not quite exactly.
#pragma once

#include <array>
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

// In what sense two lines are the same; each tolerates what those before it do.
enum class Sameness : std::uint8_t {
  exact,        // byte for byte
  line_end,     // but for blanks at their ends
  indentation,  // but for blanks at their beginnings as well
  typography,   // but for quotes, dashes and spaces that look alike, and how many blanks there are between words
};

struct Location {
  enum class Kind : std::uint8_t { found, ambiguous, missing, too_costly };

  Kind kind{Kind::missing};
  std::size_t line{0};                  // found: the first line, from 0; otherwise of the nearest text, if any
  double similarity{0};                 // 1 when found by the exact or an equivalent stage; 0 when nothing is near
  bool exact{false};                    // found: byte for byte, line endings aside
  bool by_line{false};                  // found: one of several, told apart by the stated line
  IndentShift shift;                    // found: what turns the indentation of what was sought into the text's
  std::vector<std::size_t> candidates;  // ambiguous: first lines of the matches, from 0, the first few
  std::size_t candidates_count{0};      // ambiguous: of all
};

// Looks for lines in one text.
class Locator {
 public:
  // The lines must outlive the locator.
  explicit Locator(std::span<const Line> lines);

  // Looks in stages: for the lines exactly; with trailing white space ignored; with their indentation shifted alike; but
  // for typography; at least 90 % similar. The first stage that finds something decides: a single match is the one,
  // also when it is far from `near`. Of several the one that begins at `near` is, else the nearest to it within
  // `near_lines_max`; a tie, or several and no `near`, is ambiguous.
  //
  // `lines` is not empty. The work is bounded by the budget and, apart from similarity, linear in the text.
  [[nodiscard]] Location find(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                              WorkBudget& budget);
  // Only the first stage.
  [[nodiscard]] Location find_exactly(std::span<const std::string_view> lines, std::optional<std::size_t> near,
                                      WorkBudget& budget);
  // What is most like the lines, for a message: `missing`, or `too_costly` when something else may be more like them.
  [[nodiscard]] Location nearest(std::span<const std::string_view> lines, WorkBudget& budget);

  // Every place, in order, where the lines are the same in this sense, those that overlap too. None when the budget is
  // spent.
  [[nodiscard]] std::vector<std::size_t> places(std::span<const std::string_view> lines, Sameness sameness,
                                                WorkBudget& budget);

 private:
  const std::vector<std::string_view>& keys(Sameness sameness);
  std::optional<IndentShift> shift_at(std::size_t first, std::span<const std::string_view> lines) const;
  std::vector<std::size_t> windows_by_shared_lines(std::span<const std::string_view> lines, WorkBudget& budget);
  Location find_similar(std::span<const std::string_view> lines, std::optional<std::size_t> near, WorkBudget& budget);

  std::span<const Line> lines_;
  std::size_t size_{0};  // bytes of all lines
  // Once they are asked for:
  std::array<std::vector<std::string_view>, 4> keys_;  // by Sameness: what of each line counts
  std::vector<std::string> plain_;                     // the lines but for typography
  std::vector<std::size_t> sorted_;                    // the lines' numbers, in the order of their keys but for indentation
};

}  // namespace joey

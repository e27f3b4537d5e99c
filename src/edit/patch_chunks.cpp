#include "edit/patch_chunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "edit/explain.hpp"
#include "edit/lines.hpp"
#include "edit/locate.hpp"
#include "edit/splice.hpp"

namespace joey {
namespace {

constexpr std::size_t search_steps_max = 1'000'000'000;  // of all chunks together; linear work
constexpr std::size_t context_size_max = 80;             // bytes of a context in a message
constexpr std::array samenesses{Sameness::exact, Sameness::line_end, Sameness::indentation, Sameness::typography};

// Where a chunk may go.
struct Placing {
  std::vector<std::size_t> candidates;  // first lines, in order; the first is taken, and must be the only one there is
  std::size_t count{0};                 // lines from there that it replaces
  Sameness sameness{Sameness::exact};
  bool at_end{false};                   // new lines for the end of the text: not in order with other chunks
  std::string failure;                  // why there is no candidate

  [[nodiscard]] std::size_t first() const { return candidates.front(); }
  [[nodiscard]] std::size_t end() const { return first() + count; }
};

// The first of the sorted `places` at or after `line`.
std::optional<std::size_t> first_from(const std::vector<std::size_t>& places, std::size_t line) {
  const auto found = std::lower_bound(places.begin(), places.end(), line);
  return found == places.end() ? std::nullopt : std::optional(*found);
}

std::vector<std::size_t> from(std::vector<std::size_t> places, std::size_t line) {
  places.erase(places.begin(), std::lower_bound(places.begin(), places.end(), line));
  return places;
}

class ChunkApplier {
 public:
  ChunkApplier(std::span<const Line> lines, std::span<const PatchChunk> chunks)
      : lines_(lines), chunks_(chunks), locator_(lines) {}

  // The text afterwards goes behind what result.text holds already.
  Status apply(EditResult& result) {
    std::size_t cursor = 0;
    for (const PatchChunk& chunk : chunks_) {
      placings_.push_back(place(chunk, cursor));
      const Placing& placing = placings_.back();
      if (placing.failure.empty() && !placing.at_end) cursor = placing.end();
    }
    refuse_choices();
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
      const Placing& placing = placings_[i];
      if (!placing.failure.empty()) {
        ++result.failed;
        result.report += fmt::format("Chunk {} of {} (line {} of the patch) failed: {}\n", i + 1, chunks_.size(),
                                     chunks_[i].patch_line, placing.failure);
      }
    }
    if (result.failed > 0) return {};
    return put_together(result);
  }

 private:
  // ---- Finding

  Placing place(const PatchChunk& chunk, std::size_t cursor) {
    Placing placing;
    const auto starts = after_contexts(chunk, cursor, placing);
    if (!placing.failure.empty()) return placing;

    std::vector<std::string_view> old;
    for (const PatchLine& line : chunk.lines) {
      if (line.kind != PatchLine::Kind::added) old.push_back(line.text);
    }
    if (old.empty()) {
      placing.at_end = chunk.at_end || chunk.contexts.empty();
      placing.candidates = placing.at_end ? std::vector{lines_.size()} : starts;
      return placing;
    }
    find(chunk, old, starts, placing);
    // A blank line that stays, at the end, may stand for the final newline, or between two chunks of the patch.
    std::vector<std::string_view> shorter = old;
    while (placing.candidates.empty() && shorter.size() > 1 && shorter.back().empty()) {
      shorter.pop_back();
      find(chunk, shorter, starts, placing);
    }
    if (placing.candidates.empty()) placing.failure = explain(chunk, old, cursor);
    return placing;
  }

  // The lines after each place where the contexts are, from `cursor` on; without contexts the cursor alone.
  std::vector<std::size_t> after_contexts(const PatchChunk& chunk, std::size_t cursor, Placing& placing) {
    std::vector<std::size_t> starts{cursor};
    for (std::size_t i = 0; i < chunk.contexts.size(); ++i) {
      std::vector<std::size_t> next;
      for (const Sameness sameness : samenesses) {
        const std::vector<std::size_t> places = locator_.places({&chunk.contexts[i], 1}, sameness, budget_);
        if (i == 0) {
          next = from(places, cursor);
        } else {
          for (const std::size_t start : starts) {
            const auto place = first_from(places, start);
            if (place && (next.empty() || next.back() != *place)) next.push_back(*place);
          }
        }
        if (next.empty()) continue;
        placing.sameness = std::max(placing.sameness, sameness);
        break;
      }
      if (next.empty()) {
        placing.failure = explain_context(chunk.contexts[i], cursor);
        return {};
      }
      starts = std::move(next);
      for (std::size_t& start : starts) ++start;
    }
    return starts;
  }

  void find(const PatchChunk& chunk, std::span<const std::string_view> old, const std::vector<std::size_t>& starts,
            Placing& placing) {
    for (const Sameness sameness : samenesses) {
      std::vector<std::size_t> places = from(locator_.places(old, sameness, budget_), starts.front());
      if (chunk.at_end) std::erase_if(places, [&](std::size_t at) { return at + old.size() != lines_.size(); });
      if (chunk.contexts.empty()) {
        placing.candidates = std::move(places);
      } else {
        for (const std::size_t start : starts) {
          const auto at = first_from(places, start);
          if (at && (placing.candidates.empty() || placing.candidates.back() != *at)) placing.candidates.push_back(*at);
        }
      }
      if (placing.candidates.empty()) continue;
      placing.count = old.size();
      placing.sameness = std::max(placing.sameness, sameness);
      return;
    }
  }

  // Each chunk has its earliest place now. Where taking the latest ones from the end leads elsewhere, there is a choice.
  void refuse_choices() {
    std::size_t limit = lines_.size();
    for (std::size_t i = placings_.size(); i-- > 0;) {
      Placing& placing = placings_[i];
      if (!placing.failure.empty() || placing.at_end) continue;
      std::vector<std::size_t>& candidates = placing.candidates;
      std::erase_if(candidates, [&](std::size_t at) { return at + placing.count > limit; });
      limit = candidates.back();
      if (candidates.size() == 1) continue;
      placing.failure =
          chunks_[i].contexts.empty()
              ? fmt::format("its lines are in the file {} times, at {}: put an @@ line that comes before the right place "
                            "above them, or add more lines around.",
                            candidates.size(), line_list(candidates, candidates.size()))
              : fmt::format("its @@ line leads to {} places, at {}: put another @@ line above it, such as the class or "
                            "function it is in, or add more lines around.",
                            candidates.size(), line_list(candidates, candidates.size()));
    }
  }

  // ---- Explaining

  std::string explain_context(std::string_view context, std::size_t cursor) {
    const std::string shown = to_utf8(utf8_prefix(context, context_size_max));
    if (budget_.spent()) return too_costly();
    WorkBudget budget(nearest_steps_max / chunks_.size());
    const Location nearest = locator_.nearest({&context, 1}, budget);
    const std::string what = fmt::format("its @@ line \"{}\"", shown);
    if (nearest.similarity >= 1) {
      return fmt::format("{} is at {}, before the chunk above it ends: chunks come in the order of the file.", what,
                         line_range(nearest.line, 1));
    }
    std::string text = explain_missing(what, 1, lines_, nearest);
    if (cursor > 0) text += fmt::format("\n(The chunk above ends at line {}.)", cursor);
    return text;
  }

  std::string explain(const PatchChunk& chunk, std::span<const std::string_view> old, std::size_t cursor) {
    for (const Sameness sameness : samenesses) {
      const std::vector<std::size_t> places = locator_.places(old, sameness, budget_);
      if (places.empty()) continue;
      const std::string at = line_list(places, places.size());
      if (chunk.at_end) return fmt::format("its lines are not the last of the file, as *** End of File says, but at {}.", at);
      if (!chunk.contexts.empty()) return fmt::format("its lines are at {}, but not after its @@ line.", at);
      return fmt::format("its lines are at {}, before the chunk above ends, at line {}: chunks come in the order of the file.",
                         at, cursor);
    }
    if (budget_.spent()) return too_costly();
    WorkBudget budget(nearest_steps_max / chunks_.size());
    return explain_missing("what it removes or keeps", old.size(), lines_, locator_.nearest(old, budget));
  }

  static std::string too_costly() { return "the patch has too many chunks for a file of this size: send it in parts."; }

  // ---- Replacing

  Status put_together(EditResult& result) {
    std::vector<std::size_t> order(chunks_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return placings_[a].first() < placings_[b].first(); });
    std::size_t at = 0;
    for (const std::size_t i : order) {
      append_lines(result.text, lines_.subspan(at, placings_[i].first() - at));
      if (!append(result, i)) return too_large();
      at = placings_[i].end();
    }
    append_lines(result.text, lines_.subspan(at));
    result.applied = static_cast<int>(chunks_.size());
    return {};
  }

  bool append(EditResult& result, std::size_t index) const {
    const Placing& placing = placings_[index];
    std::vector<NewLine> fresh;
    std::vector<std::string_view> old;
    bool adds = false;
    for (const PatchLine& line : chunks_[index].lines) {
      if (line.kind == PatchLine::Kind::added) {
        fresh.push_back({line.text, std::nullopt});
        adds = true;
      } else if (old.size() < placing.count) {
        if (line.kind == PatchLine::Kind::kept) fresh.push_back({line.text, old.size()});
        old.push_back(line.text);
      }
    }
    const std::span<const Line> gone = lines_.subspan(placing.first(), placing.count);
    std::optional<IndentShift> shift = IndentShift{};
    if (placing.sameness >= Sameness::indentation) shift = find_indent_shift(old, texts_of(gone));
    if (placing.sameness != Sameness::exact) {
      result.exact = false;
      result.notes += fmt::format("Chunk {} matched {} except for white space or typography.{}\n", index + 1,
                                  line_range(placing.first(), std::max<std::size_t>(placing.count, 1)),
                                  shift || !adds ? "" : " Check the indentation of the new lines.");
    }
    const std::string_view ending = ending_at(lines_, placing.first());
    if (placing.first() > 0 && placing.first() == lines_.size() && result.text.back() != '\n') result.text += ending;
    return append_splice(result.text, {.gone = gone,
                                       .lines = fresh,
                                       .shift = shift ? &*shift : nullptr,
                                       .ending = ending,
                                       .terminated = placing.end() < lines_.size() || ends_terminated(lines_)});
  }

  std::span<const Line> lines_;
  std::span<const PatchChunk> chunks_;
  Locator locator_;
  WorkBudget budget_{search_steps_max};
  std::vector<Placing> placings_;  // by chunk
};

}  // namespace

Result<EditResult> apply_chunks(std::string_view text, std::span<const PatchChunk> chunks) {
  const auto editable = to_editable_lines(text);
  if (!editable) return tl::unexpected(editable.error());
  EditResult result;
  result.text = editable->mark;
  if (const auto applied = ChunkApplier(editable->lines, chunks).apply(result); !applied) {
    return tl::unexpected(applied.error());
  }
  if (result.failed > 0) result.text = text;
  return result;
}

}  // namespace joey

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

constexpr std::size_t search_steps_max = 500'000'000;  // of all chunks together
constexpr std::size_t context_size_max = 80;             // bytes of a context in a message
constexpr std::array samenesses{Sameness::exact, Sameness::line_end, Sameness::indentation, Sameness::typography};

// Where a chunk goes.
struct Placing {
  std::size_t first{0};  // lines [first, first + count) go
  std::size_t count{0};
  std::size_t cursor{0};               // where the chunk before it ends
  Sameness sameness{Sameness::exact};  // in which its lines are those
  bool exact_contexts{true};
  bool at_end{false};   // new lines for the end of the text: not in order with other chunks
  std::string failure;  // why it goes nowhere

  [[nodiscard]] std::size_t end() const { return first + count; }
};

std::vector<std::size_t> from(std::vector<std::size_t> places, std::size_t line) {
  places.erase(places.begin(), std::lower_bound(places.begin(), places.end(), line));
  return places;
}

// For each of `starts` the first of `places` at or after it, each once; both are sorted.
std::vector<std::size_t> first_after_each(std::span<const std::size_t> starts, std::span<const std::size_t> places) {
  std::vector<std::size_t> found;
  std::size_t next = 0;
  for (const std::size_t start : starts) {
    while (next < places.size() && places[next] < start) ++next;
    if (next == places.size()) break;
    if (found.empty() || found.back() != places[next]) found.push_back(places[next]);
  }
  return found;
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
    placing.cursor = cursor;
    const std::vector<std::size_t> starts = after_contexts(chunk, placing);
    if (!placing.failure.empty()) return placing;

    const std::vector<std::string_view> old = old_lines(chunk);
    if (old.empty()) {
      placing.at_end = chunk.at_end || chunk.contexts.empty();
      placing.first = placing.at_end ? lines_.size() : starts.front();
      return placing;
    }
    // A blank line that stays, at the end, may stand for the final newline, or between two chunks of the patch.
    placing.count = old.size();
    while (!find(chunk, old, starts, placing)) {
      if (placing.count == 1 || !old[placing.count - 1].empty()) {
        placing.failure = explain(chunk, old, cursor);
        break;
      }
      --placing.count;
    }
    return placing;
  }

  static std::vector<std::string_view> old_lines(const PatchChunk& chunk) {
    std::vector<std::string_view> old;
    for (const PatchLine& line : chunk.lines) {
      if (line.kind != PatchLine::Kind::added) old.push_back(line.text);
    }
    return old;
  }

  // The lines after each place where the contexts are, from the cursor on; without contexts the cursor alone.
  std::vector<std::size_t> after_contexts(const PatchChunk& chunk, Placing& placing) {
    std::vector<std::size_t> starts{placing.cursor};
    for (std::size_t i = 0; i < chunk.contexts.size(); ++i) {
      std::vector<std::size_t> next;
      for (const Sameness sameness : samenesses) {
        const std::vector<std::size_t> places = locator_.places({&chunk.contexts[i], 1}, sameness, budget_);
        next = i == 0 ? from(places, placing.cursor) : first_after_each(starts, places);
        placing.exact_contexts = placing.exact_contexts && (next.empty() || sameness == Sameness::exact);
        if (!next.empty()) break;
      }
      if (next.empty()) {
        placing.failure = explain_context(chunk.contexts[i], placing.cursor);
        return {};
      }
      starts = std::move(next);
      for (std::size_t& start : starts) ++start;
    }
    return starts;
  }

  // The earliest place of the first placing.count old lines, in the strictest sense in which they have one.
  bool find(const PatchChunk& chunk, std::span<const std::string_view> old, std::span<const std::size_t> starts,
            Placing& placing) {
    for (const Sameness sameness : samenesses) {
      placing.sameness = sameness;
      const std::vector<std::size_t> places = candidates(chunk, old, starts, placing);
      if (places.empty()) continue;
      placing.first = places.front();
      return true;
    }
    return false;
  }

  // Where old lines may be, in order.
  std::vector<std::size_t> candidates(const PatchChunk& chunk, std::span<const std::string_view> old,
                                      std::span<const std::size_t> starts, const Placing& placing) {
    std::vector<std::size_t> places =
        from(locator_.places(old.subspan(0, placing.count), placing.sameness, budget_), starts.front());
    if (chunk.at_end) std::erase_if(places, [&](std::size_t at) { return at + placing.count != lines_.size(); });
    return chunk.contexts.empty() ? places : first_after_each(starts, places);
  }

  // Each chunk has its earliest place now. Where taking the latest ones from the end leads elsewhere, there is a choice.
  // What was found before is looked for again: to keep every candidate could take any amount of memory.
  void refuse_choices() {
    std::size_t limit = lines_.size();
    for (std::size_t i = placings_.size(); i-- > 0;) {
      Placing& placing = placings_[i];
      if (!placing.failure.empty() || placing.at_end) continue;
      const PatchChunk& chunk = chunks_[i];
      std::vector<std::size_t> places = after_contexts(chunk, placing);
      const std::vector<std::string_view> old = old_lines(chunk);
      if (!places.empty() && !old.empty()) places = candidates(chunk, old, places, placing);
      std::erase_if(places, [&](std::size_t at) { return at + placing.count > limit; });
      if (places.empty()) {
        placing.failure = too_costly();
        continue;
      }
      limit = places.back();
      if (places.size() == 1) continue;
      const std::string at = line_list(places, places.size());
      placing.failure =
          chunk.contexts.empty()
              ? fmt::format("its lines are in the file {} times, at {}: put an @@ line that comes before the right place "
                            "above them, or add more lines around.",
                            places.size(), at)
              : fmt::format("its @@ line leads to {} places, at {}: put another @@ line above it, such as the class or "
                            "function it is in, or add more lines around.",
                            places.size(), at);
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
    if (budget_.spent()) return too_costly();
    for (const Sameness sameness : samenesses) {
      const std::vector<std::size_t> places = locator_.places(old, sameness, budget_);
      if (places.empty()) continue;
      const std::string at = line_list(places, places.size());
      if (chunk.at_end) return fmt::format("its lines are not the last of the file, as *** End of File says, but at {}.", at);
      if (!chunk.contexts.empty()) return fmt::format("its lines are at {}, but not after its @@ line.", at);
      return fmt::format("its lines are at {}, before the chunk above ends, at line {}: chunks come in the order of the file.",
                         at, cursor);
    }
    WorkBudget budget(nearest_steps_max / chunks_.size());
    return explain_missing("what it removes or keeps", old.size(), lines_, locator_.nearest(old, budget));
  }

  static std::string too_costly() { return "the patch has too many chunks for a file of this size: send it in parts."; }

  // ---- Replacing

  Status put_together(EditResult& result) {
    std::vector<std::size_t> order(chunks_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return placings_[a].first < placings_[b].first; });
    std::size_t at = 0;
    for (const std::size_t i : order) {
      append_lines(result.text, lines_.subspan(at, placings_[i].first - at));
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
    const std::span<const Line> gone = lines_.subspan(placing.first, placing.count);
    std::optional<IndentShift> shift = IndentShift{};
    if (placing.sameness >= Sameness::indentation) shift = find_indent_shift(old, texts_of(gone));
    if (placing.sameness != Sameness::exact || !placing.exact_contexts) {
      result.exact = false;
      result.notes += fmt::format("Chunk {} matched {} except for white space or typography.{}\n", index + 1,
                                  line_range(placing.first, std::max<std::size_t>(placing.count, 1)),
                                  shift || !adds ? "" : " Check the indentation of the new lines.");
    }
    const std::string_view ending = ending_at(lines_, placing.first);
    if (placing.first > 0 && placing.first == lines_.size() && result.text.back() != '\n') result.text += ending;
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

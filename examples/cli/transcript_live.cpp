// What is under way, below what was written: running calls with the end of their output, and the wait for the model.
#include <fmt/format.h>

#include <algorithm>

#include "call_text.hpp"
#include "transcript.hpp"

namespace cli {
namespace {

// Plain output names a call that takes longer than this, so that its reader knows what is going on.
constexpr std::int64_t announce_after_ms = 2'000;
constexpr std::int64_t spinner_step_ms = 100;

}  // namespace

void Transcript::draw(const TaskViews& views, std::int64_t now) {
  std::vector<std::string> lines;
  for (const auto& [id, view] : views) {
    append_running(lines, view, now);
    if (view.phase == TaskPhase::model || view.phase == TaskPhase::retrying) lines.push_back(model_line(view, now));
  }
  moving_ = !lines.empty();
  terminal_.set_live(std::move(lines));
  terminal_.flush();
}

void Transcript::hide() {
  end_stream();
  terminal_.set_live({});
  terminal_.flush();
}

std::string Transcript::call_head(const Call& call, std::string_view glyph, Tone tone, std::string_view info,
                                  std::size_t columns) const {
  std::string tool = show_all(call.tool);
  std::string argument = key_argument(call);
  std::string_view gap = "  ";
  if (terminal_.live()) {
    // The argument keeps some room; where the line has none left, the rest goes below.
    constexpr std::size_t argument_columns_min = 16;
    tool = fit(tool, columns - width_of(glyph) - 1);
    const std::size_t left = columns - width_of(glyph) - 1 - width_of(tool);
    const std::size_t wanted = info.empty() ? 0 : gap.size() + width_of(info);
    const std::size_t needed = argument.empty() ? 0 : 1 + std::min(width_of(argument), argument_columns_min);
    if (left >= wanted + needed) {
      argument = fit(argument, left - wanted - std::min<std::size_t>(left - wanted, 1));
    } else {
      argument = left > 1 ? fit(argument, left - 1) : std::string();
      gap = "\n    ";
    }
  }
  std::string head = fmt::format("{} {}", terminal_.paint(tone, glyph), terminal_.paint(Tone::bold, tool));
  if (!argument.empty()) head += fmt::format(" {}", argument);
  if (!info.empty()) head += fmt::format("{}{}", gap, terminal_.paint(Tone::dim, info));
  return head;
}

void Transcript::append_running(std::vector<std::string>& out, const TaskView& view, std::int64_t now) {
  const std::size_t columns = terminal_.columns() - 1;
  const std::string indent(static_cast<std::size_t>(2 * view.depth()), ' ');
  for (const Call& call : view.calls) {
    if (call.state != CallState::running) continue;
    const std::int64_t took = now - call.started_at;
    if (!terminal_.live()) {
      if (took < announce_after_ms || !announced_.insert(key(view, call.id)).second) continue;
      begin(Section::tools);
      put_line(view.depth(), Tone::plain, call_head(call, "…", Tone::plain, "still running", columns));
      continue;
    }
    const std::string info = took < 1'000 ? std::string() : duration_text(took);
    const std::string head = call_head(call, spinner(now), Tone::yellow, info, columns - indent.size());
    out.push_back(indent + head.substr(0, head.find('\n')));
    const auto tail = tails_.find(key(view, call.id));
    if (tail == tails_.end()) continue;
    const auto add = [&](const std::string& line) {
      out.push_back(indent + terminal_.paint(Tone::dim, fmt::format("  {} {}", terminal_.glyphs().bar,
                                                                    fit(line, columns - indent.size() - 4))));
    };
    for (const std::string& line : tail->second.lines) add(line);
    if (!tail->second.last.empty()) add(tail->second.last);
  }
}

std::string Transcript::model_line(const TaskView& view, std::int64_t now) {
  const std::string_view separator = terminal_.glyphs().separator;
  const Stream& stream_of_task = streams_[view.id];
  std::string what;
  if (view.phase == TaskPhase::retrying) {
    what = fmt::format("trying again in {}", duration_text(std::max<std::int64_t>(0, view.retry_at - now)));
  } else {
    what = stream_of_task.tool.empty()
               ? fmt::format("waiting for {}", clean(view.model.name))
               : fmt::format("{} is written ({} bytes)", clean(stream_of_task.tool), count_text(static_cast<std::int64_t>(
                                                                                        stream_of_task.arguments_size)));
    what += fmt::format("{}{}", separator, duration_text(std::max<std::int64_t>(0, now - view.phase_since)));
  }
  what += fmt::format("{0}turn {1}", separator, view.turns);
  if (view.tokens_output > 0) {
    what += fmt::format("{0}{1} in{0}{2} out", separator, count_text(view.tokens_input + view.tokens_cached),
                        count_text(view.tokens_output));
  }
  if (view.cost_usd > 0) what += fmt::format("{}{}", separator, cost_text(view.cost_usd));
  const std::string indent(static_cast<std::size_t>(2 * view.depth()), ' ');
  const std::size_t columns = terminal_.columns() - indent.size() - 3;
  return indent + terminal_.paint(Tone::cyan, spinner(now)) + " " + terminal_.paint(Tone::dim, fit(what, columns));
}

std::string_view Transcript::spinner(std::int64_t now) const {
  const auto& frames = terminal_.glyphs().spinner;
  return frames[static_cast<std::size_t>(now / spinner_step_ms) % frames.size()];
}

std::string Transcript::key(const TaskView& view, std::string_view call) { return fmt::format("{}/{}", view.id, call); }

}  // namespace cli

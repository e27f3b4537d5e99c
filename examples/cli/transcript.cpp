#include "transcript.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "call_text.hpp"

namespace cli {
namespace {

constexpr std::size_t preview_lines_max = 200;
constexpr std::string_view body_indent = "    ";

// The home directory as a tilde.
std::string short_path(const std::string& path) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0' || !path.starts_with(home)) return path;
  const std::string_view rest = std::string_view(path).substr(std::string_view(home).size());
  return rest.empty() || rest.front() == '/' ? fmt::format("~{}", rest) : path;
}

std::string_view without(std::string_view text, std::string_view open, std::string_view close) {
  text = trim(text);
  if (text.starts_with(open)) text.remove_prefix(open.size());
  if (text.ends_with(close)) text.remove_suffix(close.size());
  return trim(text);
}

// Calls whose own events show them.
bool shows_itself(std::string_view tool) {
  return tool == "update_todo_list" || tool == "attempt_completion" || tool == "ask_followup_question" ||
         tool == "new_task" || tool == "switch_mode";
}

}  // namespace

void Transcript::add(TaskView& view, const Event& event) {
  const std::string_view type = event.type;
  if (type == "task.created") {
    show_head(view);
  } else if (type == "user.message") {
    show_user_message(view, event);
  } else if (type == "mode.changed") {
    begin(Section::note);
    const std::string reason = one_line(clean(event.text("reason")));
    put_line(view.depth(), Tone::dim, fmt::format("mode {} {}{}", terminal_.glyphs().arrow, clean(view.mode),
                                                  reason.empty() ? "" : fmt::format(": {}", reason)));
  } else if (type == "model.requested") {
    streams_[view.id] = {};
    if (!event.text("instruction").empty()) {
      streams_[view.id].summary = true;
      begin(Section::note);
      put_line(view.depth(), Tone::dim, "the conversation outgrows the model's window: it is summed up");
    }
  } else if (type == "model.changed") {
    begin(Section::note);
    if (event.text("cause") == "failed") {
      put_line(view.depth(), Tone::yellow, fmt::format("{} {}", terminal_.glyphs().failed, streams_[view.id].failure));
    }
    put_line(view.depth(), Tone::dim, fmt::format("goes on with {} of {}", clean(view.model.name), clean(view.model.provider)));
  } else if (type == "context.reduced") {
    begin(Section::note);
    put_line(view.depth(), Tone::dim, fmt::format("the conversation was reduced from about {} to {} tokens ({})",
                                                  event.number("tokens_before"), event.number("tokens_after"),
                                                  clean(event.text("method"))));
  } else if (type == "model.failed") {
    show_failure(view, event);
  } else if (type == "model.finished") {
    show_answer(view, event);
  } else if (type == "approval.requested" || type == "question.asked") {
    if (const Call* call = view.find(event.text("call"))) show_waiting(view, *call);
  } else if (type == "checkpoint.taken" && event.text("checkpoint").empty()) {
    begin(Section::note);
    put_line(view.depth(), Tone::yellow, fmt::format("no checkpoint: {}", one_line(clean(event.text("message")))));
  } else if (type == "instructions.found") {
    begin(Section::note);
    put_line(view.depth(), Tone::yellow, fmt::format("{} gives the model orders: {}", clean(event.text("tool")), one_line(clean(event.text("excerpt")))));
  } else if (type == "egress" && event.text("stage").empty()) {  // the default: refused
    begin(Section::note);
    put_line(view.depth(), Tone::yellow, fmt::format("network: {}", one_line(clean(event.text("message")))));
  } else if (type == "egress" && !texts_of(event.fields, "secrets").empty()) {
    begin(Section::note);
    put_line(view.depth(), Tone::dim, fmt::format("network: {} went to {}", clean(fmt::format("{}", fmt::join(texts_of(event.fields, "secrets"), ", "))),
                                                  clean(event.text("host"))));
  } else if (type == "tool.finished") {
    show_result(view, event);
  } else if (type == "todos.updated") {
    show_todos(view, event);
  } else if (type == "subtask.started") {
    begin(Section::tools);
    put_line(view.depth(), Tone::blue, fmt::format("{} subtask in mode {}: {}", terminal_.glyphs().arrow, event.text("mode"),
                                                   one_line(clean(event.text("message")))));
  } else if (type == "subtask.finished") {
    show_subtask_end(view, event);
  } else if (type == "cache.broken") {
    begin(Section::note);
    put_line(view.depth(), Tone::dim, fmt::format("the provider's cache starts anew ({})", clean(event.text("cause"))));
  } else if (type == "task.paused" || type == "task.resumed" || type == "task.reopened") {
    begin(Section::note);
    put_line(view.depth(), Tone::dim, type == "task.paused" ? "paused" : "resumed");
  } else if (type == "task.ended") {
    show_end(view);
  }
}

void Transcript::add_delta(const TaskView& view, DeltaKind kind, std::string_view call, std::string_view tool,
                           std::string_view text) {
  Stream& stream_of_task = streams_[view.id];
  if (stream_of_task.summary && kind != DeltaKind::tool_output) return;
  switch (kind) {
    case DeltaKind::text:
      stream_of_task.text = true;
      return stream(view, Section::text, text);
    case DeltaKind::reasoning:
      stream_of_task.reasoning = true;
      return stream(view, Section::reasoning, text);
    case DeltaKind::tool_arguments:
      end_stream();
      if (stream_of_task.tool != tool) stream_of_task.arguments_size = 0;
      stream_of_task.tool = tool;
      stream_of_task.arguments_size += text.size();
      return;
    case DeltaKind::tool_output: {
      constexpr std::size_t lines_max = 5;
      constexpr std::size_t line_size_max = 4'096;
      Tail& tail = tails_[key(view, call)];
      for (const char c : tail.cleaner.feed(text)) {
        if (c == '\n') {
          tail.lines.push_back(std::exchange(tail.last, {}));
          if (tail.lines.size() > lines_max) tail.lines.pop_front();
        } else if (tail.last.size() < line_size_max) {
          tail.last += c;
        }
      }
      return;
    }
  }
}

// ---- Writing -----------------------------------------------------------------------------------------------------------

void Transcript::begin(Section section) {
  end_stream();
  const bool paragraph = section == Section::text || section == Section::reasoning || section == Section::person;
  if (section_ != Section::none && (paragraph || section_ != section)) terminal_.write("\n");
  section_ = section;
}

void Transcript::end_stream() {
  if (streaming_ == Section::none) return;
  put(streaming_depth_, streaming_ == Section::reasoning ? Tone::dim : Tone::plain, cleaner_.finish());
  if (!terminal_.at_line_start()) terminal_.write("\n");
  streaming_ = Section::none;
  newlines_ = 0;
}

void Transcript::put(int depth, Tone tone, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) {
      if (terminal_.at_line_start()) {
        terminal_.write(std::string(static_cast<std::size_t>(2 * depth), ' '));
        // Where it cannot be dimmed.
        if (streaming_ == Section::reasoning && !terminal_.coloured()) terminal_.write("~ ");
      }
      terminal_.write(terminal_.paint(tone, line));
    }
    if (end == std::string_view::npos) return;
    terminal_.write("\n");
    text.remove_prefix(end + 1);
  }
}

void Transcript::put_line(int depth, Tone tone, std::string_view text) {
  put(depth, tone, text);
  terminal_.write("\n");
}

void Transcript::put_lines(int depth, const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    put(depth, Tone::plain, body_indent);
    put_line(depth, line.tone, line.text);
  }
}

// Newlines at the end wait, so that a paragraph ends with exactly one.
void Transcript::stream(const TaskView& view, Section section, std::string_view text) {
  if (streaming_ != section || streaming_depth_ != view.depth()) {
    if (trim(text).empty()) return;
    begin(section);
    streaming_ = section;
    streaming_depth_ = view.depth();
    while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  }
  const std::string safe = cleaner_.feed(text);
  const std::size_t end = safe.find_last_not_of('\n');
  if (end == std::string::npos) {
    newlines_ += safe.size();
    return;
  }
  std::string piece(newlines_, '\n');
  piece.append(safe, 0, end + 1);
  newlines_ = safe.size() - end - 1;
  put(view.depth(), section == Section::reasoning ? Tone::dim : Tone::plain, piece);
}

void Transcript::note(Tone tone, std::string_view text) {
  begin(Section::note);
  put_line(0, tone, text);
}

// ---- One function for each kind of event ---------------------------------------------------------------------------------

void Transcript::show_head(const TaskView& view) {
  if (view.depth() > 0) return;
  begin(Section::head);
  const std::string_view separator = terminal_.glyphs().separator;
  put_line(0, Tone::dim, fmt::format("joey{0}{1}{0}{2}{0}{3}", separator, clean(view.model.name), clean(view.mode),
                                     clean(short_path(view.workspace))));
  put_line(0, Tone::dim, view.id);
}

void Transcript::show_user_message(const TaskView& view, const Event& event) {
  const std::string text = clean(trim(event.text("text")));
  if (event.text("by") == "engine") {
    begin(Section::note);
    return put_line(view.depth(), Tone::dim, "(reminded: every answer calls a tool)");
  }
  if (view.depth() > 0 && view.turns == 0) return;  // what the subtask was started with is shown already
  begin(Section::person);
  bool first = true;
  for (const std::string_view line : lines_of(text)) {
    put(view.depth(), Tone::cyan, first ? fmt::format("{} ", terminal_.glyphs().prompt) : "  ");
    put_line(view.depth(), Tone::bold, line);
    first = false;
  }
}

void Transcript::show_answer(const TaskView& view, const Event& event) {
  end_stream();
  const Stream streamed = std::exchange(streams_[view.id], {});
  if (streamed.summary) return;
  for (const auto item : event.array("blocks")) {
    Object block;
    if (item.get(block) != simdjson::SUCCESS) continue;
    const std::string_view type = text_of(block, "type");
    const std::string_view text = text_of(block, "text");
    if (type == "reasoning" && (!streamed.reasoning || streamed.gap)) stream(view, Section::reasoning, text);
    if (type == "text" && (!streamed.text || streamed.gap)) stream(view, Section::text, text);
    end_stream();
  }
}

void Transcript::show_failure(const TaskView& view, const Event& event) {
  end_stream();
  streams_[view.id] = {};
  const std::string why = one_line(clean(event.text("message")));
  if (view.phase != TaskPhase::retrying) {  // the task's end says it, or its change to another model; or its engine had ended
    streams_[view.id].failure = why;
    return;
  }
  begin(Section::note);
  put_line(view.depth(), Tone::yellow,
           fmt::format("{} {} (again in {})", terminal_.glyphs().failed, why, duration_text(view.retry_at - event.at)));
}

void Transcript::show_waiting(const TaskView& view, const Call& call) {
  if (call.tool == "ask_followup_question") return show_question(view, call);
  show_approval(view, call);
}

void Transcript::show_approval(const TaskView& view, const Call& call) {
  previewed_.insert(key(view, call.id));
  begin(Section::note);
  put_line(view.depth(), Tone::yellow, fmt::format("{} {} waits for approval", terminal_.glyphs().question, show_all(call.tool)));
  // Where no rule names the call there is nothing to say of it.
  if (call.asked_by != "default") {
    const std::string why = call.asked_because.empty() ? call.asked_by : fmt::format("{}: {}", call.asked_by, call.asked_because);
    put_line(view.depth(), Tone::dim, fmt::format("{}{}", body_indent, show_all(why)));
  }
  if (call.tool == "apply_diff" || call.tool == "write_to_file") {
    put(view.depth(), Tone::plain, body_indent);
    put_line(view.depth(), Tone::bold, key_argument(call));
  }
  put_lines(view.depth(), preview(call, preview_lines_max));
}

void Transcript::show_question(const TaskView& view, const Call& call) {
  begin(Section::note);
  put(view.depth(), Tone::yellow, fmt::format("{} ", terminal_.glyphs().question));
  put_line(view.depth(), Tone::bold, trim(clean(call.question)));
  std::size_t number = 0;
  for (const Suggestion& suggestion : call.suggestions) {
    put(view.depth(), Tone::cyan, fmt::format("{}{} ", body_indent, ++number));
    put_line(view.depth(), Tone::plain,
             fmt::format("{}{}", one_line(clean(suggestion.text)),
                         suggestion.mode.empty() ? "" : fmt::format("  ({} {})", terminal_.glyphs().arrow, clean(suggestion.mode))));
  }
}

void Transcript::show_result(TaskView& view, const Event& event) {
  const Call* call = view.find(event.text("call"));
  Call unknown;
  if (call == nullptr) {
    unknown.tool = event.text("tool");
    call = &unknown;
  }
  const std::string_view status = event.text("status");
  const bool ok = status.empty() || status == "ok";
  tails_.erase(key(view, call->id));
  announced_.erase(key(view, call->id));
  if (ok && call->tool == "ask_followup_question") {
    if (answered_.erase(std::string(call->id)) > 0) return;
    begin(Section::person);
    put(view.depth(), Tone::cyan, fmt::format("{} ", terminal_.glyphs().prompt));
    return put_line(view.depth(), Tone::bold, clean(without(event.text("text"), "<user_message>", "</user_message>")));
  }
  if (ok && shows_itself(call->tool)) return;

  Outcome outcome = outcome_of(*call, status, event.text("text"));
  const bool previewed = previewed_.erase(key(view, call->id)) > 0;
  if (ok && previewed && (call->tool == "apply_diff" || call->tool == "write_to_file")) outcome.lines.clear();
  const std::string_view separator = terminal_.glyphs().separator;
  const std::int64_t took = call->started_at > 0 ? event.at - call->started_at : 0;
  if (took >= 100) outcome.info += fmt::format("{}{}", outcome.info.empty() ? "" : separator, duration_text(took));
  if (!call->approved_by.empty() && status != "denied") {
    outcome.info += fmt::format("{}approved by {}", outcome.info.empty() ? "" : separator, clean(call->approved_by));
  } else if (!call->approved_by.empty()) {
    outcome.info += fmt::format(" by {}", clean(call->approved_by));
  }
  begin(Section::tools);
  const Glyphs& glyphs = terminal_.glyphs();
  const bool failed = status == "error" || outcome.failed;
  const std::string_view glyph = failed ? glyphs.failed : ok ? glyphs.ok : glyphs.denied;
  const Tone tone = failed ? Tone::red : ok ? Tone::green : Tone::yellow;
  const auto indent = static_cast<std::size_t>(2 * view.depth());
  put(view.depth(), Tone::plain, call_head(*call, glyph, tone, outcome.info, terminal_.columns() - 1 - indent));
  terminal_.write("\n");
  const std::size_t columns = terminal_.columns() - std::min(terminal_.columns(), indent + body_indent.size());
  if (terminal_.live()) {
    for (Line& line : outcome.lines) line.text = fit(line.text, columns);
  }
  put_lines(view.depth(), outcome.lines);
}

void Transcript::show_todos(const TaskView& view, const Event& event) {
  begin(Section::tools);
  put_line(view.depth(), Tone::bold, "Todo");
  for (const auto item : event.array("todos")) {
    Object todo;
    if (item.get(todo) != simdjson::SUCCESS) continue;
    const std::string_view status = text_of(todo, "status");
    const std::string text = one_line(clean(text_of(todo, "text")));
    const Glyphs& glyphs = terminal_.glyphs();
    const bool done = status == "completed";
    const bool now = status == "in_progress";
    put(view.depth(), done ? Tone::green : now ? Tone::yellow : Tone::dim,
        fmt::format("  {} ", done ? glyphs.done : now ? glyphs.half : glyphs.open));
    put_line(view.depth(), done ? Tone::dim : Tone::plain, text);
  }
}

void Transcript::show_subtask_end(const TaskView& view, const Event& event) {
  const std::string_view reason = event.text("reason");
  const bool completed = reason.empty() || reason == "completed";
  begin(Section::tools);
  put_line(view.depth(), completed ? Tone::green : Tone::red,
           fmt::format("{} subtask {}", completed ? terminal_.glyphs().ok : terminal_.glyphs().failed,
                       completed ? "completed" : clean(reason)));
}

void Transcript::show_end(const TaskView& view) {
  const Glyphs& glyphs = terminal_.glyphs();
  const std::string result = clean(trim(view.result));
  if (view.depth() > 0) {
    if (result.empty()) return;
    begin(Section::text);
    return put_line(view.depth(), Tone::plain, result);
  }
  begin(Section::note);
  if (view.reason == "completed") {
    put_line(0, Tone::green, fmt::format("{} Completed", glyphs.ok));
    put_line(0, Tone::plain, result);
  } else if (view.reason == "failed") {
    put_line(0, Tone::red, fmt::format("{} Failed: {}", glyphs.failed, result));
  } else if (view.reason == "cancelled") {
    put_line(0, Tone::yellow, fmt::format("{} Cancelled", glyphs.denied));
  } else {
    put_line(0, Tone::yellow, fmt::format("{} Stopped: {}", glyphs.denied, result));
  }
}

void Transcript::summary(const TaskView& view, std::int64_t elapsed_ms, const std::vector<Line>& more) {
  begin(Section::summary);
  const std::string_view separator = terminal_.glyphs().separator;
  std::string line = fmt::format("{0}{1}{2} in{1}{3} cached{1}{4} out", plural(view.turns, "turn"), separator,
                                 count_text(view.tokens_input), count_text(view.tokens_cached), count_text(view.tokens_output));
  if (view.cost_usd > 0 || view.model.priced) line += fmt::format("{}{}", separator, cost_text(view.cost_usd));
  line += fmt::format("{}{}", separator, duration_text(elapsed_ms));
  put_line(0, Tone::dim, line);
  for (const Line& each : more) put_line(0, each.tone, each.text);
}

}  // namespace cli

#include "checkpoints.hpp"

#include <fmt/format.h>

#include "event.hpp"
#include "journal.hpp"
#include "setup.hpp"
#include "task_view.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace cli {
namespace {

// Of the workspace that the task worked in.
joey::Session session_of(joey::Engine& engine, const Options& options) {
  TaskView view(options.task);
  for_each_event(engine, options.task, 1, [&](const Event& event, std::string_view) {
    view.apply(event);
    return false;  // the first says where
  });
  Options there = options;
  there.workspace = view.workspace;
  return checkpoint_session(engine, there);
}

Tone tone_of_line(std::string_view line) {
  if (line.starts_with("+++") || line.starts_with("---")) return Tone::bold;
  if (line.starts_with('+')) return Tone::green;
  if (line.starts_with('-')) return Tone::red;
  return line.starts_with("@@") ? Tone::cyan : Tone::plain;
}

void show_diff(Terminal& terminal, Object file) {
  const std::string path = clean(text_of(file, "path"));
  terminal.write(terminal.paint(Tone::bold, fmt::format("{:<9} {}", text_of(file, "change"), path)) + "\n");
  if (flag_of(file, "binary")) terminal.write("  (binary)\n");
  if (flag_of(file, "cut")) terminal.write("  (large: not all of it is shown)\n");
  for (const std::string_view line : lines_of(text_of(file, "diff"))) {
    terminal.write(terminal.paint(tone_of_line(line), clean(line)) + "\n");
  }
}

}  // namespace

int checkpoints(const Options& options) {
  joey::Engine engine = open_engine(options, false);
  joey::Session session = session_of(engine, options);
  const joey::Text json = session.list_checkpoints(options.task);
  Terminal terminal;
  if (options.output == OutputFormat::jsonl) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Array list = array_of(reader.object(json), "checkpoints");
  if (list.size() == 0) fmt::print(stderr, "joey: {} has no checkpoints\n", options.task);
  for (const auto item : list) {
    Object checkpoint;
    if (item.get(checkpoint) != simdjson::SUCCESS) continue;
    terminal.write(fmt::format("{}  {:>12} ago  {}\n", terminal.paint(Tone::yellow, text_of(checkpoint, "checkpoint")),
                               age_text(number_of(checkpoint, "created_at")), clean(text_of(checkpoint, "label"))));
  }
  return exit_completed;
}

int diff(const Options& options) {
  joey::Engine engine = open_engine(options, false);
  joey::Session session = checkpoint_session(engine, options);
  const joey::Text json = session.diff_checkpoints(options.checkpoint, options.other_checkpoint);
  Terminal terminal;
  if (options.output == OutputFormat::jsonl) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Object difference = reader.object(json);
  for (const auto item : array_of(difference, "files")) {
    Object file;
    if (item.get(file) == simdjson::SUCCESS) show_diff(terminal, file);
  }
  const auto more = number_of(difference, "files_count") - static_cast<std::int64_t>(array_of(difference, "files").size());
  if (more > 0) terminal.write(fmt::format("(and {})\n", plural(more, "more file")));
  return exit_completed;
}

int restore(const Options& options) {
  joey::Engine engine = open_engine(options, false);
  joey::Session session = checkpoint_session(engine, options);
  const joey::Text json = session.restore_checkpoint(options.checkpoint);
  Terminal terminal;
  if (options.output == OutputFormat::jsonl) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Object restored = reader.object(json);
  for (const auto item : array_of(restored, "left")) {
    Object left;
    if (item.get(left) != simdjson::SUCCESS) continue;
    terminal.write(fmt::format("{} left as it is: {}\n", clean(text_of(left, "path")), clean(text_of(left, "why"))));
  }
  terminal.write(fmt::format("{} written, {} removed; to undo: joey restore {}\n", number_of(restored, "written"),
                             number_of(restored, "removed"), text_of(restored, "before")));
  return exit_completed;
}

}  // namespace cli

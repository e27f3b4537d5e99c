// A task for a reader: its events and deltas as they come, written once, with what is under way below them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "event.hpp"
#include "task_view.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace cli {

enum class DeltaKind : unsigned char { text, reasoning, tool_arguments, tool_output };

class Transcript {
 public:
  explicit Transcript(Terminal& terminal) : terminal_(terminal) {}

  // `view` has the event applied already.
  void add(TaskView& view, const Event& event);
  void add_delta(const TaskView& view, DeltaKind kind, std::string_view call, std::string_view tool, std::string_view text);
  // Deltas of the task were lost: its answer is shown again when it is whole.
  void add_gap(const TaskView& view) { streams_[view.id].gap = true; }

  // What is under way, and flushes. `now` in milliseconds since 1970.
  void draw(const TaskViews& views, std::int64_t now);
  // Takes it away, for a question to a person or the end.
  void hide();
  // Whether draw() has something that moves.
  [[nodiscard]] bool moving() const { return moving_; }

  // Lines of the program itself, between the events.
  void note(Tone tone, std::string_view text);
  // A call that waits for a person: the question, or all that the call would do.
  void show_waiting(const TaskView& view, const Call& call);
  // The answer to this call's question stands on the terminal already.
  void answered(std::string_view call) { answered_.emplace(call); }
  // What it took, and some more lines.
  void summary(const TaskView& view, std::int64_t elapsed_ms, const std::vector<Line>& more);

 private:
  enum class Section : unsigned char { none, head, person, reasoning, text, tools, note, summary };

  // What of a task's present answer was streamed.
  struct Stream {
    bool text{false};
    bool reasoning{false};
    bool gap{false};
    bool summary{false};  // of the conversation: nothing that is for the person
    std::string tool;  // whose arguments are being written
    std::size_t arguments_size{0};
    std::string failure;  // of the last request, that nothing was said of yet
  };
  // The last lines of a running call's output.
  struct Tail {
    Cleaner cleaner;
    std::deque<std::string> lines;
    std::string last;
  };

  void begin(Section section);
  void end_stream();
  void put(int depth, Tone tone, std::string_view text);  // a piece, which may hold newlines
  void put_line(int depth, Tone tone, std::string_view text);
  void put_lines(int depth, const std::vector<Line>& lines);
  void stream(const TaskView& view, Section section, std::string_view text);

  void show_head(const TaskView& view);
  void show_user_message(const TaskView& view, const Event& event);
  void show_answer(const TaskView& view, const Event& event);
  void show_failure(const TaskView& view, const Event& event);
  void show_approval(const TaskView& view, const Call& call);
  void show_question(const TaskView& view, const Call& call);
  void show_result(TaskView& view, const Event& event);
  void show_todos(const TaskView& view, const Event& event);
  void show_subtask_end(const TaskView& view, const Event& event);
  void show_end(const TaskView& view);

  [[nodiscard]] std::string call_head(const Call& call, std::string_view glyph, Tone tone, std::string_view info,
                                      std::size_t columns) const;
  void append_running(std::vector<std::string>& out, const TaskView& view, std::int64_t now);
  [[nodiscard]] std::string model_line(const TaskView& view, std::int64_t now);
  [[nodiscard]] std::string_view spinner(std::int64_t now) const;
  [[nodiscard]] static std::string key(const TaskView& view, std::string_view call);

  Terminal& terminal_;
  Section section_{Section::none};
  Cleaner cleaner_;             // of the text that streams
  Section streaming_{Section::none};
  int streaming_depth_{0};
  std::size_t newlines_{0};     // held back until more text follows
  bool moving_{false};
  std::map<std::string, Stream, std::less<>> streams_;  // by task
  std::map<std::string, Tail, std::less<>> tails_;      // by task and call
  std::set<std::string, std::less<>> announced_;        // long calls that plain output has named
  std::set<std::string, std::less<>> previewed_;        // calls that were shown in full before they were approved
  std::set<std::string, std::less<>> answered_;
};

}  // namespace cli

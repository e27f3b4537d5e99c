#include "follow.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "call_text.hpp"
#include "interrupts.hpp"
#include "journal.hpp"
#include "person.hpp"
#include "setup.hpp"
#include "task_view.hpp"
#include "terminal.hpp"
#include "text.hpp"
#include "transcript.hpp"

namespace cli {
namespace {

constexpr int tick_ms = 100;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

int exit_code_of(const TaskView& task) {
  if (task.reason == "completed") return exit_completed;
  return task.reason == "failed" ? exit_failed : exit_cancelled;
}

// Follows one task and its subtasks from now on.
class Follower {
 public:
  Follower(joey::Engine& engine, joey::Session& session, const Options& options, const Interrupts& interrupts)
      : engine_(engine), session_(session), options_(options), interrupts_(interrupts), events_(engine),
        text_(options.output == OutputFormat::text) {}

  [[nodiscard]] TaskViews& views() { return views_; }
  [[nodiscard]] Transcript& transcript() { return transcript_; }
  [[nodiscard]] Terminal& terminal() { return terminal_; }

  // Where a call waits for a person, with the task it belongs to.
  struct Waiting {
    std::string task;
    Call call;
  };
  [[nodiscard]] std::optional<Waiting> waiting() const {
    for (const auto& [id, view] : views_) {
      if (const Call* call = view.waiting()) return Waiting{id, *call};
    }
    return std::nullopt;
  }

  joey::Task& task_of(const std::string& id) {
    const auto known = tasks_.find(id);
    return known != tasks_.end() ? known->second : tasks_.emplace(id, session_.open(id)).first->second;
  }

  int follow(joey::Task task) {
    const std::string root(task.id());
    tasks_.emplace(root, std::move(task));
    views_.try_emplace(root, root);
    for (;;) {
      take_events();
      const TaskView& view = views_.find(root)->second;
      if (view.phase == TaskPhase::ended) return end(view);
      if (stalled_) return stall(view);
      if ((interrupts_.requested() || terminal_.closed()) && !cancelled_) cancel(root);
      if (!cancelled_) {
        if (const auto wait = waiting(); wait && !handle(*wait)) return stop(root, *wait);
      }
      if (text_) transcript_.draw(views_, now_ms());
      terminal_.flush();
      wait_for_events();
    }
  }

 private:
  void take_events() {
    std::array<joey::Event, 64> batch;
    for (;;) {
      const auto events = events_.next(batch, std::chrono::milliseconds(0));
      if (events.empty()) return;
      for (const joey::Event& event : events) add(event);
    }
  }

  void add(const joey::Event& event) {
    const auto [at, is_new] = views_.try_emplace(std::string(event.task()), std::string(event.task()));
    TaskView& view = at->second;
    if (is_new && event.seq() > 1) load(view, event.seq() - 1);  // a subtask that was taken up again
    if (event.kind() == joey::EventKind::task_stalled) {
      stalled_ = clean(event.text());
    }
    if (event.durable()) {
      const Event parsed = reader_.event(event.json());
      const bool fresh = view.apply(parsed);
      if (fresh && text_) transcript_.add(view, parsed);
    } else if (text_) {
      add_delta(view, event);
    }
    if (!text_) terminal_.write(json_line(event.json(), terminal_.terminal()));
  }

  void add_delta(const TaskView& view, const joey::Event& event) {
    std::optional<DeltaKind> kind;
    switch (event.kind()) {
      case joey::EventKind::delta_text: kind = DeltaKind::text; break;
      case joey::EventKind::delta_reasoning: kind = DeltaKind::reasoning; break;
      case joey::EventKind::delta_tool_arguments: kind = DeltaKind::tool_arguments; break;
      case joey::EventKind::delta_tool_output: kind = DeltaKind::tool_output; break;
      case joey::EventKind::lagged: transcript_.add_gap(view); break;
      default: break;
    }
    if (kind) transcript_.add_delta(view, *kind, event.call(), event.name(), event.text());
  }

  void load(TaskView& view, std::uint64_t up_to) {
    for_each_event(engine_, view.id, 1, [&](const Event& event, std::string_view) {
      if (event.seq <= up_to) view.apply(event);
      return event.seq < up_to;
    });
  }

  void wait_for_events() {
    std::array<pollfd, 2> wanted{pollfd{events_.poll_fd(), POLLIN, 0}, pollfd{interrupts_.fd(), POLLIN, 0}};
    // A signal that was seen leaves its descriptor readable.
    const nfds_t count = interrupts_.requested() ? 1 : 2;
    // Plain output looks up now and then, for calls that take long.
    const int timeout_ms = !text_ ? -1 : terminal_.live() ? (transcript_.moving() ? tick_ms : -1) : 10 * tick_ms;
    ::poll(wanted.data(), count, timeout_ms);
  }

  // False: nobody here can answer.
  bool handle(const Waiting& wait) {
    const bool asks_approval = wait.call.state == CallState::asking;
    if (asks_approval && is_approved_beforehand(wait.call)) {
      approve(wait);
      return true;
    }
    if (!text_ || !terminal_.conversational()) return false;
    transcript_.hide();
    return asks_approval ? decide(wait) : answer(wait);
  }

  // By --auto-approve, when a task goes on with rules that it was not started with, or for this run.
  [[nodiscard]] bool is_approved_beforehand(const Call& call) const {
    // What a rule or the host wants decided each time is, and what was said of a tool was not said of protected files.
    if (call.asked_by == "host" || call.asked_by.starts_with("ask:")) return false;
    if (always_.contains(call.tool) && call.asked_by != "protected") return true;
    if (!options_.auto_approve) return false;
    JsonReader reader;
    const joey::Text json = session_.explain_call(call.tool, call.arguments);
    return text_of(reader.object(json), "verdict") == "allow";
  }

  void approve(const Waiting& wait) {
    task_of(wait.task).approve(wait.call.id);
    settle(wait);
  }

  // The event that says so is on its way; until it comes the call does not wait any more.
  void settle(const Waiting& wait) {
    if (Call* call = views_.find(wait.task)->second.find(wait.call.id)) call->state = CallState::announced;
  }

  bool decide(const Waiting& wait) {
    const auto verdict = ask_approval(terminal_, interrupts_, wait.call);
    if (!verdict) return interrupts_.requested();
    if (verdict->choice == Choice::allow_always) always_.insert(wait.call.tool);
    if (verdict->choice == Choice::deny) {
      task_of(wait.task).deny(wait.call.id, verdict->feedback);
      settle(wait);
    } else {
      approve(wait);
    }
    return true;
  }

  bool answer(const Waiting& wait) {
    const auto answer = ask_question(terminal_, interrupts_, wait.call);
    if (!answer) return interrupts_.requested();
    transcript_.answered(wait.call.id);
    task_of(wait.task).answer(wait.call.id, answer->text, answer->mode);
    settle(wait);
    return true;
  }

  void cancel(const std::string& root) {
    cancelled_ = true;
    if (text_) transcript_.hide();
    tasks_.find(root)->second.cancel();
  }

  // ---- The last words, for each way to stop.

  int end(const TaskView& view) {
    if (text_) {
      transcript_.hide();
      transcript_.summary(view, now_ms() - started_at_,
                          {{Tone::dim, fmt::format("to go on: {}{}", resume_command(options_, view.id),
                                                   view.reason == "completed" ? " MESSAGE" : "")}});
    }
    terminal_.flush();
    return exit_code_of(view);
  }

  int stall(const TaskView& view) {
    if (text_) transcript_.hide();
    terminal_.flush();
    fmt::print(stderr, "joey: {} stopped: {}; {} goes on with it\n", view.id, one_line(*stalled_),
               resume_command(options_, view.id));
    return exit_failed;
  }

  int stop(const std::string& root, const Waiting& wait) {
    const std::string command = resume_command(options_, root);
    const std::string tool = show_all(wait.call.tool);
    const bool approval = wait.call.state == CallState::asking;
    if (text_) {
      transcript_.hide();
      transcript_.summary(
          views_.find(root)->second, now_ms() - started_at_,
          {{Tone::yellow, approval ? fmt::format("waits for approval of {}; to go on:", tool) : "waits for an answer; to go on:"},
           {Tone::plain, approval ? fmt::format("  {0} --approve\n  {0} --deny [FEEDBACK]", command)
                                  : fmt::format("  {} --answer TEXT", command)}});
    }
    terminal_.flush();
    if (!text_) {
      fmt::print(stderr, "joey: {} waits for {}: {} {}\n", root,
                 approval ? fmt::format("approval of {} {}", tool, key_argument(wait.call)) : std::string("an answer"), command,
                 approval ? "--approve, or --deny [FEEDBACK]" : "--answer TEXT");
    }
    return exit_waiting;
  }

  joey::Engine& engine_;
  joey::Session& session_;
  const Options& options_;
  const Interrupts& interrupts_;
  joey::Subscription events_;
  const bool text_;
  Terminal terminal_;
  Transcript transcript_{terminal_};
  JsonReader reader_;
  TaskViews views_;
  std::map<std::string, joey::Task> tasks_;
  std::set<std::string> always_;  // tools that the person allowed for this run
  std::optional<std::string> stalled_;
  bool cancelled_{false};
  const std::int64_t started_at_{now_ms()};
};

// The views of a task of the store and of the subtasks it waits for.
void load_views(const joey::Engine& engine, TaskViews& views, const std::string& id) {
  TaskView& view = views.try_emplace(id, id).first->second;
  for_each_event(engine, id, 1, [&](const Event& event, std::string_view) {
    view.apply(event);
    return true;
  });
  for (const Call& call : view.calls) {
    if (call.state == CallState::subtask) load_views(engine, views, call.child);
  }
}

// A completed task that nobody has anything to say to: its result again.
int show_completed(const joey::Engine& engine, const Options& options, const TaskView& view) {
  Terminal terminal;
  Transcript transcript(terminal);
  TaskView copy = view;
  for_each_event(engine, view.id, view.seq, [&](const Event& event, std::string_view json) {
    if (options.output == OutputFormat::jsonl) {
      terminal.write(json_line(json, terminal.terminal()));
    } else {
      transcript.add(copy, event);
    }
    return true;
  });
  return exit_completed;
}

// Whether the task waits for what the command line gives it.
void check(const std::optional<Follower::Waiting>& waiting, const Options& options) {
  const bool asks = waiting && waiting->call.state == CallState::asking;
  if ((options.approve || options.deny) && !asks) {
    throw UsageError(fmt::format("{} has no call that waits for approval", options.task));
  }
  if (options.answer && (!waiting || asks)) {
    throw UsageError(fmt::format("{} has no question that waits for an answer", options.task));
  }
}

// What the command line says to the task. Where it says nothing, a task that stands still is set going.
void say(Follower& follower, joey::Task& task, const Options& options, const TaskView& view) {
  const auto waiting = follower.waiting();
  const bool asks = waiting && waiting->call.state == CallState::asking;
  if (options.approve || options.deny) {
    joey::Task& owner = waiting->task == view.id ? task : follower.task_of(waiting->task);
    if (options.deny) return owner.deny(waiting->call.id, options.message);
    if (options.arguments.empty()) return owner.approve(waiting->call.id, options.message);
    return owner.approve_edited(waiting->call.id, options.arguments, options.message);
  }
  if (options.answer || (waiting && !asks && !options.message.empty())) {
    joey::Task& owner = waiting->task == view.id ? task : follower.task_of(waiting->task);
    owner.answer(waiting->call.id, options.answer ? *options.answer : options.message);
    return;
  }
  if (!options.message.empty()) task.say(options.message);
  if (view.phase == TaskPhase::paused || (view.phase == TaskPhase::ended && options.message.empty())) task.resume();
}

}  // namespace

int run(const Options& options) {
  const Interrupts interrupts;
  joey::Engine engine = open_engine(options, true);
  joey::Session session = new_session(engine, options);
  Follower follower(engine, session, options, interrupts);
  return follower.follow(session.start(options.prompt));
}

int resume(const Options& options) {
  const Interrupts interrupts;
  joey::Engine engine = open_engine(options, false);
  TaskViews views;
  load_views(engine, views, options.task);
  const TaskView before = views.find(options.task)->second;
  const bool says_nothing = options.message.empty() && !options.approve && !options.deny && !options.answer;
  if (before.phase == TaskPhase::ended && before.reason == "completed" && says_nothing) {
    return show_completed(engine, options, before);
  }
  joey::Session session = session_of_task(engine, options, before);
  Follower follower(engine, session, options, interrupts);
  follower.views() = std::move(views);
  const auto waiting = follower.waiting();
  check(waiting, options);
  joey::Task task = session.open(options.task);
  if (options.output == OutputFormat::text) {
    follower.transcript().note(Tone::dim, fmt::format("{}{}{}", before.id, follower.terminal().glyphs().separator,
                                                      clean(before.title)));
    if (waiting) follower.transcript().show_waiting(follower.views().find(waiting->task)->second, waiting->call);
  }
  if (!options.mode.empty()) task.set_mode(options.mode);
  say(follower, task, options, before);
  return follower.follow(std::move(task));
}

}  // namespace cli

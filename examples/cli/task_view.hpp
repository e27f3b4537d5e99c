// What the program knows of a task: the fold of the events it has seen.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "event.hpp"

namespace cli {

enum class CallState : unsigned char { announced, asking, questioning, running, subtask, done };

struct Suggestion {
  std::string text;
  std::string mode;
};

// One tool call of the latest answer.
struct Call {
  std::string id;
  std::string tool;
  std::string arguments;    // a JSON object
  std::string malformed;    // or what the model sent instead
  std::string approved_by;  // the rule, or "you"; empty when none was needed
  std::string asked_by;     // the rule that made it ask
  std::string asked_because;  // the host's reason, when it did
  std::string question;     // of ask_followup_question
  std::vector<Suggestion> suggestions;
  std::string child;  // the subtask's id
  CallState state{CallState::announced};
  std::int64_t started_at{0};
};

enum class TaskPhase : unsigned char { idle, model, retrying, paused, ended };

struct ModelView {
  std::string provider;
  std::string base_url;
  std::string name;
  std::uint32_t context_window{0};
  std::string reasoning_effort;
  bool priced{false};  // its prices are known
};

class TaskView {
 public:
  TaskView() = default;
  explicit TaskView(std::string task) : id(std::move(task)) {}

  // Events that were applied before change nothing. True when it was new.
  bool apply(const Event& event);

  [[nodiscard]] Call* find(std::string_view call);
  // The call that waits for a person; null when none does, or when something still runs.
  [[nodiscard]] const Call* waiting() const;
  [[nodiscard]] bool any(CallState state) const;
  [[nodiscard]] int depth() const;  // of subtasks: 0 for a task of its own

  std::string id;
  std::uint64_t seq{0};  // of the last event
  std::string workspace;
  std::string mode;
  ModelView model;
  ModelView own_model;  // before others stood in for it
  std::string box;
  std::vector<std::string> allow_hosts;
  std::vector<std::string> deny_hosts;
  std::string title;
  TaskPhase phase{TaskPhase::idle};
  std::int64_t phase_since{0};
  std::int64_t retry_at{0};
  std::int64_t created_at{0};
  std::int64_t updated_at{0};

  std::vector<Call> calls;
  std::int64_t turns{0};
  std::int64_t tokens_input{0};  // read anew, cache writes included
  std::int64_t tokens_cached{0};
  std::int64_t tokens_output{0};
  double cost_usd{0};
  std::string reason;  // why it ended
  std::string result;  // or the message that it ended with

 private:
  void read_calls(Array blocks);
  void add_usage(const Event& event);
};

// The views of a task and its subtasks, by id.
using TaskViews = std::map<std::string, TaskView, std::less<>>;

}  // namespace cli

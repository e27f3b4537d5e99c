// The task as a decider. Pure: no I/O, clock, thread, lock or random number; time arrives as `now`.
//
//   input --> decide --> events (durable first) --> apply --> effects (then carried out, in order)
//
// A task is the fold of its journal's events. Everything it may do next follows from that state and one input, so any
// bug is a list of inputs to replay.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "core/conversation.hpp"
#include "core/mode.hpp"
#include "core/policy.hpp"
#include "model/event.hpp"
#include "model/tool.hpp"

namespace joey {

// ---- Inputs: what reaches a task. ------------------------------------------------------------------------------------

namespace input {

// The first input of a task, and only the first.
struct Start {
  std::string session;
  std::string parent;
  std::string parent_call;
  TaskConfig config;
  std::string text;
  std::vector<Image> images;
  std::vector<Todo> todos;
  event::PromptSet prompt;  // for config.mode
  std::string for_model{};    // event::UserMessage::for_model
};

// A person or the host says something. It answers a question that waits, starts a task that had ended again, and
// otherwise reaches the model with the next request. It approves nothing.
struct Say {
  std::string text;
  std::vector<Image> images;
  std::string for_model{};  // event::UserMessage::for_model
  std::string mode{};       // to go on in, when a command in it asks for one
};

// The decision on a call that waits for approval.
struct Decide {
  std::string call;
  bool allow{false};
  std::string feedback;
  std::string edited{};  // the arguments to run it with instead, a JSON object; empty: as they are
};

// The host's last word on a call it was consulted about. `timed_out`: there is none, which denies.
struct HostDecided {
  std::string call;
  Verdict verdict{Verdict::deny};
  std::string reason;  // for the person who is asked, or the model that is denied; may be empty
  bool timed_out{false};
};

// The answer to a question that waits. `mode` of the suggestion that was chosen, or empty.
struct Answer {
  std::string call;
  std::string text;
  std::string mode;
};

struct SetMode {
  std::string mode;
};

// The model sums the conversation up before the next request, and the summary takes its place.
struct Condense {};

struct Pause {};
struct Resume {};  // a paused task goes on; one that failed or reached a limit tries again
struct Cancel {
  std::string message;
};

struct PromptReady {
  event::PromptSet prompt;
};

struct ModelDone {
  std::int64_t turn{0};
  std::int64_t attempt{0};
  Reply reply;
};

struct ModelFailed {
  std::int64_t turn{0};
  std::int64_t attempt{0};
  ModelError error;
};

struct ToolDone {
  std::string call;
  ToolOutcome outcome;
  bool cancelled{false};
};

// A checkpoint was taken before the running call begins, or could not be.
struct CheckpointTaken {
  std::string call;
  std::string checkpoint;
  std::string message;
};

// A connection of a command's was decided on, or has ended; whatever the task is at by then.
struct Egress {
  event::Egress event;
};

struct SubtaskDone {
  std::string call;
  std::string child;
  ExitReason reason{ExitReason::completed};
  std::string text;  // its result, or why it has none
  Usage usage;
  double cost_usd{0};
};

struct Timer {};  // a moment set with effect::SetTimer has come

// The task was folded from its journal: what was under way when its engine ended is lost.
struct Recovered {};

}  // namespace input

using Input = std::variant<input::Start, input::Say, input::Decide, input::HostDecided, input::Answer, input::SetMode,
                           input::Condense, input::Pause, input::Resume, input::Cancel, input::PromptReady, input::ModelDone, input::ModelFailed,
                           input::ToolDone, input::CheckpointTaken, input::Egress, input::SubtaskDone, input::Timer,
                           input::Recovered>;

// ---- Effects: what a task asks of the runtime. Each is answered by the input its comment names. ----------------------

namespace effect {

struct CallModel {  // ModelDone or ModelFailed
  std::int64_t turn{0};
  std::int64_t attempt{0};
  bool operator==(const CallModel&) const = default;
};
struct RunTool {  // ToolDone
  std::string call;
  std::string tool;
  std::string arguments;
  bool protected_files{false};  // it may change them
  bool operator==(const RunTool&) const = default;
};
struct ConsultHost {  // HostDecided, within the policy's time
  std::string call;
  std::string tool;
  std::string arguments;
  bool allowed{false};  // by the rules; otherwise they ask
  std::string rule;     // that says so
  bool operator==(const ConsultHost&) const = default;
};
struct StartSubtask {  // SubtaskDone; starting a child that exists already takes it up where it is
  std::string call;
  std::string child;
  std::string mode;
  std::string message;
  std::vector<Todo> todos;
  bool operator==(const StartSubtask&) const = default;
};
struct PreparePrompt {  // PromptReady
  std::string mode;
  bool operator==(const PreparePrompt&) const = default;
};
struct SetTimer {  // Timer
  Timestamp at{0};
  bool operator==(const SetTimer&) const = default;
};
struct StopModel {  // the request under way, if any; no answer
  bool operator==(const StopModel&) const = default;
};
struct StopAll {  // everything under way for this task, subtasks too; no answers
  bool operator==(const StopAll&) const = default;
};

}  // namespace effect

using Effect = std::variant<effect::CallModel, effect::RunTool, effect::StartSubtask, effect::PreparePrompt,
                            effect::SetTimer, effect::StopModel, effect::StopAll, effect::ConsultHost>;

// ---- The state. ------------------------------------------------------------------------------------------------------

// consulting: the host has the last word; asking: a person
enum class CallState : std::uint8_t { pending, consulting, asking, questioning, running, subtask, done };

// One call of the current answer.
struct CallProgress {
  std::string id;
  std::string name;
  std::string arguments;
  std::string malformed;
  CallState state{CallState::pending};
  bool approved{false};
  std::string feedback;     // a person's words with the approval
  std::string rule;         // while the host is consulted: what the rules say,
  bool consulted_allowed{false};  // and whether they allow it
  bool edited{false};       // `arguments` are a person's
  std::string child;        // of a subtask
  bool failed{false};       // it brought an error
  std::int64_t repeats{0};  // identical calls directly before it
  bool operator==(const CallProgress&) const = default;
};

enum class Phase : std::uint8_t {
  fresh,    // no event yet
  ready,    // the next thing is a request, or the prompt for it
  model,    // a request is under way
  backoff,  // waits to repeat one that failed
  tools,    // the answer's calls are worked on; when all are done the next thing is a request
  ended,
};

struct Task {
  std::string id;
  std::uint64_t seq{0};  // of the last event
  Phase phase{Phase::fresh};
  bool paused{false};

  TaskConfig config;
  std::string session;
  std::string parent;
  std::string parent_call;
  std::string title;  // the first line of what was asked
  Timestamp created_at{0};
  Timestamp updated_at{0};

  std::string mode;
  event::PromptSet prompt;

  std::int64_t turn{0};
  std::int64_t attempt{0};
  std::int64_t failures{0};  // of this turn's request since a person last opened the task
  bool answered{true};       // the last request has its answer
  Timestamp retry_at{0};
  std::vector<CallProgress> calls;  // of the last answer
  bool news{false};                 // a person said something after the last request
  bool pausing{false};              // the last answer was paused: the next request ends with it
  bool waiting_news{false};         // a person said something before the last request, which it left out for that
  bool tainted{false};              // a text that gives the model orders has come since a person last spoke
  std::vector<Todo> todos;
  std::int64_t subtasks{0};  // started so far

  Usage usage;  // with that of subtasks that ended
  double cost_usd{0};
  double reserved_usd{0};  // for the request under way, from when it is announced until its cost is known
  std::int64_t context_tokens{0};  // of the last request and its answer, as the provider counted
  std::int64_t new_bytes{0};       // added to the conversation since, in weight
  std::int64_t sent_bytes{0};      // of these, what the request under way has
  std::int64_t pending{0};          // in weight: what no request has had yet,
  std::int64_t pending_results{0};  // the results among it,
  std::int64_t pending_text{0};     // and their weight but for images
  double bytes_per_token{3};       // of what is added, as the provider has counted lately; at most 3
  std::string instruction;         // of the last request, which asks for a summary; empty: it does not
  bool condense_asked{false};
  bool condense_failed{false};     // since the window was last reduced
  bool too_long{false};            // the provider says that of the last request
  std::int64_t reductions{0};      // since the last answer
  std::int64_t mistakes{0};        // turns in a row that brought nothing but errors
  std::int64_t misfits{0};         // results that did not fit their schema, since a person last opened the task
  bool forgiven{false};            // the last answer counts as no mistake: it goes on, or a person has opened the task since
  std::int64_t repeats{0};         // identical calls directly before the last call
  Digest last_call;                // of its name and arguments

  // What was used when a person last opened the task: limits count from there.
  std::int64_t turns_before{0};
  std::int64_t tokens_before{0};
  double cost_before{0};

  ExitReason reason{ExitReason::completed};
  std::string result;   // of a completed task, or why it ended
  bool operator==(const Task&) const = default;
};

// "running", "waiting" (for a person), "paused", or the exit reason's name.
[[nodiscard]] std::string_view status_of(const Task& task);

// What a decision looks at besides the task. Must outlive the call.
struct Surroundings {
  std::span<const Mode> modes;
  std::span<const ToolSpec> tools;  // every tool the session has, control tools included
  std::string_view news{};          // what the next request should say of the surroundings; may be empty
  // The fold of the task's events. Null: what leaves the window cannot be told from what stays, so all of it leaves.
  const Conversation* conversation{nullptr};
  // The session's: the first, and those that stand in when it keeps failing, in their order. None: the task's own.
  std::span<const TaskConfig> models{};
  Spent spent{};  // by the request under way
};

struct Decision {
  std::vector<EventBody> events;  // durable first; their sequence goes on from task.seq
  std::vector<Effect> effects;    // then carried out, in order
  Task after;                     // the task with the events applied
};

// What an input leads to. An input that is illegal in this state is refused and changes nothing: `conflict` when it came
// too late or too early, `invalid_argument` when it names what does not exist.
[[nodiscard]] Result<Decision> decide(const Task& task, const Input& input, Timestamp now, const Surroundings& around);

// The task after an event. Total: any event may follow any other without harm, so a damaged journal cannot crash.
[[nodiscard]] Task apply(Task task, const EventBody& event, Timestamp at);

}  // namespace joey

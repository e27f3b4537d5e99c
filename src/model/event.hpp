// The journal's vocabulary: each event is one durable fact of a task.
//
// As JSON an event is one object on one line: {"task","seq","type","at", then the fields below by their names}. A field
// that has its default value is left out and read back as that default; a field that this version does not know is
// ignored: that is how old journals stay readable and new fields are added.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "model/config.hpp"
#include "model/message.hpp"

namespace joey {

enum class TodoStatus : std::uint8_t { pending, in_progress, completed };
struct Todo {
  std::string text;
  TodoStatus status{TodoStatus::pending};
  bool operator==(const Todo&) const = default;
};

struct Suggestion {
  std::string text;
  std::string mode;  // the mode to switch to when it is chosen; may be empty
  bool operator==(const Suggestion&) const = default;
};

enum class ToolStatus : std::uint8_t {
  ok,
  error,        // it ran, or could not, and says why
  denied,       // by policy or a person
  skipped,      // an earlier call of the same answer was denied
  interrupted,  // it had started when the engine ended: what it did is unknown
  cancelled,    // a person stopped it
};

// Why a task ended; the list is closed.
enum class ExitReason : std::uint8_t {
  completed,
  failed,            // the provider refused or kept failing
  cancelled,         // by a person or the host
  limit_turns,
  limit_tokens,
  limit_cost,
  limit_mistakes,    // too many mistakes in a row
  limit_repetition,  // the same call over and over
};

// What became of a connection of a boxed command: refused, or opened, perhaps at one address after another, and then closed.
enum class EgressStage : std::uint8_t {
  refused,  // nothing was connected to
  opened,   // it is about to be connected
  closed,   // there is none where the engine ended meanwhile
};

// Who caused an event.
enum class Actor : std::uint8_t { engine, person, model, policy, host };

namespace event {

// The first event of every journal.
struct TaskCreated {
  static constexpr std::string_view type = "task.created";
  std::string session;
  std::string parent;       // the task that waits for this one; empty for a task of its own
  std::string parent_call;  // the call it waits in
  TaskConfig config;
  bool operator==(const TaskCreated&) const = default;
};

// What requests say from now on before the conversation. Both texts are blobs of the store.
struct PromptSet {
  static constexpr std::string_view type = "prompt.set";
  std::string mode;
  Digest system;  // of the system prompt
  Digest tools;   // of the tools, a JSON array of {name, description, parameters}
  std::int64_t bytes{0};  // of both
  bool operator==(const PromptSet&) const = default;
};

// Text for the model from outside. It reaches the model with the next request.
struct UserMessage {
  static constexpr std::string_view type = "user.message";
  std::string text;  // as it was written
  std::vector<Image> images;
  Actor by{Actor::person};  // engine: a reminder of joey's own
  std::string for_model{};    // what the model reads instead, its mentions and commands expanded; empty: `text`
  bool operator==(const UserMessage&) const = default;
};

// What the model should know of its surroundings that nobody said: files, the time, news of commands. It reaches the
// model with the next request, after everything else.
struct EnvironmentNoted {
  static constexpr std::string_view type = "environment.noted";
  std::string text;
  bool operator==(const EnvironmentNoted&) const = default;
};

struct ModeChanged {
  static constexpr std::string_view type = "mode.changed";
  std::string mode;
  Actor by{Actor::person};
  std::string reason;
  bool operator==(const ModeChanged&) const = default;
};

// A request is about to be sent. Replaying the journal gives bytes with the same digest.
struct ModelRequested {
  static constexpr std::string_view type = "model.requested";
  std::int64_t turn{0};     // 1, 2, 3 ...
  std::int64_t attempt{0};  // 1 for the first of a turn
  Digest digest;            // of the whole body
  std::int64_t bytes{0};    // its size
  double reserved_usd{0};   // the worst it can cost
  // What this request alone says after everything else; its answer is no part of the conversation. Asks for a summary.
  std::string instruction{};
  bool operator==(const ModelRequested&) const = default;
};

struct ModelFailed {
  static constexpr std::string_view type = "model.failed";
  std::int64_t turn{0};
  std::int64_t attempt{0};
  ModelErrorClass error{ModelErrorClass::network};
  std::string message;
  std::int64_t status{0};       // of HTTP
  Timestamp retry_at{0};        // 0: not tried again
  Usage usage{};                // of what came before it failed
  double cost_usd{0};
  bool estimated{false};        // both: the provider had not counted all of it
  bool operator==(const ModelFailed&) const = default;
};

struct ModelFinished {
  static constexpr std::string_view type = "model.finished";
  std::int64_t turn{0};
  std::int64_t attempt{0};
  std::vector<Block> blocks;  // Reasoning, Text, ToolCall, ProviderPart
  StopReason stop{StopReason::other};
  Usage usage;
  double cost_usd{0};
  std::string model;     // that answered
  std::string provider;  // the wire's name: signatures go back only there
  bool operator==(const ModelFinished&) const = default;
};

// The host was asked for the last word on a call that the rules allow or ask for.
struct HostConsulted {
  static constexpr std::string_view type = "host.consulted";
  std::string call;
  std::string tool;
  bool allowed{false};  // by the rules
  std::string rule;     // that decided so far
  bool operator==(const HostConsulted&) const = default;
};

// A call waits for a person.
struct ApprovalRequested {
  static constexpr std::string_view type = "approval.requested";
  std::string call;
  std::string tool;
  std::string rule;    // that made it ask
  std::string reason{};  // of the host's, when it did
  bool operator==(const ApprovalRequested&) const = default;
};

// The decision on one call with exactly these arguments.
struct Approval {
  static constexpr std::string_view type = "approval";
  std::string call;
  std::string tool;
  Digest arguments;
  bool allowed{false};
  Actor by{Actor::policy};
  std::string rule;      // that decided; empty when a person did
  std::string feedback;  // what the person or the host said with it
  std::string edited{};  // the arguments the person wants instead of the model's, one JSON object; empty: those as they are
  bool operator==(const Approval&) const = default;
};

struct QuestionAsked {
  static constexpr std::string_view type = "question.asked";
  std::string call;
  std::string question;
  std::vector<Suggestion> suggestions;
  bool operator==(const QuestionAsked&) const = default;
};

struct ToolStarted {
  static constexpr std::string_view type = "tool.started";
  std::string call;
  std::string tool;
  bool read_only{false};
  bool operator==(const ToolStarted&) const = default;
};

// The workspace as it was before a call that may change it: the call has not begun yet.
struct CheckpointTaken {
  static constexpr std::string_view type = "checkpoint.taken";
  std::string call;
  std::string checkpoint;  // its id; empty: it could not be taken, and `message` says why
  std::string message;
  bool operator==(const CheckpointTaken&) const = default;
};

struct ToolFinished {
  static constexpr std::string_view type = "tool.finished";
  std::string call;
  std::string tool;
  ToolStatus status{ToolStatus::ok};
  std::string text;  // for the model
  std::vector<Image> images;
  std::vector<std::string> paths;  // the files it changed
  bool operator==(const ToolFinished&) const = default;
};

// What a tool brought seems to give the model orders: a file, a command's output, a page. A policy may have a rule for what
// comes after it: "tainted".
struct InstructionsFound {
  static constexpr std::string_view type = "instructions.found";
  std::string call;
  std::string tool;
  std::string excerpt;
  bool operator==(const InstructionsFound&) const = default;
};

// A connection that a boxed command made to the egress proxy. The last ones of a task may follow its end, which closed them.
struct Egress {
  static constexpr std::string_view type = "egress";
  std::string call;
  std::int64_t connection{0};  // of the call: 1, 2, ...
  EgressStage stage{EgressStage::refused};
  std::string method;   // of the request; empty: there was none that could be understood
  std::string host;     // likewise
  std::int64_t port{0};
  std::string address;  // empty: none was looked at
  std::string rule;     // that decided, as it was written; empty: none fits
  std::string message;  // why it was refused, or what went wrong
  std::int64_t bytes_up{0};    // to the host; when it is closed
  std::int64_t bytes_down{0};  // to the command
  std::vector<std::string> secrets{};  // names of those that the proxy put into its request; when it is closed
  bool operator==(const Egress&) const = default;
};

struct TodosUpdated {
  static constexpr std::string_view type = "todos.updated";
  std::vector<Todo> todos;
  bool operator==(const TodosUpdated&) const = default;
};

struct SubtaskStarted {
  static constexpr std::string_view type = "subtask.started";
  std::string call;
  std::string child;
  std::string mode;
  std::string message;
  std::vector<Todo> todos;
  bool operator==(const SubtaskStarted&) const = default;
};

// What a subtask spent, charged to its parent when it ends.
struct SubtaskFinished {
  static constexpr std::string_view type = "subtask.finished";
  std::string call;
  std::string child;
  ExitReason reason{ExitReason::completed};
  Usage usage;
  double cost_usd{0};
  bool operator==(const SubtaskFinished&) const = default;
};

// The next request does not begin with the bytes of the one before.
struct CacheBroken {
  static constexpr std::string_view type = "cache.broken";
  std::string cause;        // "mode", "tools", "rewind", "condense"
  std::int64_t offset{0};   // of the first byte that differs
  double cost_usd{0};       // estimated: what has to be read again at the full price
  bool operator==(const CacheBroken&) const = default;
};

// The host wants a summary to take the conversation's place before the next request.
struct CondenseAsked {
  static constexpr std::string_view type = "condense.asked";
  bool operator==(const CondenseAsked&) const = default;
};

// The model's window holds less from here on. Messages are counted from 0 in the window of the last request and its answer,
// without its instruction; core/context.hpp says how it is applied.
struct ContextReduced {
  static constexpr std::string_view type = "context.reduced";
  std::string cause;              // "full", "too_long" (the provider said so), "asked"
  std::string method;             // "summary", "results" (only their texts were shortened), "latest" (the rest has left)
  std::string text;               // the window's first message from now on; empty: that stays
  std::int64_t keep_from{0};      // the first message that stays
  std::int64_t shorten_before{0};  // results in messages before this one
  std::int64_t shorten_to{0};      // are cut to so many bytes; 0: they are not
  std::int64_t pending_to{0};      // likewise results that no request has had yet
  std::int64_t weight{0};         // of the conversation afterwards, in bytes of text
  std::int64_t tokens_before{0};  // of the next request, estimated
  std::int64_t tokens_after{0};
  bool operator==(const ContextReduced&) const = default;
};

// The task goes on with another model. Every message is encoded anew for it.
struct ModelChanged {
  static constexpr std::string_view type = "model.changed";
  TaskConfig model;  // take_model()'s part of it
  // "session": that of the session it was opened in; "failed": the next one, since the one before kept failing; "first": the
  // session's first again, since a person has opened the task.
  std::string cause{};
  bool operator==(const ModelChanged&) const = default;
};

struct TaskPaused {
  static constexpr std::string_view type = "task.paused";
  bool operator==(const TaskPaused&) const = default;
};

struct TaskResumed {
  static constexpr std::string_view type = "task.resumed";
  bool operator==(const TaskResumed&) const = default;
};

struct TaskEnded {
  static constexpr std::string_view type = "task.ended";
  ExitReason reason{ExitReason::completed};
  std::string result;   // of a completed task
  std::string message;  // why it ended otherwise, one line
  bool operator==(const TaskEnded&) const = default;
};

// A task that had ended goes on.
struct TaskReopened {
  static constexpr std::string_view type = "task.reopened";
  bool operator==(const TaskReopened&) const = default;
};

}  // namespace event

using EventBody =
    std::variant<event::TaskCreated, event::PromptSet, event::UserMessage, event::ModeChanged, event::ModelRequested,
                 event::ModelFailed, event::ModelFinished, event::ApprovalRequested, event::Approval,
                 event::QuestionAsked, event::ToolStarted, event::ToolFinished, event::TodosUpdated,
                 event::SubtaskStarted, event::SubtaskFinished, event::CacheBroken, event::TaskPaused,
                 event::TaskResumed, event::TaskEnded, event::TaskReopened, event::EnvironmentNoted, event::CheckpointTaken,
                 event::HostConsulted, event::InstructionsFound, event::Egress, event::CondenseAsked, event::ContextReduced,
                 event::ModelChanged>;

struct Event {
  std::uint64_t seq{0};
  Timestamp at{0};
  EventBody body;
  bool operator==(const Event&) const = default;
};

[[nodiscard]] std::string_view type_of(const EventBody& body);

[[nodiscard]] std::string to_json(std::string_view task, const Event& event);
// `corrupt`: not an event's JSON; the message says where. `unsupported`: an event type of a newer version.
[[nodiscard]] Result<Event> event_from_json(std::string_view json);

// The names used in the JSON, and in messages to people.
[[nodiscard]] std::string_view name_of(ModelErrorClass value);
[[nodiscard]] std::string_view name_of(StopReason value);
[[nodiscard]] std::string_view name_of(ToolStatus value);
[[nodiscard]] std::string_view name_of(ExitReason value);
[[nodiscard]] std::string_view name_of(TodoStatus value);
[[nodiscard]] std::string_view name_of(EgressStage value);
[[nodiscard]] std::string_view name_of(Actor value);

}  // namespace joey

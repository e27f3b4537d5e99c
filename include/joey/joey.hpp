// joey for C++20: joey.h with owners, exceptions and lambdas. Header-only; nothing is hidden, nothing costs more.
//
//     joey::Engine engine({.database = "agents.db"});
//     joey::Session session(engine, {.workspace = "/home/me/project",
//                                    .provider = "anthropic",
//                                    .api_key = std::getenv("ANTHROPIC_API_KEY"),
//                                    .allow = "read,edit,command"});
//     session.add_tool({.name = "today", .description = "Today's date."},
//                      [](std::string_view) { return joey::ToolResult("2026-03-01"); });
//     joey::Subscription events(engine);
//     joey::Task task = session.start("Fix the failing test");
//     for (const joey::Event& event : events) {
//       if (event.kind() == joey::EventKind::delta_text) std::cout << event.text() << std::flush;
//       if (event.kind() == joey::EventKind::task_ended) break;
//     }
//
// OWNERSHIP. Every class here owns one handle, moves and does not copy, and gives its handle back when it dies, in any
// order. get() lends the handle to the functions of joey.h. A moved-from object may only be destroyed or assigned to.
//
// ERRORS. What fails throws joey::Error, whose what() is the one line of joey_last_error_message() and whose code() is
// the joey_status. Outcomes are not errors: a denied tool or a cancelled task is a value.
//
// THREADS. As joey.h says: const members from several threads at once, others from one at a time. Handlers of tools and
// providers run on the engine's loop thread: return soon, do not call what waits. An exception that leaves a handler
// becomes the failure of that call.
#ifndef JOEY_JOEY_HPP
#define JOEY_JOEY_HPP

#include <joey/joey.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace joey {

// ---- Errors -----------------------------------------------------------------------------------------------------------

class Error : public std::runtime_error {
 public:
  Error(joey_status code, const char* message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] joey_status code() const noexcept { return code_; }  // JOEY_ERR_
  [[nodiscard]] const char* name() const noexcept { return joey_status_name(code_); }
  [[nodiscard]] bool retryable() const noexcept { return joey_status_retryable(code_) != 0; }

 private:
  joey_status code_;
};

// Throws unless `status` is JOEY_OK. For calls of joey.h that this header does not wrap.
inline void check(joey_status status) {
  if (status != JOEY_OK) throw Error(status, joey_last_error_message());
}

// As a timeout: without end.
inline constexpr std::chrono::milliseconds forever{-1};

namespace detail {

template <auto destroy>
struct Destroy {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    destroy(handle);
  }
};
template <class Handle, auto destroy>
using Owned = std::unique_ptr<Handle, Destroy<destroy>>;

// An empty string is an option's default.
inline const char* option(const std::string& text) noexcept { return text.empty() ? nullptr : text.c_str(); }

inline std::int32_t timeout(std::chrono::milliseconds time) noexcept {
  if (time.count() < 0) return -1;
  return time.count() > INT32_MAX ? INT32_MAX : static_cast<std::int32_t>(time.count());
}

}  // namespace detail

// ---- Text -------------------------------------------------------------------------------------------------------------

// A text that joey made: JSON, mostly. Reads as a string_view, ends in NUL.
class Text {
 public:
  explicit Text(joey_text* text) noexcept : handle_(text) {}

  [[nodiscard]] std::string_view view() const noexcept {
    return {joey_text_data(handle_.get()), joey_text_size(handle_.get())};
  }
  operator std::string_view() const noexcept { return view(); }
  [[nodiscard]] const char* c_str() const noexcept { return joey_text_data(handle_.get()); }
  [[nodiscard]] const joey_text* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<joey_text, joey_text_destroy> handle_;
};

// ---- Events -----------------------------------------------------------------------------------------------------------

enum class EventKind : std::int32_t {
  task_created = JOEY_EVENT_TASK_CREATED,
  prompt_set = JOEY_EVENT_PROMPT_SET,
  user_message = JOEY_EVENT_USER_MESSAGE,
  mode_changed = JOEY_EVENT_MODE_CHANGED,
  model_requested = JOEY_EVENT_MODEL_REQUESTED,
  model_failed = JOEY_EVENT_MODEL_FAILED,
  model_finished = JOEY_EVENT_MODEL_FINISHED,
  approval_requested = JOEY_EVENT_APPROVAL_REQUESTED,
  approval = JOEY_EVENT_APPROVAL,
  question_asked = JOEY_EVENT_QUESTION_ASKED,
  tool_started = JOEY_EVENT_TOOL_STARTED,
  tool_finished = JOEY_EVENT_TOOL_FINISHED,
  todos_updated = JOEY_EVENT_TODOS_UPDATED,
  subtask_started = JOEY_EVENT_SUBTASK_STARTED,
  subtask_finished = JOEY_EVENT_SUBTASK_FINISHED,
  cache_broken = JOEY_EVENT_CACHE_BROKEN,
  task_paused = JOEY_EVENT_TASK_PAUSED,
  task_resumed = JOEY_EVENT_TASK_RESUMED,
  task_ended = JOEY_EVENT_TASK_ENDED,
  task_reopened = JOEY_EVENT_TASK_REOPENED,
  environment_noted = JOEY_EVENT_ENVIRONMENT_NOTED,
  checkpoint_taken = JOEY_EVENT_CHECKPOINT_TAKEN,
  host_consulted = JOEY_EVENT_HOST_CONSULTED,
  instructions_found = JOEY_EVENT_INSTRUCTIONS_FOUND,
  egress = JOEY_EVENT_EGRESS,
  condense_asked = JOEY_EVENT_CONDENSE_ASKED,
  context_reduced = JOEY_EVENT_CONTEXT_REDUCED,
  model_changed = JOEY_EVENT_MODEL_CHANGED,
  delta_text = JOEY_EVENT_DELTA_TEXT,
  delta_reasoning = JOEY_EVENT_DELTA_REASONING,
  delta_tool_arguments = JOEY_EVENT_DELTA_TOOL_ARGUMENTS,
  delta_tool_output = JOEY_EVENT_DELTA_TOOL_OUTPUT,
  lagged = JOEY_EVENT_LAGGED,
  task_stalled = JOEY_EVENT_TASK_STALLED,
};

// One event. What it shows is lent until the next call on its subscription. New kinds may come: ignore what you do not
// know.
class Event {
 public:
  using Clock = std::chrono::system_clock;

  [[nodiscard]] EventKind kind() const noexcept { return static_cast<EventKind>(raw_.kind); }
  [[nodiscard]] bool durable() const noexcept { return raw_.kind < JOEY_EVENT_DELTA_TEXT; }  // in the journal
  [[nodiscard]] std::uint64_t seq() const noexcept { return raw_.seq; }
  [[nodiscard]] std::uint64_t delta() const noexcept { return raw_.delta; }
  [[nodiscard]] Clock::time_point at() const noexcept { return Clock::time_point(std::chrono::milliseconds(raw_.at_ms)); }
  [[nodiscard]] std::string_view task() const noexcept { return {raw_.task, raw_.task_size}; }
  [[nodiscard]] std::string_view json() const noexcept { return {raw_.json, raw_.json_size}; }
  [[nodiscard]] std::string_view text() const noexcept { return {raw_.text, raw_.text_size}; }
  [[nodiscard]] std::string_view call() const noexcept { return {raw_.call, raw_.call_size}; }
  [[nodiscard]] std::string_view name() const noexcept { return {raw_.name, raw_.name_size}; }
  [[nodiscard]] const joey_event& get() const noexcept { return raw_; }

 private:
  friend class Subscription;
  joey_event raw_{};  // the only member: an array of Event is an array of joey_event
};
static_assert(sizeof(Event) == sizeof(joey_event) && std::is_standard_layout_v<Event>);

// ---- Engine -----------------------------------------------------------------------------------------------------------

enum class Durability : std::int32_t { full = JOEY_DURABILITY_FULL, process = JOEY_DURABILITY_PROCESS };
enum class Loop : std::int32_t { engine = JOEY_LOOP_ENGINE, host = JOEY_LOOP_HOST };

// What joey_engine_options says, with the same defaults.
struct EngineOptions {
  std::string database{};  // path of the SQLite file; empty: journals live in memory
  Durability durability{Durability::full};
  Loop loop{Loop::engine};
  std::uint32_t workers_max{0};
  std::uint32_t requests_max{0};
  const joey_store_vtable* store{nullptr};
  void* store_user_data{nullptr};
  const joey_transport_vtable* transport{nullptr};
  void* transport_user_data{nullptr};
  const joey_clock_vtable* clock{nullptr};
  void* clock_user_data{nullptr};
  const joey_secrets_vtable* secrets{nullptr};  // resolves the secrets that sessions name
  void* secrets_user_data{nullptr};
  std::vector<joey_store_key> store_keys{};  // what is kept is encrypted with the first; empty: it is not
};

// An export for auditors; joey_engine_audit() describes it.
class Audit {
 public:
  explicit Audit(joey_audit* audit) noexcept : handle_(audit) {}

  // The next lines; empty at the end.
  [[nodiscard]] Text next() {
    joey_text* lines = nullptr;
    check(joey_audit_next(handle_.get(), &lines));
    return Text(lines);
  }
  // Whether an export is as it was written: {"valid","lines","tasks","problem"}.
  [[nodiscard]] static Text verify(std::string_view lines) {
    joey_text* json = nullptr;
    check(joey_audit_verify(lines.data(), lines.size(), &json));
    return Text(json);
  }

 private:
  detail::Owned<joey_audit, joey_audit_destroy> handle_;
};

class Engine {
 public:
  explicit Engine(const EngineOptions& options = {}) {
    joey_engine_options raw = JOEY_ENGINE_OPTIONS_INIT;
    raw.database = detail::option(options.database);
    raw.database_size = options.database.size();
    raw.durability = static_cast<std::int32_t>(options.durability);
    raw.loop = static_cast<std::int32_t>(options.loop);
    raw.workers_max = options.workers_max;
    raw.requests_max = options.requests_max;
    raw.store = options.store;
    raw.store_user_data = options.store_user_data;
    raw.transport = options.transport;
    raw.transport_user_data = options.transport_user_data;
    raw.clock = options.clock;
    raw.clock_user_data = options.clock_user_data;
    raw.secrets = options.secrets;
    raw.secrets_user_data = options.secrets_user_data;
    raw.store_keys = options.store_keys.data();
    raw.store_keys_count = options.store_keys.size();
    joey_engine* engine = nullptr;
    check(joey_engine_create(&raw, &engine));
    handle_.reset(engine);
  }

  // Lets sessions name a provider of the host's. `handler` is called with each request, a ModelCall, on the loop thread;
  // it keeps the call and answers from any thread.
  template <std::invocable<class ModelCall> Handler>
  void add_provider(std::string_view name, Handler handler);

  // Makes the first of the store's keys the only one that is needed from the next engine on.
  void rewrap_store_keys() { check(joey_engine_rewrap_store_keys(get())); }

  // The store, as JSON; joey.h describes each.
  [[nodiscard]] Text list_tasks(std::string_view parent = {}, std::string_view cursor = {},
                                std::uint32_t tasks_max = 0) const {
    joey_text* json = nullptr;
    check(joey_engine_list_tasks(get(), parent.data(), parent.size(), cursor.data(), cursor.size(), tasks_max, &json));
    return Text(json);
  }
  [[nodiscard]] Text get_task(std::string_view task) const {
    joey_text* json = nullptr;
    check(joey_engine_get_task(get(), task.data(), task.size(), &json));
    return Text(json);
  }
  [[nodiscard]] Text read_events(std::string_view task, std::uint64_t from_seq = 1, std::uint32_t events_max = 0) const {
    joey_text* lines = nullptr;
    check(joey_engine_read_events(get(), task.data(), task.size(), from_seq, events_max, &lines));
    return Text(lines);
  }
  // Of one task and its subtasks; of all tasks when it is empty.
  [[nodiscard]] Audit audit(std::string_view task = {}) const {
    joey_audit* audit = nullptr;
    check(joey_engine_audit(get(), task.data(), task.size(), &audit));
    return Audit(audit);
  }
  [[nodiscard]] Text replay(std::string_view task) const {
    joey_text* json = nullptr;
    check(joey_engine_replay(get(), task.data(), task.size(), &json));
    return Text(json);
  }
  // What it has cost, attempt by attempt.
  [[nodiscard]] Text bill(std::string_view task) const {
    joey_text* json = nullptr;
    check(joey_engine_bill(get(), task.data(), task.size(), &json));
    return Text(json);
  }

  // With Loop::host: the host's own loop watches poll_fd(), for poll_timeout() at most, and calls step().
  [[nodiscard]] int poll_fd() const {
    std::int32_t fd = -1;
    check(joey_engine_poll_fd(get(), &fd));
    return fd;
  }
  [[nodiscard]] std::chrono::milliseconds poll_timeout() const {
    std::int32_t timeout_ms = 0;
    check(joey_engine_poll_timeout(get(), &timeout_ms));
    return std::chrono::milliseconds(timeout_ms);
  }
  void step(std::chrono::milliseconds timeout = {}) { check(joey_engine_step(get(), detail::timeout(timeout))); }

  [[nodiscard]] joey_engine* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<joey_engine, joey_engine_destroy> handle_;
};

// ---- Subscription -----------------------------------------------------------------------------------------------------

struct SubscriptionOptions {
  std::string task{};         // only this one; empty: every task live in this engine, from now on
  std::uint64_t from_seq{0};  // with `task`: its journal from here first; 0: from now on
  bool deltas{true};
  std::uint32_t queue_max{0};
};

// Hands out events, in order. A range of events without end: `for (const Event& event : subscription)`.
class Subscription {
 public:
  explicit Subscription(Engine& engine, const SubscriptionOptions& options = {}) {
    joey_subscription_options raw = JOEY_SUBSCRIPTION_OPTIONS_INIT;
    raw.task = detail::option(options.task);
    raw.from_seq = options.from_seq;
    raw.flags = options.deltas ? 0 : JOEY_SUBSCRIBE_NO_DELTAS;
    raw.queue_max = options.queue_max;
    joey_subscription* subscription = nullptr;
    check(joey_subscribe(engine.get(), &raw, &subscription));
    handle_.reset(subscription);
  }

  // The next event, or none when the time ran out. Throws JOEY_ERR_CLOSED when the engine ended and all were taken.
  [[nodiscard]] std::optional<Event> next(std::chrono::milliseconds timeout = forever) {
    Event event;
    return next(std::span(&event, 1), timeout).empty() ? std::nullopt : std::optional(event);
  }
  // The next events, as many as there are and fit; waits for the first one only.
  [[nodiscard]] std::span<const Event> next(std::span<Event> events, std::chrono::milliseconds timeout = forever) {
    std::size_t count = 0;
    check(joey_subscription_next(get(), reinterpret_cast<joey_event*>(events.data()), sizeof(Event), events.size(),
                                 detail::timeout(timeout), &count));
    return events.first(count);
  }

  class Iterator {
   public:
    using value_type = Event;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit Iterator(Subscription& subscription) : subscription_(&subscription) { ++*this; }
    const Event& operator*() const noexcept { return *event_; }
    const Event* operator->() const noexcept { return &*event_; }
    Iterator& operator++() {
      event_ = subscription_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !event_; }

   private:
    Subscription* subscription_;
    std::optional<Event> event_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  // Readable while there are events to take.
  [[nodiscard]] int poll_fd() const {
    std::int32_t fd = -1;
    check(joey_subscription_poll_fd(get(), &fd));
    return fd;
  }

  [[nodiscard]] joey_subscription* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<joey_subscription, joey_subscription_destroy> handle_;
};

// ---- Task -------------------------------------------------------------------------------------------------------------

// One agent run. Its end is an event; letting go of the object does not end it.
class Task {
 public:
  explicit Task(joey_task* task) noexcept : handle_(task) {}

  [[nodiscard]] std::string_view id() const noexcept { return joey_task_id(get()); }

  void say(std::string_view text) { check(joey_task_say(get(), text.data(), text.size())); }
  void approve(std::string_view call, std::string_view feedback = {}) {
    check(joey_task_approve(get(), call.data(), call.size(), feedback.data(), feedback.size()));
  }
  void approve_edited(std::string_view call, std::string_view arguments, std::string_view feedback = {}) {
    check(joey_task_approve_edited(get(), call.data(), call.size(), arguments.data(), arguments.size(), feedback.data(),
                                   feedback.size()));
  }
  void deny(std::string_view call, std::string_view feedback = {}) {
    check(joey_task_deny(get(), call.data(), call.size(), feedback.data(), feedback.size()));
  }
  void answer(std::string_view call, std::string_view text, std::string_view mode = {}) {
    check(joey_task_answer(get(), call.data(), call.size(), text.data(), text.size(), mode.data(), mode.size()));
  }
  void set_mode(std::string_view mode) { check(joey_task_set_mode(get(), mode.data(), mode.size())); }
  void condense() { check(joey_task_condense(get())); }
  void pause() { check(joey_task_pause(get())); }
  void resume() { check(joey_task_resume(get())); }
  void cancel() { check(joey_task_cancel(get())); }

  [[nodiscard]] joey_task* get() const noexcept { return handle_.get(); }

 private:
  detail::Owned<joey_task, joey_task_destroy> handle_;
};

// ---- Tools of the host ------------------------------------------------------------------------------------------------

struct ToolSpec {
  std::string name;           // [A-Za-z0-9_-]{1,64}
  std::string description{};  // for the model: what it does and when to use it
  std::string parameters{};   // a JSON Schema of type "object"; empty: no parameters
  bool read_only{false};      // changes nothing: may run beside other calls, and again after a crash
};

// What a call came to: text for the model. A string is one, of a call that went well.
struct ToolResult {
  std::string text;
  bool ok{true};

  ToolResult(std::string result) : text(std::move(result)) {}
  ToolResult(const char* result) : text(result) {}
  static ToolResult failure(std::string why) {
    ToolResult result(std::move(why));
    result.ok = false;
    return result;
  }
};

// One call of a host's tool that may outlive its handler: move it to a thread, a queue, a coroutine, and finish it there.
// A call that is dropped unfinished fails.
class ToolCall {
 public:
  explicit ToolCall(joey_tool_call* call) noexcept : call_(call) {}
  ToolCall(ToolCall&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  ToolCall& operator=(ToolCall&& other) noexcept {
    ToolCall dropped(std::exchange(call_, std::exchange(other.call_, nullptr)));
    return *this;
  }
  ~ToolCall() {
    if (call_ != nullptr) fail("the tool ended without a result");
  }

  [[nodiscard]] std::string_view arguments() const noexcept {  // one JSON object
    std::size_t size = 0;
    const char* data = joey_tool_call_arguments(call_, &size);
    return {data, size};
  }
  [[nodiscard]] std::string_view task() const noexcept { return joey_tool_call_task(call_); }
  [[nodiscard]] bool cancelled() const noexcept { return joey_tool_call_cancelled(call_) != 0; }
  void output(std::string_view text) noexcept { joey_tool_call_output(call_, text.data(), text.size()); }
  // Both end the call: the object is then as if moved from. The model reads the text.
  void finish(std::string_view result) noexcept { end(1, result); }
  void fail(std::string_view why) noexcept { end(0, why); }

 private:
  void end(std::int32_t ok, std::string_view text) noexcept {
    joey_tool_call_finish(std::exchange(call_, nullptr), ok, text.data(), text.size());
  }

  joey_tool_call* call_;
};

// ---- Policy of the host -----------------------------------------------------------------------------------------------

enum class Verdict : std::int32_t { allow = JOEY_VERDICT_ALLOW, ask = JOEY_VERDICT_ASK, deny = JOEY_VERDICT_DENY };

// One question about a tool call. One that is dropped before it is finished is denied.
class PolicyCall {
 public:
  explicit PolicyCall(joey_policy_call* call) noexcept : call_(call) {}
  PolicyCall(PolicyCall&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  PolicyCall& operator=(PolicyCall&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  ~PolicyCall() {
    if (call_ != nullptr) finish(Verdict::deny, "the host's policy ended without a decision");
  }

  [[nodiscard]] std::string_view request() const noexcept {  // JSON; joey_policy_call_request() describes it
    std::size_t size = 0;
    const char* data = joey_policy_call_request(call_, &size);
    return {data, size};
  }
  [[nodiscard]] bool cancelled() const noexcept { return joey_policy_call_cancelled(call_) != 0; }
  // Ends the call: the object is then as if moved from.
  void finish(Verdict verdict, std::string_view reason = {}) noexcept {
    joey_policy_call_finish(std::exchange(call_, nullptr), static_cast<std::int32_t>(verdict), reason.data(), reason.size());
  }

 private:
  joey_policy_call* call_;
};

// ---- Models of the host -----------------------------------------------------------------------------------------------

enum class ModelError : std::int32_t {
  rate = JOEY_MODEL_RATE,
  overload = JOEY_MODEL_OVERLOAD,
  server = JOEY_MODEL_SERVER,
  network = JOEY_MODEL_NETWORK,
  malformed = JOEY_MODEL_MALFORMED,
  auth = JOEY_MODEL_AUTH,
  quota = JOEY_MODEL_QUOTA,
  too_long = JOEY_MODEL_TOO_LONG,
  bad_request = JOEY_MODEL_BAD_REQUEST,
  not_found = JOEY_MODEL_NOT_FOUND,
};

using Usage = joey_usage;

// One request to a host's model: stream the answer, then finish or fail. A call that is dropped before fails.
class ModelCall {
 public:
  explicit ModelCall(joey_model_call* call) noexcept : call_(call) {}
  ModelCall(ModelCall&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  ModelCall& operator=(ModelCall&& other) noexcept {
    ModelCall dropped(std::exchange(call_, std::exchange(other.call_, nullptr)));
    return *this;
  }
  ~ModelCall() {
    if (call_ != nullptr) fail(ModelError::bad_request, "the provider ended without an answer");
  }

  [[nodiscard]] std::string_view request() const noexcept {  // JSON; joey_model_call_request() describes it
    std::size_t size = 0;
    const char* data = joey_model_call_request(call_, &size);
    return {data, size};
  }
  [[nodiscard]] bool cancelled() const noexcept { return joey_model_call_cancelled(call_) != 0; }
  void text(std::string_view piece) noexcept { joey_model_call_text(call_, piece.data(), piece.size()); }
  void reasoning(std::string_view piece) noexcept { joey_model_call_reasoning(call_, piece.data(), piece.size()); }
  void tool(std::string_view name, std::string_view arguments) noexcept {
    joey_model_call_tool(call_, name.data(), name.size(), arguments.data(), arguments.size());
  }
  // Both end the call: the object is then as if moved from.
  void finish(const Usage& usage = {}) noexcept {
    joey_model_call_finish(std::exchange(call_, nullptr), &usage, sizeof usage);
  }
  void fail(ModelError error, std::string_view message, std::chrono::milliseconds retry_after = forever) noexcept {
    joey_model_call_fail(std::exchange(call_, nullptr), static_cast<std::int32_t>(error), message.data(), message.size(),
                         retry_after.count());
  }

 private:
  joey_model_call* call_;
};

template <std::invocable<ModelCall> Handler>
void Engine::add_provider(std::string_view name, Handler handler) {
  joey_provider_vtable vtable = JOEY_PROVIDER_VTABLE_INIT;
  vtable.start = [](void* user_data, joey_model_call* raw) {
    ModelCall call(raw);
    try {
      (*static_cast<Handler*>(user_data))(std::move(call));
    } catch (...) {  // `call`, or whoever it was moved to, has failed it by now
    }
  };
  vtable.destroy = [](void* user_data) { delete static_cast<Handler*>(user_data); };
  check(joey_engine_add_provider(get(), name.data(), name.size(), &vtable, new Handler(std::move(handler))));
}

// ---- Session ----------------------------------------------------------------------------------------------------------

// The providers and models known by name, as JSON: joey_catalogue().
[[nodiscard]] inline Text catalogue() {
  joey_text* json = nullptr;
  check(joey_catalogue(&json));
  return Text(json);
}

// What joey_session_options says, with the same defaults; an empty string is the default.
struct SessionOptions {
  std::string workspace{};  // required: a directory, the root of all paths
  std::string mode{};
  std::string provider{};
  std::string model{};
  std::string base_url{};
  std::string api_key{};  // kept in memory only
  std::string allow{};    // rules for what runs without asking, as "read,edit:src/**,command:git diff"
  std::string deny{};     // for what never runs
  std::string instructions{};
  std::uint32_t turns_max{0};
  std::uint32_t retries_max{0};
  std::uint32_t mistakes_max{0};
  std::uint32_t repeats_max{0};
  std::uint64_t tokens_max{0};
  double cost_usd_max{0};
  std::uint32_t output_tokens_max{0};
  std::chrono::milliseconds idle_timeout{0};
  std::string home{};         // of the person: its .roo and .agents; empty: none
  std::string checkpoints{};  // a directory they are kept in; empty: none are taken
  std::string language{};     // to think and answer in
  std::string commands_unlimited{};  // beginnings of commands that command_timeout does not end
  std::chrono::milliseconds command_timeout{0};
  bool agent_rules{true};       // AGENTS.md and its kin are read
  bool subfolder_rules{false};  // rules beside .roo folders in subdirectories, too
  std::string image_model{};    // for generate_image; empty: none
  std::string image_provider{};
  std::string image_base_url{};
  std::string image_api_key{};  // kept in memory only
  std::string ask{};  // rules for what a person decides each time
  std::string box{};  // of commands: "landlock", "bubblewrap" or "oci"; empty: none
  bool box_demands_all{false};
  std::string tools{};  // changes to those the model is told of, as "+edit,-apply_diff"
  std::string api_key_secret{};  // instead of api_key: the name by which EngineOptions::secrets resolves it
  bool key_shapes{true};         // what has the shape of a well-known key is not shown
  std::string user{};   // for whom it works, in the host's words
  std::string allow_hosts{};  // that commands in the box may reach, as "api.github.com,*.npmjs.org"; empty: no network
  std::string deny_hosts{};   // wins
  std::uint32_t context_window{0};    // of the model, in tokens
  std::uint32_t condense_percent{0};  // of it, from which on conversations are reduced
  std::string reasoning_effort{};     // "none", "minimal", "low", "medium", "high", "xhigh", "max"
  std::string profile{};              // the host's name for the model with its key
  std::uint32_t requests_open_max{0};
  std::uint32_t requests_per_minute{0};
  std::uint64_t tokens_per_minute{0};
  double price_input{0};  // US dollars per million tokens; below 0: nothing
  double price_output{0};
  double price_cache_read{0};
  double price_cache_write{0};
  std::string result_schema{};  // a JSON Schema that results must fit: they are JSON then
  bool tools_as_text{false};    // the model calls no tools by itself
  std::uint64_t box_memory_max{0};     // bytes, of all processes of a command
  std::uint64_t box_file_size_max{0};  // bytes of each file
  std::uint32_t box_processes_max{0};
  std::uint32_t box_cpu_percent{0};  // of one processor
  std::chrono::seconds box_cpu_time{0};
  std::string box_readable{};  // absolute directories, comma-separated
  std::string box_root{};      // "oci" alone: the system in the box
};

// What joey_model_options says: a model that stands in for the one before it.
struct ModelOptions {
  std::string provider{};
  std::string model{};
  std::string base_url{};
  std::string api_key{};
  std::string api_key_secret{};
  std::string profile{};
  std::string reasoning_effort{};
  std::uint32_t context_window{0};
  std::uint32_t output_tokens_max{0};
  std::uint32_t requests_open_max{0};
  std::uint32_t requests_per_minute{0};
  std::uint64_t tokens_per_minute{0};
  double price_input{0};
  double price_output{0};
  double price_cache_read{0};
  double price_cache_write{0};
  bool tools_as_text{false};
};

class Session {
 public:
  Session(Engine& engine, const SessionOptions& options) {
    joey_session_options raw = JOEY_SESSION_OPTIONS_INIT;
    raw.workspace = detail::option(options.workspace);
    raw.mode = detail::option(options.mode);
    raw.provider = detail::option(options.provider);
    raw.model = detail::option(options.model);
    raw.base_url = detail::option(options.base_url);
    raw.api_key = detail::option(options.api_key);
    raw.allow = detail::option(options.allow);
    raw.deny = detail::option(options.deny);
    raw.instructions = detail::option(options.instructions);
    raw.turns_max = options.turns_max;
    raw.retries_max = options.retries_max;
    raw.mistakes_max = options.mistakes_max;
    raw.repeats_max = options.repeats_max;
    raw.tokens_max = options.tokens_max;
    raw.cost_usd_max = options.cost_usd_max;
    raw.output_tokens_max = options.output_tokens_max;
    raw.idle_timeout_ms = static_cast<std::uint32_t>(options.idle_timeout.count());
    raw.home = detail::option(options.home);
    raw.checkpoints = detail::option(options.checkpoints);
    raw.language = detail::option(options.language);
    raw.commands_unlimited = detail::option(options.commands_unlimited);
    raw.command_timeout_ms = static_cast<std::uint32_t>(options.command_timeout.count());
    raw.flags = (options.agent_rules ? 0 : JOEY_SESSION_NO_AGENT_RULES) |
                (options.subfolder_rules ? JOEY_SESSION_SUBFOLDER_RULES : 0);
    raw.image_model = detail::option(options.image_model);
    raw.image_provider = detail::option(options.image_provider);
    raw.image_base_url = detail::option(options.image_base_url);
    raw.image_api_key = detail::option(options.image_api_key);
    raw.ask = detail::option(options.ask);
    raw.box = detail::option(options.box);
    if (options.box_demands_all) raw.flags |= JOEY_SESSION_BOX_DEMANDS_ALL;
    if (!options.key_shapes) raw.flags |= JOEY_SESSION_KEEP_KEY_SHAPES;
    if (options.tools_as_text) raw.flags |= JOEY_SESSION_TOOLS_AS_TEXT;
    raw.api_key_secret = detail::option(options.api_key_secret);
    raw.tools = detail::option(options.tools);
    raw.user = detail::option(options.user);
    raw.allow_hosts = detail::option(options.allow_hosts);
    raw.deny_hosts = detail::option(options.deny_hosts);
    raw.context_window = options.context_window;
    raw.condense_percent = options.condense_percent;
    raw.reasoning_effort = detail::option(options.reasoning_effort);
    raw.profile = detail::option(options.profile);
    raw.requests_open_max = options.requests_open_max;
    raw.requests_per_minute = options.requests_per_minute;
    raw.tokens_per_minute = options.tokens_per_minute;
    raw.price_input = options.price_input;
    raw.price_output = options.price_output;
    raw.price_cache_read = options.price_cache_read;
    raw.price_cache_write = options.price_cache_write;
    raw.result_schema = detail::option(options.result_schema);
    raw.box_memory_max = options.box_memory_max;
    raw.box_file_size_max = options.box_file_size_max;
    raw.box_processes_max = options.box_processes_max;
    raw.box_cpu_percent = options.box_cpu_percent;
    raw.box_cpu_time_s = static_cast<std::uint32_t>(options.box_cpu_time.count());
    raw.box_readable = detail::option(options.box_readable);
    raw.box_root = detail::option(options.box_root);
    joey_session* session = nullptr;
    check(joey_session_create(engine.get(), &raw, &session));
    handle_.reset(session);
  }

  // Starts a task; opens one that this or an earlier engine ran.
  [[nodiscard]] Task start(std::string_view input) {
    joey_task* task = nullptr;
    check(joey_task_start(get(), input.data(), input.size(), &task));
    return Task(task);
  }
  [[nodiscard]] Task open(std::string_view id) {
    joey_task* task = nullptr;
    check(joey_task_open(get(), id.data(), id.size(), &task));
    return Task(task);
  }

  // Adds a tool, before the first task. `handler` runs on the loop thread and is one of
  //
  //   ToolResult (std::string_view arguments)   quick work: its return ends the call
  //   void (ToolCall call)                      the call is finished later, from any thread
  template <class Handler>
    requires std::is_invocable_r_v<ToolResult, Handler&, std::string_view> || std::is_invocable_v<Handler&, ToolCall>
  void add_tool(const ToolSpec& spec, Handler handler) {
    joey_tool_vtable vtable = JOEY_TOOL_VTABLE_INIT;
    vtable.name = spec.name.c_str();
    vtable.description = spec.description.c_str();
    vtable.parameters = detail::option(spec.parameters);
    vtable.flags = spec.read_only ? JOEY_TOOL_READ_ONLY : 0;
    vtable.run = [](void* user_data, joey_tool_call* call) { run(*static_cast<Handler*>(user_data), ToolCall(call)); };
    vtable.destroy = [](void* user_data) { delete static_cast<Handler*>(user_data); };
    check(joey_session_add_tool(get(), &vtable, new Handler(std::move(handler))));
  }

  // A JSON array of the tools of `mode`; of all tools when it is empty.
  [[nodiscard]] Text tools(std::string_view mode = {}) const {
    joey_text* json = nullptr;
    check(joey_session_tools(get(), mode.data(), mode.size(), &json));
    return Text(json);
  }
  // Runs one tool without a model and waits for it: {"ok":bool,"text":...}.
  [[nodiscard]] Text run_tool(std::string_view name, std::string_view arguments,
                              std::chrono::milliseconds timeout = forever) {
    joey_text* json = nullptr;
    check(joey_session_run_tool(get(), name.data(), name.size(), arguments.data(), arguments.size(),
                                detail::timeout(timeout), &json));
    return Text(json);
  }

  // Modes, slash commands and skills of the project and the person, and what is wrong in their files.
  [[nodiscard]] Text project() const {
    joey_text* json = nullptr;
    check(joey_session_project(get(), &json));
    return Text(json);
  }
  // What commands run in: {"kind","reduced":[...],"restricted":[...]}.
  [[nodiscard]] Text box() const {
    joey_text* json = nullptr;
    check(joey_session_box(get(), &json));
    return Text(json);
  }
  // What the rules say of a call: {"verdict","rule","files":[...],"parts":[...]}.
  [[nodiscard]] Text explain_call(std::string_view name, std::string_view arguments) const {
    joey_text* json = nullptr;
    check(joey_session_explain_call(get(), name.data(), name.size(), arguments.data(), arguments.size(), &json));
    return Text(json);
  }
  // Gives the host the last word on tool calls, before the first task. `handler` is void (PolicyCall), runs on the loop
  // thread, and may finish the call later, from any thread.
  template <std::invocable<PolicyCall> Handler>
  void set_policy(Handler handler, std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
    joey_policy_vtable vtable = JOEY_POLICY_VTABLE_INIT;
    vtable.decide = [](void* user_data, joey_policy_call* raw) {
      PolicyCall call(raw);
      try {
        (*static_cast<Handler*>(user_data))(std::move(call));
      } catch (...) {  // `call`, or whoever it was moved to, has denied it by now
      }
    };
    vtable.destroy = [](void* user_data) { delete static_cast<Handler*>(user_data); };
    check(joey_session_set_policy(get(), &vtable, static_cast<std::uint32_t>(timeout.count()), new Handler(std::move(handler))));
  }
  // Stands in when the models before it keep failing.
  void add_model(const ModelOptions& options) {
    joey_model_options raw = JOEY_MODEL_OPTIONS_INIT;
    raw.provider = detail::option(options.provider);
    raw.model = detail::option(options.model);
    raw.base_url = detail::option(options.base_url);
    raw.api_key = detail::option(options.api_key);
    raw.api_key_secret = detail::option(options.api_key_secret);
    raw.profile = detail::option(options.profile);
    raw.reasoning_effort = detail::option(options.reasoning_effort);
    raw.context_window = options.context_window;
    raw.output_tokens_max = options.output_tokens_max;
    raw.requests_open_max = options.requests_open_max;
    raw.requests_per_minute = options.requests_per_minute;
    raw.tokens_per_minute = options.tokens_per_minute;
    raw.price_input = options.price_input;
    raw.price_output = options.price_output;
    raw.price_cache_read = options.price_cache_read;
    raw.price_cache_write = options.price_cache_write;
    raw.flags = options.tools_as_text ? JOEY_SESSION_TOOLS_AS_TEXT : 0;
    check(joey_session_add_model(get(), &raw));
  }
  // What @problems or @terminal in a message means from now on.
  void set_mention(std::string_view mention, std::string_view text) {
    check(joey_session_set_mention(get(), mention.data(), mention.size(), text.data(), text.size()));
  }
  // A value that nobody is to see from now on; of eight bytes at least.
  void add_secret(std::string_view name, std::string_view value) {
    check(joey_session_add_secret(get(), name.data(), name.size(), value.data(), value.size()));
  }
  // One that commands in the box use without seeing it: they have a placeholder in `variable` (empty: `name`), which becomes
  // the value in requests to `hosts`, as "api.github.com:443,*.example.org", and nowhere else.
  void add_host_secret(const std::string& name, const std::string& value, const std::string& hosts, const std::string& variable = {}) {
    joey_host_secret_options raw = JOEY_HOST_SECRET_OPTIONS_INIT;
    raw.name = name.c_str();
    raw.value = value.c_str();
    raw.hosts = hosts.c_str();
    raw.variable = detail::option(variable);
    check(joey_session_add_host_secret(get(), &raw));
  }
  // Replaces a section of the system prompt of the tasks started from now on; an empty text leaves it out.
  void set_prompt_section(std::string_view section, std::string_view text) {
    check(joey_session_set_prompt_section(get(), section.data(), section.size(), text.data(), text.size()));
  }

  // Checkpoints of the workspace, as JSON; joey.h describes each.
  [[nodiscard]] Text take_checkpoint(std::string_view task, std::string_view label = {}) {
    joey_text* json = nullptr;
    check(joey_session_take_checkpoint(get(), task.data(), task.size(), label.data(), label.size(), &json));
    return Text(json);
  }
  [[nodiscard]] Text list_checkpoints(std::string_view task) {
    joey_text* json = nullptr;
    check(joey_session_list_checkpoints(get(), task.data(), task.size(), &json));
    return Text(json);
  }
  [[nodiscard]] Text diff_checkpoints(std::string_view from, std::string_view to = {}) {
    joey_text* json = nullptr;
    check(joey_session_diff_checkpoints(get(), from.data(), from.size(), to.data(), to.size(), &json));
    return Text(json);
  }
  [[nodiscard]] Text restore_checkpoint(std::string_view checkpoint) {
    joey_text* json = nullptr;
    check(joey_session_restore_checkpoint(get(), checkpoint.data(), checkpoint.size(), &json));
    return Text(json);
  }

  [[nodiscard]] joey_session* get() const noexcept { return handle_.get(); }

 private:
  template <class Handler>
  static void run(Handler& handler, ToolCall call) noexcept {
    if constexpr (std::is_invocable_r_v<ToolResult, Handler&, std::string_view>) {
      try {
        const ToolResult result = handler(call.arguments());
        if (result.ok) return call.finish(result.text);
        call.fail(result.text);
      } catch (const std::exception& error) {
        call.fail(error.what());
      } catch (...) {
        call.fail("the tool failed");
      }
    } else {
      try {
        handler(std::move(call));
      } catch (...) {  // `call` fails where it is dropped
      }
    }
  }

  detail::Owned<joey_session, joey_session_destroy> handle_;
};

}  // namespace joey

#endif  // JOEY_JOEY_HPP

#include "core/task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/json.hpp"
#include "base/path.hpp"
#include "base/text.hpp"
#include "core/call_policy.hpp"
#include "core/context.hpp"
#include "core/control.hpp"
#include "core/fitting.hpp"
#include "core/injection.hpp"
#include "core/policy.hpp"
#include "core/task_facts.hpp"

namespace joey {
namespace {

constexpr std::int64_t subtask_depth_max = 5;
constexpr std::int64_t backoff_first_ms = 1'000;
constexpr std::int64_t backoff_max_ms = 60'000;
// A provider that asks for more patience than this is treated as one that fails for good.
constexpr std::int64_t retry_after_max_ms = 15 * 60'000;
constexpr std::size_t malformed_bytes_max = 2'000;
constexpr double window_bytes_per_token_max = 6;
// With another model to turn to there is less patience with the one that fails.
constexpr std::int64_t retries_before_next_max = 2;
constexpr std::int64_t wait_before_next_max_ms = 10'000;
// How often a window is reduced for one request before the task gives up.
constexpr std::int64_t reductions_max = 4;

constexpr std::string_view no_tool_reminder =
    "Your last answer called no tool. Every answer must call at least one: when the task is done, call "
    "attempt_completion with the result; when you need something only the person knows, call ask_followup_question; "
    "otherwise go on with the next step. This reminder was written by the engine, not by the person.";

constexpr std::string_view go_on_reminder = "Go on with the task. This was written by the engine, not by the person.";

std::string json_text(std::initializer_list<std::pair<const char*, std::string_view>> fields) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const auto& [name, value] : fields) json.field(name, value);
  json.end_object();
  return out;
}

std::string error_text(std::string_view error) {
  return json_text({{"status", "error"}, {"message", "The tool execution failed"}, {"error", error}});
}

// A wait that doubles with each failure, less up to a quarter that depends on the task, so that tasks that failed
// together do not all come back together.
std::int64_t backoff_ms(std::string_view task, std::int64_t failures) {
  const std::int64_t wait = std::min(backoff_max_ms, backoff_first_ms << std::min<std::int64_t>(failures, 10));
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char c : task) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash = (hash ^ static_cast<std::uint64_t>(failures + 1)) * 0x100000001b3U;
  return wait - static_cast<std::int64_t>((hash >> 32) % static_cast<std::uint64_t>(wait / 4));
}

bool call_is_done(const CallProgress& call) { return call.state == CallState::done; }

// ---- decide: one function per input, on a copy of the task that moves on with every event. -----------------------------

class Decider {
 public:
  Decider(const Task& task, Timestamp now, const Surroundings& around) : now_(now), around_(around) { out_.after = task; }

  Result<Decision> run(const Input& input) {
    if (task().phase == Phase::fresh && !std::holds_alternative<input::Start>(input)) {
      return failure(ErrorCode::conflict, "the task has not been started");
    }
    if (Status status = std::visit([this](const auto& in) { return on(in); }, input); !status) {
      return tl::unexpected(status.error());
    }
    return std::move(out_);
  }

 private:
  const Task& task() const { return out_.after; }

  void emit(EventBody event) {
    out_.after = apply(std::move(out_.after), event, now_);
    out_.events.push_back(std::move(event));
  }
  void carry_out(Effect effect) { out_.effects.push_back(std::move(effect)); }

  // -- Inputs.

  Status on(const input::Start& in) {
    if (task().phase != Phase::fresh) return failure(ErrorCode::conflict, "the task was started already");
    if (trim(in.text).empty() && in.images.empty()) {
      return failure(ErrorCode::invalid_argument, "a task needs a message: it says what to do");
    }
    if (find_mode(around_.modes, in.config.mode) == nullptr) return unknown_mode(in.config.mode);
    emit(event::TaskCreated{in.session, in.parent, in.parent_call, in.config});
    if (!in.todos.empty()) emit(event::TodosUpdated{in.todos});
    emit(event::UserMessage{in.text, in.images, Actor::person, in.for_model});
    if (!in.prompt.mode.empty()) emit(in.prompt);
    go_on();
    return {};
  }

  Status on(const input::Say& in) {
    if (trim(in.text).empty() && in.images.empty()) return failure(ErrorCode::invalid_argument, "the message is empty");
    for (const CallProgress& call : task().calls) {
      if (call.state != CallState::questioning) continue;
      return answer({call.id, in.for_model.empty() ? in.text : in.for_model, ""}, in.images);
    }
    if (task().phase == Phase::ended) reopen();
    emit(event::UserMessage{in.text, in.images, Actor::person, in.for_model});
    if (in.mode != task().mode && find_mode(around_.modes, in.mode) != nullptr) {
      emit(event::ModeChanged{in.mode, Actor::person, "asked for by a command"});
    }
    go_on();
    return {};
  }

  Status on(const input::Decide& in) {
    const auto index = find_call(in.call, CallState::asking);
    if (!index) return no_such_call(in.call, "waits for approval");
    const CallProgress call = task().calls[*index];
    const std::string edited = in.edited.empty() ? std::string() : minified_json_object(in.edited);
    if (Status checked = check_edited(call, in, edited); !checked) return checked;
    emit(event::Approval{call.id, call.name, digest_of_call(call.name, edited.empty() ? call.arguments : edited), in.allow,
                         Actor::person, "", in.feedback, edited});
    if (!in.allow) deny(*index, in.feedback);
    go_on();
    return {};
  }

  // A person may change what a call does, within the rules: what they deny, no one at the keyboard allows.
  Status check_edited(const CallProgress& call, const input::Decide& in, const std::string& edited) const {
    if (in.edited.empty()) return {};
    if (!in.allow) return failure(ErrorCode::invalid_argument, "arguments are changed with an approval, not with a refusal");
    if (edited.empty()) return failure(ErrorCode::invalid_argument, "the changed arguments are not one JSON object");
    const ToolSpec* spec = find_tool(call.name);
    const Mode* mode = current_mode();
    if (spec == nullptr || mode == nullptr) return {};  // it fails when it begins
    const CallDecision decision = evaluate_call(call_rules(mode), *spec, edited);
    if (decision.verdict == Verdict::deny) {
      return failure(ErrorCode::denied, fmt::format("the policy does not allow the changed arguments ({})", decision.rule));
    }
    if (const auto forbidden = forbidden_by_mode(*mode, *spec, edited)) {
      return failure(ErrorCode::denied, forbidden_text(*mode, *forbidden));
    }
    return {};
  }

  Status on(const input::HostDecided& in) {
    const auto index = find_call(in.call, CallState::consulting);
    if (!index) return no_such_call(in.call, "waits for the host's decision");
    const CallProgress call = task().calls[*index];
    if (in.verdict == Verdict::ask) {
      emit(event::ApprovalRequested{call.id, call.name, "host", in.reason});
    } else {
      const bool allowed = in.verdict == Verdict::allow;
      const std::string rule = in.timed_out ? "host: no answer in time" : "host";
      emit(event::Approval{call.id, call.name, digest_of_call(call.name, call.arguments), allowed, Actor::host, rule,
                           in.reason, ""});
      if (!allowed) refuse(*index, rule, in.reason);
    }
    go_on();
    return {};
  }

  Status on(const input::Answer& in) { return answer(in, {}); }

  Status answer(const input::Answer& in, const std::vector<Image>& images) {
    const auto index = find_call(in.call, CallState::questioning);
    if (!index) return no_such_call(in.call, "waits for an answer");
    if (!in.mode.empty() && find_mode(around_.modes, in.mode) == nullptr) return unknown_mode(in.mode);
    const CallProgress& call = task().calls[*index];
    emit(event::ToolFinished{call.id, call.name, ToolStatus::ok,
                             fmt::format("<user_message>\n{}\n</user_message>", in.text), images, {}});
    if (!in.mode.empty() && in.mode != task().mode) {
      emit(event::ModeChanged{in.mode, Actor::person, "chosen with the answer"});
    }
    go_on();
    return {};
  }

  Status on(const input::SetMode& in) {
    if (find_mode(around_.modes, in.mode) == nullptr) return unknown_mode(in.mode);
    if (in.mode != task().mode) emit(event::ModeChanged{in.mode, Actor::person, ""});
    go_on();
    return {};
  }

  Status on(const input::Pause&) {
    if (task().paused || task().phase == Phase::ended) return {};
    if (task().phase == Phase::model) {
      carry_out(effect::StopModel{});
      give_up_request("given up: the task was paused");
    }
    emit(event::TaskPaused{});
    return {};
  }

  Status on(const input::Resume&) {
    if (task().phase == Phase::ended) {
      if (task().reason == ExitReason::completed) {
        return failure(ErrorCode::conflict, "the task is completed: give it a message to go on");
      }
      // After a refusal the model has the last word, and a request must not end with it.
      const bool model_spoke_last = task().reason == ExitReason::failed && task().answered;
      reopen();
      if (model_spoke_last) emit(event::UserMessage{std::string(go_on_reminder), {}, Actor::engine});
      go_on();
    } else if (task().paused) {
      emit(event::TaskResumed{});
      if (task().phase == Phase::backoff) {
        next_request();
      } else {
        go_on();
      }
    }
    return {};
  }

  Status on(const input::Cancel& in) {
    if (task().phase == Phase::ended) return {};
    carry_out(effect::StopAll{});
    if (task().phase == Phase::model) give_up_request("given up: the task was cancelled");
    for (std::size_t i = 0; i < task().calls.size(); ++i) {
      const CallState state = task().calls[i].state;
      const bool begun = state == CallState::running || state == CallState::subtask;
      if (state == CallState::done) continue;
      finish(i, ToolStatus::cancelled,
             error_text(begun ? "Cancelled by the person. What it had done until then was not undone."
                              : "Cancelled by the person before it was run."));
    }
    emit(event::TaskEnded{ExitReason::cancelled, "", in.message.empty() ? "cancelled" : in.message});
    return {};
  }

  Status on(const input::PromptReady& in) {
    if (in.prompt.mode != task().mode) return {};  // the mode changed again: its own prompt is on the way
    if (in.prompt != task().prompt && task().phase != Phase::ended) {
      const bool same_bytes = in.prompt.system == task().prompt.system && in.prompt.tools == task().prompt.tools;
      if (task().turn > 0 && !same_bytes) break_cache(task().prompt.mode.empty() ? "model" : "mode", task().context_tokens);
      emit(in.prompt);
    }
    // A wait is over when the prompt for the next request was asked for.
    if (task().phase == Phase::backoff && !task().paused) {
      next_request();
    } else {
      go_on();
    }
    return {};
  }

  Status on(const input::ModelDone& in) {
    if (!is_current(in.turn, in.attempt)) return stale_answer();
    if (!task().instruction.empty()) return summarised(in);
    std::vector<Block> blocks = normalised(in.reply);
    const bool refused = in.reply.stop == StopReason::refusal;
    if (blocks.empty() && !refused) {
      return failed({ModelErrorClass::malformed, "the model's answer was empty", 0, -1}, {in.reply.usage, cost_of(in.reply), false});
    }
    if (blocks.empty()) blocks.emplace_back(Text{"(The model declined to answer.)"});
    const bool has_calls = std::any_of(blocks.begin(), blocks.end(), [](const Block& block) {
      return std::holds_alternative<ToolCall>(block);
    });
    emit(event::ModelFinished{in.turn, in.attempt, std::move(blocks), in.reply.stop, in.reply.usage, cost_of(in.reply),
                              in.reply.model, task().config.wire});
    if (!has_calls && refused) {
      end(ExitReason::failed, "the model declined to answer: put the task in other words");
      return {};
    }
    // A paused answer goes on when it is sent again, and nothing may follow it.
    if (!has_calls && in.reply.stop != StopReason::paused) {
      emit(event::UserMessage{std::string(no_tool_reminder), {}, Actor::engine});
    }
    go_on();
    return {};
  }

  Status on(const input::ModelFailed& in) {
    if (!is_current(in.turn, in.attempt)) return stale_answer();
    return failed(in.error, bill_of(task(), in.error.spent));
  }

  Status failed(const ModelError& error, const AttemptBill& bill) {
    const TaskConfig* const next = error.error == ModelErrorClass::too_long ? nullptr : next_model();
    const std::int64_t retries_max =
        next == nullptr ? task().config.limits.retries_max : std::min(task().config.limits.retries_max, retries_before_next_max);
    const std::int64_t wait = error.retry_after_ms >= 0 ? error.retry_after_ms : backoff_ms(task().id, task().failures);
    const bool again = retryable(error.error) && task().failures < retries_max &&
                       wait <= (next == nullptr ? retry_after_max_ms : wait_before_next_max_ms);
    const Timestamp retry_at = again ? now_ + std::max<std::int64_t>(wait, 1) : 0;
    const std::int64_t attempt = task().attempt;
    fail_attempt(error, retry_at, bill);
    if (task().too_long) too_long_words_ = error.message;
    if (again) {
      carry_out(effect::SetTimer{retry_at});
    } else if (task().too_long || (!task().instruction.empty() && task().condense_failed)) {
      go_on();
    } else if (next != nullptr) {
      change_model(*next, "failed");
      go_on();
    } else {
      const auto attempts = attempt > 1 ? fmt::format(" (after {} attempts)", attempt) : std::string();
      end(ExitReason::failed, fmt::format("{}{}", error.message, attempts));
    }
    return {};
  }

  Status on(const input::Condense&) {
    if (task().turn == 0) return failure(ErrorCode::conflict, "there is no conversation to condense yet");
    if (!task().condense_asked) emit(event::CondenseAsked{});
    return {};
  }

  // The answer to an instruction: a summary, and nothing that it calls is run.
  Status summarised(const input::ModelDone& in) {
    std::string summary;
    for (const Block& block : in.reply.blocks) {
      if (const auto* text = std::get_if<Text>(&block)) summary += text->text;
    }
    summary = std::string(trim(summary));
    const char* const cause = task().condense_asked ? "asked" : "full";
    std::vector<Block> blocks;
    if (!summary.empty()) blocks.emplace_back(Text{summary});
    emit(event::ModelFinished{in.turn, in.attempt, std::move(blocks), in.reply.stop, in.reply.usage, cost_of(in.reply),
                              in.reply.model, task().config.wire});
    (void)reduce_to_latest(cause, std::move(summary));
    go_on();
    return {};
  }

  Status on(const input::ToolDone& in) {
    const auto index = find_call(in.call, CallState::running);
    if (!index) return no_such_call(in.call, "is running");
    const CallProgress& call = task().calls[*index];
    const ToolStatus status = in.cancelled ? ToolStatus::cancelled : in.outcome.ok ? ToolStatus::ok : ToolStatus::error;
    std::string text = in.outcome.ok ? in.outcome.text : error_text(in.outcome.text);
    if (text.empty()) text = "(The tool did not return anything.)";
    auto orders = find_instructions(in.outcome.text);
    if (orders) emit(event::InstructionsFound{call.id, call.name, *std::move(orders)});
    emit(event::ToolFinished{call.id, call.name, status, with_approval(call, std::move(text)), in.outcome.images,
                             in.outcome.paths});
    go_on();
    return {};
  }

  Status on(const input::CheckpointTaken& in) {
    if (!find_call(in.call, CallState::running)) return no_such_call(in.call, "is running");
    emit(event::CheckpointTaken{in.call, in.checkpoint, in.message});
    return {};
  }

  Status on(const input::Egress& in) {
    emit(in.event);
    return {};
  }

  Status on(const input::SubtaskDone& in) {
    const auto index = find_call(in.call, CallState::subtask);
    if (!index || task().calls[*index].child != in.child) return no_such_call(in.call, "waits for a subtask");
    emit(event::SubtaskFinished{in.call, in.child, in.reason, in.usage, in.cost_usd});
    if (in.reason == ExitReason::completed) {
      finish(*index, ToolStatus::ok, fmt::format("Subtask {} completed.\n\nResult:\n{}", in.child, in.text));
    } else {
      finish(*index, ToolStatus::error,
             error_text(fmt::format("subtask {} ended without a result ({}): {}", in.child, name_of(in.reason), in.text)));
    }
    go_on();
    return {};
  }

  Status on(const input::Timer&) {
    if (task().phase != Phase::backoff || task().paused) return {};
    if (now_ < task().retry_at) {
      carry_out(effect::SetTimer{task().retry_at});
    } else {
      next_request();
    }
    return {};
  }

  Status on(const input::Recovered&) {
    if (task().phase == Phase::model) {
      fail_attempt({ModelErrorClass::interrupted, "the engine ended in the middle of the request", 0, -1}, 0, worst_bill_of(task()));
    }
    for (std::size_t i = 0; i < task().calls.size(); ++i) {
      const CallProgress call = task().calls[i];
      if (call.state == CallState::subtask) restart_subtask(call);
      if (call.state == CallState::consulting) consult(call);
      if (call.state != CallState::running) continue;
      const ToolSpec* spec = find_tool(call.name);
      if (spec != nullptr && spec->read_only) {
        carry_out(effect::RunTool{call.id, call.name, call.arguments});
      } else {
        finish(i, ToolStatus::interrupted,
               error_text("The engine ended while this ran, so its effects are unknown and it was not run again. Look at "
                          "what it did before you go on."));
      }
    }
    if (task().phase == Phase::backoff && !task().paused) {
      carry_out(effect::SetTimer{task().retry_at});
    } else {
      go_on();
    }
    return {};
  }

  // -- Moving on.

  // Does whatever can be done now without another input.
  void go_on() {
    if (task().paused) return;
    if (task().phase == Phase::tools && work_on_calls()) next_request();
    if (task().phase == Phase::ready) next_request();
  }

  // Starts the calls of the answer that may start: in order, one at a time, except that calls that only read run beside
  // each other. True when all are done and the task goes on.
  bool work_on_calls() {
    bool reading = false;  // an earlier call still runs, and only reads
    for (std::size_t i = 0; i < task().calls.size(); ++i) {
      const CallState state = task().calls[i].state;
      if (state == CallState::done) continue;
      const ToolSpec* spec = find_tool(task().calls[i].name);
      const bool reads = spec != nullptr && spec->read_only && !is_control_tool(spec->name);
      if (state == CallState::pending && (!reading || reads)) begin(i);
      if (task().phase == Phase::ended) return false;
      if (task().calls[i].state == CallState::done) continue;
      if (!reads || task().calls[i].state != CallState::running) return false;
      reading = true;
    }
    return !reading;
  }

  // Takes a pending call as far as it goes: to an error, a question, a start or its end.
  void begin(std::size_t i) {
    const CallProgress call = task().calls[i];
    if (!call.malformed.empty()) return fail(i, malformed_text(call));
    const ToolSpec* spec = find_tool(call.name);
    if (spec == nullptr) return fail(i, unknown_tool_text(call.name));
    const Mode* mode = current_mode();
    if (mode == nullptr || !allows_group(*mode, spec->group)) {
      return fail(i, fmt::format("tool \"{}\" is not available in mode \"{}\": use another, or switch_mode", call.name,
                                 task().mode));
    }
    if (const auto forbidden = forbidden_by_mode(*mode, *spec, call.arguments)) {
      return fail(i, forbidden_text(*mode, *forbidden));
    }
    const std::int64_t repeats_max = task().config.limits.repeats_max;
    if (repeats_max > 0 && call.repeats >= 2 * repeats_max) {
      stop_running("stopped: the task ended");  // calls that only read may run beside this one
      finish_rest(i, ToolStatus::skipped, error_text("not run: the task ended"));
      return end(ExitReason::limit_repetition,
                 fmt::format("the model called \"{}\" with the same arguments {} times in a row", call.name, call.repeats + 1));
    }
    if (repeats_max > 0 && call.repeats >= repeats_max) {
      return fail(i, fmt::format("not run: the same call came {} times in a row, and its result will not change. Try "
                                 "something else.",
                                 call.repeats + 1));
    }
    // Built-in tools read their arguments themselves, and more kindly.
    const bool foreign = spec->group == ToolGroup::custom || spec->group == ToolGroup::mcp;
    if (const std::string problem = foreign ? misfit(spec->parameters, call.arguments) : std::string(); !problem.empty()) {
      return fail(i, fmt::format("not run: the arguments do not fit the tool's schema.\n{}", problem));
    }
    if (!call.approved && !approve(i, call, *spec, *mode)) return;
    if (is_control_tool(call.name)) return control(i, call);
    emit(event::ToolStarted{call.id, call.name, spec->read_only});
    const bool protected_files = changes_protected(*spec, call.arguments, task().config.workspace) ||
                                 evaluate_protected(task().config.policy).verdict == Verdict::allow;
    carry_out(effect::RunTool{call.id, call.name, call.arguments, protected_files});
  }

  // The first file that an edit with these arguments would change and the mode's pattern does not cover; "" when it names
  // none at all.
  std::optional<std::string> forbidden_by_mode(const Mode& mode, const ToolSpec& spec, std::string_view arguments) const {
    if (spec.group != ToolGroup::edit || mode.edit_pattern.empty()) return std::nullopt;
    bool names_one = false;
    for (const PathUse& use : spec.paths == nullptr ? std::vector<PathUse>() : spec.paths(arguments)) {
      if (!use.writes) continue;
      names_one = true;
      const auto path = path_beneath(task().config.workspace, use.path);
      if (!path || !allows_edit(mode, *path)) return use.path;
    }
    return names_one ? std::nullopt : std::optional<std::string>("");
  }

  // A mode that is gone from the project's files is as the first one, whose prompt the model has then.
  const Mode* current_mode() const {
    const Mode* mode = find_mode(around_.modes, task().mode);
    return mode == nullptr && !around_.modes.empty() ? &around_.modes.front() : mode;
  }

  CallRules call_rules(const Mode* mode) const { return {task().config.policy, task().config.workspace, mode, task().tainted}; }

  // Whether policy lets the call run now; if not, it was denied, or waits for the host or a person.
  bool approve(std::size_t i, const CallProgress& call, const ToolSpec& spec, const Mode& mode) {
    const CallDecision decision = evaluate_call(call_rules(&mode), spec, call.arguments);
    const bool allowed = decision.verdict == Verdict::allow;
    if (spec.group == ToolGroup::always && allowed) return true;
    if (decision.verdict != Verdict::deny && task().config.policy.host_timeout_ms > 0) {
      emit(event::HostConsulted{call.id, call.name, allowed, decision.rule});
      consult(task().calls[i]);
      return false;
    }
    if (decision.verdict == Verdict::ask) {
      emit(event::ApprovalRequested{call.id, call.name, decision.rule, ""});
      return false;
    }
    emit(event::Approval{call.id, call.name, digest_of_call(call.name, call.arguments), allowed, Actor::policy,
                         decision.rule, "", ""});
    if (!allowed) refuse(i, decision.rule, "");
    return allowed;
  }

  void consult(const CallProgress& call) {
    carry_out(effect::ConsultHost{call.id, call.name, call.arguments, call.consulted_allowed, call.rule});
  }

  // Denied without a person: the model goes on with the rest of its answer.
  void refuse(std::size_t i, std::string_view rule, std::string_view reason) {
    finish(i, ToolStatus::denied,
           json_text({{"status", "denied"},
                      {"message", fmt::format("The policy of this session does not allow this call ({}).{}{}", rule,
                                              reason.empty() ? "" : " ", reason)}}));
  }

  void control(std::size_t i, const CallProgress& call) {
    if (call.name == "ask_followup_question") return ask(i, call);
    if (call.name == "attempt_completion") return complete(i, call);
    if (call.name == "switch_mode") return switch_mode(i, call);
    if (call.name == "new_task") return start_subtask(i, call);
    update_todos(i, call);
  }

  void ask(std::size_t i, const CallProgress& call) {
    auto arguments = read_followup(call.arguments);
    if (!arguments) return fail(i, arguments.error().message);
    emit(event::QuestionAsked{call.id, std::move(arguments->question), std::move(arguments->suggestions)});
  }

  void complete(std::size_t i, const CallProgress& call) {
    auto result = result_of(call);
    if (!result) return fail(i, result.error().message);
    const bool earlier_failed =
        std::any_of(task().calls.begin(), task().calls.begin() + static_cast<std::ptrdiff_t>(i),
                    [](const auto& earlier) { return earlier.failed; });
    if (earlier_failed) {
      return fail(i, "the task is not complete: an earlier call of the same answer failed. Deal with that first.");
    }
    if (task().news) {
      return finish(i, ToolStatus::ok, "Not ended yet: the person has said more, which follows.");
    }
    finish(i, ToolStatus::ok, "The result was handed to the person.");
    finish_rest(i + 1, ToolStatus::skipped, error_text("not run: the task had been completed"));
    emit(event::TaskEnded{ExitReason::completed, *std::move(result), ""});
  }

  Result<std::string> result_of(const CallProgress& call) const {
    const std::string& schema = task().config.result_schema;
    if (schema.empty()) return read_completion(call.arguments).map([](const CompletionArguments& read) { return read.result; });
    const std::string problem = misfit(schema, call.arguments);
    if (!problem.empty()) return failure(ErrorCode::invalid_argument, fmt::format("the result does not fit its schema.\n{}", problem));
    return call.arguments;
  }

  void switch_mode(std::size_t i, const CallProgress& call) {
    auto arguments = read_switch_mode(call.arguments);
    if (!arguments) return fail(i, arguments.error().message);
    if (find_mode(around_.modes, arguments->mode) == nullptr) return fail(i, unknown_mode(arguments->mode).value().message);
    if (arguments->mode == task().mode) return fail(i, fmt::format("already in mode \"{}\"", task().mode));
    const std::string from = task().mode;
    emit(event::ModeChanged{arguments->mode, Actor::model, arguments->reason});
    finish(i, ToolStatus::ok,
           fmt::format("Switched from mode \"{}\" to mode \"{}\" because: {}", from, arguments->mode, arguments->reason));
  }

  void start_subtask(std::size_t i, const CallProgress& call) {
    auto arguments = read_new_task(call.arguments);
    if (!arguments) return fail(i, arguments.error().message);
    if (find_mode(around_.modes, arguments->mode) == nullptr) return fail(i, unknown_mode(arguments->mode).value().message);
    if (task().config.depth >= subtask_depth_max) {
      return fail(i, fmt::format("subtasks may be nested {} deep: do this part yourself", subtask_depth_max));
    }
    // Named after its parent, so that a restart finds the child it had started instead of making another.
    const std::string child = fmt::format("{}.{}", task().id, task().subtasks + 1);
    emit(event::SubtaskStarted{call.id, child, arguments->mode, arguments->message, arguments->todos});
    carry_out(effect::StartSubtask{call.id, child, arguments->mode, arguments->message, arguments->todos});
  }

  void restart_subtask(const CallProgress& call) {
    auto arguments = read_new_task(call.arguments);
    if (!arguments) return;
    carry_out(effect::StartSubtask{call.id, call.child, arguments->mode, arguments->message, arguments->todos});
  }

  void update_todos(std::size_t i, const CallProgress& call) {
    auto todos = read_todo_list(call.arguments);
    if (!todos) return fail(i, todos.error().message);
    emit(event::TodosUpdated{*std::move(todos)});
    finish(i, ToolStatus::ok, "Todo list updated.");
  }

  // The next request: the same again when the last has no answer and nothing new to say, otherwise a new turn.
  void next_request() {
    adopt_model();
    const bool again = task().turn > 0 && !task().answered && !task().news;
    if (auto stop = limit_reached(again)) return end(stop->first, stop->second);
    if (task().prompt.mode != task().mode) return carry_out(effect::PreparePrompt{task().mode});
    if (task().turn > 0 && !task().answered && !again) break_cache("message", task().context_tokens);
    if (!make_room(again)) return;
    // Last of all, since it changes most: what stands before it stays the same from request to request.
    if (!again && !around_.news.empty()) emit(event::EnvironmentNoted{std::string(around_.news)});
    send(again, {});
  }

  void adopt_model() {
    if (!around_.models.empty() && !model_index()) change_model(around_.models.front(), "session");
  }

  std::optional<std::size_t> model_index() const {
    const auto found = std::find_if(around_.models.begin(), around_.models.end(),
                                    [&](const TaskConfig& model) { return same_model(task().config, model); });
    if (found == around_.models.end()) return std::nullopt;
    return static_cast<std::size_t>(found - around_.models.begin());
  }

  // The one that stands in for the task's; null: none is left.
  const TaskConfig* next_model() const {
    const auto index = model_index();
    return index && *index + 1 < around_.models.size() ? &around_.models[*index + 1] : nullptr;
  }

  void change_model(const TaskConfig& model, const char* cause) {
    event::ModelChanged changed;
    take_model(changed.model, model);
    changed.cause = cause;
    emit(std::move(changed));
  }

  // A person opens a task that had ended: what failed then may work now.
  void reopen() {
    emit(event::TaskReopened{});
    if (model_index().value_or(0) > 0) change_model(around_.models.front(), "first");
  }

  void fail_attempt(const ModelError& error, Timestamp retry_at, const AttemptBill& bill) {
    emit(event::ModelFailed{task().turn, task().attempt, error.error, error.message, error.status, retry_at, bill.usage, bill.cost_usd,
                            bill.estimated});
  }

  void give_up_request(const char* why) {
    fail_attempt({ModelErrorClass::interrupted, why, 0, -1}, 0, bill_of(task(), around_.spent));
  }

  void send(bool again, std::string_view instruction) {
    const std::int64_t turn = again ? task().turn : task().turn + 1;
    const std::int64_t attempt = again ? task().attempt + 1 : 1;
    const std::int64_t added = instruction.empty() ? 0 : tokens_of(task(), added_weight(instruction.size()));
    emit(event::ModelRequested{turn, attempt, {}, 0, worst_cost(added), std::string(instruction)});
    carry_out(effect::CallModel{turn, attempt});
  }

  // -- The window.

  // Sees to it that the next request fits. False: it is not to be sent now; what is to happen first is under way, or the task
  // has ended.
  bool make_room(bool again) {
    if (again && !task().instruction.empty() && !task().too_long && !task().condense_failed && can_pay_for_summary()) {
      send(again, condense_instruction());
      return false;
    }
    const char* const cause = why_reduce();
    if (cause == nullptr) return true;
    const bool fits = !task().too_long && input_tokens_max(task()) <= input_tokens_allowed();
    const bool has_window = around_.conversation == nullptr ? task().turn > 0 : !around_.conversation->window().empty();
    if (!has_window || reduced_ || task().reductions >= reductions_max) {
      if (!fits) end(ExitReason::failed, does_not_fit_text());
      return fits;
    }
    if (fits && task().reductions > 0 && !task().condense_asked) return true;  // it is as small as it gets
    if (!task().condense_asked) {
      const ContextPlan now = plan(2);
      auto reduction = plan_shorter_results(now);
      if (const std::int64_t tokens = reduction ? tokens_after(now, *reduction) : 0; reduction && tokens < input_tokens_max(task())) {
        reduction->method = "results";
        reduce(cause, *std::move(reduction), tokens);
        return true;
      }
    }
    if (!task().too_long && !task().condense_failed && can_pay_for_summary() && make_room_for_summary(cause)) {
      send(again, condense_instruction());
      return false;
    }
    const bool reduced = reduced_ || reduce_to_latest(cause, {});
    if (input_tokens_max(task()) <= input_tokens_allowed() && (reduced || fits)) return true;
    end(ExitReason::failed, does_not_fit_text());
    return false;
  }

  // Its instruction comes on top of what the next request would have anyway.
  bool can_pay_for_summary() const {
    const Limits& limits = task().config.limits;
    const std::int64_t added = tokens_of(task(), added_weight(condense_instruction().size()));
    const std::int64_t tokens = task().usage.total() - task().tokens_before + input_tokens_max(task()) + added + task().config.output_tokens_max;
    const double cost = task().cost_usd - task().cost_before + worst_cost(added);
    return (limits.tokens_max <= 0 || tokens <= limits.tokens_max) && (limits.cost_usd_max <= 0 || cost <= limits.cost_usd_max);
  }

  bool make_room_for_summary(const char* cause) {
    const std::int64_t instruction = added_weight(condense_instruction().size());
    const auto fits = [&] { return input_tokens_max(task()) + tokens_of(task(), instruction) <= input_tokens_allowed(); };
    if (fits()) return true;
    ContextPlan now = plan(1);
    now.room = now.room * 9 / 10 - instruction;
    auto reduction = plan_fitting_results(now);
    if (!reduction) return false;
    reduction->method = "results";
    const std::int64_t tokens = tokens_after(now, *reduction);
    if (tokens >= input_tokens_max(task())) return false;
    reduce(cause, *std::move(reduction), tokens);
    return fits();
  }

  // How many tokens a request may read so that its answer has room.
  std::int64_t input_tokens_allowed() const {
    const TaskConfig& config = task().config;
    if (config.context_window <= 0) return std::numeric_limits<std::int32_t>::max();
    return std::max(config.context_window / 4, config.context_window - config.output_tokens_max);
  }

  const char* why_reduce() const {
    const TaskConfig& config = task().config;
    if (task().too_long) return "too_long";
    if (task().condense_asked) return "asked";
    if (config.context_window <= 0) return nullptr;
    // A tenth is left for what an estimate may miss.
    std::int64_t limit = std::max(config.context_window / 4, config.context_window * 9 / 10 - config.output_tokens_max);
    if (config.condense_percent > 0) limit = std::min(limit, config.context_window * config.condense_percent / 100);
    return input_tokens_max(task()) > limit ? "full" : nullptr;
  }

  // Room for one part in `parts` of what may be read besides the prompt. A request that was too long says what the window is
  // better than any table.
  ContextPlan plan(std::int64_t parts) const {
    std::int64_t tokens = input_tokens_allowed();
    if (task().too_long) tokens = std::min(tokens, input_tokens_max(task()));
    ContextPlan out;
    if (around_.conversation != nullptr) out.window = around_.conversation->window();
    out.pending = task().pending;
    out.pending_results = task().pending_results;
    out.pending_text = task().pending_text;
    const auto bytes = static_cast<std::int64_t>(static_cast<double>(tokens) * window_bytes_per_token(out));
    out.room = (bytes - task().prompt.bytes) / parts;
    return out;
  }

  // Of the whole window as it has been counted, which is closer than what is assumed of texts that are new.
  double window_bytes_per_token(const ContextPlan& plan) const {
    if (plan.window.empty()) return task().bytes_per_token;
    const std::int64_t bytes = task().prompt.bytes + weight_of(plan.window) + plan.pending;
    const auto counted = static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(input_tokens_max(task()), 1));
    return std::clamp(0.95 * counted, 1.0, window_bytes_per_token_max);
  }

  // False: what stands for the conversation would be larger than it is.
  bool reduce_to_latest(const char* cause, std::string summary) {
    ContextDigest digest;
    digest.summary = std::move(summary);
    digest.todos = task().todos;
    if (around_.conversation != nullptr) {
      digest.said = around_.conversation->said_by_person();
      digest.changed = around_.conversation->changed();
    }
    // A summary needs less beside it than what does without.
    const ContextPlan now = plan(digest.summary.empty() ? 2 : 4);
    event::ContextReduced reduction = plan_latest(now, digest);
    const std::int64_t tokens = tokens_after(now, reduction);
    if (around_.conversation != nullptr && tokens >= input_tokens_max(task())) return false;
    reduction.method = digest.summary.empty() ? "latest" : "summary";
    reduce(cause, std::move(reduction), tokens);
    return true;
  }

  std::int64_t tokens_after(const ContextPlan& plan, const event::ContextReduced& reduction) const {
    const auto bytes = static_cast<double>(task().prompt.bytes + reduction.weight);
    return static_cast<std::int64_t>(std::ceil(bytes / window_bytes_per_token(plan)));
  }

  void reduce(const char* cause, event::ContextReduced reduction, std::int64_t tokens) {
    reduced_ = true;
    reduction.cause = cause;
    reduction.tokens_before = input_tokens_max(task());
    reduction.tokens_after = tokens;
    const bool rewrites = !reduction.text.empty() || reduction.keep_from > 0 || reduction.shorten_before > 0;
    if (rewrites) break_cache("condense", reduction.tokens_after);
    emit(std::move(reduction));
  }

  std::string does_not_fit_text() const {
    const TaskConfig& config = task().config;
    if (task().too_long) {
      const std::string_view words = too_long_words_.empty() ? "the provider finds the request too long" : too_long_words_;
      return fmt::format("{}. Nothing can leave the conversation, of about {} tokens: choose a model with a larger window, or say "
                         "less at once",
                         words, input_tokens_max(task()));
    }
    return fmt::format("the next request would have about {} tokens, and the window of {} has room for {} ({} less {} for the "
                       "answer): choose a model with a larger one, or say less at once",
                       input_tokens_max(task()), config.model, input_tokens_allowed(), config.context_window,
                       config.output_tokens_max);
  }

  // What the next request can cost at most: nothing served from a cache, the answer as long as allowed. `added`: tokens that it
  // reads besides the conversation.
  double worst_cost(std::int64_t added = 0) const {
    const TaskConfig& config = task().config;
    Usage worst;
    (config.price_cache_write > config.price_input ? worst.cache_write : worst.input) = input_tokens_max(task()) + added;
    worst.output = config.output_tokens_max;
    return joey::cost_of(config, worst);
  }

  std::optional<std::pair<ExitReason, std::string>> limit_reached(bool again) const {
    const Limits& limits = task().config.limits;
    if (!again && limits.turns_max > 0 && task().turn - task().turns_before >= limits.turns_max) {
      return {{ExitReason::limit_turns, fmt::format("the limit of {} turns was reached", limits.turns_max)}};
    }
    const std::int64_t tokens = task().usage.total() - task().tokens_before;
    const std::int64_t next = input_tokens_max(task()) + task().config.output_tokens_max;
    if (limits.tokens_max > 0 && tokens + next > limits.tokens_max) {
      return {{ExitReason::limit_tokens, fmt::format("{} tokens were used and the next request may use {} more: the limit is {}",
                                                     tokens, next, limits.tokens_max)}};
    }
    const double cost = task().cost_usd - task().cost_before;
    if (limits.cost_usd_max > 0 && cost + worst_cost() > limits.cost_usd_max) {
      return {{ExitReason::limit_cost,
               fmt::format("${:.4f} was spent and the next request may cost ${:.4f} more: the limit is ${:.4f}", cost,
                           worst_cost(), limits.cost_usd_max)}};
    }
    if (limits.mistakes_max > 0 && task().misfits >= limits.mistakes_max) {
      return {{ExitReason::limit_mistakes,
               fmt::format("the result did not fit its schema in {} tries: give the task a hint", limits.mistakes_max)}};
    }
    if (limits.mistakes_max > 0 && mistakes_after(task()) >= limits.mistakes_max) {
      return {{ExitReason::limit_mistakes,
               fmt::format("{} answers in a row brought nothing but errors: give the task a hint", limits.mistakes_max)}};
    }
    return std::nullopt;
  }

  void end(ExitReason reason, std::string message) { emit(event::TaskEnded{reason, "", std::move(message)}); }

  // `tokens`: what has to be read again.
  void break_cache(const char* cause, std::int64_t tokens) {
    const TaskConfig& config = task().config;
    const double extra = std::max(0.0, config.price_input - config.price_cache_read);
    emit(event::CacheBroken{cause, 0, extra * static_cast<double>(tokens) / 1e6});
  }

  // -- Calls.

  const ToolSpec* find_tool(std::string_view name) const {
    const auto found = std::find_if(around_.tools.begin(), around_.tools.end(),
                                    [&](const ToolSpec& spec) { return spec.name == name; });
    return found == around_.tools.end() ? nullptr : &*found;
  }

  std::optional<std::size_t> find_call(std::string_view id, CallState state) const {
    for (std::size_t i = 0; i < task().calls.size(); ++i) {
      if (task().calls[i].id == id && task().calls[i].state == state) return i;
    }
    return std::nullopt;
  }

  void finish(std::size_t i, ToolStatus status, std::string text) {
    const CallProgress& call = task().calls[i];
    emit(event::ToolFinished{call.id, call.name, status, with_approval(call, std::move(text)), {}, {}});
  }

  // A result begins with what the person said or changed when they approved the call: the conversation keeps the arguments
  // that the model had written.
  static std::string with_approval(const CallProgress& call, std::string text) {
    if (!call.approved || (call.feedback.empty() && !call.edited)) return text;
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("status", "approved");
    if (call.edited) json.field("message", "The person changed the arguments before it ran.").key("arguments").raw(call.arguments);
    if (!call.feedback.empty()) json.field("feedback", call.feedback);
    json.end_object();
    return out + "\n" + text;
  }
  void fail(std::size_t i, std::string_view error) { finish(i, ToolStatus::error, error_text(error)); }

  // Ends every call from `first` on that has no result yet.
  void finish_rest(std::size_t first, ToolStatus status, const std::string& text) {
    for (std::size_t i = first; i < task().calls.size(); ++i) {
      if (!call_is_done(task().calls[i])) finish(i, status, text);
    }
  }

  // Ends the calls that run.
  void stop_running(std::string_view why) {
    const auto is_running = [](const CallProgress& call) { return call.state == CallState::running; };
    if (std::none_of(task().calls.begin(), task().calls.end(), is_running)) return;
    carry_out(effect::StopAll{});
    for (std::size_t i = 0; i < task().calls.size(); ++i) {
      if (is_running(task().calls[i])) finish(i, ToolStatus::cancelled, error_text(why));
    }
  }

  // The person refused the call; the rest of the answer was built on it and is not begun.
  void deny(std::size_t i, std::string_view feedback) {
    finish(i, ToolStatus::denied,
           feedback.empty() ? json_text({{"status", "denied"}, {"message", "The person denied this operation."}})
                            : json_text({{"status", "denied"}, {"feedback", feedback}}));
    finish_rest(i + 1, ToolStatus::skipped, error_text("skipped: the person denied an earlier call of the same answer"));
  }

  // The answer as it joins the conversation: empty texts and what is not a model's to say dropped, every call with an id
  // of its own and arguments that are one JSON object, whatever the model sent.
  std::vector<Block> normalised(const Reply& reply) const {
    std::vector<Block> blocks;
    std::size_t index = 0;
    bool says_something = false;
    for (const Block& block : reply.blocks) {
      if (const auto* text = std::get_if<Text>(&block)) {
        if (trim(text->text).empty()) continue;
        says_something = true;
      }
      if (std::holds_alternative<Image>(block) || std::holds_alternative<ToolResult>(block)) continue;
      const auto* call = std::get_if<ToolCall>(&block);
      if (call == nullptr) {
        blocks.push_back(block);
        continue;
      }
      says_something = true;
      std::string arguments = trim(call->arguments).empty() ? "{}" : minified_json_object(call->arguments);
      std::string malformed;
      if (arguments.empty()) {
        malformed = to_utf8(utf8_prefix(call->arguments, malformed_bytes_max));
        arguments = "{}";
      }
      blocks.emplace_back(ToolCall{fmt::format("c{:05}{:03}", task().turn % 100'000, index++ % 1'000), to_utf8(call->name),
                                   std::move(arguments), std::move(malformed), call->signature});
    }
    // An answer may be paused when it has said nothing yet.
    if (!says_something && reply.stop != StopReason::paused) blocks.clear();
    return blocks;
  }

  // -- Words.

  std::string forbidden_text(const Mode& mode, std::string_view path) const {
    return fmt::format("mode \"{}\" may not edit \"{}\": {}", task().mode, path, mode.edit_description);
  }

  std::string malformed_text(const CallProgress& call) const {
    return fmt::format("the arguments of \"{}\" are not one JSON object, so it was not run. You sent: {}", call.name,
                       utf8_prefix(call.malformed, 300));
  }

  std::string unknown_tool_text(std::string_view name) const {
    std::string names;
    for (const ToolSpec& spec : around_.tools) names.append(names.empty() ? "" : ", ").append(spec.name);
    return fmt::format("there is no tool \"{}\"; there are: {}", utf8_prefix(name, 100), names);
  }

  tl::unexpected<Error> unknown_mode(std::string_view slug) const {
    std::string slugs;
    for (const Mode& mode : around_.modes) slugs.append(slugs.empty() ? "" : ", ").append(mode.slug);
    return failure(ErrorCode::invalid_argument, fmt::format("there is no mode \"{}\"; there are: {}", slug, slugs));
  }

  static tl::unexpected<Error> no_such_call(std::string_view call, const char* state) {
    return failure(ErrorCode::conflict, fmt::format("no call \"{}\" {}", call, state));
  }

  bool is_current(std::int64_t turn, std::int64_t attempt) const {
    return task().phase == Phase::model && turn == task().turn && attempt == task().attempt;
  }
  static tl::unexpected<Error> stale_answer() {
    return failure(ErrorCode::conflict, "an answer to a request that is no longer waited for");
  }

  double cost_of(const Reply& reply) const {
    return reply.cost_usd > 0 ? reply.cost_usd : joey::cost_of(task().config, reply.usage);
  }

  Decision out_;
  std::string_view too_long_words_;  // the provider's, of the input
  bool reduced_{false};  // in this decision: the window that is at hand is the one before
  Timestamp now_;
  const Surroundings& around_;
};

}  // namespace

std::string_view status_of(const Task& task) {
  if (task.phase == Phase::ended) return name_of(task.reason);
  if (task.paused) return "paused";
  bool waits = false;
  for (const CallProgress& call : task.calls) {
    if (call.state == CallState::running || call.state == CallState::subtask || call.state == CallState::consulting) {
      return "running";
    }
    waits = waits || call.state == CallState::asking || call.state == CallState::questioning;
  }
  return waits ? "waiting" : "running";
}

Result<Decision> decide(const Task& task, const Input& input, Timestamp now, const Surroundings& around) {
  return Decider(task, now, around).run(input);
}

}  // namespace joey

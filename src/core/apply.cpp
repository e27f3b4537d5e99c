#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "core/context.hpp"
#include "core/task.hpp"
#include "core/task_facts.hpp"

namespace joey {
namespace {

constexpr std::size_t title_bytes_max = 120;

std::string first_line(std::string_view text) {
  text = trim(text);
  return std::string(utf8_prefix(text.substr(0, text.find('\n')), title_bytes_max));
}

// One function per event.
struct Applier {
  Task& task;
  Timestamp at;

  CallProgress* find(std::string_view id) {
    const auto found = std::find_if(task.calls.begin(), task.calls.end(), [&](const auto& call) { return call.id == id; });
    return found == task.calls.end() ? nullptr : &*found;
  }
  // What the next request has that the last one had not.
  void join(std::int64_t weight) {
    task.new_bytes += weight;
    task.pending += weight;
  }
  void set_state(std::string_view id, CallState state) {
    if (auto* call = find(id)) call->state = state;
  }

  void operator()(const event::TaskCreated& e) {
    task.session = e.session;
    task.parent = e.parent;
    task.parent_call = e.parent_call;
    task.config = e.config;
    task.mode = e.config.mode;
    task.created_at = at;
    task.phase = Phase::ready;
  }
  void operator()(const event::PromptSet& e) {
    task.new_bytes += std::max<std::int64_t>(0, e.bytes - task.prompt.bytes);
    task.prompt = e;
  }
  void operator()(const event::UserMessage& e) {
    const std::string& read = e.for_model.empty() ? e.text : e.for_model;
    join(added_weight(read.size(), e.images));
    if (e.by != Actor::person) return;
    task.news = true;
    task.tainted = false;
    if (task.title.empty()) task.title = first_line(e.text);
  }
  void operator()(const event::EnvironmentNoted& e) {
    join(added_weight(e.text.size()));
  }
  void operator()(const event::CheckpointTaken&) {}
  void operator()(const event::Egress&) {}
  void operator()(const event::ModeChanged& e) { task.mode = e.mode; }
  void operator()(const event::ModelRequested& e) {
    task.mistakes = mistakes_after(task);
    task.instruction = e.instruction;
    task.sent_bytes = task.new_bytes;
    task.pending = 0;
    task.pending_results = 0;
    task.pending_text = 0;
    if (e.turn != task.turn) task.failures = 0;
    task.turn = e.turn;
    task.attempt = e.attempt;
    task.reserved_usd = e.reserved_usd;
    task.phase = Phase::model;
    task.answered = false;
    if (!e.instruction.empty()) task.pausing = false;
    task.waiting_news = task.pausing && (task.news || task.waiting_news);
    task.news = false;
    task.too_long = false;
    task.retry_at = 0;
    task.calls.clear();
  }
  void operator()(const event::ModelFailed& e) {
    // One that is too long is not sent again as it is.
    task.too_long = e.error == ModelErrorClass::too_long;
    if (e.error != ModelErrorClass::interrupted && !task.too_long) ++task.failures;
    if (!task.instruction.empty() && e.retry_at == 0 && is_final_for_summary(e.error)) {
      task.condense_failed = true;
      task.failures = 0;  // the next request is another
    }
    task.usage += e.usage;
    task.cost_usd += e.cost_usd;
    task.reserved_usd = 0;
    task.retry_at = e.retry_at;
    task.phase = e.retry_at > 0 ? Phase::backoff : Phase::ready;
  }
  void operator()(const event::ModelFinished& e) {
    task.answered = true;
    task.reserved_usd = 0;
    task.usage += e.usage;
    task.cost_usd += e.cost_usd;
    task.calls.clear();
    if (!std::exchange(task.instruction, {}).empty()) {  // its answer joins no conversation
      task.phase = Phase::ready;
      task.condense_asked = false;
      task.forgiven = true;  // it was not to call a tool
      ++task.reductions;
      return;
    }
    task.phase = Phase::tools;
    task.reductions = 0;
    // Not every provider counts, and one that does may be cut off before it says so.
    const std::int64_t read = e.usage.total() - e.usage.output;
    if (read > 0) {
      task.bytes_per_token = calibrated(task.bytes_per_token, task.sent_bytes, read - task.context_tokens);
      task.context_tokens = e.usage.total();
    } else {
      const Message answer{Role::assistant, e.blocks, ""};
      task.context_tokens += tokens_of(task, task.sent_bytes + weight_of(std::span(&answer, 1)));
    }
    task.new_bytes -= std::exchange(task.sent_bytes, 0);
    for (const Block& block : e.blocks) {
      const auto* call = std::get_if<ToolCall>(&block);
      if (call == nullptr) continue;
      Digest digest = digest_of_call(call->name, call->malformed.empty() ? call->arguments : call->malformed);
      task.repeats = digest == task.last_call ? task.repeats + 1 : 0;
      task.last_call = std::move(digest);
      CallProgress& progress = task.calls.emplace_back();
      progress.id = call->id;
      progress.name = call->name;
      progress.arguments = call->arguments;
      progress.malformed = call->malformed;
      progress.repeats = task.repeats;
    }
    task.pausing = e.stop == StopReason::paused && task.calls.empty();
    task.forgiven = task.pausing;  // it goes on
    if (!task.pausing) task.news = std::exchange(task.waiting_news, false) || task.news;
  }
  void operator()(const event::HostConsulted& e) {
    auto* call = find(e.call);
    if (call == nullptr) return;
    call->state = CallState::consulting;
    call->consulted_allowed = e.allowed;
    call->rule = e.rule;
  }
  void operator()(const event::ApprovalRequested& e) { set_state(e.call, CallState::asking); }
  void operator()(const event::Approval& e) {
    auto* call = find(e.call);
    if (call == nullptr) return;
    call->state = CallState::pending;
    call->approved = e.allowed;
    if (e.by == Actor::person) call->feedback = e.feedback;
    if (e.edited.empty()) return;
    call->arguments = e.edited;
    call->edited = true;
  }
  void operator()(const event::QuestionAsked& e) { set_state(e.call, CallState::questioning); }
  void operator()(const event::ToolStarted& e) { set_state(e.call, CallState::running); }
  void operator()(const event::ToolFinished& e) {
    join(added_weight(e.text.size(), e.images));
    ++task.pending_results;
    task.pending_text += added_weight(e.text.size());
    auto* call = find(e.call);
    if (call == nullptr) return;
    call->state = CallState::done;
    // After an earlier call of the answer that failed it is not the result that is at fault.
    const bool others_failed = std::any_of(task.calls.begin(), task.calls.end(), [](const auto& other) { return other.failed; });
    call->failed = e.status == ToolStatus::error;
    const bool is_result = call->name == "attempt_completion" && !task.config.result_schema.empty();
    if (is_result && call->failed && !others_failed) ++task.misfits;
  }
  void operator()(const event::InstructionsFound&) { task.tainted = true; }
  void operator()(const event::TodosUpdated& e) { task.todos = e.todos; }
  void operator()(const event::SubtaskStarted& e) {
    ++task.subtasks;
    auto* call = find(e.call);
    if (call == nullptr) return;
    call->state = CallState::subtask;
    call->child = e.child;
  }
  void operator()(const event::SubtaskFinished& e) {
    task.usage += e.usage;
    task.cost_usd += e.cost_usd;
  }
  void operator()(const event::CacheBroken&) {}
  void operator()(const event::ModelChanged& e) {
    if (e.model.wire != task.config.wire) task.pausing = false;
    take_model(task.config, e.model);
    task.failures = 0;
    // The prompt is made anew: models differ in the tools they get.
    task.context_tokens = std::max<std::int64_t>(0, task.context_tokens - tokens_of(task, task.prompt.bytes));
    task.prompt = {};
  }
  void operator()(const event::CondenseAsked&) { task.condense_asked = true; }
  void operator()(const event::ContextReduced& e) {
    task.context_tokens = e.tokens_after;
    task.new_bytes = 0;
    task.sent_bytes = 0;
    if (e.pending_to > 0) {
      const std::int64_t shortened = std::min(task.pending_text, task.pending_results * (e.pending_to + 2 * frame_weight));
      task.pending -= task.pending_text - shortened;
      task.pending_text = shortened;
    }
    task.instruction.clear();
    task.condense_asked = false;
    task.condense_failed = false;
    task.too_long = false;
    ++task.reductions;
  }
  void operator()(const event::TaskPaused&) {
    task.paused = true;
    task.reserved_usd = 0;
    if (task.phase == Phase::model) task.phase = Phase::ready;
  }
  void operator()(const event::TaskResumed&) { task.paused = false; }
  void operator()(const event::TaskEnded& e) {
    task.phase = Phase::ended;
    task.paused = false;
    task.reserved_usd = 0;
    task.reason = e.reason;
    task.result = e.reason == ExitReason::completed ? e.result : e.message;
  }
  void operator()(const event::TaskReopened&) {
    task.phase = Phase::ready;
    task.too_long = false;
    task.condense_failed = false;
    task.reductions = 0;
    task.reason = ExitReason::completed;
    task.result.clear();
    task.failures = 0;
    task.mistakes = 0;
    task.misfits = 0;
    task.forgiven = true;
    task.repeats = 0;
    task.last_call.clear();
    // A subtask spends what its parent had left, whoever takes it up again.
    if (!task.parent.empty()) return;
    task.turns_before = task.turn;
    task.tokens_before = task.usage.total();
    task.cost_before = task.cost_usd;
  }
};

}  // namespace

Task apply(Task task, const EventBody& event, Timestamp at) {
  ++task.seq;
  task.updated_at = at;
  std::visit(Applier{task, at}, event);
  return task;
}

}  // namespace joey

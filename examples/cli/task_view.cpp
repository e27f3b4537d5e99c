#include "task_view.hpp"

#include <algorithm>

#include "text.hpp"

namespace cli {
namespace {

ModelView model_view(Object config) {
  return {.provider = std::string(text_of(config, "provider")),
          .base_url = std::string(text_of(config, "base_url")),
          .name = std::string(text_of(config, "model")),
          .context_window = static_cast<std::uint32_t>(number_of(config, "context_window")),
          .reasoning_effort = std::string(text_of(config, "reasoning_effort")),
          .priced = real_of(config, "price_input") > 0 || real_of(config, "price_output") > 0};
}

}  // namespace

bool TaskView::apply(const Event& event) {
  if (event.seq <= seq) return false;
  seq = event.seq;
  updated_at = event.at;
  const auto enter = [&](TaskPhase next) {
    phase = next;
    phase_since = event.at;
  };
  const auto set_state = [&](CallState state) {
    if (Call* call = find(event.text("call"))) call->state = state;
  };
  const std::string_view type = event.type;
  if (type == "task.created") {
    const Object config = event.object("config");
    created_at = event.at;
    workspace = text_of(config, "workspace");
    mode = text_of(config, "mode");
    own_model = model = model_view(config);
    box = text_of(config, "box");
    allow_hosts = texts_of(config, "hosts_allow");
    deny_hosts = texts_of(config, "hosts_deny");
  } else if (type == "model.changed") {
    model = model_view(event.object("model"));
    if (event.text("cause") != "failed") own_model = model;
  } else if (type == "user.message") {
    if (title.empty()) title = one_line(event.text("text"));
  } else if (type == "mode.changed") {
    mode = event.text("mode");
  } else if (type == "model.requested") {
    turns = std::max(turns, event.number("turn"));
    calls.clear();
    enter(TaskPhase::model);
  } else if (type == "model.failed") {
    add_usage(event);
    retry_at = event.number("retry_at");
    enter(retry_at > 0 ? TaskPhase::retrying : TaskPhase::idle);
  } else if (type == "model.finished") {
    add_usage(event);
    read_calls(event.array("blocks"));
    enter(TaskPhase::idle);
  } else if (type == "approval.requested") {
    set_state(CallState::asking);
    if (Call* call = find(event.text("call"))) {
      call->asked_by = event.text("rule");
      call->asked_because = event.text("reason");
    }
  } else if (type == "approval") {
    if (Call* call = find(event.text("call"))) {
      call->state = CallState::announced;
      call->approved_by = event.text("by") == "person" || event.text("rule").empty() ? "you" : event.text("rule");
      if (const std::string_view edited = event.text("edited"); !edited.empty()) call->arguments = edited;
    }
  } else if (type == "question.asked") {
    set_state(CallState::questioning);
    if (Call* call = find(event.text("call"))) {
      call->question = event.text("question");
      call->suggestions.clear();
      for (const auto item : event.array("suggestions")) {
        Object suggestion;
        if (item.get(suggestion) != simdjson::SUCCESS) continue;
        call->suggestions.push_back({std::string(text_of(suggestion, "text")), std::string(text_of(suggestion, "mode"))});
      }
    }
  } else if (type == "tool.started") {
    set_state(CallState::running);
    if (Call* call = find(event.text("call"))) call->started_at = event.at;
  } else if (type == "tool.finished") {
    set_state(CallState::done);
  } else if (type == "subtask.started") {
    set_state(CallState::subtask);
    if (Call* call = find(event.text("call"))) {
      call->child = event.text("child");
      call->started_at = event.at;
    }
  } else if (type == "subtask.finished") {
    add_usage(event);
  } else if (type == "task.paused") {
    enter(TaskPhase::paused);
  } else if (type == "task.resumed" || type == "task.reopened") {
    enter(TaskPhase::idle);
    if (type == "task.reopened") calls.clear();
  } else if (type == "task.ended") {
    enter(TaskPhase::ended);
    // A reason that is not written is the first of its list.
    reason = event.text("reason").empty() ? "completed" : event.text("reason");
    result = reason == "completed" ? event.text("result") : event.text("message");
  }
  return true;
}

Call* TaskView::find(std::string_view call) {
  const auto found = std::find_if(calls.begin(), calls.end(), [&](const Call& each) { return each.id == call; });
  return found == calls.end() ? nullptr : &*found;
}

bool TaskView::any(CallState state) const {
  return std::any_of(calls.begin(), calls.end(), [&](const Call& call) { return call.state == state; });
}

const Call* TaskView::waiting() const {
  if (phase == TaskPhase::ended || any(CallState::running)) return nullptr;
  const auto found = std::find_if(calls.begin(), calls.end(), [](const Call& call) {
    return call.state == CallState::asking || call.state == CallState::questioning;
  });
  return found == calls.end() ? nullptr : &*found;
}

int TaskView::depth() const { return static_cast<int>(std::count(id.begin(), id.end(), '.')); }

void TaskView::read_calls(Array blocks) {
  calls.clear();
  for (const auto item : blocks) {
    Object block;
    if (item.get(block) != simdjson::SUCCESS || text_of(block, "type") != "tool_call") continue;
    Call& call = calls.emplace_back();
    call.id = text_of(block, "id");
    call.tool = text_of(block, "name");
    call.malformed = text_of(block, "malformed");
    simdjson::dom::element arguments;
    if (block.at_key("arguments").get(arguments) == simdjson::SUCCESS) call.arguments = simdjson::minify(arguments);
  }
}

void TaskView::add_usage(const Event& event) {
  const Object usage = event.object("usage");
  tokens_input += number_of(usage, "input") + number_of(usage, "cache_write");
  tokens_cached += number_of(usage, "cache_read");
  tokens_output += number_of(usage, "output");
  cost_usd += event.real("cost_usd");
}

}  // namespace cli

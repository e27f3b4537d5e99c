// A task's summary as JSON: what joey_engine_list_tasks() shows, and what a host's store keeps.
#include <simdjson.h>

#include "base/json.hpp"
#include "capi/handles.hpp"

namespace joey::capi {

std::string summary_json(const TaskSummary& task) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", task.task).field("parent", task.parent).field("session", task.session);
  json.field("title", task.title).field("status", task.status).field("mode", task.mode);
  json.field("provider", task.provider).field("model", task.model).field("created_at", task.created_at);
  json.field("updated_at", task.updated_at).field("tokens_input", task.tokens_input);
  json.field("tokens_output", task.tokens_output).field("cost_usd", task.cost_usd).field("turns", task.turns);
  json.field("last_seq", task.last_seq).end_object();
  return out;
}

Result<TaskSummary> parse_summary(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json).get(object) != simdjson::SUCCESS) {
    return failure(ErrorCode::corrupt, "the host's store returned a summary that is not a JSON object");
  }
  TaskSummary out;
  const auto text = [&](const char* name, std::string& field) {
    std::string_view value;
    if (object.at_key(name).get(value) == simdjson::SUCCESS) field = value;
  };
  const auto number = [&](const char* name, auto& field) {
    std::int64_t value = 0;
    if (object.at_key(name).get(value) == simdjson::SUCCESS) field = static_cast<std::remove_reference_t<decltype(field)>>(value);
  };
  text("task", out.task);
  text("parent", out.parent);
  text("session", out.session);
  text("title", out.title);
  text("status", out.status);
  text("mode", out.mode);
  text("provider", out.provider);
  text("model", out.model);
  number("created_at", out.created_at);
  number("updated_at", out.updated_at);
  number("tokens_input", out.tokens_input);
  number("tokens_output", out.tokens_output);
  number("turns", out.turns);
  number("last_seq", out.last_seq);
  if (double cost = 0; object.at_key("cost_usd").get(cost) == simdjson::SUCCESS) out.cost_usd = cost;
  return out;
}

}  // namespace joey::capi

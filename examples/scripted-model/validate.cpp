// What the vendors refuse, in their words.
#include <fmt/format.h>

#include <algorithm>

#include "request.hpp"
#include "text.hpp"
#include "wire.hpp"

namespace scripted {

namespace {

namespace dom = simdjson::dom;
using Element = dom::element;
using Object = dom::object;
using Array = dom::array;

// Thrown by refuse(), caught in Validator::read().
struct Refused {
  Refusal refusal;
};

[[noreturn]] void refuse(std::string message, std::string param = {}, std::string code = {}) {
  throw Refused{{std::move(message), std::move(param), std::move(code)}};
}

template <class T>
std::optional<T> get(Object object, std::string_view key) {
  T value;
  if (object[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

bool has(Object object, std::string_view key) {
  Element value;
  return object[key].get(value) == simdjson::SUCCESS && !value.is_null();
}

bool blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_space); }

bool is_identifier(std::string_view text, std::size_t size_max) {
  return !text.empty() && text.size() <= size_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_json_object(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  std::size_t error_at = 0;
  return text.starts_with('{') && skip_value(text, 0, error_at) == text.size();
}

constexpr std::size_t tool_name_size_max = 128;
constexpr std::size_t openai_tool_name_size_max = 64;
constexpr std::size_t id_size_max = 512;
constexpr std::size_t cache_marks_max = 4;

// Where in an Anthropic request something stands. Spelled out for refusals only: there are thousands of places.
struct Place {
  std::string_view list;
  std::size_t index;
  std::optional<std::size_t> content = std::nullopt;

  [[noreturn]] void refuse(std::string_view what) const {
    const std::string inner = content ? fmt::format(".content.{}", *content) : std::string();
    scripted::refuse(fmt::format("{}.{}{}{}", list, index, inner, what));
  }
};

// The string `key` of `object`, which stands at `place` and is called `type` there.
std::string_view require_string(Object object, std::string_view key, const Place& place, std::string_view type = "") {
  const auto complain = [&](std::string_view what) {
    place.refuse(fmt::format("{}{}.{}: {}", type.empty() ? "" : ".", type, key, what));
  };
  if (!has(object, key)) complain("Field required");
  const auto text = get<std::string_view>(object, key);
  if (!text) complain("Input should be a valid string");
  return *text;
}

constexpr std::string_view empty_content =
    ": all messages must have non-empty content except for the optional final assistant message";

void require_text(std::string_view text) {
  if (text.empty()) refuse("messages: text content blocks must be non-empty");
  if (blank(text)) refuse("messages: text content blocks must contain non-whitespace text");
}

}  // namespace

std::optional<Refusal> Validator::read(Wire wire, std::string_view body, Facts& facts) try {
  offered_.clear();
  call_ids_.clear();
  pending_.clear();
  cache_marks_count_ = 0;
  system_.clear();
  latest_.clear();
  facts.raw = false;
  facts.stream = facts.usage_in_stream = false;
  facts.turn = 1;
  facts.first_user.clear();

  Object request;
  if (parser_.parse(body.data(), body.size(), false).get(request) != simdjson::SUCCESS) {
    if (wire == Wire::anthropic) refuse("The request body is not valid JSON");
    refuse("We could not parse the JSON body of your request.");
  }
  facts.stream = get<bool>(request, "stream").value_or(false);
  wire == Wire::anthropic ? anthropic(request, facts) : openai(request, facts);
  facts.system = system_;
  facts.latest = latest_;
  return std::nullopt;
} catch (Refused& refused) {
  return std::move(refused.refusal);
}

// Both wires have content that is a string or an array of parts.
void Validator::gather(std::string& into, Element content) const {
  if (std::string_view text; content.get(text) == simdjson::SUCCESS) {
    into += text;
    return;
  }
  Array parts;
  if (content.get(parts) != simdjson::SUCCESS) return;
  for (const Element part : parts) {
    if (std::string_view text; part["text"].get(text) == simdjson::SUCCESS) into += text;
    if (Element inner; part["content"].get(inner) == simdjson::SUCCESS) gather(into, inner);
  }
}

void Validator::count_cache_mark(Element block) {
  if (Element mark; block["cache_control"].get(mark) == simdjson::SUCCESS && !mark.is_null()) ++cache_marks_count_;
}

void Validator::offer(std::string_view tool_name) {
  if (!offered_.insert(tool_name).second) refuse("tools: Tool names must be unique.", "tools");
}

// Vendors accept calls of tools that are no longer offered, and so does this: as long as the model made them.
bool Validator::known(std::string_view tool_name) const {
  return offered_.contains(tool_name) || script_.tool_names.contains(std::string(tool_name));
}

// Anthropic Messages ------------------------------------------------------------------------------------------------

void Validator::anthropic(Object request, Facts& facts) {
  anthropic_settings(request);
  anthropic_tools(request);
  anthropic_messages(request, facts);
  if (!call_ids_.empty() && offered_.empty()) {
    refuse("Requests which include `tool_use` or `tool_result` blocks must define tools");
  }
  if (cache_marks_count_ > cache_marks_max) {
    refuse(fmt::format("A maximum of {} blocks with cache_control may be provided. Found {}.", cache_marks_max,
                       cache_marks_count_));
  }
}

void Validator::anthropic_settings(Object request) {
  if (!get<std::string_view>(request, "model")) refuse("model: Field required");
  if (!has(request, "max_tokens")) refuse("max_tokens: Field required");
  const auto max_tokens = get<std::int64_t>(request, "max_tokens");
  if (!max_tokens) refuse("max_tokens: Input should be a valid integer");
  if (*max_tokens < 1) refuse("max_tokens: Input should be greater than or equal to 1");
  if (const auto thinking = get<Object>(request, "thinking")) {
    const auto budget = get<std::int64_t>(*thinking, "budget_tokens");
    if (get<std::string_view>(*thinking, "type") == "enabled") {
      if (!budget) refuse("thinking.enabled.budget_tokens: Field required");
      if (*budget < 1024) refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
      if (*budget >= *max_tokens) refuse("`max_tokens` must be greater than `thinking.budget_tokens`.");
    }
  }

  if (Element system; request["system"].get(system) == simdjson::SUCCESS) {
    if (const auto blocks = system.get_array(); blocks.error() == simdjson::SUCCESS) {
      for (const Element block : blocks.value_unsafe()) {
        if (block["text"].get_string().value_unsafe().empty()) refuse("system: text content blocks must be non-empty");
        count_cache_mark(block);
      }
    } else if (!system.is_string()) {
      refuse("system: Input should be a valid string or list");
    }
    gather(system_, system);
  }
}

void Validator::anthropic_tools(Object request) {
  if (has(request, "tools")) {
    const auto tools = get<Array>(request, "tools");
    if (!tools) refuse("tools: Input should be a valid list");
    std::size_t index = 0;
    for (const Element element : *tools) {
      const Place place{"tools", index++};
      Object tool;
      if (element.get(tool) != simdjson::SUCCESS) place.refuse(": Input should be a valid dictionary");
      const std::string_view name = require_string(tool, "name", place);
      if (!is_identifier(name, tool_name_size_max)) {
        place.refuse(".name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
      }
      offer(name);
      count_cache_mark(element);
      const std::string_view type = get<std::string_view>(tool, "type").value_or("custom");
      if (type != "custom") continue;  // the vendor's own tools have no schema
      const auto schema = get<Object>(tool, "input_schema");
      if (!schema) place.refuse(".input_schema: Field required");
      if (get<std::string_view>(*schema, "type") != "object") {
        place.refuse(".input_schema.type: Input should be 'object'");
      }
    }
  }
  if (const auto choice = get<Object>(request, "tool_choice")) {
    if (offered_.empty()) refuse("tool_choice: may only be specified while providing `tools`.");
    const auto name = get<std::string_view>(*choice, "name");
    if (name && !offered_.contains(*name)) refuse(fmt::format("Tool '{}' not found in provided tools", *name));
  }
}

void Validator::anthropic_messages(Object request, Facts& facts) {
  const auto messages = get<Array>(request, "messages");
  if (!messages) refuse("messages: Field required");
  std::size_t index = 0;
  std::string_view previous;
  for (const Element element : *messages) {
    Object message;
    const Place place{"messages", index};
    if (element.get(message) != simdjson::SUCCESS) place.refuse(": Input should be a valid dictionary");
    const std::string_view role = require_string(message, "role", place);
    if (role != "user" && role != "assistant") place.refuse(".role: Input should be 'user' or 'assistant'");
    if (index == 0 && role != "user") refuse("messages: first message must use the \"user\" role");
    // The vendor merges such messages; other hosts of its models still refuse them.
    if (role == previous) {
      refuse(fmt::format("messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"{}\" "
                         "roles in a row", role));
    }
    previous = role;

    Element content;
    if (message["content"].get(content) != simdjson::SUCCESS) place.refuse(".content: Field required");
    const bool assistant = role == "assistant";
    if (assistant) {
      ++facts.turn;
      latest_.clear();
      pending_.clear();
    }
    if (const auto text = content.get_string(); text.error() == simdjson::SUCCESS) {
      if (text.value_unsafe().empty()) place.refuse(empty_content);
      require_text(text.value_unsafe());
    } else if (const auto blocks = content.get_array(); blocks.error() == simdjson::SUCCESS) {
      if (blocks.value_unsafe().size() == 0) place.refuse(empty_content);
      anthropic_blocks(index, assistant, blocks.value_unsafe());
    } else {
      place.refuse(".content: Input should be a valid list");
    }
    if (!assistant) {
      anthropic_settle(index);
      gather(latest_, content);
      if (index == 0) gather(facts.first_user, content);
    }
    ++index;
  }
  if (index == 0) refuse("messages: at least one message is required");
  if (previous != "user") {
    refuse("This model does not support assistant message prefill. The conversation must end with a user message.");
  }
}

void Validator::anthropic_blocks(std::size_t message, bool assistant, Array blocks) {
  std::size_t index = 0;
  bool results_over = false;  // something else came first
  for (const Element element : blocks) {
    const Place place{"messages", message, index++};
    Object block;
    if (element.get(block) != simdjson::SUCCESS) place.refuse(": Input should be a valid dictionary");
    count_cache_mark(element);
    const std::string_view type = require_string(block, "type", place);

    if (type == "text") {
      require_text(require_string(block, "text", place, "text"));
    } else if (assistant && type == "tool_use") {
      const std::string_view id = require_string(block, "id", place, "tool_use");
      if (!is_identifier(id, id_size_max)) {
        place.refuse(".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
      }
      const std::string_view name = require_string(block, "name", place, "tool_use");
      if (!is_identifier(name, tool_name_size_max)) {
        place.refuse(".tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
      }
      if (!known(name)) place.refuse(fmt::format(".tool_use.name: '{}' is not in `tools` and was never called", name));
      if (!has(block, "input")) place.refuse(".tool_use.input: Field required");
      if (!get<Object>(block, "input")) place.refuse(".tool_use.input: Input should be a valid dictionary");
      if (!call_ids_.insert(id).second) place.refuse(": `tool_use` ids must be unique");
      pending_.push_back({id, false});
    } else if (assistant && type == "thinking") {
      const std::string_view thinking = require_string(block, "thinking", place, "thinking");
      if (thinking.empty()) place.refuse(".thinking: each thinking block must contain thinking");
      if (require_string(block, "signature", place, "thinking") != reasoning_signature(thinking)) {
        place.refuse(": Invalid `signature` in `thinking` block");
      }
    } else if (assistant && type == "redacted_thinking") {
      require_string(block, "data", place, "redacted_thinking");
    } else if (!assistant && type == "tool_result") {
      const std::string_view id = require_string(block, "tool_use_id", place, "tool_result");
      const auto call = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& p) { return p.id == id; });
      if (call == pending_.end()) {
        place.refuse(fmt::format(": unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` "
                                 "block must have a corresponding `tool_use` block in the previous message.", id));
      }
      if (call->answered) {
        place.refuse(fmt::format(": each tool_use must have a single result. Found multiple `tool_result` blocks with "
                                 "id: {}", id));
      }
      // A result behind other content does not count, so its call is reported as unanswered.
      call->answered = !results_over;
      if (const auto parts = get<Array>(block, "content")) {
        for (const Element part : *parts) {
          std::string_view text;
          if (part["text"].get(text) == simdjson::SUCCESS) require_text(text);
        }
      }
      continue;
    } else if (assistant || (type != "image" && type != "document" && type != "search_result")) {
      place.refuse(fmt::format(": Input tag '{}' found using 'type' does not match any of the expected tags", type));
    }
    results_over = true;
  }
}

void Validator::anthropic_settle(std::size_t message) {
  std::string missing;
  for (const Pending& call : pending_) {
    if (call.answered) continue;
    if (!missing.empty()) missing += ", ";
    missing += call.id;
  }
  pending_.clear();
  if (missing.empty()) return;
  refuse(fmt::format("messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each "
                     "`tool_use` block must have a corresponding `tool_result` block in the next message.",
                     message - 1, missing));
}

// OpenAI Chat Completions ---------------------------------------------------------------------------------------------

void Validator::openai(Object request, Facts& facts) {
  openai_settings(request, facts);
  openai_tools(request);
  openai_messages(request, facts);
}

void Validator::openai_settings(Object request, Facts& facts) {
  if (!get<std::string_view>(request, "model")) refuse("you must provide a model parameter");
  if (const auto options = get<Object>(request, "stream_options")) {
    if (!facts.stream) {
      refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options");
    }
    facts.usage_in_stream = get<bool>(*options, "include_usage").value_or(false);
  }
  for (const std::string key : {"max_tokens", "max_completion_tokens"}) {
    if (has(request, key) && get<std::int64_t>(request, key).value_or(0) < 1) {
      refuse(fmt::format("Invalid '{}': integer below minimum value. Expected a value >= 1.", key), key,
             "integer_below_min_value");
    }
  }
}

void Validator::openai_tools(Object request) {
  if (has(request, "tools")) {
    const auto tools = get<Array>(request, "tools");
    if (!tools || tools->size() == 0) {
      refuse("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools", "empty_array");
    }
    std::size_t index = 0;
    for (const Element element : *tools) {
      const std::string place = fmt::format("tools[{}]", index++);
      Object function;
      if (element["type"].get_string().value_unsafe() != "function" ||
          element["function"].get(function) != simdjson::SUCCESS) {
        refuse(fmt::format("Missing required parameter: '{}.function'.", place), place, "missing_required_parameter");
      }
      const auto name = get<std::string_view>(function, "name");
      if (!name || !is_identifier(*name, openai_tool_name_size_max)) {
        refuse(fmt::format("Invalid '{}.function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.", place),
               place + ".function.name", "invalid_value");
      }
      offer(*name);
      if (has(function, "parameters") && !get<Object>(function, "parameters")) {
        refuse(fmt::format("Invalid schema for function '{}': schema must be a JSON Schema of 'type: \"object\"'.",
                           *name), place + ".function.parameters", "invalid_function_parameters");
      }
    }
  }
  for (const std::string key : {"tool_choice", "parallel_tool_calls"}) {
    if (offered_.empty() && has(request, key) && get<std::string_view>(request, key) != "none") {
      refuse(fmt::format("Invalid value for '{0}': '{0}' is only allowed when 'tools' are specified.", key), key);
    }
  }
}

void Validator::openai_messages(Object request, Facts& facts) {
  const auto messages = get<Array>(request, "messages");
  if (!messages) refuse("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
  bool user_seen = false;
  std::size_t index = 0;
  for (const Element element : *messages) {
    const auto place = [&] { return fmt::format("messages[{}]", index); };
    Object message;
    if (element.get(message) != simdjson::SUCCESS) {
      refuse(fmt::format("Invalid type for '{}': expected an object.", place()), place(), "invalid_type");
    }
    const auto role = get<std::string_view>(message, "role");
    if (!role) {
      refuse(fmt::format("Missing required parameter: '{}.role'.", place()), place(), "missing_required_parameter");
    }

    if (*role == "tool") {
      openai_tool(index, message);
      gather(latest_, message["content"].value_unsafe());
    } else {
      openai_settle(index);
      const bool system = *role == "system" || *role == "developer";
      if (*role == "assistant") {
        ++facts.turn;
        latest_.clear();
        openai_assistant(index, message);
      } else if (*role != "user" && !system) {
        refuse(fmt::format("Invalid value: '{}'. Supported values are: 'system', 'assistant', 'user', 'function', "
                           "'tool', and 'developer'.", *role), place() + ".role", "invalid_value");
      } else {
        Element content;
        const auto error = message["content"].get(content);
        if (error != simdjson::SUCCESS || !(content.is_string() || content.is_array())) {
          refuse("Invalid value for 'content': expected a string, got null.", place() + ".content");
        }
        if (content.is_array() && content.get_array().value_unsafe().size() == 0) {
          refuse(fmt::format("Invalid '{}.content': empty array. Expected an array with minimum length 1.", place()),
                 place() + ".content", "empty_array");
        }
        gather(system ? system_ : latest_, content);
        if (!system && !user_seen) gather(facts.first_user, content);
        user_seen = user_seen || !system;
      }
    }
    ++index;
  }
  if (index == 0) {
    refuse("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
           "messages", "empty_array");
  }
  openai_settle(index);
}

void Validator::openai_assistant(std::size_t index, Object message) {
  const auto place = [&] { return fmt::format("messages[{}]", index); };
  if (!has(message, "tool_calls")) {
    if (!has(message, "content")) {
      refuse("Invalid value for 'content': expected a string, got null.", place() + ".content");
    }
    return;
  }
  const auto calls = get<Array>(message, "tool_calls");
  if (!calls || calls->size() == 0) {
    refuse(fmt::format("Invalid '{}.tool_calls': empty array. Expected an array with minimum length 1, but got an "
                       "empty array instead.", place()), place() + ".tool_calls", "empty_array");
  }
  std::size_t call_index = 0;
  for (const Element element : *calls) {
    const auto param = [&](std::string_view key) {
      return fmt::format("{}.tool_calls[{}].{}", place(), call_index, key);
    };
    const auto missing = [&](std::string_view key) {
      refuse(fmt::format("Missing required parameter: '{}'.", param(key)), param(key), "missing_required_parameter");
    };
    const auto invalid = [&](std::string_view key, std::string_view why) {
      refuse(fmt::format("Invalid '{}': {}.", param(key), why), param(key), "invalid_value");
    };
    Object call;
    if (element.get(call) != simdjson::SUCCESS) missing("id");
    const auto id = get<std::string_view>(call, "id");
    if (!id || id->empty()) missing("id");
    if (get<std::string_view>(call, "type") != "function") missing("type");
    const auto function = get<Object>(call, "function");
    if (!function) missing("function");
    const auto name = get<std::string_view>(*function, "name");
    if (!name || !is_identifier(*name, openai_tool_name_size_max)) {
      invalid("function.name", "string does not match pattern '^[a-zA-Z0-9_-]+$'");
    }
    if (!known(*name)) invalid("function.name", fmt::format("'{}' is not in 'tools' and was never called", *name));
    const auto arguments = get<std::string_view>(*function, "arguments");
    if (!arguments) missing("function.arguments");
    // OpenAI itself takes any text here; many compatible servers parse it and refuse the whole conversation.
    if (!is_json_object(*arguments)) {
      invalid("function.arguments", "not a JSON object");
    }
    if (!call_ids_.insert(*id).second) {
      refuse(fmt::format("Duplicate value for 'tool_call_id' of '{}'", *id), param("id"), "invalid_value");
    }
    pending_.push_back({*id, false});
    ++call_index;
  }
}

void Validator::openai_tool(std::size_t index, Object message) {
  const auto id = get<std::string_view>(message, "tool_call_id");
  if (!id) {
    refuse(fmt::format("Missing required parameter: 'messages[{}].tool_call_id'.", index),
           fmt::format("messages[{}].tool_call_id", index), "missing_required_parameter");
  }
  const auto call = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& p) { return p.id == *id; });
  if (call == pending_.end()) {
    refuse("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
           fmt::format("messages.[{}].role", index));
  }
  if (call->answered) {
    refuse(fmt::format("Duplicate value for 'tool_call_id' of '{}'", *id),
           fmt::format("messages[{}].tool_call_id", index), "invalid_value");
  }
  call->answered = true;
  if (!has(message, "content")) {
    refuse("Invalid value for 'content': expected a string, got null.", fmt::format("messages.[{}].content", index));
  }
}

void Validator::openai_settle(std::size_t index) {
  std::string missing;
  for (const Pending& call : pending_) {
    if (call.answered) continue;
    if (!missing.empty()) missing += ", ";
    missing += call.id;
  }
  pending_.clear();
  if (missing.empty()) return;
  refuse(fmt::format("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                     "'tool_call_id'. The following tool_call_ids did not have response messages: {}", missing),
         fmt::format("messages.[{}].role", index));
}

}  // namespace scripted

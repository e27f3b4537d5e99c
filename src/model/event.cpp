#include "model/event.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <concepts>
#include <optional>
#include <utility>

#include "base/json.hpp"

namespace joey {
namespace {

// ---- The fields of every struct that has a JSON form: the one place that names them. --------------------------------
// fields(x, visit) calls visit(name, member) for each; it serves writing (const) and reading alike.

template <class T, class... Options>
concept AnyOf = (std::same_as<std::remove_const_t<T>, Options> || ...);

template <AnyOf<Limits> T, class V>
void fields(T& x, V&& visit) {
  visit("turns_max", x.turns_max);
  visit("tokens_max", x.tokens_max);
  visit("cost_usd_max", x.cost_usd_max);
  visit("mistakes_max", x.mistakes_max);
  visit("repeats_max", x.repeats_max);
  visit("retries_max", x.retries_max);
}
template <AnyOf<PolicySnapshot> T, class V>
void fields(T& x, V&& visit) {
  visit("allow", x.allow);
  visit("deny", x.deny);
  visit("ask", x.ask);
  visit("bash", x.bash);
  visit("host_timeout_ms", x.host_timeout_ms);
}
template <AnyOf<ImageLimits> T, class V>
void fields(T& x, V&& visit) {
  visit("types", x.types);
  visit("bytes_max", x.bytes_max);
  visit("side_max", x.side_max);
  visit("count_max", x.count_max);
  visit("many", x.many);
  visit("many_side_max", x.many_side_max);
}
template <AnyOf<TaskConfig> T, class V>
void fields(T& x, V&& visit) {
  visit("workspace", x.workspace);
  visit("mode", x.mode);
  visit("provider", x.provider);
  visit("wire", x.wire);
  visit("base_url", x.base_url);
  visit("model", x.model);
  visit("context_window", x.context_window);
  visit("output_tokens_max", x.output_tokens_max);
  visit("temperature", x.temperature);
  visit("price_input", x.price_input);
  visit("price_output", x.price_output);
  visit("price_cache_read", x.price_cache_read);
  visit("price_cache_write", x.price_cache_write);
  visit("long_prompt_above", x.long_prompt_above);
  visit("long_prompt_input", x.long_prompt_input);
  visit("long_prompt_output", x.long_prompt_output);
  visit("limits", x.limits);
  visit("policy", x.policy);
  visit("depth", x.depth);
  visit("box", x.box);
  visit("user", x.user);
  visit("hosts_allow", x.hosts_allow);
  visit("hosts_deny", x.hosts_deny);
  visit("condense_percent", x.condense_percent);
  visit("reasoning_effort", x.reasoning_effort);
  visit("profile", x.profile);
  visit("images", x.images);
  visit("result_schema", x.result_schema);
}
template <AnyOf<Citation> T, class V>
void fields(T& x, V&& visit) {
  visit("url", x.url);
  visit("title", x.title);
  visit("excerpt", x.excerpt);
}
template <AnyOf<Usage> T, class V>
void fields(T& x, V&& visit) {
  visit("input", x.input);
  visit("output", x.output);
  visit("cache_read", x.cache_read);
  visit("cache_write", x.cache_write);
  visit("reasoning", x.reasoning);
}
template <AnyOf<Todo> T, class V>
void fields(T& x, V&& visit) {
  visit("text", x.text);
  visit("status", x.status);
}
template <AnyOf<Suggestion> T, class V>
void fields(T& x, V&& visit) {
  visit("text", x.text);
  visit("mode", x.mode);
}
template <AnyOf<Image> T, class V>
void fields(T& x, V&& visit) {
  visit("media_type", x.media_type);
  visit("base64", x.base64);
}
template <AnyOf<event::TaskCreated> T, class V>
void fields(T& x, V&& visit) {
  visit("session", x.session);
  visit("parent", x.parent);
  visit("parent_call", x.parent_call);
  visit("config", x.config);
}
template <AnyOf<event::PromptSet> T, class V>
void fields(T& x, V&& visit) {
  visit("mode", x.mode);
  visit("system", x.system);
  visit("tools", x.tools);
  visit("bytes", x.bytes);
}
template <AnyOf<event::UserMessage> T, class V>
void fields(T& x, V&& visit) {
  visit("text", x.text);
  visit("images", x.images);
  visit("by", x.by);
  visit("for_model", x.for_model);
}
template <AnyOf<event::EnvironmentNoted> T, class V>
void fields(T& x, V&& visit) {
  visit("text", x.text);
}
template <AnyOf<event::CheckpointTaken> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("checkpoint", x.checkpoint);
  visit("message", x.message);
}
template <AnyOf<event::Egress> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("connection", x.connection);
  visit("stage", x.stage);
  visit("method", x.method);
  visit("host", x.host);
  visit("port", x.port);
  visit("address", x.address);
  visit("rule", x.rule);
  visit("message", x.message);
  visit("bytes_up", x.bytes_up);
  visit("bytes_down", x.bytes_down);
  visit("secrets", x.secrets);
}
template <AnyOf<event::ModeChanged> T, class V>
void fields(T& x, V&& visit) {
  visit("mode", x.mode);
  visit("by", x.by);
  visit("reason", x.reason);
}
template <AnyOf<event::ModelRequested> T, class V>
void fields(T& x, V&& visit) {
  visit("turn", x.turn);
  visit("attempt", x.attempt);
  visit("digest", x.digest);
  visit("bytes", x.bytes);
  visit("reserved_usd", x.reserved_usd);
  visit("instruction", x.instruction);
}
template <AnyOf<event::ModelFailed> T, class V>
void fields(T& x, V&& visit) {
  visit("turn", x.turn);
  visit("attempt", x.attempt);
  visit("error", x.error);
  visit("message", x.message);
  visit("status", x.status);
  visit("retry_at", x.retry_at);
  visit("usage", x.usage);
  visit("cost_usd", x.cost_usd);
  visit("estimated", x.estimated);
}
template <AnyOf<event::ModelFinished> T, class V>
void fields(T& x, V&& visit) {
  visit("turn", x.turn);
  visit("attempt", x.attempt);
  visit("blocks", x.blocks);
  visit("stop", x.stop);
  visit("usage", x.usage);
  visit("cost_usd", x.cost_usd);
  visit("model", x.model);
  visit("provider", x.provider);
}
template <AnyOf<event::HostConsulted> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("allowed", x.allowed);
  visit("rule", x.rule);
}
template <AnyOf<event::InstructionsFound> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("excerpt", x.excerpt);
}
template <AnyOf<event::ApprovalRequested> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("rule", x.rule);
  visit("reason", x.reason);
}
template <AnyOf<event::Approval> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("arguments", x.arguments);
  visit("allowed", x.allowed);
  visit("by", x.by);
  visit("rule", x.rule);
  visit("feedback", x.feedback);
  visit("edited", x.edited);
}
template <AnyOf<event::QuestionAsked> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("question", x.question);
  visit("suggestions", x.suggestions);
}
template <AnyOf<event::ToolStarted> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("read_only", x.read_only);
}
template <AnyOf<event::ToolFinished> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("tool", x.tool);
  visit("status", x.status);
  visit("text", x.text);
  visit("images", x.images);
  visit("paths", x.paths);
}
template <AnyOf<event::TodosUpdated> T, class V>
void fields(T& x, V&& visit) {
  visit("todos", x.todos);
}
template <AnyOf<event::SubtaskStarted> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("child", x.child);
  visit("mode", x.mode);
  visit("message", x.message);
  visit("todos", x.todos);
}
template <AnyOf<event::SubtaskFinished> T, class V>
void fields(T& x, V&& visit) {
  visit("call", x.call);
  visit("child", x.child);
  visit("reason", x.reason);
  visit("usage", x.usage);
  visit("cost_usd", x.cost_usd);
}
template <AnyOf<event::ModelChanged> T, class V>
void fields(T& x, V&& visit) {
  visit("model", x.model);
  visit("cause", x.cause);
}
template <AnyOf<event::ContextReduced> T, class V>
void fields(T& x, V&& visit) {
  visit("cause", x.cause);
  visit("method", x.method);
  visit("text", x.text);
  visit("keep_from", x.keep_from);
  visit("shorten_before", x.shorten_before);
  visit("shorten_to", x.shorten_to);
  visit("pending_to", x.pending_to);
  visit("weight", x.weight);
  visit("tokens_before", x.tokens_before);
  visit("tokens_after", x.tokens_after);
}
template <AnyOf<event::CacheBroken> T, class V>
void fields(T& x, V&& visit) {
  visit("cause", x.cause);
  visit("offset", x.offset);
  visit("cost_usd", x.cost_usd);
}
template <AnyOf<event::TaskPaused, event::TaskResumed, event::TaskReopened, event::CondenseAsked> T, class V>
void fields(T&, V&&) {}
template <AnyOf<event::TaskEnded> T, class V>
void fields(T& x, V&& visit) {
  visit("reason", x.reason);
  visit("result", x.result);
  visit("message", x.message);
}

// ---- Enumerations by name. -------------------------------------------------------------------------------------------

template <class E>
struct Names;
template <>
struct Names<ModelErrorClass> {
  static constexpr std::array<std::string_view, 11> list{"auth",      "quota",    "rate",        "overload",  "server",
                                                         "network",   "malformed", "too_long",   "bad_request",
                                                         "not_found", "interrupted"};
};
template <>
struct Names<StopReason> {
  static constexpr std::array<std::string_view, 6> list{"end_turn", "tool_calls", "max_tokens", "refusal", "other", "paused"};
};
template <>
struct Names<ToolStatus> {
  static constexpr std::array<std::string_view, 6> list{"ok", "error", "denied", "skipped", "interrupted", "cancelled"};
};
template <>
struct Names<ExitReason> {
  static constexpr std::array<std::string_view, 8> list{"completed",    "failed",     "cancelled",      "limit_turns",
                                                        "limit_tokens", "limit_cost", "limit_mistakes", "limit_repetition"};
};
template <>
struct Names<TodoStatus> {
  static constexpr std::array<std::string_view, 3> list{"pending", "in_progress", "completed"};
};
template <>
struct Names<EgressStage> {
  static constexpr std::array<std::string_view, 3> list{"refused", "opened", "closed"};
};
template <>
struct Names<Actor> {
  static constexpr std::array<std::string_view, 5> list{"engine", "person", "model", "policy", "host"};
};

template <class E>
concept Named = requires { Names<E>::list; };

// ---- Writing. --------------------------------------------------------------------------------------------------------

template <class T>
void write_value(JsonWriter& json, const T& value);

template <class T>
void write_fields(JsonWriter& json, const T& value) {
  static const T defaults{};
  // Walks the value and the defaults side by side: the nth field of one is the nth of the other.
  std::vector<const void*> default_fields;
  fields(defaults, [&](const char*, const auto& member) { default_fields.push_back(&member); });
  std::size_t i = 0;
  fields(value, [&](const char* name, const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if (member == *static_cast<const Member*>(default_fields[i++])) return;
    json.key(name);
    write_value(json, member);
  });
}

void write_block(JsonWriter& json, const Block& block) {
  struct Writer {
    JsonWriter& json;
    void operator()(const Text& x) const {
      json.field("type", "text").field("text", x.text);
      if (!x.signature.empty()) json.field("signature", x.signature);
      if (x.citations.empty()) return;
      json.key("citations").begin_array();
      for (const Citation& citation : x.citations) {
        json.begin_object();
        write_fields(json, citation);
        json.end_object();
      }
      json.end_array();
    }
    void operator()(const Image& x) const {
      json.field("type", "image").field("media_type", x.media_type).field("base64", x.base64);
    }
    void operator()(const Reasoning& x) const {
      json.field("type", "reasoning").field("text", x.text);
      if (!x.signature.empty()) json.field("signature", x.signature);
      if (x.redacted) json.field("redacted", true);
    }
    void operator()(const ToolCall& x) const {
      json.field("type", "tool_call").field("id", x.id).field("name", x.name).key("arguments").raw(x.arguments);
      if (!x.malformed.empty()) json.field("malformed", x.malformed);
      if (!x.signature.empty()) json.field("signature", x.signature);
    }
    void operator()(const ToolResult& x) const {
      json.field("type", "tool_result").field("call", x.call_id).field("error", x.error).field("text", x.text);
      if (!x.tool.empty()) json.field("tool", x.tool);
    }
    void operator()(const ProviderPart& x) const { json.field("type", "provider_part").key("json").raw(x.json); }
  };
  json.begin_object();
  std::visit(Writer{json}, block);
  json.end_object();
}

template <class T>
void write_value(JsonWriter& json, const T& value) {
  if constexpr (Named<T>) {
    json.value(name_of(value));
  } else if constexpr (std::is_same_v<T, Block>) {
    write_block(json, value);
  } else if constexpr (requires { json.value(value); }) {
    json.value(value);
  } else if constexpr (requires { value.begin(); }) {
    json.begin_array();
    for (const auto& element : value) write_value(json, element);
    json.end_array();
  } else {
    json.begin_object();
    write_fields(json, value);
    json.end_object();
  }
}

// ---- Reading. What is missing keeps its default; what has the wrong type is an error that names the field. -----------

using simdjson::SUCCESS;
using Value = simdjson::dom::element;

struct ReadError {
  std::string message;
};

template <class T>
void read_value(Value value, T& out, const char* name);

[[noreturn]] void wrong(const char* name, const char* expected) {
  throw ReadError{fmt::format("field \"{}\" is not {}", name, expected)};
}

template <class T>
void read_field(simdjson::dom::object object, const char* name, T& out) {
  Value value;
  if (object.at_key(name).get(value) == SUCCESS) read_value(value, out, name);
}

template <class T>
void read_fields(simdjson::dom::object object, T& out) {
  fields(out, [&](const char* name, auto& member) { read_field(object, name, member); });
}

Block read_block(simdjson::dom::object object) {
  const auto text = [&](const char* name) {
    std::string out;
    read_field(object, name, out);
    return out;
  };
  const auto flag = [&](const char* name) {
    bool out = false;
    read_field(object, name, out);
    return out;
  };
  const std::string type = text("type");
  if (type == "text") {
    Text out{text("text"), text("signature"), {}};
    read_field(object, "citations", out.citations);
    return out;
  }
  if (type == "image") return Image{text("media_type"), text("base64")};
  if (type == "reasoning") return Reasoning{text("text"), text("signature"), flag("redacted")};
  if (type == "tool_call") {
    simdjson::dom::object arguments;
    if (object.at_key("arguments").get(arguments) != SUCCESS) wrong("arguments", "an object");
    return ToolCall{text("id"), text("name"), simdjson::minify(arguments), text("malformed"), text("signature")};
  }
  if (type == "tool_result") return ToolResult{text("call"), flag("error"), text("text"), {}, text("tool")};
  if (type == "provider_part") {
    simdjson::dom::object part;
    if (object.at_key("json").get(part) != SUCCESS) wrong("json", "an object");
    return ProviderPart{simdjson::minify(part)};
  }
  throw ReadError{fmt::format("a content block has the unknown type \"{}\"", type)};
}

template <class T>
void read_value(Value value, T& out, const char* name) {
  if constexpr (Named<T>) {
    std::string_view text;
    if (value.get(text) != SUCCESS) wrong(name, "a string");
    for (std::size_t i = 0; i < Names<T>::list.size(); ++i) {
      if (Names<T>::list[i] == text) {
        out = static_cast<T>(i);
        return;
      }
    }
    throw ReadError{fmt::format("field \"{}\" has the unknown value \"{}\"", name, text)};
  } else if constexpr (std::is_same_v<T, std::string>) {
    std::string_view text;
    if (value.get(text) != SUCCESS) wrong(name, "a string");
    out = text;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value.get(out) != SUCCESS) wrong(name, "true or false");
  } else if constexpr (std::is_same_v<T, double>) {
    if (value.get(out) != SUCCESS) wrong(name, "a number");
  } else if constexpr (std::is_integral_v<T>) {
    if (value.get(out) != SUCCESS) wrong(name, "an integer");
  } else if constexpr (std::is_same_v<T, Block>) {
    simdjson::dom::object object;
    if (value.get(object) != SUCCESS) wrong(name, "an object");
    out = read_block(object);
  } else if constexpr (requires { out.emplace_back(); }) {
    simdjson::dom::array array;
    if (value.get(array) != SUCCESS) wrong(name, "an array");
    for (Value element : array) read_value(element, out.emplace_back(), name);
  } else {
    simdjson::dom::object object;
    if (value.get(object) != SUCCESS) wrong(name, "an object");
    read_fields(object, out);
  }
}

// The body whose type is named `type`, with its defaults.
template <std::size_t I = 0>
std::optional<EventBody> body_of_type(std::string_view type) {
  if constexpr (I == std::variant_size_v<EventBody>) {
    return std::nullopt;
  } else {
    using Body = std::variant_alternative_t<I, EventBody>;
    if (Body::type == type) return Body{};
    return body_of_type<I + 1>(type);
  }
}

Result<Event> read_event(simdjson::dom::element document) {
  simdjson::dom::object object;
  std::string_view type;
  if (document.get(object) != SUCCESS) return failure(ErrorCode::corrupt, "not a JSON object");
  if (object.at_key("type").get(type) != SUCCESS) {
    return failure(ErrorCode::corrupt, "an event without a \"type\"");
  }
  auto body = body_of_type(type);
  if (!body) {
    return failure(ErrorCode::unsupported,
                   fmt::format("event type \"{}\" is unknown: it was written by a newer version of joey", type));
  }
  Event event{0, 0, *std::move(body)};
  std::int64_t seq = 0;
  if (object.at_key("seq").get(seq) != SUCCESS || object.at_key("at").get(event.at) != SUCCESS) {
    return failure(ErrorCode::corrupt, "an event without \"seq\" or \"at\"");
  }
  event.seq = static_cast<std::uint64_t>(seq);
  std::visit([&](auto& typed) { read_fields(object, typed); }, event.body);
  return event;
}

template <class E>
std::string_view name_in_list(E value) {
  return Names<E>::list[static_cast<std::size_t>(value)];
}

}  // namespace

std::string_view name_of(ModelErrorClass value) { return name_in_list(value); }
std::string_view name_of(StopReason value) { return name_in_list(value); }
std::string_view name_of(ToolStatus value) { return name_in_list(value); }
std::string_view name_of(ExitReason value) { return name_in_list(value); }
std::string_view name_of(TodoStatus value) { return name_in_list(value); }
std::string_view name_of(EgressStage value) { return name_in_list(value); }
std::string_view name_of(Actor value) { return name_in_list(value); }

std::string_view type_of(const EventBody& body) {
  return std::visit([](const auto& typed) { return typed.type; }, body);
}

std::string to_json(std::string_view task, const Event& event) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", task).field("seq", event.seq).field("type", type_of(event.body));
  json.field("at", event.at);
  std::visit([&](const auto& typed) { write_fields(json, typed); }, event.body);
  json.end_object();
  return out;
}

Result<Event> event_from_json(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return failure(ErrorCode::corrupt, fmt::format("not JSON: {}", simdjson::error_message(error)));
  }
  try {
    return read_event(document);
  } catch (const ReadError& error) {
    return failure(ErrorCode::corrupt, error.message);
  }
}

}  // namespace joey

// Amazon Bedrock's Converse API: POST /model/MODEL/converse-stream.
#include "provider/bedrock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "provider/anthropic.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view with_cache = "bedrock";
constexpr std::string_view without_cache = "bedrock-plain";
constexpr std::string_view vendor_url = "https://bedrock-runtime.us-east-1.amazonaws.com";

bool is_claude(std::string_view model) { return model.find("claude") != model.npos; }

// --- encoding --------------------------------------------------------------------------------------------------------

void write_text(JsonWriter& json, std::string_view text) { json.begin_object().field("text", text).end_object(); }

void write_image(JsonWriter& json, const Image& image) {
  const std::string_view type = image.media_type;
  const std::size_t slash = type.find('/');
  json.begin_object().key("image").begin_object().field("format", slash == type.npos ? type : type.substr(slash + 1));
  json.key("source").begin_object().field("bytes", image.base64).end_object().end_object().end_object();
}

// Up to here the prompt is kept for the next request.
void write_mark(JsonWriter& json) {
  json.begin_object().key("cachePoint").begin_object().field("type", "default").end_object().end_object();
}

void write_tools(JsonWriter& json, const std::vector<ToolSpec>& tools, bool mark) {
  if (tools.empty()) return;
  json.key("toolConfig").begin_object().key("tools").begin_array();
  for (const ToolSpec& tool : tools) {
    json.begin_object().key("toolSpec").begin_object().field("name", wire_tool_name(tool.name));
    if (says_something(tool.description)) json.field("description", tool.description);
    json.key("inputSchema").begin_object().key("json").raw(normalised_schema(tool.parameters, SchemaDialect::anthropic));
    json.end_object().end_object().end_object();
  }
  if (mark) write_mark(json);
  json.end_array().end_object();
}

void write_reasoning(JsonWriter& json, const Reasoning& reasoning) {
  json.begin_object().key("reasoningContent").begin_object();
  if (reasoning.redacted) {
    json.field("redactedContent", reasoning.signature);
  } else {
    json.key("reasoningText").begin_object().field("text", reasoning.text).field("signature", reasoning.signature).end_object();
  }
  json.end_object().end_object();
}

// Returns whether there was content, which reasoning by itself is not. `own`: it goes back to who wrote it.
bool write_assistant(JsonWriter& json, const Message& message, bool own) {
  bool has_content = false;
  for (const Block& block : message.blocks) {
    if (const auto* text = std::get_if<Text>(&block)) {
      if (!says_something(text->text)) continue;
      write_text(json, text->text);
      has_content = true;
    } else if (const auto* call = std::get_if<ToolCall>(&block)) {
      json.begin_object().key("toolUse").begin_object().field("toolUseId", call->id).field("name", wire_tool_name(call->name));
      json.key("input").raw(wire_arguments(*call)).end_object().end_object();
      has_content = true;
    } else if (const auto* reasoning = std::get_if<Reasoning>(&block); reasoning && own && !reasoning->signature.empty()) {
      write_reasoning(json, *reasoning);
    }
  }
  return has_content;
}

void write_result(JsonWriter& json, const ToolResult& result, bool with_status) {
  json.begin_object().key("toolResult").begin_object().field("toolUseId", result.call_id).key("content").begin_array();
  if (says_something(result.text) || result.images.empty()) write_text(json, says_something(result.text) ? std::string_view(result.text) : nothing);
  for (const Image& image : result.images) write_image(json, image);
  json.end_array();
  if (with_status && result.error) json.field("status", "error");
  json.end_object().end_object();
}

// The results first.
bool write_user(JsonWriter& json, const Message& message, bool with_status) {
  bool has_content = false;
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) {
      write_result(json, *result, with_status);
      has_content = true;
    }
  }
  for (const Block& block : message.blocks) {
    if (const auto* image = std::get_if<Image>(&block)) {
      write_image(json, *image);
      has_content = true;
    } else if (const auto* text = std::get_if<Text>(&block); text && says_something(text->text)) {
      write_text(json, text->text);
      has_content = true;
    }
  }
  return has_content;
}

// --- decoding --------------------------------------------------------------------------------------------------------

StopReason stop_reason(std::string_view name) {
  if (name == "end_turn" || name == "stop_sequence") return StopReason::end_turn;
  if (name == "tool_use") return StopReason::tool_calls;
  if (name == "max_tokens" || name == "model_context_window_exceeded") return StopReason::max_tokens;
  if (name == "guardrail_intervened" || name == "content_filtered") return StopReason::refusal;
  return StopReason::other;
}

// Of an exception in the stream; its message says more.
ModelError exception(std::string_view type, dom::object event) {
  ModelError error = error_from_event(event);
  if (type == "throttlingException") error.error = ModelErrorClass::rate;
  if (type == "serviceUnavailableException" || type == "modelTimeoutException") error.error = ModelErrorClass::overload;
  if (type == "internalServerException" || type == "modelStreamErrorException") error.error = ModelErrorClass::server;
  if (type == "validationException" && error.error != ModelErrorClass::too_long) error.error = ModelErrorClass::bad_request;
  return error;
}

class BedrockDecoder final : public EventDecoder {
 public:
  explicit BedrockDecoder(const DecodeLimits& limits) : EventDecoder(limits, Framing::aws) {}

 private:
  enum class Kind : std::uint8_t { text, reasoning, call };
  struct OpenBlock {
    std::int64_t index;  // the stream's
    Kind kind;
    std::size_t at;  // in the Reply's blocks; a call's number for Kind::call
  };

  Outcome on_event(std::string_view name, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;
  // The usage comes after the answer, and not from everybody.
  bool may_end() const override { return stopped_; }

  Outcome on_start(dom::object event, StreamSink& sink);
  Outcome on_delta(dom::object event, StreamSink& sink);
  Outcome on_reasoning(std::int64_t index, dom::object content, StreamSink& sink);
  tl::expected<std::size_t, ModelError> block_at(std::int64_t index, Kind kind);
  void on_stop(dom::object event, StreamSink& sink);
  void read_usage(dom::object usage);

  std::vector<OpenBlock> open_;
  bool stopped_{false};
};

std::int64_t index_of(dom::object event) {
  std::int64_t index = 0;
  return event.at_key("contentBlockIndex").get(index) == simdjson::SUCCESS ? index : 0;
}

Outcome BedrockDecoder::on_event(std::string_view name, dom::object event, StreamSink& sink) {
  constexpr std::string_view failed = "exception:";
  if (name.starts_with(failed)) return tl::unexpected(exception(name.substr(failed.size()), event));
  if (name == "contentBlockStart") return on_start(event, sink);
  if (name == "contentBlockDelta") return on_delta(event, sink);
  if (name == "contentBlockStop") {
    on_stop(event, sink);
  } else if (name == "messageStop") {
    builder_.reply().stop = stop_reason(text_at(event, "stopReason"));
    stopped_ = true;
  } else if (name == "metadata") {
    if (const auto usage = object_at(event, "usage")) read_usage(*usage);
    done_ = stopped_;
  }
  return {};  // messageStart, and what later versions may add
}

Outcome BedrockDecoder::on_start(dom::object event, StreamSink& sink) {
  const auto start = object_at(event, "start");
  const auto call = start ? object_at(*start, "toolUse") : std::nullopt;
  if (!call) return {};
  if (auto opened = builder_.open_call(text_at(*call, "toolUseId"), text_at(*call, "name"), sink); !opened) return opened;
  open_.push_back({index_of(event), Kind::call, builder_.calls() - 1});
  return {};
}

// Texts and what was thought begin with their first piece.
tl::expected<std::size_t, ModelError> BedrockDecoder::block_at(std::int64_t index, Kind kind) {
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const OpenBlock& block) { return block.index == index && block.kind == kind; });
  if (found != open_.end()) return found->at;
  if (auto opened = builder_.open(kind == Kind::text ? Block(Text{}) : Block(Reasoning{})); !opened) return tl::unexpected(std::move(opened.error()));
  open_.push_back({index, kind, builder_.reply().blocks.size() - 1});
  return open_.back().at;
}

Outcome BedrockDecoder::on_delta(dom::object event, StreamSink& sink) {
  const std::int64_t index = index_of(event);
  const auto delta = object_at(event, "delta");
  if (!delta) return {};
  if (const auto call = object_at(*delta, "toolUse")) {
    const auto found = std::find_if(open_.begin(), open_.end(), [&](const OpenBlock& block) { return block.index == index && block.kind == Kind::call; });
    return found == open_.end() ? Outcome() : builder_.arguments(found->at, text_at(*call, "input"), sink);
  }
  if (const auto thought = object_at(*delta, "reasoningContent")) return on_reasoning(index, *thought, sink);
  const std::string_view text = text_at(*delta, "text");
  if (text.empty()) return {};
  const auto at = block_at(index, Kind::text);
  return at ? builder_.text_at(*at, text, sink) : Outcome(tl::unexpected(at.error()));
}

Outcome BedrockDecoder::on_reasoning(std::int64_t index, dom::object content, StreamSink& sink) {
  const auto at = block_at(index, Kind::reasoning);
  if (!at) return tl::unexpected(at.error());
  if (const std::string_view redacted = text_at(content, "redactedContent"); !redacted.empty()) {
    std::get<Reasoning>(builder_.reply().blocks[*at]).redacted = true;
    return builder_.signature_at(*at, redacted);
  }
  if (auto added = builder_.reasoning_at(*at, text_at(content, "text"), sink); !added) return added;
  return builder_.signature_at(*at, text_at(content, "signature"));
}

void BedrockDecoder::on_stop(dom::object event, StreamSink& sink) {
  const std::int64_t index = index_of(event);
  for (const OpenBlock& block : open_) {
    if (block.index == index && block.kind == Kind::call) builder_.close_call(block.at, sink);
  }
  std::erase_if(open_, [&](const OpenBlock& block) { return block.index == index; });
}

void BedrockDecoder::read_usage(dom::object usage) {
  const auto count = [&](std::string_view name) {
    std::int64_t number = 0;
    return usage.at_key(name).get(number) == simdjson::SUCCESS ? std::max<std::int64_t>(number, 0) : 0;
  };
  Usage& out = builder_.reply().usage;
  out.input = count("inputTokens");
  out.output = count("outputTokens");
  out.cache_read = count("cacheReadInputTokens");
  out.cache_write = count("cacheWriteInputTokens");
}

// A gateway that does not stream gives what Converse would: {"output":{"message":{"content":[...]}},"stopReason","usage"}.
Outcome BedrockDecoder::on_body(dom::object body, StreamSink& sink) {
  const auto output = object_at(body, "output");
  const auto message = output ? object_at(*output, "message") : std::nullopt;
  dom::array content;
  if (!message || message->at_key("content").get(content) != simdjson::SUCCESS) {
    if (!text_at(body, "message").empty()) return tl::unexpected(error_from_event(body));
    return tl::unexpected(malformed_answer("is JSON but not a message"));
  }
  for (const dom::element element : content) {
    dom::object block;
    if (element.get(block) != simdjson::SUCCESS) continue;
    if (const std::string_view text = text_at(block, "text"); !text.empty()) {
      if (auto opened = builder_.open(Text{}); !opened) return opened;
      if (auto added = builder_.text_at(builder_.reply().blocks.size() - 1, text, sink); !added) return added;
    } else if (const auto call = object_at(block, "toolUse")) {
      if (auto opened = builder_.open_call(text_at(*call, "toolUseId"), text_at(*call, "name"), sink); !opened) return opened;
      const auto input = object_at(*call, "input");
      if (auto added = builder_.arguments(builder_.calls() - 1, input ? simdjson::minify(*input) : "{}", sink); !added) return added;
      builder_.close_call(builder_.calls() - 1, sink);
    }
  }
  builder_.reply().stop = stop_reason(text_at(body, "stopReason"));
  if (const auto usage = object_at(body, "usage")) read_usage(*usage);
  done_ = true;
  return {};
}

// --- the provider ----------------------------------------------------------------------------------------------------

// "ACCESS_KEY_ID:SECRET_ACCESS_KEY", and not a token.
bool is_pair(std::string_view key) {
  const std::size_t colon = key.find(':');
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return colon != key.npos && colon >= 16 && key.substr(0, colon).find_first_not_of(letters) == key.npos;
}

// "eu-central-1" of "https://bedrock-runtime.eu-central-1.amazonaws.com/...".
std::string region_of(std::string_view url) {
  constexpr std::string_view before = "bedrock-runtime.";
  const std::size_t at = url.find(before);
  if (at == url.npos) return "us-east-1";
  const std::string_view rest = url.substr(at + before.size());
  return std::string(rest.substr(0, rest.find('.')));
}

class Bedrock final : public Provider {
 public:
  explicit Bedrock(bool caches) : caches_(caches) {}

  std::string_view name() const override { return caches_ ? with_cache : without_cache; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    bool thinks = false;
    if (is_claude(params.model)) thinks = write_thinking(json, params);
    json.key("inferenceConfig").begin_object().field("maxTokens", std::max<std::int64_t>(params.output_tokens_max, 1));
    if (!thinks && params.temperature >= 0 && model_info(params.model).temperature) json.field("temperature", params.temperature);
    json.end_object();
    const bool has_system = says_something(prompt.system);
    write_tools(json, prompt.tools, caches_ && !has_system);
    if (has_system) {
      json.key("system").begin_array();
      write_text(json, prompt.system);
      if (caches_) write_mark(json);
      json.end_array();
    }
    json.key("messages").begin_array();
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override { write_message(message, first, false, out); }

  // The mark moves with the end of the conversation, and finds what the request before it left.
  void encode_last(const Message& message, bool first, std::size_t, std::string& out) const override {
    if (caches_) write_message(message, first, true, out);
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view model) const override {
    const std::string_view base = base_url.empty() ? vendor_url : base_url;
    // One part of the path: ids have colons and, where they are ARNs, slashes.
    return {wire_url(base, "", fmt::format("/model/{}/converse-stream", percent_encoded(model))),
            {{"content-type", "application/json"}, {"accept", "application/vnd.amazon.eventstream"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint& endpoint) const override {
    if (is_pair(key)) return {{}, region_of(endpoint.url), "bedrock"};
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override { return std::make_unique<BedrockDecoder>(limits); }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    constexpr int model_failed = 424;
    ModelError error = error_from_answer(status, headers, body);
    if (status == model_failed) error.error = ModelErrorClass::server;
    return error;
  }

 private:
  static bool write_thinking(JsonWriter& json, const ModelParams& params) {
    std::string fields;
    JsonWriter inner(fields);
    inner.begin_object();
    const bool thinks = write_claude_thinking(inner, params);
    if (thinks && claude_thinks_by_budget(params.model)) inner.key("anthropic_beta").begin_array().value("interleaved-thinking-2025-05-14").end_array();
    inner.end_object();
    if (fields != "{}") json.key("additionalModelRequestFields").raw(fields);
    return thinks;
  }

  void write_message(const Message& message, bool first, bool mark, std::string& out) const {
    if (!first) out += ',';
    JsonWriter json(out);
    const bool user = message.role == Role::user;
    json.begin_object().field("role", user ? "user" : "assistant").key("content").begin_array();
    const bool has_content = user ? write_user(json, message, caches_) : write_assistant(json, message, message.provider == name());
    if (!has_content) write_text(json, nothing);
    if (mark) write_mark(json);
    json.end_array().end_object();
  }

  const bool caches_;
};

}  // namespace

std::shared_ptr<const Provider> make_bedrock(std::string_view variant) {
  if (variant != with_cache && variant != without_cache) return nullptr;
  return std::make_shared<Bedrock>(variant == with_cache);
}

std::string_view bedrock_variant(std::string_view model) {
  return is_claude(model) || model.find("nova") != model.npos ? with_cache : without_cache;
}

}  // namespace joey

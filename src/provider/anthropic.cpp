// The Anthropic Messages API, version 2023-06-01: POST /v1/messages.
#include "provider/anthropic.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view wire_name = "anthropic";
constexpr std::string_view vendor_url = "https://api.anthropic.com";

// --- thinking ---------------------------------------------------------------------------------------------------------

// How models of a family are told to think.
struct Thinking {
  std::string_view model;   // what ids begin with; of several that fit, the longest decides
  std::string_view levels;  // of output_config.effort, beside adaptive thinking; empty: by a budget of tokens
  std::string_view rest{"disabled"};  // how it is told not to; empty: it always thinks
  bool shown{true};                   // what it thought comes without being asked for
  // What it thought is refused once anything before it has changed, as by another mode or a reduced window, unless the
  // vendor is asked to drop it then.
  bool bound{false};
};

// As published in November 2026. Models not named here do not think.
constexpr auto families = std::to_array<Thinking>({
    {"claude-3-7", ""},
    {"claude-opus-4", ""},
    {"claude-sonnet-4", ""},
    {"claude-haiku-4", ""},
    {"claude-opus-4-6", "low medium high max"},
    {"claude-sonnet-4-6", "low medium high max"},
    {"claude-opus-4-7", "low medium high xhigh max", "disabled", false},
    {"claude-opus-4-8", "low medium high xhigh max", "disabled", false},
    {"claude-opus-5", "low medium high xhigh max", "disabled", false},
    {"claude-opus-5-5", "low medium high xhigh max", "", false, true},
    {"claude-sonnet-5", "low medium high xhigh max", "disabled", false},
    {"claude-sonnet-5-5", "low medium high xhigh max", "between_tools", false, true},
    {"claude-haiku-5", "low medium high xhigh max", "disabled", false},
    {"claude-fable", "low medium high xhigh max", "", false},
    {"claude-fable-5-", "low medium high xhigh max", "", false, true},
    {"claude-mythos", "low medium high xhigh max", "", false},
    {"claude-mythos-5-", "low medium high xhigh max", "", false, true},
});

constexpr std::int64_t budget_min = 1'024;  // the vendor's

const Thinking* thinking_of(std::string_view model) {
  if (const std::size_t claude = model.find("claude-"); claude != model.npos) model.remove_prefix(claude);
  const Thinking* found = nullptr;
  for (const Thinking& family : families) {
    if (model.starts_with(family.model) && (!found || family.model.size() > found->model.size())) found = &family;
  }
  return found;
}

std::int64_t budget_of(std::string_view effort) {
  if (effort == "minimal") return budget_min;
  if (effort == "low") return 4'096;
  if (effort == "medium") return 10'000;
  return effort == "high" ? 20'000 : 32'000;
}

// Returns whether the model was asked to think: it then takes no temperature.
bool write_thinking(JsonWriter& json, const ModelParams& params) {
  const Thinking* family = thinking_of(params.model);
  const std::string_view wanted = params.reasoning_effort;
  if (!family || (wanted.empty() && !family->bound)) return false;
  if (family->levels.empty()) {
    // The budget is a part of what may be written.
    const std::int64_t budget = std::min(budget_of(wanted), params.output_tokens_max - budget_min);
    if (wanted == "none" || budget < budget_min) return false;
    json.key("thinking").begin_object().field("type", "enabled").field("budget_tokens", budget).end_object();
    return true;
  }
  const bool rests = wanted == "none" && !family->rest.empty();
  json.key("thinking").begin_object().field("type", rests ? family->rest : "adaptive");
  if (!rests && !family->shown) json.field("display", "summarized");
  if (family->bound) json.key("block_binding").begin_object().field("prefix_mismatch_behavior", "drop_block").end_object();
  json.end_object();
  if (rests) return false;
  if (wanted.empty()) return true;
  json.key("output_config").begin_object().field("effort", nearest_level(family->levels, wanted)).end_object();
  return true;
}

// --- encoding --------------------------------------------------------------------------------------------------------

// Caches the prompt up to here for five minutes, longer with every use.
void write_cache_control(JsonWriter& json) {
  json.key("cache_control").begin_object().field("type", "ephemeral").end_object();
}

void write_text(JsonWriter& json, std::string_view text) {
  json.begin_object().field("type", "text").field("text", text).end_object();
}

void write_image(JsonWriter& json, const Image& image) {
  json.begin_object().field("type", "image").key("source").begin_object();
  json.field("type", "base64").field("media_type", image.media_type).field("data", image.base64);
  json.end_object().end_object();
}

void write_tool(JsonWriter& json, const ToolSpec& tool, bool ends_cached_prefix) {
  json.begin_object().field("name", tool.name).field("description", tool.description);
  json.key("input_schema").raw(wire_parameters(tool));
  if (ends_cached_prefix) write_cache_control(json);
  json.end_object();
}

void write_call(JsonWriter& json, const ToolCall& call) {
  json.begin_object().field("type", "tool_use").field("id", call.id).field("name", wire_tool_name(call.name));
  json.key("input").raw(wire_arguments(call)).end_object();
}

void write_result(JsonWriter& json, const ToolResult& result) {
  json.begin_object().field("type", "tool_result").field("tool_use_id", result.call_id);
  if (result.error) json.field("is_error", true);
  if (result.images.empty()) {
    if (says_something(result.text)) json.field("content", result.text);
  } else {
    json.key("content").begin_array();
    if (says_something(result.text)) write_text(json, result.text);
    for (const Image& image : result.images) write_image(json, image);
    json.end_array();
  }
  json.end_object();
}

void write_reasoning(JsonWriter& json, const Reasoning& reasoning) {
  json.begin_object();
  if (reasoning.redacted) {
    json.field("type", "redacted_thinking").field("data", reasoning.signature);
  } else {
    json.field("type", "thinking").field("thinking", reasoning.text).field("signature", reasoning.signature);
  }
  json.end_object();
}

// Returns whether the block is content by itself, which reasoning is not. Reasoning goes back only to who signed it.
bool write_block(JsonWriter& json, const Block& block, bool own) {
  if (const auto* text = std::get_if<Text>(&block)) {
    if (!says_something(text->text)) return false;
    write_text(json, text->text);
  } else if (const auto* image = std::get_if<Image>(&block)) {
    write_image(json, *image);
  } else if (const auto* call = std::get_if<ToolCall>(&block)) {
    write_call(json, *call);
  } else if (const auto* result = std::get_if<ToolResult>(&block)) {
    write_result(json, *result);
  } else {
    const auto* reasoning = std::get_if<Reasoning>(&block);
    if (reasoning && own && !reasoning->signature.empty()) write_reasoning(json, *reasoning);
    return false;  // as is a part of another vendor's own
  }
  return true;
}

// --- decoding --------------------------------------------------------------------------------------------------------

StopReason stop_reason(std::string_view name) {
  if (name == "end_turn" || name == "stop_sequence") return StopReason::end_turn;
  if (name == "tool_use") return StopReason::tool_calls;
  if (name == "max_tokens" || name == "model_context_window_exceeded") return StopReason::max_tokens;
  if (name == "refusal") return StopReason::refusal;
  return StopReason::other;
}

// The stream counts up: each report replaces what it mentions.
void read_usage(dom::object usage, Usage& out) {
  const auto take = [](dom::object from, std::string_view name, std::int64_t& to) {
    if (const auto count = count_at(from, name)) to = *count;
  };
  take(usage, "input_tokens", out.input);
  take(usage, "output_tokens", out.output);
  take(usage, "cache_read_input_tokens", out.cache_read);
  take(usage, "cache_creation_input_tokens", out.cache_write);
  if (const auto details = object_at(usage, "output_tokens_details")) take(*details, "thinking_tokens", out.reasoning);
}

class AnthropicDecoder final : public EventDecoder {
 public:
  using EventDecoder::EventDecoder;

 private:
  enum class Kind : std::uint8_t { text, thinking, call };

  // A block between its start and its stop.
  struct OpenBlock {
    std::int64_t index;  // the stream's
    Kind kind;
    std::size_t at;  // in the Reply's blocks; a call's number for Kind::call
    std::string whole_input;  // the arguments of a call that came whole in its start, as some servers send it
  };

  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;

  void on_message(dom::object message);
  void read_stop(dom::object from);
  Outcome on_block_start(dom::object event, StreamSink& sink);
  Outcome on_block_delta(dom::object event, StreamSink& sink);
  Outcome on_block_stop(dom::object event, StreamSink& sink);
  Outcome start_block(std::int64_t index, dom::object block, StreamSink& sink);
  Outcome stop_block(std::vector<OpenBlock>::iterator block, StreamSink& sink);
  std::vector<OpenBlock>::iterator find_open(dom::object event);

  std::vector<OpenBlock> open_;
};

Outcome AnthropicDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  const std::string_view type = text_at(event, "type");
  if (type == "content_block_delta") return on_block_delta(event, sink);
  if (type == "content_block_start") return on_block_start(event, sink);
  if (type == "content_block_stop") return on_block_stop(event, sink);
  if (type == "message_start") {
    // Some gateways send it twice; the second says the same.
    if (const auto message = object_at(event, "message")) on_message(*message);
  } else if (type == "message_delta") {
    if (const auto usage = object_at(event, "usage")) read_usage(*usage, builder_.reply().usage);
    if (const auto delta = object_at(event, "delta")) {
      read_stop(*delta);
    }
  } else if (type == "message_stop") {
    while (!open_.empty()) {
      if (auto stopped = stop_block(open_.begin(), sink); !stopped) return stopped;
    }
    done_ = true;
  } else if (type == "error" || (type.empty() && object_at(event, "error"))) {
    return tl::unexpected(error_from_event(event));
  }
  return {};  // pings, and what later versions may add
}

void AnthropicDecoder::on_message(dom::object message) {
  builder_.reply().model = text_at(message, "model").substr(0, 256);
  if (const auto usage = object_at(message, "usage")) read_usage(*usage, builder_.reply().usage);
  read_stop(message);
}

void AnthropicDecoder::read_stop(dom::object from) {
  const std::string_view reason = text_at(from, "stop_reason");
  if (!reason.empty()) builder_.reply().stop = stop_reason(reason);
}

Outcome AnthropicDecoder::on_block_start(dom::object event, StreamSink& sink) {
  const auto block = object_at(event, "content_block");
  if (!block) return {};
  return start_block(count_at(event, "index").value_or(0), *block, sink);
}

Outcome AnthropicDecoder::start_block(std::int64_t index, dom::object block, StreamSink& sink) {
  const std::string_view type = text_at(block, "type");
  if (type == "text") {
    if (auto opened = builder_.open(Text{}); !opened) return opened;
    open_.push_back({index, Kind::text, builder_.reply().blocks.size() - 1, {}});
    return builder_.text_at(open_.back().at, text_at(block, "text"), sink);
  }
  if (type == "thinking") {
    if (auto opened = builder_.open(Reasoning{}); !opened) return opened;
    open_.push_back({index, Kind::thinking, builder_.reply().blocks.size() - 1, {}});
    if (auto added = builder_.signature_at(open_.back().at, text_at(block, "signature")); !added) return added;
    return builder_.reasoning_at(open_.back().at, text_at(block, "thinking"), sink);
  }
  if (type == "redacted_thinking") {
    if (auto opened = builder_.open(Reasoning{{}, {}, true}); !opened) return opened;
    return builder_.signature_at(builder_.reply().blocks.size() - 1, text_at(block, "data"));
  }
  if (type == "tool_use") {
    if (auto opened = builder_.open_call(text_at(block, "id"), text_at(block, "name"), sink); !opened) return opened;
    open_.push_back({index, Kind::call, builder_.calls() - 1, {}});
    if (const auto input = object_at(block, "input"); input && input->size() > 0) {
      open_.back().whole_input = simdjson::minify(*input);
    }
  }
  return {};  // what the vendor's own tools say is not for us; deltas of a block not open are passed over
}

std::vector<AnthropicDecoder::OpenBlock>::iterator AnthropicDecoder::find_open(dom::object event) {
  const std::int64_t index = count_at(event, "index").value_or(0);
  return std::find_if(open_.begin(), open_.end(), [&](const OpenBlock& block) { return block.index == index; });
}

Outcome AnthropicDecoder::on_block_delta(dom::object event, StreamSink& sink) {
  const auto block = find_open(event);
  const auto delta = object_at(event, "delta");
  if (block == open_.end() || !delta) return {};
  const std::string_view type = text_at(*delta, "type");
  if (block->kind == Kind::text && type == "text_delta") {
    return builder_.text_at(block->at, text_at(*delta, "text"), sink);
  }
  if (block->kind == Kind::thinking && type == "thinking_delta") {
    return builder_.reasoning_at(block->at, text_at(*delta, "thinking"), sink);
  }
  if (block->kind == Kind::thinking && type == "signature_delta") {
    return builder_.signature_at(block->at, text_at(*delta, "signature"));
  }
  if (block->kind == Kind::call && type == "input_json_delta") {
    return builder_.arguments(block->at, text_at(*delta, "partial_json"), sink);
  }
  return {};
}

Outcome AnthropicDecoder::on_block_stop(dom::object event, StreamSink& sink) {
  const auto block = find_open(event);
  if (block == open_.end()) return {};
  return stop_block(block, sink);
}

Outcome AnthropicDecoder::stop_block(std::vector<OpenBlock>::iterator block, StreamSink& sink) {
  const OpenBlock stopped = std::move(*block);
  open_.erase(block);
  if (stopped.kind != Kind::call) return {};
  if (builder_.call(stopped.at).arguments.empty()) {
    if (auto added = builder_.arguments(stopped.at, stopped.whole_input, sink); !added) return added;
  }
  builder_.close_call(stopped.at, sink);
  return {};
}

Outcome AnthropicDecoder::on_body(dom::object body, StreamSink& sink) {
  if (text_at(body, "type") == "error" || object_at(body, "error")) return tl::unexpected(error_from_event(body));
  dom::array content;
  if (body.at_key("content").get(content) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("is JSON but not a message"));
  }
  on_message(body);
  for (const dom::element element : content) {
    dom::object block;
    if (element.get(block) != simdjson::SUCCESS) continue;
    if (auto started = start_block(0, block, sink); !started) return started;
    if (open_.empty()) continue;
    if (auto stopped = stop_block(open_.begin(), sink); !stopped) return stopped;
  }
  done_ = true;
  return {};
}

// --- the provider ----------------------------------------------------------------------------------------------------

class Anthropic final : public Provider {
 public:
  std::string_view name() const override { return wire_name; }

  // The vendor renders tools, system, messages, in that order. The first breakpoint keeps tools and system when the
  // messages change; the one at the top level is placed by the vendor at the end of the messages, and moves with it.
  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("model", params.model);
    json.field("max_tokens", std::max<std::int64_t>(params.output_tokens_max, 1)).field("stream", true);
    const bool thinks = write_thinking(json, params);
    if (!thinks && params.temperature >= 0 && model_info(params.model).temperature) {
      json.field("temperature", params.temperature);
    }
    write_cache_control(json);
    const bool has_system = says_something(prompt.system);
    if (!prompt.tools.empty()) {
      json.key("tools").begin_array();
      for (const ToolSpec& tool : prompt.tools) write_tool(json, tool, !has_system && &tool == &prompt.tools.back());
      json.end_array();
    }
    if (has_system) {
      json.key("system").begin_array().begin_object().field("type", "text").field("text", prompt.system);
      write_cache_control(json);
      json.end_object().end_array();
    }
    json.key("messages").begin_array();
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override {
    if (!first) out += ',';
    JsonWriter json(out);
    json.begin_object().field("role", message.role == Role::user ? "user" : "assistant").key("content").begin_array();
    const bool own = message.role == Role::assistant && message.provider == wire_name;
    bool has_content = false;
    for (const Block& block : message.blocks) has_content |= write_block(json, block, own);
    if (!has_content) write_text(json, nothing);
    json.end_array().end_object();
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view model) const override {
    Endpoint out{wire_url(base_url.empty() ? vendor_url : base_url, "/v1", "/messages"),
                 {{"content-type", "application/json"},
                  {"accept", "text/event-stream"},
                  {"anthropic-version", "2023-06-01"}}};
    const Thinking* family = thinking_of(model);
    // Models that think by a budget do so between calls only when asked; the others always do.
    if (family && family->levels.empty()) out.headers.push_back({"anthropic-beta", "interleaved-thinking-2025-05-14"});
    if (family && family->bound) out.headers.push_back({"anthropic-beta", "thinking-binding-controls-2026-08-01"});
    return out;
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    return {{{"x-api-key", std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<AnthropicDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return error_from_answer(status, headers, body);
  }
};

}  // namespace

std::shared_ptr<const Provider> make_anthropic() { return std::make_shared<Anthropic>(); }

}  // namespace joey

// Ollama's own API: POST /api/chat. Unlike its imitation of OpenAI's, it can be told how large a window the model gets; without
// that it cuts conversations off at their beginning, and says nothing.
#include "provider/ollama.hpp"

#include <algorithm>
#include <utility>

#include "base/json.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view name_of_wire = "ollama";
constexpr std::string_view vendor_url = "http://127.0.0.1:11434";

// --- encoding --------------------------------------------------------------------------------------------------------

// Most models think or do not; a few can be told how much.
void write_thinking(JsonWriter& json, std::string_view model, std::string_view wanted) {
  if (wanted.empty()) return;
  if (model.starts_with("gpt-oss")) {
    json.field("think", nearest_level("low medium high", wanted));
  } else {
    json.field("think", wanted != "none");
  }
}

void write_tools(JsonWriter& json, const std::vector<ToolSpec>& tools) {
  if (tools.empty()) return;
  json.key("tools").begin_array();
  for (const ToolSpec& tool : tools) {
    json.begin_object().field("type", "function").key("function").begin_object();
    json.field("name", tool.name).field("description", tool.description);
    json.key("parameters").raw(normalised_schema(tool.parameters, SchemaDialect::openai)).end_object().end_object();
  }
  json.end_array();
}

void add_text(std::string& to, std::string_view text) {
  if (!says_something(text)) return;
  if (!to.empty()) to += "\n\n";
  to += text;
}

// `own`: what was thought is this server's models', whose templates show it to them again where they want it.
void write_assistant(JsonWriter& json, const Message& message, bool own) {
  std::string text;
  std::string thought;
  bool has_calls = false;
  for (const Block& block : message.blocks) {
    if (const auto* said = std::get_if<Text>(&block)) add_text(text, said->text);
    if (const auto* reasoning = std::get_if<Reasoning>(&block); reasoning && own) add_text(thought, reasoning->text);
    has_calls |= std::holds_alternative<ToolCall>(block);
  }
  json.begin_object().field("role", "assistant").field("content", text.empty() && !has_calls ? nothing : std::string_view(text));
  if (!thought.empty()) json.field("thinking", thought);
  if (has_calls) {
    json.key("tool_calls").begin_array();
    for (const Block& block : message.blocks) {
      const auto* call = std::get_if<ToolCall>(&block);
      if (call == nullptr) continue;
      json.begin_object().key("function").begin_object().field("name", wire_tool_name(call->name));
      json.key("arguments").raw(wire_arguments(*call)).end_object().end_object();
    }
    json.end_array();
  }
  json.end_object();
}

// The results, each by itself and named by its tool, for there are no ids; then what the person said, with all images.
void write_user(JsonWriter& json, const Message& message) {
  std::string text;
  std::vector<const Image*> images;
  bool has_results = false;
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) {
      json.begin_object().field("role", "tool").field("tool_name", wire_tool_name(result->tool));
      json.field("content", says_something(result->text) ? std::string_view(result->text) : nothing).end_object();
      for (const Image& image : result->images) images.push_back(&image);
      has_results = true;
    } else if (const auto* image = std::get_if<Image>(&block)) {
      images.push_back(image);
    } else if (const auto* said = std::get_if<Text>(&block)) {
      add_text(text, said->text);
    }
  }
  if (has_results && text.empty() && images.empty()) return;
  if (text.empty()) text = has_results ? "The images of these results:" : std::string(nothing);
  json.begin_object().field("role", "user").field("content", text);
  if (!images.empty()) {
    json.key("images").begin_array();
    for (const Image* image : images) json.value(image->base64);
    json.end_array();
  }
  json.end_object();
}

// --- decoding --------------------------------------------------------------------------------------------------------

class OllamaDecoder final : public EventDecoder {
 public:
  explicit OllamaDecoder(const DecodeLimits& limits) : EventDecoder(limits, Framing::lines) {}

 private:
  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override { return on_event({}, body, sink); }
  Outcome on_message(dom::object message, StreamSink& sink);
  Outcome on_call(dom::object call, StreamSink& sink);
  Outcome add(std::string_view thought, std::string_view text, StreamSink& sink);
  void end(dom::object event);
};

Outcome OllamaDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  dom::element error;
  if (event.at_key("error").get(error) == simdjson::SUCCESS) return tl::unexpected(error_from_event(event));
  if (builder_.reply().model.empty()) builder_.reply().model = text_at(event, "model").substr(0, 256);
  if (const auto message = object_at(event, "message")) {
    if (auto outcome = on_message(*message, sink); !outcome) return outcome;
  }
  bool done = false;
  if (event.at_key("done").get(done) == simdjson::SUCCESS && done) end(event);
  return {};
}

Outcome OllamaDecoder::on_message(dom::object message, StreamSink& sink) {
  if (auto added = add(text_at(message, "thinking"), text_at(message, "content"), sink); !added) return added;
  dom::array calls;
  if (message.at_key("tool_calls").get(calls) != simdjson::SUCCESS) return {};
  for (const dom::element element : calls) {
    dom::object call;
    if (element.get(call) != simdjson::SUCCESS) continue;
    if (auto outcome = on_call(call, sink); !outcome) return outcome;
  }
  return {};
}

Outcome OllamaDecoder::add(std::string_view thought, std::string_view text, StreamSink& sink) {
  const std::vector<Block>& blocks = builder_.reply().blocks;
  if (!thought.empty()) {
    if (blocks.empty() || !std::holds_alternative<Reasoning>(blocks.back())) {
      if (auto opened = builder_.open(Reasoning{}); !opened) return opened;
    }
    if (auto added = builder_.reasoning_at(blocks.size() - 1, thought, sink); !added) return added;
  }
  if (text.empty()) return {};
  if (blocks.empty() || !std::holds_alternative<Text>(blocks.back())) {
    if (auto opened = builder_.open(Text{}); !opened) return opened;
  }
  return builder_.text_at(blocks.size() - 1, text, sink);
}

// A call comes whole.
Outcome OllamaDecoder::on_call(dom::object call, StreamSink& sink) {
  const auto function = object_at(call, "function");
  if (!function) return {};
  if (auto opened = builder_.open_call(text_at(call, "id"), text_at(*function, "name"), sink); !opened) return opened;
  const std::size_t number = builder_.calls() - 1;
  dom::element arguments;
  if (function->at_key("arguments").get(arguments) == simdjson::SUCCESS) {
    // As text, too, from models that write it twice encoded.
    std::string_view text;
    const std::string json = arguments.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(arguments);
    if (auto added = builder_.arguments(number, json, sink); !added) return added;
  }
  builder_.close_call(number, sink);
  return {};
}

void OllamaDecoder::end(dom::object event) {
  const auto count = [&](std::string_view key) {
    std::int64_t number = 0;
    return event.at_key(key).get(number) == simdjson::SUCCESS ? std::max<std::int64_t>(number, 0) : 0;
  };
  builder_.reply().usage.input = count("prompt_eval_count");
  builder_.reply().usage.output = count("eval_count");
  const std::string_view reason = text_at(event, "done_reason");
  builder_.reply().stop = reason == "length" ? StopReason::max_tokens : reason.empty() || reason == "stop" ? StopReason::end_turn : StopReason::other;
  done_ = true;
}

class Ollama final : public Provider {
 public:
  std::string_view name() const override { return name_of_wire; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("model", params.model).field("stream", true);
    write_thinking(json, params.model, params.reasoning_effort);
    json.key("options").begin_object();
    // More costs memory, less cuts the conversation.
    if (params.context_window > 0) json.field("num_ctx", params.context_window);
    json.field("num_predict", std::max<std::int64_t>(params.output_tokens_max, 1));
    if (params.temperature >= 0) json.field("temperature", params.temperature);
    json.end_object();
    write_tools(json, prompt.tools);
    json.key("messages").begin_array();
    if (says_something(prompt.system)) {
      json.begin_object().field("role", "system").field("content", prompt.system).end_object();
      out += ',';  // the first message follows, without one of its own
    }
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override {
    if (!first) out += ',';
    JsonWriter json(out);
    if (message.role == Role::assistant) {
      write_assistant(json, message, message.provider == name_of_wire);
    } else {
      write_user(json, message);
    }
  }

  std::string encode_tail() const override { return "]}"; }

  // The address of the imitation of OpenAI's API is taken for that of the server.
  Endpoint endpoint(std::string_view base_url, std::string_view) const override {
    std::string_view base = base_url.empty() ? vendor_url : base_url;
    while (base.ends_with('/')) base.remove_suffix(1);
    if (base.ends_with("/v1")) base.remove_suffix(3);
    if (base.ends_with("/api")) base.remove_suffix(4);
    return {wire_url(base, "", "/api/chat"), {{"content-type", "application/json"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<OllamaDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    ModelError error = error_from_answer(status, headers, body);
    if (status == 404 && error.message.find("not found") != std::string::npos) {
      error.message += ": fetch it with `ollama pull`";
    } else if (error.message.find("does not support tools") != std::string::npos) {
      error.message += ": choose one that calls tools, as those at ollama.com/search?c=tools";
    } else if (error.message.find("does not support thinking") != std::string::npos) {
      error.message += ": leave the reasoning effort out";
    }
    return error;
  }
};

}  // namespace

std::shared_ptr<const Provider> make_ollama() { return std::make_shared<Ollama>(); }

}  // namespace joey

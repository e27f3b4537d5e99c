// The OpenAI Chat Completions API: POST /v1/chat/completions. The same wire serves OpenRouter, Ollama, LM Studio,
// llama.cpp, vLLM and most vendors; what differs is small, and is in the table of dialects or tolerated when read.
#include "provider/openai.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view vendor_url = "https://api.openai.com/v1";

struct Dialect {
  std::string_view name;
  bool stream_options;   // sends usage only when asked to; Mistral sends it always, and refuses to be asked
  bool reasoning_back;   // refuses a conversation whose tool calls come back without their reasoning
  bool text_in_results;  // refuses a user message after tool results, or forgets why it called: text joins the last
  bool cache_control;    // passes Anthropic's breakpoint on
};

constexpr std::array<Dialect, 4> dialects{{
    {"openai", true, false, false, false},
    {"openrouter", true, false, false, true},
    {"deepseek", true, true, true, false},
    {"mistral", false, false, true, false},
}};

// --- encoding --------------------------------------------------------------------------------------------------------

// OpenAI's own reasoning models: they refuse max_tokens and any temperature. Everybody else knows max_tokens, and some
// know nothing else (Mistral refuses max_completion_tokens; Ollama and LM Studio overlook it, and then answer without
// end). Behind a vendor prefix there is a gateway, and gateways translate.
bool is_openai_reasoning(std::string_view model) {
  const auto digit = [&](std::size_t at) { return at < model.size() && model[at] >= '0' && model[at] <= '9'; };
  if (model.starts_with("gpt-")) return digit(4) && (model[4] >= '5' || digit(5));
  return model.starts_with('o') && digit(1);
}

void write_text(JsonWriter& json, std::string_view text) {
  json.begin_object().field("type", "text").field("text", text).end_object();
}

void write_image(JsonWriter& json, const Image& image) {
  json.begin_object().field("type", "image_url").key("image_url").begin_object();
  json.field("url", "data:" + image.media_type + ";base64," + image.base64).end_object().end_object();
}

void write_call(JsonWriter& json, const ToolCall& call) {
  json.begin_object().field("id", call.id).field("type", "function").key("function").begin_object();
  json.field("name", wire_tool_name(call.name)).field("arguments", wire_arguments(call)).end_object().end_object();
}

void write_assistant(JsonWriter& json, const Message& message, const Dialect& dialect) {
  std::string text, reasoning;
  bool has_calls = false;
  for (const Block& block : message.blocks) {
    if (const auto* said = std::get_if<Text>(&block)) text += said->text;
    if (const auto* thought = std::get_if<Reasoning>(&block)) reasoning += thought->text;
    has_calls |= std::holds_alternative<ToolCall>(block);
  }
  json.begin_object().field("role", "assistant").key("content");
  if (says_something(text)) {
    json.value(text);
  } else if (has_calls) {
    json.null();
  } else {
    json.value(nothing);
  }
  if (dialect.reasoning_back && has_calls) {
    json.field("reasoning_content", message.provider == dialect.name ? reasoning : std::string());
  }
  if (has_calls) {
    json.key("tool_calls").begin_array();
    for (const Block& block : message.blocks) {
      if (const auto* call = std::get_if<ToolCall>(&block)) write_call(json, *call);
    }
    json.end_array();
  }
  json.end_object();
}

// Texts and images of a user message, and the images of its tool results, which the `tool` role cannot hold. Plain text
// goes as a string, which every server understands.
void write_user(JsonWriter& json, const Message& message, bool with_text) {
  std::string text;
  bool has_images = false, has_results = false;
  for (const Block& block : message.blocks) {
    const auto* said = std::get_if<Text>(&block);
    if (said && with_text && says_something(said->text)) text += (text.empty() ? "" : "\n\n") + said->text;
    const auto* result = std::get_if<ToolResult>(&block);
    has_images |= std::holds_alternative<Image>(block) || (result && !result->images.empty());
    has_results |= result != nullptr;
  }
  if (!has_images && text.empty() && has_results) return;
  json.begin_object().field("role", "user").key("content");
  if (!has_images) {
    json.value(text.empty() ? nothing : std::string_view(text)).end_object();
    return;
  }
  json.begin_array();
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block); result && !result->images.empty()) {
      write_text(json, "Images of the result of tool call " + result->call_id + ":");
      for (const Image& image : result->images) write_image(json, image);
    } else if (const auto* image = std::get_if<Image>(&block)) {
      write_image(json, *image);
    } else if (const auto* said = std::get_if<Text>(&block); said && with_text && says_something(said->text)) {
      write_text(json, said->text);
    }
  }
  json.end_array().end_object();
}

void write_result(JsonWriter& json, const ToolResult& result, std::string_view more) {
  std::string text = result.text;
  if (!more.empty()) text += (text.empty() ? "" : "\n\n") + std::string(more);
  json.begin_object().field("role", "tool").field("tool_call_id", result.call_id).field("content", text).end_object();
}

void write_user_turn(JsonWriter& json, const Message& message, const Dialect& dialect) {
  const ToolResult* last = nullptr;
  std::string said;
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) last = result;
    if (const auto* text = std::get_if<Text>(&block)) said += (said.empty() ? "" : "\n\n") + text->text;
  }
  const bool joined = dialect.text_in_results && last;
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) {
      write_result(json, *result, joined && result == last ? std::string_view(said) : std::string_view());
    }
  }
  write_user(json, message, !joined);
}

// --- decoding --------------------------------------------------------------------------------------------------------

StopReason stop_reason(std::string_view name) {
  if (name == "stop" || name == "end_turn" || name == "eos") return StopReason::end_turn;
  if (name == "tool_calls" || name == "function_call") return StopReason::tool_calls;
  if (name == "length" || name == "max_tokens" || name == "model_length") return StopReason::max_tokens;
  if (name == "content_filter" || name == "refusal") return StopReason::refusal;
  return StopReason::other;
}

// Whether these arguments cannot go on.
bool is_whole(std::string_view arguments) { return !minified_json_object(arguments).empty(); }

double amount_at(dom::object parent, std::string_view name) {
  double amount = 0;
  return parent.at_key(name).get(amount) == simdjson::SUCCESS && amount > 0 ? amount : 0;
}

// Dollars: OpenRouter's `cost`, Perplexity's `cost.total_cost`, xAI's ticks of a ten-billionth.
double read_cost(dom::object usage) {
  if (const auto parts = object_at(usage, "cost")) return amount_at(*parts, "total_cost");
  const double cost = amount_at(usage, "cost");
  return cost > 0 ? cost : amount_at(usage, "cost_in_usd_ticks") * 1e-10;
}

Usage read_usage(dom::object usage) {
  const auto prompt = object_at(usage, "prompt_tokens_details");
  const auto completion = object_at(usage, "completion_tokens_details");
  const std::int64_t input = count_at(usage, "prompt_tokens").value_or(0);
  Usage out;
  out.output = count_at(usage, "completion_tokens").value_or(0);
  if (prompt) out.cache_read = count_at(*prompt, "cached_tokens").value_or(0);
  if (prompt) out.cache_write = count_at(*prompt, "cache_write_tokens").value_or(0);
  if (out.cache_read == 0) out.cache_read = count_at(usage, "prompt_cache_hit_tokens").value_or(0);  // DeepSeek
  if (completion) out.reasoning = count_at(*completion, "reasoning_tokens").value_or(0);
  // xAI counts reasoning beside the completion, everybody else inside it; the total tells.
  const std::int64_t total = count_at(usage, "total_tokens").value_or(0);
  if (out.reasoning > 0 && total == input + out.output + out.reasoning) out.output += out.reasoning;
  out.input = std::max<std::int64_t>(0, input - out.cache_read - out.cache_write);
  return out;
}

class OpenAiDecoder final : public EventDecoder {
 public:
  using EventDecoder::EventDecoder;

 private:
  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;
  void on_end(StreamSink& sink) override;
  // Many servers close the connection instead of sending [DONE].
  bool may_end() const override { return finished_; }

  Outcome on_choice(dom::object choice, StreamSink& sink);
  Outcome on_delta(dom::object delta, StreamSink& sink);
  Outcome on_content_parts(dom::array parts, StreamSink& sink);
  Outcome on_call(dom::object call, StreamSink& sink);
  std::size_t find_call(std::optional<std::int64_t> index, std::string_view id, std::string_view name);
  void close_whole_calls(StreamSink& sink);
  void close_calls(StreamSink& sink);

  std::vector<std::int64_t> call_indexes_;  // the stream's, of each call; -1: it had none
  bool finished_{false};                    // a finish_reason was seen
  bool refused_{false};
};

Outcome OpenAiDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  // One pass over the fields: a delta is small, and its cost is that of looking it up.
  for (const auto field : event) {
    if (field.key == "choices") {
      dom::array choices;
      if (field.value.get(choices) != simdjson::SUCCESS) continue;
      for (const dom::element element : choices) {
        dom::object choice;
        if (element.get(choice) != simdjson::SUCCESS) continue;
        if (auto outcome = on_choice(choice, sink); !outcome) return outcome;
      }
    } else if (field.key == "usage") {
      dom::object usage;
      if (field.value.get(usage) != simdjson::SUCCESS) continue;
      builder_.reply().usage = read_usage(usage);
      builder_.reply().cost_usd = read_cost(usage);
    } else if (field.key == "model") {
      std::string_view model;
      if (builder_.reply().model.empty() && field.value.get(model) == simdjson::SUCCESS) {
        builder_.reply().model = model.substr(0, 256);
      }
    } else if (field.key == "error") {
      if (!field.value.is_null()) return tl::unexpected(error_from_event(event));
    } else if (field.key == "object") {
      std::string_view object;
      if (field.value.get(object) == simdjson::SUCCESS && object == "error") {
        return tl::unexpected(error_from_event(event));
      }
    }
  }
  return {};
}

Outcome OpenAiDecoder::on_body(dom::object body, StreamSink& sink) {
  if (auto outcome = on_event({}, body, sink); !outcome) return outcome;
  if (dom::array choices; body.at_key("choices").get(choices) != simdjson::SUCCESS || choices.size() == 0) {
    return tl::unexpected(malformed_answer("is JSON but not a chat completion"));
  }
  finished_ = true;
  close_calls(sink);
  return {};
}

void OpenAiDecoder::on_end(StreamSink& sink) {
  if (finished_) return;
  builder_.reply().stop = refused_ ? StopReason::refusal : StopReason::end_turn;
  close_calls(sink);
}

Outcome OpenAiDecoder::on_choice(dom::object choice, StreamSink& sink) {
  std::optional<dom::object> delta, message;
  std::string_view finish;
  for (const auto field : choice) {
    if (field.key == "delta" || field.key == "message") {
      dom::object object;
      if (field.value.get(object) == simdjson::SUCCESS) (field.key == "delta" ? delta : message) = object;
    } else if (field.key == "finish_reason") {
      if (field.value.get(finish) != simdjson::SUCCESS) finish = {};
    } else if (field.key == "index") {
      if (count_of(field.value).value_or(0) != 0) return {};  // we ask for one answer
    }
  }
  // A server that repeats the whole message beside the last delta means the delta.
  if (!delta) delta = message;
  if (delta) {
    if (auto outcome = on_delta(*delta, sink); !outcome) return outcome;
  }
  if (!finish.empty()) {
    finished_ = true;
    builder_.reply().stop = refused_ ? StopReason::refusal : stop_reason(finish);
    close_calls(sink);
  }
  return {};
}

Outcome OpenAiDecoder::on_delta(dom::object delta, StreamSink& sink) {
  std::string_view content, reasoning, refusal;
  dom::array parts, calls;
  bool has_parts = false, has_calls = false;
  for (const auto field : delta) {
    if (field.key == "content") {
      if (field.value.get(content) != simdjson::SUCCESS) has_parts = field.value.get(parts) == simdjson::SUCCESS;
    } else if (field.key == "reasoning_content" || field.key == "reasoning") {
      // Two names for one thing; some servers send both.
      if (std::string_view text; reasoning.empty() && field.value.get(text) == simdjson::SUCCESS) reasoning = text;
    } else if (field.key == "refusal") {
      if (field.value.get(refusal) != simdjson::SUCCESS) refusal = {};
    } else if (field.key == "tool_calls") {
      has_calls = field.value.get(calls) == simdjson::SUCCESS;
    }
  }
  if (auto added = builder_.reasoning(reasoning, sink); !added) return added;
  if (auto added = builder_.text(content, sink); !added) return added;
  if (has_parts) {
    if (auto added = on_content_parts(parts, sink); !added) return added;
  }
  if (!refusal.empty()) {
    refused_ = true;
    if (auto added = builder_.text(refusal, sink); !added) return added;
  }
  if (!has_calls) return {};
  for (const dom::element element : calls) {
    dom::object call;
    if (element.get(call) != simdjson::SUCCESS) continue;
    if (auto added = on_call(call, sink); !added) return added;
  }
  return {};
}

// Mistral's content: parts of text, and of thinking that holds parts of text itself.
Outcome OpenAiDecoder::on_content_parts(dom::array parts, StreamSink& sink) {
  for (const dom::element element : parts) {
    dom::object part;
    if (element.get(part) != simdjson::SUCCESS) continue;
    if (auto added = builder_.text(text_at(part, "text"), sink); !added) return added;
    dom::array thoughts;
    if (part.at_key("thinking").get(thoughts) != simdjson::SUCCESS) continue;
    for (const dom::element inner : thoughts) {
      dom::object thought;
      if (inner.get(thought) != simdjson::SUCCESS) continue;
      if (auto added = builder_.reasoning(text_at(thought, "text"), sink); !added) return added;
    }
  }
  return {};
}

Outcome OpenAiDecoder::on_call(dom::object call, StreamSink& sink) {
  const std::string_view id = text_at(call, "id");
  const auto index = count_at(call, "index");
  const dom::object function = object_at(call, "function").value_or(call);
  const std::string_view name = text_at(function, "name");
  std::size_t number = find_call(index, id, name);
  if (number == builder_.calls()) {
    close_whole_calls(sink);
    if (auto opened = builder_.open_call(id, name, sink); !opened) return opened;
    call_indexes_.push_back(index.value_or(-1));
  } else {
    ToolCall& known = builder_.call(number);
    if (known.id.empty()) known.id = id.substr(0, 256);
    if (known.name.empty()) known.name = name.substr(0, 256);
  }
  dom::element arguments;
  if (function.at_key("arguments").get(arguments) != simdjson::SUCCESS) return {};
  std::string_view text;
  if (arguments.get(text) == simdjson::SUCCESS) return builder_.arguments(number, text, sink);
  // Ollama's own servers give an object instead of its text.
  return arguments.is_object() ? builder_.arguments(number, simdjson::minify(arguments), sink) : Outcome();
}

// The call that a fragment continues; builder_.calls() when it starts one. Servers agree on little here: the index may
// be missing or always 0, the id may be missing, empty or repeated.
std::size_t OpenAiDecoder::find_call(std::optional<std::int64_t> index, std::string_view id, std::string_view name) {
  const std::size_t none = builder_.calls();
  std::size_t found = none;
  for (std::size_t i = none; i-- > 0 && found == none;) {
    const bool same_id = !id.empty() && builder_.call(i).id == id;
    if (index ? call_indexes_[i] == *index : same_id || (id.empty() && name.empty())) found = i;
  }
  if (found == none) return none;
  const ToolCall& call = builder_.call(found);
  if (!id.empty() && !call.id.empty()) return call.id == id ? found : none;
  if (name.empty() || call.name.empty() || !id.empty()) return found;
  // A name again, and no id to tell whether it is repeated or the next call's: arguments that are whole do not go on.
  // (Bounded, because this is asked at every fragment.)
  constexpr std::size_t looked_at_max = 4096;
  const bool whole = call.arguments.size() <= looked_at_max && is_whole(call.arguments);
  return whole || name != call.name ? none : found;
}

// Another call starts. Nothing says that those before it are complete, but what is a whole object cannot go on.
void OpenAiDecoder::close_whole_calls(StreamSink& sink) {
  const std::size_t last = builder_.calls();
  if (last > 0 && is_whole(builder_.call(last - 1).arguments)) builder_.close_call(last - 1, sink);
}

void OpenAiDecoder::close_calls(StreamSink& sink) {
  for (std::size_t i = 0; i < builder_.calls(); ++i) builder_.close_call(i, sink);
}

// --- the provider ----------------------------------------------------------------------------------------------------

class OpenAi final : public Provider {
 public:
  explicit OpenAi(const Dialect& dialect) : dialect_(dialect) {}

  std::string_view name() const override { return dialect_.name; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("model", params.model).field("stream", true);
    if (dialect_.stream_options) json.key("stream_options").begin_object().field("include_usage", true).end_object();
    const bool reasons = is_openai_reasoning(params.model);
    json.field(reasons ? "max_completion_tokens" : "max_tokens", std::max<std::int64_t>(params.output_tokens_max, 1));
    if (params.temperature >= 0 && !reasons && model_info(params.model).temperature) {
      json.field("temperature", params.temperature);
    }
    if (dialect_.cache_control && params.model.starts_with("anthropic/")) {
      json.key("cache_control").begin_object().field("type", "ephemeral").end_object();
    }
    if (!prompt.tools.empty()) {
      json.key("tools").begin_array();
      for (const ToolSpec& tool : prompt.tools) {
        json.begin_object().field("type", "function").key("function").begin_object();
        json.field("name", tool.name).field("description", tool.description);
        json.key("parameters").raw(normalised_schema(tool.parameters, SchemaDialect::openai)).end_object().end_object();
      }
      json.end_array();
    }
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
      write_assistant(json, message, dialect_);
    } else {
      write_user_turn(json, message, dialect_);
    }
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view) const override {
    return {wire_url(base_url.empty() ? vendor_url : base_url, "/v1", "/chat/completions"),
            {{"content-type", "application/json"}, {"accept", "text/event-stream"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<OpenAiDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return error_from_answer(status, headers, body);
  }

 private:
  const Dialect& dialect_;
};

}  // namespace

std::shared_ptr<const Provider> make_openai(std::string_view dialect) {
  const auto is_it = [&](const Dialect& d) { return d.name == dialect; };
  const auto found = std::find_if(dialects.begin(), dialects.end(), is_it);
  return found == dialects.end() ? nullptr : std::make_shared<OpenAi>(*found);
}

}  // namespace joey

// The OpenAI Responses API: POST /v1/responses. Used without the server's memory of conversations (store is false): every
// request holds the whole of it, and what the model thought comes back encrypted.
#include "provider/responses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/json.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

struct Variant {
  std::string_view name;
  std::string_view vendor_url{"https://api.openai.com/v1"};  // of Azure each customer has another
  std::string_view version{"/v1"};                           // of an address that is only a host
  SchemaDialect schemas{SchemaDialect::openai};
  bool api_key_header{false};   // Azure takes the key in a header of its own
  bool cache_key{true};         // xAI wants one a conversation, which a head does not know
  bool summaries{true};         // xAI summarises without being asked
  bool always_encrypts{false};  // OpenAI refuses to be asked for what a model that does not think thought
};

constexpr std::array<Variant, 3> variants{{
    {.name = "responses"},
    {.name = "azure",
     .vendor_url = "https://RESOURCE.openai.azure.com/openai/v1",
     .version = "/openai/v1",
     .api_key_header = true},
    {.name = "xai",
     .vendor_url = "https://api.x.ai/v1",
     .schemas = SchemaDialect::xai,
     .cache_key = false,
     .summaries = false,
     .always_encrypts = true},
}};

constexpr std::size_t items_max = 1024;  // of an answer, because they are searched

// Calls of tools that the vendor's servers run, and what else of theirs goes back as it came. Other items either are for
// someone to answer, which nobody here can, or are not known: sent back without an answer they would end the conversation.
constexpr std::array<std::string_view, 9> kept_items{
    "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools",
    "mcp_call",        "x_search_call",    "document_search_call",  "compaction"};

// --- encoding --------------------------------------------------------------------------------------------------------

void write_text(JsonWriter& json, std::string_view text) {
  json.begin_object().field("type", "input_text").field("text", text).end_object();
}

void write_image(JsonWriter& json, const Image& image) {
  json.begin_object().field("type", "input_image");
  json.field("image_url", "data:" + image.media_type + ";base64," + image.base64).end_object();
}

// `phase`: whether the vendor's model was commenting on its work or done, as it said itself.
void write_said(JsonWriter& json, std::string_view text, std::string_view phase) {
  json.begin_object().field("role", "assistant").field("content", text);
  if (!phase.empty()) json.field("phase", phase);
  json.end_object();
}

void write_call(JsonWriter& json, const ToolCall& call) {
  json.begin_object().field("type", "function_call").field("call_id", call.id);
  json.field("name", wire_tool_name(call.name)).field("arguments", wire_arguments(call)).end_object();
}

void write_result(JsonWriter& json, const ToolResult& result) {
  json.begin_object().field("type", "function_call_output").field("call_id", result.call_id).key("output");
  if (result.images.empty()) {
    json.value(result.text);
  } else {
    json.begin_array();
    if (says_something(result.text)) write_text(json, result.text);
    for (const Image& image : result.images) write_image(json, image);
    json.end_array();
  }
  json.end_object();
}

// Reasoning is refused without what it led to, so it waits for that; at the end of a message it has led to nothing.
void write_assistant(JsonWriter& json, const Message& message, bool own) {
  std::vector<std::string_view> thoughts;
  bool has_content = false;
  const auto next = [&] {
    for (const std::string_view thought : thoughts) json.raw(thought);
    thoughts.clear();
    has_content = true;
  };
  for (const Block& block : message.blocks) {
    if (const auto* text = std::get_if<Text>(&block)) {
      if (!says_something(text->text)) continue;
      next();
      write_said(json, text->text, own ? std::string_view(text->signature) : std::string_view());
    } else if (const auto* call = std::get_if<ToolCall>(&block)) {
      next();
      write_call(json, *call);
    } else if (const auto* reasoning = std::get_if<Reasoning>(&block)) {
      if (own && !reasoning->signature.empty()) thoughts.push_back(reasoning->signature);
    } else if (const auto* part = std::get_if<ProviderPart>(&block)) {
      if (!own) continue;
      next();
      json.raw(part->json);
    }
  }
  if (!has_content) write_said(json, nothing, {});
}

void write_user(JsonWriter& json, const Message& message) {
  bool has_results = false, has_content = false;
  for (const Block& block : message.blocks) {
    const auto* text = std::get_if<Text>(&block);
    has_content |= std::holds_alternative<Image>(block) || (text && says_something(text->text));
    if (const auto* result = std::get_if<ToolResult>(&block)) {
      has_results = true;
      write_result(json, *result);
    }
  }
  if (!has_content && has_results) return;
  json.begin_object().field("role", "user").key("content").begin_array();
  if (!has_content) write_text(json, nothing);
  for (const Block& block : message.blocks) {
    if (const auto* image = std::get_if<Image>(&block)) write_image(json, *image);
    if (const auto* text = std::get_if<Text>(&block); text && says_something(text->text)) write_text(json, text->text);
  }
  json.end_array().end_object();
}

// --- decoding --------------------------------------------------------------------------------------------------------

Usage read_usage(dom::object usage) {
  const auto input = object_at(usage, "input_tokens_details");
  const auto output = object_at(usage, "output_tokens_details");
  const std::int64_t all = count_at(usage, "input_tokens").value_or(0);
  Usage out;
  out.output = count_at(usage, "output_tokens").value_or(0);
  if (input) out.cache_read = count_at(*input, "cached_tokens").value_or(0);
  if (input) out.cache_write = count_at(*input, "cache_write_tokens").value_or(0);
  if (output) out.reasoning = count_at(*output, "reasoning_tokens").value_or(0);
  // xAI's may count what was cached beside the input, everybody else's counts it inside.
  const std::int64_t cached = out.cache_read + out.cache_write;
  out.input = cached <= all ? all - cached : all;
  return out;
}

// What goes back of a reasoning item. Its status is refused by some, its plain text by OpenAI; its id is part of what the
// encrypted text is checked against. Empty when it is not encrypted: an id alone means nothing to a server that keeps nothing.
std::string replayable(dom::object item) {
  const std::string_view encrypted = text_at(item, "encrypted_content");
  std::string out;
  if (encrypted.empty()) return out;
  JsonWriter json(out);
  json.begin_object().field("type", "reasoning");
  if (const std::string_view id = text_at(item, "id"); !id.empty()) json.field("id", id);
  dom::array summary;
  json.key("summary").raw(item.at_key("summary").get(summary) == simdjson::SUCCESS ? simdjson::minify(summary) : "[]");
  json.field("encrypted_content", encrypted).end_object();
  return out;
}

Citation read_citation(dom::object annotation) {
  std::string_view title = text_at(annotation, "title");
  if (title.empty()) title = text_at(annotation, "filename");
  return {std::string(text_at(annotation, "url")), std::string(title), {}};
}

class ResponsesDecoder final : public EventDecoder {
 public:
  using EventDecoder::EventDecoder;

 private:
  enum class Kind : std::uint8_t { text, reasoning, call };

  // An item of the answer that has become a block.
  struct Item {
    std::int64_t index;  // the stream's
    Kind kind;
    std::size_t at;  // in the Reply's blocks; a call's number for Kind::call
    bool done;
  };

  // What an event says, as far as any event does.
  struct Event {
    std::string_view type, delta;
    std::optional<std::int64_t> index;  // of the item. Its id is another in every event behind some gateways
    std::optional<dom::object> item, response;
    std::int64_t part{0};
  };

  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;

  Outcome on_item_added(const Event& event, StreamSink& sink);
  Outcome on_item_done(dom::object object, std::optional<std::int64_t> index, StreamSink& sink);
  Outcome on_end_of(dom::object response, StreamSink& sink);
  Outcome finish_text(Item& item, dom::object object, StreamSink& sink);
  Outcome finish_reasoning(Item& item, dom::object object, StreamSink& sink);
  Outcome finish_call(Item& item, dom::object object, StreamSink& sink);
  tl::expected<Item*, ModelError> item_of(std::optional<std::int64_t> index, Kind kind, StreamSink& sink);

  std::vector<Item> items_;
  bool refused_{false};
};

Outcome ResponsesDecoder::on_event(std::string_view, dom::object object, StreamSink& sink) {
  // One pass over the fields: a delta is small, and its cost is that of looking it up.
  Event event;
  for (const auto field : object) {
    if (field.key == "type") {
      if (field.value.get(event.type) != simdjson::SUCCESS) return {};
    } else if (field.key == "delta") {
      if (field.value.get(event.delta) != simdjson::SUCCESS) event.delta = {};
    } else if (field.key == "output_index") {
      event.index = count_of(field.value);
    } else if (field.key == "summary_index") {
      event.part = count_of(field.value).value_or(0);
    } else if (field.key == "item" || field.key == "response") {
      dom::object inner;
      if (field.value.get(inner) == simdjson::SUCCESS) (field.key == "item" ? event.item : event.response) = inner;
    }
  }
  std::string_view type = event.type;
  if (type == "error" || (type.empty() && object_at(object, "error"))) return tl::unexpected(error_from_event(object));
  if (!type.starts_with("response.")) return {};  // pings of gateways
  type.remove_prefix(9);
  const auto add = [&](Kind kind, Outcome (ReplyBuilder::*append)(std::size_t, std::string_view, StreamSink&)) -> Outcome {
    if (event.delta.empty()) return {};
    const auto item = item_of(event.index, kind, sink);
    if (!item) return tl::unexpected(item.error());
    return (builder_.*append)((*item)->at, event.delta, sink);
  };
  if (type == "output_text.delta") return add(Kind::text, &ReplyBuilder::text_at);
  if (type == "function_call_arguments.delta") return add(Kind::call, &ReplyBuilder::arguments);
  if (type == "reasoning_summary_text.delta" || type == "reasoning_text.delta") {
    return add(Kind::reasoning, &ReplyBuilder::reasoning_at);
  }
  if (type == "refusal.delta") {
    refused_ = true;
    return add(Kind::text, &ReplyBuilder::text_at);
  }
  if (type == "reasoning_summary_part.added" && event.part > 0) {
    event.delta = "\n\n";
    return add(Kind::reasoning, &ReplyBuilder::reasoning_at);
  }
  if (type == "output_item.added" && event.item) return on_item_added(event, sink);
  if (type == "output_item.done" && event.item) return on_item_done(*event.item, event.index, sink);
  if (!event.response) return {};
  if (type == "completed" || type == "incomplete" || type == "failed" || type == "cancelled") {
    return on_end_of(*event.response, sink);
  }
  if (builder_.reply().model.empty()) builder_.reply().model = text_at(*event.response, "model").substr(0, 256);
  return {};
}

// The item of this kind that an event is about; opened when the stream did not announce it. A server that does not number
// its items means the last.
tl::expected<ResponsesDecoder::Item*, ModelError> ResponsesDecoder::item_of(std::optional<std::int64_t> index, Kind kind,
                                                                            StreamSink& sink) {
  for (std::size_t i = items_.size(); i-- > 0;) {
    if (items_[i].kind == kind && (index ? items_[i].index == *index : !items_[i].done)) return &items_[i];
  }
  if (items_.size() == items_max) {
    return tl::unexpected(malformed_answer(fmt::format("has more than {} items", items_max)));
  }
  Outcome opened;
  if (kind == Kind::call) {
    opened = builder_.open_call({}, {}, sink);
  } else {
    opened = builder_.open(kind == Kind::text ? Block(Text{}) : Block(Reasoning{}));
  }
  if (!opened) return tl::unexpected(opened.error());
  const std::size_t at = kind == Kind::call ? builder_.calls() - 1 : builder_.reply().blocks.size() - 1;
  items_.push_back({index.value_or(-1), kind, at, false});
  return &items_.back();
}

Outcome ResponsesDecoder::on_item_added(const Event& event, StreamSink& sink) {
  if (text_at(*event.item, "type") != "function_call") return {};  // others are opened by what they say
  if (auto opened = builder_.open_call(text_at(*event.item, "call_id"), text_at(*event.item, "name"), sink); !opened) {
    return opened;
  }
  items_.push_back({event.index.value_or(-1), Kind::call, builder_.calls() - 1, false});
  return {};
}

Outcome ResponsesDecoder::on_item_done(dom::object object, std::optional<std::int64_t> index, StreamSink& sink) {
  const std::string_view type = text_at(object, "type");
  if (std::find(kept_items.begin(), kept_items.end(), type) != kept_items.end()) {
    return builder_.part(simdjson::minify(object));
  }
  const bool is_text = type == "message", is_call = type == "function_call";
  if (!is_text && !is_call && type != "reasoning") return {};
  const auto found = item_of(index, is_text ? Kind::text : is_call ? Kind::call : Kind::reasoning, sink);
  if (!found) return tl::unexpected(found.error());
  Item& item = **found;
  if (std::exchange(item.done, true)) return {};
  if (is_text) return finish_text(item, object, sink);
  return is_call ? finish_call(item, object, sink) : finish_reasoning(item, object, sink);
}

Outcome ResponsesDecoder::finish_text(Item& item, dom::object object, StreamSink& sink) {
  const auto text = [&]() -> Text& { return std::get<Text>(builder_.reply().blocks[item.at]); };
  const bool came_whole = text().text.empty();  // the server did not stream it
  dom::array parts;
  if (object.at_key("content").get(parts) != simdjson::SUCCESS) return {};
  for (const dom::element element : parts) {
    dom::object part;
    if (element.get(part) != simdjson::SUCCESS) continue;
    const std::string_view refusal = text_at(part, "refusal");
    refused_ |= !refusal.empty();
    if (came_whole) {
      if (auto added = builder_.text_at(item.at, text_at(part, "text"), sink); !added) return added;
      if (auto added = builder_.text_at(item.at, refusal, sink); !added) return added;
    }
    dom::array annotations;
    if (part.at_key("annotations").get(annotations) != simdjson::SUCCESS) continue;
    for (const dom::element inner : annotations) {
      dom::object annotation;
      if (inner.get(annotation) != simdjson::SUCCESS) continue;
      if (auto added = builder_.citation_at(item.at, read_citation(annotation)); !added) return added;
    }
  }
  return text().text.empty() ? Outcome() : builder_.signature_at(item.at, text_at(object, "phase"));
}

Outcome ResponsesDecoder::finish_reasoning(Item& item, dom::object object, StreamSink& sink) {
  if (std::get<Reasoning>(builder_.reply().blocks[item.at]).text.empty()) {
    for (const std::string_view where : {"summary", "content"}) {
      dom::array parts;
      if (object.at_key(where).get(parts) != simdjson::SUCCESS) continue;
      for (const dom::element element : parts) {
        dom::object part;
        if (element.get(part) != simdjson::SUCCESS) continue;
        const bool first = std::get<Reasoning>(builder_.reply().blocks[item.at]).text.empty();
        if (auto added = builder_.reasoning_at(item.at, first ? "" : "\n\n", sink); !added) return added;
        if (auto added = builder_.reasoning_at(item.at, text_at(part, "text"), sink); !added) return added;
      }
    }
  }
  return builder_.signature_at(item.at, replayable(object));
}

Outcome ResponsesDecoder::finish_call(Item& item, dom::object object, StreamSink& sink) {
  ToolCall& call = builder_.call(item.at);
  if (call.id.empty()) call.id = text_at(object, "call_id").substr(0, 256);
  if (call.name.empty()) call.name = text_at(object, "name").substr(0, 256);
  if (call.arguments.empty()) {
    if (auto added = builder_.arguments(item.at, text_at(object, "arguments"), sink); !added) return added;
  }
  builder_.close_call(item.at, sink);
  return {};
}

// The answer as a whole: the last event of a stream, or the body of a server that does not stream.
Outcome ResponsesDecoder::on_end_of(dom::object response, StreamSink& sink) {
  const std::string_view status = text_at(response, "status");
  if (status == "failed" || status == "cancelled" || object_at(response, "error")) {
    return tl::unexpected(error_from_event(response));
  }
  Reply& reply = builder_.reply();
  if (const std::string_view model = text_at(response, "model"); !model.empty()) reply.model = model.substr(0, 256);
  if (const auto usage = object_at(response, "usage")) {
    reply.usage = read_usage(*usage);
    reply.cost_usd = read_cost(*usage);
  }
  dom::array output;
  if (reply.blocks.empty() && response.at_key("output").get(output) == simdjson::SUCCESS) {
    std::int64_t index = 0;
    for (const dom::element element : output) {
      dom::object item;
      if (element.get(item) != simdjson::SUCCESS) continue;
      if (auto done = on_item_done(item, index++, sink); !done) return done;
    }
  }
  for (std::size_t i = 0; i < builder_.calls(); ++i) builder_.close_call(i, sink);
  std::string_view why;
  if (const auto details = object_at(response, "incomplete_details")) why = text_at(*details, "reason");
  if (refused_ || why == "content_filter") {
    reply.stop = StopReason::refusal;
  } else if (status == "incomplete") {
    reply.stop = why == "max_output_tokens" ? StopReason::max_tokens : StopReason::other;
  } else {
    reply.stop = StopReason::end_turn;
  }
  done_ = true;
  return {};
}

Outcome ResponsesDecoder::on_body(dom::object body, StreamSink& sink) {
  dom::array output;
  const bool failed = object_at(body, "error") || text_at(body, "status") == "failed";
  if (!failed && body.at_key("output").get(output) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("is JSON but not a response"));
  }
  return on_end_of(body, sink);
}

// --- the provider ----------------------------------------------------------------------------------------------------

class Responses final : public Provider {
 public:
  explicit Responses(const Variant& variant) : variant_(variant) {}

  std::string_view name() const override { return variant_.name; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("model", params.model).field("stream", true).field("store", false);
    json.field("max_output_tokens", std::max<std::int64_t>(params.output_tokens_max, output_tokens_min));
    const std::string_view name = std::string_view(params.model).substr(params.model.rfind('/') + 1);
    const Effort effort = effort_of(params.model, params.reasoning_effort);
    if (params.temperature >= 0 && !is_openai_reasoning(name) && model_info(params.model).temperature) {
      json.field("temperature", params.temperature);
    }
    if (effort.thinks || variant_.always_encrypts) {
      json.key("include").begin_array().value("reasoning.encrypted_content").end_array();
    }
    // A summary of what was thought is only for organisations that OpenAI has verified, so it comes with a wish for effort.
    if (!effort.level.empty() && effort.level != "off" && effort.level != "on") {
      json.key("reasoning").begin_object().field("effort", effort.level);
      if (variant_.summaries && effort.level != "none") json.field("summary", "auto");
      json.end_object();
    }
    const std::size_t prompt_at = out.size();
    if (says_something(prompt.system)) json.field("instructions", prompt.system);
    if (!prompt.tools.empty()) write_tools(json, prompt.tools);
    // Requests that begin alike go to a server that has seen that beginning.
    if (variant_.cache_key && out.size() > prompt_at) {
      const Digest key = digest(std::string_view(out).substr(prompt_at));
      json.field("prompt_cache_key", "joey-" + key.substr(0, 32));
    }
    json.key("input").begin_array();
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override {
    if (!first) out += ',';
    JsonWriter json(out);
    if (message.role == Role::assistant) {
      write_assistant(json, message, message.provider == variant_.name);
    } else {
      write_user(json, message);
    }
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view) const override {
    return {wire_url(base_url.empty() ? variant_.vendor_url : base_url, variant_.version, "/responses"),
            {{"content-type", "application/json"}, {"accept", "text/event-stream"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    if (variant_.api_key_header) return {{{"api-key", std::string(key)}}};
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<ResponsesDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return error_from_answer(status, headers, body);
  }

 private:
  static constexpr std::int64_t output_tokens_min = 16;  // OpenAI refuses less

  // Strict tools would have to require every one of their parameters.
  void write_tools(JsonWriter& json, const std::vector<ToolSpec>& tools) const {
    json.field("parallel_tool_calls", true).key("tools").begin_array();
    for (const ToolSpec& tool : tools) {
      json.begin_object().field("type", "function").field("name", tool.name).field("description", tool.description);
      json.key("parameters").raw(normalised_schema(tool.parameters, variant_.schemas));
      json.field("strict", false).end_object();
    }
    json.end_array();
  }

  const Variant& variant_;
};

}  // namespace

std::shared_ptr<const Provider> make_responses(std::string_view variant) {
  const auto is_it = [&](const Variant& v) { return v.name == variant; };
  const auto found = std::find_if(variants.begin(), variants.end(), is_it);
  return found == variants.end() ? nullptr : std::make_shared<Responses>(*found);
}

}  // namespace joey

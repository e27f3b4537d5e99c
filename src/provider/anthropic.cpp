// The Anthropic Messages API, version 2023-06-01: POST /v1/messages; and the same on Google's cloud.
#include "provider/anthropic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

// Who serves the API.
struct Variant {
  std::string_view name;
  std::string_view vendor_url;  // of Vertex each place and each project has another
  std::string_view version;     // in the body, with the model in the address; empty: the other way round
};

constexpr std::array<Variant, 2> variants{{
    {.name = "anthropic", .vendor_url = "https://api.anthropic.com", .version = ""},
    {.name = "vertex-anthropic",
     .vendor_url = "https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION",
     .version = "vertex-2023-10-16"},
}};

// The vendor looks for what the request before left in its cache at this many blocks, back from a mark.
constexpr std::size_t cache_lookback = 20;

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
    {"claude-haiku-5", "low medium high xhigh max", "disabled", false, true},
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

}  // namespace

bool write_claude_thinking(JsonWriter& json, const ModelParams& params) {
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
  const std::string_view type = rests ? family->rest : "adaptive";
  json.key("thinking").begin_object().field("type", type);
  if (!rests && !family->shown) json.field("display", "summarized");
  if (family->bound && type != "disabled") {
    json.key("block_binding").begin_object().field("prefix_mismatch_behavior", "drop_block").end_object();
  }
  json.end_object();
  if (rests) return false;
  if (wanted.empty()) return true;
  json.key("output_config").begin_object().field("effort", nearest_level(family->levels, wanted)).end_object();
  return true;
}

bool claude_thinks_by_budget(std::string_view model) {
  const Thinking* family = thinking_of(model);
  return family != nullptr && family->levels.empty();
}

namespace {

// --- encoding --------------------------------------------------------------------------------------------------------

// Caches the prompt up to here for five minutes, longer with every use.
void write_cache_control(JsonWriter& json) {
  json.key("cache_control").begin_object().field("type", "ephemeral").end_object();
}

// How a block ends: one up to which the prompt is cached has a mark.
struct Ending {
  bool cached{false};
  void write(JsonWriter& json) const {
    if (cached) write_cache_control(json);
    json.end_object();
  }
};

void write_text(JsonWriter& json, std::string_view text, Ending ending = {}) {
  json.begin_object().field("type", "text").field("text", text);
  ending.write(json);
}

void write_image(JsonWriter& json, const Image& image, Ending ending = {}) {
  json.begin_object().field("type", "image").key("source").begin_object();
  json.field("type", "base64").field("media_type", image.media_type).field("data", image.base64).end_object();
  ending.write(json);
}

void write_tool(JsonWriter& json, const ToolSpec& tool, Ending ending) {
  json.begin_object().field("name", tool.name).field("description", tool.description);
  json.key("input_schema").raw(normalised_schema(tool.parameters, SchemaDialect::anthropic));
  ending.write(json);
}

void write_call(JsonWriter& json, const ToolCall& call) {
  json.begin_object().field("type", "tool_use").field("id", call.id).field("name", wire_tool_name(call.name));
  json.key("input").raw(wire_arguments(call)).end_object();
}

void write_result(JsonWriter& json, const ToolResult& result, Ending ending) {
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
  ending.write(json);
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

// `citations` as the decoder kept them: what they refer to is encrypted, and has to come back.
void write_said(JsonWriter& json, std::string_view text, std::string_view citations) {
  json.begin_object().field("type", "text").field("text", text);
  if (!citations.empty()) json.key("citations").raw(fmt::format("[{}]", citations));
  json.end_object();
}

std::string_view without_trailing_blanks(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n\v\f") + 1);
}

// A part that is the call of a tool of the vendor's servers, or its result.
struct ServerPart {
  const Block* block;
  std::string call;     // its id; empty: it is none
  std::string answers;  // the id of the call whose result it is; empty: it is none
};

ServerPart server_part(const Block& block) {
  dom::parser parser;
  dom::object part;
  if (parser.parse(std::get<ProviderPart>(block).json).get(part) != simdjson::SUCCESS) return {&block, {}, {}};
  const bool is_call = text_at(part, "type").ends_with("tool_use");
  return {&block, std::string(is_call ? text_at(part, "id") : std::string_view()), std::string(text_at(part, "tool_use_id"))};
}

// The parts that the vendor would refuse: a result without its call, and a call without its result, unless it stands where a
// paused answer ends, and is to be run yet.
std::unordered_set<const Block*> refused_parts(const Message& message) {
  std::vector<ServerPart> parts;
  std::unordered_set<std::string> calls, answered;
  const Block* last_other = nullptr;
  bool calls_ours = false;
  for (const Block& block : message.blocks) {
    calls_ours |= std::holds_alternative<ToolCall>(block);
    if (std::holds_alternative<ProviderPart>(block)) {
      const ServerPart& part = parts.emplace_back(server_part(block));
      if (!part.call.empty()) calls.insert(part.call);
      if (!part.answers.empty()) answered.insert(part.answers);
    } else {
      last_other = &block;
    }
  }
  std::unordered_set<const Block*> refused;
  for (const ServerPart& part : parts) {
    const bool may_wait = !calls_ours && (last_other == nullptr || part.block > last_other);
    const bool lacks_result = !part.call.empty() && !may_wait && !answered.contains(part.call);
    const bool lacks_call = !part.answers.empty() && !calls.contains(part.answers);
    if (lacks_result || lacks_call) refused.insert(part.block);
  }
  return refused;
}

// Returns whether there was content, which reasoning by itself is not. What only the vendor can read goes back to who wrote it.
bool write_assistant(JsonWriter& json, const Message& message, bool own) {
  bool has_content = false;
  const auto refused = own ? refused_parts(message) : std::unordered_set<const Block*>();
  for (const Block& block : message.blocks) {
    if (const auto* text = std::get_if<Text>(&block)) {
      if (!says_something(text->text)) continue;
      // A request may end with a paused answer, and is then refused for blanks at its end.
      const bool ends = &block == &message.blocks.back();
      write_said(json, ends ? without_trailing_blanks(text->text) : std::string_view(text->text),
                 own ? std::string_view(text->signature) : std::string_view());
      has_content = true;
    } else if (const auto* call = std::get_if<ToolCall>(&block)) {
      write_call(json, *call);
      has_content = true;
    } else if (const auto* part = std::get_if<ProviderPart>(&block); part && own && !refused.contains(&block)) {
      json.raw(part->json);
      has_content = true;
    } else if (const auto* reasoning = std::get_if<Reasoning>(&block); reasoning && own && !reasoning->signature.empty()) {
      write_reasoning(json, *reasoning);
    }
  }
  return has_content;
}

// The results first, as the vendor demands. With `mark` the prompt is cached up to the first block too.
bool write_user(JsonWriter& json, const Message& message, bool mark) {
  bool has_content = false;
  const auto ending = [&] { return Ending{!std::exchange(has_content, true) && mark}; };
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) write_result(json, *result, ending());
  }
  for (const Block& block : message.blocks) {
    if (const auto* image = std::get_if<Image>(&block)) {
      write_image(json, *image, ending());
    } else if (const auto* text = std::get_if<Text>(&block); text && says_something(text->text)) {
      write_text(json, text->text, ending());
    }
  }
  return has_content;
}

// --- decoding --------------------------------------------------------------------------------------------------------

StopReason stop_reason(std::string_view name) {
  if (name == "end_turn" || name == "stop_sequence") return StopReason::end_turn;
  if (name == "tool_use") return StopReason::tool_calls;
  if (name == "max_tokens" || name == "model_context_window_exceeded") return StopReason::max_tokens;
  if (name == "refusal") return StopReason::refusal;
  return name == "pause_turn" ? StopReason::paused : StopReason::other;
}

// The stream counts up: each report replaces what it mentions.
void read_usage(dom::object usage, Usage& out) {
  const auto take = [](dom::object from, std::string_view name, std::int64_t& to) {
    if (const auto count = count_at(from, name)) to = *count;
  };
  take(usage, "input_tokens", out.input);
  take(usage, "output_tokens", out.output);
  take(usage, "cache_read_input_tokens", out.cache_read);
  if (const auto written = object_at(usage, "cache_creation")) {
    std::int64_t brief = 0, hour = 0;
    take(*written, "ephemeral_5m_input_tokens", brief);
    take(*written, "ephemeral_1h_input_tokens", hour);
    if (brief + hour > 0) out.cache_write = brief + hour;
  }
  take(usage, "cache_creation_input_tokens", out.cache_write);
  if (const auto details = object_at(usage, "output_tokens_details")) take(*details, "thinking_tokens", out.reasoning);
}

// "req_...", for whoever is asked about a failure; empty when there is none that can be printed.
std::string_view request_id(std::string_view id) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return id.size() > 100 || id.find_first_not_of(letters) != id.npos ? std::string_view() : id;
}

// What went wrong at the vendor's only the vendor can look up.
ModelError with_request_id(ModelError error, std::string_view id) {
  const bool theirs = error.error == ModelErrorClass::server || error.error == ModelErrorClass::overload;
  if (theirs && !request_id(id).empty()) error.message += fmt::format("; request {}", id);
  return error;
}

class AnthropicDecoder final : public EventDecoder {
 public:
  using EventDecoder::EventDecoder;

 private:
  enum class Kind : std::uint8_t { text, thinking, call, part };

  // A block between its start and its stop.
  struct OpenBlock {
    std::int64_t index;  // the stream's
    Kind kind;
    std::size_t at;             // in the Reply's blocks; a call's number for Kind::call
    std::string whole_input{};  // what its start has as input: some servers send a call whole
    std::string input{};        // of a part, in pieces
    std::string fields{};       // of a part, all but its input, without the closing brace
  };

  // A call that the vendor's servers run.
  struct ServerCall {
    std::size_t at;  // in the Reply's blocks
    std::string id;
  };

  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;

  Outcome on_message(dom::object message, StreamSink& sink);
  Outcome finish_message(StreamSink& sink);
  void read_stop(dom::object from);
  Outcome on_block_start(dom::object event, StreamSink& sink);
  Outcome on_block_delta(dom::object event, StreamSink& sink);
  Outcome on_block_stop(dom::object event, StreamSink& sink);
  Outcome start_block(std::int64_t index, dom::object block, StreamSink& sink);
  Outcome start_text(std::int64_t index, dom::object block, StreamSink& sink);
  Outcome start_part(std::int64_t index, dom::object block);
  Outcome stop_block(std::vector<OpenBlock>::iterator block, StreamSink& sink);
  Outcome stop_part(const OpenBlock& block);
  Outcome add_to_part(OpenBlock& block, dom::object delta);
  Outcome cite(std::size_t at, dom::object citation);
  std::vector<OpenBlock>::iterator find_open(dom::object event);
  void drop_unanswered();

  std::vector<OpenBlock> open_;
  std::vector<ServerCall> server_calls_;
  std::unordered_set<std::string> answered_;  // ids of those whose results are here
};

Outcome AnthropicDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  const std::string_view type = text_at(event, "type");
  if (type == "content_block_delta") return on_block_delta(event, sink);
  if (type == "content_block_start") return on_block_start(event, sink);
  if (type == "content_block_stop") return on_block_stop(event, sink);
  if (type == "message_start") {
    // Some gateways send it twice; the second says the same.
    if (const auto message = object_at(event, "message")) return on_message(*message, sink);
  } else if (type == "message_delta") {
    if (const auto usage = object_at(event, "usage")) read_usage(*usage, builder_.reply().usage);
    if (const auto delta = object_at(event, "delta")) read_stop(*delta);
  } else if (type == "message_stop") {
    return finish_message(sink);
  } else if (type == "error" || (type.empty() && object_at(event, "error"))) {
    return tl::unexpected(with_request_id(error_from_event(event), text_at(event, "request_id")));
  }
  return {};  // pings, and what later versions may add
}

// Its content is empty where it is streamed, but for calls that a program of the vendor's makes.
Outcome AnthropicDecoder::on_message(dom::object message, StreamSink& sink) {
  builder_.reply().model = text_at(message, "model").substr(0, 256);
  if (const auto usage = object_at(message, "usage")) read_usage(*usage, builder_.reply().usage);
  read_stop(message);
  dom::array content;
  if (!builder_.reply().blocks.empty() || message.at_key("content").get(content) != simdjson::SUCCESS) return {};
  for (const dom::element element : content) {
    dom::object block;
    if (element.get(block) != simdjson::SUCCESS) continue;
    if (auto started = start_block(0, block, sink); !started) return started;
    if (open_.empty()) continue;
    if (auto stopped = stop_block(open_.begin(), sink); !stopped) return stopped;
  }
  return {};
}

Outcome AnthropicDecoder::finish_message(StreamSink& sink) {
  while (!open_.empty()) {
    if (auto stopped = stop_block(open_.begin(), sink); !stopped) return stopped;
  }
  drop_unanswered();
  done_ = true;
  return {};
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
  if (type == "text") return start_text(index, block, sink);
  if (type == "thinking") {
    if (auto opened = builder_.open(Reasoning{}); !opened) return opened;
    open_.push_back({index, Kind::thinking, builder_.reply().blocks.size() - 1});
    if (auto added = builder_.signature_at(open_.back().at, text_at(block, "signature")); !added) return added;
    return builder_.reasoning_at(open_.back().at, text_at(block, "thinking"), sink);
  }
  if (type == "redacted_thinking") {
    if (auto opened = builder_.open(Reasoning{{}, {}, true}); !opened) return opened;
    return builder_.signature_at(builder_.reply().blocks.size() - 1, text_at(block, "data"));
  }
  if (type == "tool_use") {
    if (auto opened = builder_.open_call(text_at(block, "id"), text_at(block, "name"), sink); !opened) return opened;
    open_.push_back({index, Kind::call, builder_.calls() - 1});
    if (const auto input = object_at(block, "input"); input && input->size() > 0) {
      open_.back().whole_input = simdjson::minify(*input);
    }
    return {};
  }
  // What is no name would be refused when it goes back.
  const bool is_name = !type.empty() && type.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == type.npos;
  return is_name ? start_part(index, block) : Outcome();
}

Outcome AnthropicDecoder::start_text(std::int64_t index, dom::object block, StreamSink& sink) {
  if (auto opened = builder_.open(Text{}); !opened) return opened;
  const std::size_t at = builder_.reply().blocks.size() - 1;
  open_.push_back({index, Kind::text, at});
  if (auto added = builder_.text_at(at, text_at(block, "text"), sink); !added) return added;
  dom::array citations;
  if (block.at_key("citations").get(citations) != simdjson::SUCCESS) return {};
  for (const dom::element element : citations) {
    dom::object citation;
    if (element.get(citation) != simdjson::SUCCESS) continue;
    if (auto cited = cite(at, citation); !cited) return cited;
  }
  return {};
}

// What has no word here goes back as it came: what the vendor's servers did above all.
Outcome AnthropicDecoder::start_part(std::int64_t index, dom::object block) {
  OpenBlock part{index, Kind::part, builder_.reply().blocks.size()};
  JsonWriter json(part.fields);
  json.begin_object();
  for (const auto field : block) {
    const std::string value = simdjson::minify(field.value);
    if (field.key == "input") {
      part.whole_input = value;
    } else {
      json.key(field.key).raw(value);
    }
  }
  if (auto charged = builder_.charge(part.fields.size() + part.whole_input.size()); !charged) return charged;
  if (auto opened = builder_.open(ProviderPart{}); !opened) return opened;
  if (const std::string_view call = text_at(block, "tool_use_id"); !call.empty()) {
    answered_.emplace(call);
  } else if (text_at(block, "type").ends_with("tool_use")) {
    server_calls_.push_back({part.at, std::string(text_at(block, "id"))});
  }
  open_.push_back(std::move(part));
  return {};
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
  if (block->kind == Kind::part) return add_to_part(*block, *delta);
  if (block->kind == Kind::text && type == "text_delta") {
    return builder_.text_at(block->at, text_at(*delta, "text"), sink);
  }
  if (block->kind == Kind::text && type == "citations_delta") {
    const auto citation = object_at(*delta, "citation");
    return citation ? cite(block->at, *citation) : Outcome();
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

Outcome AnthropicDecoder::add_to_part(OpenBlock& block, dom::object delta) {
  if (text_at(delta, "type") != "input_json_delta") {
    block.fields.clear();  // it grows in a way not known here, so it cannot go back as it was
    return {};
  }
  const std::string_view fragment = text_at(delta, "partial_json");
  if (auto charged = builder_.charge(fragment.size()); !charged) return charged;
  block.input += fragment;
  return {};
}

// Of a web page, of a result of a search, or of a document.
Outcome AnthropicDecoder::cite(std::size_t at, dom::object citation) {
  if (text_at(citation, "type").empty()) return {};
  const auto either = [&](std::string_view name, std::string_view other) {
    const std::string_view text = text_at(citation, name);
    return std::string(text.empty() ? text_at(citation, other) : text);
  };
  const bool is_first = std::get<Text>(builder_.reply().blocks[at]).signature.empty();
  const std::string json = simdjson::minify(citation);
  if (auto added = builder_.signature_at(at, is_first ? json : "," + json); !added) return added;
  std::string excerpt(text_at(citation, "cited_text"));
  return builder_.citation_at(at, {either("url", "source"), either("title", "document_title"), std::move(excerpt)});
}

Outcome AnthropicDecoder::on_block_stop(dom::object event, StreamSink& sink) {
  const auto block = find_open(event);
  if (block == open_.end()) return {};
  return stop_block(block, sink);
}

Outcome AnthropicDecoder::stop_block(std::vector<OpenBlock>::iterator block, StreamSink& sink) {
  const OpenBlock stopped = std::move(*block);
  open_.erase(block);
  if (stopped.kind == Kind::part) return stop_part(stopped);
  if (stopped.kind != Kind::call) return {};
  if (builder_.call(stopped.at).arguments.empty()) {
    if (auto added = builder_.arguments(stopped.at, stopped.whole_input, sink); !added) return added;
  }
  builder_.close_call(stopped.at, sink);
  return {};
}

// One that was cut stays empty, and is left out of the Reply.
Outcome AnthropicDecoder::stop_part(const OpenBlock& block) {
  const std::string input = block.input.empty() ? block.whole_input : minified_json_object(block.input);
  const bool is_cut = block.fields.empty() || (input.empty() && !block.input.empty());
  if (is_cut) return {};
  const std::string whole = block.fields + (input.empty() ? "" : ",\"input\":" + input) + "}";
  dom::parser parser;
  dom::object object;
  // As a journal will have it, so that what is sent from there is the same.
  if (parser.parse(whole).get(object) != simdjson::SUCCESS) return {};
  std::get<ProviderPart>(builder_.reply().blocks[block.at]).json = simdjson::minify(object);
  return {};
}

// The vendor runs what is left of a paused answer's calls when it comes back, and refuses any other that lacks its result.
void AnthropicDecoder::drop_unanswered() {
  if (builder_.reply().stop == StopReason::paused) return;
  for (const ServerCall& call : server_calls_) {
    if (!answered_.contains(call.id)) std::get<ProviderPart>(builder_.reply().blocks[call.at]).json.clear();
  }
}

Outcome AnthropicDecoder::on_body(dom::object body, StreamSink& sink) {
  if (text_at(body, "type") == "error" || object_at(body, "error")) {
    return tl::unexpected(with_request_id(error_from_event(body), text_at(body, "request_id")));
  }
  dom::array content;
  if (body.at_key("content").get(content) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("is JSON but not a message"));
  }
  if (auto read = on_message(body, sink); !read) return read;
  return finish_message(sink);
}

// --- the provider ----------------------------------------------------------------------------------------------------

class Anthropic final : public Provider {
 public:
  explicit Anthropic(const Variant& variant) : variant_(variant) {}

  std::string_view name() const override { return variant_.name; }

  // The vendor renders tools, system, messages, in that order. The first breakpoint keeps tools and system when the
  // messages change; the one at the top level is placed by the vendor at the end of the messages, and moves with it.
  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    if (in_cloud()) {
      json.field("anthropic_version", variant_.version);
    } else {
      json.field("model", params.model);
    }
    json.field("max_tokens", std::max<std::int64_t>(params.output_tokens_max, 1)).field("stream", true);
    const bool thinks = write_claude_thinking(json, params);
    if (!thinks && params.temperature >= 0 && model_info(params.model).temperature) {
      json.field("temperature", params.temperature);
    }
    write_cache_control(json);
    const bool has_system = says_something(prompt.system);
    if (!prompt.tools.empty()) {
      json.key("tools").begin_array();
      for (const ToolSpec& tool : prompt.tools) write_tool(json, tool, {!has_system && &tool == &prompt.tools.back()});
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
    write_message(message, first, false, out);
  }

  // The mark at the end of a request finds the one before it within its reach only. Where that has more blocks, a second mark
  // at the first of the user's continues the search, if it reaches over the answer.
  void encode_last(const Message& message, bool first, std::size_t answer_blocks, std::string& out) const override {
    const bool is_far = answer_blocks + message.blocks.size() >= cache_lookback;
    if (is_far && answer_blocks + 1 < cache_lookback) write_message(message, first, true, out);
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view model) const override {
    const std::string_view base = base_url.empty() ? variant_.vendor_url : base_url;
    Endpoint out{{}, {{"content-type", "application/json"}, {"accept", "text/event-stream"}}};
    if (in_cloud()) {
      const std::string path = fmt::format("/publishers/anthropic/models/{}:streamRawPredict", wire_path(model));
      out.url = wire_url(vertex_url(base), "/v1", path);
    } else {
      out.url = wire_url(base, "/v1", "/messages");
      out.headers.push_back({"anthropic-version", "2023-06-01"});
    }
    const Thinking* family = thinking_of(model);
    // Models that think by a budget do so between calls only when asked; the others always do.
    if (claude_thinks_by_budget(model)) out.headers.push_back({"anthropic-beta", "interleaved-thinking-2025-05-14"});
    if (family && family->bound) out.headers.push_back({"anthropic-beta", "thinking-binding-controls-2026-08-01"});
    return out;
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    if (in_cloud()) return {{{"authorization", "Bearer " + std::string(key)}}};
    return {{{"x-api-key", std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<AnthropicDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return with_request_id(error_from_answer(status, headers, body), header_of(headers, "request-id"));
  }

 private:
  // On Google's.
  bool in_cloud() const { return !variant_.version.empty(); }

  void write_message(const Message& message, bool first, bool mark, std::string& out) const {
    if (!first) out += ',';
    JsonWriter json(out);
    const bool user = message.role == Role::user;
    json.begin_object().field("role", user ? "user" : "assistant").key("content").begin_array();
    const bool has_content = user ? write_user(json, message, mark)
                                  : write_assistant(json, message, message.provider == variant_.name);
    if (!has_content) write_text(json, nothing);
    json.end_array().end_object();
  }

  const Variant& variant_;
};

}  // namespace

std::shared_ptr<const Provider> make_anthropic(std::string_view variant) {
  const auto is_it = [&](const Variant& v) { return v.name == variant; };
  const auto found = std::find_if(variants.begin(), variants.end(), is_it);
  return found == variants.end() ? nullptr : std::make_shared<Anthropic>(*found);
}

}  // namespace joey

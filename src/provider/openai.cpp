// The OpenAI Chat Completions API: POST /v1/chat/completions. The same wire serves OpenRouter, Ollama, LM Studio,
// llama.cpp, vLLM and most vendors; what differs is small, and is in the table of dialects or tolerated when read.
#include "provider/openai.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"
#include "provider/tool_schema.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

// How a vendor is told how much to think.
enum class Asks : std::uint8_t {
  effort,           // "reasoning_effort": OpenAI, Groq, xAI, Mistral and most gateways
  object,           // "reasoning": {"effort"}: OpenRouter, which has every level for every model
  thinking,         // "thinking": {"type"} where it can be off, reasoning_effort where there are levels: DeepSeek, Moonshot,
                    // Z.ai, MiniMax
  enable_thinking,  // a boolean: Alibaba
};

struct Dialect {
  std::string_view name;
  Asks asks{Asks::effort};
  bool stream_options{true};      // sends usage only when asked to; Mistral sends it always, and refuses to be asked
  bool reasoning_back{false};     // refuses a conversation whose tool calls come back without their reasoning, or forgets it
  bool text_in_results{false};    // refuses a user message after tool results, or forgets why it called: text joins the last
  bool cache_control{false};      // passes Anthropic's breakpoint on
  bool reasoning_details{false};  // hands out what the model behind it signed or encrypted, and wants it back
  bool reasoning_split{false};    // MiniMax writes what was thought into the text, unless told not to
  bool api_key_header{false};     // Azure takes the key in a header of its own
  std::string_view thinking_on{"enabled"};  // the type of "thinking"; MiniMax has another word
  std::string_view vendor_url{"https://api.openai.com/v1"};
  std::string_view version{"/v1"};  // of an address that is only a host
};

constexpr std::array<Dialect, 9> dialects{{
    {.name = "openai"},
    {.name = "azure-chat",
     .api_key_header = true,
     .vendor_url = "https://RESOURCE.openai.azure.com/openai/v1",
     .version = "/openai/v1"},
    {.name = "openrouter", .asks = Asks::object, .cache_control = true, .reasoning_details = true},
    {.name = "deepseek", .asks = Asks::thinking, .reasoning_back = true, .text_in_results = true},
    {.name = "moonshot", .asks = Asks::thinking, .reasoning_back = true, .text_in_results = true},
    {.name = "zai", .asks = Asks::thinking, .reasoning_back = true, .text_in_results = true},
    {.name = "minimax", .asks = Asks::thinking, .reasoning_details = true, .reasoning_split = true, .thinking_on = "adaptive"},
    {.name = "alibaba", .asks = Asks::enable_thinking},
    {.name = "mistral", .stream_options = false, .text_in_results = true},
}};

// --- encoding --------------------------------------------------------------------------------------------------------

void write_effort(JsonWriter& json, const Dialect& dialect, const ModelParams& params, bool has_tools) {
  if (dialect.asks == Asks::object) {
    if (params.reasoning_effort.empty()) return;
    const std::string_view level = nearest_level("none minimal low medium high xhigh", params.reasoning_effort);
    json.key("reasoning").begin_object().field("effort", level).end_object();
    return;
  }
  Effort effort = effort_of(params.model, params.reasoning_effort);
  if (has_tools && !effort.chat_with_tools && is_openai_reasoning(params.model)) effort.level = "none";
  if (effort.level.empty()) return;
  const bool thinks = effort.level != "none" && effort.level != "off";
  const bool has_levels = effort.level != "off" && effort.level != "on";
  switch (dialect.asks) {
    case Asks::effort:
      if (has_levels) json.field("reasoning_effort", effort.level);
      return;
    case Asks::thinking:
      if (effort.can_rest) {
        json.key("thinking").begin_object().field("type", thinks ? dialect.thinking_on : "disabled").end_object();
      }
      if (has_levels && thinks) json.field("reasoning_effort", effort.level);
      return;
    case Asks::enable_thinking: json.field("enable_thinking", thinks); return;
    case Asks::object: return;
  }
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

// `details`, as a decoder kept them: some are about a call, by the id that the provider gave it and not by ours.
std::string with_our_ids(std::string details, const Message& message) {
  const auto id_of = [](std::string_view id) {
    std::string field = "\"id\":";
    append_json_string(field, id);
    return field;
  };
  for (const Block& block : message.blocks) {
    const auto* call = std::get_if<ToolCall>(&block);
    if (!call || call->signature.empty()) continue;
    const std::string theirs = id_of(call->signature), ours = id_of(call->id);
    for (std::size_t at = details.find(theirs); at != details.npos; at = details.find(theirs, at + ours.size())) {
      details.replace(at, theirs.size(), ours);
    }
  }
  return details;
}

void write_assistant(JsonWriter& json, const Message& message, const Dialect& dialect) {
  std::string text, reasoning, details;
  bool has_calls = false;
  for (const Block& block : message.blocks) {
    if (const auto* said = std::get_if<Text>(&block)) text += said->text;
    if (const auto* thought = std::get_if<Reasoning>(&block)) {
      reasoning += thought->text;
      if (details.empty()) details = thought->signature;
    }
    has_calls |= std::holds_alternative<ToolCall>(block);
  }
  const bool own = message.provider == dialect.name;
  json.begin_object().field("role", "assistant").key("content");
  if (says_something(text)) {
    json.value(text);
  } else if (has_calls) {
    json.null();
  } else {
    json.value(nothing);
  }
  if (dialect.reasoning_back && has_calls) {
    json.field("reasoning_content", own ? reasoning : std::string());
  }
  if (dialect.reasoning_details && own && !details.empty()) {
    json.key("reasoning_details").raw(with_our_ids(std::move(details), message));
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
  OpenAiDecoder(const DecodeLimits& limits, const Dialect& dialect) : EventDecoder(limits), dialect_(dialect) {}

 private:
  // One of OpenRouter's reasoning_details, put together from its fragments.
  struct Detail {
    std::string type, id, format, signature, content;
    std::int64_t index{0};
  };

  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;
  void on_end(StreamSink& sink) override;
  // Many servers close the connection instead of sending [DONE].
  bool may_end() const override { return finished_; }

  Outcome on_choice(dom::object choice, StreamSink& sink);
  Outcome on_delta(dom::object delta, StreamSink& sink);
  Outcome on_content_parts(dom::array parts, StreamSink& sink);
  Outcome on_details(dom::array details, bool show, StreamSink& sink);
  Outcome on_annotations(dom::array annotations);
  Outcome on_sources(dom::array sources);
  Outcome cite(Citation citation);
  Outcome on_call(dom::object call, StreamSink& sink);
  std::size_t find_call(std::optional<std::int64_t> index, std::string_view id, std::string_view name);
  void close_whole_calls(StreamSink& sink);
  void settle(StreamSink& sink);
  void keep_details();

  const Dialect& dialect_;
  std::vector<Detail> details_;
  std::size_t details_at_{0};  // the Reply's block that keeps them
  std::vector<Citation> citations_;
  std::vector<std::int64_t> call_indexes_;  // the stream's, of each call; -1: it had none
  bool finished_{false};                    // a finish_reason was seen
  bool refused_{false};
};

Outcome OpenAiDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  // One pass over the fields: a delta is small, and its cost is that of looking it up.
  std::optional<dom::array> sources;
  for (const auto field : event) {
    if (field.key == "choices") {
      dom::array choices;
      if (field.value.get(choices) != simdjson::SUCCESS) continue;
      for (const dom::element element : choices) {
        dom::object choice;
        if (element.get(choice) != simdjson::SUCCESS) continue;
        if (auto outcome = on_choice(choice, sink); !outcome) return outcome;
      }
    } else if (field.key == "search_results" || (field.key == "citations" && !sources)) {
      // Perplexity's, in every event; the addresses again, with their titles, in the former.
      dom::array list;
      if (citations_.empty() && field.value.get(list) == simdjson::SUCCESS) sources = list;
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
  if (sources) {
    if (auto added = on_sources(*sources); !added) return added;
  }
  if (finished_) settle(sink);
  return {};
}

Outcome OpenAiDecoder::on_body(dom::object body, StreamSink& sink) {
  if (auto outcome = on_event({}, body, sink); !outcome) return outcome;
  if (dom::array choices; body.at_key("choices").get(choices) != simdjson::SUCCESS || choices.size() == 0) {
    return tl::unexpected(malformed_answer("is JSON but not a chat completion"));
  }
  finished_ = true;
  settle(sink);
  return {};
}

void OpenAiDecoder::on_end(StreamSink& sink) {
  if (finished_) return;
  builder_.reply().stop = refused_ ? StopReason::refusal : StopReason::end_turn;
  settle(sink);
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
  }
  return {};
}

Outcome OpenAiDecoder::on_delta(dom::object delta, StreamSink& sink) {
  std::string_view content, reasoning, refusal;
  dom::array parts, calls, details, annotations;
  bool has_parts = false, has_calls = false, has_details = false, has_annotations = false;
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
    } else if (field.key == "reasoning_details") {
      has_details = dialect_.reasoning_details && field.value.get(details) == simdjson::SUCCESS;
    } else if (field.key == "annotations") {
      has_annotations = field.value.get(annotations) == simdjson::SUCCESS;
    }
  }
  if (has_details) {
    if (auto added = on_details(details, reasoning.empty(), sink); !added) return added;
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
  if (has_annotations) {
    if (auto added = on_annotations(annotations); !added) return added;
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

// `show`: nothing else of the event says what was thought.
Outcome OpenAiDecoder::on_details(dom::array details, bool show, StreamSink& sink) {
  constexpr std::size_t details_max = 256;
  for (const dom::element element : details) {
    dom::object fragment;
    if (element.get(fragment) != simdjson::SUCCESS) continue;
    const std::string_view type = text_at(fragment, "type");
    const std::int64_t index = count_at(fragment, "index").value_or(0);
    const auto same = [&](const Detail& detail) { return detail.type == type && detail.index == index; };
    auto found = std::find_if(details_.begin(), details_.end(), same);
    if (found == details_.end()) {
      if (details_.size() == details_max) continue;
      if (details_.empty()) {
        if (auto opened = builder_.open(Reasoning{}); !opened) return opened;
        details_at_ = builder_.reply().blocks.size() - 1;
      }
      found = details_.insert(details_.end(), {std::string(type), {}, {}, {}, {}, index});
    }
    const std::string_view content =
        text_at(fragment, type == "reasoning.encrypted" ? "data" : type == "reasoning.summary" ? "summary" : "text");
    const std::string_view id = text_at(fragment, "id"), format = text_at(fragment, "format"),
                           signature = text_at(fragment, "signature");
    if (auto charged = builder_.charge(content.size() + id.size() + format.size() + signature.size()); !charged) return charged;
    found->content += content;
    if (!id.empty()) found->id = id;
    if (!format.empty()) found->format = format;
    if (!signature.empty()) found->signature = signature;
    if (!show || type == "reasoning.encrypted") continue;
    if (auto added = builder_.reasoning(content, sink); !added) return added;
  }
  return {};
}

// OpenAI's and OpenRouter's: {"type": "url_citation", "url_citation": {"url", "title", "content"}}.
Outcome OpenAiDecoder::on_annotations(dom::array annotations) {
  for (const dom::element element : annotations) {
    dom::object annotation;
    if (element.get(annotation) != simdjson::SUCCESS) continue;
    const auto cited = object_at(annotation, "url_citation");
    if (!cited) continue;
    if (auto added = cite({std::string(text_at(*cited, "url")), std::string(text_at(*cited, "title")),
                           std::string(text_at(*cited, "content"))}); !added) {
      return added;
    }
  }
  return {};
}

// Addresses, or objects that have one.
Outcome OpenAiDecoder::on_sources(dom::array sources) {
  for (const dom::element element : sources) {
    Citation citation;
    dom::object source;
    if (std::string_view url; element.get(url) == simdjson::SUCCESS) {
      citation.url = url;
    } else if (element.get(source) == simdjson::SUCCESS) {
      citation = {std::string(text_at(source, "url")), std::string(text_at(source, "title")),
                  std::string(text_at(source, "snippet"))};
    }
    if (citation == Citation{}) continue;
    if (auto added = cite(std::move(citation)); !added) return added;
  }
  return {};
}

Outcome OpenAiDecoder::cite(Citation citation) {
  constexpr std::size_t citation_bytes = 64;  // what one counts for besides its text
  auto charged = builder_.charge(citation_bytes + citation.url.size() + citation.title.size() + citation.excerpt.size());
  if (charged) citations_.push_back(std::move(citation));
  return charged;
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

// The answer is whole: what was kept beside it finds its place. It has been charged when it came.
void OpenAiDecoder::settle(StreamSink& sink) {
  if (!details_.empty()) keep_details();
  for (std::size_t i = 0; i < builder_.calls(); ++i) builder_.close_call(i, sink);
  std::vector<Block>& blocks = builder_.reply().blocks;
  const auto last = std::find_if(blocks.rbegin(), blocks.rend(), [](const Block& b) { return std::holds_alternative<Text>(b); });
  if (last == blocks.rend()) return;
  for (Citation& citation : std::exchange(citations_, {})) std::get<Text>(*last).citations.push_back(std::move(citation));
}

void OpenAiDecoder::keep_details() {
  std::string kept;
  JsonWriter json(kept);
  json.begin_array();
  for (const Detail& detail : details_) {
    const bool encrypted = detail.type == "reasoning.encrypted";
    if (encrypted && detail.content.empty()) continue;
    json.begin_object().field("type", detail.type);
    json.field(encrypted ? "data" : detail.type == "reasoning.summary" ? "summary" : "text", detail.content);
    if (!detail.signature.empty()) json.field("signature", detail.signature);
    // An id of OpenAI's would be looked for where nothing was stored.
    if (!detail.id.empty() && detail.format != "openai-responses-v1") json.field("id", detail.id);
    if (!detail.format.empty()) json.field("format", detail.format);
    json.field("index", detail.index).end_object();
    for (std::size_t i = 0; i < builder_.calls(); ++i) {
      ToolCall& call = builder_.call(i);
      if (!call.id.empty() && call.id == detail.id) call.signature = call.id;
    }
  }
  json.end_array();
  if (kept != "[]") std::get<Reasoning>(builder_.reply().blocks[details_at_]).signature = std::move(kept);
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
    write_effort(json, dialect_, params, !prompt.tools.empty());
    if (dialect_.reasoning_split) json.field("reasoning_split", true);
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
    return {wire_url(base_url.empty() ? dialect_.vendor_url : base_url, dialect_.version, "/chat/completions"),
            {{"content-type", "application/json"}, {"accept", "text/event-stream"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    if (dialect_.api_key_header) return {{{"api-key", std::string(key)}}};
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<OpenAiDecoder>(limits, dialect_);
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

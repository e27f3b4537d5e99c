// Google's Gemini API: POST /v1beta/models/MODEL:streamGenerateContent.
#include "provider/gemini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "provider/effort.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"
#include "provider/stream_decoder.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

struct Variant {
  std::string_view name;
  std::string_view vendor_url;  // of Vertex each place and each project has another
  std::string_view version;     // of an address that is only a host
  std::string_view models;      // the path of the models in it
  bool api_key_header;          // Vertex takes a token that lasts an hour
};

constexpr std::array<Variant, 2> variants{{
    {.name = "gemini",
     .vendor_url = "https://generativelanguage.googleapis.com",
     .version = "/v1beta",
     .models = "/models/",
     .api_key_header = true},
    {.name = "vertex",
     .vendor_url = "https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION",
     .version = "/v1",
     .models = "/publishers/google/models/",
     .api_key_header = false},
}};

constexpr std::size_t citations_max = 512;  // of an answer, because they are compared
constexpr std::size_t pieces_max = 4096;    // likewise, of the arguments of one call
constexpr std::size_t depth_max = 64;       // of those

// From Gemini 3 on, the first call of an answer is refused without what the model thought before it. This stands for that in
// answers of other vendors' models.
constexpr std::string_view no_signature = "skip_thought_signature_validator";

// Parts that go back as they came: what the vendor's servers did, and what the model drew.
constexpr std::array<std::string_view, 6> kept_parts{"executableCode", "codeExecutionResult", "inlineData",
                                                     "fileData",       "toolCall",            "toolResponse"};

// --- encoding --------------------------------------------------------------------------------------------------------

void write_text(JsonWriter& json, std::string_view text) { json.begin_object().field("text", text).end_object(); }

void write_image(JsonWriter& json, const Image& image) {
  json.begin_object().key("inlineData").begin_object();
  json.field("mimeType", image.media_type).field("data", image.base64).end_object().end_object();
}

// A name here begins with a letter or an underscore.
std::string function_name(std::string_view name) {
  std::string out = wire_tool_name(name);
  const char first = out.front();
  if (first != '-' && (first < '0' || first > '9')) return out;
  if (out.size() == 64) out.pop_back();
  return "_" + out;
}

void write_call(JsonWriter& json, const ToolCall& call, std::string_view signature) {
  json.begin_object().key("functionCall").begin_object().field("id", call.id);
  json.field("name", function_name(call.name)).key("args").raw(wire_arguments(call)).end_object();
  if (!signature.empty()) json.field("thoughtSignature", signature);
  json.end_object();
}

void write_result(JsonWriter& json, const ToolResult& result) {
  json.begin_object().key("functionResponse").begin_object().field("id", result.call_id);
  json.field("name", function_name(result.tool)).key("response").begin_object();
  json.field(result.error ? "error" : "output", result.text).end_object().end_object().end_object();
}

// What a signature is of goes back in the parts it came in: joined with others it would no longer fit.
void write_signed(JsonWriter& json, std::string_view text, bool thought, std::string_view signature) {
  json.begin_object().field("text", text);
  if (thought) json.field("thought", true);
  json.field("thoughtSignature", signature).end_object();
}

// Returns whether there was content: neither what was thought nor a signature is, by itself.
bool write_assistant(JsonWriter& json, const Message& message, bool own) {
  bool has_content = false, has_call = false;
  for (const Block& block : message.blocks) {
    if (const auto* text = std::get_if<Text>(&block)) {
      has_content |= says_something(text->text);
      if (own && !text->signature.empty()) {
        write_signed(json, text->text, false, text->signature);
      } else if (says_something(text->text)) {
        write_text(json, text->text);
      }
    } else if (const auto* call = std::get_if<ToolCall>(&block)) {
      const std::string_view foreign = has_call ? std::string_view() : no_signature;
      write_call(json, *call, own ? std::string_view(call->signature) : foreign);
      has_content = has_call = true;
    } else if (const auto* reasoning = std::get_if<Reasoning>(&block)) {
      if (own && !reasoning->signature.empty()) write_signed(json, reasoning->text, true, reasoning->signature);
    } else if (const auto* part = std::get_if<ProviderPart>(&block); part && own) {
      json.raw(part->json);
      has_content = true;
    }
  }
  return has_content;
}

// As many results as there were calls, and then only what they and the person show.
bool write_user(JsonWriter& json, const Message& message) {
  bool has_content = false;
  for (const Block& block : message.blocks) {
    const auto* result = std::get_if<ToolResult>(&block);
    if (!result) continue;
    write_result(json, *result);
    has_content = true;
  }
  for (const Block& block : message.blocks) {
    if (const auto* result = std::get_if<ToolResult>(&block)) {
      for (const Image& image : result->images) write_image(json, image);
    } else if (const auto* image = std::get_if<Image>(&block)) {
      write_image(json, *image);
      has_content = true;
    } else if (const auto* text = std::get_if<Text>(&block); text && says_something(text->text)) {
      write_text(json, text->text);
      has_content = true;
    }
  }
  return has_content;
}

// Gemini 2.5 is told how many tokens it may think, in the numbers that the vendor's OpenAI endpoint makes of these words.
std::int64_t budget_of(std::string_view level) {
  if (level == "none") return 0;
  if (level == "low") return 1024;
  return level == "medium" ? 8192 : 24'576;
}

std::string_view level_name(std::string_view level) {
  if (level == "minimal") return "MINIMAL";
  if (level == "low") return "LOW";
  return level == "medium" ? "MEDIUM" : "HIGH";
}

void write_thinking(JsonWriter& json, const ModelParams& params) {
  const Effort effort = effort_of(params.model, params.reasoning_effort);
  if (!effort.thinks) return;
  json.key("thinkingConfig").begin_object();
  if (effort.level != "none") json.field("includeThoughts", true);
  if (!effort.level.empty()) {
    if (params.model.find("gemini-2.") != params.model.npos) {
      json.field("thinkingBudget", budget_of(effort.level));
    } else {
      json.field("thinkingLevel", level_name(effort.level));
    }
  }
  json.end_object();
}

// --- decoding --------------------------------------------------------------------------------------------------------

StopReason stop_reason(std::string_view name) {
  constexpr std::array<std::string_view, 10> refusals{
      "SAFETY",       "RECITATION",   "BLOCKLIST",                "PROHIBITED_CONTENT", "SPII",
      "MODEL_ARMOR",  "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",   "LANGUAGE"};
  if (name == "STOP") return StopReason::end_turn;
  if (name == "MAX_TOKENS") return StopReason::max_tokens;
  return std::find(refusals.begin(), refusals.end(), name) != refusals.end() ? StopReason::refusal : StopReason::other;
}

// Each report replaces what it mentions. What was thought is counted beside the output, what the vendor's tools brought
// beside the input, what was cached inside it.
struct Counts {
  std::int64_t prompt{0}, cached{0}, brought{0}, output{0}, thought{0};

  void read(dom::object usage) {
    const auto take = [&](std::string_view name, std::int64_t& to) {
      if (const auto count = count_at(usage, name)) to = *count;
    };
    take("promptTokenCount", prompt);
    take("cachedContentTokenCount", cached);
    take("toolUsePromptTokenCount", brought);
    take("candidatesTokenCount", output);
    take("thoughtsTokenCount", thought);
  }

  [[nodiscard]] Usage usage() const {
    Usage out;
    out.cache_read = std::min(cached, prompt);
    out.input = prompt - out.cache_read + brought;
    out.output = output + thought;
    out.reasoning = thought;
    return out;
  }
};

// The arguments of a call that come in pieces, each with its place in them: {"jsonPath": "$.items[0].name", "stringValue":
// "...", "willContinue"}.
class Pieces {
 public:
  // False when it has no place, or there are too many.
  [[nodiscard]] bool add(dom::object piece);
  [[nodiscard]] std::string json() const;

 private:
  enum class Kind : std::uint8_t { object, array, string, other };

  struct Node {
    std::string key;
    Kind kind{Kind::object};
    std::string value{};  // of a string; the JSON of another
    std::vector<Node> inner{};
  };

  static void write(JsonWriter& json, const Node& node);
  // Pieces come in order, so it is the last more often than not.
  [[nodiscard]] Node* enter(Node& parent, std::string_view key);

  Node root_;
  std::size_t count_{0};
};

Pieces::Node* Pieces::enter(Node& parent, std::string_view key) {
  const auto found = std::find_if(parent.inner.rbegin(), parent.inner.rend(), [&](const Node& n) { return n.key == key; });
  if (found != parent.inner.rend()) return &*found;
  if (++count_ > pieces_max) return nullptr;
  parent.inner.push_back({std::string(key)});
  return &parent.inner.back();
}

bool Pieces::add(dom::object piece) {
  std::string_view path = text_at(piece, "jsonPath");
  if (!path.starts_with('$')) return false;
  path.remove_prefix(1);
  Node* node = &root_;
  for (std::size_t depth = 0; !path.empty(); ++depth) {
    const bool index = path.front() == '[';
    if (depth == depth_max || (!index && path.front() != '.')) return false;
    path.remove_prefix(1);
    std::size_t size = std::min(path.find_first_of(index ? "]" : ".["), path.size());
    std::string_view key = path.substr(0, size);
    if (index && size == path.size()) return false;
    path.remove_prefix(index ? size + 1 : size);
    const bool quoted = index && key.size() >= 2 && (key.front() == '\'' || key.front() == '"');
    if (quoted) key = key.substr(1, key.size() - 2);
    node->kind = index && !quoted ? Kind::array : Kind::object;
    node = enter(*node, key);
    if (!node) return false;
  }
  if (node == &root_) return true;
  if (std::string_view text; piece.at_key("stringValue").get(text) == simdjson::SUCCESS) {
    node->kind = Kind::string;
    node->value += text;
    return true;
  }
  node->kind = Kind::other;
  node->value = "null";
  for (const std::string_view name : {"numberValue", "boolValue"}) {
    dom::element value;
    if (piece.at_key(name).get(value) == simdjson::SUCCESS) node->value = simdjson::minify(value);
  }
  return true;
}

void Pieces::write(JsonWriter& json, const Node& node) {
  switch (node.kind) {
    case Kind::string: json.value(node.value); return;
    case Kind::other: json.raw(node.value); return;
    case Kind::array:
      json.begin_array();
      for (const Node& inner : node.inner) write(json, inner);
      json.end_array();
      return;
    case Kind::object:
      json.begin_object();
      for (const Node& inner : node.inner) write(json.key(inner.key), inner);
      json.end_object();
  }
}

std::string Pieces::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const Node& inner : root_.inner) write(json.key(inner.key), inner);
  json.end_object();
  return out;
}

class GeminiDecoder final : public EventDecoder {
 public:
  using EventDecoder::EventDecoder;

 private:
  Outcome on_event(std::string_view, dom::object event, StreamSink& sink) override;
  Outcome on_body(dom::object body, StreamSink& sink) override;
  // Nothing but the end of the body follows the last event.
  bool may_end() const override { return ended_; }

  Outcome on_candidate(dom::object candidate, StreamSink& sink);
  Outcome on_part(dom::object part, StreamSink& sink);
  Outcome on_text(std::string_view text, bool thought, std::string_view signature, StreamSink& sink);
  Outcome on_call(dom::object call, std::string_view signature, StreamSink& sink);
  Outcome on_finish(std::string_view reason, dom::object candidate);
  Outcome on_grounding(dom::object grounding);
  Outcome cite(std::size_t at, Citation citation);
  Outcome finish_call(StreamSink& sink);

  Counts counts_;
  std::optional<Pieces> pieces_;  // of the last call, while it is not whole
  bool ended_{false};
};

Outcome GeminiDecoder::on_event(std::string_view, dom::object event, StreamSink& sink) {
  if (object_at(event, "error")) return tl::unexpected(error_from_event(event));
  Reply& reply = builder_.reply();
  if (const std::string_view model = text_at(event, "modelVersion"); !model.empty()) reply.model = model.substr(0, 256);
  if (const auto usage = object_at(event, "usageMetadata")) {
    counts_.read(*usage);
    reply.usage = counts_.usage();
  }
  dom::array candidates;
  dom::object candidate;
  if (event.at_key("candidates").get(candidates) == simdjson::SUCCESS && candidates.size() > 0 &&
      (*candidates.begin()).get(candidate) == simdjson::SUCCESS) {
    if (auto outcome = on_candidate(candidate, sink); !outcome) return outcome;
  }
  if (const auto feedback = object_at(event, "promptFeedback"); feedback && !text_at(*feedback, "blockReason").empty()) {
    reply.stop = StopReason::refusal;
    ended_ = true;
  }
  return {};
}

Outcome GeminiDecoder::on_body(dom::object body, StreamSink& sink) {
  if (auto outcome = on_event({}, body, sink); !outcome) return outcome;
  if (!ended_) return tl::unexpected(malformed_answer("is JSON but not a response"));
  done_ = true;
  return {};
}

Outcome GeminiDecoder::on_candidate(dom::object candidate, StreamSink& sink) {
  dom::array parts;
  if (const auto content = object_at(candidate, "content"); content && content->at_key("parts").get(parts) == simdjson::SUCCESS) {
    for (const dom::element element : parts) {
      dom::object part;
      if (element.get(part) != simdjson::SUCCESS) continue;
      if (auto outcome = on_part(part, sink); !outcome) return outcome;
    }
  }
  if (const auto grounding = object_at(candidate, "groundingMetadata")) {
    if (auto outcome = on_grounding(*grounding); !outcome) return outcome;
  }
  const std::string_view reason = text_at(candidate, "finishReason");
  if (reason.empty() || reason == "FINISH_REASON_UNSPECIFIED") return {};
  if (auto outcome = finish_call(sink); !outcome) return outcome;
  return on_finish(reason, candidate);
}

Outcome GeminiDecoder::on_part(dom::object part, StreamSink& sink) {
  const std::string_view signature = text_at(part, "thoughtSignature");
  if (const auto call = object_at(part, "functionCall")) return on_call(*call, signature, sink);
  for (const std::string_view name : kept_parts) {
    if (object_at(part, name)) return builder_.part(simdjson::minify(part));
  }
  bool thought = false;
  if (part.at_key("thought").get(thought) != simdjson::SUCCESS) thought = false;
  return on_text(text_at(part, "text"), thought, signature, sink);
}

// A part that is signed is a block of its own.
Outcome GeminiDecoder::on_text(std::string_view text, bool thought, std::string_view signature, StreamSink& sink) {
  if (text.empty() && signature.empty()) return {};
  const std::vector<Block>& blocks = builder_.reply().blocks;
  const auto goes_on = [&](const Block& block) {
    if (const auto* said = std::get_if<Text>(&block)) return !thought && said->signature.empty();
    const auto* reasoning = std::get_if<Reasoning>(&block);
    return thought && reasoning && reasoning->signature.empty();
  };
  if (!signature.empty() || blocks.empty() || !goes_on(blocks.back())) {
    if (auto opened = builder_.open(thought ? Block(Reasoning{}) : Block(Text{})); !opened) return opened;
  }
  const std::size_t at = blocks.size() - 1;
  if (auto added = builder_.signature_at(at, signature); !added) return added;
  return thought ? builder_.reasoning_at(at, text, sink) : builder_.text_at(at, text, sink);
}

// A call comes whole, or begins with its name and goes on in pieces without one.
Outcome GeminiDecoder::on_call(dom::object call, std::string_view signature, StreamSink& sink) {
  bool continues = false;
  if (call.at_key("willContinue").get(continues) != simdjson::SUCCESS) continues = false;
  const auto whole = object_at(call, "args");
  const std::string_view name = text_at(call, "name");
  if (!name.empty() || whole) {
    if (auto finished = finish_call(sink); !finished) return finished;
    if (auto opened = builder_.open_call(text_at(call, "id"), name, sink); !opened) return opened;
    if (auto added = builder_.signature_at(builder_.reply().blocks.size() - 1, signature); !added) return added;
    if (whole) {
      if (auto added = builder_.arguments(builder_.calls() - 1, simdjson::minify(*whole), sink); !added) return added;
      builder_.close_call(builder_.calls() - 1, sink);
      return {};
    }
    pieces_.emplace();
  }
  if (!pieces_) return {};
  dom::array pieces;
  if (call.at_key("partialArgs").get(pieces) == simdjson::SUCCESS) {
    for (const dom::element element : pieces) {
      dom::object piece;
      if (element.get(piece) != simdjson::SUCCESS) continue;
      if (auto charged = builder_.charge(simdjson::minify(piece).size()); !charged) return charged;
      if (!pieces_->add(piece)) return tl::unexpected(malformed_answer("has arguments in pieces that do not fit together"));
    }
  }
  return continues ? Outcome() : finish_call(sink);
}

Outcome GeminiDecoder::finish_call(StreamSink& sink) {
  if (!pieces_) return {};
  const std::size_t call = builder_.calls() - 1;
  auto added = builder_.arguments(call, pieces_->json(), sink);
  pieces_.reset();
  if (added) builder_.close_call(call, sink);
  return added;
}

Outcome GeminiDecoder::on_finish(std::string_view reason, dom::object candidate) {
  // The vendor could not read what its own model wrote; asked again the model writes something else.
  constexpr std::array<std::string_view, 3> failures{"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"};
  if (std::find(failures.begin(), failures.end(), reason) != failures.end()) {
    const std::string said(text_at(candidate, "finishMessage").substr(0, 200));
    return tl::unexpected(malformed_answer(fmt::format("ends with {}{}{}", reason, said.empty() ? "" : ": ", said)));
  }
  builder_.reply().stop = stop_reason(reason);
  ended_ = true;
  return {};
}

Outcome GeminiDecoder::on_grounding(dom::object grounding) {
  const std::vector<Block>& blocks = builder_.reply().blocks;
  const auto last = std::find_if(blocks.rbegin(), blocks.rend(), [](const Block& block) {
    const auto* text = std::get_if<Text>(&block);
    return text && !text->text.empty();
  });
  dom::array chunks;
  if (last == blocks.rend() || grounding.at_key("groundingChunks").get(chunks) != simdjson::SUCCESS) return {};
  const auto at = static_cast<std::size_t>(blocks.rend() - last) - 1;
  for (const dom::element element : chunks) {
    dom::object chunk;
    if (element.get(chunk) != simdjson::SUCCESS) continue;
    for (const std::string_view kind : {"web", "retrievedContext", "maps"}) {
      const auto source = object_at(chunk, kind);
      if (!source) continue;
      Citation citation{std::string(text_at(*source, "uri")), std::string(text_at(*source, "title")),
                        std::string(text_at(*source, "text"))};
      if (auto cited = cite(at, std::move(citation)); !cited) return cited;
    }
  }
  return {};
}

// The sources of an answer are told again with every event that has more of them.
Outcome GeminiDecoder::cite(std::size_t at, Citation citation) {
  const std::vector<Citation>& known = std::get<Text>(builder_.reply().blocks[at]).citations;
  if (known.size() == citations_max || std::find(known.begin(), known.end(), citation) != known.end()) return {};
  return builder_.citation_at(at, std::move(citation));
}

// --- the provider ----------------------------------------------------------------------------------------------------

class Gemini final : public Provider {
 public:
  explicit Gemini(const Variant& variant) : variant_(variant) {}

  std::string_view name() const override { return variant_.name; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    if (says_something(prompt.system)) {
      json.key("systemInstruction").begin_object().key("parts").begin_array();
      write_text(json, prompt.system);
      json.end_array().end_object();
    }
    if (!prompt.tools.empty()) {
      json.key("tools").begin_array().begin_object().key("functionDeclarations").begin_array();
      for (const ToolSpec& tool : prompt.tools) {
        json.begin_object().field("name", tool.name).field("description", tool.description);
        json.key("parametersJsonSchema").raw(wire_parameters(tool)).end_object();
      }
      json.end_array().end_object().end_array();
    }
    json.key("generationConfig").begin_object();
    json.field("maxOutputTokens", std::max<std::int64_t>(params.output_tokens_max, 1));
    if (params.temperature >= 0 && model_info(params.model).temperature) json.field("temperature", params.temperature);
    write_thinking(json, params);
    json.end_object();
    json.key("contents").begin_array();
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override {
    if (!first) out += ',';
    JsonWriter json(out);
    const bool user = message.role == Role::user;
    json.begin_object().field("role", user ? "user" : "model").key("parts").begin_array();
    const bool has_content =
        user ? write_user(json, message) : write_assistant(json, message, message.provider == variant_.name);
    if (!has_content) write_text(json, nothing);
    json.end_array().end_object();
  }

  std::string encode_tail() const override { return "]}"; }

  Endpoint endpoint(std::string_view base_url, std::string_view model) const override {
    if (model.starts_with("models/")) model.remove_prefix(7);
    const std::string path = fmt::format("{}{}:streamGenerateContent", variant_.models, wire_path(model));
    const std::string base = vertex_url(base_url.empty() ? variant_.vendor_url : base_url);
    return {wire_url(base, variant_.version, path) + "?alt=sse",
            {{"content-type", "application/json"}, {"accept", "text/event-stream"}}};
  }

  Authentication authenticate(std::string_view key, const Endpoint&) const override {
    if (variant_.api_key_header) return {{{"x-goog-api-key", std::string(key)}}};
    return {{{"authorization", "Bearer " + std::string(key)}}};
  }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<GeminiDecoder>(limits);
  }

  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return error_from_answer(status, headers, body);
  }

 private:
  const Variant& variant_;
};

}  // namespace

std::shared_ptr<const Provider> make_gemini(std::string_view variant) {
  const auto is_it = [&](const Variant& v) { return v.name == variant; };
  const auto found = std::find_if(variants.begin(), variants.end(), is_it);
  return found == variants.end() ? nullptr : std::make_shared<Gemini>(*found);
}

}  // namespace joey

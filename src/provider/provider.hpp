// A provider: the pure codec of one model API. Bytes in, values out; no sockets, no clock.
//
// A request is a rope: head + messages + tail. The head (model, system prompt, tools, parameters) changes only when the
// prompt does; each message is encoded once, when it joins the conversation, and kept as bytes; so request n+1 begins
// with the bytes of request n's conversation, and a turn costs what the turn added.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "model/message.hpp"
#include "model/tool.hpp"

namespace joey {

// What stays the same from turn to turn.
struct Prompt {
  std::string system;
  std::vector<ToolSpec> tools;  // in the order sent
};

struct ModelParams {
  std::string model;
  std::int64_t output_tokens_max{8192};
  double temperature{-1};  // negative: the provider's own default, not sent
  // How much the model should think: "none", "minimal", "low", "medium", "high", "xhigh", "max"; empty: the vendor's default,
  // nothing is sent. A model that lacks the level gets the nearest it has, one that does not think gets none.
  std::string reasoning_effort{};
  std::int64_t context_window{0};  // in tokens, for servers that have to be told; 0: theirs
};

struct HttpHeader {
  std::string name;
  std::string value;
};

// How to reach a model. The key is added by the runtime at the last moment and is in no other value.
struct Endpoint {
  std::string url;                  // absolute
  std::vector<HttpHeader> headers;  // without the key
};

// What shows a server who asks.
struct Authentication {
  std::vector<HttpHeader> headers;
  // Requests are signed with the key, which is a pair of AWS's, for this region of the service; empty: they are not.
  std::string aws_region{};
  std::string aws_service{};
};

// Receives an answer as it streams, for display. Nothing here is durable; the Reply is.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void on_text(std::string_view fragment) = 0;
  virtual void on_reasoning(std::string_view fragment) = 0;
  // A fragment of the arguments of the answer's call number `index`; `name` is complete. The first fragment of a call
  // is empty: it announces the call.
  virtual void on_tool_arguments(std::size_t index, std::string_view name, std::string_view fragment) = 0;
  // Call number `index` is complete: a tool that only reads may start before the answer ends. Comes once a call, but
  // not from a server that does not stream.
  virtual void on_tool_call(std::size_t /*index*/, const ToolCall& /*call*/) {}
};

// Limits on one answer, so that no server can grow memory without bound (invariant 9).
struct DecodeLimits {
  std::size_t reply_bytes_max{16U << 20};  // of text, reasoning and arguments together
  std::size_t event_bytes_max{8U << 20};   // of one event of the stream
  std::size_t tool_calls_max{128};
};

// Decodes one answer. Feed bytes in any pieces: the result does not depend on where they are cut.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;

  // An error ends the answer: the provider reported one in the stream, the bytes are not of the format, or a limit was
  // passed. Nothing may be fed after it.
  [[nodiscard]] virtual tl::expected<void, ModelError> feed(std::string_view bytes, StreamSink& sink) = 0;

  // Whether the format's own end has been seen: the answer is whole and the rest of the body does not matter.
  [[nodiscard]] virtual bool done() const = 0;

  // By the answer so far, until finish().
  [[nodiscard]] virtual Spent spent() const = 0;

  // The answer, after the last byte. Error class `network` when the stream ended before the format's own end.
  [[nodiscard]] virtual tl::expected<Reply, ModelError> finish() = 0;
};

// Implementations have no state: one serves every task.
class Provider {
 public:
  virtual ~Provider() = default;

  // Of the wire protocol or its dialect, as make_provider() takes it; what Message::provider says.
  [[nodiscard]] virtual std::string_view name() const = 0;

  // The body of a request is encode_head + for each message encode_message + encode_tail, with one message at least.
  [[nodiscard]] virtual std::string encode_head(const Prompt& prompt, const ModelParams& params) const = 0;
  // Appends one message. `first`: no message was encoded before it in this conversation. Must not depend on anything
  // else, so that the bytes of a message never change. A message may encode as several of the wire's.
  virtual void encode_message(const Message& message, bool first, std::string& out) const = 0;
  // Appends a user message as the last of a request, whose answer before it has `answer_blocks` blocks, with what helps the
  // vendor's cache to find the request before this one; the model sees no difference. Appends nothing where nothing helps.
  virtual void encode_last(const Message& /*message*/, bool /*first*/, std::size_t /*answer_blocks*/,
                                         std::string& /*out*/) const {}
  [[nodiscard]] virtual std::string encode_tail() const = 0;

  // `base_url` is the profile's, or empty for the vendor's own.
  [[nodiscard]] virtual Endpoint endpoint(std::string_view base_url, std::string_view model) const = 0;
  // `endpoint` is where the request goes.
  [[nodiscard]] virtual Authentication authenticate(std::string_view key, const Endpoint& endpoint) const = 0;

  [[nodiscard]] virtual std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const = 0;

  // What an answer with a status outside 200..299 means. `body` may be cut.
  [[nodiscard]] virtual ModelError classify(int status, std::span<const HttpHeader> headers,
                                            std::string_view body) const = 0;
};

// A row of the provider table: a name a person chooses, and what follows from it.
struct ProviderPreset {
  std::string_view name;          // "openrouter"
  std::string_view wire;          // for make_provider()
  std::string_view base_url;      // {NAME} in it is the person's to fill in, as by a variable of that name
  std::string_view key_variable;  // "OPENROUTER_API_KEY"; empty: needs none
  std::string_view model;         // the default; empty: the person must choose
  std::string_view wire_elsewhere{};  // that other servers speak in its place, at a base URL of the person's; empty: the same
  std::int64_t context_window{0};     // that its models are given, where the person says nothing else; 0: their own
};

[[nodiscard]] std::span<const ProviderPreset> provider_presets();
[[nodiscard]] const ProviderPreset* find_provider_preset(std::string_view name);

// The codec of this wire protocol; null when there is none. Beside "anthropic", "openai" (Chat Completions) and "responses"
// there are dialects of the latter two, named after the vendor who needs one: "openrouter", "deepseek", "moonshot", "zai",
// "minimax", "alibaba", "mistral" and "azure-chat"; "azure" and "xai" for Responses. "gemini" is Google's own API, "vertex" the
// same on its cloud, and "vertex-anthropic" Claude there. "bedrock" and "bedrock-plain" are Amazon's Converse, "ollama" is that
// server's own. With "+text" behind it each is for models that call no tools: see text_tools.hpp.
[[nodiscard]] std::shared_ptr<const Provider> make_provider(std::string_view wire);

// A price list that goes up for the whole request when its prompt, cached or not, is larger than a limit.
struct LongPrompt {
  std::int64_t above{0};  // tokens; 0: the price is the same for every length
  double input{1};        // what the prices are multiplied by
  double output{1};
};

// What is known of a model. Prices are US dollars per million tokens. Where none are known they are 0; where only a
// price of the cache is 0, the vendor asks the price of input for it.
struct ModelInfo {
  std::string_view id;  // a model belongs to the row with the longest id that is a prefix of its own
  std::int64_t context_window{128'000};
  std::int64_t output_tokens_max{8192};
  double price_input{0};
  double price_output{0};
  double price_cache_read{0};
  double price_cache_write{0};
  bool images{true};
  bool temperature{true};  // false: the model refuses a request that sets it
  LongPrompt long_prompt{};
};

// How a model's tools differ from those that every model is offered: it was trained to edit files with others.
struct ToolPreference {
  std::string_view models;  // what the ids of these begin with
  std::span<const std::string_view> added;
  std::span<const std::string_view> removed;
};

// Never fails: most models have none.
[[nodiscard]] ToolPreference tool_preference(std::string_view model);

// Never fails: an unknown model gets the defaults above and no prices. A vendor before the name ("anthropic/...") and
// that vendor's way of writing it do not matter.
[[nodiscard]] ModelInfo model_info(std::string_view model);

// Every row that is known, by its id or what ids begin with.
[[nodiscard]] std::span<const ModelInfo> known_models();

// {"providers":[{"name","wire","base_url","key_variable","model"}...],"models":[{"id","context_window","output_tokens_max",
// "images","temperature","price_input","price_output","price_cache_read","price_cache_write"}...]}: what joey_catalogue() tells.
[[nodiscard]] std::string catalogue_json();

[[nodiscard]] double price_usd(const ModelInfo& info, const Usage& usage);

}  // namespace joey

// The conversation's vocabulary: messages, content blocks, tool calls, usage. Plain values, the same for every provider.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace joey {

// What a text rests on, as its provider says.
struct Citation {
  std::string url;      // may be empty
  std::string title;    // likewise
  std::string excerpt;  // likewise
  bool operator==(const Citation&) const = default;
};

struct Text {
  std::string text;
  std::string signature{};  // opaque; goes back only to the provider that gave it
  std::vector<Citation> citations{};
  bool operator==(const Text&) const = default;
};

struct Image {
  std::string media_type;  // "image/png"
  std::string base64;
  bool operator==(const Image&) const = default;
};

// What the model thought. A signature makes it replayable, but only to the provider that signed it.
struct Reasoning {
  std::string text;
  std::string signature;  // opaque; empty when the provider gave none
  bool redacted{false};   // `signature` is then the provider's encrypted block and `text` is empty
  bool operator==(const Reasoning&) const = default;
};

struct ToolCall {
  std::string id;         // joey's own, unique in its task: nine letters and digits, which every provider accepts
  std::string name;       // as the model wrote it
  std::string arguments;  // always one valid JSON object
  std::string malformed;  // what the model sent instead of a JSON object, cut to a limit; empty when it was one
  std::string signature{};  // opaque; goes back only to the provider that gave it
  bool operator==(const ToolCall&) const = default;
};

struct ToolResult {
  std::string call_id;
  bool error{false};
  std::string text;
  std::vector<Image> images;
  std::string tool{};  // the name of the call, as the model wrote it
  bool operator==(const ToolResult&) const = default;
};

// A part of a provider's own that has no word here, as the call of a tool that its server runs, and what that brought. Goes
// back to this provider as it came, and to no other.
struct ProviderPart {
  std::string json;  // one object
  bool operator==(const ProviderPart&) const = default;
};

using Block = std::variant<Text, Image, Reasoning, ToolCall, ToolResult, ProviderPart>;

enum class Role : std::uint8_t { user, assistant };

// A user message holds the results of the turn's calls first, in the calls' order, then texts and images; an assistant
// message holds reasoning, texts and calls in the model's order. The two alternate.
struct Message {
  Role role{Role::user};
  std::vector<Block> blocks;
  std::string provider;  // of an assistant message: who wrote it, so that signatures go back only there
  bool operator==(const Message&) const = default;
};

// Tokens of one answer. `input` excludes what was read from or written to the provider's cache.
struct Usage {
  std::int64_t input{0};
  std::int64_t output{0};
  std::int64_t cache_read{0};
  std::int64_t cache_write{0};
  std::int64_t reasoning{0};  // the part of `output` that was reasoning, where the provider tells

  [[nodiscard]] std::int64_t total() const { return input + output + cache_read + cache_write; }
  Usage& operator+=(const Usage& other) {
    input += other.input;
    output += other.output;
    cache_read += other.cache_read;
    cache_write += other.cache_write;
    reasoning += other.reasoning;
    return *this;
  }
  bool operator==(const Usage&) const = default;
};

// What a request has used that brought no answer, or none yet.
struct Spent {
  bool begun{false};      // an answer had begun, so it is billed
  Usage usage;            // as far as the provider has counted
  std::int64_t bytes{0};  // of the answer
  bool operator==(const Spent&) const = default;
};

// Why the model stopped.
enum class StopReason : std::uint8_t {
  end_turn,    // it was done
  tool_calls,  // it waits for tools
  max_tokens,  // its answer was cut at the output limit
  refusal,     // the provider or the model declined
  other,
  paused,      // the provider stopped in the middle of it, and goes on when the conversation is sent again as it is
};

// One whole answer of a model, as a codec assembles it.
struct Reply {
  std::vector<Block> blocks;  // Reasoning, Text, ToolCall, ProviderPart; a ToolCall's id here is the provider's own, perhaps empty
  StopReason stop{StopReason::other};
  Usage usage;
  double cost_usd{0};  // as the provider billed it; 0 when it does not say
  std::string model;   // the model that answered, as the provider names it
  bool operator==(const Reply&) const = default;
};

// The classes of failure of a model request; what the core does about one depends on nothing else.
enum class ModelErrorClass : std::uint8_t {
  auth,         // 401, 403: the key is wrong or may not
  quota,        // 402, or a 429 that waiting does not cure
  rate,         // 429
  overload,     // 503, 529: the provider is busy
  server,       // other 5xx, 408, 409
  network,      // no connection, reset, cut, stalled
  malformed,    // the answer is not of its wire format, or beyond a limit
  too_long,     // the conversation exceeds the model's context window
  bad_request,  // other 4xx: sending it again will not help
  not_found,    // 404: no such model or address
  interrupted,  // the engine ended in the middle of the request, or a person stopped it
};

// Whether the same request may succeed later.
[[nodiscard]] constexpr bool retryable(ModelErrorClass error) {
  switch (error) {
    case ModelErrorClass::rate:
    case ModelErrorClass::overload:
    case ModelErrorClass::server:
    case ModelErrorClass::network:
    case ModelErrorClass::malformed:
    case ModelErrorClass::interrupted: return true;
    case ModelErrorClass::auth:
    case ModelErrorClass::quota:
    case ModelErrorClass::too_long:
    case ModelErrorClass::bad_request:
    case ModelErrorClass::not_found: return false;
  }
  return false;
}

struct ModelError {
  ModelErrorClass error{ModelErrorClass::network};
  std::string message;              // one line, ends with what to do when a person can do something
  int status{0};                    // of HTTP; 0 when there was no answer
  std::int64_t retry_after_ms{-1};  // as the provider asked; -1 when it did not
  Spent spent{};
  bool operator==(const ModelError&) const = default;
};

}  // namespace joey

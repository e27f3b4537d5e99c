// What the decoders of all wires share: events out of bytes, JSON out of events, a Reply out of fragments, the limits.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provider/errors.hpp"
#include "provider/provider.hpp"
#include "provider/framing.hpp"

namespace joey {

using Outcome = tl::expected<void, ModelError>;

// --- reading what others wrote: a missing, null or mistyped field is simply not there -------------------------------

[[nodiscard]] std::optional<simdjson::dom::object> object_at(simdjson::dom::object parent, std::string_view name);
[[nodiscard]] std::string_view text_at(simdjson::dom::object parent, std::string_view name);
// A count: 0 and more, also when it came as a fraction or as text; absurd ones are cut to a trillion.
[[nodiscard]] std::optional<std::int64_t> count_of(simdjson::dom::element value);
[[nodiscard]] std::optional<std::int64_t> count_at(simdjson::dom::object parent, std::string_view name);
// What an answer cost in dollars, where its usage says so: OpenRouter's `cost`, Perplexity's `cost.total_cost`, xAI's ticks
// of a ten-billionth; 0 otherwise.
[[nodiscard]] double read_cost(simdjson::dom::object usage);

// One JSON text after another, in memory that is used again.
class JsonReader {
 public:
  // The value holds until the next call. `slack`: readable bytes after `text`; with enough of them nothing is copied.
  [[nodiscard]] std::optional<simdjson::dom::element> read(std::string_view text, std::size_t slack);

 private:
  [[nodiscard]] simdjson::error_code parse(std::string_view text, std::size_t slack, simdjson::dom::element& root);

  simdjson::dom::parser parser_;
  std::string padded_;
};

// Assembles the Reply, tells the sink, and keeps the limits.
class ReplyBuilder {
 public:
  explicit ReplyBuilder(const DecodeLimits& limits) : limits_(limits) {}

  // Appends to the last block when it is of that kind, else opens one.
  [[nodiscard]] Outcome text(std::string_view fragment, StreamSink& sink);
  [[nodiscard]] Outcome reasoning(std::string_view fragment, StreamSink& sink);

  // Opens a block; the last one of reply().blocks is then it.
  [[nodiscard]] Outcome open(Block block);
  [[nodiscard]] Outcome open_call(std::string_view id, std::string_view name, StreamSink& sink);

  // Appends to block number `at`, which is of that kind.
  [[nodiscard]] Outcome text_at(std::size_t at, std::string_view fragment, StreamSink& sink);
  [[nodiscard]] Outcome reasoning_at(std::size_t at, std::string_view fragment, StreamSink& sink);
  // Of a Text, a Reasoning or a ToolCall.
  [[nodiscard]] Outcome signature_at(std::size_t at, std::string_view fragment);
  [[nodiscard]] Outcome citation_at(std::size_t at, Citation citation);
  [[nodiscard]] Outcome arguments(std::size_t call, std::string_view fragment, StreamSink& sink);
  // A ProviderPart, of one JSON object.
  [[nodiscard]] Outcome part(std::string json);
  // Counts what a decoder keeps outside the Reply's blocks.
  [[nodiscard]] Outcome charge(std::size_t bytes);

  // Nothing more comes for this call.
  void close_call(std::size_t call, StreamSink& sink);

  [[nodiscard]] std::size_t calls() const { return calls_.size(); }
  [[nodiscard]] ToolCall& call(std::size_t number);
  [[nodiscard]] Reply& reply() { return reply_; }
  [[nodiscard]] Spent spent() const { return {true, reply_.usage, static_cast<std::int64_t>(bytes_)}; }

  // The finished Reply: without empty blocks and calls before a refusal, and with a stop reason that agrees with its blocks.
  [[nodiscard]] Reply take();

 private:
  struct Call {
    std::size_t at;  // in blocks
    bool closed;
  };

  DecodeLimits limits_;
  Reply reply_;
  std::vector<Call> calls_;
  std::size_t bytes_{0};
};

// Decodes a stream of events, or the one JSON body of a server that does not stream. The wires fill in what an event
// says.
class EventDecoder : public StreamDecoder {
 public:
  explicit EventDecoder(const DecodeLimits& limits, Framing framing = Framing::sse)
      : builder_(limits), limits_(limits), framing_(framing), parser_(make_frame_parser(framing, limits.event_bytes_max)) {}

  [[nodiscard]] Outcome feed(std::string_view bytes, StreamSink& sink) final;
  [[nodiscard]] bool done() const final { return done_; }
  [[nodiscard]] Spent spent() const final { return builder_.spent(); }
  [[nodiscard]] tl::expected<Reply, ModelError> finish() final;

 protected:
  // One event of the stream, or the whole of an answer that was not streamed. `name` is the frame's; many have none.
  [[nodiscard]] virtual Outcome on_event(std::string_view name, simdjson::dom::object event, StreamSink& sink) = 0;
  [[nodiscard]] virtual Outcome on_body(simdjson::dom::object body, StreamSink& sink) = 0;
  // "[DONE]" came.
  virtual void on_end(StreamSink& /*sink*/) {}
  // Whether an answer that ends here is whole, though the format's own end was not seen.
  [[nodiscard]] virtual bool may_end() const { return false; }

  ReplyBuilder builder_;
  bool done_{false};

 private:
  enum class Form : std::uint8_t { unknown, events, body, page };

  [[nodiscard]] Outcome feed_form(std::string_view bytes, StreamSink& sink);
  [[nodiscard]] Outcome decode(const Frame& event, StreamSink& sink);
  [[nodiscard]] Outcome decode_rest();
  [[nodiscard]] ModelError event_too_large() const;

  DecodeLimits limits_;
  Framing framing_;
  std::unique_ptr<FrameParser> parser_;
  JsonReader json_;
  Form form_{Form::unknown};
  std::string body_;
  std::optional<ModelError> failed_;
};

}  // namespace joey

// What the decoder tests share: a sink that remembers, and answers decoded in every way bytes can arrive.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider/provider.hpp"

namespace joey::test {

struct Heard final : StreamSink {
  void on_text(std::string_view fragment) override { text += fragment; }
  void on_reasoning(std::string_view fragment) override { reasoning += fragment; }
  void on_tool_arguments(std::size_t index, std::string_view name, std::string_view fragment) override {
    if (calls.size() <= index) calls.resize(index + 1);
    calls[index].first = name;
    calls[index].second += fragment;
  }
  void on_tool_call(std::size_t index, const ToolCall& call) override { complete.emplace_back(index, call); }

  std::string text;
  std::string reasoning;
  std::vector<std::pair<std::string, std::string>> calls;  // name and arguments
  std::vector<std::pair<std::size_t, ToolCall>> complete;

  bool operator==(const Heard& other) const {
    return text == other.text && reasoning == other.reasoning && calls == other.calls && complete == other.complete;
  }
};

struct Decoded {
  std::optional<Reply> reply;
  std::optional<ModelError> error;
  Heard heard;
  bool done{false};  // the format's own end was seen before finish()

  bool operator==(const Decoded&) const = default;
};

// Each piece lies in memory of exactly its size, so that a sanitizer sees a byte read too many.
[[nodiscard]] Decoded decode_pieces(std::string_view wire, const std::vector<std::string_view>& pieces,
                                    const DecodeLimits& limits = {});

// Decodes the answer whole, in two pieces cut at every place (at every `stride`th, when given) and byte by byte, checks
// that all agree, and returns what they agree on.
[[nodiscard]] Decoded decode(std::string_view wire, std::string_view bytes, const DecodeLimits& limits = {},
                             std::size_t stride = 1);

// `payloads`, one a line, as the events of a stream.
[[nodiscard]] std::string as_events(std::string_view payloads);

// A frame of an AWS event stream with one header.
[[nodiscard]] std::string aws_frame(std::string_view event_type, std::string_view payload,
                                    std::string_view header = ":event-type");

[[nodiscard]] bool is_json(std::string_view text);

// The body of a request, put together the way the runtime does it.
[[nodiscard]] std::string encode(const Provider& provider, const Prompt& prompt, const ModelParams& params,
                                 const std::vector<Message>& messages);

}  // namespace joey::test

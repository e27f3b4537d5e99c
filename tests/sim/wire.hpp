// The vendors' side of the two wires: requests are refused for what a vendor refuses, answers are streamed as one streams.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace joey::sim {

// The one that the tools of a simulation show, and persons send.
inline constexpr std::string_view image_in_base64 = "aW1hZ2U=";

// What a request says, once it was found to be valid.
struct Seen {
  std::string wire;
  std::vector<std::string> tools;  // offered
  std::string first_words;         // of the first user message: what the task is about
  std::string last_words;          // texts and results since the last answer
  std::int64_t answers{0};         // of the model, so far
  std::size_t settled_bytes{0};    // of the body, before what came since the last answer
  std::size_t bytes{0};
  std::int64_t images{0};
};

// Strict: what a vendor would refuse, and what joey promises beyond that (roles alternate; each call has exactly one
// result, directly after it and in order; ids are unique). The error says what is wrong.
[[nodiscard]] Result<Seen> read_request(std::string_view wire, std::string_view body);

struct AnswerBlock {
  enum class Kind : std::uint8_t { text, reasoning, call };
  Kind kind{Kind::text};
  std::string text;  // or a call's arguments, which need not be JSON
  std::string name;  // of a call
};

struct Answer {
  std::vector<AnswerBlock> blocks;
  enum class Stop : std::uint8_t { end, calls, length, refusal };
  Stop stop{Stop::end};
  std::int64_t input_tokens{0};   // served from no cache
  std::int64_t cached_tokens{0};
  std::int64_t output_tokens{0};
};

// The body of the answer as server-sent events.
[[nodiscard]] std::string stream_of(std::string_view wire, const Answer& answer);

}  // namespace joey::sim

// Image APIs: what the vendors refuse, and a small picture for anything else. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http.hpp"
#include "request.hpp"

namespace scripted {

enum class ImageApi { openrouter, openai_generations, openai_edits };

// What an image request asks for.
struct ImageOrder {
  std::string prompt;
  std::uint64_t seed = 0;  // of prompt and input: the same request gets the same picture
};

// Fills `order`, or says why the request is invalid.
[[nodiscard]] std::optional<Refusal> read_image_request(ImageApi api, const HttpRequest& request, ImageOrder& order);

// An answer of both vendors, with a PNG of 16 by 16 pixels.
void append_image_answer(std::string& out, const ImageOrder& order, std::int64_t created);

}  // namespace scripted

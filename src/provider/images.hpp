// APIs that make images: a prompt, and perhaps an image to go by, in; an image out. Pure, as the codecs of models are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/message.hpp"
#include "provider/provider.hpp"

namespace joey {

// OpenRouter has its own API, because its Chat Completions answer with images for a few models only. The answers of both
// have one form.
enum class ImageWire : std::uint8_t {
  openrouter,  // POST /images: JSON, which holds the input as a data URL
  openai,      // POST /images/generations: JSON; with an input POST /images/edits: a form, which holds it as a file
};

// "openrouter", "openai".
[[nodiscard]] std::optional<ImageWire> find_image_wire(std::string_view name);

struct EncodedImageRequest {
  std::string url;
  std::vector<HttpHeader> headers;  // without the key
  std::string body;
};

// `base_url` is the person's, or empty for the vendor's own. Nothing is asked for but one image: its size, format and
// quality are the model's own choice, since vendors refuse what a model does not know.
// `invalid_argument`: the input's bytes are needed, and it is not base64.
[[nodiscard]] Result<EncodedImageRequest> encode_image_request(ImageWire wire, std::string_view base_url,
                                                               std::string_view model, std::string_view prompt,
                                                               const std::optional<Image>& input);

// The header that carries the key, for both.
[[nodiscard]] HttpHeader image_key_header(std::string_view key);

inline constexpr std::size_t generated_image_bytes_max = 20U << 20;
inline constexpr std::size_t image_answer_bytes_max = 30U << 20;  // such an image in base64, and what is said of it

// The first image of an answer, or what the answer means instead. The media type is what the vendor says it is, empty
// where he does not; the base64 is not checked, but is of at most generated_image_bytes_max bytes.
[[nodiscard]] tl::expected<Image, ModelError> decode_image_response(int status, std::span<const HttpHeader> headers,
                                                                    std::string_view body);

}  // namespace joey

// Bytes as text that JSON and URLs can hold.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace joey {

// In the standard alphabet, padded.
[[nodiscard]] std::string encode_base64(std::string_view bytes);

// Bytes that `text` stands for in base64, for limits that are checked before it is decoded; exact when it is valid.
[[nodiscard]] std::size_t base64_decoded_size(std::string_view text);

// What `text` stands for in the standard alphabet, padded; nothing when it holds anything else, such as a line break, or
// is not the one way to write those bytes.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace joey

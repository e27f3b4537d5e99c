// The encodings text files come in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace joey {

enum class TextEncoding : std::uint8_t { utf8, utf8_with_mark, utf16_le, utf16_be };

// By the byte order mark alone; without one a text is UTF-8.
[[nodiscard]] TextEncoding detect_encoding(std::string_view bytes);

// `bytes` as UTF-8 without the byte order mark. Bytes that claim to be UTF-8 are not checked; a UTF-16 surrogate without
// its partner becomes U+FFFD.
[[nodiscard]] std::string decode_text(std::string_view bytes, TextEncoding encoding);
// The inverse, with the mark.
[[nodiscard]] std::string encode_text(std::string_view text, TextEncoding encoding);

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace joey

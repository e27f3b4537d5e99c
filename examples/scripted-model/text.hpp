// Bytes and JSON text: what the other files need and no library on hand gives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace scripted {

// 64-bit FNV-1a. Chain parts by passing the previous result as `state`.
inline constexpr std::uint64_t fnv64_start = 0xcbf29ce484222325;
[[nodiscard]] std::uint64_t fnv64(std::string_view bytes, std::uint64_t state = fnv64_start);

// Spreads `value` over all 64 bits, so that nearby seeds give unrelated ids.
[[nodiscard]] std::uint64_t mix(std::uint64_t value);

// Appends `text` as the inside of a JSON string: escaped, without the quotes.
void append_escaped(std::string& out, std::string_view text);

// Appends `text` as a JSON string, quotes included.
void append_quoted(std::string& out, std::string_view text);

// The end of the JSON value that starts at or after `at`, or npos when the text is not JSON there;
// `error_at` then holds the offset of the first byte that cannot be.
[[nodiscard]] std::size_t skip_value(std::string_view json, std::size_t at, std::size_t& error_at);

[[nodiscard]] inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace scripted

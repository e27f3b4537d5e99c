// Small questions about text: UTF-8, lines, limits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// Bytes of the well-formed UTF-8 sequence that `text` starts with; 0 when it starts with none.
[[nodiscard]] std::size_t utf8_sequence_size(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

// `text` with every byte that is not UTF-8 replaced by U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view text);

// The longest prefix of at most `size_max` bytes that does not cut a UTF-8 sequence; and the longest such suffix.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, std::size_t size_max);
[[nodiscard]] std::string_view utf8_suffix(std::string_view text, std::size_t size_max);

// `text` within `size_max` bytes, its middle replaced by a note that says how many bytes left; whole when it fits.
[[nodiscard]] std::string elide_middle(std::string_view text, std::size_t size_max);

// The lines without their '\n' (a '\r' stays); "a\n" is one line, "" is none.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text);

// `path` between quotes as it may stand in a message: one line of UTF-8 of bounded length.
[[nodiscard]] std::string quoted_path(std::string_view path);

[[nodiscard]] std::string_view trim(std::string_view text);

// `text` as a part of a URL: what is neither a letter, a digit nor in `kept` as "%2F".
[[nodiscard]] std::string percent_encoded(std::string_view text, std::string_view kept = "-._~",
                                          std::string_view digits = "0123456789ABCDEF");

// `text` so that it cannot close the tag <`tag`> that it is to stand in.
[[nodiscard]] std::string without_closing_tag(std::string text, std::string_view tag);

}  // namespace joey

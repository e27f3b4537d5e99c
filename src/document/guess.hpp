// Which legacy encoding a text seems to have, by the letters of its language.
#pragma once

#include <optional>
#include <string_view>

#include "document/encoding.hpp"

namespace joey {

// `text` is neither UTF-8 nor UTF-16. Nothing when it resembles no language. The answer may be wrong, above all for a
// short text, and need not even fit.
[[nodiscard]] std::optional<TextEncoding> guess_encoding(std::string_view text);

}  // namespace joey

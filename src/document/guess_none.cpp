// Without a detector every legacy text is taken for what most of them are.
#include "document/guess.hpp"

namespace joey {

std::optional<TextEncoding> guess_encoding(std::string_view) { return std::nullopt; }

}  // namespace joey

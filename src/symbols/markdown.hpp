// The headings of a Markdown text.
#pragma once

#include <string_view>

#include "symbols/symbols.hpp"

namespace joey {

// Headings marked with # or underlined, each with its section: to the line before the next heading of its level or a higher
// one. What stands in fenced code and in front matter is none. In time linear in the text's size.
[[nodiscard]] Definitions find_headings(std::string_view source, const DefinitionLimits& limits);

}  // namespace joey

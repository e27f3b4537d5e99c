// The grammar and the query of each language.
#pragma once

#include <tree_sitter/api.h>

#include <string_view>

#include "symbols/language.hpp"

namespace joey {

struct Grammar {
  const TSLanguage* language{nullptr};
  std::string_view query;  // queries/*.scm
};

// Not of Markdown, which has a scanner of its own.
[[nodiscard]] Grammar grammar_of(Language language);

}  // namespace joey

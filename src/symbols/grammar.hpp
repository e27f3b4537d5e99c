// The grammars that are built in.
#pragma once

#include <tree_sitter/api.h>

#include <string_view>

#include "symbols/language.hpp"

namespace joey {

struct Grammar {
  const TSLanguage* language{nullptr};  // null: not built in
  std::string_view query;               // of its definitions: queries/*.scm
};

[[nodiscard]] Grammar grammar_of(Language language);

}  // namespace joey

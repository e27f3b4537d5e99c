// In place of grammar.cpp where the grammars could not be fetched or are not wanted.
#include "symbols/grammar.hpp"

namespace joey {

Grammar grammar_of(Language) { return {}; }

}  // namespace joey

// In place of tree.cpp where the grammars could not be fetched or are not wanted.
#include <fmt/format.h>

#include "symbols/tree.hpp"

namespace joey {

struct TreeFinder::Parts {};

TreeFinder::TreeFinder() = default;
TreeFinder::~TreeFinder() = default;

Result<Definitions> TreeFinder::find(std::string_view, Language language, const DefinitionLimits&) {
  return failure(ErrorCode::unsupported, fmt::format("this build of joey has no grammar of {}", name_of(language)));
}

}  // namespace joey

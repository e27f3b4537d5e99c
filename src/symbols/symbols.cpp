#include "symbols/symbols.hpp"

#include <fmt/format.h>

#include "symbols/markdown.hpp"
#include "symbols/tree.hpp"

namespace joey {
namespace {

constexpr std::size_t binary_prefix = 8'192;  // bytes in which a NUL says that a source is binary

}  // namespace

DefinitionFinder::DefinitionFinder(DefinitionLimits limits)
    : limits_(limits), trees_(std::make_unique<TreeFinder>()) {}
DefinitionFinder::~DefinitionFinder() = default;

Result<Definitions> DefinitionFinder::find(std::string_view source, Language language) {
  if (source.size() > limits_.source_size_max) {
    return failure(ErrorCode::limit, fmt::format("is larger than the {} bytes in which definitions are looked for",
                                                 limits_.source_size_max));
  }
  if (source.substr(0, binary_prefix).find('\0') != std::string_view::npos) {
    return failure(ErrorCode::invalid_argument, "is binary, not source");
  }
  if (language == Language::markdown) return find_headings(source, limits_);
  return trees_->find(source, language, limits_);
}

}  // namespace joey

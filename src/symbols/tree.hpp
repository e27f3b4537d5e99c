// Definitions by grammars and queries.
#pragma once

#include <memory>
#include <string_view>

#include "symbols/symbols.hpp"

namespace joey {

// As DefinitionFinder, for sources whose size is within the limit and for languages other than Markdown.
class TreeFinder {
 public:
  TreeFinder();
  ~TreeFinder();
  TreeFinder(const TreeFinder&) = delete;
  TreeFinder& operator=(const TreeFinder&) = delete;

  [[nodiscard]] Result<Definitions> find(std::string_view source, Language language, const DefinitionLimits& limits);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace joey

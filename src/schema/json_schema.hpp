// Whether a JSON value fits a JSON Schema, and if not, why.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace joey {

// Drafts 7 to 2020-12, read as the latest: what stands beside "$ref" counts. "format", "content..." and other annotations say
// nothing of whether a value fits. References lead into the schema itself ("#", "#/$defs/name"). Patterns are RE2's.
class JsonSchema {
 public:
  // `invalid_argument`: no schema, or one that asks for what is not understood here; a line that says where.
  [[nodiscard]] static Result<JsonSchema> parse(std::string_view text);

  // What of a value does not fit, a line for each, as "/items/2/price: is a string, and must be a number"; at most `most` of
  // them. Empty: it fits. One that is no JSON has that as its problem.
  [[nodiscard]] std::vector<std::string> problems(std::string_view json, std::size_t most = 8) const;

 private:
  struct Parsed;
  explicit JsonSchema(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace joey

// Arguments and results held against their JSON Schemas.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/tool.hpp"

namespace joey {

inline constexpr std::size_t result_schema_bytes_max = 64U << 10U;

// What of `json` does not fit, for the model that wrote it; empty when it fits, or the schema is none that is understood:
// then it is for the tool to say.
[[nodiscard]] std::string misfit(std::string_view schema, std::string_view json);

// Whether a task's result can be demanded to fit it: a schema that is understood, of an object. `invalid_argument`.
[[nodiscard]] Status check_result_schema(std::string_view schema);

// attempt_completion where its arguments are the result.
[[nodiscard]] ToolSpec completion_with_schema(std::string_view schema);

}  // namespace joey

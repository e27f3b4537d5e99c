#include "core/fitting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include "schema/json_schema.hpp"

namespace joey {

std::string misfit(std::string_view schema, std::string_view json) {
  const auto parsed = JsonSchema::parse(schema);
  if (!parsed) return {};
  return fmt::format("{}", fmt::join(parsed->problems(json), "\n"));
}

Status check_result_schema(std::string_view schema) {
  if (schema.size() > result_schema_bytes_max) {
    return failure(ErrorCode::invalid_argument, fmt::format("result_schema has {} bytes, and may have {}", schema.size(), result_schema_bytes_max));
  }
  if (const auto parsed = JsonSchema::parse(schema); !parsed) {
    return failure(ErrorCode::invalid_argument, fmt::format("result_schema: {}", parsed.error().message));
  }
  simdjson::dom::parser parser;
  std::string_view type;
  if (parser.parse(schema.data(), schema.size()).at_key("type").get(type) == simdjson::SUCCESS && type == "object") return {};
  return failure(ErrorCode::invalid_argument, R"(result_schema: the schema must have "type":"object", for results are objects)");
}

ToolSpec completion_with_schema(std::string_view schema) {
  return {"attempt_completion",
          "Say that the task is done, and give its result: the arguments of this call, which must fit their schema, are the result and all "
          "that is seen of it. Use it only after you have seen that every earlier step succeeded. It ends the task.",
          std::string(schema), ToolGroup::always, true};
}

}  // namespace joey

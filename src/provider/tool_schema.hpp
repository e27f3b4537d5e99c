// The JSON Schema of a tool, in the part of that language which a vendor takes.
//
// Tools come from everywhere, MCP servers above all, and one schema that a vendor refuses makes the whole request fail.
// What is left out here makes a schema looser, never stricter: the arguments are validated against the tool's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace joey {

enum class SchemaDialect : std::uint8_t {
  openai,  // OpenAI and those who speak like it, for functions that are not strict
  xai,     // the same, and no object that is closed to properties it does not name
  anthropic,  // takes all of the language but at the root, where a property's name is [A-Za-z0-9_.-]{1,64}
};

// `json_schema` as this vendor takes it, minified, properties in their order; a schema without parameters when it is not
// a JSON object. Done to its own result it changes nothing.
[[nodiscard]] std::string normalised_schema(std::string_view json_schema, SchemaDialect dialect);

}  // namespace joey

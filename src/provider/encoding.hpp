// What the encoders of all wires share.
#pragma once

#include <string>
#include <string_view>

#include "model/tool.hpp"

namespace joey {

// A tool's name in the letters every vendor accepts, [A-Za-z0-9_-]{1,64}: a name that a model made up must not make the
// whole conversation unacceptable from then on.
[[nodiscard]] std::string wire_tool_name(std::string_view name);

// The tool's JSON Schema, or one without parameters when it has none that is an object.
[[nodiscard]] std::string wire_parameters(const ToolSpec& tool);

// The arguments of a call as a JSON object.
[[nodiscard]] std::string_view wire_arguments(const ToolCall& call);

// Whether there is anything to read in `text`: vendors refuse blocks of nothing or of white space.
[[nodiscard]] bool says_something(std::string_view text);

// What stands for a message that has nothing to send, because vendors refuse one without content.
inline constexpr std::string_view nothing = "(nothing)";

// `base`, the address that a person gave, and the path that the protocol adds; a base that ends in that path is whole,
// one without a path gets `version` too.
[[nodiscard]] std::string wire_url(std::string_view base, std::string_view version, std::string_view path);

// `model` as a part of an address.
[[nodiscard]] std::string wire_path(std::string_view model);

// The address of Vertex AI that `base` means: the places that are more than one region have hosts of their own instead of
// PLACE-aiplatform.googleapis.com.
[[nodiscard]] std::string vertex_url(std::string_view base);

}  // namespace joey

// Tools for models that call none: described in the system prompt, called in the text of an answer.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// What the name of a wire ends in whose tools are words: "openai+text".
inline constexpr std::string_view text_tools_suffix = "+text";

// `wire` speaks to the server, and is never told of a tool.
[[nodiscard]] std::shared_ptr<const Provider> make_text_tools(std::shared_ptr<const Provider> wire);

}  // namespace joey

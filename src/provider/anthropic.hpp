// The codec of the Anthropic Messages API, which Vertex AI serves too.
#pragma once

#include <memory>
#include <string_view>

#include "base/json.hpp"
#include "provider/provider.hpp"

namespace joey {

// "anthropic" or "vertex-anthropic"; null when there is no such variant.
[[nodiscard]] std::shared_ptr<const Provider> make_anthropic(std::string_view variant);

// The fields that tell a Claude how to think, into an object. Returns whether it was asked to: it then takes no temperature.
bool write_claude_thinking(JsonWriter& json, const ModelParams& params);

// Whether it thinks between calls only when asked by the beta "interleaved-thinking-2025-05-14".
[[nodiscard]] bool claude_thinks_by_budget(std::string_view model);

}  // namespace joey

// The codec of the Anthropic Messages API, which Vertex AI serves too.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// "anthropic" or "vertex-anthropic"; null when there is no such variant.
[[nodiscard]] std::shared_ptr<const Provider> make_anthropic(std::string_view variant);

}  // namespace joey

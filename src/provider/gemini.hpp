// The codec of Google's Gemini API, which Vertex AI serves too.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// "gemini" or "vertex"; null when there is no such variant.
[[nodiscard]] std::shared_ptr<const Provider> make_gemini(std::string_view variant);

}  // namespace joey

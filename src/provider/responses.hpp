// The codec of the OpenAI Responses API, which Azure and xAI serve too.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// "responses", "azure" or "xai"; null when there is no such variant.
[[nodiscard]] std::shared_ptr<const Provider> make_responses(std::string_view variant);

}  // namespace joey

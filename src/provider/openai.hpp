// The codec of the OpenAI Chat Completions API, which many vendors and all local servers speak.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// "openai", or a dialect of it by its vendor's name; null when there is no such dialect.
[[nodiscard]] std::shared_ptr<const Provider> make_openai(std::string_view dialect);

}  // namespace joey

// The codec of Amazon Bedrock's Converse API.
#pragma once

#include <memory>
#include <string_view>

#include "provider/provider.hpp"

namespace joey {

// "bedrock", for models that keep prompts in a cache, or "bedrock-plain", for others; null when there is no such variant.
[[nodiscard]] std::shared_ptr<const Provider> make_bedrock(std::string_view variant);

// The one of them that a model needs: to others than Claude and Nova a mark in the prompt is an error.
[[nodiscard]] std::string_view bedrock_variant(std::string_view model);

}  // namespace joey

// The codec of the Anthropic Messages API.
#pragma once

#include <memory>

#include "provider/provider.hpp"

namespace joey {

[[nodiscard]] std::shared_ptr<const Provider> make_anthropic();

}  // namespace joey

// Ollama's own API. What its users have to know is in its errors.
#pragma once

#include <memory>

#include "provider/provider.hpp"

namespace joey {

[[nodiscard]] std::shared_ptr<const Provider> make_ollama();

}  // namespace joey

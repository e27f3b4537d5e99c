// The wire of models that a host brings itself: joey's own JSON, described at joey_model_call_request() in joey.h.
#pragma once

#include <memory>

#include "provider/provider.hpp"

namespace joey {

// Encodes only: a host's model hands over a Reply, so make_decoder() makes one that refuses.
[[nodiscard]] std::shared_ptr<const Provider> make_neutral();

}  // namespace joey

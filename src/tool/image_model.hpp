// A model that makes images, as tools see it.
#pragma once

#include <optional>
#include <string>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "model/message.hpp"

namespace joey {

struct ImageRequest {
  std::string prompt;
  std::optional<Image> input;  // to change, or to go by
};

// Threads: loop thread; `done` runs there too, exactly once, never inside the call, and soon after a cancel.
class ImageModel {
 public:
  virtual ~ImageModel() = default;
  // Whatever the model sent: neither its base64 nor that it is an image of the media type is checked, but it is no larger
  // than a named limit. An error's message is one line that names what a person can do, and holds no key.
  virtual void generate(ImageRequest request, CancelToken cancel, Completion<Image> done) = 0;
};

}  // namespace joey

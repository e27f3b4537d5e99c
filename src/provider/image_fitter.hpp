// Images that a model does not take, left out of its conversation with a note in their place. One that is sent all the same
// fails every request from there on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/config.hpp"
#include "model/message.hpp"

namespace joey {

struct ModelInfo;

// Which images a model takes at this wire protocol.
[[nodiscard]] ImageLimits image_limits(std::string_view wire, const ModelInfo& model);

// The messages of a conversation in their order. What becomes of one depends on itself and those before it, so that requests
// share their beginnings; and requests are replayed from journals byte for byte, so nothing of this may ever change.
class ImageFitter {
 public:
  explicit ImageFitter(ImageLimits limits) : limits_(std::move(limits)) {}

  // The message with notes; nothing when all of it can stay.
  [[nodiscard]] std::optional<Message> fitted(const Message& message);

 private:
  [[nodiscard]] std::string problem_of(const Image& image);
  [[nodiscard]] std::optional<std::string> note_instead_of(const Image& image);

  ImageLimits limits_;
  std::int64_t count_{0};    // of images that stayed,
  std::int64_t largest_{0};  // and the longest side among them
};

}  // namespace joey

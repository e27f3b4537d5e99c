// What an image is, by its bytes: its name does not matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace joey {

struct ImageInfo {
  std::string_view type;  // "image/png"
  std::uint32_t width{0};
  std::uint32_t height{0};
};

// An image of a format that models see: PNG, JPEG, GIF, WebP. Its size in pixels is 0 by 0 when it is damaged or cut
// short; a provider would refuse it, and with it the conversation it is in.
[[nodiscard]] std::optional<ImageInfo> image_info(std::string_view bytes);

// The same of one in base64, of which no more than the beginning is looked at.
[[nodiscard]] std::optional<ImageInfo> image_info_of_base64(std::string_view base64);

}  // namespace joey

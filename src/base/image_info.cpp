#include "base/image_info.hpp"

#include <algorithm>
#include <cstddef>

#include "base/base64.hpp"

namespace joey {
namespace {

std::uint32_t byte(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}
std::uint32_t big16(std::string_view bytes, std::size_t at) { return byte(bytes, at) << 8 | byte(bytes, at + 1); }
std::uint32_t big32(std::string_view bytes, std::size_t at) { return big16(bytes, at) << 16 | big16(bytes, at + 2); }
std::uint32_t little16(std::string_view bytes, std::size_t at) { return byte(bytes, at) | byte(bytes, at + 1) << 8; }
std::uint32_t little24(std::string_view bytes, std::size_t at) {
  return little16(bytes, at) | byte(bytes, at + 2) << 16;
}

bool has(std::string_view bytes, std::size_t at, std::string_view part) {
  return bytes.size() >= at && bytes.substr(at).starts_with(part);
}

ImageInfo png(std::string_view bytes) {
  constexpr std::size_t tail_size = 4096;  // some programs add bytes after the end
  const std::string_view tail = bytes.substr(bytes.size() - std::min(bytes.size(), tail_size));
  if (!has(bytes, 12, "IHDR") || tail.find("IEND") == std::string_view::npos) return {"image/png"};
  return {"image/png", big32(bytes, 16), big32(bytes, 20)};
}

// The size is in the segment that begins a frame, after others of any length.
ImageInfo jpeg(std::string_view bytes) {
  for (std::size_t at = 2; at + 9 < bytes.size();) {
    if (byte(bytes, at) != 0xFF) break;
    const std::uint32_t marker = byte(bytes, at + 1);
    if (marker == 0xFF) {
      ++at;  // filling
      continue;
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) return {"image/jpeg", big16(bytes, at + 7), big16(bytes, at + 5)};
    if (marker == 0xDA || marker == 0xD9) break;  // the picture itself, or its end
    const std::uint32_t size = big16(bytes, at + 2);
    if (size < 2) break;
    at += 2 + size;
  }
  return {"image/jpeg"};
}

ImageInfo webp(std::string_view bytes) {
  if (has(bytes, 12, "VP8 ") && bytes.size() >= 30) {
    return {"image/webp", little16(bytes, 26) & 0x3FFF, little16(bytes, 28) & 0x3FFF};
  }
  if (has(bytes, 12, "VP8L") && bytes.size() >= 25) {
    const std::uint32_t bits = little24(bytes, 21) | byte(bytes, 24) << 24;
    return {"image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  }
  if (has(bytes, 12, "VP8X") && bytes.size() >= 30) {
    return {"image/webp", little24(bytes, 24) + 1, little24(bytes, 27) + 1};
  }
  return {"image/webp"};
}

}  // namespace

std::optional<ImageInfo> image_info(std::string_view bytes) {
  std::optional<ImageInfo> info;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) {
    info = png(bytes);
  } else if (bytes.starts_with("\xFF\xD8\xFF")) {
    info = jpeg(bytes);
  } else if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) {
    info = {"image/gif", little16(bytes, 6), little16(bytes, 8)};
  } else if (bytes.starts_with("RIFF") && has(bytes, 8, "WEBP")) {
    info = webp(bytes);
  }
  if (info && (info->width == 0 || info->height == 0)) info->width = info->height = 0;
  return info;
}

std::optional<ImageInfo> image_info_of_base64(std::string_view base64) {
  constexpr std::size_t whole_max = 128U << 10U;  // in characters; what stands before the size in a JPEG may be long
  std::string_view head = base64.substr(0, whole_max);
  if (head.size() < base64.size()) head = head.substr(0, head.size() / 4 * 4);
  const auto bytes = decode_base64(head);
  if (!bytes) return std::nullopt;
  auto info = image_info(*bytes);
  // A PNG is believed to be whole when its end has not been looked at.
  if (info && info->width == 0 && info->type == "image/png" && head.size() < base64.size() && has(*bytes, 12, "IHDR")) {
    info->width = big32(*bytes, 16);
    info->height = big32(*bytes, 20);
  }
  return info;
}

}  // namespace joey

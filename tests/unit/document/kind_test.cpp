#include "document/kind.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace joey;

namespace {

std::string bytes(std::string_view text) { return std::string(text); }

void check(const std::string& image, std::string_view type, std::uint32_t width, std::uint32_t height) {
  const auto info = image_info(image);
  REQUIRE(info);
  CHECK(info->type == type);
  CHECK(info->width == width);
  CHECK(info->height == height);
  // Cut anywhere it is no image, one without a size, or the same.
  for (std::size_t size = 0; size < image.size(); ++size) {
    const auto cut = image_info(image.substr(0, size));
    if (cut && cut->width > 0) CHECK((cut->width == width && cut->height == height));
  }
}

}  // namespace

TEST_CASE("images tell their type and size") {
  check(bytes("\x89PNG\r\n\x1A\n") +
            bytes({"\0\0\0\x0D"
                   "IHDR\0\0\1\2\0\0\0\3\x08\6\0\0\0crcc",
                   25}) +
            bytes({"\0\0\0\0IEND\xAE\x42\x60\x82", 12}),
        "image/png", 258, 3);
  check(bytes({"GIF89a\x10\0\x20\0\0\0\0", 13}), "image/gif", 16, 32);
  check(bytes({"\xFF\xD8\xFF\xE0\0\4ab\xFF\xFF\xC4\0\2\xFF\xC2\0\x11\x08\0\x20\0\x40\3", 23}), "image/jpeg", 64, 32);
  check(bytes({"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9D\1\x2A\x10\0\x20\0", 30}), "image/webp", 16, 32);
  check(bytes({"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2F\x0F\xC0\7\0", 25}), "image/webp", 16, 32);
  check(bytes({"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x0F\0\0\x1F\0\0", 30}), "image/webp", 16, 32);
}

TEST_CASE("what is no image a model sees is none") {
  CHECK_FALSE(image_info("").has_value());
  CHECK_FALSE(image_info("BM").has_value());
  CHECK_FALSE(image_info("RIFF....WAVE").has_value());
  CHECK_FALSE(image_info("<svg/>").has_value());
  CHECK(image_info("\xFF\xD8\xFF").value().width == 0);
}

TEST_CASE("binary files are called what they are") {
  CHECK(binary_kind({"\x7F"
                     "ELF\2",
                     5}) == "ELF program or library");
  CHECK(binary_kind({"\0\0\0\x20"
                     "ftypavif",
                     12}) == "AVIF image");
  CHECK(binary_kind("\x1F\x8B\x08") == "gzip file");
  CHECK(binary_kind(std::string(257, '\0') + "ustar") == "tar archive");
  CHECK(binary_kind({"\1\2\3\0", 4}).empty());
  CHECK(binary_kind("").empty());
}

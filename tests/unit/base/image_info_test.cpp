#include "base/image_info.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/base64.hpp"

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
  const auto encoded = image_info_of_base64(encode_base64(image));
  REQUIRE(encoded);
  CHECK((encoded->type == type && encoded->width == width && encoded->height == height));
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

TEST_CASE("of an image in base64 the beginning is looked at") {
  const std::string png = bytes({"\x89PNG\r\n\x1A\n\0\0\0\x0D"
                                 "IHDR\0\0\1\2\0\0\0\3\x08\6\0\0\0crcc",
                                 33});
  const auto info = image_info_of_base64(encode_base64(png + std::string(1U << 20U, 'x')));
  REQUIRE(info);
  CHECK((info->width == 258 && info->height == 3));
  CHECK_FALSE(image_info_of_base64("").has_value());
  CHECK_FALSE(image_info_of_base64("no base64!").has_value());
  CHECK_FALSE(image_info_of_base64(encode_base64("a text")).has_value());
}

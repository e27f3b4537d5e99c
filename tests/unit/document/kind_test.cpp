#include "document/kind.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace joey;

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

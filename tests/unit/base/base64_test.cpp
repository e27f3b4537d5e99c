#include "base/base64.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace joey;

TEST_CASE("base64: what the standard's own examples stand for") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},         {"Zg==", "f"},        {"Zm8=", "fo"},
                                                          {"Zm9v", "foo"},  {"Zm9vYg==", "foob"}, {"Zm9vYmE=", "fooba"},
                                                          {"Zm9vYmFy", "foobar"}};
  for (const auto& [text, bytes] : examples) {
    CAPTURE(text);
    CHECK(decode_base64(text) == std::string(bytes));
    CHECK(base64_decoded_size(text) == std::string(bytes).size());
  }
  CHECK(decode_base64("AAEC/f7/") == std::string("\0\1\2\xFD\xFE\xFF", 6));
}

TEST_CASE("base64: what is not the one way to write some bytes is refused") {
  for (const char* text : {"=", "==", "===", "====", "A", "AA", "AAA", "A===", "A=AA", "AA=A", "=AAA", "Zm9v\n", "Zm 9v=",
                           "Zm9v====", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm9\xC3"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_base64(text));
  }
  CHECK_FALSE(decode_base64(std::string_view("AA\0A", 4)));
}

TEST_CASE("base64: of four digits, each byte that is no digit spoils them") {
  for (int byte = 0; byte < 256; ++byte) {
    const bool digit = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
                           .find(static_cast<char>(byte)) != std::string_view::npos;
    for (std::size_t at = 0; at < 3; ++at) {
      std::string text = "AAAA";
      text[at] = static_cast<char>(byte);
      CAPTURE(byte);
      CHECK(decode_base64(text).has_value() == digit);
    }
  }
}

TEST_CASE("base64") {
  CHECK(encode_base64("").empty());
  CHECK(encode_base64("f") == "Zg==");
  CHECK(encode_base64("fo") == "Zm8=");
  CHECK(encode_base64("foo") == "Zm9v");
  CHECK(encode_base64("\xFF\xFE\xFD") == "//79");
}

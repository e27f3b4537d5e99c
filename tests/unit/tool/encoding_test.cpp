#include "tool/encoding.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("texts decode by their byte order mark and encode back to the same bytes") {
  const std::string text = "a\u00E9\u20AC\U0001F600\r\n";
  for (const TextEncoding encoding :
       {TextEncoding::utf8, TextEncoding::utf8_with_mark, TextEncoding::utf16_le, TextEncoding::utf16_be}) {
    const std::string bytes = encode_text(text, encoding);
    CHECK(detect_encoding(bytes) == encoding);
    CHECK(decode_text(bytes, encoding) == text);
  }
  CHECK(encode_text("a", TextEncoding::utf16_le) == std::string("\xFF\xFE" "a\0", 4));
  CHECK(decode_text(std::string("\xFE\xFF\xD8\x00\x00" "a", 6), TextEncoding::utf16_be) == "\uFFFDa");
  CHECK(decode_text("\xFF\xFE" "a", TextEncoding::utf16_le).empty());
}

TEST_CASE("base64") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("\xFF\xFE\xFD") == "//79");
}

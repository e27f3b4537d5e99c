#include "base/text.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("a prefix or suffix never cuts a character") {
  const std::string text = "aé€😀";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    CAPTURE(n);
    CHECK(is_utf8(utf8_prefix(text, n)));
    CHECK(utf8_prefix(text, n).size() <= n);
    CHECK(is_utf8(utf8_suffix(text, n)));
    CHECK(utf8_suffix(text, n).size() <= n);
  }
}

TEST_CASE("overlong forms, surrogates and values beyond Unicode are not UTF-8") {
  CHECK_FALSE(is_utf8("\xC0\x80"));
  CHECK_FALSE(is_utf8("\xE0\x80\x80"));
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));
  CHECK_FALSE(is_utf8("\xF4\x90\x80\x80"));
  CHECK(is_utf8("\xF4\x8F\xBF\xBF"));
  CHECK(to_utf8("a\xFF") == "a\xEF\xBF\xBD");
}

TEST_CASE("lines, trimming and the middle") {
  CHECK(split_lines("a\r\nb\n\nc") == std::vector<std::string_view>{"a\r", "b", "", "c"});
  CHECK(split_lines("").empty());
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(elide_middle("short", 100) == "short");
  const std::string cut = elide_middle(std::string(1000, 'x'), 100);
  CHECK(cut.find("900 bytes omitted") != std::string::npos);
}

TEST_CASE("text as a part of a URL, and in a tag") {
  CHECK(percent_encoded("a/b:c é~") == "a%2Fb%3Ac%20%C3%A9~");
  CHECK(percent_encoded("a/b:c%", "/") == "a/b%3Ac%25");
  CHECK(percent_encoded("/", "", "0123456789abcdef") == "%2f");
  CHECK(without_closing_tag("a </b> </bc </a>", "b") == "a < /b> < /bc </a>");
  CHECK(without_closing_tag("</b</b", "b") == "< /b< /b");
}

#include "project/file_regex.hpp"

#include <doctest/doctest.h>
#include <re2/re2.h>

using namespace joey;

namespace {

bool regex_matches(std::string_view javascript, std::string_view path) {
  const auto pattern = file_regex_to_re2(javascript);
  REQUIRE(pattern);
  return RE2::PartialMatch(re2::StringPiece(path.data(), path.size()), RE2(*pattern));
}

}  // namespace

TEST_CASE("common patterns come back as they are") {
  for (const char* pattern : {R"(\.md$)", R"(\.(js|ts)x?$)", R"(^docs/.*\.md$)", R"((\.test|\.spec)\.[jt]sx?$)",
                              R"([^/]+\.css$)", R"(a{2,3}b)"}) {
    CAPTURE(pattern);
    CHECK(file_regex_to_re2(pattern).value() == pattern);
  }
}

TEST_CASE("what JavaScript and RE2 write differently means what JavaScript means") {
  CHECK(regex_matches(R"(a\/b)", "a/b"));
  CHECK(regex_matches(R"(\u0041\x42)", "AB"));
  CHECK(regex_matches(R"((?<year>\d{4})\.md)", "2024.md"));
  CHECK(regex_matches(R"([[:alpha:]])", "a]"));  // one of [ : a l p h, then ]
  CHECK(regex_matches(R"([[:alpha:]])", "[]"));
  CHECK_FALSE(regex_matches(R"([[:alpha:]])", "z"));
  CHECK(regex_matches(R"(\s)", "a\u00A0b"));
  CHECK_FALSE(regex_matches(R"(^\S+$)", "a\u2003b"));
  CHECK(regex_matches(R"([\s,]b)", "a\u3000b"));
  CHECK_FALSE(regex_matches("[]", "anything"));
  CHECK(regex_matches("^[^]$", "\n"));
  CHECK(regex_matches(R"(\_\-\e)", "_-e"));
  CHECK(regex_matches(R"([\b])", "\b"));
  CHECK(regex_matches(R"(\bmd\b)", "a.md"));
  CHECK(regex_matches(R"([a^])", "^"));
  CHECK(regex_matches(R"(\0)", std::string_view("\0", 1)));
  CHECK_FALSE(regex_matches(R"(\.md$)", "a.md\n"));
}

TEST_CASE("what RE2 cannot do is refused with its reason, and never read as something else") {
  struct Refused {
    std::string_view pattern;
    std::string_view reason;
  };
  static constexpr Refused table[] = {
      {R"(^(?!test/).*)", "looks ahead"},
      {R"(a(?=b))", "looks ahead"},
      {R"((?<=a)b)", "looks behind"},
      {R"((?<!a)b)", "looks behind"},
      {R"((a)\1)", "refers back"},
      {R"((?<n>a)\k<n>)", "refers back"},
      {R"((?i)\.MD$)", "none of JavaScript's"},
      {R"(\p{L})", "\\p"},
      {R"(\u{41})", "\\u{"},
      {"(", "missing )"},
      {"[a", "not closed"},
      {"a**", "repetition"},
      {"a\\", "ends with a backslash"},
      {R"(\ud83d)", "half of a character"},
      {R"([\S])", "\\S between"},
      {"\xff", "UTF-8"},
      {"(a{1000}){1000}", ""},
  };
  for (const auto& [pattern, reason] : table) {
    CAPTURE(pattern);
    const auto result = file_regex_to_re2(pattern);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::unsupported);
    CAPTURE(result.error().message);
    CHECK(result.error().message.find(reason) != std::string::npos);
  }
  CHECK_FALSE(file_regex_to_re2(std::string(2'000, 'a')));
}

TEST_CASE("the pattern that matches nothing does") {
  const RE2 nothing{std::string(matches_nothing)};
  REQUIRE(nothing.ok());
  for (const char* path : {"", "a", "a.md", "\n", "\u00e9"}) CHECK_FALSE(RE2::PartialMatch(path, nothing));
}

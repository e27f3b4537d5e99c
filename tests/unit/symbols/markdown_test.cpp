#include "symbols/markdown.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

using namespace joey;

namespace {

// A line for each heading: its lines, its depth, its name.
std::string headings(std::string_view text, const DefinitionLimits& limits = {}) {
  std::string out;
  for (const Definition& d : find_headings(text, limits).list) {
    CHECK(d.kind == "heading");
    out += fmt::format("{}-{} {} {}\n", d.first_line, d.last_line, d.depth, d.name);
  }
  return out;
}

}  // namespace

TEST_CASE("a section goes to the next heading of its level or a higher one") {
  CHECK(headings("# A\na\n## B\nb\n### C\n## D\n# E\n") == "1-6 0 A\n3-5 1 B\n5-5 2 C\n6-6 1 D\n7-7 0 E\n");
  CHECK(headings("### Deep first\n# Then high\n") == "1-1 0 Deep first\n2-2 0 Then high\n");
}

TEST_CASE("headings are marked or underlined") {
  CHECK(headings("Title\n=====\n\nText of\ntwo lines\n---\n") == "1-6 0 Title\n4-6 1 Text of\n");
  CHECK(headings("# A #\n#\tB\n##C\n####### D\n#\n") == "1-1 0 A\n2-4 0 B\n5-5 0 \n");
  CHECK(headings("   # indented\r\n    # code\r\n") == "1-2 0 indented\n");
  CHECK(headings("\xEF\xBB\xBF# after a mark\n") == "1-1 0 after a mark\n");
}

TEST_CASE("a section of one line is given: no minimum of lines hides it") { CHECK(headings("# A") == "1-1 0 A\n"); }

TEST_CASE("what only looks like a heading is none") {
  CHECK(headings("```\n# a\n```\n~~~~ md\n# b\n~~~\n# c\n~~~~\n") == "");
  CHECK(headings("```a`\n# real\n") == "2-2 0 real\n");
  CHECK(headings("---\ntitle: a\n---\n# B\n") == "4-4 0 B\n");
  CHECK(headings("- item\n---\n\n---\n\n| a |\n---\n> q\n===\n1. one\n---\n") == "");
  CHECK(headings("```\n# never closed\n") == "");
}

TEST_CASE("an odd text gives what can be made of it") {
  CHECK(headings("") == "");
  CHECK(headings("\n\n\n") == "");
  CHECK(headings("---\n# no end of front matter\n") == "2-2 0 no end of front matter\n");
  const auto found = find_headings("# \xFF\xC3(\n", {});
  REQUIRE(found.list.size() == 1);
  CHECK(found.list[0].text == "# \xEF\xBF\xBD\xEF\xBF\xBD(");
}

TEST_CASE("headings keep to their limits") {
  std::string many;
  for (int i = 0; i < 20; ++i) many += "# h\n";
  const auto found = find_headings(many, {.definitions_max = 10});
  CHECK(found.list.size() == 10);
  CHECK(found.list.back().last_line == 10);
  CHECK(found.truncated);
  CHECK_FALSE(find_headings(many, {.definitions_max = 20}).truncated);
  CHECK(find_headings("# " + std::string(100'000, 'x'), {.text_size_max = 10}).list[0].text == "# xxxxxxxx...");
}

#include "project/front_matter.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("front matter is split from its text") {
  const FrontMatter parts =
      split_front_matter("---\ndescription: Does it\nargument-hint: <file>\n---\n\nThe text.\n---\nmore\n");
  CHECK(parts.text("description") == "Does it");
  CHECK(parts.text("argument-hint") == "<file>");
  CHECK(parts.text("mode").empty());
  CHECK(parts.body == "The text.\n---\nmore");
  CHECK(parts.problem.empty());
}

TEST_CASE("carriage returns and an empty front matter change nothing") {
  CHECK(split_front_matter("---\r\nmode: code\r\n---\r\ntext\r\n").text("mode") == "code");
  CHECK(split_front_matter("---\r\nmode: code\r\n---\r\ntext\r\n").body == "text");
  CHECK(split_front_matter("---\n---\ntext").body == "text");
  CHECK(split_front_matter("---\na: b\n---").body.empty());
  CHECK(split_front_matter("").body.empty());
}

TEST_CASE("a text without front matter, or with one that never ends, is all text") {
  CHECK(split_front_matter("# Title\n---\na: b\n---\n").body == "# Title\n---\na: b\n---");
  CHECK(split_front_matter("---\nno end").body == "---\nno end");
  CHECK(split_front_matter("---").body == "---");
  CHECK(split_front_matter("----\na: b\n---\n").body == "----\na: b\n---");
}

TEST_CASE("front matter that is no YAML is a problem with the file's line, and the text is still there") {
  const FrontMatter parts = split_front_matter("---\na: b\ndescription: Fix: the thing\n---\ntext");
  CHECK(parts.problem.starts_with("line 3: "));
  CHECK(parts.body == "text");
  CHECK(parts.text("a").empty());
}

TEST_CASE("a hint in brackets is a text") {
  CHECK(split_front_matter("---\nargument-hint: [file, line]\n---\n").text("argument-hint") == "[file, line]");
}

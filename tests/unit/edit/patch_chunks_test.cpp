#include "edit/patch_chunks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <vector>

#include "text_support.hpp"

using namespace joey;

namespace {

Result<EditResult> patched(std::string_view text, std::string_view chunks) {
  const std::string patch = fmt::format("*** Begin Patch\n*** Update File: a\n{}*** End Patch\n", chunks);
  const auto sections = parse_patch(patch);
  REQUIRE(sections);
  REQUIRE(sections->size() == 1);
  return apply_chunks(text, (*sections)[0].chunks);
}

std::string after_chunks(std::string_view text, std::string_view chunks) {
  const auto result = patched(text, chunks);
  if (!result) return "error: " + result.error().message;
  if (result->failed == 0) return result->text;
  CHECK(result->text == text);
  return "failed: " + result->report;
}

}  // namespace

TEST_CASE("a chunk replaces exactly its lines") {
  struct Case {
    const char* name;
    std::string text, chunks, expected;
  };
  const std::vector<Case> cases{
      {"a line", "a\nb\nc\n", " a\n-b\n+B\n c\n", "a\nB\nc\n"},
      {"two chunks", "a\nb\nc\nd\n", "@@\n-b\n+B\n@@\n-d\n+D\n", "a\nB\nc\nD\n"},
      {"a deletion", "a\nb\nc\n", " a\n-b\n", "a\nc\n"},
      {"all of it", "a\nb\n", "-a\n-b\n", ""},
      {"an insertion in its context", "a\nb\n", " a\n+x\n b\n", "a\nx\nb\n"},
      {"new lines alone go to the end", "a\nb\n", "@@\n+x\n", "a\nb\nx\n"},
      {"new lines alone, of a text without final newline", "a\nb", "@@\n+x\n", "a\nb\nx"},
      {"new lines alone into nothing", "", "@@\n+x\n+y\n", "x\ny\n"},
      {"new lines alone beside others", "a\nb\n", "@@\n+x\n@@\n-b\n+B\n", "a\nB\nx\n"},
      {"after an @@ line", "a\nf:\n  x\ng:\n  x\n", "@@ g:\n-  x\n+  y\n", "a\nf:\n  x\ng:\n  y\n"},
      {"after an @@ line, the first place", "f:\n  x\n  x\n", "@@ f:\n-  x\n+  y\n", "f:\n  y\n  x\n"},
      {"after several @@ lines", "class A\n f:\n  x\nclass B\n f:\n  x\n", "@@ class B\n@@  f:\n-  x\n+  y\n",
       "class A\n f:\n  x\nclass B\n f:\n  y\n"},
      {"the end of the file", "x\na\nx\n", "-x\n+y\n*** End of File\n", "x\na\ny\n"},
      {"the end of a file without final newline", "x\na\nx", "-x\n+y\n*** End of File\n", "x\na\ny"},
      {"a blank line at a chunk's end that the file does not have", "a\nb\n", "@@\n-a\n+A\n\n@@\n-b\n+B\n\n", "A\nB\n"},
      {"a blank line at a chunk's end that the file has", "a\n\nb\n", "@@\n-a\n+A\n\n", "A\n\nb\n"},
      {"CRLF", "a\r\nb\r\nc\r\n", " a\n-b\n+B\n+B2\n c\n", "a\r\nB\r\nB2\r\nc\r\n"},
      {"a CRLF file without final newline", "a\r\nb", "-a\n+A\n+A2\n", "A\r\nA2\r\nb"},
      {"mixed endings stay mixed", "a\r\nb\nc\r\nd\n", " a\n b\n-c\n+C\n d\n", "a\r\nb\nC\r\nd\n"},
      {"of lines that are alike, the one that stays stays", "s\r\ns\n", "-s\n s\n", "s\n"},
      {"lines in another order", "a\nb\n", "-a\n-b\n+b\n+b\n+a\n", "b\nb\na\n"},
      {"no final newline stays", "a\nb", "-b\n+c\n+d\n", "a\nc\nd"},
      {"a byte order mark stays", "\xEF\xBB\xBF" "a\nb\n", "-a\n+x\n b\n", "\xEF\xBB\xBF" "x\nb\n"},
      {"trailing white space of new lines", "a\n", "-a\n+b \t\n", "b \t\n"},
      {"dollars", "$&\n", "-$&\n+$1 $$\n", "$1 $$\n"},
      {"NUL bytes", std::string("a\0\nb\n", 5), std::string("-a\0\n+\0\0\n b\n", 11), std::string("\0\0\nb\n", 5)},
      {"a carriage return alone", "a\rb\nc\n", "-a\rb\n+x\ry\n", "x\ry\nc\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto result = patched(c.text, c.chunks);
    REQUIRE(result);
    CHECK_MESSAGE(result->report.empty(), result->report);
    CHECK(quoted(result->text) == quoted(c.expected));
    CHECK(result->exact);
    CHECK(result->notes.empty());
  }
}

TEST_CASE("defect 3: apply_patch keeps the line endings of a CRLF file and of a mixed one") {
  CHECK(after_chunks("a\r\nb\r\n", "@@\n+c\n") == "a\r\nb\r\nc\r\n");
  CHECK(quoted(after_chunks("a\r\nb\nc\nd\r\n", " b\n+x\n c\n+y\n d\n")) == "a\\r\\nb\\nx\\nc\\ny\\nd\\r\\n");
}

TEST_CASE("a chunk without old lines goes after its context") {
  CHECK(after_chunks("f:\n  a\ng:\n  b\n", "@@ f:\n+  new\n") == "f:\n  new\n  a\ng:\n  b\n");
  CHECK(after_chunks("f:\n  a\n", "@@   a\n+  b\n") == "f:\n  a\n  b\n");
  CHECK(after_chunks("f:\n  a", "@@   a\n+  b\n") == "f:\n  a\n  b");
  CHECK(after_chunks("f:\n  a\n", "@@ f:\n+  b\n*** End of File\n") == "f:\n  a\n  b\n");
}

TEST_CASE("old lines are found but for blanks and typography, and those that stay keep every byte") {
  CHECK(after_chunks("a  \nb\t\nc\n", " a\n-b\n+B\n c\n") == "a  \nB\nc\n");
  CHECK(after_chunks("  a\n    b\n", " a\n-  b\n+  B\n+    C\n") == "  a\n    B\n      C\n");
  CHECK(after_chunks("\ta\n\t\tb\n", "     a\n-        b\n+        B\n") == "\ta\n\t\tB\n");
  CHECK(after_chunks("it\u2019s \u201Cso\u201D \u2013 x\u2212y\u00A0z\u3000\nb\n", " it's \"so\" - x-y z\n-b\n+c\n") ==
        "it\u2019s \u201Cso\u201D \u2013 x\u2212y\u00A0z\u3000\nc\n");
  CHECK(after_chunks("class A:\n    f():\n      x\n", "@@ f():\n-  x\n+  y\n") == "class A:\n    f():\n      y\n");
  const auto result = patched("a \nb\n", "-a\n+x\n@@\n-b\n+y\n");
  REQUIRE(result);
  CHECK_FALSE(result->exact);
  CHECK(result->notes == "Chunk 1 matched line 1 except for white space or typography.\n");
  const auto unruly = patched("    a\n   b\n", " a\n b\n+c\n");
  REQUIRE(unruly);
  CHECK(unruly->text == "    a\n   b\nc\n");
  CHECK(holds(unruly->notes, "Check the indentation of the new lines."));
}

TEST_CASE("an exact match wins over one that comes earlier but is not exact") {
  CHECK(after_chunks("  x\nx\n", "-x\n+y\n") == "  x\ny\n");
}

TEST_CASE("a chunk that has a choice is refused with its candidates, and the order of chunks can leave none") {
  CHECK(after_chunks("x\na\nx\n", "-x\n+y\n") ==
        "failed: Chunk 1 of 1 (line 3 of the patch) failed: its lines are in the file 2 times, at lines 1, 3: put an @@ "
        "line that comes before the right place above them, or add more lines around.\n");
  CHECK(after_chunks("x\na\nx\n", "-x\n+y\n@@\n-x\n+z\n") == "y\na\nz\n");
  CHECK(after_chunks("x\na\nx\n", "-x\n+y\n@@\n a\n-x\n+z\n") == "y\na\nz\n");
  CHECK(after_chunks("x\na\nx\n", "-a\n+A\n@@\n-x\n+y\n") == "x\nA\ny\n");
  CHECK(after_chunks("x\na\nx\n", "-x\n+y\n@@\n-a\n+A\n") == "y\nA\nx\n");
  CHECK(holds(after_chunks("f\nx\nf\nx\n", "@@ f\n-x\n+y\n"), "its @@ line leads to 2 places, at lines 2, 4"));
  CHECK(holds(after_chunks("f\nf\nx\n", "@@ f\n+y\n"), "at lines 2, 3"));
  CHECK(after_chunks("f\nf\nx\n", "@@ f\n-x\n+y\n") == "f\nf\ny\n");
  std::string many;
  for (int i = 0; i < 50; ++i) many += "x\n";
  CHECK(holds(after_chunks(many, "-x\n"), "50 times, at lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...:"));
}

TEST_CASE("defect 2: every chunk that fails is reported, not only the last, and none applies") {
  const std::string text = "alpha beta gamma\nsecond line\nthird\n";
  const std::string report = after_chunks(text, "@@\n-alpha beta DELTA\n+x\n@@\n-second line\n+2\n@@\n-zzzzzzzzzz\n+y\n");
  CHECK(holds(report, "Chunk 1 of 3 (line 3 of the patch) failed: what it removes or keeps is not in the file. The nearest "
                      "text is line 1, 68 % similar:\n1 | alpha beta gamma\n"));
  CHECK(holds(report, "Chunk 3 of 3 (line 9 of the patch) failed: what it removes or keeps is not in the file, nor"));
  CHECK(report.find("Chunk 2") == std::string::npos);
}

TEST_CASE("a chunk that cannot be where it should be says where its lines are") {
  CHECK(holds(after_chunks("a\nb\n", "-b\n+B\n@@\n-a\n+A\n"),
              "its lines are at line 1, before the chunk above ends, at line 2: chunks come in the order of the file."));
  CHECK(holds(after_chunks("x\nf\n", "@@ f\n-x\n"), "its lines are at line 1, but not after its @@ line."));
  CHECK(holds(after_chunks("x\na\n", "-x\n*** End of File\n"), "its lines are not the last of the file"));
  CHECK(holds(after_chunks("a\n", "@@ zzz\n-a\n"), "its @@ line \"zzz\" is not in the file"));
  CHECK(holds(after_chunks("f\na\n", "-a\n@@ f\n+b\n"), "its @@ line \"f\" is at line 1, before the chunk above it ends"));
  CHECK(holds(after_chunks("a\n", "-a\n-b\n-c\n"), "what it removes or keeps has 3 lines and the file only 1."));
  CHECK(holds(after_chunks("", "-a\n"), "it is empty"));
}

TEST_CASE("a patch costs bounded time whatever the text is") {
  // What grows faster than the text would take hours: the time-out of the test ends it.
  std::string same;
  for (int i = 0; i < 200'000; ++i) same += "x\n";
  std::string chunks;
  for (int i = 0; i < 5'000; ++i) chunks += "@@\n-x\n-y\n";
  CHECK(holds(after_chunks(same, chunks), "Chunk 5000 of 5000"));
  std::string all;
  for (int i = 0; i < 5'000; ++i) all += "@@ x\n-x\n";
  CHECK(holds(after_chunks(same, all), "failed"));
  std::string deep(1'000'000, ' ');
  std::string added = " x\n";
  for (int i = 0; i < 1'000; ++i) added += "+y\n";
  CHECK(holds(after_chunks(deep + "x\n", added), "more than 64 MB"));
  CHECK(apply_chunks(std::string(1'000'001, '\n'), {}).error().code == ErrorCode::limit);
}

// A chunk that shows all of a random text, with random lines removed and added, makes exactly what it shows.
TEST_CASE("a patch of any text splices it byte for byte") {
  static const std::vector<std::string> pool{"", " ", "a", "a ", "\ta", "  b", "$1", "}", "\\", "\xFF\xFE", "x\ry", "é", "+", "-", "@@", "***"};
  std::mt19937_64 random(17);
  for (int round = 0; round < 20'000; ++round) {
    const std::string ending = random() % 2 == 0 ? "\n" : "\r\n";
    const bool terminated = random() % 3 > 0;
    std::string text;
    std::string expected;
    std::string chunks = "@@\n";
    const std::size_t count = 2 + random() % 8;
    std::size_t left = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string line = i + 1 == count ? "last" : pool[random() % pool.size()];
      text += line + ending;
      const auto what = i + 1 == count ? 0 : random() % 3;
      if (what != 2) {
        expected += line + ending;
        ++left;
      }
      chunks += (what == 2 ? "-" : " ") + line + "\n";
      if (what == 1) {
        const std::string& added = pool[random() % pool.size()];
        expected += added + ending;
        chunks += "+" + added + "\n";
      }
    }
    if (!terminated) {
      text.resize(text.size() - ending.size());
      expected.resize(expected.size() - ending.size());
    }
    CAPTURE(quoted(text));
    CAPTURE(quoted(chunks));
    CHECK(quoted(after_chunks(text, chunks)) == quoted(expected));
  }
}

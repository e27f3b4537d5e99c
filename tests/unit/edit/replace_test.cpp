#include "edit/replace.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <vector>

#include "text_support.hpp"

using namespace joey;

namespace {

std::string outcome(std::string_view text, const Replacement& what) {
  const auto result = replace_text(text, what);
  if (!result) return "error: " + result.error().message;
  if (result->failed > 0) {
    CHECK(result->applied == 0);
    CHECK(result->text.empty());
    return "failed: " + result->report;
  }
  return result->text;
}

std::string once(std::string_view text, std::string_view before, std::string_view after) {
  return outcome(text, {.old_string = before, .new_string = after});
}
std::string everywhere(std::string_view text, std::string_view before, std::string_view after) {
  return outcome(text, {.old_string = before, .new_string = after, .places = 0});
}
std::string tolerantly(std::string_view text, std::string_view before, std::string_view after, std::size_t places = 1) {
  return outcome(text, {.old_string = before, .new_string = after, .places = places, .tolerant = true,
                        .several = "set expected_replacements"});
}

}  // namespace

TEST_CASE("a replacement changes exactly its place") {
  struct Case {
    const char* name;
    std::string text, before, after, expected;
  };
  const std::vector<Case> cases{
      {"a part of a line", "say(hello);\n", "hello", "bye", "say(bye);\n"},
      {"several lines", "a\nb\nc\n", "a\nb\n", "x\ny\nz\n", "x\ny\nz\nc\n"},
      {"from the middle of a line to that of another", "abc\ndef\n", "c\nd", "C\n\nD", "abC\n\nDef\n"},
      {"nothing in its place", "a\nb\nc\n", "b\n", "", "a\nc\n"},
      {"a line break joined", "a\nb\n", "a\nb", "a b", "a b\n"},
      {"the line break at the end goes when it is not put there", "a\nb\n", "b\n", "b", "a\nb"},
      {"no final newline stays", "a\nb", "b", "c", "a\nc"},
      {"the whole text", "a", "a", "b", "b"},
      {"CRLF: a line feed stands for it", "a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", "x\r\ny\r\nz\r\nc\r\n"},
      {"CRLF in the call as well", "a\r\nb\r\n", "a\r\nb", "x\r\ny\r\nz", "x\r\ny\r\nz\r\n"},
      {"CRLF in the call, LF in the file", "a\nb\n", "a\r\nb", "x\r\ny", "x\ny\n"},
      {"a line break of its own takes that of the line above", "a\r\nb\nc\n", "b", "b1\nb2", "a\r\nb1\r\nb2\nc\n"},
      {"the only line of a CRLF file", "a\r\n", "a", "x\ny", "x\r\ny\r\n"},
      {"mixed endings stay mixed", "a\r\nb\nc\r\nd\n", "a\nb\nc", "A\nB\nC", "A\r\nB\nC\r\nd\n"},
      {"lines that stay keep their ending", "a\r\nb\nc\r\n", "a\nb\nc\n", "a\nX\nb\nY\nc\n", "a\r\nX\r\nb\nY\nc\r\n"},
      {"a carriage return alone is text", "a\rb\rc", "\rb\r", "\rB\r", "a\rB\rc"},
      {"before a CRLF", "a\r\r\nb", "a\r", "x", "x\r\nb"},
      {"trailing white space of the new text", "a\n", "a", "b \t", "b \t\n"},
      {"trailing white space around", "x \na\n y", "a", "b", "x \nb\n y"},
      {"a byte order mark stays", "\xEF\xBB\xBF" "a\nb", "a\nb", "c\nd", "\xEF\xBB\xBF" "c\nd"},
      {"NUL bytes", std::string("a\0b\0", 4), std::string("\0b", 2), std::string("\0\0", 2), std::string("a\0\0\0", 4)},
      {"bytes that are not UTF-8", "\xFF\xFE a", "a", "b", "\xFF\xFE b"},
      {"HTML entities are text", "&lt;<", "&lt;", "&gt;", "&gt;<"},
      {"quotes that look alike are not the same", "\u201Ca\u201D \"a\"", "\"a\"", "b", "\u201Ca\u201D b"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(quoted(once(c.text, c.before, c.after)) == quoted(c.expected));
    CHECK(quoted(everywhere(c.text, c.before, c.after)) == quoted(c.expected));
    CHECK(quoted(tolerantly(c.text, c.before, c.after)) == quoted(c.expected));
  }
}

TEST_CASE("defect 4: dollar sequences in a replacement are text") {
  CHECK(once("f(x)\n", "x", "$& $1 $$ $` $' \\1 \\0") == "f($& $1 $$ $` $' \\1 \\0)\n");
  CHECK(once("$& $$\n", "$&", "&") == "& $$\n");
  CHECK(tolerantly("f(  x )", "f( x )", "$&$$") == "$&$$");
}

TEST_CASE("defect 4: a CRLF file is still one after an edit") {
  CHECK(everywhere("a\r\nb\r\na\r\n", "a\n", "a1\na2\n") == "a1\r\na2\r\nb\r\na1\r\na2\r\n");
}

TEST_CASE("a text that must be unique and is not lists its lines, ten at most") {
  CHECK(once("x\na x\nx\n", "x", "y") ==
        "failed: old_string is in the file 3 times, at lines 1, 2, 3: add lines around it until it is unique.");
  CHECK(outcome("x\nx\n", {.old_string = "x", .new_string = "y", .several = "set replace_all"}) ==
        "failed: old_string is in the file 2 times, at lines 1, 2: add lines around it until it is unique, or set "
        "replace_all.");
  std::string many;
  for (int i = 0; i < 50; ++i) many += "x\n";
  CHECK(holds(once(many, "x", "y"), "50 times, at lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...:"));
}

TEST_CASE("places that overlap are not unique") {
  CHECK(holds(once("aaa", "aa", "b"), "2 times"));
  CHECK(holds(once("a\n\n\nb", "\n\n", "\n"), "at lines 1, 2"));
  CHECK(everywhere("aaaaa", "aa", "b") == "bba");
}

TEST_CASE("all places, or as many as expected") {
  CHECK(everywhere("a b a\r\na", "a", "aa") == "aa b aa\r\naa");
  CHECK(outcome("a a a", {.old_string = "a", .new_string = "b", .places = 3}) == "b b b");
  CHECK(outcome("a a a", {.old_string = "a", .new_string = "b", .places = 2}) ==
        "failed: old_string is in the file 3 times, at lines 1, 1, 1, and not 2 times as expected: check the text.");
  CHECK(holds(outcome("a", {.old_string = "a", .new_string = "b", .places = 2}), "once, at line 1, and not 2 times"));
  CHECK(holds(everywhere("a", "b", "c"), "not in the file"));
}

TEST_CASE("a text that is not there is answered with the nearest, its lines and how similar it is") {
  const std::string text = "one\nint total = compute(first, second);\nreturn total;\n";
  CHECK(once(text, "int total = compute(first, third);\nreturn total;", "x") ==
        "failed: old_string is not in the file. The nearest text is lines 2-3, 89 % similar:\n"
        "2 | int total = compute(first, second);\n"
        "3 | return total;");
  CHECK(holds(once("  if x:\n    y()\n", "if x:\n  y()", "z"),
              "The nearest text is lines 1-2, the same but for white space or typography:\n1 |   if x:"));
  CHECK(once("a\n", "zzzzzzzz", "x") == "failed: old_string is not in the file, nor anything like it: read the file again.");
  CHECK(once("", "a", "b") == "failed: old_string is not in the file: it is empty.");
  CHECK(once("a\nb\n", "b\nc\nd", "x") == "failed: old_string has 3 lines and the file only 2.");
}

TEST_CASE("a replacement that says nothing is refused") {
  CHECK(once("a", "", "b") == "error: old_string is empty: copy the text to replace");
  CHECK(once("a", "a", "a") == "error: old_string and new_string are the same, so nothing would change");
  CHECK(holds(once("a\nb", "a\nb", "a\r\nb"), "differ only in their line breaks"));
}

TEST_CASE("white space may differ where that is asked for, and what stays keeps the file's") {
  CHECK(tolerantly("f(a,\t b)\n", "f(a, b)", "f(b, a)") == "f(b, a)\n");
  CHECK(tolerantly("x = f( a,\n       b );\n", "f( a, b )", "g()") == "x = g();\n");  // by its words
  CHECK(tolerantly("if (a) {\n\treturn  b;\n}\n", "if (a) {\n    return b;\n}", "if (a) {\n    return b;\n} else c();") ==
        "if (a) {\n\treturn  b;\n} else c();\n");
  CHECK(tolerantly("a  b\r\nc\r\n", "a b\nc", "a b\nX\nc") == "a  b\r\nX\r\nc\r\n");
  CHECK(holds(tolerantly("a\nb\n", "a b c", "x"), "not in the file"));
  const auto result = replace_text("a  b\n", {.old_string = "a b", .new_string = "c", .tolerant = true});
  REQUIRE(result);
  CHECK_FALSE(result->exact);
  CHECK(result->notes == "old_string matched at line 1 except for white space.\n");
}

TEST_CASE("new lines get the indentation of the text") {
  CHECK(tolerantly("\t\tif x:\n\t\t\ty()\n", "    if x:\n        y()", "    if x:\n        y()\n        z()\n    w()") ==
        "\t\tif x:\n\t\t\ty()\n\t\t\tz()\n\t\tw()\n");
  CHECK(tolerantly("    a = f( b )\n", "  a = f(  b )", "  a = f(c)\n  d()") == "    a = f(c)\n    d()\n");
  const auto result = replace_text(" a\n   b\n  c\n", {.old_string = "a\n b\n c", .new_string = "a\n b\n x\n c", .tolerant = true});
  REQUIRE(result);
  CHECK(holds(result->notes, "Check the indentation of the new lines."));
}

TEST_CASE("white space around the text is the file's, unless the edit is about it") {
  CHECK(tolerantly("a\n\n\tb  c\n\n\nd\n", "\n  b c\n\n", "\n  e\n\n") == "a\n\n\te\n\n\nd\n");
  CHECK(tolerantly("a\nb  c\n\nd\n", "b c\n", "") == "a\n\nd\n");
  CHECK(tolerantly("  b  c\n", "b c", "  b") == "    b\n");
}

TEST_CASE("each way of matching must find exactly as many places as expected") {
  CHECK(tolerantly("f( a )\nf(  a )\n", "f( a )", "g()") == "g()\nf(  a )\n");
  CHECK(tolerantly("f(  a )\nf(   a )\n", "f( a )", "g()", 2) == "g()\ng()\n");
  CHECK(tolerantly("a b\na\nb\n", "a b", "c", 2) == "c\nc\n");
  CHECK(tolerantly("x  y\nx  y\n", "x y", "z") ==
        "failed: old_string is not literally in the file; but for white space 2 times; by its words alone 2 times, at lines "
        "1, 2: add lines around it until it is unique, or set expected_replacements.");
  CHECK(holds(tolerantly("x y\nx  y\n", "x y", "z", 3), "is in the file once; but for white space 2 times; by its words alone 2 "
                                                        "times, at line 1, and not 3 times as expected"));
}

TEST_CASE("a hostile text or needle costs bounded time") {
  // What grows faster than the text would take hours: the time-out of the test ends it.
  const std::string same(4'000'000, 'a');
  CHECK(holds(once(same, std::string(1'000'000, 'a') + "b", "x"), "not in the file"));
  CHECK(holds(once(same, std::string(3'999'990, 'a'), "x"), "11 times"));
  CHECK(holds(once(same, "a", "x"), "more than 1000000 times"));
  CHECK(holds(everywhere(std::string(900'000, 'a'), "a", std::string(1000, 'b')), "more than 64 MB"));
  std::string words;
  for (int i = 0; i < 500'000; ++i) words += "a ";
  CHECK(holds(tolerantly(words, words.substr(0, 400'000) + " b", "x"), "compare them all"));

  std::string text;
  std::string needle;
  for (int i = 0; i < 50'000; ++i) {
    text += fmt::format("    item[{:05}] = make_item({:05}, \"the same long text for every item\");\n", i, i);
    if (i < 14'000) needle += fmt::format("    item[{:05}] = make_item({:05}, \"the same lung text for every item\");\n", i, i + 7);
  }
  CHECK(needle.size() > 1'000'000);
  CHECK(holds(once(text, needle, "x"), "old_string is not in the file"));
  CHECK(holds(once(text, std::string(1'000'000, 'x'), "y"), "not in the file"));
  CHECK(holds(once("a\n", needle, "x"), "has 14000 lines"));
}

// Against the plainest way to do it.
TEST_CASE("any literal replacement is a splice of bytes") {
  static const std::vector<std::string> pool{"a", "b", "\n", "\n\n", " ", "\t", "$&", "é", "\r", std::string(1, '\0'), "ab", "\\"};
  std::mt19937_64 random(5);
  const auto some = [&](std::size_t count) {
    std::string text;
    for (; count > 0; --count) text += pool[random() % pool.size()];
    return text;
  };
  int edits = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = some(random() % 20);
    const std::string before = some(1 + random() % 4);
    const std::string after = some(random() % 4);
    if (text.find("\r\n") != std::string::npos || (before + after).find("\r\n") != std::string::npos || before == after) continue;
    if (before.ends_with('\r') || after.ends_with('\r')) continue;  // would make a CRLF with what follows
    std::string expected;
    std::size_t at = 0;
    for (std::size_t found = text.find(before); found != std::string::npos; found = text.find(before, at)) {
      expected += text.substr(at, found - at) + after;
      at = found + before.size();
    }
    if (at == 0) continue;
    expected += text.substr(at);
    ++edits;
    CHECK(quoted(everywhere(text, before, after)) == quoted(expected));
  }
  CHECK(edits > 1000);
}

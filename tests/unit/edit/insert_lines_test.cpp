#include "edit/insert_lines.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "text_support.hpp"

using namespace joey;

TEST_CASE("lines are inserted before a line or at the end, and nothing else changes") {
  struct Case {
    const char* name;
    std::string text;
    std::size_t line;
    std::string content, expected;
  };
  const std::vector<Case> cases{
      {"before the first", "a\nb\n", 1, "x", "x\na\nb\n"},
      {"between", "a\nb\n", 2, "x\ny\n", "a\nx\ny\nb\n"},
      {"at the end by 0", "a\nb\n", 0, "x", "a\nb\nx\n"},
      {"at the end by number", "a\nb\n", 3, "x", "a\nb\nx\n"},
      {"no final newline stays so", "a\nb", 0, "x", "a\nb\nx"},
      {"before the last line without one", "a\nb", 2, "x", "a\nx\nb"},
      {"into nothing", "", 0, "x", "x\n"},
      {"into nothing before line 1", "", 1, "x\ny", "x\ny\n"},
      {"a blank line", "a\nb\n", 2, "\n", "a\n\nb\n"},
      {"blank lines at the end of the content", "a\n", 1, "x\n\n", "x\n\na\n"},
      {"CRLF", "a\r\nb\r\n", 2, "x\ny", "a\r\nx\r\ny\r\nb\r\n"},
      {"CRLF in the content alone", "a\nb\n", 2, "x\r\ny\r\n", "a\nx\ny\nb\n"},
      {"mixed: the ending of the line above", "a\r\nb\n", 2, "x", "a\r\nx\r\nb\n"},
      {"mixed: the ending of the line below the first", "a\r\nb\n", 1, "x", "x\r\na\r\nb\n"},
      {"a carriage return alone ends no line", "a\rb\r", 0, "x", "a\rb\r\nx"},
      {"after a byte order mark", "\xEF\xBB\xBF" "a\n", 1, "x", "\xEF\xBB\xBF" "x\na\n"},
      {"a byte order mark alone", "\xEF\xBB\xBF", 0, "x", "\xEF\xBB\xBF" "x\n"},
      {"trailing white space and dollars", "a\n", 0, "$& \t", "a\n$& \t\n"},
      {"NUL", std::string("\0\n", 2), 1, std::string("a\0", 2), std::string("a\0\n\0\n", 5)},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto result = insert_lines(c.text, c.line, c.content);
    REQUIRE(result);
    CHECK(quoted(result->text) == quoted(c.expected));
    CHECK(result->applied == 1);
    CHECK_FALSE(result->exact);  // a line's number says nothing about the text
  }
}

TEST_CASE("an insertion that cannot be says why") {
  CHECK(insert_lines("a\nb\n", 4, "x").error().message == "there is no line 4: the file has 2 lines; 0 or 3 appends");
  CHECK(insert_lines("a\n", 1, "").error().code == ErrorCode::invalid_argument);
  CHECK(insert_lines(std::string(1'000'001, '\n'), 1, "x").error().code == ErrorCode::limit);
}

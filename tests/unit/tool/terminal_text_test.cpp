#include "tool/terminal_text.hpp"

#include <doctest/doctest.h>

#include "base/text.hpp"

using namespace joey;

namespace {

std::string shown(std::string_view output) {
  TerminalText text(1000, 1000);
  Utf8Stream utf8;
  text.feed(utf8.feed(output));
  text.feed(utf8.finish());
  return text.text();
}

}  // namespace

TEST_CASE("output reads as a terminal would have left it") {
  CHECK(shown("a\r\nb\n") == "a\nb\n");
  CHECK(shown("10%\r50%\r100%\ndone") == "100%\ndone");
  CHECK(shown("abcdef\rXY\n") == "XYcdef\n");
  CHECK(shown("abcdef\r\x1B[KXY\n") == "XY\n");
  CHECK(shown("abc\x1B[2Kd\n") == "d\n");
  CHECK(shown("spin |\b/\b-\n") == "spin -\n");
  CHECK(shown("\b\bx") == "x");
  CHECK(shown("\x1B[1;31mred\x1B[0m \x1B]0;title\apl\x1B]8;;u\x1B\\ain\x1B(B\n") == "red plain\n");
  CHECK(shown("\u00E9\u20AC\rx\n") == "x\u20AC\n");
  CHECK(shown("tab\tbell\a nul\x01 del\x7F c1\u0085\n") == "tab\tbell nul del c1\n");
  CHECK(shown("a\xFF" "b\xE2\x82") == "a\uFFFDb\uFFFD");
  CHECK(shown("\x1B]never ends" + std::string(5000, 'x') + "\n").ends_with("x\n"));
}

TEST_CASE("output cut anywhere reads the same, and no piece cuts a character") {
  const std::string output = "\u00E9\u20AC\U0001F600 \x1B[31mred\x1B[0m 1%\r2%\x1B[K\r\nabc\b\b\xF0\x9F x\x1B]0;t\x1B\\y\xE2\x82";
  const std::string whole = shown(output);
  for (std::size_t a = 0; a <= output.size(); ++a) {
    for (std::size_t b = a; b <= output.size(); ++b) {
      TerminalText text(1000, 1000);
      Utf8Stream utf8;
      std::string streamed;
      for (const std::string_view piece : {std::string_view(output).substr(0, a), std::string_view(output).substr(a, b - a),
                                           std::string_view(output).substr(b)}) {
        const std::string delta = utf8.feed(piece);
        CHECK(is_utf8(delta));
        text.feed(delta);
        streamed += delta;
      }
      const std::string rest = utf8.finish();
      text.feed(rest);
      CHECK(text.text() == whole);
      CHECK((streamed + rest).find("\U0001F600") != std::string::npos);
    }
  }
}

TEST_CASE("of long text the beginning and the end are kept, and what is missing is counted") {
  HeadAndTail kept(10, 20);
  kept.append("0123456789");
  kept.append("abcdefghij");
  kept.append("klmnopqrst");
  CHECK(kept.text() == "0123456789abcdefghijklmnopqrst");
  kept.append("u");
  CHECK(kept.text() == "0123456789\n[... 1 bytes omitted ...]\nbcdefghijklmnopqrstu");
  for (int i = 0; i < 10'000; ++i) kept.append("\u20AC");
  const std::string text = kept.text();
  CHECK(is_utf8(text));
  CHECK(text.starts_with("0123456789\n[... 30003 bytes omitted ...]\n"));
  kept.append(std::string(100, 'z'));
  CHECK(kept.text().ends_with("]\nzzzzzzzzzzzzzzzzzzzz"));
}

TEST_CASE("a line without end costs bounded memory") {
  TerminalText text(100, 100);
  for (int i = 0; i < 1000; ++i) text.feed(std::string(1000, 'x'));
  CHECK(text.text().size() < 300);
  CHECK(text.text().find("bytes omitted") != std::string::npos);
}

TEST_CASE("a line that comes again and again is there once, with its number, where that is shorter") {
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += "the same line\n";
  CHECK(shown("a\n" + flood + "b\n") == "a\nthe same line\n[the line above came 999 times more]\nb\n");
  CHECK(shown(flood + "the same line") == "the same line\n[the line above came 999 times more]\nthe same line");
  CHECK(shown("x\nx\nx\n\n\n\ny\n") == "x\nx\nx\n\n\n\ny\n");
  const std::string wide(60, 'w');
  CHECK(shown(wide + "\n" + wide + "\n") == wide + "\n[the line above came once more]\n");
  CHECK(shown(wide + "\n" + wide + "\nz\n" + wide + "\n") == wide + "\n[the line above came once more]\nz\n" + wide + "\n");
  const std::string endless(20'000, 'x');  // pieces of one line are no repeats
  CHECK(shown_text(endless + "\x1B[m") == endless);
}

TEST_CASE("text that was taken is gone, and what comes after it is whole") {
  TerminalText text(100, 100);
  text.feed("one\ntw\x1B[3");
  CHECK(text.take() == "one\ntw");
  CHECK(text.empty());
  text.feed("1mo\n");
  CHECK(text.take() == "o\n");
  CHECK(text.take().empty());
  for (int i = 0; i < 100; ++i) text.feed("long enough to be cut " + std::to_string(i) + "\n");
  CHECK(text.take().find("bytes omitted") != std::string::npos);
  text.feed("short\n");
  CHECK(text.take() == "short\n");
}

TEST_CASE("a line is shown whole whatever it holds") {
  CHECK(shown_text("plain\ttext") == "plain\ttext");
  CHECK(shown_text("1%\r2%\r") == "2%");
  CHECK(shown_text("\x1B[1mb\x1B[0m\u20AC\xFF\r") == "b\u20AC\uFFFD");
  CHECK(shown_text(std::string(1000, '\xFF')).size() == 3000);
}

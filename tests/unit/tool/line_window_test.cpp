#include "tool/line_window.hpp"

#include <doctest/doctest.h>

#include "../../support/random.hpp"
#include "base/text.hpp"

using namespace joey;

namespace {

struct Taken {
  std::vector<std::string> lines;
  std::vector<std::uint64_t> characters;
  std::uint64_t count{0};
  bool operator==(const Taken&) const = default;
};

Taken take(const std::vector<std::string_view>& pieces, const LineWindowOptions& options) {
  LineWindow window(options);
  for (const std::string_view piece : pieces) window.append(piece);
  window.finish();
  Taken taken;
  for (const LineWindow::Line& line : window.lines()) {
    taken.lines.push_back(line.text);
    taken.characters.push_back(line.characters);
  }
  taken.count = window.lines_count();
  return taken;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a window holds the lines that are asked for and counts the others") {
  const std::string_view text = "one\ntwo\n\nfour";
  CHECK(take({text}, {}).lines == Lines{"one", "two", "", "four"});
  CHECK(take({text}, {}).count == 4);
  CHECK(take({text}, {.first = 1, .lines_max = 2}).lines == Lines{"two", ""});
  CHECK(take({text}, {.first = 1, .lines_max = 2}).count == 4);
  CHECK(take({text}, {.first = 3}).lines == Lines{"four"});
  CHECK(take({text}, {.first = 4}).lines.empty());
  CHECK(take({text}, {.first = 4}).count == 4);
  CHECK(take({"a\n"}, {}).count == 1);
  CHECK(take({"\n"}, {}).lines == Lines{""});
  CHECK(take({}, {}).count == 0);
}

TEST_CASE("a window cuts lines at characters and keeps no more bytes than it may") {
  CHECK(take({"\u00E9\u20ACab\n"}, {.characters_max = 2}).lines == Lines{"\u00E9\u20AC"});
  CHECK(take({"\u00E9\u20ACab\n"}, {.characters_max = 2}).characters[0] == 4);
  CHECK(take({"\u00E9\u20ACab\n"}, {.column = 1, .characters_max = 2}).lines == Lines{"\u20ACa"});
  CHECK(take({"\u00E9\u20ACab\n"}, {.column = 9}).lines == Lines{""});
  CHECK(take({"aaaa\nbbbb\ncccc\n"}, {.bytes_max = 6}).lines == Lines{"aaaa"});
  CHECK(take({"aaaa\nbbbb\ncccc\n"}, {.bytes_max = 6}).count == 3);
}

TEST_CASE("a text that comes in pieces gives the same window as one that comes whole") {
  test::Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    std::vector<std::size_t> ends;  // of characters
    for (std::size_t left = random.below(40); left > 0; --left) {
      text += random.pick(std::vector<std::string>{"a", "b", "\u00E9", "\u20AC", "\n", "\n", "\r"});
      ends.push_back(text.size());
    }
    LineWindowOptions options;
    options.first = random.below(5);
    options.lines_max = 1 + random.below(5);
    options.column = random.below(4);
    options.characters_max = 1 + random.below(6);
    options.bytes_max = random.chance(0.5) ? 1000 : random.below(30);
    const Taken whole = take({text}, options);
    std::vector<std::string_view> pieces;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      if (!random.chance(0.3) && end != text.size()) continue;
      pieces.push_back(std::string_view(text).substr(begin, end - begin));
      begin = end;
    }
    CAPTURE(text);
    Taken taken = take(pieces, options);
    // Where the bytes run out within a line, a smaller piece ends it sooner.
    if (!taken.lines.empty() && taken.lines.size() == whole.lines.size()) {
      CHECK(whole.lines.back().starts_with(taken.lines.back()));
      taken.lines.back() = whole.lines.back();
    }
    CHECK(taken == whole);
    CHECK(whole.count == split_lines(text).size());
    if (options.bytes_max == 1000 && !whole.lines.empty() && options.column == 0 && options.characters_max > 100) {
      CHECK(whole.lines[0] == split_lines(text)[options.first]);
    }
  }
}

#include "tool/indentation.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/text.hpp"

using namespace joey;

namespace {

constexpr std::string_view source =
    "import x\n"             // 1
    "\n"                     // 2
    "# about A\n"            // 3
    "class A:\n"             // 4
    "    a = 1\n"            // 5
    "\n"                     // 6
    "    # about f\n"        // 7
    "    def f(self):\n"     // 8
    "        if y:\n"        // 9
    "            return 1\n"  // 10
    "        return 2\n"     // 11
    "\n"                     // 12
    "    def g(self):\n"     // 13
    "        return 3\n"     // 14
    "\n"                     // 15
    "def h():\n"             // 16
    "    return 4\n";        // 17

std::string around(std::size_t anchor, IndentationOptions options) {
  options.anchor = anchor - 1;
  const auto range = lines_around(split_lines(source), options);
  return std::to_string(range.first + 1) + "-" + std::to_string(range.end) + (range.cut ? " cut" : "");
}

}  // namespace

TEST_CASE("the block around a line follows the indentation") {
  CHECK(around(10, {.levels_max = 1}) == "9-11");
  CHECK(around(10, {.levels_max = 2}) == "7-13");
  CHECK(around(10, {.levels_max = 2, .header = false}) == "8-13");
  CHECK(around(10, {.levels_max = 2, .siblings = true}) == "5-14");
  CHECK(around(10, {.levels_max = 3}) == "3-16");
  CHECK(around(10, {}) == "3-16");
  CHECK(around(10, {.siblings = true}) == "1-17");
  CHECK(around(10, {.levels_max = 99, .siblings = true}) == "1-17");
}

TEST_CASE("the block is cut evenly on both sides of the line") {
  CHECK(around(10, {.siblings = true, .lines_max = 1}) == "10-10 cut");
  CHECK(around(10, {.siblings = true, .lines_max = 3}) == "9-11 cut");
  CHECK(around(10, {.siblings = true, .lines_max = 17}) == "1-17");
}

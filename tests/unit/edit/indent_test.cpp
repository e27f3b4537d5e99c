#include "edit/indent.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace joey;

namespace {

using Texts = std::vector<std::string_view>;

std::string shifted(const Texts& from, const Texts& to, std::string_view line) {
  const auto shift = find_indent_shift(from, to);
  return shift ? shift->apply(line) : "no shift";
}

}  // namespace

TEST_CASE("one rule of indentation is found and holds for other lines") {
  CHECK(shifted({"a", "  b"}, {"    a", "      b"}, "  c") == "      c");
  CHECK(shifted({"    a", "      b"}, {"a", "  b"}, "        c") == "    c");
  CHECK(shifted({"    a"}, {"  a"}, " c") == "c");
  CHECK(shifted({"a", "    b"}, {"a", "\tb"}, "        c") == "\t\tc");
  CHECK(shifted({"a", "  b"}, {"\ta", "\t\tb"}, "    c") == "\t\t\tc");
  CHECK(shifted({"\ta", "\t\tb"}, {"  a", "    b"}, "\t\t\tc") == "      c");
  CHECK(shifted({"a", "  b"}, {"a", "    b"}, "  c") == "    c");
  CHECK(shifted({"a", "", "  b"}, {" a", " ", "   b"}, " \t") == " \t");
}

TEST_CASE("indentation without a rule is none") {
  CHECK(shifted({"  a", "  b"}, {"  a", "    b"}, "c") == "no shift");
}

#include "symbols/symbols.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace joey;

TEST_CASE("a source that is too large or binary is refused, and says so") {
  DefinitionFinder finder({.source_size_max = 100});
  for (const Language language : {Language::markdown, Language::c}) {
    const auto large = finder.find(std::string(101, '#'), language);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == ErrorCode::limit);
    CHECK(large.error().message == "is larger than the 100 bytes in which definitions are looked for");
    const auto binary = finder.find(std::string_view("# a\0b", 5), language);
    REQUIRE_FALSE(binary);
    CHECK(binary.error().code == ErrorCode::invalid_argument);
  }
}

TEST_CASE("Markdown needs no grammar") {
  const auto found = DefinitionFinder().find("# Title\n", Language::markdown);
  REQUIRE(found);
  REQUIRE(found->list.size() == 1);
  CHECK(found->list[0] == Definition{"heading", "Title", 1, 1, "# Title", 0});
}

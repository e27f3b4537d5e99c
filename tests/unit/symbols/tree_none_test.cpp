#include <doctest/doctest.h>

#include "symbols/symbols.hpp"

using namespace joey;

TEST_CASE("without grammars every language but Markdown is unsupported, and says so") {
  DefinitionFinder finder;
  for (std::size_t i = 0; i < languages_count; ++i) {
    const auto language = static_cast<Language>(i);
    const auto found = finder.find("", language);
    CHECK(found.has_value() == (language == Language::markdown));
    if (!found) CHECK(found.error().code == ErrorCode::unsupported);
  }
  CHECK(finder.find("", Language::cpp).error().message == "this build of joey has no grammar of C++");
}

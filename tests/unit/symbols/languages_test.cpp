#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "symbols/symbols.hpp"

using namespace joey;

namespace {

constexpr std::string_view source_start = "```source\n";
constexpr std::string_view definitions_start = "```definitions\n";
constexpr std::string_view block_end = "```\n";

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

// The block that begins with `start`, without its marks.
std::string_view block_of(std::string_view text, std::string_view start) {
  const std::size_t at = text.find(start);
  REQUIRE(at != std::string_view::npos);
  text.remove_prefix(at + start.size());
  return text.substr(0, text.find(block_end));
}

std::string written(const Definitions& definitions) {
  std::string out;
  for (const Definition& d : definitions.list) {
    out += fmt::format("{}--{} {} {} {} | {}\n", d.first_line, d.last_line, d.depth, d.kind, d.name, d.text);
  }
  return out;
}

Language named(std::string_view name) {
  for (std::size_t i = 0; i < languages_count; ++i) {
    const auto language = static_cast<Language>(i);
    if (name_of(language) == name) return language;
  }
  FAIL("no language is called " << std::string(name));
  return {};
}

}  // namespace

TEST_CASE("every language's definitions are found in its sample") {
  std::set<std::string> seen;
  DefinitionFinder finder;
  for (const auto& entry : std::filesystem::directory_iterator(JOEY_LANGUAGES)) {
    if (entry.path().filename() == "README.md") continue;
    CAPTURE(entry.path().string());
    std::string text = read_file(entry.path());
    const std::string name = text.substr(2, text.find('\n') - 2);  // "# Name"
    seen.insert(name);
    const auto found = finder.find(block_of(text, source_start), named(name));
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK_FALSE(found->truncated);
    const std::string expected(block_of(text, definitions_start));
    const std::string actual = written(*found);
    if (std::getenv("JOEY_UPDATE_LANGUAGES") != nullptr) {
      text.replace(text.find(definitions_start) + definitions_start.size(), expected.size(), actual);
      std::ofstream(entry.path(), std::ios::binary) << text;
    } else {
      CHECK(actual == expected);
    }
  }
  CHECK(seen.size() == languages_count);
}

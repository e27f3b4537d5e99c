// The official test suite, as far as it is of this draft and of schemas that refer to themselves alone.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "schema/json_schema.hpp"

using namespace joey;

namespace {

// What differs on purpose: references to other documents, and siblings of "$ref", which count since 2019.
constexpr std::array<std::string_view, 2> other_files{"refRemote.json", "definitions.json"};
constexpr std::array<std::string_view, 12> other_cases{
    "ref overrides any sibling keywords",
    "remote ref, containing refs itself",
    "Recursive references between schemas",
    "Location-independent identifier",
    "Location-independent identifier with absolute URI",
    "Location-independent identifier with base URI change in subschema",
    "refs with relative uris and defs",
    "relative refs with absolute uris and defs",
    "$id must be resolved against nearest parent, not just immediate parent",
    "$ref prevents a sibling $id from changing the base uri",
    "Reference an anchor with a non-relative URI",
    "$id inside an enum is not a real identifier"};

}  // namespace

TEST_CASE("The official test suite of JSON Schema") {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(JOEY_SCHEMA_SUITE)) {
    const std::string file = entry.path().filename().string();
    if (!entry.is_regular_file() || std::find(other_files.begin(), other_files.end(), file) != other_files.end()) continue;
    simdjson::dom::parser parser;
    simdjson::dom::array groups;
    REQUIRE(parser.load(entry.path().string()).get(groups) == simdjson::SUCCESS);
    for (const auto group : groups) {
      const std::string_view what = group["description"];
      if (std::find(other_cases.begin(), other_cases.end(), what) != other_cases.end()) continue;
      CAPTURE(file);
      CAPTURE(std::string(what));
      const auto schema = JsonSchema::parse(simdjson::minify(group["schema"].value()));
      REQUIRE_MESSAGE(schema.has_value(), schema.error().message);
      for (const auto test : group["tests"].get_array()) {
        CAPTURE(std::string(std::string_view(test["description"])));
        const auto problems = schema->problems(simdjson::minify(test["data"].value()));
        const std::string problem = problems.empty() ? "none" : problems.front();
        CAPTURE(problem);
        CHECK(problems.empty() == bool(test["valid"]));
        ++cases;
      }
    }
  }
  CHECK(cases > 390);
}

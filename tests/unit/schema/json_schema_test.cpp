#include "schema/json_schema.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

using namespace joey;

namespace {

std::string problems(std::string_view schema, std::string_view json, std::size_t most = 8) {
  const auto parsed = JsonSchema::parse(schema);
  if (!parsed) return "no schema: " + parsed.error().message;
  return fmt::format("{}", fmt::join(parsed->problems(json, most), "\n"));
}

std::string refusal(std::string_view schema) {
  const auto parsed = JsonSchema::parse(schema);
  if (parsed) return "it is a schema";
  CHECK(parsed.error().code == ErrorCode::invalid_argument);
  return parsed.error().message;
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

constexpr std::string_view invoice = R"({
  "type": "object",
  "properties": {
    "number": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
    "currency": {"enum": ["EUR", "USD"]},
    "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
  },
  "required": ["number", "items"],
  "additionalProperties": false,
  "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}, "required": ["price"]}}
})";

}  // namespace

TEST_CASE("What fits has no problem") {
  CHECK(problems(invoice, R"({"number":"AB-12","currency":"EUR","items":[{"price":1},{"price":0.5,"name":"x"}]})").empty());
}

TEST_CASE("Each problem says where it is and what must be there") {
  CHECK(problems(invoice, R"({"number":"ab","currency":"CHF","items":[{"price":"1"},{}],"total":5})") ==
        "/number: must match \"^[A-Z]{2}-[0-9]+$\"\n"
        "/currency: is \"CHF\", and must be one of [\"EUR\",\"USD\"]\n"
        "/items/0/price: is a string, and must be a number\n"
        "/items/1: \"price\" is missing\n"
        "/: \"total\" is no property that is allowed: there are number, currency, items");
  CHECK(problems(invoice, R"({"items":[]})") == "/: \"number\" is missing\n/items: has 0 items, and must have at least 1");
  CHECK(problems(invoice, "[]") == "/: is an array, and must be an object");
  CHECK(problems(R"({"type":["string","null"]})", "1") == "/: is an integer, and must be a string or null");
  CHECK(problems(R"({"properties":{"a/b":{"minimum":3}}})", R"({"a/b":1})") == "/a~1b: is 1, and must be at least 3");
  CHECK(problems(R"({"anyOf":[{"type":"object","required":["x","y"]},{"type":"object","required":["z"]}]})", "{}") ==
        "/: fits none of the 2 alternatives; of the closest /: \"z\" is missing");
  CHECK(problems(R"({"maxLength":3})", "\"äöüß\"") == "/: has 4 characters, and must have at most 3");
  CHECK(problems(R"({"multipleOf":0.1})", "0.25") == "/: is 0.25, and must be a multiple of 0.1");
  CHECK(problems(R"({"uniqueItems":true})", R"([{"a":1,"b":2},{"b":2.0,"a":1}])") == "/1: is there already: items must differ");
}

TEST_CASE("Problems are no more than asked for") {
  CHECK(problems(R"({"items":{"type":"string"}})", "[1,2,3,4,5]", 2) == "/0: is an integer, and must be a string\n/1: is an integer, and must be a string");
}

TEST_CASE("What is no JSON does not fit") {
  CHECK(problems("{}", "{\"a\":").starts_with("it is no JSON: "));
  CHECK(problems("{}", {}) == "it is no JSON: it is empty");
  CHECK(problems("{}", repeated("[", 5'000)).starts_with("it is no JSON: "));
}

TEST_CASE("A later draft's words are understood too") {
  CHECK(problems(R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", R"(["a",1,"b"])") == "/2: is a string, and must be an integer");
  CHECK(problems(R"({"dependentRequired":{"card":["name"]}})", R"({"card":1})") == "/: \"name\" is missing");
  CHECK(problems(R"({"dependentSchemas":{"card":{"required":["name"]}}})", R"({"card":1})") == "/: \"name\" is missing");
  CHECK(problems(R"({"contains":{"const":1},"minContains":2})", "[1,2]") == "/: too few items fit {\"const\":1}");
  CHECK(problems(R"({"contains":{"const":1},"maxContains":1})", "[1,1]") == "/: too many items fit {\"const\":1}");
  CHECK(problems(R"({"$ref":"#/$defs/a","minimum":5,"$defs":{"a":{"type":"integer"}}})", "3") == "/: is 3, and must be at least 5");
}

TEST_CASE("What is no schema, or asks for more than is understood, is refused with the place") {
  CHECK(refusal("{").starts_with("the schema is no JSON: "));
  CHECK(refusal({}) == "the schema is no JSON: it is empty");
  CHECK(refusal("[]") == "the schema at /: is an array, and must be a schema");
  CHECK(refusal(R"({"type":"text"})") == "the schema at /type: is \"text\", and must be of: null, boolean, object, array, number, string, integer");
  CHECK(refusal(R"({"properties":{"a":{"type":3}}})").starts_with("the schema at /properties/a/type: is 3"));
  CHECK(refusal(R"({"properties":[]})") == "the schema at /properties: must be an object of schemas");
  CHECK(refusal(R"({"anyOf":{}})") == "the schema at /anyOf: must be an array of schemas");
  CHECK(refusal(R"({"required":"name"})") == "the schema at /required: must be an array of strings");
  CHECK(refusal(R"({"enum":1})") == "the schema at /enum: must be an array");
  CHECK(refusal(R"({"minItems":"1"})") == "the schema at /minItems: must be a number");
  CHECK(refusal("{\"pattern\":\"(\"}").starts_with("the schema at /pattern: \"(\" is no pattern of RE2's: "));
  CHECK(refusal(R"_({"patternProperties":{"(?=a)":{}}})_").starts_with("the schema at /patternProperties: \"(?=a)\" is no pattern"));
  CHECK(refusal(R"({"$ref":"#/$defs/a"})") == "the schema at /$ref: there is no \"#/$defs/a\"");
  CHECK(refusal(R"({"$ref":"https://example.com/a"})") ==
        "the schema at /$ref: \"https://example.com/a\" leads elsewhere: references are to the schema itself");
  CHECK(refusal(R"({"unevaluatedProperties":false})") == "the schema at /unevaluatedProperties: is not understood here");
  CHECK(refusal(R"({"x":{"type":"text"},"$ref":"#/x"})").starts_with("the schema at #/x/type: is \"text\""));
}

TEST_CASE("A schema without end is a problem, not a hang") {
  CHECK(problems(R"({"$ref":"#"})", "1") == "/: the schema applies to itself without end");
  CHECK(problems(R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})", "1") ==
        "/: the schema applies to itself without end");
  const std::string deep = repeated("[", 200) + repeated("]", 200);
  CHECK(problems(R"({"items":{"$ref":"#"}})", deep).empty());
}

TEST_CASE("Texts that hang other validators take no time") {
  CHECK(problems(R"({"pattern":"^(a+)+$"})", "\"" + repeated("a", 100'000) + "b\"") == "/: must match \"^(a+)+$\"");
  CHECK(problems(R"({"pattern":"^([a-z]|[0-9])*$"})", "\"" + repeated("a", 1'000'000) + "\"").empty());
  std::string distinct;
  for (int i = 0; i < 50'000; ++i) distinct += fmt::format("{}{}", i == 0 ? "" : ",", i);
  CHECK(problems(R"({"uniqueItems":true})", "[" + distinct + "]").empty());
}

#include <doctest/doctest.h>

#include "provider/tool_schema.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string openai(std::string_view schema) {
  std::string out = normalised_schema(schema, SchemaDialect::openai);
  CHECK(is_json(out));
  CHECK(normalised_schema(out, SchemaDialect::openai) == out);
  return out;
}

}  // namespace

TEST_CASE("a schema that every vendor takes stays as it is") {
  for (const char* schema : {
           R"({"type":"object","properties":{"z":{"type":"string","description":"\"é\""},"a":{"type":["integer","null"],"enum":[1,2.5,null]}},"required":["z"]})",
           R"({"type":"object","additionalProperties":false,"properties":{"l":{"type":"array","items":{"type":"object","properties":{"required":{"type":"boolean"}}}}}})",
           R"({"required":["n"],"properties":{"n":{}},"type":"object","additionalProperties":false})",
           R"({"type":"object","$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}},"properties":{"n":{"$ref":"#/$defs/n"}}})",
           R"({"type":"object","properties":{"x":{"anyOf":[{"type":"string"},{"type":"number","minimum":0}],"default":{"properties":true}}}})",
       }) {
    CHECK(openai(schema) == schema);
  }
}

TEST_CASE("openai: a root is an object with properties") {
  constexpr const char* none = R"({"type":"object","properties":{}})";
  for (const char* schema : {"", "[]", "7", "{", "null", "{}", R"({"type":"object"})", R"({"properties":null})", R"({"type":["object","null"]})",
                             R"({"type":"object","properties":[]})", R"({"enum":[{}],"not":{},"const":{}})", R"({"anyOf":[true,7]})"}) {
    CAPTURE(schema);
    CHECK(openai(schema) == none);
  }
  CHECK(openai(R"({"properties":{"a":{}},"title":"t"})") == R"({"type":"object","properties":{"a":{}},"title":"t"})");
}

TEST_CASE("openai: alternatives at the root lie side by side, and what all require is required") {
  CHECK(openai(R"({"oneOf":[{"properties":{"kind":{"const":"a"},"x":{"type":"string"}},"required":["kind","x"]},
                            {"properties":{"kind":{"const":"b"},"y":{"type":"number"}},"required":["y","kind"]}]})") ==
        R"({"type":"object","properties":{"kind":{"anyOf":[{"const":"a"},{"const":"b"}]},"x":{"type":"string"},"y":{"type":"number"}},"required":["kind"]})");
  CHECK(openai(R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"],
                   "allOf":[{"properties":{"b":{"type":"string"}},"required":["b"]},{"if":{},"then":{"required":["c"]}}]})") ==
        R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]})");
}

TEST_CASE("openai: a reference at the root is what it refers to") {
  CHECK(openai(R"({"$ref":"#/definitions/In","definitions":{"In":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}})") ==
        R"({"type":"object","definitions":{"In":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}},)"
        R"("properties":{"a":{"type":"string"}},"required":["a"]})");
  for (const char* schema : {R"({"$ref":"#"})", R"({"$ref":"#/"})", R"({"$ref":"#/$ref"})", R"({"$ref":"http://h/s"})", R"({"$ref":7})"}) {
    CAPTURE(schema);
    CHECK(openai(schema) == R"({"type":"object","properties":{}})");
  }
}

TEST_CASE("openai: an array says of what, a tuple of any of its kinds") {
  CHECK(openai(R"({"type":"object","properties":{"l":{"type":"array"},"n":{"type":["array","null"]},"t":{"type":"array","items":[{"type":"string"},{"type":"number"}]}}})") ==
        R"({"type":"object","properties":{"l":{"type":"array","items":{}},"n":{"type":["array","null"],"items":{}},)"
        R"("t":{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"number"}]}}}})");
}

TEST_CASE("openai: what is no schema, or one of an older draft, is left out") {
  CHECK(openai(R"({"type":"object","properties":{"type":"object","any":true,"never":false,"n":{"exclusiveMinimum":true,"minimum":0,"required":true}},"required":["n",7]})") ==
        R"({"type":"object","properties":{"type":{},"any":{},"n":{"minimum":0}},"required":["n"]})");
  CHECK(openai(R"({"type":"object","properties":{"o":{"anyOf":[],"required":[],"properties":7,"items":true}}})") ==
        R"({"type":"object","properties":{"o":{"items":{}}}})");
}

TEST_CASE("openai: a regular expression that its validator cannot read is left out") {
  CHECK(openai(R"x({"type":"object","properties":{"ahead":{"type":"string","pattern":"^(?!x).*$"},"behind":{"pattern":"(?<=x)y"},
                    "letter":{"pattern":"^\\p{L}+$"},"number":{"pattern":7},"plain":{"pattern":"^(?:a|(?<n>b))\\d$"},
                    "pattern":{"type":"string"}},"patternProperties":{"^(?=a)":{},"^b":{}}})x") ==
        R"x({"type":"object","properties":{"ahead":{"type":"string"},"behind":{},"letter":{},"number":{},)x"
        R"x("plain":{"pattern":"^(?:a|(?<n>b))\\d$"},"pattern":{"type":"string"}},"patternProperties":{"^b":{}}})x");
}

TEST_CASE("xai: objects are open") {
  CHECK(normalised_schema(
            R"({"type":"object","properties":{"additionalProperties":{"type":"object","additionalProperties":false},"m":{"additionalProperties":{"type":"string"}}},"additionalProperties":false})",
            SchemaDialect::xai) ==
        R"({"type":"object","properties":{"additionalProperties":{"type":"object"},"m":{"additionalProperties":{"type":"string"}}}})");
}

TEST_CASE("a schema that refers to itself or goes deep ends") {
  CHECK(openai(R"({"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"properties":{"x":{}}}}})") ==
        R"({"type":"object","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"properties":{"x":{}}}},"properties":{"x":{}}})");
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += R"({"not":)";
  CHECK(openai(deep) == R"({"type":"object","properties":{}})");
  CHECK(openai(deep + "{}" + std::string(5000, '}')) == R"({"type":"object","properties":{}})");
}

TEST_CASE("anthropic: the root is an object of properties with plain names, the rest stays as it is") {
  const auto anthropic = [](std::string_view schema) {
    std::string out = normalised_schema(schema, SchemaDialect::anthropic);
    CHECK(is_json(out));
    CHECK(normalised_schema(out, SchemaDialect::anthropic) == out);
    return out;
  };
  CHECK(anthropic("{}") == R"({"type":"object","properties":{}})");
  CHECK(anthropic(R"({"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]})") ==
        R"({"type":"object","properties":{"a":{"type":"string"}}})");
  CHECK(anthropic(R"({"oneOf":[{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"array"}]}},"required":["a"]}]})") ==
        R"({"type":"object","properties":{"a":{"oneOf":[{"type":"string"},{"type":"array"}]}},"required":["a"]})");
  CHECK(anthropic(R"({"type":"object","properties":{"$select":{},"a.b-c_1":{},"é":{},"":{}},"required":["$select","a.b-c_1"]})") ==
        R"({"type":"object","properties":{"a.b-c_1":{}},"required":["a.b-c_1"]})");
  const char* const kept = R"({"type":"object","additionalProperties":false,"properties":{"a":{"type":"string","pattern":"(?=x)\\p{L}"}}})";
  CHECK(anthropic(kept) == kept);
}

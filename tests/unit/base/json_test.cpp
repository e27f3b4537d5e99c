#include "base/json.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("the writer places commas in nested objects and arrays") {
  std::string out = "prefix:";
  JsonWriter json(out);
  json.begin_object().field("a", 1).key("b").begin_array().value("x").value(true).null().begin_object().end_object();
  json.end_array().field("c", 0.5).key("d").raw(R"({"raw":[]})").field("e", std::uint64_t{18446744073709551615U});
  json.end_object();
  CHECK(out == R"(prefix:{"a":1,"b":["x",true,null,{}],"c":0.5,"d":{"raw":[]},"e":18446744073709551615})");
}

TEST_CASE("strings are escaped, and bytes that are not UTF-8 are replaced") {
  std::string out;
  append_json_string(out, std::string_view("a\"\\\n\x01\x7f\0é€😀", 16));
  CHECK(out == "\"a\\\"\\\\\\n\\u0001\x7f\\u0000é€😀\"");
  out.clear();
  append_json_string(out, "ok\xff\xc3 \xe2\x82");
  CHECK(out == "\"ok\xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST_CASE("equal JSON values have one canonical form") {
  CHECK(canonical_json(R"({ "b" : [1, 2.50], "a": {"z":null,"y":"é\n"} })") == R"({"a":{"y":"é\n","z":null},"b":[1,2.5]})");
  CHECK(canonical_json("not json") == "not json");
}

TEST_CASE("only a whole object is a JSON object") {
  CHECK(minified_json_object(" {\"a\": 1.0, \"b\" :[ 2e3 ,\"\\u00e9 \"]} ") == "{\"a\":1.0,\"b\":[2000.0,\"é \"]}");
  for (const char* other : {"[]", "{\"a\":1", "{} x", "", "{\"a\":1e999}", "nul"}) CHECK(minified_json_object(other).empty());
}

TEST_CASE("minifying twice changes nothing") {
  for (const char* json : {R"({"x":[1,2.5,1e100,-0.0,18446744073709551615,"\u0000\/"],"y":{"z":null}})", "{}", R"({"a":0.1})"}) {
    const std::string once = minified_json_object(json);
    CHECK(minified_json_object(once) == once);
  }
}

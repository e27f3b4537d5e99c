#include "tool/arguments.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("values come with their types, and loosely written ones too") {
  Arguments arguments(R"({"s":"a\nb","i":7,"t":" 12 ","d":3.0,"b":true,"f":"false","n":null,"o":{"x":1},)"
                      R"("l":[{"y":"z"}]})");
  CHECK(arguments.string("s") == "a\nb");
  CHECK(arguments.optional_integer("i") == 7);
  CHECK(arguments.optional_integer("t", 1) == 12);
  CHECK(arguments.optional_integer("d") == 3);
  CHECK(arguments.optional_boolean("b") == true);
  CHECK(arguments.optional_boolean("f") == false);
  CHECK(arguments.optional_string("n") == std::nullopt);
  CHECK(arguments.optional_string("absent") == std::nullopt);
  CHECK(arguments.optional_object("o")->optional_integer("x") == 1);
  CHECK(arguments.optional_objects("l")->at(0).string("y") == "z");
  CHECK(arguments.ok());
}

TEST_CASE("the first problem is one line that names the argument and what it must be") {
  const auto problem_of = [](std::string_view json, auto read) {
    Arguments arguments(json);
    read(arguments);
    return arguments.problem();
  };
  const auto path = [](Arguments& a) { (void)a.string("path"); };
  const auto limit = [](Arguments& a) { (void)a.optional_integer("limit", 1); };
  CHECK(problem_of("{}", path) == "argument \"path\" is missing: it must be a string");
  CHECK(problem_of(R"({"path":null})", path) == "argument \"path\" is missing: it must be a string");
  CHECK(problem_of(R"({"path":["a"]})", path) == "argument \"path\" must be a string, not [\"a\"]");
  CHECK(problem_of(R"({"limit":"abc"})", limit) == "argument \"limit\" must be an integer of at least 1, not \"abc\"");
  CHECK(problem_of(R"({"limit":0})", limit) == "argument \"limit\" must be an integer of at least 1, not 0");
  CHECK(problem_of(R"({"limit":1.5})", limit) == "argument \"limit\" must be an integer of at least 1, not 1.5");
  CHECK(problem_of(R"({"limit":18446744073709551615})", limit).starts_with("argument \"limit\" must be an integer"));
  CHECK(problem_of(R"({"limit":1e300})", limit).starts_with("argument \"limit\" must be an integer"));
  CHECK(problem_of(R"({"b":"maybe"})", [](Arguments& a) { (void)a.optional_boolean("b"); }) ==
        "argument \"b\" must be true or false, not \"maybe\"");
  CHECK(problem_of(R"({"o":{"x":"y"}})", [](Arguments& a) { (void)a.optional_object("o")->optional_integer("x", 0, 9); }) ==
        "argument \"o.x\" must be an integer from 0 to 9, not \"y\"");
  CHECK(problem_of(R"({"l":[{}]})", [](Arguments& a) { (void)a.optional_objects("l")->at(0).string("p"); }) ==
        "argument \"l[0].p\" is missing: it must be a string");
  CHECK(problem_of(R"({"b":1})", [&](Arguments& a) { path(a); (void)a.optional_boolean("b"); }) ==
        "argument \"path\" is missing: it must be a string");
  CHECK(problem_of("[1]", path) == "the arguments are not a JSON object");
  const std::string longer = R"({"limit":")" + std::string(500, 'x') + "\"}";
  CHECK(problem_of(longer, limit).size() < 200);
}

#include "symbols/query.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <string>

using namespace joey;

extern "C" const TSLanguage* tree_sitter_json();

namespace {

// A line for each match in `source`: its kind, its text, its name.
std::string matches(std::string_view query, std::string_view source) {
  const auto made = Query::create(tree_sitter_json(), query);
  if (!made) return made.error().message;
  const std::unique_ptr<TSParser, decltype(&ts_parser_delete)> parser(ts_parser_new(), ts_parser_delete);
  REQUIRE(ts_parser_set_language(parser.get(), tree_sitter_json()));
  const std::unique_ptr<TSTree, decltype(&ts_tree_delete)> tree(
      ts_parser_parse_string(parser.get(), nullptr, source.data(), static_cast<std::uint32_t>(source.size())),
      ts_tree_delete);
  const auto text_of = [source](TSNode node) {
    if (ts_node_is_null(node)) return std::string_view("-");
    return source.substr(ts_node_start_byte(node), ts_node_end_byte(node) - ts_node_start_byte(node));
  };
  std::string out;
  made->search(ts_tree_root_node(tree.get()), source, [&](const Query::Match& match) {
    out += fmt::format("{} {} {}\n", *match.kind, text_of(match.node), text_of(match.name));
    return true;
  });
  return out;
}

}  // namespace

TEST_CASE("a pattern matches nodes by type, field and children") {
  constexpr std::string_view source = R"({"a":1,"b":[2,"c"]})";
  CHECK(matches("(pair key: (string (string_content) @name)) @key", source) ==
        "key \"a\":1 a\n"
        "key \"b\":[2,\"c\"] b\n");
  CHECK(matches("(pair value: (number)) @key", source) == "key \"a\":1 -\n");
  CHECK(matches("(pair key: (_) @name value: (array (string))) @key", source) == "key \"b\":[2,\"c\"] \"b\"\n");
  CHECK(matches("(pair value: (string)) @key", source) == "");
  CHECK(matches("(array (string) (number)) @array", source) == "");  // children in their order
  CHECK(matches("(array (_) @name) @array", source) == "array [2,\"c\"] 2\n");
}

TEST_CASE("one of several patterns, and tokens") {
  CHECK(matches("[(number) (array)] @value", "[1,[]]") == "value [1,[]] -\nvalue 1 -\nvalue [] -\n");
  CHECK(matches("(pair key: (_) @name value: [(array) (number)]) @key ; a comment", R"({"a":1,"b":"c"})") ==
        "key \"a\":1 \"a\"\n");
  CHECK(matches("(array \"[\" @name) @array", "[1]") == "array [1] [\n");
  CHECK(matches("(pair value: [(array (null)) (array (number) @name)]) @key", R"({"a":[1]})") == "key \"a\":[1] 1\n");
}

TEST_CASE("predicates choose by a capture's text, also a later child") {
  CHECK(matches("(object (pair key: (string (string_content) @_key) value: (number) @name) (#any-of? @_key \"b\" \"c\")) @o",
                R"({"a":1,"b":2})") == "o {\"a\":1,\"b\":2} 2\n");
  CHECK(matches("((pair key: (string (string_content) @name)) @key (#any-of? @name \"x\"))", R"({"a":1})") == "");
}

TEST_CASE("a search ends when it is told to") {
  const auto query = Query::create(tree_sitter_json(), "(number) @n");
  REQUIRE(query);
  const std::unique_ptr<TSParser, decltype(&ts_parser_delete)> parser(ts_parser_new(), ts_parser_delete);
  REQUIRE(ts_parser_set_language(parser.get(), tree_sitter_json()));
  const std::unique_ptr<TSTree, decltype(&ts_tree_delete)> tree(
      ts_parser_parse_string(parser.get(), nullptr, "[1,2,3]", 7), ts_tree_delete);
  int seen = 0;
  query->search(ts_tree_root_node(tree.get()), "[1,2,3]", [&](const Query::Match&) { return ++seen < 2; });
  CHECK(seen == 2);
}

TEST_CASE("a query that is none says where") {
  for (const char* query : {"(", "(pair", "pair", "(no_such_node) @x", "(pair no_field: (_)) @x", "(pair key (_)) @x", "[] @x",
                            "(\"{\"", "(pair) @", "((pair) @x (#set! lines-min many))", "((pair) @x (#set! other 1))",
                            "((pair) @x (#match? @x \"a\"))", "((pair) @x pair)", "(\"no such token\") @x", "(pair \"", ")"}) {
    CAPTURE(query);
    const auto made = Query::create(tree_sitter_json(), query);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::internal);
    CHECK(made.error().message.starts_with("query, byte "));
  }
  CHECK_FALSE(Query::create(tree_sitter_json(), std::string(100'000, '[')));
}

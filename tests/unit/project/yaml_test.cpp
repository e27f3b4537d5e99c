#include "project/yaml.hpp"

#include <doctest/doctest.h>

#include <iterator>

#include "../../support/random.hpp"

using namespace joey;

namespace {

std::string yaml_problem(std::string_view text) {
  const auto value = parse_yaml(text);
  return value ? "none" : value.error().message;
}

bool says(const std::string& message, std::string_view part) {
  const bool found = message.find(part) != std::string::npos;
  if (!found) MESSAGE("the message is: " << message);
  return found;
}

std::string repeated(std::string_view piece, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += piece;
  return out;
}

std::size_t count_values(const YamlValue& value, std::size_t depth = 1) {
  CHECK(depth <= yaml_depth_max + 1);
  std::size_t count = 1;
  for (const YamlValue& item : value.items) count += count_values(item, depth + 1);
  for (const auto& [key, field] : value.fields) count += count_values(field, depth + 1);
  return count;
}

}  // namespace

TEST_CASE("a document reads as maps, sequences and texts with their lines") {
  const auto value = parse_yaml("a: 1\nlist:\n  - x\n  - 'y: z'\n  -\ntext: |\n  two\n  lines\n");
  REQUIRE(value);
  CHECK(value->kind == YamlValue::Kind::map);
  CHECK(value->find("a")->text == "1");
  const YamlValue* list = value->find("list");
  REQUIRE(list->items.size() == 3);
  CHECK(list->items[1].text == "y: z");
  CHECK(list->items[1].line == 4);
  CHECK(list->items[2].kind == YamlValue::Kind::null);
  CHECK(value->find("text")->text == "two\nlines\n");
  CHECK(value->find("text")->line == 6);
  CHECK(value->find("b") == nullptr);
  CHECK(parse_yaml("")->kind == YamlValue::Kind::null);
  CHECK(parse_yaml("# nothing\n")->kind == YamlValue::Kind::null);
}

TEST_CASE("JSON reads as the same values, also where YAML would not take it") {
  const auto value = parse_json("{\n\t\"a\": [1, true, null, \"\\ud83d\\ude00\"],\n\t\"b\": {}\n}");
  REQUIRE(value);
  const YamlValue* list = value->find("a");
  REQUIRE(list->items.size() == 4);
  CHECK(list->items[0].text == "1");
  CHECK(list->items[1].text == "true");
  CHECK(list->items[2].kind == YamlValue::Kind::null);
  CHECK(list->items[3].text == "\U0001F600");
  CHECK(value->find("b")->kind == YamlValue::Kind::map);
  CHECK_FALSE(parse_json("{\"a\": 1, \"a\": 2}"));
  CHECK_FALSE(parse_json("{"));
}

TEST_CASE("what is wrong is said in one line with its place") {
  CHECK(yaml_problem("a: [1, 2\nb: 3\n").starts_with("line "));
  CHECK(yaml_problem("a: 1\na: 2\n") == "line 2: \"a\" is there twice");
  CHECK(says(yaml_problem("? [x]\n: 1\n"), "a key is not a plain text"));
  CHECK(yaml_problem("a: 1\n---\nb: 2\n") == "more than one document");
  CHECK(yaml_problem("a: \xff") == "not UTF-8");
  CHECK(yaml_problem(std::string_view("a: \0b", 5)) == "a NUL byte at byte 3: not a text");
  CHECK(yaml_problem("a: *nobody\n").starts_with("line 1"));
  CHECK(yaml_problem("\t- a").starts_with("line 1"));
}

TEST_CASE("an alias repeats what it names") {
  const auto value = parse_yaml("a: &x [1, 2]\nb: *x\nc: *x\n");
  REQUIRE(value);
  CHECK(value->find("c")->items.size() == 2);
  CHECK(value->find("c")->line == 3);
  CHECK(yaml_problem("a: &x [1, *x]\n") == "line 1: an alias stands inside what it names");
}

TEST_CASE("a bomb of aliases, of nesting or of size is refused before it grows") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  std::string deep = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string name = "a" + std::to_string(i);
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += name + ": &" + name + " [" + repeated(before + ", ", 9) + before + "]\n";
    deep += name + ": &" + name + " [[[[[[[[[[" + before + "]]]]]]]]]]\n";
  }
  CHECK(says(yaml_problem(bomb), "more values than the 10000"));
  CHECK(says(yaml_problem(deep), "nested deeper than the 32"));
  const std::string texts = "a0: &a0 " + repeated("x", 100'000) + "\nlist: [" + repeated("*a0, ", 1'000) + "*a0]\n";
  CHECK(says(yaml_problem(texts), "more text than the 4 MiB"));

  CHECK(says(yaml_problem(repeated("[", 500'000)), "nested deeper"));
  CHECK(says(yaml_problem(repeated("{a: ", 200'000)), "nested deeper"));
  CHECK(says(yaml_problem(repeated("- ", 200'000)), "nested deeper"));
  CHECK(says(yaml_problem(repeated("- x\n", 200'000)), "more values"));
  CHECK(parse_json(repeated("[", 40) + repeated("]", 40)).error().code == ErrorCode::limit);
}

TEST_CASE("whatever the bytes are, a value comes out within its limits or one line that says why not") {
  const std::string valid =
      "customModes:\n  - slug: a\n    groups: [read, [edit, {fileRegex: '\\.md$'}]]\n    x: &a {b: \"c\", d: e}\n"
      "    y: |\n      e\n  - *a\n  - ? k\n    : >-\n        folded\n";
  test::Random random(7);
  std::size_t read = 0;
  for (int run = 0; run < 10'000; ++run) {
    CAPTURE(run);
    std::string text = valid;
    for (std::size_t changes = random.below(4) + 1; changes > 0 && !text.empty(); --changes) {
      static constexpr std::string_view pieces[] = {"[",  "]",  "{", "}",  "&a ",  "*a",    ": ",  "- ",
                                                    "\n", "\"", "'", "|",  ">",    "---\n", "...", "!!x ",
                                                    "%",  "@",  "`", "\t", "\xc3", "?",     "#",   ","};
      const std::size_t at = random.below(text.size());
      if (random.chance(0.3)) {
        text.erase(at, random.below(8));
      } else {
        text.insert(at, pieces[random.below(std::size(pieces))]);
      }
    }
    const auto value = parse_yaml(text);
    if (value) {
      ++read;
      CHECK(count_values(*value) <= yaml_values_max);
    } else {
      CHECK_FALSE(value.error().message.empty());
      CHECK(value.error().message.find('\n') == std::string::npos);
    }
  }
  CHECK(read > 100);
  CHECK(read < 9'900);
}

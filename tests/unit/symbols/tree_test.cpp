#include "symbols/symbols.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

using namespace joey;

namespace {

std::string repeated(std::string_view text, std::size_t size) {
  std::string out;
  while (out.size() < size) out += text;
  return out;
}

// The lines and texts of what is found.
std::string outline(std::string_view source, Language language, const DefinitionLimits& limits = {}) {
  const auto found = DefinitionFinder(limits).find(source, language);
  REQUIRE_MESSAGE(found, found.error().message);
  std::string out;
  for (const Definition& d : found->list) out += fmt::format("{}--{} | {}\n", d.first_line, d.last_line, d.text);
  return out;
}

}  // namespace

TEST_CASE("definitions of a single line are found: no minimum of lines hides them") {
  CHECK(outline("int f() { return 1; }\nstruct S { int a; };\n", Language::c) ==
        "1--1 | int f() { return 1; }\n2--2 | struct S { int a; };\n");
}

TEST_CASE("Scala is searched with a query of its own, not Lua's") {
  CHECK(outline("object Main {\n  def run() = 1\n}\n", Language::scala) == "1--3 | object Main {\n2--2 |   def run() = 1\n");
}

TEST_CASE("what several patterns find is one definition, and one of several with the same lines is shown") {
  CHECK(outline("template <class T>\nvoid f(T t) {\n}\n", Language::cpp) == "1--3 | template <class T> ... void f(T t) {\n");
  CHECK(outline("typedef struct S {\n  int a;\n} S;\n", Language::c) == "1--3 | typedef struct S { ... } S;\n");
  CHECK(outline("void f(); void g();\n", Language::c) == "1--1 | void f(); void g();\n");
}

TEST_CASE("a source with errors gives what can be made out between them") {
  const std::string found = outline("def a():\n  return (\n\ndef b(:\n  pass\n\ndef c():\n  pass\n", Language::python);
  CHECK(found.find("def c():") != std::string::npos);
  CHECK(outline(")]}", Language::javascript) == "");
}

TEST_CASE("lines end as they may, and a long one is cut") {
  CHECK(outline("int f()\r\n{\r\n}\r\n", Language::c) == "1--3 | int f()\n");
  CHECK(outline("int f() {}", Language::c) == "1--1 | int f() {}\n");
  const std::string long_line = "int f() { return " + repeated("1 + ", 10'000) + "1; }\nint g();\n";
  CHECK(outline(long_line, Language::c, {.text_size_max = 10}) == "1--1 | int f() { ...\n2--2 | int g();\n");
}

TEST_CASE("a text that is not UTF-8 is shown as such") {
  CHECK(outline("void f(int \xFF) {}\n", Language::c) == "1--1 | void f(int \xEF\xBF\xBD) {}\n");
}

TEST_CASE("parsing that takes too long ends, and the finder goes on with the next source") {
  DefinitionFinder finder({.time_max = std::chrono::milliseconds(1)});
  const auto slow = finder.find(repeated("a(b[", 400'000), Language::cpp);
  REQUIRE_FALSE(slow);
  CHECK(slow.error().code == ErrorCode::timeout);
  CHECK(slow.error().message == "parsing it as C++ takes too long");
  CHECK(finder.find("# a\n", Language::markdown));
  bool found = false;
  for (int i = 0; i < 100 && !found; ++i) found = finder.find("int f();\n", Language::c).has_value();
  CHECK(found);
}

TEST_CASE("definitions keep to their limits") {
  std::string many;
  for (int i = 0; i < 50; ++i) many += fmt::format("int f{}();\n", i);
  const auto found = DefinitionFinder({.definitions_max = 10}).find(many, Language::c);
  REQUIRE(found);
  CHECK(found->list.size() == 10);
  CHECK(found->truncated);
  CHECK_FALSE(DefinitionFinder({.definitions_max = 50}).find(many, Language::c)->truncated);

  std::string deep;
  for (int i = 0; i < 40; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "class A:\n";
  deep += std::string(40, ' ') + "pass\n";
  const auto nested = DefinitionFinder({.depth_max = 5}).find(deep, Language::python);
  REQUIRE(nested);
  REQUIRE(nested->list.size() == 6);
  CHECK(nested->list.back().depth == 5);
}

TEST_CASE("no source makes the parsers fail: deep, endless, unfinished, random") {
  constexpr std::size_t size = 70'000;  // 0.20 of tree-sitter broke at 65,536 open brackets
  std::vector<std::string> sources;
  for (const char* text : {"(", "{", "[", "<div>", "\"", "'", "`", "/*", "if(1){", "<<EOF\n", "def f():\n ", "a(b[", "${", "r#\"",
                           "\\\n", "\xff\xfe", "=begin\n", "<!--", "A<", "#if X\n"}) {
    sources.push_back(repeated(text, size));
  }
  constexpr std::string_view characters = "(){}[]<>;:,.\"'`/\\*#@!=+-abc \n\t01$";
  std::minstd_rand random(1);
  std::string noise;
  for (std::size_t i = 0; i < size; ++i) noise += characters[random() % characters.size()];
  sources.push_back(noise);

  DefinitionFinder finder({.time_max = std::chrono::milliseconds(30)});
  for (std::size_t i = 0; i < languages_count; ++i) {
    for (const std::string& source : sources) {
      const auto found = finder.find(source, static_cast<Language>(i));
      if (!found) CHECK(found.error().code == ErrorCode::timeout);
    }
  }
}

TEST_CASE("a minified file, all on one line, is one line") {
  const auto found = DefinitionFinder().find(repeated("function f(){return 1}var a=()=>2;", 200'000), Language::javascript);
  REQUIRE(found);
  CHECK(found->list.size() == 1);
}

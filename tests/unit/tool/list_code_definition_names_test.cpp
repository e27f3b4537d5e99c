#include <fmt/format.h>

#include "symbols/symbols.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

// Markdown has no need of a grammar: these tests hold in every build.
std::string list(ToolWorld& world, std::string_view arguments) {
  const auto outcome = world.run("list_code_definition_names", std::string(arguments));
  CHECK_MESSAGE(outcome.ok, outcome.text);
  return outcome.text;
}

bool has_grammars() {
  const auto found = DefinitionFinder().find("", Language::c);
  return found || found.error().code != ErrorCode::unsupported;
}

}  // namespace

TEST_CASE("a file's definitions are shown with the lines they span, under its path") {
  ToolWorld world;
  world.file("docs/a.md", "# A\ntext\n## B\n");
  CHECK(list(world, R"({"path":"docs/a.md"})") == "# docs/a.md\n1--3 | # A\n3--3 | ## B\n");
  CHECK(list(world, R"({"path":"./docs/../docs/a.md","recursive":null})") == "# docs/a.md\n1--3 | # A\n3--3 | ## B\n");
  CHECK(list(world, fmt::format(R"({{"path":"{}/docs/a.md"}})", world.root)).starts_with("# docs/a.md\n"));
  world.file("docs/empty.md", "no heading\n");
  CHECK(list(world, R"({"path":"docs/empty.md"})") == "\"docs/empty.md\" has no definitions.");
}

TEST_CASE("a directory gives the files directly in it, or those of all levels") {
  ToolWorld world;
  world.file("docs/b10.md", "# ten\n");
  world.file("docs/b9.md", "# nine\n");
  world.file("docs/plain.md", "nothing\n");
  world.file("docs/data.bin", "x");
  world.file("docs/sub/c.md", "# c\n");
  CHECK(list(world, R"({"path":"docs"})") == "# docs/b9.md\n1--1 | # nine\n\n# docs/b10.md\n1--1 | # ten\n");
  CHECK(list(world, R"({"path":"docs","recursive":"true"})") ==
        "# docs/b9.md\n1--1 | # nine\n\n# docs/b10.md\n1--1 | # ten\n\n# docs/sub/c.md\n1--1 | # c\n");
  CHECK(list(world, R"({"path":"."})").starts_with("No definitions found: there are no files of a known language directly in"));
  world.file("none/plain.md", "nothing\n");
  CHECK(list(world, R"({"path":"none"})") == "No definitions found.\n");
}

TEST_CASE("source files of several languages give their definitions") {
  if (!has_grammars()) return;
  ToolWorld world;
  world.file("a.py", "def f(): pass\n");
  world.file("b.ts", "\xEF\xBB\xBF" "export class B {\n  run() { return 1; }\n}\n");
  world.file("c.cs", std::string("\xFF\xFE" "c\0l\0a\0s\0s\0 \0C\0{\0}\0", 20));
  CHECK(list(world, R"({"path":"."})") ==
        "# a.py\n1--1 | def f(): pass\n\n# b.ts\n1--3 | export class B {\n2--2 |   run() { return 1; }\n\n"
        "# c.cs\n1--1 | class C{}\n");
}

TEST_CASE("a thousand files are listed in their order, whatever thread looked at them") {
  ToolWorld world;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    world.file(fmt::format("d{}/f{}.md", i / 100, i), fmt::format("# h{}\n", i));
    expected += fmt::format("{}# d{}/f{}.md\n1--1 | # h{}\n", i == 0 ? "" : "\n", i / 100, i, i);
  }
  CHECK(list(world, R"({"path":".","recursive":true})") == expected);
}

TEST_CASE("ignored files give nothing, and a forbidden one is denied") {
  ToolWorld world;
  world.file(".rooignore", "secret*\nhidden/\n");
  world.file(".gitignore", "generated.md\n");
  world.file("secret.md", "# secret\n");
  world.file("hidden/a.md", "# hidden\n");
  world.file("generated.md", "# generated\n");
  world.file("open.md", "# open\n");
  std::filesystem::create_symlink("secret.md", world.root + "/link.md");
  CHECK(list(world, R"({"path":".","recursive":true})") == "# open.md\n1--1 | # open\n");
  for (const char* path : {"secret.md", "hidden", "hidden/a.md", "link.md"}) {
    CAPTURE(path);
    const auto outcome = world.run("list_code_definition_names", fmt::format(R"({{"path":"{}"}})", path));
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
    CHECK(holds(outcome.text, ".rooignore"));
  }
}

TEST_CASE("a list that is too long is cut at a definition or a file, and says how to see more") {
  ToolWorld world;
  std::string many;
  for (int i = 0; i < 100; ++i) many += fmt::format("# heading {}\n\n", i);
  world.file("one/a.md", many);
  world.result_bytes_max = 1'000;
  std::string text = list(world, R"({"path":"one/a.md"})");
  CHECK(text.size() <= 1'000);
  CHECK(text.starts_with("# one/a.md\n1--2 | # heading 0\n"));
  CHECK(holds(text, "first 22 of 100 definitions. Read the file from line 45 on"));

  for (int i = 0; i < 100; ++i) world.file(fmt::format("many/f{}.md", i), "# a heading\n");
  text = list(world, R"({"path":"many"})");
  CHECK(text.size() <= 1'000);
  CHECK(text.starts_with("These are the definitions of the first 14 of 100 files. For the others name a directory or a file "
                         "among them.\n\n# many/f0.md\n"));
  CHECK(text.ends_with("# many/f13.md\n1--1 | # a heading\n"));
}

TEST_CASE("what cannot be looked at is said in one line, and the rest is given") {
  ToolWorld world;
  world.file("a.md", "# a\n");
  world.file("big.md", std::string(DefinitionLimits{}.source_size_max + 1, '#'));
  world.file("film.ts", std::string("\x47\0\0\x10", 4));
  const std::string text = list(world, R"({"path":"."})");
  CHECK(text.starts_with("# a.md\n1--1 | # a\n"));
  CHECK(holds(text, "\n(\"big.md\": is larger than the"));
  CHECK_FALSE(text.find("film") != std::string::npos);
  for (const char* arguments :
       {R"({})", R"({"path":"none.md"})", R"({"path":"none"})", R"({"path":".."})", R"({"path":"film.ts"})",
        R"({"path":"big.md"})", R"({"path":3})", R"({"path":".","recursive":3})", R"({"path":""})", R"({"path":"a.md/x"})"}) {
    CAPTURE(arguments);
    const auto outcome = world.run("list_code_definition_names", arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
  }
}

TEST_CASE("a file of no known language is refused, naming the languages") {
  ToolWorld world;
  world.file("Main.elm", "main = 1\n");
  const auto outcome = world.run("list_code_definition_names", R"({"path":"Main.elm"})");
  CHECK_FALSE(outcome.ok);
  CHECK(is_one_line(outcome.text));
  CHECK(outcome.text.starts_with("\"Main.elm\": definitions are not known in files of this kind: read or search it instead."));
  CHECK(holds(outcome.text, "C++, C#, CSS"));
}

TEST_CASE("without a grammar a language is unsupported, in one clear line") {
  if (has_grammars()) return;
  ToolWorld world;
  world.file("a.md", "# a\n");
  world.file("b.c", "int f();\n");
  world.file("c.go", "package c\n");
  const auto outcome = world.run("list_code_definition_names", R"({"path":"b.c"})");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "\"b.c\": this build of joey has no grammar of C: read or search it instead");
  CHECK(list(world, R"({"path":"."})") ==
        "# a.md\n1--1 | # a\n\n(This build of joey has no grammar of C, Go: search those files instead.)\n");
}

TEST_CASE("list_code_definition_names ends when it is cancelled") {
  ToolWorld world;
  world.file("a.md", "# a\n");
  const auto context = world.context();
  context->cancel.cancel();
  for (const auto& tool : workspace_tools()) {
    if (tool->spec().name != "list_code_definition_names") continue;
    CHECK_FALSE(world.run(*tool, R"({"path":"."})", context).ok);
  }
}

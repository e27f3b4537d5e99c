#include "tool_world.hpp"

#include <fmt/format.h>

using namespace joey;

TEST_CASE("list_files lists a directory, names from it on") {
  ToolWorld world;
  world.file("src/b10.cpp", "");
  world.file("src/b9.cpp", "");
  world.file("src/sub/c.cpp", "");
  world.file("src/node_modules/x/y.js", "");
  CHECK(world.run("list_files", R"({"path":"src","recursive":false})").text == "b9.cpp\nb10.cpp\nsub/");
  CHECK(world.run("list_files", R"({"path":"src","recursive":"true"})").text == "b9.cpp\nb10.cpp\nsub/\nsub/c.cpp");
  CHECK(world.run("list_files", R"({"path":"."})").text == "src/");
  std::filesystem::create_directory(world.root + "/empty");
  CHECK(world.run("list_files", R"({"path":"empty"})").text == "No files found.");
}

TEST_CASE("a long list is cut and says so") {
  ToolWorld world;
  for (int i = 0; i < 250; ++i) world.file(fmt::format("f{}", i), "");
  CHECK(holds(world.run("list_files", R"({"path":"."})").text, "cut short"));
  world.result_bytes_max = 600;
  const auto text = world.run("list_files", R"({"path":"."})").text;
  CHECK(text.size() <= 600);
  CHECK(holds(text, "cut short"));
}

TEST_CASE("list_files errors are one line") {
  ToolWorld world;
  world.file("x", "");
  for (const char* arguments : {R"({})", R"({"path":"x"})", R"({"path":"none"})", R"({"path":".."})",
                                R"({"path":".","recursive":3})"}) {
    CAPTURE(arguments);
    const auto outcome = world.run("list_files", arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
  }
}

TEST_CASE("search_files shows matches in groups with their context") {
  ToolWorld world;
  world.file("src/a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\ntwo\n");
  world.file("src/b.md", "two\n");
  auto text = world.run("search_files", R"({"path":"src","regex":"^two$","file_pattern":null})").text;
  CHECK(text ==
        "Found 3 results.\n"
        "\n# src/a.txt\n  1 | one\n  2 | two\n  3 | three\n----\n  7 | seven\n  8 | two\n"
        "\n# src/b.md\n  1 | two\n");
  text = world.run("search_files", R"({"path":".","regex":"two","file_pattern":"*.md"})").text;
  CHECK(text == "Found 1 result.\n\n# src/b.md\n  1 | two\n");
  CHECK(world.run("search_files", R"({"path":".","regex":"zzz"})").text == "Found 0 results.\n");
}

TEST_CASE("search_files keeps to its limits and says so") {
  ToolWorld world;
  std::string many;
  for (int i = 0; i < 400; ++i) many += "hit\n";
  world.file("a.txt", many);
  CHECK(world.run("search_files", R"({"path":".","regex":"hit"})").text.starts_with("Showing the first 300 results."));
  world.result_bytes_max = 1000;
  const auto text = world.run("search_files", R"({"path":".","regex":"hit"})").text;
  CHECK(text.size() <= 1000);
  CHECK(text.starts_with("Showing the first "));
}

TEST_CASE("search_files tells a bad regex from no match") {
  ToolWorld world;
  world.file("a.txt", "x");
  for (const char* arguments : {R"({"path":".","regex":"(unclosed"})", R"({"path":"."})", R"({"path":"none","regex":"x"})",
                                R"({"path":"../","regex":"x"})"}) {
    CAPTURE(arguments);
    const auto outcome = world.run("search_files", arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
  }
}

#include "tool_world.hpp"

using namespace joey;

TEST_CASE("write_to_file writes exactly its content and says what it did") {
  ToolWorld world;
  const std::string content = "```\n&lt;a&gt;\r\n1 | x\n```";
  auto outcome = world.run("write_to_file", arguments_of({{"path", "a/b/c.txt"}, {"content", content}}));
  CHECK(outcome.ok);
  CHECK(outcome.paths == std::vector<std::string>{"a/b/c.txt"});
  CHECK(outcome.text.starts_with(R"({"path":"a/b/c.txt","operation":"created","notice":)"));
  CHECK(world.bytes("a/b/c.txt") == content);

  outcome = world.run("write_to_file", arguments_of({{"path", "./a/b/../b/c.txt"}, {"content", "new"}}));
  CHECK(outcome.paths == std::vector<std::string>{"a/b/c.txt"});
  CHECK(holds(outcome.text, R"("operation":"modified")"));
  CHECK(world.bytes("a/b/c.txt") == "new");

  outcome = world.run("write_to_file", arguments_of({{"path", "a/b/c.txt"}, {"content", "new"}}));
  CHECK(outcome.ok);
  CHECK(outcome.paths.empty());
  CHECK(holds(outcome.text, R"("operation":"unchanged","notice":"No changes needed)"));

  outcome = world.run("write_to_file", arguments_of({{"path", "empty"}, {"content", ""}}));
  CHECK(outcome.ok);
  CHECK(std::filesystem::exists(world.root + "/empty"));
}

TEST_CASE("write_to_file refuses what it cannot or may not write, in one line") {
  ToolWorld world;
  world.file("dir/file", "x");
  for (const std::string& arguments :
       {arguments_of({{"path", "a"}}), arguments_of({{"content", "a"}}), std::string(R"({"path":"a","content":1})"),
        arguments_of({{"path", "dir"}, {"content", "a"}}), arguments_of({{"path", "../out"}, {"content", "a"}}),
        arguments_of({{"path", "dir/file/x"}, {"content", "a"}}), arguments_of({{"path", ""}, {"content", "a"}}),
        std::string("[]")}) {
    CAPTURE(arguments);
    const auto outcome = world.run("write_to_file", arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
    CHECK(outcome.paths.empty());
  }
}

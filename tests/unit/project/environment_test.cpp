#include "project/environment.hpp"

#include "world.hpp"

using namespace joey;
using namespace joey::test;

TEST_CASE("the surroundings are told in one block, what changes most last") {
  Environment environment{.mode = "code",
                          .mode_name = "Code",
                          .files = WorkspaceFiles{{"src/", "src/a.cpp"}, true},
                          .git = GitStatus{"main", {" M src/a.cpp", "?? b"}, true},
                          .time = "2024-05-06T07:08:09Z, Europe/Berlin (+02:00)"};
  CHECK(environment_text(environment) ==
        "<environment_details>\n# Mode\ncode (Code)\n\n# Workspace files\nsrc/\nsrc/a.cpp\n(There are more: list_files "
        "shows "
        "the rest.)\n\n# Git status\n## main\n M src/a.cpp\n?? b\n(There are more.)\n\n# Time\n2024-05-06T07:08:09Z, "
        "Europe/Berlin (+02:00)\n</environment_details>");
  environment.files.reset();
  environment.git.reset();
  environment.time.clear();
  CHECK(environment_text(environment) == "<environment_details>\n# Mode\ncode (Code)\n</environment_details>");
  CHECK(environment_text({}) == "<environment_details>\n</environment_details>");
}

TEST_CASE("the files are those a person would see, bounded, first levels first") {
  World world;
  for (const char* path :
       {"b.cpp", "a/x.cpp", "a/deep/y.cpp", "node_modules/m/index.js", ".git/config", "ignored.o", "secret/k"}) {
    world.repository.put(path, "x");
  }
  world.repository.put(".gitignore", "*.o\n");
  world.repository.put(".rooignore", "secret/\n");
  const auto all = workspace_files(*world.workspace, 200, CancelToken());
  REQUIRE(all);
  CHECK(all->paths == std::vector<std::string>{".gitignore", "a/", "a/deep/", "a/deep/y.cpp", "a/x.cpp", "b.cpp"});
  CHECK_FALSE(all->truncated);
  const auto few = workspace_files(*world.workspace, 3, CancelToken());
  REQUIRE(few);
  CHECK(few->paths.size() == 3);
  CHECK(few->truncated);
  CHECK(workspace_files(*world.workspace, 0, CancelToken())->paths.empty());
}

TEST_CASE("a name of several lines is one line") {
  World world;
  world.repository.put("a\nb", "x");
  CHECK(workspace_files(*world.workspace, 10, CancelToken())->paths == std::vector<std::string>{"a b"});
}

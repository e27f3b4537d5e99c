#include <sys/stat.h>

#include "interfering_workspace.hpp"
#include "tool/workspace_tools.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

std::string patching(std::string_view body) {
  return arguments_of({{"patch", "*** Begin Patch\n" + std::string(body) + "*** End Patch"}});
}

std::shared_ptr<const Tool> tool() {
  for (const auto& each : workspace_tools()) {
    if (each->spec().name == "apply_patch") return each;
  }
  return nullptr;
}

// All files beneath the root, as text.
std::string tree(const ToolWorld& world) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world.root)) {
    const std::string path = std::filesystem::relative(entry.path(), world.root).string();
    if (entry.is_regular_file()) files[path] = world.bytes(path);
  }
  std::string text;
  for (const auto& [path, bytes] : files) text += path + "=" + bytes + ";";
  return text;
}

constexpr std::string_view five_changes =
    "*** Add File: new/a\n+a\n*** Update File: b\n-b\n+B\n*** Delete File: c\n*** Update File: d\n*** Move to: moved/d\n-d\n+D\n"
    "*** Update File: e\n*** Move to: moved/e\n";

void make_files(const ToolWorld& world) {
  for (const char* name : {"b", "c", "d", "e"}) world.file(name, std::string(name) + "\n");
}

}  // namespace

TEST_CASE("defect 2: apply_patch changes all files of a patch, and its result reports every one") {
  ToolWorld world;
  make_files(world);
  std::filesystem::permissions(world.root + "/d", std::filesystem::perms::owner_all);
  const auto outcome = world.run("apply_patch", patching(five_changes));
  CHECK_MESSAGE(outcome.ok, outcome.text);
  CHECK(outcome.text ==
        R"({"files":[{"path":"new/a","operation":"created"},{"path":"b","operation":"modified"},)"
        R"({"path":"c","operation":"deleted"},{"path":"moved/d","operation":"moved","moved_from":"d"},)"
        R"({"path":"moved/e","operation":"moved","moved_from":"e"}],)"
        R"("notice":"The changes are saved. There is no need to read the files again."})");
  CHECK(outcome.paths == std::vector<std::string>{"new/a", "b", "c", "moved/d", "d", "moved/e", "e"});
  CHECK(tree(world) == "b=B\n;moved/d=D\n;moved/e=e\n;new/a=a\n;");
  struct stat status = {};
  REQUIRE(::stat((world.root + "/moved/d").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);  // a program that moves is still one
}

TEST_CASE("defect 3: a patch that fails anywhere changes nothing") {
  ToolWorld world;
  make_files(world);
  const std::string before = tree(world);
  const auto outcome = world.run("apply_patch", patching(std::string(five_changes) + "*** Update File: missing\n-x\n*** Add File: b\n"));
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.paths.empty());
  CHECK(outcome.text.starts_with("Nothing was changed.\n"));
  CHECK(holds(outcome.text, "Line 14 of the patch: \"missing\" does not exist"));
  CHECK(holds(outcome.text, "Line 16 of the patch: \"b\" exists already"));
  CHECK(tree(world) == before);
  CHECK_FALSE(std::filesystem::exists(world.root + "/new"));
  CHECK(holds(world.run("apply_patch", arguments_of({{"patch", "no patch"}})).text, "the patch does not begin"));
  CHECK(holds(world.run("apply_patch", "{}").text, "argument \"patch\" is missing"));
  CHECK(holds(world.run("apply_patch", patching("*** Add File: ../out\n+x\n")).text, "leads out of the workspace"));
  CHECK(holds(world.run("apply_patch", patching("*** Update File: b\n*** Move to: /etc/b\n")).text, "leads out of the workspace"));
}

TEST_CASE("a write that fails half-way through a patch leaves every file as it was") {
  // Each step fails once: the writes, the removal and both moves.
  for (int failing = 1; failing <= 6; ++failing) {
    CAPTURE(failing);
    ToolWorld world;
    make_files(world);
    const std::string before = tree(world);
    int changes = 0;
    auto context = world.context();
    context->files = std::make_shared<FileLedger>();
    context->files->saw("b", "b\n");
    context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view) -> Status {
      return ++changes == failing ? failure(ErrorCode::io, "no space left") : Status();
    });
    const auto outcome = world.run(*tool(), patching(five_changes), context);
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text == "nothing was changed: no space left");
    CHECK(tree(world) == before);
    CHECK(context->files->knowledge("b", "b\n") == FileLedger::Knowledge::current);
  }
}

TEST_CASE("what cannot be put back is named") {
  ToolWorld world;
  make_files(world);
  int changes = 0;
  auto context = world.context();
  context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view) -> Status {
    if (++changes == 3) world.file("b", "theirs\n");  // after it was patched, before it is put back
    return changes == 3 ? failure(ErrorCode::io, "no space left") : Status();
  });
  const auto outcome = world.run(*tool(), patching(five_changes), context);
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "the patch failed half-way, and these files could not be put back: b. Read them. no space left");
  CHECK(world.bytes("b") == "theirs\n");
  CHECK_FALSE(std::filesystem::exists(world.root + "/new/a"));
}

TEST_CASE("a patch is made once more when somebody else changes one of its files meanwhile") {
  ToolWorld world;
  make_files(world);
  int changes = 0;
  auto context = world.context();
  context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view path) -> Status {
    if (++changes == 4) {
      CHECK(path == "d");
      world.file("d", "0\nd\n");
    }
    return {};
  });
  CHECK(world.run(*tool(), patching(five_changes), context).ok);
  CHECK(tree(world) == "b=B\n;moved/d=0\nD\n;moved/e=e\n;new/a=a\n;");
}

TEST_CASE("a file that changed since it was read is patched where the patch shows exactly what it holds, whatever the others need") {
  ToolWorld world;
  world.file("mine", "a \n");
  world.file("theirs", "0\nb\n");
  const auto context = world.context();
  context->files = std::make_shared<FileLedger>();
  context->files->saw("theirs", "b\n");
  const auto outcome = world.run(
      *tool(), patching("*** Update File: mine\n-a\n+A\n*** Update File: theirs\n-b\n+B\n"), context);
  CHECK_MESSAGE(outcome.ok, outcome.text);
  CHECK(holds(outcome.text, "Somebody else has changed the file"));
  CHECK(tree(world) == "mine=A\n;theirs=0\nB\n;");

  world.file("theirs", "0\nB \n");
  CHECK(holds(world.run(*tool(), patching("*** Update File: theirs\n-B\n+C\n"), context).text, "read it again"));
  CHECK(holds(world.run(*tool(), patching("*** Delete File: theirs\n"), context).text, "read it again"));
  CHECK(world.bytes("theirs") == "0\nB \n");
}

TEST_CASE("two sections of one file build on each other, also when they name it differently") {
  ToolWorld world;
  world.file("a", "1\r\n2\r\n3\r\n");
  CHECK(world.run("apply_patch", patching("*** Update File: a\n-1\n+one\n*** Update File: ./x/../a\n one\n-2\n+two\n*** Update File: " +
                                          world.root + "/a\n-3\n+three\n")).ok);
  CHECK(world.bytes("a") == "one\r\ntwo\r\nthree\r\n");
}

TEST_CASE("a patch does not touch what .rooignore forbids, and says so before anything changes") {
  ToolWorld world;
  world.file(".rooignore", "secret\n");
  world.file("secret", "s\n");
  world.file("a", "a\n");
  for (const std::string_view section : {"*** Update File: secret\n-s\n+t\n", "*** Delete File: secret\n",
                                         "*** Update File: secret\n*** Move to: open\n"}) {
    const auto outcome = world.run("apply_patch", patching("*** Update File: a\n-a\n+b\n" + std::string(section)));
    CHECK_FALSE(outcome.ok);
    CHECK(holds(outcome.text, ".rooignore"));
    CHECK(tree(world) == ".rooignore=secret\n;a=a\n;secret=s\n;");
  }
  std::filesystem::remove(world.root + "/secret");
  CHECK(holds(world.run("apply_patch", patching("*** Update File: a\n*** Move to: secret\n")).text, ".rooignore"));
  CHECK(world.bytes("a") == "a\n");
}

TEST_CASE("the paths of a patch are all that it adds, deletes, updates and moves to") {
  const auto paths = tool()->spec().paths;
  CHECK(paths(patching("*** Add File: a\n+x\n*** Delete File: b\n*** Update File: c\n*** Move to: /w/d\n-x\n")) ==
        std::vector<PathUse>{{"a", true}, {"b", true}, {"c", true}, {"/w/d", true}});
  CHECK(paths(patching("*** Frobnicate: a\n")).empty());
  CHECK(paths("{}").empty());
}

TEST_CASE("a patch of files with too many bytes is refused") {
  ToolWorld world;
  const std::string large(16U << 20, 'x');
  std::string body;
  for (int i = 0; i < 9; ++i) {
    const std::string name = "f" + std::to_string(i);
    world.file(name, large);
    body += "*** Delete File: " + name + "\n";
  }
  CHECK(holds(world.run("apply_patch", patching(body)).text, "more than 128 MB"));
  CHECK(std::filesystem::exists(world.root + "/f0"));
}

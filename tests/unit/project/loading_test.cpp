#include "project/loading.hpp"

#include <sys/fsuid.h>

#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

struct Reading {
  explicit Reading(const World& world, Origin origin = Origin::project)
      : folder(origin == Origin::global ? *world.global : *world.workspace, origin, loading) {}
  Project project;
  ProjectOptions options;
  Loading loading{project, options};
  Folder folder;
};

std::string joined(const std::vector<std::string>& paths) {
  std::string out;
  for (const std::string& path : paths) out += path + ' ';
  return out;
}

}  // namespace

TEST_CASE("rule files are in the order of their own names: without case, punctuation, digits, letters, then paths") {
  std::vector<std::string> paths{"b/A.md", "z/a.md", "a10.md", "a9.md", "B.md", "_x.md",
                                 "-x.md",  "a-b.md", "a_b.md", "a.md",  "10",   "1"};
  std::sort(paths.begin(), paths.end(), by_file_name);
  CHECK(joined(paths) == "_x.md -x.md 1 10 a_b.md a-b.md a.md b/A.md z/a.md a10.md a9.md B.md ");
}

TEST_CASE("files are found at any depth and through symlinks, without what tools leave behind") {
  World world;
  world.repository.put("r/sub/deep/c.md", "c");
  world.repository.put("r/b.md", "b");
  world.repository.put("elsewhere/linked.md", "l");
  world.repository.put("elsewhere/single.txt", "s");
  world.repository.link("../elsewhere", "r/dir");
  world.repository.link("../elsewhere/single.txt", "r/a.txt");
  for (const char* litter : {"x.bak", "x.log", ".DS_Store", "Thumbs.db", ".b.md.swp", "x.tmp"}) {
    world.repository.put(std::string("r/") + litter, "x");
  }
  Reading reading(world);
  CHECK(joined(reading.folder.files_beneath("r")) ==
        "r/a.txt r/b.md r/sub/deep/c.md r/dir/linked.md r/dir/single.txt ");
  CHECK(reading.project.warnings.empty());
}

TEST_CASE("symlinks in a circle are walked once, and end") {
  World world;
  world.repository.put("r/a.md", "a");
  world.repository.put("r/sub/b.md", "b");
  world.repository.link("..", "r/sub/up");
  world.repository.link(".", "r/here");
  world.repository.link("loop", "r/loop");
  Reading reading(world);
  CHECK(joined(reading.folder.files_beneath("r")) == "r/a.md r/sub/b.md ");
  CHECK(warns(reading.project.warnings, {"r/loop", "symbolic links"}));
}

TEST_CASE("a symlink that leads out of the folder or nowhere is a warning and no file") {
  World world;
  TemporaryDirectory outside;
  outside.put("secret.md", "secret");
  world.repository.put("r/a.md", "a");
  world.repository.link(outside.path(), "r/out");
  world.repository.link(outside / "secret.md", "r/secret.md");
  world.repository.link("../../../../../../etc/passwd", "r/passwd");
  world.repository.link("nothing", "r/dangling");
  Reading reading(world);
  CHECK(joined(reading.folder.files_beneath("r")) == "r/a.md ");
  for (const char* name : {"r/out: leads out", "r/secret.md: leads out", "r/passwd: leads out"}) {
    CHECK(warns(reading.project.warnings, {name}));
  }
  CHECK(warns(reading.project.warnings, {"r/dangling: is a symbolic link that leads nowhere"}));
}

TEST_CASE("a tree too deep, or with too many links on the way, ends with a warning") {
  World world;
  std::string path = "r";
  for (int i = 0; i < 30; ++i) path += "/d";
  world.repository.put(path + "/far.md", "x");
  world.repository.put("r/near.md", "x");
  for (int i = 0; i < 8; ++i) {
    world.repository.put("c" + std::to_string(i) + "/x.md", "x");
    world.repository.link("../c" + std::to_string(i + 1), "c" + std::to_string(i) + "/next");
  }
  world.repository.make("c8");
  Reading reading(world);
  CHECK(joined(reading.folder.files_beneath("r")) == "r/near.md ");
  CHECK(warns(reading.project.warnings, {"is nested deeper than 16"}));
  CHECK(reading.folder.files_beneath("c0").size() == 6);
  CHECK(warns(reading.project.warnings, {"c0/next/next/next/next/next/next", "or 5 links"}));
}

TEST_CASE("a text is read without its byte order mark; binary files, pipes and too large ones are warnings") {
  World world;
  world.repository.put("bom.md", "\xEF\xBB\xBFtext");
  world.repository.put("latin.md", "caf\xe9");
  world.repository.put("binary.md", std::string("a\0b", 3));
  world.repository.put("huge.md", std::string(read_bytes_max + 1, 'x'));
  world.repository.put("full.md", std::string(read_bytes_max, 'x'));
  REQUIRE(::mkfifo((world.repository / "pipe.md").c_str(), 0600) == 0);
  Reading reading(world);
  CHECK(reading.folder.text("bom.md") == "text");
  CHECK(reading.folder.text("latin.md") == "caf\uFFFD");
  CHECK(reading.folder.text("full.md")->size() == read_bytes_max);
  CHECK_FALSE(reading.folder.text("missing.md"));
  CHECK(reading.project.warnings.empty());
  for (const char* name : {"binary.md", "huge.md", "pipe.md"}) CHECK_FALSE(reading.folder.text(name));
  CHECK(warns(reading.project.warnings, {"binary.md: is binary, not text"}));
  CHECK(warns(reading.project.warnings, {"huge.md: is larger than the 1048576 bytes"}));
  CHECK(warns(reading.project.warnings, {"pipe.md: is a device, pipe or socket"}));
}

TEST_CASE("an unreadable file or directory is a warning, not as if it were empty") {
  World world;
  world.repository.put("r/a.md", "a");
  world.repository.put("closed/b.md", "b");
  REQUIRE(::chmod(world.repository.path().c_str(), 0755) == 0);
  REQUIRE(::chmod((world.repository / "r/a.md").c_str(), 0) == 0);
  REQUIRE(::chmod((world.repository / "closed").c_str(), 0) == 0);
  Reading reading(world);
  const bool root = ::geteuid() == 0;
  if (root) ::setfsuid(65534);
  const auto text = reading.folder.text("r/a.md");
  const auto files = reading.folder.files_beneath("closed");
  if (root) ::setfsuid(0);
  REQUIRE(::chmod((world.repository / "closed").c_str(), 0755) == 0);
  CHECK_FALSE(text);
  CHECK(files.empty());
  CHECK(warns(reading.project.warnings, {"r/a.md: permission denied"}));
  CHECK(warns(reading.project.warnings, {"closed: permission denied"}));
}

TEST_CASE("a file where a directory should be is a warning") {
  World world;
  world.repository.put("r", "a file");
  Reading reading(world);
  CHECK(reading.folder.entries("r").empty());
  CHECK(warns(reading.project.warnings, {"r: is not a directory"}));
}

TEST_CASE("names that are no text, or of several lines, do not break a warning") {
  World world;
  world.home.put("r/a\nb\xff.md", std::string("\0", 1));
  Reading reading(world, Origin::global);
  CHECK_FALSE(reading.folder.text("r/a\nb\xff.md"));
  CHECK(warns(reading.project.warnings, {"~/r/a b\uFFFD.md: is binary"}));
}

TEST_CASE("warnings are bounded, each once") {
  World world;
  Reading reading(world);
  for (int i = 0; i < 3; ++i) reading.folder.warn("a", "same");
  CHECK(reading.project.warnings.size() == 1);
  for (int i = 0; i < 1'000; ++i) reading.folder.warn(std::to_string(i), std::string(10'000, 'x'));
  CHECK(reading.project.warnings.size() == warnings_max + 1);
  CHECK(reading.project.warnings.back() == "there are more problems than are listed: solve these first");
  for (const std::string& warning : reading.project.warnings) CHECK(warning.size() <= warning_bytes_max + 3);
}

TEST_CASE("what is kept of all texts is bounded") {
  World world;
  Reading reading(world);
  std::size_t kept = 0;
  const std::string text(1U << 20, 'x');
  for (int i = 0; i < 20; ++i) kept += reading.loading.keep(text) ? text.size() : 0;
  CHECK(kept == loaded_bytes_max);
  CHECK(warns(reading.project.warnings, {"the project", "in all"}));
}

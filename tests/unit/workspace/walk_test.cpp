#include "workspace/walk.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "temporary.hpp"

using namespace joey;
using joey::test::TemporaryDirectory;

namespace {

std::shared_ptr<Workspace> open(const TemporaryDirectory& root, Resolver resolver = Resolver::kernel) {
  auto workspace = open_local_workspace(root.path(), {.resolver = resolver});
  REQUIRE(workspace);
  return *workspace;
}

std::vector<std::string> walked(const Workspace& workspace, std::string_view path, const WalkOptions& options = {}) {
  std::vector<std::string> paths;
  const auto end = walk(workspace, path, options, CancelToken(), [&](WalkEntry& entry) {
    paths.push_back(entry.path + (entry.kind == FileKind::directory ? "/" : "") + (entry.locked ? " locked" : ""));
    return true;
  });
  REQUIRE(end);
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> listed(const Workspace& workspace, std::string_view path, const ListOptions& options = {}) {
  const auto listing = list_files(workspace, path, options, CancelToken());
  REQUIRE(listing);
  std::vector<std::string> paths;
  for (const WalkEntry& entry : listing->entries) paths.push_back(entry.path);
  return paths;
}

using Paths = std::vector<std::string>;

// A chain of directories "d" of this depth; left from its end by remove_chain(), as paths are too short for it.
void make_chain(const TemporaryDirectory& root, int depth) {
  int fd = ::open(root.path().c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < depth; ++i) {
    REQUIRE(::mkdirat(fd, "d", 0755) == 0);
    const int next = ::openat(fd, "d", O_RDONLY | O_DIRECTORY);
    REQUIRE(next >= 0);
    ::close(fd);
    fd = next;
  }
  ::close(fd);
}

void remove_chain(const TemporaryDirectory& root, int depth) {
  int fd = ::open(root.path().c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < depth; ++i) {
    const int next = ::openat(fd, "d", O_RDONLY | O_DIRECTORY);
    ::close(fd);
    fd = next;
  }
  for (int i = 0; i < depth; ++i) {
    const int above = ::openat(fd, "..", O_RDONLY | O_DIRECTORY);
    ::unlinkat(above, "d", AT_REMOVEDIR);
    ::close(fd);
    fd = above;
  }
  ::close(fd);
}

}  // namespace

TEST_CASE("a walk gives what no ignore rule leaves out") {
  const TemporaryDirectory root;
  root.put("a.c", "");
  root.put("a.o", "");
  root.put(".env", "");
  root.put("sub/b.c", "");
  root.put("sub/keep.o", "");
  root.put("sub/.gitignore", "!keep.o\n");
  root.put(".gitignore", "*.o\n");
  root.put(".git/config", "");
  root.put("node_modules/x.js", "");
  root.put("target/dependency/x", "");
  root.put("target/y", "");
  root.put(".github/w.yml", "");
  const auto workspace = open(root);
  CHECK(walked(*workspace, ".") == Paths{".env", ".gitignore", "a.c", "sub/", "sub/.gitignore", "sub/b.c", "sub/keep.o",
                                         "target/", "target/y"});
  WalkOptions options;
  options.hidden = false;
  CHECK(walked(*workspace, ".", options) == Paths{"a.c", "sub/", "sub/b.c", "sub/keep.o", "target/", "target/y"});
  options.well_known = false;
  options.gitignore = false;
  CHECK(walked(*workspace, ".", options) ==
        Paths{"a.c", "a.o", "node_modules/", "node_modules/x.js", "sub/", "sub/b.c", "sub/keep.o", "target/",
              "target/dependency/", "target/dependency/x", "target/y"});
}

TEST_CASE("an ignored directory that is asked for by name is walked") {
  const TemporaryDirectory root;
  root.put(".gitignore", "gen/\n*.o\n");
  root.put("gen/a.o", "");
  root.put("gen/sub/.gitignore", "c\n");
  root.put("gen/sub/b", "");
  root.put("gen/sub/c", "");
  root.put("node_modules/m/i.js", "");
  root.put("node_modules/m/node_modules/n/i.js", "");
  root.put("node_modules/m/dist/i.js", "");
  root.put(".github/workflows/.hidden/ci.yml", "");
  root.put("src/a.o", "");
  root.put("src/a.c", "");
  const auto workspace = open(root);
  CHECK(walked(*workspace, "gen") == Paths{"gen/a.o", "gen/sub/", "gen/sub/.gitignore", "gen/sub/b"});
  CHECK(walked(*workspace, "src") == Paths{"src/a.c"});
  CHECK(walked(*workspace, "node_modules") ==
        Paths{"node_modules/m/", "node_modules/m/i.js", "node_modules/m/node_modules/", "node_modules/m/node_modules/n/",
              "node_modules/m/node_modules/n/i.js"});
  CHECK(walked(*workspace, ".github") ==
        Paths{".github/workflows/", ".github/workflows/.hidden/", ".github/workflows/.hidden/ci.yml"});
}

TEST_CASE("what .rooignore forbids is never walked into, not even through a symlink") {
  const TemporaryDirectory root;
  root.put(".rooignore", "secret/\n*.key\n");
  root.put("secret/a", "");
  root.put("x/b.key", "");
  root.put("x/c", "");
  root.link("secret", "door");
  root.link("x/b.key", "innocent");
  const auto workspace = open(root);
  CHECK(walked(*workspace, ".") == Paths{"door", "innocent", "x/", "x/c"});
  WalkOptions options;
  options.locked = true;
  CHECK(walked(*workspace, ".", options) ==
        Paths{".rooignore locked", "door", "innocent", "secret/ locked", "x/", "x/b.key locked", "x/c"});
  for (const char* path : {"secret", "door"}) {
    CAPTURE(path);
    const auto end = walk(*workspace, path, {}, CancelToken(), [](WalkEntry&) { return true; });
    REQUIRE_FALSE(end);
    CHECK(end.error().code == ErrorCode::denied);
  }
  for (const char* path :
       {"secret", "secret/a", "secret/new/file", "door/a", "door/new", "innocent", ".rooignore", "x/n.key"}) {
    CAPTURE(path);
    const auto locked = workspace->info(path);
    REQUIRE_FALSE(locked);
    CHECK(locked.error().code == ErrorCode::denied);
  }
  for (const char* path : {"x", "x/c", "new", "new/file", "."}) {
    CAPTURE(path);
    const auto info = workspace->info(path);
    CHECK((info || info.error().code == ErrorCode::not_found));
  }
  root.make("other");
  const TemporaryDirectory broken;
  broken.make(".rooignore");  // cannot be read, so what it forbids is not known
  CHECK_FALSE(list_files(*open(broken), ".", {}, CancelToken()));
  CHECK_FALSE(open(broken)->info("."));
}

TEST_CASE("a walk follows no symlink, names what it starts at by where that is, and says what is wrong with it") {
  const TemporaryDirectory root;
  root.put("real/sub/f", "");
  root.link("..", "real/up");
  root.link("real", "link");
  root.link("/etc", "outside");
  root.put("file", "");
  for (const Resolver resolver : {Resolver::kernel, Resolver::portable}) {
    const auto workspace = open(root, resolver);
    CHECK(walked(*workspace, "link") == Paths{"real/sub/", "real/sub/f", "real/up"});
    CHECK(walked(*workspace, "link/up/real/sub") == Paths{"real/sub/f"});
    const auto code = [&](std::string_view path) {
      return walk(*workspace, path, {}, CancelToken(), [](WalkEntry&) { return true; }).error().code;
    };
    CHECK(code("outside") == ErrorCode::denied);
    CHECK(code("..") == ErrorCode::denied);
    CHECK(code("file") == ErrorCode::invalid_argument);
    CHECK(code("missing") == ErrorCode::not_found);
  }
}

TEST_CASE("a walk can be cancelled, stopped and limited") {
  const TemporaryDirectory root;
  for (int i = 0; i < 50; ++i) root.put(fmt::format("d{}/f", i), "");
  const auto workspace = open(root);
  const CancelToken cancel;
  cancel.cancel();
  CHECK(walk(*workspace, ".", {}, cancel, [](WalkEntry&) { return true; }).error().code == ErrorCode::cancelled);
  int visits = 0;
  CHECK_FALSE(walk(*workspace, ".", {}, CancelToken(), [&](WalkEntry&) { return ++visits < 3; })->complete);
  CHECK(visits == 3);
  WalkOptions options;
  options.entries_max = 60;
  CHECK_FALSE(walk(*workspace, ".", options, CancelToken(), [](WalkEntry&) { return true; })->complete);
  options = {};
  options.depth_max = 0;
  CHECK(walk(*workspace, ".", options, CancelToken(), [](WalkEntry&) { return true; })->too_deep == 50);
  options = {};
  options.time_max = std::chrono::milliseconds(0);
  CHECK_FALSE(walk(*workspace, ".", options, CancelToken(), [](WalkEntry&) { return true; })->complete);
}

TEST_CASE("a listing is in natural order, parents before children") {
  const TemporaryDirectory root;
  for (const char* name : {"b10", "b9", "B1", "a/z", "a/y/x", "a.txt", "A2/f", "c01", "c1"}) root.put(name, "");
  const auto workspace = open(root);
  ListOptions options;
  options.recursive = true;
  CHECK(listed(*workspace, ".", options) ==
        Paths{"a", "a/y", "a/y/x", "a/z", "a.txt", "A2", "A2/f", "B1", "b9", "b10", "c01", "c1"});
  CHECK(listed(*workspace, ".") == Paths{"a", "a.txt", "A2", "B1", "b9", "b10", "c01", "c1"});
  CHECK(listed(*workspace, "a") == Paths{"a/y", "a/z"});
}

TEST_CASE("the natural order is a strict order") {
  const Paths names = {"a",   "A", "a/b", "A/b", "a1", "a01", "a10", "a2", "a/1",
                       "",    "b", "a.b", "a-b", "é",  "1",   "01",  "1a", "a/"};
  for (const auto& a : names) {
    CHECK_FALSE(natural_less(a, a));
    for (const auto& b : names) {
      CAPTURE(a);
      CAPTURE(b);
      if (a != b) CHECK(natural_less(a, b) != natural_less(b, a));
      for (const auto& c : names) {
        if (natural_less(a, b) && natural_less(b, c)) CHECK(natural_less(a, c));
      }
    }
  }
}

TEST_CASE("first-level directories survive the limit of a listing") {
  const TemporaryDirectory root;
  for (int i = 0; i < 300; ++i) root.put(fmt::format("aaa{:03}", i), "");
  for (int i = 0; i < 20; ++i) root.put(fmt::format("zdir{:02}/deep/f", i), "");
  const auto workspace = open(root);
  for (const bool recursive : {false, true}) {
    ListOptions options;
    options.recursive = recursive;
    const auto listing = list_files(*workspace, ".", options, CancelToken());
    REQUIRE(listing);
    CHECK(listing->truncated);
    CHECK(listing->entries.size() == 200);
    CHECK(std::count_if(listing->entries.begin(), listing->entries.end(),
                        [](const WalkEntry& entry) { return entry.kind == FileKind::directory; }) == 20);
  }
  ListOptions options;
  options.recursive = true;
  options.limit = 360;
  CHECK_FALSE(list_files(*workspace, ".", options, CancelToken())->truncated);
  options.limit = 350;  // 320 of the first level, then 20 of the second
  const auto listing = list_files(*workspace, ".", options, CancelToken());
  CHECK(listing->truncated);
  CHECK(listing->entries.size() == 350);
}

TEST_CASE("names may be any bytes") {
  const TemporaryDirectory root;
  const std::string odd[] = {"new\nline", "bad\xFFutf8", " ", "\t", "-", "*", std::string(255, 'n'), "\"'`$()"};
  for (const std::string& name : odd) root.put("d/" + name, "x");
  const auto workspace = open(root);
  const Paths paths = walked(*workspace, ".");
  for (const std::string& name : odd) {
    CAPTURE(name);
    CHECK(std::count(paths.begin(), paths.end(), "d/" + name) == 1);
    CHECK(workspace->read("d/" + name, 10).value() == "x");
  }
}

TEST_CASE("a directory of 100,000 entries") {
  const TemporaryDirectory root("/dev/shm");
  const int fd = ::open(root.path().c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 100'000; ++i) {
    const int file = ::openat(fd, fmt::format("f{}", i).c_str(), O_CREAT | O_WRONLY, 0644);
    REQUIRE(file >= 0);
    ::close(file);
  }
  ::close(fd);
  const auto workspace = open(root);
  const auto begin = std::chrono::steady_clock::now();
  const auto listing = list_files(*workspace, ".", {}, CancelToken());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  REQUIRE(listing);
  CHECK(listing->entries.size() == 200);
  CHECK(listing->truncated);
  CHECK(listing->entries.front().path == "f0");
  MESSAGE("listed in " << took.count() << " ms");
}

TEST_CASE("a tree 10,000 levels deep") {
  constexpr int depth = 10'000;
  const TemporaryDirectory root("/dev/shm");
  make_chain(root, depth);
  for (const Resolver resolver : {Resolver::kernel, Resolver::portable}) {
    const auto workspace = open(root, resolver);
    std::size_t visits = 0;
    const auto count = [&](WalkEntry&) { return ++visits, true; };
    const auto bounded = walk(*workspace, ".", {}, CancelToken(), count);
    REQUIRE(bounded);
    CHECK(visits == 1'001);
    CHECK(bounded->too_deep == 1);

    if (resolver == Resolver::portable) continue;  // which takes a path's depth in system calls for each directory
    visits = 0;
    WalkOptions options;
    options.depth_max = depth;  // then the length of a path ends it
    options.time_max = std::chrono::minutes(10);
    const auto end = walk(*workspace, ".", options, CancelToken(), count);
    REQUIRE(end);
    CHECK(visits > 2'000);
    CHECK(end->unreadable == 1);
  }
  remove_chain(root, depth);
}

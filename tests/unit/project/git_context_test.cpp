#include "project/git_context.hpp"

#include <fcntl.h>
#include <git2/global.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../../support/random.hpp"
#include "base/text.hpp"
#include "git_world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const CancelToken never;

// libgit2 takes many milliseconds to begin with, so the tests that call it often keep it.
class KeepLibgit2 {
 public:
  KeepLibgit2() { git_libgit2_init(); }
  ~KeepLibgit2() { git_libgit2_shutdown(); }
};

// git status as git itself says it.
std::string status_by_git(const TemporaryDirectory& repository) {
  return git(repository, "status --porcelain --no-renames");
}

std::string status_of(const Workspace& workspace, std::size_t files_max = 1'000) {
  const auto status = read_git_status(workspace, files_max, never);
  if (!status) return status.error().message;
  std::string out;
  for (const std::string& file : status->files) out += (out.empty() ? "" : "\n") + file;
  return out;
}

std::string changes_of(const Workspace& workspace, std::size_t lines_max = 500) {
  const auto changes = read_git_changes(workspace, lines_max, never);
  return changes ? *changes : changes.error().message;
}

std::string commit_of(const Workspace& workspace, std::string_view hash, std::size_t lines_max = 500) {
  const auto commit = read_git_commit(workspace, hash, lines_max, never);
  return commit ? *commit : commit.error().message;
}

void commit_all(const TemporaryDirectory& repository, const std::string& message) {
  git(repository, "add -A");
  git(repository, "commit -q -m '" + message + "'");
}

}  // namespace

TEST_CASE("the status is what git says it is") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("src/same.cpp", "same\n");
  files.put("src/changed.cpp", "before\n");
  files.put("src/same_size.cpp", "aaaa\n");
  files.put("staged.cpp", "before\n");
  files.put("both.cpp", "before\n");
  files.put("gone.cpp", "x\n");
  files.put("removed.cpp", "x\n");
  files.put("tool.sh", "x\n");
  files.put("becomes_link", "x\n");
  files.put("dir/becomes_file/x", "x\n");
  files.put(".gitignore", "*.o\n/build/\n");
  files.link("src/same.cpp", "link");
  files.link("src/same.cpp", "link2");
  commit_all(files, "first");
  CHECK(status_of(*world.workspace).empty());

  files.put("src/changed.cpp", "after, longer\n");
  files.put("src/same_size.cpp", "bbbb\n");
  files.put("staged.cpp", "after\n");
  files.put("both.cpp", "after\n");
  git(files, "add staged.cpp both.cpp");
  files.put("both.cpp", "after that\n");
  std::filesystem::remove(files / "gone.cpp");
  git(files, "rm -q removed.cpp");
  REQUIRE(::chmod((files / "tool.sh").c_str(), 0755) == 0);
  std::filesystem::remove(files / "becomes_link");
  files.link("elsewhere", "becomes_link");
  std::filesystem::remove_all(files / "dir/becomes_file");
  files.put("dir/becomes_file", "now a file\n");
  std::filesystem::remove(files / "link2");
  files.link("src/changed.cpp", "link2");
  files.put("added.cpp", "x\n");
  git(files, "add added.cpp");
  files.put("new/deep/a.cpp", "x\n");
  files.put("new/b.cpp", "x\n");
  files.put("src/untracked.cpp", "x\n");
  files.put("ignored.o", "x");
  files.put("build/out", "x");
  files.make("empty");
  CHECK(status_of(*world.workspace) == status_by_git(files));
  CHECK(read_git_status(*world.workspace, 1'000, never)->branch == "main");
}

TEST_CASE("a file touched but not changed is none, and one changed in the same instant is one") {
  const KeepLibgit2 keep;
  World world;
  git(world.repository, "init -q");
  world.repository.put("touched", "x\n");
  commit_all(world.repository, "first");
  const auto path = std::filesystem::path(world.repository / "touched");
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - std::chrono::hours(1));
  CHECK(status_of(*world.workspace).empty());
  for (int run = 0; run < 20; ++run) {
    World racy;
    git(racy.repository, "init -q");
    racy.repository.put("a", "one\n");
    git(racy.repository, "add a");
    racy.repository.put("a", "two\n");
    CHECK(status_of(*racy.workspace) == "AM a");
  }
}

TEST_CASE("where the disk does not keep modes, they are no change") {
  World world;
  git(world.repository, "init -q");
  world.repository.put("tool.sh", "x\n");
  commit_all(world.repository, "first");
  REQUIRE(::chmod((world.repository / "tool.sh").c_str(), 0755) == 0);
  CHECK(status_of(*world.workspace) == " M tool.sh");
  git(world.repository, "config core.fileMode false");
  CHECK(status_of(*world.workspace).empty());
}

TEST_CASE("conflicts, submodules and names of several lines are shown as what they are") {
  World world;
  TemporaryDirectory module;
  git(module, "init -q");
  module.put("m", "m\n");
  commit_all(module, "module");
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a", "base\n");
  commit_all(files, "base");
  git(files, "submodule --quiet add '" + module.path() + "' sub");
  commit_all(files, "module");
  git(files, "checkout -q -b other");
  files.put("a", "other\n");
  commit_all(files, "other");
  git(files, "checkout -q main");
  files.put("a", "main\n");
  commit_all(files, "main");
  git(files, "merge other || true");
  files.put("sub/untracked", "in the submodule\n");
  files.put("two\nlines", "x");
  CHECK(status_of(*world.workspace) == "UU a\n?? two lines");
}

TEST_CASE("branches are named: unborn, detached, and as they are") {
  World world;
  git(world.repository, "init -q");
  CHECK(read_git_status(*world.workspace, 10, never)->branch == "main (no commits yet)");
  world.repository.put("a", "x\n");
  CHECK(status_of(*world.workspace) == "?? a");
  commit_all(world.repository, "first");
  const std::string hash = git(world.repository, "rev-parse HEAD");
  git(world.repository, "checkout -q -b feature/x");
  CHECK(read_git_status(*world.workspace, 10, never)->branch == "feature/x");
  git(world.repository, "checkout -q --detach");
  CHECK(read_git_status(*world.workspace, 10, never)->branch == hash.substr(0, 7) + " (detached)");
}

TEST_CASE("more changes than are wanted are cut and said to be") {
  World world;
  git(world.repository, "init -q");
  for (int i = 0; i < 30; ++i) world.repository.put("t" + std::to_string(i), "x\n");
  commit_all(world.repository, "first");
  for (int i = 0; i < 30; ++i) world.repository.put("t" + std::to_string(i), "y\n");
  for (int i = 0; i < 30; ++i) world.repository.put("u" + std::to_string(i), "y\n");
  const auto status = read_git_status(*world.workspace, 10, never);
  REQUIRE(status);
  CHECK(status->files.size() == 10);
  CHECK(status->truncated);
  CHECK(read_git_status(*world.workspace, 40, never)->truncated);
  CHECK_FALSE(read_git_status(*world.workspace, 60, never)->truncated);
}

TEST_CASE("changes are the status and what differs from the last commit") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a.txt", "one\ntwo\nthree\n");
  files.put("gone.txt", "was here\n");
  files.put("binary", std::string("\0\1\2", 3));
  commit_all(files, "first");
  CHECK(changes_of(*world.workspace) == "## main\n(nothing has changed)");
  files.put("a.txt", "one\n2\nthree\n");
  git(files, "add a.txt");
  std::filesystem::remove(files / "gone.txt");
  files.put("binary", std::string("\0\1\3\4", 4));
  files.put("new.txt", "not shown\n");
  const std::string changes = changes_of(*world.workspace);
  CHECK(in_order(changes, {"## main\n", "M  a.txt\n", " M binary\n", " D gone.txt\n", "?? new.txt\n",
                           "diff --git a/a.txt b/a.txt\n", " one\n-two\n+2\n three\n", "Binary files", "-was here"}));
  CHECK(lacks(changes, "not shown"));
}

TEST_CASE("what .rooignore closes is in no status and no difference") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("secrets/key", "hunter1\n");
  files.put("open", "x\n");
  commit_all(files, "with a secret");
  const std::string hash = git(files, "rev-parse HEAD");
  files.put("secrets/key", "hunter2\n");
  files.put("secrets/new", "hunter3\n");
  files.put("open", "y\n");
  files.put(".rooignore", "secrets/\n");
  CHECK(status_of(*world.workspace) == " M open");
  CHECK(lacks(changes_of(*world.workspace), "hunter"));
  const std::string commit = commit_of(*world.workspace, hash);
  CHECK(lacks(commit, "hunter"));
  CHECK(lacks(commit, "key"));
  CHECK(holds(commit, "(1 more are closed by .rooignore)"));
}

TEST_CASE("a commit is shown with who, when, why, which files and what") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a.txt", "one\ntwo\n");
  files.put("moved.txt", "the same\n");
  commit_all(files, "First");
  const std::string first = git(files, "rev-parse HEAD");
  files.put("a.txt", "one\n2\nthree\n");
  git(files, "mv moved.txt there.txt");
  commit_all(files, "Second\n\nWith a reason.");
  const std::string second = git(files, "rev-parse HEAD");
  const std::string text = commit_of(*world.workspace, second);
  CHECK(in_order(
      text,
      {"commit " + second +
           "\nAuthor: Ann <ann@example.org>\nDate: 2024-05-06T07:08:09+02:00\n\n    Second\n    "
           "\n    With a reason.\n\n a.txt | +2 -1\n moved.txt => there.txt | renamed\n\ndiff --git a/a.txt b/a.txt\n",
       "-two\n+2\n+three"}));
  CHECK(commit_of(*world.workspace, second.substr(0, 7)) == text);
  CHECK(in_order(commit_of(*world.workspace, first), {" a.txt | +2 -0\n moved.txt | +1 -0\n", "+one\n+two"}));
  CHECK(commit_of(*world.workspace, "0123456789") == "git: there is no commit 0123456789");
  CHECK(holds(commit_of(*world.workspace, "x; touch /tmp/x"), "4 to 40 hexadecimal digits"));
  CHECK(holds(commit_of(*world.workspace, std::string(500, 'a')), "4 to 40 hexadecimal digits"));
  CHECK(holds(commit_of(*world.workspace, git(files, "rev-parse 'HEAD^{tree}'")), "is of another kind"));
}

TEST_CASE("a merge is shown against its first parent, and a shallow clone's last commit as all new") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a", "a\n");
  commit_all(files, "first");
  git(files, "checkout -q -b side");
  files.put("side.txt", "side\n");
  commit_all(files, "side");
  git(files, "checkout -q main");
  files.put("main.txt", "main\n");
  commit_all(files, "main");
  git(files, "merge -q -m merged side");
  const std::string merge = commit_of(*world.workspace, git(files, "rev-parse HEAD"));
  CHECK(in_order(merge, {"Merges 2 commits", "    merged\n", " side.txt | +1 -0"}));
  CHECK(lacks(merge, "main.txt"));

  World shallow;
  git(shallow.repository, "clone -q --depth 1 'file://" + files.path() + "' .");
  CHECK(holds(commit_of(*shallow.workspace, git(shallow.repository, "rev-parse HEAD")),
              "(its parent is not in this shallow clone"));
}

TEST_CASE("a huge commit is cut to the lines asked for, and long lines too") {
  World world;
  git(world.repository, "init -q");
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "line " + std::to_string(i) + "\n";
  for (int i = 0; i < 400; ++i) world.repository.put("f" + std::to_string(i), text);
  world.repository.put("a-minified.js", std::string(500'000, 'x') + "\n");
  world.repository.put("b-large", std::string(3U << 20, 'y'));
  commit_all(world.repository, "huge");
  const std::string commit = commit_of(*world.workspace, git(world.repository, "rev-parse HEAD"));
  CHECK(split_lines(commit).size() <= 501);
  CHECK(commit.size() < 150'000);
  CHECK(in_order(commit, {" a-minified.js | +1 -0", " b-large | too large to be shown", " and 102 more files", "+xxx",
                          "...\n", "(Cut here: `git show "}));
  world.repository.put("f0", "short\n");
  const std::string changes = changes_of(*world.workspace, 100);
  CHECK(split_lines(changes).size() <= 101);
  CHECK(holds(changes, "(Cut here: `git diff HEAD` shows the rest.)"));
}

TEST_CASE("it does not matter who owns the repository") {
  World world;
  git(world.repository, "init -q");
  world.repository.put("a", "x\n");
  commit_all(world.repository, "first");
  if (::geteuid() != 0) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world.repository.path())) {
    REQUIRE(::lchown(entry.path().c_str(), 12'345, 12'345) == 0);
  }
  REQUIRE(::chown(world.repository.path().c_str(), 12'345, 12'345) == 0);
  world.repository.put("b", "y\n");
  CHECK(status_of(*world.workspace) == "?? b");
}

TEST_CASE("a workspace without a repository at its top has none, also beneath one") {
  TemporaryDirectory outer;
  git(outer, "init -q");
  outer.put("inner/a", "x\n");
  const auto inner = open_local_workspace(outer / "inner");
  REQUIRE(inner);
  const auto status = read_git_status(**inner, 10, never);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::not_found);
  CHECK(changes_of(**inner) == "git: the workspace's root is not the top of a repository");
}

TEST_CASE("a linked worktree and a submodule are read, since their repositories know them") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a", "a\n");
  commit_all(files, "first");
  TemporaryDirectory place;
  git(files, "worktree add -q '" + (place / "linked") + "' -b linked");
  const auto linked = open_local_workspace(place / "linked");
  REQUIRE(linked);
  place.put("linked/a", "changed\n");
  CHECK(status_of(**linked) == " M a");
  CHECK(read_git_status(**linked, 10, never)->branch == "linked");

  World with_module;
  git(with_module.repository, "init -q");
  git(with_module.repository, "submodule --quiet add '" + files.path() + "' sub");
  const auto module = open_local_workspace(with_module.repository / "sub");
  REQUIRE(module);
  with_module.repository.put("sub/new", "x");
  CHECK(status_of(**module) == "?? new");
}

TEST_CASE("a .git file cannot point at somebody else's repository") {
  World victim;
  git(victim.repository, "init -q");
  victim.repository.put("secret", "secret\n");
  commit_all(victim.repository, "secret");
  World world;
  world.repository.put(".git", "gitdir: " + victim.repository.path() + "/.git\n");
  CHECK(holds(changes_of(*world.workspace), "does not name this folder"));
  world.repository.put(".git", "gitdir: /nowhere\n");
  CHECK(holds(changes_of(*world.workspace), "does not exist"));
  world.repository.put(".git", "nonsense");
  CHECK(holds(changes_of(*world.workspace), "does not name a repository"));
  // Neither can a symlink, at the top or within.
  std::filesystem::remove(world.repository / ".git");
  world.repository.link(victim.repository.path() + "/.git", ".git");
  CHECK(holds(changes_of(*world.workspace), "leads out of the workspace"));
  std::filesystem::remove(world.repository / ".git");
  for (const char* part : {"objects", "refs", "HEAD", "refs/heads/main", "objects/pack"}) {
    CAPTURE(part);
    World linked;
    git(linked.repository, "init -q");
    std::filesystem::remove_all(linked.repository / (std::string(".git/") + part));
    linked.repository.link(victim.repository.path() + "/.git/" + part, std::string(".git/") + part);
    CHECK(lacks(changes_of(*linked.workspace), "secret"));
  }
  World borrowing;
  git(borrowing.repository, "init -q");
  borrowing.repository.put(".git/objects/info/alternates", victim.repository.path() + "/.git/objects\n");
  borrowing.repository.put(".git/refs/heads/main", git(victim.repository, "rev-parse HEAD") + "\n");
  CHECK(holds(changes_of(*borrowing.workspace), "there is no object"));
}

TEST_CASE("pipes where git's files should be do not make it wait") {
  const KeepLibgit2 keep;
  for (const char* part :
       {".git/HEAD", ".git/index", ".git/refs/heads/main", ".git/packed-refs", ".git/objects/info/commit-graph",
        ".gitignore", ".gitattributes", "a", ".git/config", ".git/info/attributes"}) {
    CAPTURE(part);
    World world;
    git(world.repository, "init -q");
    world.repository.put("a", "a\n");
    commit_all(world.repository, "first");
    std::filesystem::remove(world.repository / part);
    std::filesystem::create_directories(std::filesystem::path(world.repository / part).parent_path());
    REQUIRE(::mkfifo((world.repository / part).c_str(), 0600) == 0);
    CHECK_FALSE(changes_of(*world.workspace).empty());
    CHECK_FALSE(commit_of(*world.workspace, "1234567").empty());
  }
}

TEST_CASE("a repository's configuration and hooks run nothing and name no files") {
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  files.put("a", "a\n");
  files.put(".gitattributes", "* filter=evil diff=evil\n");
  commit_all(files, "first");
  const std::string evil = "touch '" + (files / "ran") + "'";
  files.put(".git/config", "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = " + evil + "\n\tpager = " + evil +
                               "\n\texcludesFile = /etc/passwd\n\tworktree = /etc\n[filter \"evil\"]\n\tclean = " +
                               evil + "\n\tsmudge = " + evil + "\n[diff \"evil\"]\n\ttextconv = " + evil +
                               "\n\tcommand = " + evil + "\n[include]\n\tpath = /dev/zero\n");
  files.put("a", "b\n");
  CHECK(holds(changes_of(*world.workspace), "-a\n+b"));
  CHECK_FALSE(files.exists("ran"));
}

TEST_CASE("a damaged repository is an error of one line, never a crash") {
  const KeepLibgit2 keep;
  World world;
  const TemporaryDirectory& files = world.repository;
  git(files, "init -q");
  for (int i = 0; i < 5; ++i) {
    files.put("f" + std::to_string(i), std::to_string(i) + "\n");
    commit_all(files, "commit " + std::to_string(i));
  }
  files.put("f0", "changed\n");
  const std::string hash = git(files, "rev-parse HEAD");
  std::vector<std::string> parts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(files / ".git")) {
    const std::string path = entry.path().string();
    if (entry.is_regular_file() && path.find("/hooks/") == std::string::npos) {
      parts.push_back(path.substr(files.path().size() + 1));
    }
  }
  std::sort(parts.begin(), parts.end());
  Random random(3);
  for (const std::string& part : parts) {
    CAPTURE(part);
    const std::string whole = files.get(part);
    for (int run = 0; run < 6; ++run) {
      std::string damaged = whole;
      if (run == 0) damaged.clear();
      if (run == 1) damaged.resize(damaged.size() / 2);
      if (run >= 2 && !damaged.empty())
        damaged[random.below(damaged.size())] ^= static_cast<char>(1 + random.below(255));
      std::filesystem::remove(files / part);
      files.put(part, damaged);
      for (const std::string& text : {changes_of(*world.workspace), commit_of(*world.workspace, hash)})
        CHECK_FALSE(text.empty());
    }
    std::filesystem::remove(files / part);
    files.put(part, whole);
  }
  CHECK(holds(commit_of(*world.workspace, hash), "commit 4"));
}

TEST_CASE("a cancelled look at git ends") {
  World world;
  git(world.repository, "init -q");
  world.repository.put("a", "a\n");
  commit_all(world.repository, "first");
  const CancelToken cancelled;
  cancelled.cancel();
  const auto status = read_git_status(*world.workspace, 10, cancelled);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::cancelled);
}

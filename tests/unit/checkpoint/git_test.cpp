#include <doctest/doctest.h>
#include <sys/un.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "workbench.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const ChangedFile* change_of(const CheckpointDiff& diff, const std::string& path) {
  const auto found = std::find_if(diff.files.begin(), diff.files.end(), [&](const auto& file) { return file.path == path; });
  return found == diff.files.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a checkpoint is listed with what it was taken for") {
  const Workbench bench;
  bench.root.put("a/b.txt", "one");
  const auto checkpoints = bench.open();
  CHECK(checkpoints->list("task_1").value().empty());
  const auto first = checkpoints->take({"task_1", 7, "before write_to_file\nof \x01 b.txt"}, {}).value();
  CHECK(first.checkpoint.id.size() == 40);
  CHECK(first.checkpoint.changed == 1);
  CHECK_FALSE(first.unchanged);
  bench.root.put("a/b.txt", "two");
  bench.root.put("c.txt", "new");
  const auto second = checkpoints->take({"task_1", 9, ""}, {}).value();
  CHECK(second.checkpoint.changed == 2);

  const auto list = bench.open()->list("task_1").value();
  REQUIRE(list.size() == 2);
  CHECK(list[0].id == first.checkpoint.id);
  CHECK(list[0].task == "task_1");
  CHECK(list[0].seq == 7);
  CHECK(list[0].label == "before write_to_file of   b.txt");
  CHECK(list[0].created_at > 1'600'000'000'000);
  CHECK(list[1].id == second.checkpoint.id);
  CHECK(list[1].seq == 9);
  CHECK(list[1].changed == 2);
}

TEST_CASE("what did not change gives the last checkpoint again, and nothing is written") {
  const Workbench bench;
  bench.root.put("a.txt", "one");
  const auto first = bench.take();
  ::usleep(50'000);
  bench.take();  // may write its stat cache anew, now that the file is settled
  const auto before = tree_of(bench.repository());
  const auto again = bench.take();
  CHECK(again.unchanged);
  CHECK(again.checkpoint.id == first.checkpoint.id);
  CHECK(tree_of(bench.repository()) == before);
  // Of another task it is a checkpoint of its own, that shares everything.
  const auto other = bench.take("task_2");
  CHECK_FALSE(other.unchanged);
  CHECK(other.checkpoint.id != first.checkpoint.id);
  CHECK(bench.open()->list("task_1").value().size() == 1);
}

TEST_CASE("defect 39: source in bin, vendor and env, lock files, SQL and images are in a checkpoint") {
  const Workbench bench;
  for (const char* path : {"bin/tool", "vendor/a.go", "env/x.py", "pkg/p.go", "obj/o.c", "out/o", "dist/d.js", "deps/d.c",
                           "package-lock.json", "Cargo.lock", "schema.sql", "logo.png", "data.csv", "run.log", "a.bak",
                           ".env", ".vscode/settings.json", "node_modules/m/index.js"}) {
    bench.root.put(path, "old");
  }
  const auto before = tree_of(bench.root.path());
  const auto taken = bench.take();
  for (const auto& [path, text] : before) {
    if (text.starts_with("file")) bench.root.put(path, "new");
  }
  bench.restore(taken.checkpoint.id);
  CHECK(tree_of(bench.root.path()) == before);
}

TEST_CASE("a diff names what was added, modified, deleted, retyped and given another mode") {
  const Workbench bench;
  bench.root.put("modified.txt", "one\ntwo\nthree\n");
  bench.root.put("deleted.txt", "gone\n");
  bench.root.put("mode.sh", "#!/bin/sh\n");
  bench.root.put("type", "file");
  bench.root.put("binary", std::string("a\0b", 3));
  bench.root.make("empty");
  bench.root.put("same/deep/file", "same");
  const auto first = bench.take();
  bench.root.put("modified.txt", "one\n2\nthree\n");
  bench.remove("deleted.txt");
  bench.mode("mode.sh", 0755);
  bench.remove("type");
  bench.root.link("modified.txt", "type");
  bench.root.put("binary", std::string("a\0c", 3));
  bench.remove("empty");
  bench.root.put("added/new.txt", "hello\n");
  const auto second = bench.take();

  for (const std::string& to : {second.checkpoint.id, std::string()}) {
    CAPTURE(to);
    const auto diff = bench.diff(first.checkpoint.id, to);
    CHECK(diff.files_count == 7);
    REQUIRE(diff.files.size() == 7);
    CHECK(std::is_sorted(diff.files.begin(), diff.files.end(), [](auto& a, auto& b) { return a.path < b.path; }));
    using Kind = ChangedFile::Kind;
    REQUIRE(change_of(diff, "modified.txt") != nullptr);
    CHECK(change_of(diff, "modified.txt")->kind == Kind::modified);
    CHECK(change_of(diff, "modified.txt")->patch ==
          "--- a/modified.txt\n+++ b/modified.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
    CHECK(change_of(diff, "deleted.txt")->kind == Kind::deleted);
    CHECK(change_of(diff, "deleted.txt")->patch == "--- a/deleted.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n");
    CHECK(change_of(diff, "added/new.txt")->kind == Kind::added);
    CHECK(change_of(diff, "added/new.txt")->mode_before == 0);
    CHECK(change_of(diff, "added/new.txt")->mode_after == 0100644);
    CHECK(change_of(diff, "mode.sh")->kind == Kind::mode);
    CHECK(change_of(diff, "mode.sh")->patch.empty());
    CHECK(change_of(diff, "mode.sh")->mode_after == 0100755);
    CHECK(change_of(diff, "type")->kind == Kind::type);
    CHECK(change_of(diff, "binary")->binary);
    CHECK(change_of(diff, "binary")->patch.empty());
    CHECK(change_of(diff, "empty/")->kind == Kind::deleted);
  }
  CHECK(bench.diff(second.checkpoint.id).files.empty());
  // To the files as they are now, without a checkpoint of it.
  bench.root.put("later.txt", "x");
  CHECK(change_of(bench.diff(second.checkpoint.id), "later.txt") != nullptr);
  CHECK(bench.open()->list("task_1").value().size() == 2);
}

TEST_CASE("a diff stays within its limits, and says where it was cut") {
  const Workbench bench;
  bench.root.put("x", "");
  const auto first = bench.take();
  for (int i = 0; i < 20; ++i) bench.root.put("f" + std::to_string(100 + i), std::string(1'000, 'a') + "\nb\nc\n");
  bench.root.put("large", std::string(5'000, 'a'));
  const auto few = bench.diff(first.checkpoint.id, "", {.files_max = 3});
  CHECK(few.files.size() == 3);
  CHECK(few.files_count == 21);
  const auto small = bench.diff(first.checkpoint.id, "", {.text_size_max = 4'000, .patch_size_max = 60, .bytes_max = 200});
  std::size_t bytes = 0;
  for (const auto& file : small.files) {
    CHECK(file.patch_cut);
    CHECK(file.patch.size() <= 60);
    CHECK((file.patch.empty() || file.patch.back() == '\n'));
    bytes += file.patch.size();
  }
  CHECK(bytes <= 200);
  CHECK(small.files.back().path == "large");
  CHECK(small.files.back().patch.empty());
}

TEST_CASE("hostile text has a patch in bounded time, or none") {
  const Workbench bench;
  std::string one;
  std::string two;
  for (std::int64_t i = 0; i < 60'000; ++i) {
    one += std::to_string(i * 7919 % 60'013) + "\n";
    two += std::to_string(i * 104'729 % 60'013) + "\n";
  }
  bench.root.put("shuffled", one);
  bench.root.put("bad\nname", "a\n");
  bench.root.put("not utf-8 \xff\xfe", "\xff\xfe\n");
  const auto first = bench.take();
  bench.root.put("shuffled", two);
  bench.root.put("bad\nname", "b\n");
  bench.root.put("not utf-8 \xff\xfe", "\xff\xfd\n");
  const auto diff = bench.diff(first.checkpoint.id);
  REQUIRE(diff.files.size() == 3);
  CHECK(diff.files[0].path == "bad\nname");
  CHECK(diff.files[0].patch.starts_with("--- a/\"bad\\nname\"\n"));
  CHECK(diff.files[1].path == "not utf-8 \xff\xfe");
  CHECK_FALSE(diff.files[1].patch.empty());
}

TEST_CASE("a root nobody means is refused") {
  const TemporaryDirectory kept;
  for (const char* root : {"/", "/usr", "/etc", "/home", "/proc/self", "/tmp", "/var", "/dev"}) {
    CAPTURE(root);
    CHECK(code(open_git_checkpoints(kept.path(), root)) == ErrorCode::denied);
  }
  const TemporaryDirectory root;
  root.put("file", "");
  CHECK(code(open_git_checkpoints(kept.path(), root / "missing")) == ErrorCode::not_found);
  CHECK(code(open_git_checkpoints(kept.path(), root / "file")) == ErrorCode::invalid_argument);
  CHECK(code(open_git_checkpoints(kept.path(), "")) == ErrorCode::invalid_argument);
  CHECK(code(open_git_checkpoints("", root.path())) == ErrorCode::invalid_argument);
  // Demand 19: snapshots that hold themselves.
  CHECK(code(open_git_checkpoints(root / "inside", root.path())) == ErrorCode::denied);
  CHECK(code(open_git_checkpoints(root.path(), root.path())) == ErrorCode::denied);
  root.link(kept.path(), "link");
  CHECK(open_git_checkpoints(root / "link", root.path()).has_value());  // leads outside
}

TEST_CASE("the home directory and what is above it are refused") {
  // Of the user nobody there is none to find, so this asks for the one of who runs the test.
  const char* home = std::getenv("HOME");
  if (home == nullptr || std::string(home) == "/" || ::geteuid() != 0) return;
  const TemporaryDirectory kept;
  CHECK(code(open_git_checkpoints(kept.path(), "/root")) == ErrorCode::denied);
}

TEST_CASE("tasks and checkpoints that do not exist are named in the error") {
  const Workbench bench;
  const auto checkpoints = bench.open();
  const std::string none(40, 'a');
  CHECK(code(checkpoints->restore(none, {"task_1", 0, ""}, {})) == ErrorCode::not_found);
  CHECK(code(checkpoints->diff(none, "", {}, {})) == ErrorCode::not_found);
  const auto taken = checkpoints->take({"task_1", 0, ""}, {}).value();
  for (const std::string& id : {none, std::string("abc"), std::string(40, 'Z'), std::string("../../x")}) {
    CAPTURE(id);
    CHECK(code(checkpoints->restore(id, {"task_1", 0, ""}, {})) == ErrorCode::not_found);
    CHECK(code(checkpoints->diff(taken.checkpoint.id, id, {}, {})) == ErrorCode::not_found);
  }
  for (const std::string task : {"", "a/b", "..", "a..b", ".a", "a.lock", "-a", "a b", "a\nb", "ta\xc3\xa4"}) {
    CAPTURE(task);
    CHECK(code(checkpoints->take({task, 0, ""}, {})) == ErrorCode::invalid_argument);
    CHECK(code(checkpoints->list(task)) == ErrorCode::invalid_argument);
    CHECK(code(checkpoints->drop(task)) == ErrorCode::invalid_argument);
  }
  CHECK(code(checkpoints->take({std::string(201, 'a'), 0, ""}, {})) == ErrorCode::invalid_argument);
  CHECK(checkpoints->take({"task_019ad3.1", 0, ""}, {}).has_value());
  CHECK(checkpoints->drop("task_never").has_value());
}

TEST_CASE("cancelled work changes and records nothing") {
  const Workbench bench;
  bench.root.put("a", "one");
  const auto taken = bench.take();
  bench.root.put("a", "two");
  const CancelToken cancel;
  cancel.cancel();
  const auto checkpoints = bench.open();
  CHECK(code(checkpoints->take({"task_1", 0, ""}, cancel)) == ErrorCode::cancelled);
  CHECK(code(checkpoints->restore(taken.checkpoint.id, {"task_1", 0, ""}, cancel)) == ErrorCode::cancelled);
  CHECK(checkpoints->list("task_1").value().size() == 1);
  CHECK(bench.root.get("a") == "two");
}

TEST_CASE("the user's git is not touched: identity, index, hooks, configuration, environment") {
  const Workbench bench;
  REQUIRE(git(bench.root.path(), "init -q .") == 0);
  bench.root.put("a.txt", "one\n");
  bench.root.put(".gitattributes", "*.txt text eol=crlf filter=upper\n");
  bench.root.put(".git/info/attributes", "*.txt filter=upper\n");
  REQUIRE(git(bench.root.path(), "config filter.upper.clean 'tr a-z A-Z'") == 0);
  REQUIRE(git(bench.root.path(), "config core.autocrlf true") == 0);
  for (const char* hook : {"pre-commit", "post-commit", "post-checkout", "post-index-change", "reference-transaction"}) {
    bench.root.put(std::string(".git/hooks/") + hook, "#!/bin/sh\ntouch '" + bench.kept.path() + "/ran'\nexit 1\n");
    bench.mode(std::string(".git/hooks/") + hook, 0755);
  }
  bench.root.put("crlf.txt", "a\r\nb\n");
  REQUIRE(::setenv("GIT_DIR", (bench.root / ".git").c_str(), 1) == 0);
  REQUIRE(::setenv("GIT_INDEX_FILE", (bench.root / ".git/index").c_str(), 1) == 0);
  REQUIRE(::setenv("GIT_OBJECT_DIRECTORY", (bench.root / ".git/objects").c_str(), 1) == 0);
  REQUIRE(::setenv("GIT_AUTHOR_NAME", "Somebody Else", 1) == 0);
  const auto before = tree_of(bench.root / ".git", true);

  const auto taken = bench.take();
  bench.root.put("a.txt", "two\n");
  bench.root.put("crlf.txt", "c\n");
  bench.restore(taken.checkpoint.id);
  for (const char* name : {"GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_AUTHOR_NAME"}) ::unsetenv(name);

  CHECK(bench.root.get("a.txt") == "one\n");
  CHECK(bench.root.get("crlf.txt") == "a\r\nb\n");
  CHECK(tree_of(bench.root / ".git", true) == before);
  CHECK_FALSE(bench.kept.exists("ran"));
  CHECK(git(bench.repository(), "log --format=%an refs/checkpoints/task_1/00000001 | grep -qx joey") == 0);
}

TEST_CASE("the repository is a sound one for a person who looks with git") {
  const Workbench bench;
  bench.root.put("a.txt", "one\n");
  bench.root.put("private", "p");
  bench.root.put("dir.x/z", "z");
  bench.root.put("dir/z", "z");
  bench.root.put("dir-x", "z");
  bench.mode("private", 0600);
  bench.root.make("empty/inside");
  bench.mode("empty", 0700);
  bench.root.link("/nowhere/outside", "link");
  const auto taken = bench.take();
  bench.root.put("a.txt", "two\n");
  bench.take();
  bench.take("task_2");
  const std::string repository = bench.repository();
  CHECK(git(repository, "fsck --full --strict --no-dangling") == 0);
  CHECK(git(repository, "fsck --full --strict 2>&1 | grep -v unborn | grep -q .; test $? = 1") == 0);
  CHECK(git(repository, "verify-pack objects/pack/*.idx") == 0);
  CHECK(git(repository, "diff --quiet refs/checkpoints/task_1/00000001 refs/checkpoints/task_1/00000001") == 0);
  CHECK(git(repository, "show refs/checkpoints/task_1/00000002:a.txt | grep -qx two") == 0);
  // What git makes of it when told to clean up is read, too.
  CHECK(git(repository, "gc -q --prune=now") == 0);
  CHECK(git(repository, "fsck --full --strict") == 0);
  bench.restore(taken.checkpoint.id);
  CHECK(bench.root.get("a.txt") == "one\n");
  bench.root.put("a.txt", "three\n");
  CHECK_FALSE(bench.take().unchanged);
  CHECK(git(repository, "fsck --full --strict") == 0);
  struct stat status = {};
  REQUIRE(::stat(repository.c_str(), &status) == 0);
  CHECK((status.st_mode & 077) == 0);
}

TEST_CASE("functions may be called from several threads and on several objects at once") {
  const Workbench bench;
  for (int i = 0; i < 50; ++i) bench.root.put("d" + std::to_string(i % 5) + "/f" + std::to_string(i), std::to_string(i));
  const auto shared = bench.open();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto own = bench.open();
      for (int i = 0; i < 15; ++i) {
        std::ofstream(bench.root / ("t" + std::to_string(t))) << i;
        Checkpoints& checkpoints = i % 2 == 0 ? *shared : *own;
        const auto taken = checkpoints.take({"task_" + std::to_string(t), 0, ""}, {});
        if (!taken || !checkpoints.list("task_" + std::to_string(t)) || !checkpoints.diff(taken->checkpoint.id, "", {}, {})) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
}

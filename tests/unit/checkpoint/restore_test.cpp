#include "checkpoint/restore.hpp"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <string>
#include <vector>

#include "workbench.hpp"

using namespace joey;
using namespace joey::test;

namespace {

bool leaves(const RestoredCheckpoint& restored, const std::string& path) {
  for (const LeftAsItIs& left : restored.left) {
    if (left.path == path && !left.why.empty()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a restore brings back bytes, modes, links, empty files and empty directories, whoever changed them") {
  const Workbench bench;
  bench.root.put("text.txt", "one\r\ntwo");
  bench.root.put("binary", std::string("\0\xff\r\n\x1a", 5));
  bench.root.put("empty file", "");
  bench.root.put("script.sh", "#!/bin/sh\n");
  bench.mode("script.sh", 0750);
  bench.root.put("read-only", "r");
  bench.mode("read-only", 0444);
  bench.root.put("secret", "s");
  bench.mode("secret", 0600);
  bench.root.put("deep/er/and/deeper/file", "x");
  bench.root.make("empty/nested");
  bench.mode("empty", 0700);
  bench.mode("empty/nested", 01777);
  bench.root.link("text.txt", "link");
  bench.root.link("nowhere", "dangling");
  bench.root.link("/nowhere/outside", "outside");
  bench.root.put("name with \"quotes\" and \n newline \xff", "n");
  bench.root.put("to-dir", "file");
  bench.root.put("to-file/inside/f", "f");
  bench.root.put("renamed", "r");
  const Tree before = tree_of(bench.root.path());
  const auto taken = bench.take();

  // As a shell would.
  REQUIRE(std::system(("cd '" + bench.root.path() +
                       "' && echo more >> text.txt && rm binary && echo x > 'empty file' && chmod 644 script.sh read-only "
                       "&& rm -r deep && rm -r empty && ln -sf binary link && rm dangling && echo f > dangling && rm outside "
                       "&& mkdir outside && echo x > outside/x && rm to-dir && mkdir -p to-dir/a/b && echo y > to-dir/a/b/c "
                       "&& rm -r to-file && echo z > to-file && mv renamed moved && mkdir -p new/dir && echo n > new/dir/n "
                       "&& chmod 644 secret && rm name*")
                          .c_str()) == 0);
  const Tree changed = tree_of(bench.root.path());
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK(restored.written > 10);
  CHECK(restored.removed > 5);
  CHECK(tree_of(bench.root.path()) == before);

  // Design 39: the checkpoint taken first undoes it.
  const auto undone = bench.restore(restored.before);
  CHECK(undone.left_count == 0);
  CHECK(tree_of(bench.root.path()) == changed);
  // There and back again.
  bench.restore(taken.checkpoint.id);
  CHECK(tree_of(bench.root.path()) == before);
}

TEST_CASE("a restore touches only what differs") {
  const Workbench bench;
  bench.root.put("same", "same");
  bench.root.put("d/other", "one");
  const auto taken = bench.take();
  struct stat before = {};
  struct stat after = {};
  REQUIRE(::stat((bench.root / "same").c_str(), &before) == 0);
  bench.root.put("d/other", "two");
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.written == 1);
  CHECK(restored.removed == 0);
  REQUIRE(::stat((bench.root / "same").c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
  CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
  CHECK(before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
  // To what is there already: nothing.
  const auto again = bench.restore(taken.checkpoint.id);
  CHECK(again.written == 0);
  CHECK(again.removed == 0);
  CHECK(bench.restore(taken.checkpoint.id).before == again.before);
}

TEST_CASE("files of nested repositories, submodules and worktrees are restored, and no .git is touched") {
  const Workbench bench;
  const TemporaryDirectory other;
  REQUIRE(git(other.path(), "init -q .") == 0);
  other.put("lib.c", "int lib;\n");
  REQUIRE(git(other.path(), "add -A") == 0);
  REQUIRE(git(other.path(), "commit -qm one") == 0);
  REQUIRE(git(bench.root.path(), "init -q .") == 0);
  REQUIRE(git(bench.root.path(), "submodule add -q '" + other.path() + "' sub") == 0);
  REQUIRE(git(bench.root.path(), "commit -qm one") == 0);
  REQUIRE(git(bench.root.path(), "worktree add -q linked") == 0);
  REQUIRE(git(bench.root.path(), "clone -q '" + other.path() + "' nested/clone") == 0);
  bench.root.put("bare.git/HEAD", "only files\n");
  const Tree before = tree_of(bench.root.path(), true);
  const auto taken = bench.take();
  CHECK(taken.not_kept_count == 0);

  bench.root.put("sub/lib.c", "changed");
  bench.root.put("nested/clone/lib.c", "changed");
  bench.root.put("nested/clone/new.c", "new");
  bench.root.put("linked/sub.txt", "new");
  bench.remove("bare.git");
  bench.restore(taken.checkpoint.id);
  CHECK(tree_of(bench.root.path(), true) == before);

  // A repository that was made since loses its files but not its history.
  REQUIRE(git(bench.root.path(), "clone -q '" + other.path() + "' later") == 0);
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK_FALSE(bench.root.exists("later/lib.c"));
  CHECK(bench.root.exists("later/.git/HEAD"));
  CHECK(leaves(restored, "later"));
}

TEST_CASE("symlinks are never followed, neither to save nor to restore") {
  const Workbench bench;
  const TemporaryDirectory outside;
  outside.put("secret", "outside");
  bench.root.put("dir/secret", "inside");
  bench.root.put("dir/more/x", "x");
  bench.root.link(outside.path(), "link");
  const auto taken = bench.take();
  CHECK(taken.checkpoint.changed == 3);  // dir/secret, dir/more/x and link: nothing behind it

  // The directory becomes a link to elsewhere.
  bench.remove("dir");
  bench.root.link(outside.path(), "dir");
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK(bench.root.get("dir/secret") == "inside");
  CHECK(std::filesystem::is_directory(std::filesystem::symlink_status(bench.root / "dir")));
  CHECK(outside.get("secret") == "outside");
  CHECK(outside.count("") == 1);
  // And back to the link.
  bench.restore(restored.before);
  CHECK(std::filesystem::read_symlink(bench.root / "dir") == outside.path());
  CHECK(outside.get("secret") == "outside");
}

TEST_CASE("demand 20: ignored files are not in a checkpoint, and no restore deletes or replaces them") {
  const Workbench bench;
  bench.root.put(".gitignore", "build/\n*.o\n.env\n");
  bench.root.put("src/a.c", "a");
  bench.root.put("src/a.o", "object 1");
  bench.root.put("build/big", "big");
  bench.root.put(".env", "KEY=1");
  const auto taken = bench.take();
  bench.root.put("src/a.o", "object 2");
  bench.root.put("src/b.o", "object b");
  bench.root.put("build/other", "other");
  bench.root.put("src/b.c", "b");
  auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK_FALSE(bench.root.exists("src/b.c"));
  CHECK(bench.root.get("src/a.o") == "object 2");
  CHECK(bench.root.get("src/b.o") == "object b");
  CHECK(bench.root.get("build/other") == "other");

  // The rules that were in force when the checkpoint was taken count, too.
  bench.remove(".gitignore");
  bench.root.put("src/c.c", "c");
  restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK(bench.root.get(".gitignore") == "build/\n*.o\n.env\n");
  CHECK(bench.root.get(".env") == "KEY=1");
  CHECK(bench.root.get("build/big") == "big");
  CHECK(bench.root.get("src/b.o") == "object b");
  CHECK_FALSE(bench.root.exists("src/c.c"));

  // A new directory whose files are ignored keeps those.
  bench.root.put("fresh/x.o", "x");
  bench.root.put("fresh/x.c", "x");
  restored = bench.restore(taken.checkpoint.id);
  CHECK(bench.root.get("fresh/x.o") == "x");
  CHECK_FALSE(bench.root.exists("fresh/x.c"));
  CHECK(leaves(restored, "fresh"));
}

TEST_CASE("files that were kept and are ignored by now are restored, and that can be undone") {
  const Workbench bench;
  bench.root.put("config/local.txt", "one");
  bench.root.put("config/deep/er.txt", "one");
  bench.root.put("notes.txt", "one");
  const auto taken = bench.take();
  bench.root.put(".gitignore", "config/\n*.txt\n");
  bench.root.put("config/local.txt", "two");
  bench.root.put("config/deep/er.txt", "two");
  bench.root.put("config/untracked.txt", "u");
  bench.root.put("notes.txt", "two");
  bench.root.put("new.txt", "n");
  const auto hidden = bench.take();
  CHECK(hidden.checkpoint.changed >= 3);  // they are gone from it
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK(bench.root.get("config/local.txt") == "one");
  CHECK(bench.root.get("config/deep/er.txt") == "one");
  CHECK(bench.root.get("notes.txt") == "one");
  CHECK(bench.root.get("config/untracked.txt") == "u");
  CHECK(bench.root.get("new.txt") == "n");
  bench.restore(restored.before);
  CHECK(bench.root.get("config/local.txt") == "two");
  CHECK(bench.root.get("config/deep/er.txt") == "two");
  CHECK(bench.root.get("notes.txt") == "two");
  // What was kept for that once is ignored again afterwards.
  bench.take();
  bench.root.put("notes.txt", "three");
  CHECK(bench.take().unchanged);
}

TEST_CASE("what is too large, unreadable or special is reported, and never replaced or removed") {
  Workbench bench;
  bench.options.file_size_max = 1'000;
  bench.root.put("big", std::string(5'000, 'a'));
  bench.root.put("grows", "small");
  bench.root.put("shrinks", std::string(5'000, 'b'));
  bench.root.put("becomes pipe", "text");
  REQUIRE(::mkfifo((bench.root / "pipe").c_str(), 0600) == 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (bench.root / "socket").c_str());
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(socket);
  const auto taken = bench.take();
  CHECK(taken.not_kept_count == 4);
  REQUIRE(taken.not_kept.size() == 4);
  CHECK(taken.not_kept[0].path == "big");
  CHECK(taken.not_kept[0].reason == NotKept::Reason::too_large);
  CHECK(taken.not_kept[0].size == 5'000);
  CHECK(taken.not_kept[1].path == "pipe");
  CHECK(taken.not_kept[1].reason == NotKept::Reason::special);
  // They are told again when nothing changed, from the cache.
  CHECK(bench.take().not_kept_count == 4);
  CHECK(bench.take().unchanged);

  bench.root.put("grows", std::string(5'000, 'c'));
  bench.root.put("shrinks", "small");
  bench.root.put("new big", std::string(5'000, 'd'));
  bench.remove("becomes pipe");
  REQUIRE(::mkfifo((bench.root / "becomes pipe").c_str(), 0600) == 0);
  bench.remove("pipe");
  bench.root.put("fine", "new");
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 4);
  CHECK(leaves(restored, "grows"));
  CHECK(leaves(restored, "shrinks"));
  CHECK(leaves(restored, "new big"));
  CHECK(leaves(restored, "becomes pipe"));
  CHECK(bench.root.get("grows") == std::string(5'000, 'c'));
  CHECK(bench.root.get("new big") == std::string(5'000, 'd'));
  CHECK(bench.root.get("big") == std::string(5'000, 'a'));
  CHECK_FALSE(bench.root.exists("fine"));
  CHECK(bench.diff(taken.checkpoint.id).files_count == 4);  // grows, shrinks, new big, becomes pipe
}

TEST_CASE("unreadable files and directories are reported and left alone") {
  const Workbench bench;
  bench.root.put("locked", "secret");
  bench.root.put("dir/inside", "secret");
  bench.root.put("open", "one");
  bench.mode("locked", 0000);
  bench.mode("dir", 0000);
  const int result = as_nobody(bench, [&] {
    const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), bench.options);
    if (!checkpoints) return false;
    const auto taken = (*checkpoints)->take({"t", 0, ""}, {});
    if (!taken || taken->not_kept_count != 2) return false;
    if (taken->not_kept[0].path != "dir" || taken->not_kept[0].reason != NotKept::Reason::unreadable) return false;
    if (taken->not_kept[1].path != "locked") return false;
    std::ofstream(bench.root / "open") << "two";
    std::ofstream(bench.root / "new") << "two";
    const auto restored = (*checkpoints)->restore(taken->checkpoint.id, {"t", 0, ""}, {});
    return restored && restored->left_count == 0 && restored->written == 1 && restored->removed == 1;
  });
  bench.mode("dir", 0700);
  bench.mode("locked", 0600);
  CHECK(result == 0);
  CHECK(bench.root.get("open") == "one");
  CHECK(bench.root.get("dir/inside") == "secret");
  CHECK(bench.root.get("locked") == "secret");
}

TEST_CASE("read-only directories are restored and keep their modes") {
  const Workbench bench;
  bench.root.put("ro/file", "one");
  bench.root.put("ro/gone", "gone");
  bench.root.put("ro/sub/file", "one");
  bench.mode("ro/sub", 0555);
  bench.mode("ro", 0555);
  const Tree before = tree_of(bench.root.path());
  const int result = as_nobody(bench, [&] {
    const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), bench.options);
    if (!checkpoints) return false;
    const auto taken = (*checkpoints)->take({"t", 0, ""}, {});
    if (!taken) return false;
    const std::string change = "cd '" + bench.root.path() +
                               "' && chmod u+w ro ro/sub && echo two > ro/file && rm ro/gone && echo n > ro/sub/new && rm "
                               "ro/sub/file && mkdir -p other/ro && echo o > other/ro/o && chmod 555 ro ro/sub other/ro other";
    if (std::system(change.c_str()) != 0) return false;
    const auto restored = (*checkpoints)->restore(taken->checkpoint.id, {"t", 0, ""}, {});
    return restored && restored->left_count == 0;
  });
  CHECK(result == 0);
  CHECK(tree_of(bench.root.path()) == before);
}

TEST_CASE("a file of another owner keeps its owner when root restores it") {
  if (::geteuid() != 0) return;
  const Workbench bench;
  bench.root.put("theirs", "one");
  const auto taken = bench.take();
  bench.root.put("theirs", "two");
  REQUIRE(::chown((bench.root / "theirs").c_str(), 12'345, 23'456) == 0);
  bench.mode("theirs", 0640);
  bench.restore(taken.checkpoint.id);
  struct stat status = {};
  REQUIRE(::stat((bench.root / "theirs").c_str(), &status) == 0);
  CHECK(status.st_uid == 12'345);
  CHECK(status.st_gid == 23'456);
  CHECK((status.st_mode & 07777) == 0644);
}

TEST_CASE("what cannot be written or read changes no file") {
  const Workbench bench;
  bench.root.put("a", "one");
  bench.root.put("large", std::string(200'000, 'x'));
  bench.root.put("z", "one");
  const auto taken = bench.take();
  bench.root.put("a", "two");
  bench.root.put("large", "");
  bench.root.put("z", "two");
  bench.take();  // so that the restore has nothing of its own to write first
  const Tree before = tree_of(bench.root.path());

  // A full disk, as the limit on the size of files has it.
  const int result = in_child([&] {
    const struct rlimit limit = {100'000, 100'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    const auto restored = bench.open()->restore(taken.checkpoint.id, {"task_1", 0, ""}, {});
    return !restored && restored.error().code == ErrorCode::limit;
  });
  CHECK(result == 0);
  CHECK(tree_of(bench.root.path()) == before);

  // Lost objects.
  for (const auto& each : std::filesystem::directory_iterator(bench.repository() + "/objects/pack")) {
    if (each.path().extension() == ".pack" && each.file_size() > 0) {
      std::fstream file(each.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(12 + 8);
      file.write("garbage!", 8);
    }
  }
  CHECK(code(bench.open()->restore(taken.checkpoint.id, {"task_1", 0, ""}, {})) == ErrorCode::corrupt);
  CHECK(tree_of(bench.root.path()) == before);
}

TEST_CASE("a full disk changes no file and leaves no part of a checkpoint") {
  const Workbench bench;
  bench.root.put("a", "one");
  const auto taken = bench.take();
  const std::string disk = bench.root / "disk";
  REQUIRE(::mkdir(disk.c_str(), 0755) == 0);
  // A small file system of its own, where the system allows one; elsewhere the limit on sizes has to do.
  const int result = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("small", bench.kept.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
      ::_exit(77);
    }
    const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), bench.options);
    if (!checkpoints || !(*checkpoints)->take({"t", 0, ""}, {})) return false;
    std::string noise;
    for (unsigned i = 0, x = 1; i < 1'000'000; ++i) noise += static_cast<char>((x = x * 1'103'515'245 + 12'345) >> 16);
    std::ofstream(bench.root / "noise", std::ios::binary) << noise;
    const auto full = (*checkpoints)->take({"t", 0, ""}, {});
    if (full || full.error().code != ErrorCode::limit) return false;
    ::unlink((bench.root / "noise").c_str());
    std::ofstream(bench.root / "a") << "two";
    const auto list = (*checkpoints)->list("t");
    const auto next = (*checkpoints)->take({"t", 0, ""}, {});
    return list && list->size() == 1 && next && (*checkpoints)->restore(list->front().id, {"t", 0, ""}, {});
  });
  CHECK((result == 0 || result == 77));
}

TEST_CASE("what a killed restore left is removed by the next look, and in no checkpoint") {
  const Workbench bench;
  bench.root.put("a", "one");
  const auto first = bench.take();
  bench.root.put(".joey-restore-0123456789abcdef/0", "half");
  bench.root.put("sub/.joey-restore-0123456789abcdef", "half");
  bench.root.put("a", "two");
  const auto second = bench.take();
  CHECK_FALSE(bench.root.exists(".joey-restore-0123456789abcdef"));
  CHECK_FALSE(bench.root.exists("sub/.joey-restore-0123456789abcdef"));
  CHECK(bench.diff(first.checkpoint.id, second.checkpoint.id).files_count == 2);  // a, sub/
}

TEST_CASE("a restore goes into other file systems mounted in the workspace") {
  const Workbench bench;
  bench.root.put("mnt/x", "hidden");
  const int result = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("small", (bench.root / "mnt").c_str(), "tmpfs", 0, "size=1m") != 0) {
      ::_exit(77);
    }
    const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), bench.options);
    std::ofstream(bench.root / "mnt/file") << "one";
    if (!checkpoints || ::symlink("file", (bench.root / "mnt/link").c_str()) != 0) return false;
    const auto taken = (*checkpoints)->take({"t", 0, ""}, {});
    std::ofstream(bench.root / "mnt/file") << "two";
    ::unlink((bench.root / "mnt/link").c_str());
    if (!taken) return false;
    const auto restored = (*checkpoints)->restore(taken->checkpoint.id, {"t", 0, ""}, {});
    std::string text;
    std::ifstream(bench.root / "mnt/file") >> text;
    return restored && restored->left_count == 0 && text == "one" && bench.root.count("mnt") == 2;
  });
  CHECK((result == 0 || result == 77));
}

#include "checkpoint/repository.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/file.h>

#include <string>
#include <utility>
#include <vector>

#include "../../support/random.hpp"
#include "workbench.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::uint64_t bytes_in(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(directory)) {
    if (each.is_regular_file()) bytes += each.file_size();
  }
  return bytes;
}

std::string noise(std::size_t size, unsigned seed) {
  std::string bytes;
  Random random(seed);
  while (bytes.size() < size) bytes += static_cast<char>(random.next());
  return bytes;
}

}  // namespace

TEST_CASE("a task keeps its first checkpoint and the newest, and what they need") {
  Workbench bench;
  bench.options.per_task_max = 8;
  std::vector<std::pair<std::string, Tree>> taken;
  for (int i = 0; i < 30; ++i) {
    bench.root.put("file", "version " + std::to_string(i));
    bench.root.put("d/" + std::to_string(i % 3), std::to_string(i));
    taken.emplace_back(bench.take().checkpoint.id, tree_of(bench.root.path()));
    const auto list = bench.open()->list("task_1").value();
    REQUIRE(list.size() <= 8);
    REQUIRE(list.front().id == taken.front().first);
    REQUIRE(list.back().id == taken.back().first);
  }
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
  const auto list = bench.open()->list("task_1").value();
  bench.options.per_task_max = 100;
  for (const auto& [id, tree] : taken) {
    const bool kept = std::any_of(list.begin(), list.end(), [&, &name = id](const Checkpoint& each) { return each.id == name; });
    if (kept) {
      bench.restore(id, "other");
      CHECK(tree_of(bench.root.path()) == tree);
    } else {
      CHECK(code(bench.open()->restore(id, {"other", 0, ""}, {})) == ErrorCode::not_found);
    }
  }
}

TEST_CASE("demand 19: the disk that checkpoints take is bounded, whatever is changed how often") {
  Workbench bench;
  bench.options.repository_bytes_max = 3'000'000;
  for (unsigned i = 0; i < 40; ++i) {
    bench.root.put("generated", noise(300'000, i));
    const auto taken = bench.take("task_" + std::to_string(i % 5));
    REQUIRE_FALSE(taken.unchanged);
    REQUIRE(bytes_in(bench.kept.path()) < 3'500'000);
    REQUIRE_FALSE(bench.open()->list("task_" + std::to_string(i % 5)).value().empty());
  }
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
  bench.root.put("generated", "");
  bench.take();
  CHECK(bench.diff(bench.open()->list("task_4").value().back().id).files_count == 1);
}

TEST_CASE("packs do not grow in number") {
  const Workbench bench;
  for (int i = 0; i < 60; ++i) {
    bench.root.put("file", std::to_string(i));
    bench.take();
    std::size_t packs = 0;
    for (const auto& each : std::filesystem::directory_iterator(bench.repository() + "/objects/pack")) {
      packs += each.path().extension() == ".pack" ? 1U : 0U;
    }
    REQUIRE(packs <= 17);
  }
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
  const auto list = bench.open()->list("task_1").value();
  REQUIRE(list.size() == 60);
  for (std::size_t i = 0; i < list.size(); i += 7) {
    bench.restore(list[i].id, "other");
    CHECK(bench.root.get("file") == std::to_string(i));
  }
}

TEST_CASE("a dropped task gives its space back and leaves other tasks whole") {
  const Workbench bench;
  bench.root.put("shared", noise(100'000, 1));
  bench.take("keep");
  const Tree before = tree_of(bench.root.path());
  const auto kept = bench.open()->list("keep").value();
  for (unsigned i = 0; i < 10; ++i) {
    bench.root.put("large", noise(200'000, 2 + i));
    bench.take("drop");
  }
  bench.remove("large");
  bench.take("drop");
  CHECK(bytes_in(bench.kept.path()) > 2'000'000);
  const auto dropped = bench.open()->list("drop").value();
  REQUIRE(bench.open()->drop("drop"));
  CHECK(bytes_in(bench.kept.path()) < 300'000);
  CHECK(bench.open()->list("drop").value().empty());
  CHECK(code(bench.open()->restore(dropped[3].id, {"keep", 0, ""}, {})) == ErrorCode::not_found);
  bench.root.put("shared", "changed");
  bench.restore(kept.front().id, "keep");
  CHECK(tree_of(bench.root.path()) == before);
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
  // With the last one nothing is left at all.
  REQUIRE(bench.open()->drop("keep"));
  CHECK(bench.kept.count("") == 0);
  CHECK(bench.open()->list("keep").value().empty());
  bench.take("again");
  bench.restore(bench.open()->list("again").value().front().id, "again");
}

TEST_CASE("what only a look wrote survives a clean-up as long as the cache names it") {
  Workbench bench;
  bench.root.put("a", "one");
  const auto first = bench.take("one");
  bench.root.put("b", "seen by a diff alone");
  ::usleep(60'000);
  bench.diff(first.checkpoint.id);
  REQUIRE(bench.open()->drop("none"));
  bench.take("two");
  REQUIRE(bench.open()->drop("two"));
  const auto taken = bench.take("three");
  bench.remove("b");
  bench.restore(taken.checkpoint.id, "three");
  CHECK(bench.root.get("b") == "seen by a diff alone");
}

TEST_CASE("what is there but cannot be read stops a clean-up: nothing is dropped for it") {
  const Workbench bench;
  bench.root.put("d/a", noise(5'000, 1));
  const auto kept = bench.take("keep");
  bench.root.put("d/a", noise(5'000, 2));
  bench.take("drop");
  const std::uint64_t before = bytes_in(bench.repository() + "/objects");
  const std::string task = bench.repository() + "/refs/checkpoints/keep";

  SUBCASE("a task's list") {
    // Not a directory any more, so not to be listed, whoever runs this.
    std::filesystem::rename(task, task + "_aside");
    std::filesystem::create_directory_symlink(task + "_aside", task);
    CHECK_FALSE(bench.open()->drop("drop").has_value());
    std::filesystem::remove(task);
    std::filesystem::rename(task + "_aside", task);
  }
  SUBCASE("a reference") {
    std::filesystem::rename(task + "/00000001", bench.repository() + "/aside");
    std::filesystem::create_directory(task + "/00000001");
    CHECK_FALSE(bench.open()->drop("drop").has_value());
    std::filesystem::remove(task + "/00000001");
    std::filesystem::rename(bench.repository() + "/aside", task + "/00000001");
  }
  CHECK(bytes_in(bench.repository() + "/objects") == before);
  bench.restore(kept.checkpoint.id, "keep");
  CHECK(bench.root.get("d/a") == noise(5'000, 1));
}

TEST_CASE("bytes damaged on the disk stop a clean-up too") {
  const Workbench bench;
  bench.root.put("d/a", "small");
  bench.take("keep");
  for (const auto& each : std::filesystem::directory_iterator(bench.repository() + "/objects/pack")) {
    if (each.path().extension() != ".pack") continue;
    std::filesystem::permissions(each.path(), std::filesystem::perms::owner_all);
    std::fstream pack(each.path(), std::ios::in | std::ios::out | std::ios::binary);
    pack.seekp(14);
    pack << std::string(60, 'x');
  }
  bench.root.put("d/b", noise(50'000, 2));
  bench.take("drop");
  const std::uint64_t before = bytes_in(bench.repository() + "/objects");
  CHECK(code(bench.open()->take({"..", 0, ""}, {})) == ErrorCode::invalid_argument);
  const Status dropped = bench.open()->drop("drop");
  REQUIRE_FALSE(dropped.has_value());
  CHECK(dropped.error().code == ErrorCode::corrupt);
  CHECK(bytes_in(bench.repository() + "/objects") == before);
}

TEST_CASE("engines with other limits clean up on one workspace without harm to each other") {
  Workbench bench;
  bench.root.put("a", "one");
  bench.take("one");
  bench.root.put("b", "known to the cache alone, once its checkpoint is dropped");
  ::usleep(60'000);
  bench.take("two");
  Workbench other;
  other.options.file_size_max = 1'000;
  const auto with_other_limits = [&] { return open_git_checkpoints(bench.kept.path(), bench.root.path(), other.options).value(); };
  REQUIRE(with_other_limits()->drop("two"));
  const auto taken = bench.take("three");
  bench.remove("b");
  bench.restore(taken.checkpoint.id, "three");
  CHECK(bench.root.get("b") == "known to the cache alone, once its checkpoint is dropped");
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
}

TEST_CASE("past the limit what nobody needs goes before any checkpoint does") {
  Workbench bench;
  bench.root.put("large", noise(400'000, 1));
  bench.root.put("other", noise(500'000, 2));
  const auto first = bench.take("keep");
  // One pack, of which a little less than half is garbage: to be squeezed only when there is need.
  REQUIRE(bench.open()->drop("none"));
  bench.root.put("large", "small now");
  const auto second = bench.take("keep");
  std::filesystem::remove(bench.repository() + "/refs/checkpoints/keep/00000001");
  bench.options.repository_bytes_max = 1'000'000;
  bench.root.put("third", noise(300'000, 3));
  bench.take("keep");
  const auto list = bench.open()->list("keep").value();
  REQUIRE(list.size() == 2);
  CHECK(list.front().id == second.checkpoint.id);
  CHECK(bytes_in(bench.repository() + "/objects") < 1'000'000);
}

TEST_CASE("a workspace costs no descriptor while nothing is done with it") {
  const Workbench bench;
  bench.root.put("a", "one");
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  bench.take();
  const auto before = descriptors();
  std::vector<std::unique_ptr<Checkpoints>> opened;
  for (int i = 0; i < 50; ++i) {
    opened.push_back(bench.open());
    REQUIRE(opened.back()->take({"task_1", 1, ""}, {}));
  }
  CHECK(descriptors() == before);
}

TEST_CASE("a directory with the checkpoints of another workspace is refused") {
  const Workbench bench;
  bench.root.put("a", "one");
  bench.take();
  std::ofstream(bench.repository() + "/root", std::ios::trunc) << "/somewhere/else";
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::conflict);
  CHECK(code(bench.open()->list("t")) == ErrorCode::conflict);
}

TEST_CASE("who waits too long for another engine is told so") {
  Workbench bench;
  bench.root.put("a", "one");
  bench.take();
  const int lock = ::open((bench.repository() + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  bench.options.lock_wait_max = std::chrono::milliseconds(30);
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::busy);
  const CancelToken cancel;
  cancel.cancel();
  bench.options.lock_wait_max = std::chrono::milliseconds(60'000);
  CHECK(code(bench.open()->take({"t", 0, ""}, cancel)) == ErrorCode::cancelled);
  ::close(lock);
  CHECK(bench.open()->take({"t", 0, ""}, {}).has_value());
}

TEST_CASE("two processes on one workspace do not harm each other") {
  const Workbench bench;
  for (int i = 0; i < 100; ++i) bench.root.put("d" + std::to_string(i % 7) + "/f" + std::to_string(i), std::to_string(i));
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      CheckpointOptions options = bench.options;
      options.per_task_max = 5;
      const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), options);
      bool fine = checkpoints.has_value();
      for (int i = 0; fine && i < 25; ++i) {
        std::ofstream(bench.root / ("c" + std::to_string(c))) << i;
        const auto taken = (*checkpoints)->take({"task_" + std::to_string(c), 0, ""}, {});
        fine = taken.has_value();
        if (i % 5 == 4) fine = fine && (*checkpoints)->restore(taken->checkpoint.id, {"task_" + std::to_string(c), 0, ""}, {});
        if (i % 9 == 8) fine = fine && (*checkpoints)->drop("task_" + std::to_string(c));
      }
      ::_exit(fine ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  bench.take();
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
}

TEST_CASE("a process killed while it takes or restores leaves checkpoints that are whole and a workspace that can be") {
  Workbench bench;
  bench.options.per_task_max = 6;
  for (int i = 0; i < 60; ++i) bench.root.put("d" + std::to_string(i % 7) + "/f" + std::to_string(i), std::to_string(i));
  const Tree original = tree_of(bench.root.path());
  const auto first = bench.take("first");
  Random random(7);
  int interrupted = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const auto checkpoints = open_git_checkpoints(bench.kept.path(), bench.root.path(), bench.options);
      for (int i = 0; checkpoints; ++i) {
        for (int f = 0; f < 60; f += 3) {
          std::ofstream(bench.root / ("d" + std::to_string(f % 7) + "/f" + std::to_string(f))) << round << " " << i;
        }
        static_cast<void>((*checkpoints)->take({"work", 0, ""}, {}));
        static_cast<void>((*checkpoints)->restore(first.checkpoint.id, {"work", 0, ""}, {}));
      }
      ::_exit(1);
    }
    ::usleep(static_cast<useconds_t>(3'000 + random.below(60'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    interrupted += WIFSIGNALED(status) ? 1 : 0;

    const auto checkpoints = bench.open();
    const auto list = checkpoints->list("work");
    REQUIRE(list);
    if (!list->empty()) {
      const auto restored = checkpoints->restore(list->back().id, {"check", 0, ""}, {});
      if (!restored) FAIL(restored.error().message);
      REQUIRE(restored->left_count == 0);
    }
    const auto back = checkpoints->restore(first.checkpoint.id, {"check", 0, ""}, {});
    if (!back) FAIL(back.error().message);
    REQUIRE(back->left_count == 0);
    REQUIRE(tree_of(bench.root.path()) == original);
    if (round % 8 == 0) REQUIRE(git(bench.repository(), "fsck --full --strict") == 0);
  }
  CHECK(interrupted == 40);
  // Nothing is left of packs that were never finished.
  bench.root.put("last", "x");
  bench.take("first");
  for (const auto& each : std::filesystem::directory_iterator(bench.repository() + "/objects/pack")) {
    CHECK(each.path().filename().string().starts_with("pack-"));
  }
}

TEST_CASE("after a loss of power damaged packs are found, their checkpoints refused, and new ones are whole") {
  const Workbench bench;
  bench.root.put("a", noise(5'000, 1));
  const auto first = bench.take();
  bench.root.put("b", noise(5'000, 2));
  bench.take();
  const auto packs = [&] {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(bench.repository() + "/objects/pack")) {
      if (each.path().extension() == ".pack") names.push_back(each.path().string());
    }
    return names;
  };
  REQUIRE(packs().size() == 2);
  // As if what was written last had not reached the disk, and the machine had been started again.
  for (const std::string& pack : packs()) REQUIRE(::truncate(pack.c_str(), 0) == 0);
  std::ofstream(bench.repository() + "/boot", std::ios::trunc) << "another";
  std::ofstream(bench.repository() + "/refs/checkpoints/task_1/00000003", std::ios::trunc) << "";

  CHECK(bench.open()->list("task_1").value().empty());
  CHECK_FALSE(bench.open()->restore(first.checkpoint.id, {"task_1", 0, ""}, {}).has_value());
  const Tree now = tree_of(bench.root.path());
  const auto taken = bench.take();
  CHECK_FALSE(taken.unchanged);
  bench.root.put("a", "changed");
  bench.remove("b");
  bench.restore(taken.checkpoint.id);
  CHECK(tree_of(bench.root.path()) == now);
  REQUIRE(bench.open()->drop("task_1"));
  CHECK(bench.kept.count("") == 0);
}

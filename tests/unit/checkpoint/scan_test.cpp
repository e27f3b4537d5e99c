#include "checkpoint/scan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "workbench.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// Lets times pass the step of the clock, so that stamps hold.
void settle() { ::usleep(60'000); }

}  // namespace

TEST_CASE("every change is seen with a warm cache: content, size kept, times set back, modes, names, types") {
  const Workbench bench;
  for (int i = 0; i < 40; ++i) bench.root.put("d" + std::to_string(i % 8) + "/s/f" + std::to_string(i), "content");
  bench.root.link("d0/s/f0", "link");
  settle();
  bench.take();
  CHECK(bench.take().unchanged);
  const auto changes_seen = [&](std::size_t count) {
    const auto taken = bench.take();
    CHECK_FALSE(taken.unchanged);
    CHECK(taken.checkpoint.changed == count);
    settle();
    CHECK(bench.take().unchanged);
  };
  bench.root.put("d1/s/f1", "CONTENT");
  changes_seen(1);
  const std::string touched = bench.root / "d2/s/f2";
  struct stat status = {};
  REQUIRE(::stat(touched.c_str(), &status) == 0);
  bench.root.put("d2/s/f2", "CONTENT");
  const timespec times[2] = {status.st_atim, status.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, touched.c_str(), times, 0) == 0);
  changes_seen(1);
  bench.mode("d3/s/f3", 0600);
  changes_seen(1);
  bench.mode("d3/s", 0700);
  changes_seen(1);
  bench.root.put("d4/s/new", "n");
  bench.remove("d5/s/f5");
  changes_seen(2);
  std::filesystem::rename(bench.root / "d6", bench.root / "d9");
  changes_seen(10);  // five files here, five there
  bench.remove("link");
  bench.root.link("d0/s/f8", "link");
  changes_seen(1);
  bench.remove("d7/s");
  bench.root.put("d7/s", "a file now");
  changes_seen(6);
  bench.root.make("d0/empty");
  changes_seen(1);
  // A time that was touched and nothing else.
  REQUIRE(::utimensat(AT_FDCWD, (bench.root / "d0/s/f0").c_str(), nullptr, 0) == 0);
  CHECK(bench.take().unchanged);
}

TEST_CASE("changes of equal size within a step of the clock are seen") {
  const Workbench bench;
  for (int i = 0; i < 60; ++i) {
    const std::string text = std::to_string(1'000 + i);
    // Written in place, at once.
    std::ofstream(bench.root / "file") << text;
    const auto taken = bench.take();
    REQUIRE(taken.unchanged == false);
    REQUIRE(git(bench.repository(), "show " + taken.checkpoint.id + ":file | grep -qx " + text) == 0);
    if (i == 20) settle();
  }
}

TEST_CASE("rules of .gitignore files are followed as they change, with a warm cache") {
  const Workbench bench;
  bench.root.put("a/x.o", "o");
  bench.root.put("a/x.c", "c");
  bench.root.put("a/b/y.o", "o");
  bench.root.put("log/l", "l");
  settle();
  bench.take();
  settle();
  const auto removed = [&] { return bench.take().checkpoint.changed; };
  bench.root.put(".gitignore", "*.o\n");
  CHECK(removed() == 3);  // .gitignore, and two that are not in it any more
  settle();
  bench.root.put("a/b/.gitignore", "!y.o\n");
  CHECK(removed() == 2);
  settle();
  bench.root.put("a/x.o", "changed, but ignored");
  CHECK(bench.take().unchanged);
  bench.root.put("a/new.o", "ignored");
  bench.root.put("a/b/y.o", "changed");
  CHECK(removed() == 1);
  bench.root.put(".gitignore", "*.o\n/log/\n");
  CHECK(removed() == 2);
  bench.remove(".gitignore");
  CHECK(removed() == 4);  // it, a/x.o, a/new.o, log/l
}

TEST_CASE("names that are no ordinary ones are kept: .GIT, a long one, those that look like git's own") {
  const Workbench bench;
  for (const std::string& name : {std::string(".GIT"), std::string(".gitmodules"), std::string(".gitx"), std::string("git~1"),
                                  std::string(255, 'n'), std::string("a\\b"), std::string("CON"), std::string(" "),
                                  std::string("-rf"), std::string("*"), std::string("\x01")}) {
    bench.root.put(name + "/" + name, name);
  }
  const Tree before = tree_of(bench.root.path());
  const auto taken = bench.take();
  for (const auto& each : std::filesystem::directory_iterator(bench.root.path())) std::filesystem::remove_all(each);
  bench.restore(taken.checkpoint.id);
  CHECK(tree_of(bench.root.path()) == before);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool frames_are_large = true;  // too large for a level each on a stack of 8 MB
#else
constexpr bool frames_are_large = false;
#endif

TEST_CASE("a tree as deep as paths can be is kept, and what is deeper is reported" * doctest::skip(frames_are_large)) {
  const Workbench bench;
  int directory = ::open(bench.root.path().c_str(), O_PATH | O_DIRECTORY);
  for (int i = 0; i < 1'500; ++i) {
    REQUIRE(::mkdirat(directory, "d", 0755) == 0);
    const int next = ::openat(directory, "d", O_PATH | O_DIRECTORY);
    ::close(directory);
    directory = next;
  }
  ::close(directory);
  const auto taken = bench.take();
  CHECK(taken.not_kept_count == 1);
  REQUIRE(taken.not_kept.size() == 1);
  CHECK(taken.not_kept[0].path.size() == 2 * shadow::depth_max + 1);
  settle();
  bench.take();
  CHECK(bench.take().unchanged);
  bench.root.put("d/d/new", "x");
  const auto restored = bench.restore(taken.checkpoint.id);
  CHECK(restored.left_count == 0);
  CHECK_FALSE(bench.root.exists("d/d/new"));
}

TEST_CASE("demand 19: a tree that is too large is refused, whole, with what to do") {
  Workbench bench;
  for (int i = 0; i < 300; ++i) bench.root.put("d" + std::to_string(i % 10) + "/f" + std::to_string(i), std::to_string(i));
  bench.options.entries_max = 200;
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::limit);
  bench.options.entries_max = 1'000;
  bench.options.time_max = std::chrono::milliseconds(0);
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::timeout);
  bench.options.time_max = std::chrono::milliseconds(60'000);
  bench.options.added_bytes_max = 300;
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::limit);
  bench.options.added_bytes_max = 1U << 20;
  bench.options.disk_free_min = 1ULL << 60;
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::limit);
  CHECK(bench.open()->list("t").value().empty());
  CHECK(std::filesystem::is_empty(bench.repository() + "/objects/pack"));
  bench.options.disk_free_min = 0;
  CHECK(bench.open()->take({"t", 0, ""}, {}).has_value());
  // A warm cache does not count less.
  bench.options.entries_max = 200;
  CHECK(code(bench.open()->take({"t", 0, ""}, {})) == ErrorCode::limit);
}

TEST_CASE("another limit for the size of files is followed at once") {
  Workbench bench;
  bench.root.put("file", std::string(500, 'a'));
  settle();
  CHECK(bench.take().not_kept_count == 0);
  bench.options.file_size_max = 100;
  CHECK(bench.take().not_kept_count == 1);
  bench.options.file_size_max = 1'000;
  CHECK(bench.take().not_kept_count == 0);
}

TEST_CASE("a damaged or foreign stat cache costs time, and nothing else") {
  const Workbench bench;
  for (int i = 0; i < 30; ++i) bench.root.put("d" + std::to_string(i % 5) + "/f" + std::to_string(i), std::to_string(i));
  settle();
  bench.take();
  const std::string path = bench.repository() + "/stat-cache";
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  REQUIRE(bytes.size() > 500);
  const auto with = [&](const std::string& damaged) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
    return bench.take().unchanged;
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{16}, std::size_t{32}, bytes.size() / 2, bytes.size() - 1}) {
    CAPTURE(size);
    CHECK(with(bytes.substr(0, size)));
  }
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    CAPTURE(at);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    CHECK(with(damaged));
  }
  CHECK(with(bytes + "more"));
}

TEST_CASE("many threads look at a large tree and see what one sees") {
  Workbench bench;
  for (int i = 0; i < 4'000; ++i) {
    bench.root.put("d" + std::to_string(i % 97) + "/e" + std::to_string(i % 7) + "/f" + std::to_string(i), std::to_string(i));
  }
  settle();
  bench.options.threads = 8;
  bench.take();
  bench.root.put("d3/e3/f3", "changed");
  bench.root.put("d50/new", "new");
  const auto many = bench.take("many");
  CHECK(bench.take("many").unchanged);
  bench.options.threads = 1;
  CHECK(bench.take("many").unchanged);
  std::filesystem::remove(bench.repository() + "/stat-cache");
  CHECK(bench.take("many").unchanged);
  CHECK(many.checkpoint.changed > 4'000);
}

TEST_CASE("files that change, come and go during the walk do no harm") {
  const Workbench bench;
  for (int i = 0; i < 200; ++i) bench.root.put("d" + std::to_string(i % 10) + "/f" + std::to_string(i), std::to_string(i));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string path = bench.root / ("d" + std::to_string(i % 10));
      std::ofstream(path + "/f" + std::to_string(i % 200)) << std::string(static_cast<std::size_t>(i % 50) * 100, 'x');
      std::error_code error;
      std::filesystem::remove_all(path + "/sub", error);
      std::filesystem::create_directories(path + "/sub/deep", error);
      std::ofstream(path + "/sub/deep/file") << i;
      if (i % 3 == 0) std::filesystem::remove_all(path + "/sub", error);
      if (i % 7 == 0) std::filesystem::create_directory_symlink("/etc", path + "/sub", error);
    }
  });
  const auto checkpoints = bench.open();
  int bad = 0;
  std::string last;
  for (int i = 0; i < 30; ++i) {
    const auto taken = checkpoints->take({"task", 0, ""}, {});
    if (!taken) {
      ++bad;
      continue;
    }
    last = taken->checkpoint.id;
    if (i % 10 == 5 && !checkpoints->restore(last, {"task", 0, ""}, {})) ++bad;
  }
  stop = true;
  writer.join();
  CHECK(bad == 0);
  // When it is quiet again, all is seen.
  const Tree now = tree_of(bench.root.path());
  const auto quiet = bench.take("task");
  bench.restore(last, "task");
  bench.restore(quiet.checkpoint.id, "task");
  CHECK(tree_of(bench.root.path()) == now);
  CHECK(git(bench.repository(), "fsck --full --strict") == 0);
}

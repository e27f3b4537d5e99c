#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "../../support/random.hpp"
#include "workbench.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// Changes a workspace at random, from few names, so that files, links and directories take each other's places.
class Vandal {
 public:
  Vandal(const Workbench& bench, Random random) : bench_(bench), random_(random) {}

  void act() {
    const std::string path = any_path();
    std::error_code error;
    switch (random_.below(9)) {
      case 0:
      case 1:
      case 2: write(path); break;
      case 3: std::filesystem::remove_all(path, error); break;
      case 4:
        std::filesystem::create_directories(path, error);
        break;
      case 5:
        std::filesystem::remove_all(path, error);
        std::filesystem::create_symlink(random_.chance(0.5) ? "a" : "/nowhere/outside", path, error);
        break;
      case 6:
        if (const auto status = std::filesystem::symlink_status(path, error); !std::filesystem::is_symlink(status)) {
          static constexpr mode_t modes[] = {0644, 0755, 0600, 0444, 0700, 0775, 01777};
          static_cast<void>(::chmod(path.c_str(), modes[random_.below(7)] | 0400));
        }
        break;
      case 7: std::filesystem::rename(path, any_path(), error); break;
      case 8: {  // the same size, at once: only the clock tells it from the version before
        if (leads_out(path)) break;
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        if (file) file.put(static_cast<char>('a' + random_.below(26)));
        break;
      }
      default: break;
    }
  }

 private:
  std::string any_path() {
    static const std::vector<std::string> names = {"a", "b", "a.x", "a-x", "c", "d\n", "\xff", "z"};
    std::string path = bench_.root.path();
    for (std::size_t depth = 1 + random_.below(4); depth > 0; --depth) path += "/" + random_.pick(names);
    return path;
  }

  // A test must not change what is not its own, whatever links it has made.
  bool leads_out(const std::string& path) const {
    std::error_code error;
    return !std::filesystem::weakly_canonical(path, error).string().starts_with(bench_.root.path());
  }

  void write(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    // Not through links: they lead out.
    if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) std::filesystem::remove(path, error);
    if (leads_out(path)) return;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << std::string(random_.below(3) * 50, static_cast<char>('a' + random_.below(26)));
  }

  const Workbench& bench_;
  Random random_;
};

}  // namespace

TEST_CASE("defect 39: any earlier checkpoint of any tree is restored byte for byte, and every restore can be undone") {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Workbench bench;
    Vandal vandal(bench, random.split());
    const auto checkpoints = bench.open();
    std::vector<std::pair<std::string, Tree>> taken;
    for (int step = 0; step < 16; ++step) {
      CAPTURE(step);
      for (std::size_t changes = random.below(12); changes > 0; --changes) vandal.act();
      const Tree now = tree_of(bench.root.path());
      if (taken.empty() || random.chance(0.6)) {
        const auto checkpoint = checkpoints->take({"task", 0, ""}, {});
        REQUIRE(checkpoint);
        REQUIRE(checkpoint->not_kept_count == 0);
        taken.emplace_back(checkpoint->checkpoint.id, now);
        REQUIRE(tree_of(bench.root.path()) == now);
      } else {
        const auto& [id, then] = random.pick(taken);
        const auto restored = checkpoints->restore(id, {"task", 0, ""}, {});
        if (!restored) FAIL(restored.error().message);
        REQUIRE(restored->left_count == 0);
        REQUIRE(tree_of(bench.root.path()) == then);
        REQUIRE(checkpoints->diff(id, "", {}, {}).value().files_count == 0);
        if (random.chance(0.5)) {
          REQUIRE(checkpoints->restore(restored->before, {"task", 0, ""}, {}));
          REQUIRE(tree_of(bench.root.path()) == now);
        }
      }
    }
    CHECK(git(bench.repository(), "fsck --full --strict") == 0);
  }
}

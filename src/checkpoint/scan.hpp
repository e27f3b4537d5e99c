// Looking at a workspace: its files as a tree of objects, at the cost of a stat for each file that did not change.
//
// In two steps. First all that the stat cache knows is compared with the disk, on several threads: a directory is clean
// when its own stamp, which covers the names in it, and those of all its files are what they were. Then the tree is
// built: a subtree with nothing but clean directories is taken over whole, one that is not is listed and its changed
// files are read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/objects.hpp"
#include "checkpoint/stat_cache.hpp"

namespace joey::shadow {

struct ScanOptions {
  std::uint64_t file_size_max{0};
  std::size_t entries_max{0};
  std::chrono::milliseconds time_max{0};
  std::size_t threads{1};
  std::optional<Id> also;     // a tree whose paths are kept even where they are ignored now
  std::uint64_t cache_key{0};  // as StatCache::load() takes it
  struct stat repository{};   // where checkpoints are kept: never looked into, should the tree lead there
};

struct Scan {
  Id tree;
  std::size_t files{0};    // and symlinks that the tree holds
  std::vector<NotKept> not_kept;  // the first not_kept_max
  std::size_t not_kept_count{0};
  std::string cache;       // to be the next stat cache; empty when it would save little
};

constexpr std::size_t not_kept_max = 100;
constexpr std::size_t depth_max = 1'000;  // directories below the root; deeper ones are not kept

// What a restore that was killed left behind. Whoever holds the repository's lock may remove it.
constexpr std::string_view leftover_prefix = ".joey-restore-";

// What is known of a file that is not kept, as the id of its entry.
[[nodiscard]] Id not_kept_id(NotKept::Reason reason, const struct stat& status);
[[nodiscard]] NotKept not_kept_of(const std::string& path, const Id& id);

// Adds the objects of what is beneath `root`; the caller commits them, then may write the cache.
[[nodiscard]] Result<Scan> scan(const Root& root, Objects& objects, const StatCache& cache, const ScanOptions& options,
                                const CancelToken& cancel);

}  // namespace joey::shadow

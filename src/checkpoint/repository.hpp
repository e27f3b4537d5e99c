// The repository a workspace's checkpoints are in, as a directory: its lock, its list of checkpoints, its size.
//
//   HEAD, config           make it a bare repository of git, for a person who looks
//   root                   the workspace it belongs to
//   lock                   locked by whoever works here
//   objects/pack/          everything that is kept
//   refs/checkpoints/TASK/NUMBER   one checkpoint each: the name of its commit
//   stat-cache             see stat_cache.hpp
//   boot                   of the machine, at the last use
//   new                    what is being written to replace one of these
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/objects.hpp"
#include "checkpoint/stat_cache.hpp"

namespace joey::shadow {

// A checkpoint as its commit says. Commits have no parents: what is dropped takes nothing with it.
struct Snapshot {
  Checkpoint checkpoint;
  std::uint64_t number{0};  // in its task: 1, 2, 3 ...
  Id tree;
};

struct RepositoryLimits {
  std::size_t per_task_max{0};
  std::uint64_t bytes_max{0};
  Budget budget;
};

// Open while its lock is held.
class Repository {
 public:
  // Waits for the lock; makes the repository when `create`. Empty when there is none to open. `busy`, `cancelled`;
  // `conflict` when the directory belongs to another workspace.
  [[nodiscard]] static Result<std::unique_ptr<Repository>> open(const std::string& directory, const std::string& root,
                                                                bool create, const RepositoryLimits& limits,
                                                                std::uint64_t cache_key,
                                                                std::chrono::milliseconds lock_wait_max,
                                                                const CancelToken& cancel);

  [[nodiscard]] Objects& objects() { return *objects_; }
  [[nodiscard]] const struct stat& status() const { return status_; }  // of its directory
  [[nodiscard]] std::string cache_path() const { return directory_ + "/stat-cache"; }
  // Saves time the next time, so a failure is none.
  void write_cache(std::string_view bytes) const;

  // Makes `snapshot` the newest of its task: its number and id are filled in. Commits the objects first.
  [[nodiscard]] Status add(Snapshot& snapshot);

  // Oldest first. Those that a loss of power damaged are left out.
  [[nodiscard]] Result<std::vector<Snapshot>> list(const std::string& task) const;
  [[nodiscard]] Result<std::optional<Snapshot>> newest(const std::string& task) const;
  // `not_found` when there is no such checkpoint, or no more.
  [[nodiscard]] Result<Snapshot> find(const std::string& id) const;

  // Drops what the limits do not allow, frees its space, and joins small packs. `kept` is never dropped.
  [[nodiscard]] Status tidy(const std::string& task, const std::vector<Id>& kept);
  // With the last task the whole directory is removed, and this is of no use any more.
  [[nodiscard]] Status drop(const std::string& task);

 private:
  Repository() = default;
  [[nodiscard]] Status lock(const std::string& root, bool create, std::chrono::milliseconds wait_max,
                            const CancelToken& cancel);
  [[nodiscard]] Status replace(const std::string& path, std::string_view bytes) const;
  [[nodiscard]] Status create_files(const std::string& root) const;
  [[nodiscard]] Status check_after_boot() const;
  [[nodiscard]] std::string refs() const { return directory_ + "/refs/checkpoints"; }
  [[nodiscard]] std::string ref(const std::string& task, std::uint64_t number) const;
  [[nodiscard]] Result<std::vector<std::uint64_t>> numbers(const std::string& task) const;
  // `corrupt` when the file names no commit, as after a loss of power.
  [[nodiscard]] Result<Id> read_ref(const std::string& task, std::uint64_t number) const;
  [[nodiscard]] Result<Snapshot> read(const Id& id) const;
  [[nodiscard]] Result<std::vector<Snapshot>> all() const;
  [[nodiscard]] Result<bool> drop_excess(const std::string& task, const std::vector<Id>& kept);
  [[nodiscard]] Result<bool> drop_oldest(const std::vector<Id>& kept);
  [[nodiscard]] Result<IdSet> needed(const IdSet& stored) const;
  // What to do about objects that no checkpoint needs: nothing, write packs anew that are mostly of these, or all that
  // have any.
  enum class Unneeded : std::uint8_t { kept, dropped_where_most, dropped };
  [[nodiscard]] Status compact(Unneeded unneeded);
  [[nodiscard]] Status open_objects();

  std::string directory_;
  RepositoryLimits limits_;
  std::uint64_t cache_key_{0};
  Handle lock_;
  struct stat status_ {};
  std::optional<Objects> objects_;
};

// `invalid_argument` unless `task` can be a part of a reference's name.
[[nodiscard]] Status check_task(const std::string& task);

}  // namespace joey::shadow

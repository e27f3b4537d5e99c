#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/compare.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/repository.hpp"
#include "checkpoint/restore.hpp"
#include "checkpoint/scan.hpp"

namespace joey {
namespace {

using namespace shadow;

constexpr std::size_t threads_max = 4;
constexpr std::uint64_t file_size_bound = 1ULL << 30;  // of what fits into a pack with others

// `path` is `directory` or beneath it.
bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

// Of the user this process runs as; empty when unknown.
std::string home_directory() {
  std::string buffer(16'384, '\0');
  struct passwd user = {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &user, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  const Result<Root> home = Root::open(user.pw_dir);
  return home ? home->path() : std::string();
}

Status check_root(const std::string& root) {
  const auto refused = [&root](const char* what) {
    return failure(ErrorCode::denied, fmt::format("{} is {}: checkpoints are for a project's directory; open one further "
                                                  "down, or switch them off",
                                                  quoted_path(root), what));
  };
  if (root == "/") return refused("the root of the file system");
  for (const char* system : {"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found",
                             "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr",
                             "/var", "/var/lib", "/var/tmp", "/usr/lib", "/usr/local", "/usr/share"}) {
    if (root == system) return refused("a directory of the system");
  }
  for (const char* system : {"/proc", "/sys", "/dev"}) {
    if (is_within(root, system) && !is_within(root, "/dev/shm")) return refused("a directory of the system");
  }
  const std::string home = home_directory();
  if (home.size() < 2) return {};
  if (is_within(home, root)) return refused(home == root ? "the home directory" : "above the home directory");
  for (const char* name : {"Desktop", "Documents", "Downloads"}) {
    if (root == home + "/" + name) return refused("a directory of many things");
  }
  return {};
}

Timestamp now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

class GitCheckpoints final : public Checkpoints {
 public:
  GitCheckpoints(std::string root, std::string directory, CheckpointOptions options)
      : root_(std::move(root)), directory_(std::move(directory)), options_(options) {
    options_.file_size_max = std::min(options_.file_size_max, file_size_bound);
    options_.per_task_max = std::max<std::size_t>(options_.per_task_max, 1);
    if (options_.threads == 0) options_.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, threads_max);
  }

  Result<TakenCheckpoint> take(const CheckpointRequest& request, const CancelToken& cancel) override {
    if (Status status = check_task(request.task); !status) return tl::unexpected(std::move(status.error()));
    const Result<Root> root = open_root();
    if (!root) return tl::unexpected(root.error());
    Result<std::unique_ptr<Repository>> repository = open(true, cancel);
    if (!repository) return tl::unexpected(std::move(repository.error()));
    Id tree;
    Result<TakenCheckpoint> taken = take(*root, **repository, request, std::nullopt, tree, cancel);
    if (!taken) return taken;
    // The checkpoint is there; that old ones could not be cleared away is no reason to say otherwise.
    if (!taken->unchanged) static_cast<void>((*repository)->tidy(request.task, kept({taken->checkpoint.id})));
    return taken;
  }

  Result<std::vector<Checkpoint>> list(const std::string& task) override {
    if (Status status = check_task(task); !status) return tl::unexpected(std::move(status.error()));
    Result<std::unique_ptr<Repository>> repository = open(false, {});
    if (!repository) return tl::unexpected(std::move(repository.error()));
    std::vector<Checkpoint> checkpoints;
    if (!*repository) return checkpoints;
    Result<std::vector<Snapshot>> snapshots = (*repository)->list(task);
    if (!snapshots) return tl::unexpected(std::move(snapshots.error()));
    for (Snapshot& snapshot : *snapshots) checkpoints.push_back(std::move(snapshot.checkpoint));
    return checkpoints;
  }

  Result<CheckpointDiff> diff(const std::string& from, const std::string& to, const CheckpointDiffLimits& limits,
                              const CancelToken& cancel) override {
    Result<std::unique_ptr<Repository>> repository = open_existing(from, cancel);
    if (!repository) return tl::unexpected(std::move(repository.error()));
    const Result<Snapshot> before = (*repository)->find(from);
    if (!before) return tl::unexpected(before.error());
    Id after;
    if (to.empty()) {
      const Result<Root> root = open_root();
      if (!root) return tl::unexpected(root.error());
      Result<Scan> present = look(*root, **repository, before->tree, cancel);
      if (!present) return tl::unexpected(std::move(present.error()));
      if (Status status = commit(**repository, *present); !status) return tl::unexpected(std::move(status.error()));
      after = present->tree;
    } else {
      const Result<Snapshot> snapshot = (*repository)->find(to);
      if (!snapshot) return tl::unexpected(snapshot.error());
      after = snapshot->tree;
    }
    return describe((*repository)->objects(), before->tree, after, limits, cancel);
  }

  Result<RestoredCheckpoint> restore(const std::string& id, const CheckpointRequest& before,
                                     const CancelToken& cancel) override {
    if (Status status = check_task(before.task); !status) return tl::unexpected(std::move(status.error()));
    Result<std::unique_ptr<Repository>> repository = open_existing(id, cancel);
    if (!repository) return tl::unexpected(std::move(repository.error()));
    const Result<Snapshot> wanted = (*repository)->find(id);
    if (!wanted) return tl::unexpected(wanted.error());
    const Result<Root> root = open_root();
    if (!root) return tl::unexpected(root.error());
    Id present;
    const Result<TakenCheckpoint> taken = take(*root, **repository, before, wanted->tree, present, cancel);
    if (!taken) return tl::unexpected(taken.error());
    RestoredCheckpoint result;
    result.before = taken->checkpoint.id;
    Status restored = restore_tree(*root, (*repository)->objects(), present, wanted->tree, result, cancel);
    if (!restored) return tl::unexpected(std::move(restored.error()));
    static_cast<void>((*repository)->tidy(before.task, kept({id, result.before})));
    return result;
  }

  Status drop(const std::string& task) override {
    if (Status status = check_task(task); !status) return status;
    Result<std::unique_ptr<Repository>> repository = open(false, {});
    if (!repository) return tl::unexpected(std::move(repository.error()));
    return *repository ? (*repository)->drop(task) : Status();
  }

 private:
  // Anew for each call: thousands of sessions would each hold a descriptor.
  Result<Root> open_root() const {
    Result<Root> root = Root::open(root_);
    if (root && root->path() != root_) {
      return failure(ErrorCode::conflict, fmt::format("workspace root {}: leads to {} now: open a new session for that",
                                                      quoted_path(root_), quoted_path(root->path())));
    }
    return root;
  }

  std::uint64_t cache_key() const { return current_boot() ^ options_.file_size_max; }

  Result<std::unique_ptr<Repository>> open(bool create, const CancelToken& cancel) {
    start_libgit2();
    const RepositoryLimits limits{options_.per_task_max, options_.repository_bytes_max,
                                  {options_.added_bytes_max, options_.disk_free_min}};
    return Repository::open(directory_, root_, create, limits, cache_key(), options_.lock_wait_max, cancel);
  }

  Result<std::unique_ptr<Repository>> open_existing(const std::string& id, const CancelToken& cancel) {
    Result<std::unique_ptr<Repository>> repository = open(false, cancel);
    if (repository && !*repository) {
      return failure(ErrorCode::not_found, fmt::format("checkpoint {}: this workspace has none", quoted_path(id)));
    }
    return repository;
  }

  // Looks at the workspace. What it finds is in the repository after commit(), with no checkpoint naming it.
  Result<Scan> look(const Root& root, Repository& repository, const std::optional<Id>& also, const CancelToken& cancel) {
    ScanOptions options;
    options.file_size_max = options_.file_size_max;
    options.entries_max = options_.entries_max;
    options.time_max = options_.time_max;
    options.threads = options_.threads;
    options.also = also;
    options.cache_key = cache_key();
    options.repository = repository.status();
    const StatCache cache = StatCache::load(repository.cache_path(), options.cache_key);
    return scan(root, repository.objects(), cache, options, cancel);
  }

  // The cache comes last: it must name nothing that is not there.
  static Status commit(Repository& repository, const Scan& present) {
    if (Status status = repository.objects().commit(); !status) return status;
    if (!present.cache.empty()) repository.write_cache(present.cache);
    return {};
  }

  Result<TakenCheckpoint> take(const Root& root, Repository& repository, const CheckpointRequest& request,
                               const std::optional<Id>& also, Id& tree, const CancelToken& cancel) {
    Result<Scan> present = look(root, repository, also, cancel);
    if (!present) return tl::unexpected(std::move(present.error()));
    tree = present->tree;
    TakenCheckpoint taken;
    taken.not_kept = std::move(present->not_kept);
    taken.not_kept_count = present->not_kept_count;

    Result<std::optional<Snapshot>> last = repository.newest(request.task);
    if (!last) return tl::unexpected(std::move(last.error()));
    if (*last && (**last).tree == tree) {
      if (Status status = commit(repository, *present); !status) return tl::unexpected(std::move(status.error()));
      taken.checkpoint = std::move((**last).checkpoint);
      taken.unchanged = true;
      return taken;
    }
    Snapshot snapshot;
    snapshot.tree = tree;
    snapshot.checkpoint.task = request.task;
    snapshot.checkpoint.seq = request.seq;
    snapshot.checkpoint.label = request.label;
    snapshot.checkpoint.created_at = now_ms();
    snapshot.checkpoint.changed = present->files;
    if (*last) {
      std::size_t changed = 0;
      const UniqueFunction<Descend(const Difference&)> count = [&changed](const Difference& difference) {
        changed += is_change(difference) ? 1U : 0U;
        return Descend::into;
      };
      // Of a damaged one there is no telling: then as if it were the first.
      if (compare(repository.objects(), (**last).tree, tree, count, cancel)) snapshot.checkpoint.changed = changed;
    }
    if (Status status = repository.add(snapshot); !status) return tl::unexpected(std::move(status.error()));
    if (Status status = commit(repository, *present); !status) return tl::unexpected(std::move(status.error()));
    taken.checkpoint = std::move(snapshot.checkpoint);
    return taken;
  }

  static std::vector<Id> kept(std::initializer_list<std::string> ids) {
    std::vector<Id> parsed;
    for (const std::string& id : ids) {
      Id each;
      if (Id::parse(id, each)) parsed.push_back(each);
    }
    return parsed;
  }

  std::string root_;       // canonical
  std::string directory_;  // of the repository
  CheckpointOptions options_;
};

}  // namespace

Result<std::unique_ptr<Checkpoints>> open_git_checkpoints(const std::string& directory, const std::string& root,
                                                          CheckpointOptions options) {
  Result<Root> opened = Root::open(root);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  if (Status status = check_root(opened->path()); !status) return tl::unexpected(std::move(status.error()));
  if (directory.empty()) {
    return failure(ErrorCode::invalid_argument, "the directory for checkpoints is empty: name one outside the workspace");
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return tl::unexpected(system_error(errno, directory));
  const Result<Root> place = Root::open(directory);
  if (!place) return tl::unexpected(place.error());
  if (is_within(place->path(), opened->path()) || is_within(opened->path(), place->path())) {
    return failure(ErrorCode::denied,
                   fmt::format("the directory for checkpoints {} and the workspace {} must not be inside each other",
                               quoted_path(place->path()), quoted_path(opened->path())));
  }
  std::string own = place->path() + "/" + digest(opened->path()).substr(0, 32);
  return std::unique_ptr<Checkpoints>(new GitCheckpoints(opened->path(), std::move(own), options));
}

}  // namespace joey

#include "checkpoint/restore.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "base/text.hpp"
#include "checkpoint/compare.hpp"
#include "checkpoint/rules.hpp"
#include "checkpoint/scan.hpp"
#include "checkpoint/tree_paths.hpp"

namespace joey::shadow {
namespace {

constexpr std::size_t left_max = 100;
constexpr std::uint32_t permission_bits = 07777;

// What the .gitignore files of a tree say of paths that are not in it.
class TreeRules {
 public:
  TreeRules(const Objects& objects, const Id& tree) : objects_(objects), paths_(objects, tree) {}

  bool ignores(std::string_view path, bool is_dir) {
    const Judged& above = in(directory_of(path));
    return above.ignored || Rules::ignores(above.rules.get(), path, is_dir);
  }

 private:
  struct Judged {
    std::shared_ptr<const Rules> rules;
    bool ignored{false};  // the directory, and so all in it
  };

  const Judged& in(std::string_view directory) {
    if (const auto known = known_.find(directory); known != known_.end()) return known->second;
    Judged judged;
    if (!directory.empty()) {
      const Judged& above = in(directory_of(directory));
      judged.rules = above.rules;
      judged.ignored = above.ignored || Rules::ignores(above.rules.get(), directory, true);
    }
    const TreeEntry* file = paths_.find(join(directory, ignore_file_name));
    if (file != nullptr && is_file(file->mode)) {
      judged.rules = std::make_shared<const Rules>(std::move(judged.rules), directory, file->id, [this, id = file->id] {
        Result<std::string> text = objects_.read(ObjectType::blob, id);
        return text && text->size() <= ignore_file_max ? std::move(*text) : std::string();
      });
    }
    return known_.emplace(std::string(directory), std::move(judged)).first->second;
  }

  const Objects& objects_;
  TreePaths paths_;
  std::map<std::string, Judged, std::less<>> known_;
};

// New files until they are moved to their places.
class Staging {
 public:
  explicit Staging(const Root& root) : root_(root) {}
  ~Staging() {
    if (!directory_) return;
    std::vector<ListedName> names;
    static_cast<void>(list_names(directory_.get(), std::numeric_limits<std::size_t>::max(), names));
    for (const ListedName& each : names) ::unlinkat(directory_.get(), each.name.c_str(), 0);
    ::unlinkat(root_.fd(), name_.c_str(), AT_REMOVEDIR);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  [[nodiscard]] int directory() const { return directory_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] Status create() {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return failed(errno);
    name_ = fmt::format("{}{:016x}", leftover_prefix, random);
    if (::mkdirat(root_.fd(), name_.c_str(), 0700) != 0) return failed(errno);
    directory_ = root_.open_at(name_, O_RDONLY | O_DIRECTORY);
    return directory_ ? Status() : failed(errno);
  }

  [[nodiscard]] Status put(const std::string& name, const TreeEntry& entry, const std::string& bytes) {
    if (is_symlink(entry.mode)) {
      return ::symlinkat(bytes.c_str(), directory_.get(), name.c_str()) == 0 ? Status() : failed(errno);
    }
    const Handle file(
        ::openat(directory_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    int error = file ? write_all(file.get(), bytes) : errno;
    if (error == 0 && ::fchmod(file.get(), entry.mode & permission_bits) != 0) error = errno;
    return error == 0 ? Status() : failed(error);
  }

 private:
  [[nodiscard]] tl::unexpected<Error> failed(int code) const {
    Error error = system_error(code, root_.path());
    error.message += "; nothing was changed";
    return tl::unexpected(std::move(error));
  }

  const Root& root_;
  std::string name_;
  Handle directory_;
};

class Restorer {
 public:
  Restorer(const Root& root, const Objects& objects, RestoredCheckpoint& result, const CancelToken& cancel)
      : root_(root), objects_(objects), result_(result), cancel_(cancel), staging_(root) {}

  Status run(const Id& present, const Id& wanted) {
    TreeRules rules(objects_, wanted);
    const UniqueFunction<Descend(const Difference&)> visit = [&](const Difference& difference) {
      return plan(difference, rules);
    };
    if (Status status = compare(objects_, present, wanted, visit, cancel_); !status) return status;
    if (Status status = stage(); !status) return status;

    for (auto removal = removals_.rbegin(); removal != removals_.rend(); ++removal) {
      if (removal->in_the_way) remove(*removal);
    }
    for (const Change& directory : directories_) make(directory);
    for (std::size_t i = 0; i < writes_.size(); ++i) write(writes_[i], std::to_string(i));
    for (auto removal = removals_.rbegin(); removal != removals_.rend(); ++removal) {
      if (!removal->in_the_way) remove(*removal);
    }
    for (const Change& change : modes_of_files_) set_mode(change);
    // Those further down first: without a mode they were given for this, those above may not let through any more.
    for (auto mode = modes_.rbegin(); mode != modes_.rend(); ++mode) set_directory_mode(mode->first, mode->second);
    return {};
  }

 private:
  struct Change {
    std::string path;
    TreeEntry before;
    TreeEntry after;
    bool in_the_way{false};  // of a removal: something else comes to its place
  };

  // --- What to do ---

  Descend plan(const Difference& difference, TreeRules& rules) {
    const std::uint32_t before = difference.before.mode;
    const std::uint32_t after = difference.after.mode;
    const bool in_the_way = is_below(difference.path, cleared_);
    Change change{difference.path, difference.before, difference.after, in_the_way};

    if (after == 0 && rules.ignores(difference.path, is_directory(before))) return Descend::over;
    if (is_not_kept(before) || is_not_kept(after)) {
      left(difference.path, is_not_kept(after) ? "was not kept in the checkpoint, so its content of then is not known"
                                               : "is not kept in checkpoints, so it is not replaced or removed");
      return Descend::over;
    }
    if (is_directory(before) && is_directory(after)) {
      modes_[difference.path] = after & permission_bits;
      ++result_.written;
      return Descend::into;
    }
    if (after == 0) {
      removals_.push_back(std::move(change));
    } else if (is_directory(after)) {
      if (before != 0) {
        change.in_the_way = true;
        removals_.push_back(change);
      }
      directories_.push_back(std::move(change));
    } else if (is_directory(before)) {
      cleared_ = difference.path;
      change.in_the_way = true;
      removals_.push_back(change);
      change.before = {};
      writes_.push_back(std::move(change));
    } else if (is_file(before) && is_file(after) && difference.before.id == difference.after.id) {
      modes_of_files_.push_back(std::move(change));
    } else {
      writes_.push_back(std::move(change));
    }
    return Descend::into;
  }

  static bool is_below(std::string_view path, std::string_view directory) {
    return !directory.empty() && path.size() > directory.size() && path.starts_with(directory) &&
           path[directory.size()] == '/';
  }

  Status stage() {
    if (writes_.empty()) return {};
    if (Status status = staging_.create(); !status) return status;
    for (std::size_t i = 0; i < writes_.size(); ++i) {
      if (cancel_.cancelled()) return failure(ErrorCode::cancelled, "the restore was cancelled; nothing was changed");
      const Result<std::string> bytes = objects_.read(ObjectType::blob, writes_[i].after.id);
      if (!bytes) return tl::unexpected(bytes.error());
      if (Status status = staging_.put(std::to_string(i), writes_[i].after, *bytes); !status) return status;
    }
    return {};
  }

  // --- Doing it. From here on what fails is left, and the rest is done. ---

  // Runs `act` on the directory of `path`; where its mode forbids that, with another mode for a while.
  template <class Act>
  int in_directory_of(const std::string& path, Act&& act) {
    const std::string parent(directory_of(path));
    const std::string name(name_of(path));
    const Handle directory = root_.open_at(parent, O_PATH | O_DIRECTORY);
    if (!directory) return errno;
    const int error = act(directory.get(), name);
    if (error != EACCES) return error;
    const Handle own = root_.open_at(parent, O_RDONLY | O_DIRECTORY);
    struct stat status = {};
    if (!own || ::fstat(own.get(), &status) != 0 || (status.st_mode & 0700) == 0700) return error;
    if (::fchmod(own.get(), (status.st_mode & permission_bits) | 0700) != 0) return error;
    modes_.emplace(parent, status.st_mode & permission_bits);
    return act(directory.get(), name);
  }

  void remove(const Change& change) {
    const int error = in_directory_of(change.path, [&](int directory, const std::string& name) {
      if (is_directory(change.before.mode)) return ::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
      if (const int changed = check_unchanged(directory, name, change.before); changed != 0) return changed;
      return ::unlinkat(directory, name.c_str(), 0) == 0 ? 0 : errno;
    });
    if (error == 0) {
      ++result_.removed;
    } else if (error != ENOENT) {
      left(change.path, error == EEXIST ? ENOTEMPTY : error);
    }
  }

  void make(const Change& change) {
    const int error = in_directory_of(change.path, [&](int directory, const std::string& name) {
      if (::mkdirat(directory, name.c_str(), 0700) == 0) return 0;
      const int code = errno;
      struct stat status = {};
      const bool is_one = code == EEXIST && ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISDIR(status.st_mode);
      return is_one ? 0 : code;
    });
    if (error != 0) return left(change.path, error);
    modes_[change.path] = change.after.mode & permission_bits;
    ++result_.written;
  }

  void write(const Change& change, const std::string& staged) {
    const int error = in_directory_of(change.path, [&](int directory, const std::string& name) {
      if (change.before.mode == 0) return move_new(staged, directory, name);
      struct stat old = {};
      if (const int changed = check_unchanged(directory, name, change.before); changed != 0) return changed;
      if (::fstatat(directory, name.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0) return errno;
      keep_owner(staged, old, change.after.mode);
      return move(staging_.directory(), staged, directory, name, 0);
    });
    if (error != 0) return left(change.path, error);
    ++result_.written;
  }

  // An owner other than ours is kept where we may (as root). To give a file away takes its set-id bits.
  void keep_owner(const std::string& staged, const struct stat& old, std::uint32_t mode) const {
    struct stat made = {};
    if (::fstatat(staging_.directory(), staged.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (made.st_uid == old.st_uid && made.st_gid == old.st_gid) return;
    static_cast<void>(
        !::fchownat(staging_.directory(), staged.c_str(), old.st_uid, old.st_gid, AT_SYMLINK_NOFOLLOW));
    if (is_file(mode)) static_cast<void>(!::fchmodat(staging_.directory(), staged.c_str(), mode & permission_bits, 0));
  }

  int move_new(const std::string& staged, int directory, const std::string& name) const {
    const int error = move(staging_.directory(), staged, directory, name, RENAME_NOREPLACE);
    if (error != EINVAL && error != ENOSYS) return error;
    // A file system that cannot promise it.
    struct stat status = {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return move(staging_.directory(), staged, directory, name, 0);
  }

  // Another file system may be mounted in the workspace: there the file is first copied beside its place.
  int move(int from, const std::string& staged, int to, const std::string& name, unsigned flags) const {
    if (::renameat2(from, staged.c_str(), to, name.c_str(), flags) == 0) return 0;
    if (errno != EXDEV) return errno;
    const std::string beside = staging_.name();
    if (const int error = copy(from, staged, to, beside); error != 0) {
      ::unlinkat(to, beside.c_str(), 0);
      return error;
    }
    if (::renameat2(to, beside.c_str(), to, name.c_str(), flags) == 0) return 0;
    const int error = errno;
    ::unlinkat(to, beside.c_str(), 0);
    return error;
  }

  static int copy(int from, const std::string& staged, int to, const std::string& beside) {
    std::string bytes;
    if (read_link(from, staged, bytes) == 0) return ::symlinkat(bytes.c_str(), to, beside.c_str()) == 0 ? 0 : errno;
    const Handle source(::openat(from, staged.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status = {};
    if (!source || ::fstat(source.get(), &status) != 0) return errno;
    if (const int error = read_all(source.get(), std::numeric_limits<std::size_t>::max() / 4, bytes); error != 0) return error;
    const Handle target(::openat(to, beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) return errno;
    if (const int error = write_all(target.get(), bytes); error != 0) return error;
    return ::fchmod(target.get(), status.st_mode & permission_bits) == 0 ? 0 : errno;
  }

  void set_mode(const Change& change) {
    const int error = in_directory_of(change.path, [&](int directory, const std::string& name) {
      const Handle file(
          ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      struct stat status = {};
      if (!file || ::fstat(file.get(), &status) != 0) return errno;
      if (!S_ISREG(status.st_mode)) return ESTALE;
      return ::fchmod(file.get(), change.after.mode & permission_bits) == 0 ? 0 : errno;
    });
    if (error != 0) return left(change.path, error);
    ++result_.written;
  }

  void set_directory_mode(const std::string& path, std::uint32_t mode) {
    const Handle directory = root_.open_at(path, O_RDONLY | O_DIRECTORY);
    const int error = directory && ::fchmod(directory.get(), mode) == 0 ? 0 : errno;
    if (error != 0 && error != ENOENT) left(path, error);
  }

  // Whether the entry is what the checkpoint taken first holds; ESTALE when it is not.
  static int check_unchanged(int directory, const std::string& name, const TreeEntry& known) {
    std::string bytes;
    if (is_symlink(known.mode)) {
      const int error = read_link(directory, name, bytes);
      if (error != 0) return error == EINVAL ? ESTALE : error;
    } else {
      const Handle file(
          ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      struct stat status = {};
      if (!file) return errno == ELOOP || errno == ENXIO ? ESTALE : errno;
      if (::fstat(file.get(), &status) != 0) return errno;
      if (!S_ISREG(status.st_mode)) return ESTALE;
      if (const int error = read_all(file.get(), std::numeric_limits<std::size_t>::max() / 4, bytes); error != 0) return error;
    }
    return Objects::id_of(ObjectType::blob, bytes) == known.id ? 0 : ESTALE;
  }

  void left(const std::string& path, int error) {
    switch (error) {
      case ESTALE: return left(path, "changed while it was to be restored");
      case EEXIST: return left(path, "something is in its place that checkpoints do not hold, or that has just been made");
      case ENOTEMPTY: return left(path, "holds what checkpoints do not hold, as ignored files or a .git");
      default: {
        const char* text = ::strerrordesc_np(error);
        return left(path, text != nullptr ? text : "unknown error");
      }
    }
  }

  void left(const std::string& path, const char* why) {
    ++result_.left_count;
    if (result_.left.size() < left_max) result_.left.push_back({path, why});
  }

  const Root& root_;
  const Objects& objects_;
  RestoredCheckpoint& result_;
  const CancelToken& cancel_;
  Staging staging_;
  std::string cleared_;                   // the last directory that makes place for something else
  std::vector<Change> removals_;          // directories before what is in them
  std::vector<Change> directories_;
  std::vector<Change> writes_;
  std::vector<Change> modes_of_files_;
  std::map<std::string, std::uint32_t> modes_;  // of directories, to be set at the end
};

}  // namespace

Status restore_tree(const Root& root, const Objects& objects, const Id& present, const Id& wanted,
                    RestoredCheckpoint& result, const CancelToken& cancel) {
  return Restorer(root, objects, result, cancel).run(present, wanted);
}

}  // namespace joey::shadow

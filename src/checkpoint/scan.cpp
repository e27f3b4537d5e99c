#include "checkpoint/scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "checkpoint/rules.hpp"
#include "checkpoint/tree_paths.hpp"

namespace joey::shadow {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = CachedEntry::Kind;

constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();  // no record in the cache
constexpr std::size_t probe_batch = 64;           // directories a thread takes at a time
constexpr std::size_t probe_shared_min = 2'000;   // names from which on threads share the work
constexpr int torn_retries_max = 3;               // looks at a file that changes while it is read
// The cache is written anew when the old one cost this much, or is small.
constexpr std::size_t stale_files_max = 64;
constexpr std::uint64_t stale_bytes_max = 4U << 20;
constexpr std::size_t small_cache = 256U << 10;

// File systems where a directory's times change with the names in it, as POSIX asks; network and FUSE ones may not, and
// there every directory is listed.
bool has_reliable_directories(int fd) {
  struct statfs disk = {};
  if (::fstatfs(fd, &disk) != 0) return false;
  constexpr unsigned long xfs = 0x58465342;
  constexpr unsigned long zfs = 0x2FC12FC1;
  constexpr unsigned long bcachefs = 0xCA451A4E;
  switch (static_cast<unsigned long>(disk.f_type) & 0xFFFF'FFFFUL) {
    case EXT4_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case xfs:
    case zfs:
    case bcachefs: return true;
    default: return false;
  }
}

// Which directories of the cache are as they were.
class Probe {
 public:
  Probe(const Root& root, const StatCache& cache, const CancelToken& cancel, std::size_t threads)
      : root_(root), cache_(cache), cancel_(cancel), clean_(cache.size()) {
    if (cache.size() > 0 && has_reliable_directories(root.fd())) run(threads);
    dirty_before_.resize(clean_.size() + 1);
    for (std::size_t i = 0; i < clean_.size(); ++i) {
      dirty_before_[i + 1] = dirty_before_[i] + (clean_[i] != 0 ? 0U : 1U);
    }
  }

  [[nodiscard]] bool clean(std::size_t index) const { return clean_[index] != 0; }
  [[nodiscard]] bool clean_subtree(std::size_t index, std::uint32_t directories) const {
    return dirty_before_[index + 1] == dirty_before_[index + 1 - directories];
  }

 private:
  void run(std::size_t threads_max) {
    const std::size_t names = cache_.directory(cache_.size() - 1).entries;
    std::vector<std::thread> helpers;
    // The host's signals are for the host's threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      while (names >= probe_shared_min && helpers.size() + 1 < threads_max) helpers.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // No more threads to be had: go on with these.
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    work();
    for (std::thread& helper : helpers) helper.join();
  }

  void work() noexcept {
    std::string path;
    while (!cancel_.cancelled()) {
      const std::size_t first = next_.fetch_add(probe_batch);
      if (first >= clean_.size()) return;
      for (std::size_t i = first; i < std::min(first + probe_batch, clean_.size()); ++i) {
        clean_[i] = is_clean(cache_.directory(i), path) ? 1 : 0;
      }
    }
  }

  // By paths from the root: should a symlink stand in one by now, what it leads to has another inode than the cache says.
  bool is_clean(const CachedDirectory& directory, std::string& path) const {
    struct stat status = {};
    path = directory.path;
    const char* name = path.empty() ? "." : path.c_str();
    if (::fstatat(root_.fd(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (directory_stamp_of(status) != directory.stamp) return false;
    if (!path.empty()) path += '/';
    const std::size_t base = path.size();
    EntryReader entries(directory);
    for (CachedEntry entry; entries.next(entry);) {
      if (entry.kind != Kind::file && entry.kind != Kind::symlink && entry.kind != Kind::not_kept) continue;
      path.resize(base);
      path += entry.name;
      if (::fstatat(root_.fd(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
      if (stamp_of(status) != entry.stamp) return false;
    }
    return true;
  }

  const Root& root_;
  const StatCache& cache_;
  const CancelToken& cancel_;
  std::vector<std::uint8_t> clean_;           // a byte each: threads write side by side
  std::vector<std::uint32_t> dirty_before_;   // of the first n directories
  std::atomic<std::size_t> next_{0};
};

// A directory that was built.
struct Built {
  Id tree;
  std::uint32_t mode{0};
  std::uint32_t directories{1};
  std::uint32_t entries{0};
  std::uint32_t notes{0};
  std::uint32_t ignored{0};
};

// What became of an entry.
struct Item {
  std::string name;
  Kind kind{Kind::file};
  std::uint32_t mode{0};
  std::uint64_t stamp{0};
  Id id;
  std::size_t known{unknown};  // of a directory: its record in the cache
  bool judged_by_all{false};         // of a directory: it is ignored, and so all in it
};

class Scanner {
 public:
  Scanner(const Root& root, Objects& objects, const StatCache& cache, const ScanOptions& options,
          const CancelToken& cancel)
      : root_(root),
        objects_(objects),
        cache_(cache),
        options_(options),
        cancel_(cancel),
        deadline_(Clock::now() + options.time_max),
        probe_(root, cache, cancel, options.threads) {
    if (options.also) also_ = std::make_unique<TreePaths>(objects, *options.also);
  }

  Result<Scan> run() {
    const std::size_t known = cache_.size() > 0 ? cache_.size() - 1 : unknown;
    Result<Outcome> root = build("", 0, known, nullptr, false);
    if (!root) return tl::unexpected(std::move(root.error()));
    if (!*root) return failure(ErrorCode::denied, fmt::format("workspace root {}: cannot be read", quoted_path(root_.path())));
    Scan result;
    result.tree = (**root).tree;
    result.files = (**root).entries - (**root).ignored - (**root).notes - ((**root).directories - 1);
    result.not_kept = std::move(not_kept_);
    result.not_kept_count = (**root).notes;
    const bool stale = stale_files_ > stale_files_max || stale_bytes_ > stale_bytes_max;
    if (changed_ && (stale || writer_.size() < small_cache)) result.cache = writer_.finish(options_.cache_key);
    return result;
  }

 private:
  // Empty: the directory is not there any more, or cannot be read.
  using Outcome = std::optional<Built>;
  using RulesPointer = std::shared_ptr<const Rules>;

  [[nodiscard]] Status go_on() {
    if (cancel_.cancelled()) return failure(ErrorCode::cancelled, "the checkpoint was cancelled");
    if (Clock::now() < deadline_) return {};
    return failure(ErrorCode::timeout,
                   fmt::format("looking at the workspace {} took longer than {} s: list large or generated directories "
                               "in .gitignore, or raise time_max",
                               quoted_path(root_.path()), options_.time_max.count() / 1000));
  }

  [[nodiscard]] Status count(std::size_t entries) {
    entries_ += entries;
    if (entries_ <= options_.entries_max) return {};
    return failure(ErrorCode::limit,
                   fmt::format("the workspace {} has more than {} files: open a directory further down, list generated "
                               "ones in .gitignore, or raise entries_max",
                               quoted_path(root_.path()), options_.entries_max));
  }

  // The id of no rules there are: no judgement under it holds.
  static Id no_rules() {
    Id id;
    id.bytes.fill(0xFF);
    return id;
  }

  RulesPointer rules_in(const std::string& path, RulesPointer above, const Id& blob) const {
    return std::make_shared<const Rules>(std::move(above), path, blob, [this, file = join(path, ignore_file_name)] {
      std::string text;
      const Handle handle = root_.open_at(file, O_RDONLY);
      if (!handle || read_all(handle.get(), ignore_file_max, text) != 0) text.clear();
      return text;
    });
  }

  // --- The tree ---

  Result<Outcome> build(const std::string& path, std::size_t depth, std::size_t known, RulesPointer above,
                        bool all_ignored) {
    if (known == unknown) return list(path, depth, nullptr, {}, std::move(above), all_ignored);
    const CachedDirectory cached = cache_.directory(known);
    const bool same_rules = !all_ignored && cached.rules == Rules::id_of(above.get());
    if (same_rules && probe_.clean_subtree(known, cached.directories) && (also_ == nullptr || cached.ignored == 0)) {
      if (Status status = count(cached.entries); !status) return tl::unexpected(std::move(status.error()));
      if (cached.notes > 0) report_subtree(known, cached.directories);
      writer_.add_subtree(cache_.subtree(known, cached.directories));
      return Built{cached.tree, cached.mode, cached.directories, cached.entries, cached.notes, cached.ignored};
    }
    const std::vector<std::size_t> children = records_of_children(known, cached);
    if (!same_rules || !probe_.clean(known) || wants_ignored(cached)) {
      return list(path, depth, &cached, children, std::move(above), all_ignored);
    }
    return take_over(path, depth, cached, children, std::move(above));
  }

  // Of each directory among the entries, in order.
  std::vector<std::size_t> records_of_children(std::size_t index, const CachedDirectory& cached) const {
    std::size_t count = 0;
    EntryReader entries(cached);
    for (CachedEntry entry; entries.next(entry);) count += entry.kind == Kind::directory ? 1U : 0U;
    std::vector<std::size_t> records(count);
    std::size_t next = index;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (next == 0) return {};  // not so in a file that this wrote
      *record = next - 1;
      next -= std::min<std::size_t>(next, cache_.directory(*record).directories);
    }
    return records;
  }

  // A file that is ignored now and to be kept all the same.
  bool wants_ignored(const CachedDirectory& cached) {
    if (also_ == nullptr || cached.ignored == 0) return false;
    EntryReader entries(cached);
    for (CachedEntry entry; entries.next(entry);) {
      const bool ignored = entry.kind == Kind::ignored_file || entry.kind == Kind::ignored_directory;
      if (ignored && also_->find(join(cached.path, entry.name)) != nullptr) return true;
    }
    return false;
  }

  // A clean directory with something in it that is not.
  Result<Outcome> take_over(const std::string& path, std::size_t depth, const CachedDirectory& cached,
                            const std::vector<std::size_t>& children, RulesPointer above) {
    if (Status status = count(cached.own_entries); !status) return tl::unexpected(std::move(status.error()));
    std::vector<Item> items;
    items.reserve(cached.own_entries);
    RulesPointer rules = above;
    std::size_t child = 0;
    EntryReader entries(cached);
    for (CachedEntry entry; entries.next(entry);) {
      Item item{std::string(entry.name), entry.kind, entry.mode, entry.stamp, entry.id};
      if (entry.kind == Kind::file && entry.name == ignore_file_name) rules = rules_in(path, above, entry.id);
      if (entry.kind == Kind::directory && child < children.size()) item.known = children[child++];
      items.push_back(std::move(item));
    }
    return finish(path, depth, std::move(items), cached.stamp, cached.mode, cached.rules, rules);
  }

  Result<Outcome> list(const std::string& path, std::size_t depth, const CachedDirectory* cached,
                       const std::vector<std::size_t>& children, RulesPointer above, bool all_ignored) {
    if (Status status = go_on(); !status) return tl::unexpected(std::move(status.error()));
    changed_ = true;
    ++stale_files_;
    Handle directory = root_.open_at(path, O_RDONLY | O_DIRECTORY);
    struct stat status = {};
    if (!directory || ::fstat(directory.get(), &status) != 0) return refused(path, errno);
    if (is_repository(status)) return Outcome();

    // The stamp is of before the listing: a name that comes during it changes the stamp that the next look finds.
    const bool trusted = settled(status, file_clock());
    std::vector<ListedName> names;
    if (const int error = list_names(directory.get(), options_.entries_max, names); error != 0) {
      if (error == EOVERFLOW) return tl::unexpected(count(options_.entries_max + 1).error());
      return refused(path, error);
    }
    clear(directory.get(), names);
    std::sort(names.begin(), names.end(), [](const ListedName& a, const ListedName& b) { return a.name < b.name; });
    if (Status counted = count(names.size()); !counted) return tl::unexpected(std::move(counted.error()));

    Listing listing{path, directory.get(), all_ignored, above, above};
    std::vector<CachedEntry> old;
    if (cached != nullptr) {
      EntryReader entries(*cached);
      for (CachedEntry entry; entries.next(entry);) old.push_back(entry);
      listing.same_rules = !all_ignored && cached->rules == Rules::id_of(above.get());
    }
    if (Status read = read_ignore_file(listing, names, old); !read) return tl::unexpected(std::move(read.error()));

    std::vector<Item> items;
    items.reserve(names.size());
    std::size_t at = 0;     // in `old`
    std::size_t child = 0;  // in `children`
    for (ListedName& name : names) {
      for (; at < old.size() && old[at].name < name.name; ++at) child += old[at].kind == Kind::directory ? 1U : 0U;
      const bool is_known = at < old.size() && old[at].name == name.name;
      const CachedEntry* entry = is_known ? &old[at] : nullptr;
      Item item;
      item.name = std::move(name.name);
      if (is_known && entry->kind == Kind::directory && child < children.size()) item.known = children[child];
      Result<bool> there = look(listing, name.type, entry, item);
      if (!there) return tl::unexpected(std::move(there.error()));
      if (*there) items.push_back(std::move(item));
    }
    directory = Handle();  // one open at a time, however deep the tree is
    const std::uint64_t stamp = trusted && !listing.unsettled ? directory_stamp_of(status) : 0;
    // What was kept although it is ignored is judged again the next time.
    const Id judged_by = all_ignored || listing.forced ? no_rules() : Rules::id_of(above.get());
    return finish(path, depth, std::move(items), stamp, status.st_mode, judged_by, listing.rules, all_ignored);
  }

  [[nodiscard]] bool is_repository(const struct stat& status) const {
    return status.st_dev == options_.repository.st_dev && status.st_ino == options_.repository.st_ino;
  }

  // A directory that cannot be listed: gone, or not for us.
  Result<Outcome> refused(const std::string& path, int error) const {
    switch (error) {
      case EACCES:
      case EPERM:
      case ENOENT:
      case ENOTDIR:
      case ELOOP:
      case ENAMETOOLONG: return Outcome();
      default: return tl::unexpected(system_error(error, path));
    }
  }

  // Takes out ".git", and removes what a killed restore left.
  static void clear(int directory, std::vector<ListedName>& names) {
    std::erase_if(names, [directory](const ListedName& each) {
      if (each.name == ".git") return true;
      if (!std::string_view(each.name).starts_with(leftover_prefix)) return false;
      if (each.type == DT_DIR) {
        const Handle inside(::openat(directory, each.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        std::vector<ListedName> files;
        if (inside && list_names(inside.get(), 10'000'000, files) == 0) {
          for (const ListedName& file : files) ::unlinkat(inside.get(), file.name.c_str(), 0);
        }
        ::unlinkat(directory, each.name.c_str(), AT_REMOVEDIR);
      } else if (each.type == DT_REG) {
        ::unlinkat(directory, each.name.c_str(), 0);
      }
      return true;
    });
  }

  // --- Entries ---

  struct Listing {
    const std::string& path;
    int directory{-1};
    bool all_ignored{false};
    RulesPointer above;
    RulesPointer rules;       // with those of this directory
    bool same_rules{false};   // as the cache's: its judgements hold
    bool unsettled{false};    // has to be listed again the next time
    bool forced{false};       // holds what is ignored and kept all the same
  };

  Status read_ignore_file(Listing& listing, const std::vector<ListedName>& names, const std::vector<CachedEntry>& old) {
    const auto named = std::lower_bound(names.begin(), names.end(), ignore_file_name,
                                        [](const ListedName& each, std::string_view name) { return each.name < name; });
    const bool is_there = named != names.end() && named->name == ignore_file_name;
    const auto known = std::find_if(old.begin(), old.end(), [](const CachedEntry& entry) {
      return entry.name == ignore_file_name && entry.kind == Kind::file;
    });
    const Id before = known == old.end() ? Id{} : known->id;
    Item item;
    if (is_there && !listing.all_ignored) {
      item.name = ignore_file_name;
      Result<bool> kept = look(listing, named->type, known == old.end() ? nullptr : &*known, item);
      if (!kept) return tl::unexpected(std::move(kept.error()));
      if (!*kept || item.kind != Kind::file) item.id = Id{};
    }
    if (!item.id.zero()) listing.rules = rules_in(listing.path, listing.above, item.id);
    listing.same_rules = listing.same_rules && item.id == before;
    return {};
  }

  bool is_ignored(const Listing& listing, const std::string& path, bool is_dir, const CachedEntry* cached) const {
    if (listing.all_ignored) return true;
    if (listing.same_rules && cached != nullptr && cached->kind != Kind::special) {
      const bool was_ignored = cached->kind == Kind::ignored_file || cached->kind == Kind::ignored_directory;
      const bool was_dir = cached->kind == Kind::directory || cached->kind == Kind::ignored_directory;
      if (was_dir == is_dir && cached->kind != Kind::not_kept) return was_ignored;
    }
    return Rules::ignores(listing.rules.get(), path, is_dir);
  }

  // Fills in what `item.name` is; false when it is gone. A directory's content is not looked at yet.
  Result<bool> look(Listing& listing, unsigned char type, const CachedEntry* cached, Item& item) {
    struct stat status = {};
    if (type == DT_UNKNOWN) {  // some file systems do not say
      if (::fstatat(listing.directory, item.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return gone(listing);
      type = static_cast<unsigned char>(IFTODT(status.st_mode));
    }
    const std::string path = join(listing.path, item.name);
    const bool is_dir = type == DT_DIR;
    if (is_ignored(listing, path, is_dir, cached)) {
      const TreeEntry* wanted = also_ == nullptr ? nullptr : also_->find(path);
      if (wanted == nullptr || (is_dir && !is_directory(wanted->mode))) {
        item.kind = is_dir ? Kind::ignored_directory : Kind::ignored_file;
        return true;
      }
      listing.forced = true;
      item.judged_by_all = is_dir;
    }
    if (is_dir) {
      item.kind = Kind::directory;
      return true;
    }
    if (type != DT_REG && type != DT_LNK) {
      item.kind = Kind::special;
      return true;
    }
    if (::fstatat(listing.directory, item.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return gone(listing);
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) return gone(listing);
    if (cached != nullptr && cached->stamp == stamp_of(status) && cached->kind != Kind::directory) {
      item.kind = cached->kind;
      item.mode = cached->mode;
      item.stamp = cached->stamp;
      item.id = cached->id;
      return true;
    }
    ++stale_files_;
    changed_ = true;
    return S_ISLNK(status.st_mode) ? keep_symlink(listing, status, item) : keep_file(listing, item, path);
  }

  // Changed under our eyes: the next look lists this directory again.
  static bool gone(Listing& listing) {
    listing.unsettled = true;
    return false;
  }

  Result<bool> keep_symlink(Listing& listing, const struct stat& status, Item& item) {
    const timespec now = file_clock();
    std::string target;
    if (read_link(listing.directory, item.name, target) != 0) return gone(listing);
    Result<Id> id = objects_.add(ObjectType::blob, target);
    if (!id) return tl::unexpected(std::move(id.error()));
    item.kind = Kind::symlink;
    item.mode = S_IFLNK;
    item.id = *id;
    item.stamp = settled(status, now) ? stamp_of(status) : 0;
    return true;
  }

  Result<bool> keep_file(Listing& listing, Item& item, const std::string& path) {
    if (Status status = go_on(); !status) return tl::unexpected(std::move(status.error()));
    for (int tries = 1;; ++tries) {
      const Handle file(::openat(listing.directory, item.name.c_str(),
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      struct stat before = {};
      struct stat after = {};
      if (!file) {
        const int error = errno;
        if (error == EACCES || error == EPERM || error == EIO) return unreadable(listing, item);
        if (error == ENOENT || error == ELOOP || error == ENXIO || error == ENODEV) return gone(listing);
        return tl::unexpected(system_error(error, path));
      }
      const timespec now = file_clock();
      if (::fstat(file.get(), &before) != 0 || !S_ISREG(before.st_mode)) return gone(listing);
      int error = EFBIG;
      if (static_cast<std::uint64_t>(before.st_size) <= options_.file_size_max) {
        error = read_all(file.get(), static_cast<std::size_t>(options_.file_size_max), buffer_);
      }
      if (error == EFBIG) {
        item.kind = Kind::not_kept;
        item.mode = not_kept_mode;
        item.id = not_kept_id(NotKept::Reason::too_large, before);
        item.stamp = settled(before, now) ? stamp_of(before) : 0;
        return true;
      }
      if (error != 0) return unreadable(listing, item);
      const bool whole = ::fstat(file.get(), &after) == 0 && stamp_of(before) == stamp_of(after);
      if (!whole && tries < torn_retries_max) continue;
      Result<Id> id = objects_.add(ObjectType::blob, buffer_);
      if (!id) return tl::unexpected(std::move(id.error()));
      stale_bytes_ += buffer_.size();
      item.kind = Kind::file;
      item.mode = before.st_mode;
      item.id = *id;
      item.stamp = whole && settled(before, now) ? stamp_of(before) : 0;
      return true;
    }
  }

  static Result<bool> unreadable(Listing& listing, Item& item) {
    struct stat status = {};
    if (::fstatat(listing.directory, item.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return gone(listing);
    item.kind = Kind::not_kept;
    item.mode = not_kept_mode;
    item.id = not_kept_id(NotKept::Reason::unreadable, status);
    item.stamp = 0;  // perhaps it can be read the next time
    return true;
  }

  // --- Putting a directory together ---

  Result<Outcome> finish(const std::string& path, std::size_t depth, std::vector<Item> items, std::uint64_t stamp,
                         std::uint32_t mode, const Id& rules_above, const RulesPointer& rules, bool all_ignored = false) {
    Built built;
    built.mode = mode;
    for (Item& item : items) {
      if (item.kind != Kind::directory) continue;
      const std::string inside = join(path, item.name);
      Outcome child;
      if (depth < depth_max) {
        Result<Outcome> result = build(inside, depth + 1, item.known, rules, all_ignored || item.judged_by_all);
        if (!result) return result;
        child = std::move(*result);
      }
      if (child) {
        item.mode = child->mode;
        item.id = child->tree;
        built.directories += child->directories;
        built.entries += child->entries;
        built.notes += child->notes;
        built.ignored += child->ignored;
        continue;
      }
      stamp = 0;  // perhaps it can be read the next time
      struct stat status = {};
      const Handle there = root_.open_at(inside, O_PATH);
      const bool is_there = there && ::fstat(there.get(), &status) == 0 && S_ISDIR(status.st_mode);
      if (!is_there || is_repository(status)) {
        item.name.clear();
        continue;
      }
      item.kind = Kind::not_kept;
      item.mode = not_kept_mode;
      status.st_size = 0;
      status.st_mtim = {};
      item.id = not_kept_id(NotKept::Reason::unreadable, status);
    }

    std::erase_if(items, [](const Item& item) { return item.name.empty(); });
    std::vector<TreeEntry> tree;
    std::vector<CachedEntry> entries;
    tree.reserve(items.size());
    entries.reserve(items.size());
    built.entries += static_cast<std::uint32_t>(items.size());
    for (const Item& item : items) {
      entries.push_back({item.name, item.kind, item.mode, item.stamp, item.id});
      if (item.kind == Kind::ignored_file || item.kind == Kind::ignored_directory) ++built.ignored;
      if (item.kind == Kind::not_kept || item.kind == Kind::special) {
        ++built.notes;
        report(join(path, item.name), item.kind, item.id);
      }
      if (item.kind <= Kind::not_kept) tree.push_back({item.name, item.mode, item.id});
    }
    Result<Id> id = objects_.add(ObjectType::tree, encode_tree(std::move(tree)));
    if (!id) return tl::unexpected(std::move(id.error()));
    built.tree = *id;
    CachedDirectory directory;
    directory.path = path;
    directory.stamp = stamp;
    directory.rules = rules_above;
    directory.tree = built.tree;
    directory.mode = mode;
    directory.directories = built.directories;
    directory.entries = built.entries;
    directory.notes = built.notes;
    directory.ignored = built.ignored;
    writer_.add(directory, entries);
    return Outcome(built);
  }

  void report(const std::string& path, Kind kind, const Id& id) {
    if (not_kept_.size() == not_kept_max) return;
    not_kept_.push_back(kind == Kind::special ? NotKept{path, NotKept::Reason::special, 0} : not_kept_of(path, id));
  }

  void report_subtree(std::size_t index, std::uint32_t directories) {
    for (std::size_t i = index + 1 - directories; i <= index && not_kept_.size() < not_kept_max; ++i) {
      const CachedDirectory directory = cache_.directory(i);
      EntryReader entries(directory);
      for (CachedEntry entry; entries.next(entry);) {
        if (entry.kind == Kind::not_kept || entry.kind == Kind::special) {
          report(join(directory.path, entry.name), entry.kind, entry.id);
        }
      }
    }
  }

  const Root& root_;
  Objects& objects_;
  const StatCache& cache_;
  const ScanOptions& options_;
  const CancelToken& cancel_;
  Clock::time_point deadline_;
  Probe probe_;
  std::unique_ptr<TreePaths> also_;
  StatCacheWriter writer_;
  std::string buffer_;
  std::size_t entries_{0};
  std::vector<NotKept> not_kept_;
  bool changed_{false};
  std::size_t stale_files_{0};
  std::uint64_t stale_bytes_{0};
};

}  // namespace

// Byte 0: the reason and 1; 1 to 8: the size; 9 to 16: the time of the last change; 17 and 18: the mode.
Id not_kept_id(NotKept::Reason reason, const struct stat& status) {
  Id id;
  const auto put = [&id](std::size_t at, std::size_t size, std::uint64_t value) {
    for (std::size_t i = size; i-- > 0; value >>= 8) id.bytes[at + i] = static_cast<unsigned char>(value & 0xFF);
  };
  put(0, 1, static_cast<std::uint64_t>(reason) + 1);
  put(1, 8, static_cast<std::uint64_t>(status.st_size));
  put(9, 8, static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  put(17, 2, status.st_mode & 0xFFFFU);
  return id;
}

NotKept not_kept_of(const std::string& path, const Id& id) {
  NotKept result;
  result.path = path;
  result.reason = id.bytes[0] == 2 ? NotKept::Reason::unreadable : NotKept::Reason::too_large;
  for (std::size_t i = 1; i <= 8; ++i) result.size = result.size << 8 | id.bytes[i];
  return result;
}

Result<Scan> scan(const Root& root, Objects& objects, const StatCache& cache, const ScanOptions& options,
                  const CancelToken& cancel) {
  return Scanner(root, objects, cache, options, cancel).run();
}

}  // namespace joey::shadow

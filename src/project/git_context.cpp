#include "project/git_context.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <git2/diff.h>
#include <git2/global.h>
#include <git2/patch.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "project/git_files.hpp"
#include "project/loading.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t changes_max = 20'000;     // files that differ
constexpr std::size_t trees_read_max = 50'000;  // for one comparison
constexpr std::size_t tree_bytes_max = 32U << 20;
constexpr std::size_t tree_depth_max = 256;
constexpr std::size_t commit_bytes_max = 1U << 20;
constexpr std::size_t patches_max = 300;                // files whose difference is looked into
constexpr std::size_t compared_bytes_max = 1U << 20;    // of a file whose difference is looked into
constexpr std::uint64_t hashed_file_max = 16U << 20;    // of a file that is read to see whether it has changed
constexpr std::uint64_t hashed_bytes_max = 256U << 20;  // of all of them
constexpr std::size_t line_bytes_max = 300;             // of a line shown
constexpr std::size_t text_bytes_max = 100'000;         // of all lines shown
constexpr std::size_t message_lines_max = 100;          // of a commit's message
constexpr std::chrono::seconds untracked_time_max{10};
constexpr std::size_t untracked_entries_max = 500'000;

// libgit2 makes the names of objects and the differences of texts; it sees no file. It is never shut down: that would lose
// what it keeps for each thread.
void start_libgit2() {
  static const int users = git_libgit2_init();
  static_cast<void>(users);
}

Error was_cancelled() { return {ErrorCode::cancelled, "git: the look at it was cancelled"}; }

std::string shown_name(std::string_view text) { return one_line(text, line_bytes_max); }

// Lines within their limits.
class Lines {
 public:
  explicit Lines(std::size_t lines_max) : left_(lines_max) {}

  // False, and nothing is added, when there is no room any more.
  bool add(std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (left_ == 0 || text_.size() > text_bytes_max) full_ = true;
    if (full_) return false;
    --left_;
    text_ += to_utf8(utf8_prefix(line, line_bytes_max));
    text_ += line.size() > line_bytes_max ? "...\n" : "\n";
    return true;
  }
  void add_all(const Lines& other) {
    for (const std::string_view line : split_lines(other.text_)) add(line);
    full_ = full_ || other.full_;
  }
  [[nodiscard]] bool full() const { return full_; }

  // The text; when it is cut, `command` shows it whole.
  [[nodiscard]] std::string take(std::string_view command) {
    while (text_.ends_with('\n')) text_.pop_back();
    if (full_) text_ += fmt::format("\n(Cut here: `{}` shows the rest.)", command);
    return std::move(text_);
  }

 private:
  std::string text_;
  std::size_t left_;
  bool full_{false};
};

// --- Trees ---

// A file as a tree or the index has it.
struct Version {
  std::uint32_t mode{0};
  GitId id{};
  bool operator==(const Version&) const = default;
};

struct FileChange {
  std::string path;
  std::optional<Version> before;
  std::optional<Version> after;
};

bool is_tree(std::uint32_t mode) { return (mode & S_IFMT) == S_IFDIR; }

// Finds the files in which two trees, or a tree and an index, differ. Trees that are the same are not read.
class Comparison {
 public:
  Comparison(GitObjects& objects, const CancelToken& cancel) : objects_(objects), cancel_(cancel) {}

  // Null is empty.
  [[nodiscard]] Status trees(const GitId* before, const GitId* after) { return compare_trees(before, after, "", 0); }
  [[nodiscard]] Status with_index(const GitId* tree, const GitIndex& index) {
    index_ = &index;
    return compare_index(tree, "", 0, index.entries.size(), 0);
  }

  // By path.
  [[nodiscard]] std::vector<FileChange> take() {
    std::sort(changes_.begin(), changes_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(changes_);
  }

 private:
  using Entries = std::map<std::string, GitTreeEntry>;

  [[nodiscard]] Result<Entries> read(const GitId* tree) {
    Entries entries;
    if (tree == nullptr) return entries;
    if (cancel_.cancelled()) return tl::unexpected(was_cancelled());
    if (++trees_read_ > trees_read_max) return failure(ErrorCode::limit, "git: too many directories differ");
    Result<std::string> bytes = objects_.read(*tree, GitKind::tree, tree_bytes_max);
    if (!bytes) return tl::unexpected(std::move(bytes.error()));
    Result<std::vector<GitTreeEntry>> parsed = parse_git_tree(*bytes);
    if (!parsed) return tl::unexpected(std::move(parsed.error()));
    for (GitTreeEntry& entry : *parsed) entries.emplace(entry.name, std::move(entry));
    return entries;
  }

  [[nodiscard]] Status add(std::string path, const GitTreeEntry* before, const GitTreeEntry* after) {
    const auto version = [](const GitTreeEntry* entry) {
      return entry == nullptr ? std::nullopt : std::optional(Version{entry->mode, entry->id});
    };
    changes_.push_back({std::move(path), version(before), version(after)});
    if (changes_.size() <= changes_max) return {};
    return failure(ErrorCode::limit, fmt::format("git: more than the {} files that are compared differ", changes_max));
  }

  // `prefix` is the directory's path with its '/'.
  [[nodiscard]] Status compare_trees(const GitId* before, const GitId* after, const std::string& prefix,
                                     std::size_t depth) {
    if (before != nullptr && after != nullptr && *before == *after) return {};
    if (depth > tree_depth_max) return failure(ErrorCode::limit, "git: directories are nested too deep");
    const Result<Entries> old_entries = read(before);
    if (!old_entries) return tl::unexpected(old_entries.error());
    const Result<Entries> new_entries = read(after);
    if (!new_entries) return tl::unexpected(new_entries.error());
    std::set<std::string> names;
    for (const auto& [name, entry] : *old_entries) names.insert(name);
    for (const auto& [name, entry] : *new_entries) names.insert(name);
    for (const std::string& name : names) {
      const auto find = [&](const Entries& entries) {
        const auto found = entries.find(name);
        return found == entries.end() ? nullptr : &found->second;
      };
      const GitTreeEntry* old_entry = find(*old_entries);
      const GitTreeEntry* new_entry = find(*new_entries);
      if (old_entry && new_entry && old_entry->id == new_entry->id && old_entry->mode == new_entry->mode) continue;
      const GitTreeEntry* old_tree =
          old_entry && is_tree(old_entry->mode) ? std::exchange(old_entry, nullptr) : nullptr;
      const GitTreeEntry* new_tree =
          new_entry && is_tree(new_entry->mode) ? std::exchange(new_entry, nullptr) : nullptr;
      if (old_entry || new_entry) {
        if (Status added = add(prefix + name, old_entry, new_entry); !added) return added;
      }
      if (!old_tree && !new_tree) continue;
      if (Status compared = compare_trees(old_tree ? &old_tree->id : nullptr, new_tree ? &new_tree->id : nullptr,
                                          prefix + name + '/', depth + 1);
          !compared) {
        return compared;
      }
    }
    return {};
  }

  // The entries of the index from `begin` to `end` are those beneath `prefix`.
  [[nodiscard]] Status compare_index(const GitId* tree, const std::string& prefix, std::size_t begin, std::size_t end,
                                     std::size_t depth) {
    const auto cached = index_->trees.find(prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1));
    if (tree != nullptr && cached != index_->trees.end() && cached->second == *tree) return {};
    if (begin == end) return compare_trees(tree, nullptr, prefix, depth);
    if (depth > tree_depth_max) return failure(ErrorCode::limit, "git: directories are nested too deep");
    Result<Entries> entries = read(tree);
    if (!entries) return tl::unexpected(entries.error());
    for (std::size_t i = begin; i < end;) {
      const GitIndexEntry& entry = index_->entries[i];
      const std::string_view rest = std::string_view(entry.path).substr(prefix.size());
      const std::size_t slash = rest.find('/');
      const auto found = entries->find(std::string(rest.substr(0, slash)));
      const bool known = found != entries->end();
      if (slash == std::string_view::npos) {
        ++i;
        const GitTreeEntry now{entry.path, entry.mode, entry.id};
        const bool same_kind = known && !is_tree(found->second.mode);
        const bool same = same_kind && found->second.mode == entry.mode && found->second.id == entry.id;
        if (!same && entry.stage == 0) {
          if (Status added = add(entry.path, same_kind ? &found->second : nullptr, &now); !added) return added;
        }
        if (same_kind) entries->erase(found);
        continue;
      }
      const std::string directory = prefix + std::string(rest.substr(0, slash + 1));
      std::size_t next = i + 1;
      while (next < end && index_->entries[next].path.starts_with(directory)) ++next;
      const bool was_tree = known && is_tree(found->second.mode);
      if (Status compared = compare_index(was_tree ? &found->second.id : nullptr, directory, i, next, depth + 1);
          !compared) {
        return compared;
      }
      if (was_tree) entries->erase(found);
      i = next;
    }
    for (const auto& [name, entry] : *entries) {
      Status left = is_tree(entry.mode) ? compare_trees(&entry.id, nullptr, prefix + name + '/', depth + 1)
                                        : add(prefix + name, &entry, nullptr);
      if (!left) return left;
    }
    return {};
  }

  GitObjects& objects_;
  const CancelToken& cancel_;
  const GitIndex* index_{nullptr};
  std::vector<FileChange> changes_;
  std::size_t trees_read_{0};
};

// --- The worktree ---

// The files of the worktree beside what the index says of them.
class Worktree {
 public:
  Worktree(const Root& root, std::int64_t index_modified_ns, bool keeps_modes)
      : root_(root), index_modified_ns_(index_modified_ns), keeps_modes_(keeps_modes) {}

  // ' ', 'M' modified, 'T' of another type, 'D' deleted.
  char state(const GitIndexEntry& entry) {
    struct stat status = {};
    if (!look(entry.path, status) || S_ISDIR(status.st_mode)) return 'D';
    const bool link = (entry.mode & S_IFMT) == S_IFLNK;
    if (link ? !S_ISLNK(status.st_mode) : !S_ISREG(status.st_mode)) return 'T';
    if (!link && keeps_modes_ && (status.st_mode & S_IXUSR) != (entry.mode & S_IXUSR)) return 'M';
    if (is_as_in_index(entry, status)) return ' ';
    if (entry.size != 0 && static_cast<std::uint32_t>(status.st_size) != entry.size) return 'M';
    return has_content_of(entry, status) ? ' ' : 'M';
  }

  // What a tracked path holds: a file's bytes or a symlink's text. Nothing when it is gone, or `too_large`.
  std::optional<std::string> content(const std::string& path, std::size_t size_max, bool& too_large) {
    struct stat status = {};
    if (!look(path, status)) return std::nullopt;
    if (S_ISLNK(status.st_mode)) {
      char buffer[PATH_MAX];
      const ssize_t size = ::readlinkat(directory_.get(), name_.c_str(), buffer, sizeof buffer);
      return size < 0 ? std::nullopt : std::optional(std::string(buffer, static_cast<std::size_t>(size)));
    }
    if (!S_ISREG(status.st_mode)) return std::nullopt;
    Result<std::string> bytes = read_at(root_, path, size_max);
    if (bytes) return *std::move(bytes);
    too_large = too_large || bytes.error().code == ErrorCode::limit;
    return std::nullopt;
  }

  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  // Never through a symlink. The directory stays open: the entries of an index come directory by directory.
  bool look(std::string_view path, struct stat& status) {
    const std::size_t slash = path.rfind('/');
    const std::string directory(slash == std::string_view::npos ? "." : path.substr(0, slash));
    name_ = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (directory != path_) {
      path_ = directory;
      directory_ = root_.open_at(directory, O_PATH | O_DIRECTORY, Root::Links::refuse);
    }
    return directory_ && ::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  }

  // Whether a look suffices: as git, it trusts size and time unless the file may have changed in the same instant.
  [[nodiscard]] bool is_as_in_index(const GitIndexEntry& entry, const struct stat& status) const {
    const std::int64_t modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    return entry.size == static_cast<std::uint32_t>(status.st_size) &&
           entry.modified_s == static_cast<std::uint32_t>(status.st_mtim.tv_sec) &&
           (entry.modified_ns == 0 || entry.modified_ns == static_cast<std::uint32_t>(status.st_mtim.tv_nsec)) &&
           modified_ns < index_modified_ns_;
  }

  bool has_content_of(const GitIndexEntry& entry, const struct stat& status) {
    if (static_cast<std::uint64_t>(status.st_size) > hashed_file_max) return false;
    if (hashed_ > hashed_bytes_max) {
      gave_up_ = true;
      return true;
    }
    bool too_large = false;
    const std::optional<std::string> bytes = content(entry.path, hashed_file_max, too_large);
    hashed_ += bytes ? bytes->size() : 0;
    return bytes && id_of(GitKind::blob, *bytes) == entry.id;
  }

  const Root& root_;
  std::int64_t index_modified_ns_;
  bool keeps_modes_;
  Descriptor directory_;
  std::string path_;
  std::string name_;
  std::uint64_t hashed_{0};
  bool gave_up_{false};
};

// --- The repository ---

// A tracked file that differs, between the last commit and the index, and between that and the worktree.
struct Change {
  char staged{' '};
  char unstaged{' '};
  std::optional<Version> committed;
};
using Changes = std::map<std::string, Change>;  // by path

char letter_of(const std::optional<Version>& before, const std::optional<Version>& after) {
  if (!before) return 'A';
  if (!after) return 'D';
  return (before->mode & S_IFMT) == (after->mode & S_IFMT) ? 'M' : 'T';
}

class Repository {
 public:
  static Result<Repository> open(const Workspace& workspace, const CancelToken& cancel) {
    Result<GitFolder> folder = find_git_folder(workspace);
    if (!folder) return tl::unexpected(folder.error());
    Result<std::shared_ptr<const Root>> root = root_of(workspace);
    if (!root) return tl::unexpected(root.error());
    Result<Lock> lock = Lock::read(**root);
    if (!lock) return tl::unexpected(lock.error());
    return Repository(workspace, cancel, *std::move(folder), *std::move(root), *std::move(lock));
  }

  [[nodiscard]] GitObjects& objects() { return objects_; }
  [[nodiscard]] bool is_locked(std::string_view path) const { return lock_.forbids(path, false); }
  [[nodiscard]] const CancelToken& cancel() const { return cancel_; }

  [[nodiscard]] Result<GitCommit> read_commit(const GitId& id) {
    const Result<std::string> bytes = objects_.read(id, GitKind::commit, commit_bytes_max);
    if (!bytes) return tl::unexpected(bytes.error());
    return parse_git_commit(*bytes);
  }

  // Reads HEAD and the index. `gave_up` becomes true when there may be more changes than are found.
  [[nodiscard]] Status look(bool& gave_up);
  [[nodiscard]] const Changes& changes() const { return changes_; }
  [[nodiscard]] std::string branch() const {
    if (head_.branch.empty()) return fmt::format("{} (detached)", hex_of(*head_.id).substr(0, 7));
    return shown_name(head_.branch) + (head_.id ? "" : " (no commits yet)");
  }
  // Files that are neither tracked nor ignored, and directories of nothing else, with a '/'.
  [[nodiscard]] Result<std::set<std::string>> untracked(std::size_t count_max, bool& gave_up) const;

  // A file of the last commit, and as it is in the worktree.
  [[nodiscard]] Result<std::string> committed(const Version& version) {
    return objects_.read(version.id, GitKind::blob, compared_bytes_max);
  }
  [[nodiscard]] Worktree worktree() const { return {*root_, index_.modified_ns, folder_.keeps_modes}; }

 private:
  Repository(const Workspace& workspace, CancelToken cancel, GitFolder folder, std::shared_ptr<const Root> root,
             Lock lock)
      : workspace_(&workspace),
        cancel_(std::move(cancel)),
        folder_(std::move(folder)),
        root_(std::move(root)),
        lock_(std::move(lock)),
        objects_(folder_.common) {
    start_libgit2();
  }
  [[nodiscard]] bool is_tracked(const std::string& path) const;
  [[nodiscard]] std::string shown_above(const std::string& path) const;

  const Workspace* workspace_;
  CancelToken cancel_;
  GitFolder folder_;
  std::shared_ptr<const Root> root_;
  Lock lock_;
  GitObjects objects_;
  GitHead head_;
  GitIndex index_;
  Changes changes_;
};

Status Repository::look(bool& gave_up) {
  Result<GitHead> head = read_git_head(folder_);
  if (!head) return tl::unexpected(head.error());
  head_ = *std::move(head);
  Result<GitIndex> index = read_git_index(folder_);
  if (!index) return tl::unexpected(index.error());
  index_ = *std::move(index);

  std::optional<GitId> tree;
  if (head_.id) {
    const Result<GitCommit> commit = read_commit(*head_.id);
    if (!commit) return tl::unexpected(commit.error());
    tree = commit->tree;
  }
  Comparison staged(objects_, cancel_);
  if (Status compared = staged.with_index(tree ? &*tree : nullptr, index_); !compared) return compared;
  for (FileChange& change : staged.take()) {
    if (is_locked(change.path)) continue;
    changes_[change.path] = {letter_of(change.before, change.after), ' ', change.before};
  }
  Worktree files = worktree();
  for (std::size_t i = 0; i < index_.entries.size() && changes_.size() < changes_max; ++i) {
    if (i % 256 == 0 && cancel_.cancelled()) return tl::unexpected(was_cancelled());
    const GitIndexEntry& entry = index_.entries[i];
    if ((entry.mode & S_IFMT) == git_submodule_mode || entry.assumed || is_locked(entry.path)) continue;
    if (entry.stage != 0) {
      changes_[entry.path] = {'U', 'U', {}};
    } else if (const char state = files.state(entry); state != ' ') {
      const auto [change, is_new] = changes_.try_emplace(entry.path);
      change->second.unstaged = state;
      if (is_new) change->second.committed = Version{entry.mode, entry.id};
    }
  }
  gave_up = gave_up || files.gave_up() || changes_.size() >= changes_max;
  return {};
}

bool Repository::is_tracked(const std::string& path) const {
  const auto found =
      std::lower_bound(index_.entries.begin(), index_.entries.end(), path,
                       [](const GitIndexEntry& entry, const std::string& key) { return entry.path < key; });
  return found != index_.entries.end() && found->path == path;
}

// What stands for an untracked file: the topmost directory above it that holds nothing tracked, or it itself. Empty
// when it is a submodule's.
std::string Repository::shown_above(const std::string& path) const {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (is_tracked(path.substr(0, slash))) return {};
    std::string directory = path.substr(0, slash + 1);
    const auto next =
        std::lower_bound(index_.entries.begin(), index_.entries.end(), directory,
                         [](const GitIndexEntry& entry, const std::string& key) { return entry.path < key; });
    if (next == index_.entries.end() || !next->path.starts_with(directory)) return directory;
  }
  return path;
}

Result<std::set<std::string>> Repository::untracked(std::size_t count_max, bool& gave_up) const {
  WalkOptions options;
  options.well_known = false;
  options.entries_max = untracked_entries_max;
  options.time_max = untracked_time_max;
  std::set<std::string> found;
  const Result<WalkEnd> end = walk(*workspace_, ".", options, cancel_, [&](WalkEntry& entry) {
    if (entry.kind == FileKind::directory || entry.kind == FileKind::other || is_tracked(entry.path)) return true;
    std::string shown = shown_above(entry.path);
    if (shown.empty() || found.contains(shown)) return true;
    if (found.size() == count_max) return false;
    found.insert(std::move(shown));
    return true;
  });
  if (!end) return tl::unexpected(end.error());
  gave_up = gave_up || !end->complete;
  return found;
}

// --- Differences as text ---

// What a difference of two contents comes to.
struct Difference {
  std::size_t added{0};
  std::size_t removed{0};
  bool binary{false};
};

// A side that is missing is null.
Difference add_difference(Lines& lines, const std::string& path, const std::string* before, const std::string* after) {
  Difference difference;
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  git_patch* made = nullptr;
  const auto data = [](const std::string* text) { return text != nullptr ? text->data() : nullptr; };
  const auto size = [](const std::string* text) { return text != nullptr ? text->size() : 0; };
  if (git_patch_from_buffers(&made, data(before), size(before), path.c_str(), data(after), size(after), path.c_str(),
                             &options) != 0) {
    return difference;
  }
  const std::unique_ptr<git_patch, void (*)(git_patch*)> patch(made, git_patch_free);
  git_patch_line_stats(nullptr, &difference.added, &difference.removed, made);
  difference.binary = (git_patch_get_delta(made)->flags & GIT_DIFF_FLAG_BINARY) != 0;
  const auto add = [](const git_diff_delta*, const git_diff_hunk*, const git_diff_line* line, void* into) {
    std::string text;
    if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
        line->origin == GIT_DIFF_LINE_DELETION) {
      text += line->origin;
    }
    text.append(line->content, std::min(line->content_len, 4 * line_bytes_max));
    for (const std::string_view each : split_lines(text)) {  // the head of a file is several
      if (!static_cast<Lines*>(into)->add(each)) return -1;
    }
    return 0;
  };
  if (!lines.full()) git_patch_print(made, add, &lines);  // fails only when `add` wants no more
  return difference;
}

std::string date_text(const GitCommit& commit) {
  const std::time_t local = static_cast<std::time_t>(commit.seconds) + std::time_t{commit.offset_minutes} * 60;
  std::tm parts = {};
  char text[64];
  if (commit.seconds < 0 || commit.seconds > 1'000'000'000'000 || ::gmtime_r(&local, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return "unknown";
  }
  const int minutes = std::abs(commit.offset_minutes);
  return fmt::format("{}{}{:02}:{:02}", text, commit.offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void add_head(Lines& lines, const GitId& id, const GitCommit& commit) {
  lines.add(fmt::format("commit {}", hex_of(id)));
  lines.add(fmt::format("Author: {}", shown_name(commit.author)));
  lines.add(fmt::format("Date: {}", date_text(commit)));
  if (commit.parents.size() > 1) {
    lines.add(fmt::format("Merges {} commits; this is what it changes in the first", commit.parents.size()));
  }
  lines.add("");
  const std::vector<std::string_view> text = split_lines(commit.message);
  for (std::size_t i = 0; i < std::min(text.size(), message_lines_max); ++i) lines.add(fmt::format("    {}", text[i]));
  lines.add("");
}

// Pairs files that are gone with those of the same content that are new: by path, the old name.
std::map<std::string, std::string> find_renames(const std::vector<FileChange>& changes) {
  std::map<GitId, std::string> gone;
  for (const FileChange& change : changes) {
    if (!change.after) gone.emplace(change.before->id, change.path);
  }
  std::map<std::string, std::string> renames;
  for (const FileChange& change : changes) {
    if (change.before || !change.after) continue;
    const auto found = gone.find(change.after->id);
    if (found == gone.end()) continue;
    renames.emplace(change.path, found->second);
    gone.erase(found);
  }
  return renames;
}

// The files of a commit with their counts, and what differs.
struct CommitFiles {
  std::vector<std::string> counts;
  std::size_t closed{0};  // by .rooignore
  std::size_t more{0};    // not looked into
  Lines text;
};

class CommitReader {
 public:
  CommitReader(Repository& repository, std::size_t lines_max)
      : repository_(repository), files_{{}, 0, 0, Lines(lines_max)} {}

  [[nodiscard]] Result<CommitFiles> read(const std::vector<FileChange>& changes) {
    const std::map<std::string, std::string> renames = find_renames(changes);
    std::set<std::string> old_names;
    for (const auto& [path, old_name] : renames) old_names.insert(old_name);
    for (const FileChange& change : changes) {
      if (repository_.cancel().cancelled()) return tl::unexpected(was_cancelled());
      const auto renamed = renames.find(change.path);
      if (old_names.contains(change.path)) continue;
      if (repository_.is_locked(change.path) || (renamed != renames.end() && repository_.is_locked(renamed->second))) {
        ++files_.closed;
      } else if (files_.counts.size() == patches_max) {
        ++files_.more;
      } else if (renamed != renames.end()) {
        files_.counts.push_back(
            fmt::format(" {} => {} | renamed", shown_name(renamed->second), shown_name(change.path)));
      } else {
        add(change);
      }
    }
    return std::move(files_);
  }

 private:
  void add(const FileChange& change) {
    const Result<std::string> before = content(change.before);
    const Result<std::string> after = content(change.after);
    const std::string name = shown_name(change.path);
    if (!before || !after) {
      files_.counts.push_back(fmt::format(" {} | too large to be shown", name));
      return;
    }
    const Difference difference =
        add_difference(files_.text, change.path, change.before ? &*before : nullptr, change.after ? &*after : nullptr);
    files_.counts.push_back(difference.binary
                                ? fmt::format(" {} | binary", name)
                                : fmt::format(" {} | +{} -{}", name, difference.added, difference.removed));
  }

  [[nodiscard]] Result<std::string> content(const std::optional<Version>& version) {
    if (!version) return std::string();
    if ((version->mode & S_IFMT) == git_submodule_mode) {
      return fmt::format("Subproject commit {}\n", hex_of(version->id));
    }
    return repository_.committed(*version);
  }

  Repository& repository_;
  CommitFiles files_;
};

Result<GitStatus> status_of(const Repository& repository, std::size_t files_max, bool gave_up) {
  GitStatus status;
  status.branch = repository.branch();
  for (const auto& [path, change] : repository.changes()) {
    if (status.files.size() == files_max) break;
    status.files.push_back(fmt::format("{}{} {}", change.staged, change.unstaged, shown_name(path)));
  }
  status.truncated = gave_up || repository.changes().size() > status.files.size();
  const auto untracked = repository.untracked(files_max - status.files.size(), status.truncated);
  if (!untracked) return tl::unexpected(untracked.error());
  for (const std::string& path : *untracked) status.files.push_back(fmt::format("?? {}", shown_name(path)));
  return status;
}

}  // namespace

Result<GitStatus> read_git_status(const Workspace& workspace, std::size_t files_max, const CancelToken& cancel) {
  Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  bool gave_up = false;
  if (Status looked = repository->look(gave_up); !looked) return tl::unexpected(looked.error());
  return status_of(*repository, files_max, gave_up);
}

Result<std::string> read_git_changes(const Workspace& workspace, std::size_t lines_max, const CancelToken& cancel) {
  Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  bool gave_up = false;
  if (Status looked = repository->look(gave_up); !looked) return tl::unexpected(looked.error());
  const Result<GitStatus> status = status_of(*repository, lines_max / 2, gave_up);
  if (!status) return tl::unexpected(status.error());

  Lines lines(lines_max);
  lines.add(fmt::format("## {}", status->branch));
  for (const std::string& file : status->files) lines.add(file);
  if (status->files.empty()) lines.add("(nothing has changed)");
  if (status->truncated) lines.add("(more files have changed than are listed)");
  lines.add("");
  Worktree worktree = repository->worktree();
  for (const auto& [path, change] : repository->changes()) {
    if (lines.full()) break;
    if (cancel.cancelled()) return tl::unexpected(was_cancelled());
    if (change.committed && (change.committed->mode & S_IFMT) == git_submodule_mode) continue;
    bool too_large = false;
    Result<std::string> before = change.committed ? repository->committed(*change.committed) : std::string();
    const std::optional<std::string> after = worktree.content(path, compared_bytes_max, too_large);
    if (!before || too_large) {
      lines.add(fmt::format("diff --git a/{0} b/{0}", shown_name(path)));
      lines.add("(too large to be shown)");
    } else if (change.committed || after) {
      add_difference(lines, path, change.committed ? &*before : nullptr, after ? &*after : nullptr);
    }
  }
  return lines.take("git diff HEAD");
}

Result<std::string> read_git_commit(const Workspace& workspace, std::string_view hash, std::size_t lines_max,
                                    const CancelToken& cancel) {
  Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  const Result<GitId> id = repository->objects().find(hash);
  if (!id) return tl::unexpected(id.error());
  const Result<GitCommit> commit = repository->read_commit(*id);
  if (!commit) return tl::unexpected(commit.error());

  std::optional<GitId> before;
  bool shallow = false;
  if (!commit->parents.empty()) {
    const Result<GitCommit> parent = repository->read_commit(commit->parents.front());
    shallow = !parent && parent.error().code == ErrorCode::not_found;
    if (!parent && !shallow) return tl::unexpected(parent.error());
    if (parent) before = parent->tree;
  }
  Comparison comparison(repository->objects(), cancel);
  if (Status compared = comparison.trees(before ? &*before : nullptr, &commit->tree); !compared) {
    return tl::unexpected(compared.error());
  }
  Result<CommitFiles> files = CommitReader(*repository, lines_max).read(comparison.take());
  if (!files) return tl::unexpected(files.error());

  Lines lines(lines_max);
  add_head(lines, *id, *commit);
  for (const std::string& count : files->counts) lines.add(count);
  if (files->more > 0) lines.add(fmt::format(" and {} more files", files->more));
  if (files->closed > 0) lines.add(fmt::format(" ({} more are closed by .rooignore)", files->closed));
  if (shallow) lines.add(" (its parent is not in this shallow clone, so every file looks new)");
  lines.add("");
  lines.add_all(files->text);
  return lines.take(fmt::format("git show {}", hash));
}

}  // namespace joey

#include "project/git_context.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/repository.h>
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

#include "base/text.hpp"
#include "project/git_folder.hpp"
#include "project/loading.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t deltas_max = 20'000;                // of one difference
constexpr std::size_t patches_max = 300;                  // of them shown with their text
constexpr std::size_t compared_bytes_max = 1U << 20;      // of a file whose difference is shown
constexpr std::uint64_t hashed_file_max = 16U << 20;      // of a file that is read to see whether it has changed
constexpr std::uint64_t hashed_bytes_max = 256U << 20;    // of all of them
constexpr std::size_t line_bytes_max = 300;               // of a line shown
constexpr std::size_t text_bytes_max = 100'000;           // of all lines shown
constexpr std::size_t message_lines_max = 100;            // of a commit's message
constexpr std::chrono::seconds untracked_time_max{10};
constexpr std::size_t untracked_entries_max = 500'000;

template <class T, void (*free)(T*)>
struct Free {
  void operator()(T* object) const { free(object); }
};
template <class T, void (*free)(T*)>
using Handle = std::unique_ptr<T, Free<T, free>>;

using RepositoryHandle = Handle<git_repository, git_repository_free>;
using Tree = Handle<git_tree, git_tree_free>;
using Index = Handle<git_index, git_index_free>;
using Odb = Handle<git_odb, git_odb_free>;
using Blob = Handle<git_blob, git_blob_free>;
using Commit = Handle<git_commit, git_commit_free>;
using Diff = Handle<git_diff, git_diff_free>;
using Patch = Handle<git_patch, git_patch_free>;
using Reference = Handle<git_reference, git_reference_free>;
using Config = Handle<git_config, git_config_free>;
using TreeEntry = Handle<git_tree_entry, git_tree_entry_free>;

// libgit2 counts who uses it.
class Library {
 public:
  Library() { git_libgit2_init(); }
  ~Library() { git_libgit2_shutdown(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

Error git_failure(int code, std::string_view what) {
  const git_error* last = git_error_last();
  return {code == GIT_ENOTFOUND ? ErrorCode::not_found : ErrorCode::corrupt,
          fmt::format("git: {}: {}", what, one_line(last != nullptr ? last->message : "unknown error", line_bytes_max))};
}

Error was_cancelled() { return {ErrorCode::cancelled, "git was cancelled"}; }

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

// The state of a tracked file in the worktree, next to the index.
class Worktree {
 public:
  Worktree(const Root& root, std::int64_t index_modified_ns) : root_(root), index_modified_ns_(index_modified_ns) {}

  // ' ', 'M' modified, 'T' of another type, 'D' deleted.
  char state(const git_index_entry& entry) {
    struct stat status = {};
    const std::string_view path = entry.path;
    if (!enter(path) || ::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 'D';
    const bool link = (entry.mode & S_IFMT) == S_IFLNK;
    if (S_ISDIR(status.st_mode)) return 'D';
    if (link ? !S_ISLNK(status.st_mode) : !S_ISREG(status.st_mode)) return 'T';
    if (!link && (status.st_mode & S_IXUSR) != (entry.mode & S_IXUSR)) return 'M';
    if (is_as_in_index(entry, status)) return ' ';
    if (entry.file_size != 0 && static_cast<std::uint32_t>(status.st_size) != entry.file_size) return 'M';
    return has_content_of(entry, status, link) ? ' ' : 'M';
  }

  // What a tracked path holds: a file's bytes or a symlink's text. Nothing when it is gone, or `too_large`.
  std::optional<std::string> content(std::string_view path, std::uint64_t size_max, bool& too_large) {
    struct stat status = {};
    if (!enter(path) || ::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    if (S_ISLNK(status.st_mode)) {
      char buffer[PATH_MAX];
      const ssize_t size = ::readlinkat(directory_.get(), name_.c_str(), buffer, sizeof buffer);
      return size < 0 ? std::nullopt : std::optional(std::string(buffer, static_cast<std::size_t>(size)));
    }
    if (!S_ISREG(status.st_mode)) return std::nullopt;
    Result<std::string> bytes = read_at(root_, std::string(path), size_max);
    if (bytes) return *std::move(bytes);
    too_large = too_large || bytes.error().code == ErrorCode::limit;
    return std::nullopt;
  }

  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  // Opens the directory of `path`, never through a symlink; entries of an index come directory by directory.
  bool enter(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory(slash == std::string_view::npos ? "." : path.substr(0, slash));
    name_ = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (directory != path_) {
      path_ = directory;
      directory_ = root_.open_at(directory, O_PATH | O_DIRECTORY, Root::Links::refuse);
    }
    return static_cast<bool>(directory_);
  }

  // Whether a look suffices: as git, it trusts size and time unless the file may have changed in the same instant.
  [[nodiscard]] bool is_as_in_index(const git_index_entry& entry, const struct stat& status) const {
    const bool same_nanoseconds =
        entry.mtime.nanoseconds == 0 || entry.mtime.nanoseconds == static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    const std::int64_t modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    return entry.file_size == static_cast<std::uint32_t>(status.st_size) && same_nanoseconds &&
           static_cast<std::uint32_t>(entry.mtime.seconds) == static_cast<std::uint32_t>(status.st_mtim.tv_sec) &&
           modified_ns < index_modified_ns_;
  }

  bool has_content_of(const git_index_entry& entry, const struct stat& status, bool link) {
    if (!link && static_cast<std::uint64_t>(status.st_size) > hashed_file_max) return false;
    if (hashed_ > hashed_bytes_max) {
      gave_up_ = true;
      return true;
    }
    bool too_large = false;
    const std::optional<std::string> bytes = content(entry.path, hashed_file_max, too_large);
    if (!bytes) return false;
    hashed_ += bytes->size();
    git_oid id;
    return git_odb_hash(&id, bytes->data(), bytes->size(), GIT_OBJECT_BLOB) == 0 && git_oid_equal(&id, &entry.id) != 0;
  }

  const Root& root_;
  std::int64_t index_modified_ns_;
  Descriptor directory_;
  std::string path_;
  std::string name_;
  std::uint64_t hashed_{0};
  bool gave_up_{false};
};

struct Change {
  char staged{' '};
  char unstaged{' '};
};
using Changes = std::map<std::string, Change>;  // by path

char letter_of(git_delta_t status) {
  switch (status) {
    case GIT_DELTA_ADDED: return 'A';
    case GIT_DELTA_DELETED: return 'D';
    case GIT_DELTA_TYPECHANGE: return 'T';
    default: return 'M';
  }
}

// Where tracked and untracked files of the index meet the worktree, for one call.
class Repository {
 public:
  static Result<Repository> open(const Workspace& workspace, const CancelToken& cancel);

  [[nodiscard]] bool is_locked(std::string_view path) const { return lock_.forbids(path, false); }
  [[nodiscard]] std::string branch() const;
  [[nodiscard]] Result<Commit> find_commit(std::string_view hash) const;
  [[nodiscard]] Result<Tree> head_tree() const;  // null before the first commit
  [[nodiscard]] static Result<Tree> tree_of(const git_commit& commit);

  // Of two trees; or of a tree and the index, without `to`. A null tree is empty.
  [[nodiscard]] Result<Diff> diff(git_tree* from, git_tree* to, git_index* index) const;

  // Tracked files that differ. `gave_up` becomes true when there are more, or some were too large to be looked into.
  [[nodiscard]] Result<Changes> changes(bool& gave_up) const;
  // Files that are neither tracked nor ignored, and directories of nothing else, with a '/'.
  [[nodiscard]] Result<std::set<std::string>> untracked(std::size_t count_max, bool& gave_up) const;

  // Adds the difference of a file between `tree`, which may be null, and the worktree.
  void add_difference(Lines& lines, git_tree* tree, const std::string& path) const;

 private:
  Repository(const Workspace& workspace, const CancelToken& cancel) : workspace_(&workspace), cancel_(cancel) {}
  [[nodiscard]] Result<Index> index() const;
  [[nodiscard]] std::string shown_above(git_index* index, const std::string& path) const;

  std::unique_ptr<Library> library_{std::make_unique<Library>()};  // let go of last
  const Workspace* workspace_;
  CancelToken cancel_;
  std::shared_ptr<const Root> root_;
  Lock lock_;
  std::int64_t index_modified_ns_{0};
  RepositoryHandle repository_;
};

Result<Repository> Repository::open(const Workspace& workspace, const CancelToken& cancel) {
  Repository repository(workspace, cancel);
  const Result<GitFolder> folder = find_git_folder(workspace);
  if (!folder) return tl::unexpected(folder.error());
  Result<std::shared_ptr<const Root>> root = root_of(workspace);
  if (!root) return tl::unexpected(root.error());
  repository.root_ = std::move(*root);
  Result<Lock> lock = Lock::read(*repository.root_);
  if (!lock) return tl::unexpected(lock.error());
  repository.lock_ = std::move(*lock);
  struct stat status = {};
  if (::stat(join_path(folder->directory, "index").c_str(), &status) == 0) {
    repository.index_modified_ns_ = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  }
  // As a bare one: then libgit2 looks neither at the worktree nor at who owns the repository. Without a configuration, so
  // that none can name files.
  git_repository* opened = nullptr;
  int code = git_repository_open_bare(&opened, folder->directory.c_str());
  if (code != 0) return tl::unexpected(git_failure(code, "the repository cannot be opened"));
  repository.repository_.reset(opened);
  git_config* made = nullptr;
  code = git_config_new(&made);
  const Config config(made);
  if (code == 0) code = git_repository_set_config(opened, made);
  if (code != 0) return tl::unexpected(git_failure(code, "its configuration cannot be replaced"));
  return repository;
}

std::string Repository::branch() const {
  git_reference* opened = nullptr;
  if (git_reference_lookup(&opened, repository_.get(), "HEAD") != 0) return "HEAD (unreadable)";
  const Reference head(opened);
  if (git_reference_type(opened) == GIT_REFERENCE_DIRECT) {
    char hash[8];
    return fmt::format("{} (detached)", git_oid_tostr(hash, sizeof hash, git_reference_target(opened)));
  }
  std::string_view name = git_reference_symbolic_target(opened);
  constexpr std::string_view prefix = "refs/heads/";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  git_oid id;
  const bool born = git_reference_name_to_id(&id, repository_.get(), "HEAD") == 0;
  return fmt::format("{}{}", one_line(name, line_bytes_max), born ? "" : " (no commits yet)");
}

Result<Commit> Repository::find_commit(std::string_view hash) const {
  git_oid id;
  git_commit* commit = nullptr;
  int code = hash.size() > GIT_OID_HEXSZ ? GIT_ERROR : git_oid_fromstrn(&id, hash.data(), hash.size());
  if (code == 0) code = git_commit_lookup_prefix(&commit, repository_.get(), &id, hash.size());
  if (code == 0) return Commit(commit);
  const std::string name(utf8_prefix(hash, GIT_OID_HEXSZ));
  if (code == GIT_ENOTFOUND) return failure(ErrorCode::not_found, fmt::format("git: there is no commit {}", name));
  if (code == GIT_EAMBIGUOUS) {
    return failure(ErrorCode::invalid_argument, fmt::format("git: several objects begin with {}: give more digits", name));
  }
  return failure(ErrorCode::invalid_argument, fmt::format("git: {} is not a commit that can be read", name));
}

Result<Tree> Repository::head_tree() const {
  git_oid id;
  int code = git_reference_name_to_id(&id, repository_.get(), "HEAD");
  if (code == GIT_ENOTFOUND) return Tree();
  git_commit* commit = nullptr;
  if (code == 0) code = git_commit_lookup(&commit, repository_.get(), &id);
  if (code != 0) return tl::unexpected(git_failure(code, "HEAD cannot be read"));
  const Commit held(commit);
  return tree_of(*commit);
}

Result<Tree> Repository::tree_of(const git_commit& commit) {
  git_tree* tree = nullptr;
  if (const int code = git_commit_tree(&tree, &commit); code != 0) {
    return tl::unexpected(git_failure(code, "a commit's tree cannot be read"));
  }
  return Tree(tree);
}

Result<Index> Repository::index() const {
  git_index* index = nullptr;
  if (const int code = git_repository_index(&index, repository_.get()); code != 0) {
    return tl::unexpected(git_failure(code, "the index cannot be read"));
  }
  return Index(index);
}

Result<Diff> Repository::diff(git_tree* from, git_tree* to, git_index* index) const {
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.max_size = compared_bytes_max;
  options.payload = const_cast<CancelToken*>(&cancel_);
  options.notify_cb = [](const git_diff* so_far, const git_diff_delta*, const char*, void* cancel) {
    const bool stop = static_cast<const CancelToken*>(cancel)->cancelled() || git_diff_num_deltas(so_far) >= deltas_max;
    return stop ? static_cast<int>(GIT_EUSER) : 0;
  };
  git_diff* made = nullptr;
  const int code = index != nullptr ? git_diff_tree_to_index(&made, repository_.get(), from, index, &options)
                                    : git_diff_tree_to_tree(&made, repository_.get(), from, to, &options);
  if (code == GIT_EUSER && cancel_.cancelled()) return tl::unexpected(was_cancelled());
  if (code == GIT_EUSER) {
    return failure(ErrorCode::limit, fmt::format("git: more than the {} files that are compared differ", deltas_max));
  }
  if (code != 0) return tl::unexpected(git_failure(code, "files cannot be compared"));
  return Diff(made);
}

Result<Changes> Repository::changes(bool& gave_up) const {
  const Result<Index> opened = index();
  if (!opened) return tl::unexpected(opened.error());
  const Result<Tree> head = head_tree();
  if (!head) return tl::unexpected(head.error());
  const Result<Diff> staged = diff(head->get(), nullptr, opened->get());
  if (!staged) return tl::unexpected(staged.error());

  Changes changes;
  for (std::size_t i = 0; i < git_diff_num_deltas(staged->get()); ++i) {
    const git_diff_delta& delta = *git_diff_get_delta(staged->get(), i);
    const char* path = delta.new_file.path != nullptr ? delta.new_file.path : delta.old_file.path;
    if (!is_locked(path)) changes[path].staged = letter_of(delta.status);
  }
  Worktree worktree(*root_, index_modified_ns_);
  const std::size_t count = git_index_entrycount(opened->get());
  for (std::size_t i = 0; i < count && changes.size() < deltas_max; ++i) {
    if (i % 256 == 0 && cancel_.cancelled()) return tl::unexpected(was_cancelled());
    const git_index_entry& entry = *git_index_get_byindex(opened->get(), i);
    const bool submodule = (entry.mode & S_IFMT) == GIT_FILEMODE_COMMIT;
    const bool not_looked_at =
        (entry.flags & GIT_INDEX_ENTRY_VALID) != 0 || (entry.flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE) != 0;
    if (submodule || not_looked_at || is_locked(entry.path)) continue;
    if (git_index_entry_is_conflict(&entry) != 0) {
      changes[entry.path] = {'U', 'U'};
    } else if (const char state = worktree.state(entry); state != ' ') {
      changes[entry.path].unstaged = state;
    }
  }
  gave_up = gave_up || worktree.gave_up() || changes.size() >= deltas_max;
  return changes;
}

// What stands for an untracked file: the topmost directory above it that holds nothing tracked, or it itself. Empty when
// it is a submodule's.
std::string Repository::shown_above(git_index* index, const std::string& path) const {
  std::size_t position = 0;
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (git_index_find(&position, index, path.substr(0, slash).c_str()) == 0) return {};
    std::string directory = path.substr(0, slash + 1);
    if (git_index_find_prefix(&position, index, directory.c_str()) != 0) return directory;
  }
  return path;
}

Result<std::set<std::string>> Repository::untracked(std::size_t count_max, bool& gave_up) const {
  const Result<Index> opened = index();
  if (!opened) return tl::unexpected(opened.error());
  WalkOptions options;
  options.well_known = false;
  options.entries_max = untracked_entries_max;
  options.time_max = untracked_time_max;
  std::set<std::string> found;
  const Result<WalkEnd> end = walk(*workspace_, ".", options, cancel_, [&](WalkEntry& entry) {
    std::size_t position = 0;
    if (entry.kind == FileKind::directory || git_index_find(&position, opened->get(), entry.path.c_str()) == 0) return true;
    std::string shown = shown_above(opened->get(), entry.path);
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

void add_patch(Lines& lines, git_patch& patch) {
  const auto add = [](const git_diff_delta*, const git_diff_hunk*, const git_diff_line* line, void* into) {
    std::string text;
    if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
        line->origin == GIT_DIFF_LINE_DELETION) {
      text += line->origin;
    }
    text.append(line->content, std::min(line->content_len, 4 * line_bytes_max));
    for (const std::string_view each : split_lines(text)) {  // the head of a file is several
      if (!static_cast<Lines*>(into)->add(each)) return static_cast<int>(GIT_EUSER);
    }
    return 0;
  };
  git_patch_print(&patch, add, &lines);  // fails only when `add` wants no more
}

void Repository::add_difference(Lines& lines, git_tree* tree, const std::string& path) const {
  Blob before;
  bool too_large = false;
  git_tree_entry* found = nullptr;
  if (tree != nullptr && git_tree_entry_bypath(&found, tree, path.c_str()) == 0) {
    const TreeEntry entry(found);
    git_odb* opened = nullptr;
    if (git_repository_odb(&opened, repository_.get()) != 0) return;
    const Odb odb(opened);
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_odb_read_header(&size, &type, opened, git_tree_entry_id(found)) != 0 || type != GIT_OBJECT_BLOB) return;
    git_blob* blob = nullptr;
    too_large = size > compared_bytes_max;
    if (!too_large && git_blob_lookup(&blob, repository_.get(), git_tree_entry_id(found)) != 0) return;
    before.reset(blob);
  }
  Worktree worktree(*root_, index_modified_ns_);
  const std::optional<std::string> after = worktree.content(path, compared_bytes_max, too_large);
  if (too_large) {
    lines.add(fmt::format("diff --git a/{0} b/{0}", one_line(path, line_bytes_max)));
    lines.add("(too large to be shown)");
    return;
  }
  if (!before && !after) return;
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.max_size = compared_bytes_max;
  git_patch* made = nullptr;
  const int code = git_patch_from_blob_and_buffer(&made, before.get(), path.c_str(), after ? after->data() : nullptr,
                                                  after ? after->size() : 0, path.c_str(), &options);
  const Patch patch(made);
  if (code == 0 && made != nullptr) add_patch(lines, *made);
}

std::string date_text(const git_time& time) {
  const std::time_t local = static_cast<std::time_t>(time.time) + std::time_t{time.offset} * 60;
  std::tm parts = {};
  char text[40];
  if (::gmtime_r(&local, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return "unknown";
  }
  const int minutes = std::abs(time.offset);
  return fmt::format("{}{}{:02}:{:02}", text, time.offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void add_head(Lines& lines, const git_commit& commit) {
  char hash[GIT_OID_HEXSZ + 1];
  lines.add(fmt::format("commit {}", git_oid_tostr(hash, sizeof hash, git_commit_id(&commit))));
  if (const git_signature* author = git_commit_author(&commit); author != nullptr) {
    lines.add(fmt::format("Author: {} <{}>", author->name, author->email));
    lines.add(fmt::format("Date: {}", date_text(author->when)));
  }
  if (const unsigned parents = git_commit_parentcount(&commit); parents > 1) {
    lines.add(fmt::format("Merges {} commits; this is what it changes in the first", parents));
  }
  lines.add("");
  const char* message = git_commit_message(&commit);
  const std::vector<std::string_view> text = split_lines(message != nullptr ? message : "");
  for (std::size_t i = 0; i < std::min(text.size(), message_lines_max); ++i) lines.add(fmt::format("    {}", text[i]));
  lines.add("");
}

// The files of a difference with their counts, and its text.
struct Files {
  std::vector<std::string> counts;
  std::size_t closed{0};  // by .rooignore
  std::size_t more{0};    // not looked into
  Lines text;
};

Files files_of(const Repository& repository, git_diff* diff, std::size_t lines_max, const CancelToken& cancel) {
  Files files{.counts = {}, .text = Lines(lines_max)};
  for (std::size_t i = 0; i < git_diff_num_deltas(diff); ++i) {
    const git_diff_delta& delta = *git_diff_get_delta(diff, i);
    const std::string_view from = delta.old_file.path;
    const std::string_view to = delta.new_file.path;
    if (repository.is_locked(from) || repository.is_locked(to)) {
      ++files.closed;
      continue;
    }
    if (files.counts.size() == patches_max || cancel.cancelled()) {
      ++files.more;
      continue;
    }
    git_patch* made = nullptr;
    const int code = git_patch_from_diff(&made, diff, i);
    const Patch patch(made);
    const std::string name = from == to ? one_line(to, line_bytes_max) : fmt::format("{} => {}", one_line(from, line_bytes_max), one_line(to, line_bytes_max));
    std::size_t added = 0;
    std::size_t removed = 0;
    if (code != 0 || made == nullptr || (git_patch_get_delta(made)->flags & GIT_DIFF_FLAG_BINARY) != 0) {
      files.counts.push_back(fmt::format(" {} | binary, or too large", name));
    } else if (git_patch_line_stats(nullptr, &added, &removed, made) == 0) {
      files.counts.push_back(fmt::format(" {} | +{} -{}", name, added, removed));
    }
    if (made != nullptr && !files.text.full()) add_patch(files.text, *made);
  }
  return files;
}

Result<Tree> tree_of_first_parent(const git_commit& commit, bool& missing) {
  if (git_commit_parentcount(&commit) == 0) return Tree();
  git_commit* parent = nullptr;
  const int code = git_commit_parent(&parent, &commit, 0);
  missing = code == GIT_ENOTFOUND;
  if (missing) return Tree();
  if (code != 0) return tl::unexpected(git_failure(code, "the commit's parent cannot be read"));
  const Commit held(parent);
  return Repository::tree_of(*parent);
}

struct Overview {
  GitStatus status;
  Changes changes;
};

Result<Overview> look_over(const Repository& repository, std::size_t files_max) {
  Overview overview;
  GitStatus& status = overview.status;
  Result<Changes> changes = repository.changes(status.truncated);
  if (!changes) return tl::unexpected(changes.error());
  overview.changes = std::move(*changes);
  status.branch = repository.branch();
  for (const auto& [path, change] : overview.changes) {
    if (status.files.size() == files_max) break;
    status.files.push_back(fmt::format("{}{} {}", change.staged, change.unstaged, one_line(path, line_bytes_max)));
  }
  status.truncated = status.truncated || overview.changes.size() > status.files.size();
  const auto untracked = repository.untracked(files_max - status.files.size(), status.truncated);
  if (!untracked) return tl::unexpected(untracked.error());
  for (const std::string& path : *untracked) status.files.push_back(fmt::format("?? {}", one_line(path, line_bytes_max)));
  return overview;
}

}  // namespace

Result<GitStatus> read_git_status(const Workspace& workspace, std::size_t files_max, const CancelToken& cancel) {
  const Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  Result<Overview> overview = look_over(*repository, files_max);
  if (!overview) return tl::unexpected(overview.error());
  return std::move(overview->status);
}

Result<std::string> read_git_changes(const Workspace& workspace, std::size_t lines_max, const CancelToken& cancel) {
  const Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  const Result<Overview> overview = look_over(*repository, lines_max / 2);
  if (!overview) return tl::unexpected(overview.error());
  const Result<Tree> head = repository->head_tree();
  if (!head) return tl::unexpected(head.error());

  const GitStatus& status = overview->status;
  Lines lines(lines_max);
  lines.add(fmt::format("## {}", status.branch));
  for (const std::string& file : status.files) lines.add(file);
  if (status.files.empty()) lines.add("(nothing has changed)");
  if (status.truncated) lines.add("(more files have changed than are listed)");
  lines.add("");
  for (const auto& [path, change] : overview->changes) {
    if (lines.full()) break;
    if (cancel.cancelled()) return tl::unexpected(was_cancelled());
    repository->add_difference(lines, head->get(), path);
  }
  return lines.take("git diff HEAD");
}

Result<std::string> read_git_commit(const Workspace& workspace, std::string_view hash, std::size_t lines_max,
                               const CancelToken& cancel) {
  const Result<Repository> repository = Repository::open(workspace, cancel);
  if (!repository) return tl::unexpected(repository.error());
  const Result<Commit> commit = repository->find_commit(hash);
  if (!commit) return tl::unexpected(commit.error());
  const Result<Tree> after = Repository::tree_of(**commit);
  if (!after) return tl::unexpected(after.error());
  bool shallow = false;
  const Result<Tree> before = tree_of_first_parent(**commit, shallow);
  if (!before) return tl::unexpected(before.error());
  const Result<Diff> diff = repository->diff(before->get(), after->get(), nullptr);
  if (!diff) return tl::unexpected(diff.error());
  git_diff_find_options same = GIT_DIFF_FIND_OPTIONS_INIT;
  same.flags = GIT_DIFF_FIND_RENAMES | GIT_DIFF_FIND_EXACT_MATCH_ONLY;
  git_diff_find_similar(diff->get(), &same);  // without it a renamed file is shown twice, no worse

  Lines lines(lines_max);
  add_head(lines, **commit);
  Files files = files_of(*repository, diff->get(), lines_max, cancel);
  if (cancel.cancelled()) return tl::unexpected(was_cancelled());
  for (const std::string& count : files.counts) lines.add(count);
  if (files.more > 0) lines.add(fmt::format(" and {} more files", files.more));
  if (files.closed > 0) lines.add(fmt::format(" ({} more are closed by .rooignore)", files.closed));
  if (shallow) lines.add(" (its parent is not in this shallow clone, so every file looks new)");
  lines.add("");
  lines.add_all(files.text);
  return lines.take(fmt::format("git show {}", hash));
}

}  // namespace joey

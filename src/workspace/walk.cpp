#include "workspace/walk.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <utility>

namespace joey {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t ignore_file_max = 1U << 20;  // bytes
constexpr std::string_view rooignore_name = ".rooignore";

std::string join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory);
  if (!directory.empty()) path += '/';
  return path.append(name);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool has_component(std::string_view path, std::string_view component) {
  while (!path.empty()) {
    const std::string_view first = path.substr(0, path.find('/'));
    if (first == component) return true;
    path.remove_prefix(std::min(first.size() + 1, path.size()));
  }
  return false;
}

// The text of an ignore file. As git does, none is read through a symlink.
Result<std::string> read_small_file(const Root& root, const std::string& path, Root::Links links) {
  const Descriptor file = root.open_at(path, O_RDONLY, links);
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0) return tl::unexpected(file_error(errno, path));
  if (!S_ISREG(status.st_mode)) return tl::unexpected(file_error(S_ISDIR(status.st_mode) ? EISDIR : ENXIO, path));
  std::string bytes(ignore_file_max + 1, '\0');
  std::size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return tl::unexpected(file_error(errno, path));
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  if (used > ignore_file_max) {
    return failure(ErrorCode::limit, fmt::format("{}: is larger than the {} bytes an ignore file may have",
                                                 quoted_path(path), ignore_file_max));
  }
  bytes.resize(used);
  return bytes;
}

// `above` and the ignore file `file` of `directory`, if there is one to read.
std::shared_ptr<const IgnoreScope> with_ignore_file(const Root& root, std::shared_ptr<const IgnoreScope> above,
                                                    std::string_view directory, const std::string& file) {
  const Result<std::string> text = read_small_file(root, file, Root::Links::refuse);
  if (!text) return above;
  IgnorePatterns patterns(*text);
  if (patterns.empty()) return above;
  const std::size_t base = directory.empty() ? 0 : directory.size() + 1;
  return std::make_shared<const IgnoreScope>(IgnoreScope{std::move(above), base, std::move(patterns)});
}

// The file deepest in the tree that has an opinion decides.
bool git_ignores(const IgnoreScope* scope, std::string_view path, bool is_directory) {
  for (; scope != nullptr; scope = scope->above.get()) {
    const auto verdict = scope->patterns.match(path.substr(scope->base), is_directory);
    if (verdict != IgnorePatterns::Verdict::none) return verdict == IgnorePatterns::Verdict::ignored;
  }
  return false;
}

// --- Natural order ---

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view take_number(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_digit(text[size])) ++size;
  std::string_view digits = text.substr(0, size);
  text.remove_prefix(size);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// <0, 0 or >0.
int compare_names(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a;
  const std::string_view whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a);
      const std::string_view y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (const int order = x.compare(y); order != 0) return order;
      continue;
    }
    const auto x = static_cast<unsigned char>(lower(a.front()));
    const auto y = static_cast<unsigned char>(lower(b.front()));
    if (x != y) return x < y ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty() ? -1 : 1;
  return whole_a.compare(whole_b);
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  while (true) {
    const std::string_view x = a.substr(0, a.find('/'));
    const std::string_view y = b.substr(0, b.find('/'));
    if (const int order = compare_names(x, y); order != 0) return order < 0;
    if (x.size() == a.size() || y.size() == b.size()) return a.size() < b.size();
    a.remove_prefix(x.size() + 1);
    b.remove_prefix(y.size() + 1);
  }
}

bool is_well_known_directory(std::string_view path) {
  static constexpr std::string_view names[] = {
      "node_modules", "__pycache__", "env", "venv", "target/dependency", "build/dependencies", "dist", "out",
      "bundle",       "vendor",      "tmp", "temp", "deps",              "pkg",                "Pods"};
  const std::string_view name = name_of(path);
  if (name.starts_with('.')) return true;
  return std::any_of(std::begin(names), std::end(names), [&](std::string_view known) {
    if (!path.ends_with(known)) return false;
    return path.size() == known.size() || path[path.size() - known.size() - 1] == '/';
  });
}

// --- .rooignore ---

Result<Lock> Lock::read(const Root& root) {
  Lock lock;
  const Result<std::string> text = read_small_file(root, std::string(rooignore_name), Root::Links::follow);
  if (text) {
    lock.has_file_ = true;
    lock.patterns_ = IgnorePatterns(*text);
  } else if (text.error().code != ErrorCode::not_found) {
    return tl::unexpected(text.error());  // what it forbids is not known, so nothing may be given
  }
  lock.hidden_ = root.hidden();
  return lock;
}

bool Lock::forbids(std::string_view path, bool is_directory) const {
  return (has_file_ && (path == rooignore_name || patterns_.ignores(path, is_directory))) ||
         hidden_.ignores(path, is_directory);
}

std::string_view Lock::keeper() const {
  return hidden_.empty() ? ".rooignore" : has_file_ ? ".rooignore or a rule of this session" : "a rule of this session";
}

// --- Walker ---

Result<Walker> Walker::create(const Workspace& workspace, std::string_view path, WalkOptions options) {
  Walker walker;
  walker.options_ = options;
  Result<std::shared_ptr<const Root>> root = root_of(workspace);
  if (!root) return tl::unexpected(std::move(root.error()));
  walker.root_ = std::move(*root);

  const Result<std::string> written = workspace.relative(path);
  if (!written) return tl::unexpected(written.error());
  Result<std::string> physical = walker.root_->physical(*written);
  if (!physical) return tl::unexpected(std::move(physical.error()));
  const Descriptor start = walker.root_->open_at(*physical, O_PATH, Root::Links::refuse);
  struct stat status = {};
  if (!start || ::fstat(start.get(), &status) != 0) return tl::unexpected(file_error(errno, path));
  if (S_ISDIR(status.st_mode)) {
    walker.kind_ = FileKind::directory;
  } else {
    walker.kind_ = S_ISREG(status.st_mode) ? FileKind::file : FileKind::other;
  }

  Result<Lock> lock = Lock::read(*walker.root_);
  if (!lock) return tl::unexpected(std::move(lock.error()));
  walker.lock_ = std::move(*lock);
  const bool directory = walker.kind_ == FileKind::directory;
  if (walker.lock_.forbids(*physical, directory) || walker.lock_.forbids(*written, directory)) {
    return failure(ErrorCode::denied, fmt::format("{}: {} forbids it", quoted_path(path), walker.lock_.keeper()));
  }
  walker.start_.path = std::move(*physical);
  walker.enter_start();
  return walker;
}

// Gathers the ignore files above the start, unless they ignore it.
void Walker::enter_start() {
  const std::string& start = start_.path;
  start_hidden_ = start.starts_with('.') || start.find("/.") != std::string::npos;
  if (!options_.gitignore || start.empty()) return;
  std::shared_ptr<const IgnoreScope> scope = with_ignore_file(*root_, nullptr, "", ".git/info/exclude");
  for (std::size_t slash = 0, begin = 0; slash != std::string::npos; begin = slash + 1) {
    const std::string_view above = begin == 0 ? std::string_view() : std::string_view(start).substr(0, begin - 1);
    scope = with_ignore_file(*root_, std::move(scope), above, join(above, ".gitignore"));
    slash = start.find('/', begin);
    if (git_ignores(scope.get(), std::string_view(start).substr(0, slash), true)) return;
  }
  start_.ignore = std::move(scope);
}

bool Walker::is_left_out(std::string_view path, std::string_view name, bool is_directory) const {
  const bool hidden = name.starts_with('.');
  if (name == ".git") return !has_component(start_.path, name);  // a file, too: of a worktree or submodule
  if (hidden && !options_.hidden && !start_hidden_) return true;
  if (!is_directory || !options_.well_known || !is_well_known_directory(path)) return false;
  return hidden ? !start_hidden_ : !has_component(start_.path, name);
}

Result<Walker::Entries> Walker::read(const WalkDirectory& directory, std::size_t seen_max,
                                     bool keep_ignored_files) const {
  Result<std::vector<DirectoryEntry>> names = read_directory(
      root_->open_at(directory.path, O_RDONLY | O_DIRECTORY, Root::Links::refuse), directory.path, seen_max);
  if (!names) return tl::unexpected(std::move(names.error()));
  std::sort(names->begin(), names->end(), [](const auto& a, const auto& b) { return a.name < b.name; });

  Entries result;
  result.seen = names->size();
  result.ignore = directory.ignore;
  if (options_.gitignore) {
    if (directory.path.empty()) result.ignore = with_ignore_file(*root_, nullptr, "", ".git/info/exclude");
    const DirectoryEntry own{".gitignore", FileKind::file};
    const auto found = std::lower_bound(names->begin(), names->end(), own,
                                        [](const auto& a, const auto& b) { return a.name < b.name; });
    if (found != names->end() && found->name == own.name) {
      result.ignore =
          with_ignore_file(*root_, std::move(result.ignore), directory.path, join(directory.path, own.name));
    }
  }
  result.entries.reserve(names->size());
  for (const DirectoryEntry& entry : *names) {
    const bool is_directory = entry.kind == FileKind::directory;
    std::string path = join(directory.path, entry.name);
    if (is_left_out(path, entry.name, is_directory)) continue;
    const bool git_ignored = options_.gitignore && git_ignores(result.ignore.get(), path, is_directory);
    if (git_ignored && (is_directory || !keep_ignored_files)) continue;
    const bool locked = lock_.forbids(path, is_directory);
    if (locked && !options_.locked) continue;
    result.entries.push_back({{std::move(path), entry.kind, locked}, git_ignored});
  }
  return result;
}

// --- Walks ---

Result<WalkEnd> walk(const Workspace& workspace, std::string_view path, const WalkOptions& options,
                     const CancelToken& cancel, const UniqueFunction<bool(WalkEntry&)>& visit) {
  const auto deadline = Clock::now() + options.time_max;
  const Result<Walker> walker = Walker::create(workspace, path, options);
  if (!walker) return tl::unexpected(walker.error());
  if (walker->kind() != FileKind::directory) return tl::unexpected(file_error(ENOTDIR, path));

  WalkEnd end;
  std::size_t seen = 0;
  std::deque<WalkDirectory> waiting{walker->start()};
  for (; !waiting.empty(); waiting.pop_front()) {
    if (cancel.cancelled()) return failure(ErrorCode::cancelled, "the walk was cancelled");
    if (Clock::now() >= deadline || seen >= options.entries_max) {
      end.complete = false;
      break;
    }
    const WalkDirectory& directory = waiting.front();
    Result<Walker::Entries> read = walker->read(directory, options.entries_max - seen);
    if (!read) {
      if (directory.depth == 0) return tl::unexpected(std::move(read.error()));
      ++end.unreadable;
      continue;
    }
    seen += read->seen;
    if (seen >= options.entries_max) end.complete = false;  // perhaps not all names of it were read
    for (Walker::Entry& entry : read->entries) {
      if (entry.kind == FileKind::directory && !entry.locked) {
        if (directory.depth < options.depth_max) {
          waiting.push_back({entry.path, directory.depth + 1, read->ignore});
        } else {
          ++end.too_deep;
        }
      }
      if (!visit(entry)) {
        end.complete = false;
        return end;
      }
    }
  }
  return end;
}

Result<Listing> list_files(const Workspace& workspace, std::string_view path, const ListOptions& options,
                           const CancelToken& cancel) {
  WalkOptions walk_options;
  walk_options.locked = options.locked;
  walk_options.time_max = options.time_max;
  if (!options.recursive) walk_options.depth_max = 0;

  // All of the first level is taken, so that the limit cannot hide a directory of it behind many files.
  Listing listing;
  std::vector<WalkEntry>& entries = listing.entries;
  std::size_t depth_of_first = std::string::npos;
  bool first_level = true;
  Result<WalkEnd> end = walk(workspace, path, walk_options, cancel, [&](WalkEntry& entry) {
    const auto depth = static_cast<std::size_t>(std::count(entry.path.begin(), entry.path.end(), '/'));
    if (depth_of_first == std::string::npos) depth_of_first = depth;
    first_level = first_level && depth == depth_of_first;
    if (!first_level && entries.size() >= options.limit) return false;
    entries.push_back(std::move(entry));
    return true;
  });
  if (!end) return tl::unexpected(std::move(end.error()));
  listing.unreadable = end->unreadable;
  listing.truncated = !end->complete || (options.recursive && end->too_deep > 0);
  if (entries.size() > options.limit) {
    std::stable_partition(entries.begin(), entries.end(),
                          [](const WalkEntry& entry) { return entry.kind == FileKind::directory; });
    entries.resize(options.limit);
    listing.truncated = true;
  }
  std::sort(entries.begin(), entries.end(),
            [](const WalkEntry& a, const WalkEntry& b) { return natural_less(a.path, b.path); });
  return listing;
}

}  // namespace joey

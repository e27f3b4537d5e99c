#include "project/loading.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/text.hpp"

namespace joey {
namespace {

// Where a byte stands in names' order.
std::size_t rank(char c) {
  static constexpr std::string_view order = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789";
  static constexpr std::size_t letters = order.size();
  if (c >= 'A' && c <= 'Z') return letters + static_cast<std::size_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return letters + static_cast<std::size_t>(c - 'a');
  if (const std::size_t at = order.find(c); at != std::string_view::npos) return at;
  return letters + 26 + static_cast<unsigned char>(c);
}

// Files that tools leave behind.
bool is_litter(std::string_view name) {
  static constexpr std::string_view endings[] = {
      "DS_Store", "bak",  "cache",   "crdownload", "db",  "dmp",       "dump", "eslintcache", "lock", "log",
      "old",      "part", "partial", "pyc",        "pyo", "stackdump", "swo",  "swp",         "temp", "tmp"};
  if (name == "Thumbs.db") return true;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  return std::find(std::begin(endings), std::end(endings), name.substr(dot + 1)) != std::end(endings);
}

}  // namespace

// --- Loading ---

void Loading::warn(std::string_view where, std::string_view problem) {
  std::vector<std::string>& warnings = project_.warnings;
  if (warnings.size() > warnings_max) return;
  std::string line = warnings.size() == warnings_max
                         ? "there are more problems than are listed: solve these first"
                         : one_line(fmt::format("{}: {}", where, problem), warning_bytes_max);
  if (std::find(warnings.begin(), warnings.end(), line) == warnings.end()) warnings.push_back(std::move(line));
}

void Loading::see(SeenFile seen) {
  if (project_.seen.size() < seen_files_max) project_.seen.push_back(std::move(seen));
}

bool Loading::keep(std::string_view text) {
  if (kept_ + text.size() > loaded_bytes_max) {
    warn("the project",
         fmt::format("has more than {} bytes of rules, commands and skills in all: what comes after is left "
                     "out; shorten or remove some",
                     loaded_bytes_max));
    kept_ = loaded_bytes_max;
    return false;
  }
  kept_ += text.size();
  return true;
}

// --- Files ---

Result<FileInfo> info_at(const Root& root, const std::string& path) {
  const Descriptor file = root.open_at(path, O_PATH, Root::Links::follow);
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0) return tl::unexpected(file_error(errno, path));
  FileInfo info;
  info.kind = S_ISREG(status.st_mode)   ? FileKind::file
              : S_ISDIR(status.st_mode) ? FileKind::directory
                                        : FileKind::other;
  info.size = static_cast<std::uint64_t>(status.st_size);
  info.modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  info.mode = status.st_mode & 07777U;
  return info;
}

Result<std::string> read_at(const Root& root, const std::string& path, std::size_t size_max) {
  // Looked at before it is opened: to open a pipe or a device for reading can have effects.
  const Result<FileInfo> info = info_at(root, path);
  if (!info) return tl::unexpected(info.error());
  if (info->kind != FileKind::file) {
    return tl::unexpected(file_error(info->kind == FileKind::directory ? EISDIR : ENXIO, path));
  }
  const Descriptor file = root.open_at(path, O_RDONLY, Root::Links::follow);
  if (!file) return tl::unexpected(file_error(errno, path));
  std::string bytes(std::min(static_cast<std::size_t>(info->size), size_max) + 1, '\0');
  std::size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return tl::unexpected(file_error(errno, path));
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
    if (used == bytes.size() && used <= size_max) bytes.resize(std::min(2 * used, size_max + 1));  // it grew meanwhile
  }
  if (used > size_max) {
    return failure(ErrorCode::limit, fmt::format("{}: is larger than {} bytes", quoted_path(path), size_max));
  }
  bytes.resize(used);
  return bytes;
}

// --- Folder ---

Folder::Folder(const Workspace& workspace, Origin origin, Loading& loading)
    : workspace_(workspace), origin_(origin), loading_(loading) {
  Result<std::shared_ptr<const Root>> root = root_of(workspace);
  if (root) {
    root_ = std::move(*root);
  } else {
    loading_.warn(workspace.root(), root.error().message);
  }
}

std::string Folder::shown(std::string_view path) const {
  return one_line(origin_ == Origin::global ? fmt::format("~/{}", path) : std::string(path), path_shown_max);
}

void Folder::warn_of(std::string_view path, const Error& error) {
  std::string_view problem = error.message;
  const std::string prefix = quoted_path(path) + ": ";
  if (problem.starts_with(prefix)) problem.remove_prefix(prefix.size());
  warn(path, problem);
}

const std::vector<FolderEntry>& Folder::roo() {
  if (!roo_) roo_ = entries(".roo");
  return *roo_;
}

Result<FileInfo> Folder::info(const std::string& path) const {
  if (root_ == nullptr) return failure(ErrorCode::not_found, "the folder cannot be opened");
  return info_at(*root_, path);
}

std::optional<FileInfo> Folder::look(const std::string& path) {
  const Result<FileInfo> info = this->info(path);
  SeenFile seen{path, origin_};
  if (info) {
    seen.exists = true;
    seen.kind = info->kind;
    seen.size = info->kind == FileKind::file ? info->size : 0;
    seen.modified_ns = info->modified_ns;
  }
  loading_.see(std::move(seen));
  if (info) return *info;
  if (info.error().code != ErrorCode::not_found) warn_of(path, info.error());
  return std::nullopt;
}

std::optional<std::string> Folder::read_text(const std::string& path) {
  Result<std::string> bytes = read_at(*root_, path, read_bytes_max);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::limit) {
      warn(path, fmt::format("is larger than the {} bytes that are read: shorten it", read_bytes_max));
    } else {
      warn_of(path, bytes.error());
    }
    return std::nullopt;
  }
  if (bytes->find('\0') != std::string::npos) {
    warn(path, "is binary, not text: move it elsewhere, or save it as UTF-8");
    return std::nullopt;
  }
  std::string text = is_utf8(*bytes) ? std::move(*bytes) : to_utf8(*bytes);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::vector<FolderEntry> Folder::entries(const std::string& directory) {
  std::vector<FolderEntry> entries;
  const std::optional<FileInfo> info = look(directory);
  if (!info) return entries;
  if (info->kind != FileKind::directory) {
    warn(directory, "is not a directory, which it should be: rename it");
    return entries;
  }
  const Result<std::vector<DirectoryEntry>> names = read_directory(
      root_->open_at(directory, O_RDONLY | O_DIRECTORY, Root::Links::follow), directory, directory_names_max + 1);
  if (!names) {
    warn_of(directory, names.error());
    return entries;
  }
  // Which names a disk gives first is chance: all of them, or none.
  if (names->size() > directory_names_max) {
    warn(directory, fmt::format("has more than {} entries, so none is read: split it up", directory_names_max));
    return entries;
  }
  for (const DirectoryEntry& name : *names) {
    FolderEntry entry{name.name, name.kind, name.kind == FileKind::symlink};
    if (entry.link) {
      const std::string path = join_path(directory, entry.name);
      const Result<FileInfo> target = this->info(path);
      if (!target) {
        warn_of(path, target.error().code == ErrorCode::not_found
                          ? Error{ErrorCode::not_found, "is a symbolic link that leads nowhere: remove or repair it"}
                          : target.error());
        continue;
      }
      entry.kind = target->kind;
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return entries;
}

std::vector<std::string> Folder::files_beneath(const std::string& directory) {
  struct Place {
    std::string path;
    std::size_t depth{0};
    std::size_t links{0};
  };
  std::vector<std::string> files;
  std::vector<Place> waiting{{directory}};
  std::set<std::string> entered;  // without symlinks, so that none is entered twice
  for (std::size_t next = 0; next < waiting.size(); ++next) {
    const Place place = waiting[next];
    const Result<std::string> physical = root_ ? root_->physical(place.path) : Result<std::string>("");
    if (physical && !entered.insert(*physical).second) continue;
    for (const FolderEntry& entry : entries(place.path)) {
      std::string path = join_path(place.path, entry.name);
      if (entry.kind == FileKind::directory) {
        const std::size_t links = place.links + (entry.link ? 1 : 0);
        if (place.depth == nesting_max || links > links_in_path_max) {
          warn(path, fmt::format("is nested deeper than {} directories or {} links: move it up", nesting_max,
                                 links_in_path_max));
        } else if (waiting.size() == directories_beneath_max) {
          warn(directory,
               fmt::format("has more than {} directories: the others are left out", directories_beneath_max));
        } else {
          waiting.push_back({std::move(path), place.depth + 1, links});
        }
      } else if (entry.kind == FileKind::file && !is_litter(entry.name)) {
        files.push_back(std::move(path));
        if (files.size() < files_beneath_max) continue;
        warn(directory, fmt::format("has more than {} files: the others are left out", files_beneath_max));
        next = waiting.size();
        break;
      }
    }
  }
  std::sort(files.begin(), files.end(), by_file_name);
  return files;
}

// --- Names ---

std::string one_line(std::string_view text, std::size_t size_max) {
  std::string line = to_utf8(utf8_prefix(text, size_max));
  if (size_max < text.size()) line += "...";
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return line;
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || directory == ".") return std::string(name);
  return fmt::format("{}/{}", directory, name);
}

std::string_view last_component(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool has_directory(const std::vector<FolderEntry>& entries, std::string_view name) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const FolderEntry& entry) { return entry.kind == FileKind::directory && entry.name == name; });
}

bool by_file_name(std::string_view a, std::string_view b) {
  const std::string_view x = last_component(a);
  const std::string_view y = last_component(b);
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (rank(x[i]) != rank(y[i])) return rank(x[i]) < rank(y[i]);
  }
  return x.size() != y.size() ? x.size() < y.size() : a < b;
}

}  // namespace joey

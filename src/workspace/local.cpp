#include "workspace/local.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box.hpp"
#include "workspace/command.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr int links_max = 40;            // symlinks followed in one path, as the kernel's
constexpr int descents_max = 1'000;      // ways down from the root while one path is resolved
constexpr int race_retries_max = 16;     // the kernel's EAGAIN: something moved while it resolved ".."
constexpr std::size_t entries_max = 10'000'000;  // of one directory

// --- Paths as text ---

// The directory and the name of the last component. "" is the root.
std::pair<std::string, std::string> split_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", std::string(path)};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

// --- System calls ---

template <class Call>
auto retried(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

int openat2(int directory, const char* path, int flags, std::uint64_t resolve) {
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

// Flags O_PATH refuses are left out beside it.
int safe_flags(int flags) {
  flags |= O_CLOEXEC;
  return (flags & O_PATH) != 0 ? flags : flags | O_NOCTTY | O_NONBLOCK;
}

// The text of the symlink `name`; on failure errno, EINVAL when it is none.
bool read_link(int directory, const std::string& name, std::string& target) {
  char buffer[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (size < 0) return false;
  if (size == 0 || static_cast<std::size_t>(size) == sizeof buffer) return errno = ENAMETOOLONG, false;
  target.assign(buffer, static_cast<std::size_t>(size));
  return true;
}

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::file;
  if (S_ISDIR(mode)) return FileKind::directory;
  return S_ISLNK(mode) ? FileKind::symlink : FileKind::other;
}

Error not_a_file(std::string_view path, mode_t mode) {
  if (S_ISDIR(mode)) return file_error(EISDIR, path);
  return {ErrorCode::invalid_argument,
          fmt::format("{}: is a device, pipe or socket: only regular files are read and written", quoted_path(path))};
}

Error too_large(std::string_view path, std::uint64_t size_max) {
  return {ErrorCode::limit, fmt::format("{}: is larger than the {} bytes allowed: read a part of it with a command",
                                        quoted_path(path), size_max)};
}

}  // namespace

// --- Messages ---

Error file_error(int code, std::string_view path) {
  struct Known {
    int number;
    ErrorCode code;
    const char* text;
  };
  static constexpr Known known[] = {
      {ENOENT, ErrorCode::not_found, "does not exist: check the spelling, or list the directory"},
      {ENOTDIR, ErrorCode::invalid_argument,
       "is not a directory, or a part of the path is a file: list the directory above it"},
      {EISDIR, ErrorCode::invalid_argument, "is a directory: name a file in it"},
      {EXDEV, ErrorCode::denied, "leads out of the workspace: use a path beneath its root"},
      {ELOOP, ErrorCode::denied, "goes through too many symbolic links or a link of /proc: use the path they lead to"},
      {EACCES, ErrorCode::denied, "permission denied: its mode or owner forbids it; change them or use another file"},
      {EPERM, ErrorCode::denied, "the system forbids it: the file may be immutable or a security policy applies"},
      {EROFS, ErrorCode::denied, "is on a read-only file system: write elsewhere"},
      {ENAMETOOLONG, ErrorCode::invalid_argument, "is too long: a name may have 255 bytes and a path 4095"},
      {EEXIST, ErrorCode::conflict, "exists already: remove it first or use another name"},
      {ENOTEMPTY, ErrorCode::conflict, "is a directory that is not empty: remove what is in it first"},
      {EBUSY, ErrorCode::busy, "is in use by the system: try again later"},
      {ENOSPC, ErrorCode::io, "no space left on the device: free some and write again; nothing was changed"},
      {EDQUOT, ErrorCode::io, "the disk quota is used up: free some space and write again; nothing was changed"},
      {EFBIG, ErrorCode::limit, "would be larger than the system allows: write less; nothing was changed"},
      {EMFILE, ErrorCode::limit, "too many files are open in this process: try again, or raise its limit (ulimit -n)"},
      {ENFILE, ErrorCode::limit, "too many files are open on this machine: try again later"},
      {ENOMEM, ErrorCode::out_of_memory, "the system is out of memory: try again later"},
      {EINVAL, ErrorCode::invalid_argument, "the file system refuses the name or the operation: use another name"},
      {EAGAIN, ErrorCode::conflict, "directories above it are being moved: try again"},
      {ENXIO, ErrorCode::invalid_argument, "is a device, pipe or socket: only regular files are read and written"},
  };
  for (const Known& each : known) {
    if (each.number == code) return {each.code, fmt::format("{}: {}", quoted_path(path), each.text)};
  }
  const char* text = ::strerrordesc_np(code);
  return {ErrorCode::io, fmt::format("{}: {} (errno {})", quoted_path(path), text != nullptr ? text : "unknown", code)};
}

// --- Descriptor ---

int Descriptor::close() {
  if (fd_ < 0) return 0;
  // Not repeated after EINTR: Linux has closed it by then.
  return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno;
}

// --- Root ---

Result<Root> Root::open(const std::string& path, Resolver resolver, IgnorePatterns hidden) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return failure(ErrorCode::invalid_argument, fmt::format("workspace root {}: not a path", quoted_path(path)));
  }
  const auto failed = [&path](int code) {
    Error error = file_error(code, path);
    error.message.insert(0, "workspace root ");
    return tl::unexpected<Error>(std::move(error));
  };
  Root root;
  const std::unique_ptr<char, void (*)(void*)> canonical(::realpath(path.c_str(), nullptr), std::free);
  if (!canonical) return failed(errno);
  root.path_ = canonical.get();

  // Not O_PATH: a root that cannot be read is found here, where its owner reads the message.
  root.fd_ = Descriptor(retried([&] { return ::open(root.path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!root.fd_) return failed(errno);
  if (::faccessat(root.fd_.get(), ".", X_OK, AT_EACCESS) != 0) return failed(errno);

  if (path.front() == '/' && path.find("..") == std::string::npos) root.alias_ = shortest_path(path).value_or("");
  root.resolver_ = resolver;
  root.hidden_ = std::move(hidden);
  if (resolver == Resolver::kernel) {
    // An old kernel says ENOSYS, a filter of system calls mostly EPERM.
    const Descriptor probe(openat2(root.fd_.get(), ".", O_PATH | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
    if (!probe) root.resolver_ = Resolver::portable;
  }
  return root;
}

bool Root::strip_root(std::string_view& absolute) const {
  return strip_components(absolute, path_) || (!alias_.empty() && strip_components(absolute, alias_));
}

Result<std::string> Root::relative(std::string_view path) const {
  if (path.empty()) return failure(ErrorCode::invalid_argument, "the path is empty: \".\" is the workspace's root");
  if (path.find('\0') != std::string_view::npos) {
    return failure(ErrorCode::invalid_argument, fmt::format("{}: a path cannot hold a NUL byte", quoted_path(path)));
  }
  auto beneath = path_beneath(path_, path);
  if (!beneath && !alias_.empty()) beneath = path_beneath(alias_, path);
  if (!beneath) return tl::unexpected(file_error(EXDEV, path));
  return *std::move(beneath);
}

Descriptor Root::open_at(const std::string& path, int flags, Links links) const {
  flags = safe_flags(flags);
  if (resolver_ == Resolver::portable) return open_portable(path, flags, links);
  std::uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (links == Links::refuse) resolve |= RESOLVE_NO_SYMLINKS;
  for (int tries = 0; tries < race_retries_max; ++tries) {
    const int fd = retried([&] { return openat2(fd_.get(), path.empty() ? "." : path.c_str(), flags, resolve); });
    if (fd >= 0) return Descriptor(fd);
    if (errno != EAGAIN) break;
  }
  switch (errno) {
    case EXDEV:  // perhaps an absolute symlink to somewhere beneath the root, which the kernel does not tell apart
      if (links == Links::refuse) return {};
      [[fallthrough]];
    case EAGAIN:
    case EPERM:  // a filter that was installed after open()
    case ENOSYS:
      return open_portable(path, flags, links);
    default:
      return {};
  }
}

Descriptor Root::open_entry(const Descriptor& directory, const std::string& name, int flags) {
  return Descriptor(retried([&] { return ::openat(directory.get(), name.c_str(), safe_flags(flags) | O_NOFOLLOW); }));
}

namespace {

// One way down from a root, with the kernel following nothing: to the end of the path, or to what stands in the way.
struct Descent {
  Descriptor opened;   // the end was reached,
  int error{0};        // or this went wrong,
  std::string walked;  // or beneath these real directories (when opened: all of the path, no symlink in it)
  std::string link;    // a symlink with this text was met (none: a ".." that took one of them away)
  std::string rest;    // before the rest of the path
};

Descent failed_descent(int error) {
  Descent descent;
  descent.error = error;
  return descent;
}

Descent descend(int root, std::string_view path, int flags) {
  Descent descent;
  Descriptor directory(::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  while (directory) {
    const std::string_view component = take_component(path);
    if (component == ".") continue;
    if (component == "..") {
      if (descent.walked.empty()) return failed_descent(EXDEV);
      descent.walked = split_path(descent.walked).first;
      descent.rest = path;
      return descent;
    }
    const bool last = path.empty();
    const std::string name(component.empty() ? "." : component);
    const int step_flags = last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    Descriptor next(retried([&] { return ::openat(directory.get(), name.c_str(), step_flags | O_NOFOLLOW); }));
    int error = next ? 0 : errno;
    if (next && (step_flags & O_PATH) != 0) {  // opens a symlink as itself
      struct stat status = {};
      if (::fstat(next.get(), &status) != 0) return failed_descent(errno);
      if (S_ISLNK(status.st_mode)) error = ELOOP;
    }
    if (error == ELOOP || error == ENOTDIR) {  // ENOTDIR: a symlink met with O_DIRECTORY, or indeed no directory
      if (!read_link(directory.get(), name, descent.link)) return failed_descent(error);
      descent.rest = path;
      return descent;
    }
    if (error != 0) return failed_descent(error);
    directory = std::move(next);
    if (!component.empty()) {
      if (!descent.walked.empty()) descent.walked += '/';
      descent.walked += component;
    }
    if (last) {
      descent.opened = std::move(directory);
      return descent;
    }
  }
  return failed_descent(errno);
}

}  // namespace

// A symlink's text takes its place in the path and the way down begins again at the root. So ".." only ever shortens
// text whose components were just seen to be real directories, and is never asked of the kernel: whatever changes
// meanwhile, each step goes down, from a directory that was beneath the root.
Descriptor Root::open_portable(std::string path, int flags, Links links, std::string* physical) const {
  int links_followed = 0;
  for (int descents = 0; descents < descents_max; ++descents) {
    if (path.size() >= PATH_MAX) return errno = ENAMETOOLONG, Descriptor();
    Descent descent = descend(fd_.get(), path, flags);
    if (descent.opened) {
      if (physical != nullptr) *physical = std::move(descent.walked);
      return std::move(descent.opened);
    }
    if (descent.error != 0) return errno = descent.error, Descriptor();

    std::string_view link = descent.link;
    if (!link.empty()) {
      if (links == Links::refuse || ++links_followed > links_max) return errno = ELOOP, Descriptor();
      if (link.front() == '/') {
        if (!strip_root(link)) return errno = EXDEV, Descriptor();
        descent.walked.clear();
      }
    }
    path = descent.walked;
    for (const std::string_view part : {link, std::string_view(descent.rest)}) {
      if (part.empty()) continue;
      if (!path.empty()) path += '/';
      path += part.substr(std::min(part.find_first_not_of('/'), part.size()));
    }
  }
  return errno = ELOOP, Descriptor();
}

Result<std::string> Root::physical(const std::string& path) const {
  std::string physical;
  const Descriptor opened = open_portable(path, O_PATH | O_CLOEXEC, Links::follow, &physical);
  if (!opened) return tl::unexpected(file_error(errno, path));
  return physical;
}

// --- The workspace ---

namespace {

// What .rooignore says now: it is read again when the file has changed.
class LockFile {
 public:
  [[nodiscard]] Result<std::shared_ptr<const Lock>> current(const Root& root) {
    const Version now = version(root);
    const std::lock_guard guard(mutex_);
    if (lock_ && now == version_) return lock_;
    Result<Lock> lock = Lock::read(root);
    if (!lock) return tl::unexpected(std::move(lock.error()));
    version_ = now;
    return lock_ = std::make_shared<const Lock>(*std::move(lock));
  }

 private:
  struct Version {
    ino_t inode{0};
    off_t size{-1};
    std::int64_t modified_ns{0};
    std::int64_t changed_ns{0};
    bool operator==(const Version&) const = default;
  };
  static Version version(const Root& root) {
    const Descriptor file = root.open_at(".rooignore", O_PATH, Root::Links::follow);
    struct stat status = {};
    if (!file || ::fstat(file.get(), &status) != 0) return {};
    const auto nanoseconds = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
    return {status.st_ino, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
  }

  std::mutex mutex_;
  Version version_;
  std::shared_ptr<const Lock> lock_;
};

Error locked_error(std::string_view path, const Lock& lock) {
  return {ErrorCode::denied,
          fmt::format("{}: {} keeps it from you: go on without it, or ask the person for what you need of it",
                      quoted_path(path), lock.keeper())};
}

Error protected_error(std::string_view path) {
  return {ErrorCode::denied, fmt::format("{}: is a protected file, and its change was not allowed: ask the person",
                                         quoted_path(path))};
}

std::string join_path(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

class LocalWorkspace final : public Workspace {
 public:
  LocalWorkspace(Root root, LocalWorkspaceOptions options)
      : root_(std::make_shared<const Root>(std::move(root))), options_(std::move(options)) {}

  [[nodiscard]] const std::string& root() const override { return root_->path(); }
  [[nodiscard]] const std::shared_ptr<const Root>& files() const { return root_; }
  [[nodiscard]] Result<std::string> relative(std::string_view path) const override { return root_->relative(path); }

  [[nodiscard]] Result<FileInfo> info(std::string_view path) const override;
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t size_max) const override;
  [[nodiscard]] Result<std::string> read_range(std::string_view path, std::uint64_t offset,
                                               std::size_t size) const override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(std::string_view path) const override;
  [[nodiscard]] Status write(std::string_view path, std::string_view bytes, const ChangeOptions& options) override;
  [[nodiscard]] Status remove(std::string_view path, const ChangeOptions& options) override;
  [[nodiscard]] Status rename(std::string_view from, std::string_view to, const ChangeOptions& options) override;
  [[nodiscard]] Result<std::unique_ptr<Command>> start(CommandSpec spec, CommandSink& sink) override;

 private:
  // A path that may be opened, and how: what was found to be no forbidden one must not become another by a symlink.
  struct Admitted {
    std::string path;
    Root::Links links{Root::Links::follow};
  };
  // A directory entry: no symlink in `directory` or its way there can change what `name` in it means.
  struct Place {
    Descriptor directory;
    std::string name;
  };
  enum class Missing : std::uint8_t { refuse, create };

  [[nodiscard]] Result<Admitted> admit(std::string_view path) const;
  [[nodiscard]] Descriptor open(const Admitted& admitted, int flags) const {
    return root_->open_at(admitted.path, flags, admitted.links);
  }
  struct OpenFile {
    Descriptor descriptor;
    struct stat status {};
  };
  [[nodiscard]] Result<OpenFile> open_file(std::string_view path) const;  // to read, a regular one
  // The entry that `path` names, itself, whether it exists or not; or, following symlinks, the one they lead to. One
  // that may be changed.
  [[nodiscard]] Result<Place> locate(std::string_view path, Missing missing, Root::Links links,
                                     const ChangeOptions& options) const;
  [[nodiscard]] Descriptor open_directory(const std::string& path, Missing missing) const;
  [[nodiscard]] Status check_change(std::string_view path, const std::string& written, const std::string& real,
                                    const ChangeOptions& options) const;
  // That `place` holds what the options say it must.
  [[nodiscard]] Status check_condition(std::string_view path, const Place& place, const ChangeOptions& options) const;

  std::shared_ptr<const Root> root_;
  const LocalWorkspaceOptions options_;
  mutable LockFile lock_file_;
};

Result<LocalWorkspace::Admitted> LocalWorkspace::admit(std::string_view path) const {
  Result<std::string> written = relative(path);
  if (!written) return tl::unexpected(std::move(written.error()));
  const auto lock = lock_file_.current(*root_);
  if (!lock) return tl::unexpected(lock.error());
  if (!(*lock)->present()) return Admitted{*std::move(written), Root::Links::follow};
  Result<std::string> real = root_->physical(*written);
  if (!real) {
    // Whether a forbidden file exists is not told either: of what does not exist, the directories that do are resolved.
    std::string existing = *written;
    std::string named = *written;
    Result<std::string> directory = tl::unexpected(real.error());
    while (!directory && directory.error().code == ErrorCode::not_found && existing.find('/') != std::string::npos) {
      existing.resize(existing.rfind('/'));
      directory = root_->physical(existing);
      if (directory) named = join_path(*directory, std::string_view(*written).substr(existing.size() + 1));
    }
    if ((*lock)->forbids(*written, false) || (*lock)->forbids(named, false)) return tl::unexpected(locked_error(path, **lock));
    return tl::unexpected(std::move(real.error()));
  }
  struct stat status = {};
  const Descriptor opened = root_->open_at(*real, O_PATH, Root::Links::refuse);
  if (!opened || ::fstat(opened.get(), &status) != 0) return tl::unexpected(file_error(errno, path));
  const bool directory = S_ISDIR(status.st_mode);
  if ((*lock)->forbids(*written, directory) || (*lock)->forbids(*real, directory)) {
    return tl::unexpected(locked_error(path, **lock));
  }
  return Admitted{*std::move(real), Root::Links::refuse};
}

Result<FileInfo> LocalWorkspace::info(std::string_view path) const {
  const Result<Admitted> admitted = admit(path);
  if (!admitted) return tl::unexpected(admitted.error());
  const Descriptor file = open(*admitted, O_PATH);
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0) return tl::unexpected(file_error(errno, path));
  return FileInfo{.kind = kind_of(status.st_mode),
                  .size = static_cast<std::uint64_t>(status.st_size),
                  .modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
                  .mode = status.st_mode & 07777U};
}

// The file's status is a guess from then on: it may change.
Result<LocalWorkspace::OpenFile> LocalWorkspace::open_file(std::string_view path) const {
  const Result<Admitted> admitted = admit(path);
  if (!admitted) return tl::unexpected(admitted.error());
  OpenFile file;
  {
    // Looked at before it is opened: to open a pipe or a device for reading can have effects.
    const Descriptor look = open(*admitted, O_PATH);
    if (!look || ::fstat(look.get(), &file.status) != 0) return tl::unexpected(file_error(errno, path));
    if (!S_ISREG(file.status.st_mode)) return tl::unexpected(not_a_file(path, file.status.st_mode));
  }
  file.descriptor = open(*admitted, O_RDONLY);
  if (!file.descriptor || ::fstat(file.descriptor.get(), &file.status) != 0) return tl::unexpected(file_error(errno, path));
  if (!S_ISREG(file.status.st_mode)) return tl::unexpected(not_a_file(path, file.status.st_mode));
  return file;
}

Result<std::string> LocalWorkspace::read_range(std::string_view path, std::uint64_t offset, std::size_t size) const {
  const Result<OpenFile> file = open_file(path);
  if (!file) return tl::unexpected(file.error());
  std::string bytes(size, '\0');
  std::size_t used = 0;
  while (used < size && offset <= std::numeric_limits<off_t>::max() - used) {
    const auto at = static_cast<off_t>(offset + used);
    const ssize_t count = retried([&] { return ::pread(file->descriptor.get(), bytes.data() + used, size - used, at); });
    if (count < 0) return tl::unexpected(file_error(errno, path));
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  bytes.resize(used);
  return bytes;
}

Result<std::string> LocalWorkspace::read(std::string_view path, std::size_t size_max) const {
  size_max = std::min(size_max, std::numeric_limits<std::size_t>::max() / 4);
  const Result<OpenFile> opened = open_file(path);
  if (!opened) return tl::unexpected(opened.error());
  const Descriptor& file = opened->descriptor;
  const struct stat& status = opened->status;
  if (static_cast<std::uint64_t>(status.st_size) > size_max) return tl::unexpected(too_large(path, size_max));

  // The size is a guess: the file may grow meanwhile, and files of /proc say 0.
  std::string bytes(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t used = 0;
  while (true) {
    const ssize_t count = retried([&] { return ::read(file.get(), bytes.data() + used, bytes.size() - used); });
    if (count < 0) return tl::unexpected(file_error(errno, path));
    used += static_cast<std::size_t>(count);
    if (used > size_max) return tl::unexpected(too_large(path, size_max));
    if (count == 0) break;
    if (used == bytes.size()) bytes.resize(std::min(2 * used, size_max) + 1);
  }
  bytes.resize(used);
  return bytes;
}

Result<std::vector<DirectoryEntry>> LocalWorkspace::list(std::string_view path) const {
  const Result<Admitted> admitted = admit(path);
  if (!admitted) return tl::unexpected(admitted.error());
  Result<std::vector<DirectoryEntry>> entries = read_directory(open(*admitted, O_RDONLY | O_DIRECTORY), path, entries_max);
  if (!entries) return entries;
  if (const auto lock = lock_file_.current(*root_); lock && (*lock)->present()) {
    const std::string directory = admitted->path == "." ? std::string() : admitted->path;
    std::erase_if(*entries, [&](const DirectoryEntry& entry) {
      return (*lock)->forbids(join_path(directory, entry.name), entry.kind == FileKind::directory);
    });
  }
  std::sort(entries->begin(), entries->end(), [](auto& a, auto& b) { return a.name < b.name; });
  return entries;
}

// --- Changing files ---

// Opens the directory, and makes what is missing of it one component at a time, each beneath the one before.
Descriptor LocalWorkspace::open_directory(const std::string& path, Missing missing) const {
  constexpr int flags = O_PATH | O_DIRECTORY;
  Descriptor directory = root_->open_at(path, flags, Root::Links::follow);
  if (directory || errno != ENOENT || missing == Missing::refuse) return directory;

  directory = root_->open_at("", flags, Root::Links::follow);
  for (std::size_t end = 0; directory && end < path.size();) {
    const std::size_t begin = end;
    end = std::min(path.find('/', end + 1), path.size());
    const std::string beneath = path.substr(0, end);
    Descriptor next = root_->open_at(beneath, flags, Root::Links::follow);
    if (!next && errno == ENOENT) {
      const std::string name = path.substr(begin == 0 ? 0 : begin + 1, end - (begin == 0 ? 0 : begin + 1));
      // EEXIST: somebody else made it, or it is a symlink to nothing, of which the next open tells.
      if (::mkdirat(directory.get(), name.c_str(), 0777) != 0 && errno != EEXIST) return {};
      next = root_->open_at(beneath, flags, Root::Links::follow);
    }
    directory = std::move(next);
  }
  return directory;
}

Result<LocalWorkspace::Place> LocalWorkspace::locate(std::string_view path, Missing missing, Root::Links links,
                                                     const ChangeOptions& options) const {
  const Result<std::string> written = relative(path);
  if (!written) return tl::unexpected(written.error());
  std::string at = *written;
  for (int followed = 0; followed <= links_max; ++followed) {
    auto [parent, name] = split_path(at);
    if (name.empty() || name == "." || name == "..") return tl::unexpected(file_error(EISDIR, path));
    // Asked first by its text, so that no directory is made for what may not be written.
    if (Status may = check_change(path, *written, at, options); !may) return tl::unexpected(std::move(may.error()));
    if (const Descriptor made = open_directory(parent, missing); !made) return tl::unexpected(file_error(errno, path));
    const Result<std::string> real = root_->physical(parent);
    if (!real) return tl::unexpected(real.error());
    Place place{root_->open_at(*real, O_PATH | O_DIRECTORY, Root::Links::refuse), std::move(name)};
    if (!place.directory) return tl::unexpected(file_error(errno, path));
    std::string target;
    if (links == Root::Links::refuse || !read_link(place.directory.get(), place.name, target)) {
      const std::string entry = join_path(*real == "." ? std::string() : *real, place.name);
      if (Status may = check_change(path, *written, entry, options); !may) return tl::unexpected(std::move(may.error()));
      return place;
    }
    if (target.front() == '/') {
      const Result<std::string> beneath = root_->relative(target);
      if (!beneath) return tl::unexpected(file_error(EXDEV, path));
      at = *beneath;
    } else {
      // Not shortened: ".." after a symlink is the parent of where that leads.
      at = parent.empty() ? target : parent + "/" + target;
    }
  }
  return tl::unexpected(file_error(ELOOP, path));
}

Status LocalWorkspace::check_change(std::string_view path, const std::string& written, const std::string& real,
                                    const ChangeOptions& options) const {
  const auto lock = lock_file_.current(*root_);
  if (!lock) return tl::unexpected(lock.error());
  for (const std::string& name : {written, real}) {
    if ((*lock)->forbids(name, false)) return tl::unexpected(locked_error(path, **lock));
    if (options_.read_only.ignores(name, false)) {
      return failure(ErrorCode::denied, fmt::format("{}: a rule of this session keeps it as it is", quoted_path(path)));
    }
    if (!options.protected_files && options_.is_protected != nullptr && options_.is_protected(name)) {
      return tl::unexpected(protected_error(path));
    }
  }
  return {};
}

Status LocalWorkspace::check_condition(std::string_view path, const Place& place, const ChangeOptions& options) const {
  if (!options.replaces) return {};
  const auto changed = [&] {
    return failure(ErrorCode::conflict,
                   fmt::format("{}: somebody else has changed it meanwhile: read it again", quoted_path(path)));
  };
  struct stat status = {};
  const Descriptor file(retried([&] {
    return ::openat(place.directory.get(), place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  }));
  if (!file && errno != ENOENT) return tl::unexpected(file_error(errno, path));
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return changed();
  std::string_view rest = *options.replaces;
  if (static_cast<std::uint64_t>(status.st_size) != rest.size()) return changed();
  char buffer[64U << 10];
  while (true) {
    const ssize_t count = retried([&] { return ::read(file.get(), buffer, sizeof buffer); });
    if (count < 0) return tl::unexpected(file_error(errno, path));
    const std::string_view piece(buffer, static_cast<std::size_t>(count));
    if (!rest.starts_with(piece)) return changed();
    rest.remove_prefix(piece.size());
    if (count == 0) return rest.empty() ? Status() : changed();
  }
}

// As renameat(2), but with `creates` never over what exists.
int move(int from_directory, const std::string& from, int to_directory, const std::string& to, bool creates) {
  if (!creates) return ::renameat(from_directory, from.c_str(), to_directory, to.c_str());
  if (::renameat2(from_directory, from.c_str(), to_directory, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  // A file system without it: a link is not made over what exists either.
  if (::linkat(from_directory, from.c_str(), to_directory, to.c_str(), 0) != 0) return -1;
  return ::unlinkat(from_directory, from.c_str(), 0);
}

// A temporary file beside the one it will replace; removed again unless it was put in place.
class Replacement {
 public:
  Replacement(int directory, mode_t mode) : directory_(directory) {
    for (int tries = 0; tries < 8 && !file_; ++tries) {
      std::uint64_t random = 0;
      if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return;
      name_ = fmt::format(".joey-{:016x}", random);
      file_ = Descriptor(retried([&] {
        return ::openat(directory_, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
      }));
      if (!file_ && errno != EEXIST) return;
    }
  }
  ~Replacement() {
    if (file_ || !name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  [[nodiscard]] int fd() const { return file_.get(); }

  // 0 or errno.
  int write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = retried([&] { return ::write(file_.get(), bytes.data(), bytes.size()); });
      if (count < 0) return errno;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return 0;
  }

  // 0 or errno. Network file systems report what they could not write at the close.
  int put(const std::string& name, bool creates) {
    if (const int error = file_.close(); error != 0) return error;
    if (move(directory_, name_, directory_, name, creates) != 0) return errno;
    name_.clear();
    return 0;
  }

 private:
  int directory_;
  std::string name_;
  Descriptor file_;
};

// No fsync: it costs more than the rest together, and the workspace is a working copy, not the record of what happened.
// A crash of the process leaves the old file or the new one; only a loss of power may cost the last seconds' writes, as
// it does those of an editor or git. Hard links to the old file and its extended attributes stay with the old one.
Status LocalWorkspace::write(std::string_view path, std::string_view bytes, const ChangeOptions& options) {
  const Result<Place> place = locate(path, Missing::create, Root::Links::follow, options);
  if (!place) return tl::unexpected(place.error());
  const int directory = place->directory.get();
  const char* name = place->name.c_str();
  const auto failed = [&](int error) { return tl::unexpected(file_error(error, path)); };

  // The limit is asked for here because crossing it is a signal that ends the process.
  struct rlimit size_limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &size_limit) == 0 && bytes.size() > size_limit.rlim_cur) return failed(EFBIG);

  struct stat old = {};
  const bool exists = ::fstatat(directory, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (!exists && errno != ENOENT) return failed(errno);
  if (exists && options.creates) return failed(EEXIST);
  if (exists && !S_ISREG(old.st_mode)) return tl::unexpected(not_a_file(path, old.st_mode));
  // A rename does not ask whether the file may be written, but who took the permission away meant it.
  if (exists && ::faccessat(directory, name, W_OK, AT_EACCESS) != 0) return failed(errno);

  Replacement replacement(directory, exists ? 0600 : 0666);
  if (replacement.fd() < 0) return failed(errno);
  if (const int error = replacement.write(bytes); error != 0) return failed(error);
  if (exists) {
    // An owner other than ours is kept where we may (as root); else the file becomes ours. Set-id bits go, as they do
    // when a file is written in place.
    struct stat made = {};
    if (::fstat(replacement.fd(), &made) != 0) return failed(errno);
    if (made.st_uid != old.st_uid || made.st_gid != old.st_gid) {
      static_cast<void>(!::fchown(replacement.fd(), old.st_uid, old.st_gid));
    }
    if (::fchmod(replacement.fd(), old.st_mode & 01777U) != 0) return failed(errno);
  }
  // As late as can be: between this and the rename nobody else gets in but by a hair.
  if (Status holds = check_condition(path, *place, options); !holds) return holds;
  if (const int error = replacement.put(place->name, options.creates); error != 0) return failed(error);
  return {};
}

Status LocalWorkspace::remove(std::string_view path, const ChangeOptions& options) {
  const Result<Place> place = locate(path, Missing::refuse, Root::Links::refuse, options);
  if (!place) return tl::unexpected(place.error());
  if (Status holds = check_condition(path, *place, options); !holds) return holds;
  if (::unlinkat(place->directory.get(), place->name.c_str(), 0) != 0) return tl::unexpected(file_error(errno, path));
  return {};
}

Status LocalWorkspace::rename(std::string_view from, std::string_view to, const ChangeOptions& options) {
  const Result<Place> source = locate(from, Missing::refuse, Root::Links::refuse, options);
  if (!source) return tl::unexpected(source.error());
  // Looked for before directories are made for it.
  struct stat status = {};
  if (::fstatat(source->directory.get(), source->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return tl::unexpected(file_error(errno, from));
  }
  // A directory would take what is forbidden in it to where it is not.
  if (S_ISDIR(status.st_mode)) return tl::unexpected(file_error(EISDIR, from));
  const Result<Place> target = locate(to, Missing::create, Root::Links::refuse, options);
  if (!target) return tl::unexpected(target.error());
  if (Status holds = check_condition(from, *source, options); !holds) return holds;
  if (move(source->directory.get(), source->name, target->directory.get(), target->name, options.creates) == 0) return {};
  if (errno == EXDEV) {  // here it is not the boundary
    return failure(ErrorCode::unsupported,
                   fmt::format("{}: is on another file system than {}: copy it, then remove it", quoted_path(from),
                               quoted_path(to)));
  }
  return tl::unexpected(file_error(errno, errno == ENOENT ? from : to));
}

Result<std::unique_ptr<Command>> LocalWorkspace::start(CommandSpec spec, CommandSink& sink) {
  if (options_.loop == nullptr || options_.scheduler == nullptr) {
    return failure(ErrorCode::unsupported, "this workspace was opened without a loop to run commands on");
  }
  if (spec.box && spec.box->rules().workspace != root()) {
    return failure(ErrorCode::invalid_argument, fmt::format("the box is of another workspace, {}: prepare one for {}",
                                                            quoted_path(spec.box->rules().workspace), quoted_path(root())));
  }
  const Result<Admitted> admitted = admit(spec.directory.empty() ? "." : spec.directory);
  if (!admitted) return tl::unexpected(admitted.error());
  const Descriptor directory = open(*admitted, O_PATH | O_DIRECTORY);
  if (!directory) return tl::unexpected(file_error(errno, spec.directory));
  return start_local_command(options_.loop, *options_.scheduler, directory.get(), std::move(spec), sink);
}

}  // namespace

Result<std::shared_ptr<Workspace>> open_local_workspace(std::string root, LocalWorkspaceOptions options) {
  Result<Root> opened = Root::open(root, options.resolver, options.hidden);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  return std::make_shared<LocalWorkspace>(std::move(*opened), std::move(options));
}

Result<std::shared_ptr<const Root>> root_of(const Workspace& workspace) {
  if (const auto* local = dynamic_cast<const LocalWorkspace*>(&workspace)) return local->files();
  Result<Root> opened = Root::open(workspace.root(), Resolver::kernel);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  return std::make_shared<const Root>(std::move(*opened));
}

Result<std::vector<DirectoryEntry>> read_directory(Descriptor directory, std::string_view path, std::size_t names_max) {
  if (!directory) return tl::unexpected(file_error(errno, path));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.get()), ::closedir);
  if (!stream) return tl::unexpected(file_error(errno, path));
  const int fd = directory.release();

  std::vector<DirectoryEntry> entries;
  while (entries.size() < names_max) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) return tl::unexpected(file_error(errno, path));
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    FileKind kind = FileKind::other;
    switch (entry->d_type) {
      case DT_REG: kind = FileKind::file; break;
      case DT_DIR: kind = FileKind::directory; break;
      case DT_LNK: kind = FileKind::symlink; break;
      case DT_UNKNOWN: {  // some file systems do not say
        struct stat status = {};
        if (::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) kind = kind_of(status.st_mode);
        break;
      }
      default: break;
    }
    entries.push_back({std::string(name), kind});
  }
  return entries;
}

}  // namespace joey

#include "checkpoint/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace joey::shadow {
namespace {

template <class Call>
auto again_if_interrupted(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Flags that O_PATH refuses are left out beside it.
int harmless(int flags) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  return (flags & O_PATH) != 0 ? flags : flags | O_NOCTTY | O_NONBLOCK;
}

// Without openat2: one component after the other.
Handle open_by_component(int root, std::string_view path, int flags) {
  Handle directory(::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  while (directory) {
    const std::size_t slash = path.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string name(path.empty() ? "." : path.substr(0, slash));
    const int step = last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    directory = Handle(again_if_interrupted([&] { return ::openat(directory.get(), name.c_str(), step); }));
    if (last) return directory;
    path.remove_prefix(slash + 1);
  }
  return {};
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E37'79B9'7F4A'7C15;
  return hash ^ (hash >> 29);
}

std::uint64_t nanoseconds(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

Handle::~Handle() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Root> Root::open(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return failure(ErrorCode::invalid_argument, fmt::format("workspace root {}: not a path", quoted_path(path)));
  }
  const std::unique_ptr<char, void (*)(void*)> canonical(::realpath(path.c_str(), nullptr), std::free);
  Root root;
  if (canonical) {
    root.path_ = canonical.get();
    root.fd_ = Handle(again_if_interrupted(
        [&] { return ::open(root.path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  }
  if (!root.fd_) {
    Error error = system_error(errno, path);
    error.message.insert(0, "workspace root ");
    return tl::unexpected(std::move(error));
  }
  return root;
}

Handle Root::open_at(const std::string& path, int flags) const {
  flags = harmless(flags);
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  const auto fd = again_if_interrupted([&] { return ::syscall(SYS_openat2, fd_.get(), name, &how, sizeof how); });
  if (fd >= 0) return Handle(static_cast<int>(fd));
  // An old kernel says ENOSYS, a filter of system calls mostly EPERM.
  if (errno == ENOSYS || errno == EPERM) return open_by_component(fd_.get(), path, flags);
  return {};
}

int list_names(int directory, std::size_t names_max, std::vector<ListedName>& names) {
  names.clear();
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
  if (!stream) {
    const int error = errno;
    ::close(copy);
    return error;
  }
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == names_max) return EOVERFLOW;
    names.push_back({std::string(name), entry->d_type});
  }
}

int read_all(int file, std::size_t size_max, std::string& bytes) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) return errno;
  // The size is a guess: the file may grow meanwhile. One more byte tells the end of it from a limit.
  bytes.resize(std::min(static_cast<std::size_t>(status.st_size), size_max) + 1);
  std::size_t used = 0;
  while (true) {
    const ssize_t count = again_if_interrupted([&] { return ::read(file, bytes.data() + used, bytes.size() - used); });
    if (count < 0) return errno;
    used += static_cast<std::size_t>(count);
    if (used > size_max) return EFBIG;
    if (count == 0) break;
    if (used == bytes.size()) bytes.resize(std::min(2 * used, size_max) + 1);
  }
  bytes.resize(used);
  return 0;
}

int read_link(int directory, const std::string& name, std::string& target) {
  char buffer[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (size < 0) return errno;
  if (static_cast<std::size_t>(size) == sizeof buffer) return ENAMETOOLONG;
  target.assign(buffer, static_cast<std::size_t>(size));
  return 0;
}

int write_all(int file, std::string_view bytes) {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const off_t at = ::lseek(file, 0, SEEK_CUR);
    if (at >= 0 && static_cast<std::uint64_t>(at) + bytes.size() > limit.rlim_cur) return EFBIG;
  }
  while (!bytes.empty()) {
    const ssize_t count = again_if_interrupted([&] { return ::write(file, bytes.data(), bytes.size()); });
    if (count < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

int read_file(const std::string& path, std::size_t size_max, std::string& bytes) {
  const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return file ? read_all(file.get(), size_max, bytes) : errno;
}

int replace_file(const std::string& path, std::string_view bytes, const std::string& temporary) {
  {
    const Handle file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    const int error = file ? write_all(file.get(), bytes) : errno;
    if (error != 0) {
      ::unlink(temporary.c_str());
      return error;
    }
  }
  return ::rename(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
}

std::uint64_t stamp_of(const struct stat& status) {
  std::uint64_t hash = mix(0, static_cast<std::uint64_t>(status.st_size));
  hash = mix(hash, nanoseconds(status.st_mtim));
  hash = mix(hash, nanoseconds(status.st_ctim));
  hash = mix(hash, status.st_ino);
  hash = mix(hash, status.st_mode);
  return hash == 0 ? 1 : hash;
}

std::uint64_t directory_stamp_of(const struct stat& status) {
  const std::uint64_t hash = mix(stamp_of(status), status.st_dev);
  return hash == 0 ? 1 : hash;
}

timespec file_clock() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

bool settled(const struct stat& status, const timespec& now) {
  // The kernel's steps are at most 10 ms; a file system that keeps whole seconds has steps of up to two.
  const bool whole_seconds = status.st_mtim.tv_nsec == 0 || status.st_ctim.tv_nsec == 0;
  const std::uint64_t step = whole_seconds ? 2'000'000'000 : 20'000'000;
  const std::uint64_t last = std::max(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim));
  return last + step < nanoseconds(now);
}

Error system_error(int code, std::string_view path) {
  struct Known {
    int number;
    ErrorCode code;
    const char* text;
  };
  static constexpr Known known[] = {
      {ENOENT, ErrorCode::not_found, "does not exist"},
      {ENOTDIR, ErrorCode::invalid_argument, "is not a directory"},
      {EACCES, ErrorCode::denied, "permission denied: its mode or owner forbids it"},
      {EPERM, ErrorCode::denied, "the system forbids it: it may be immutable or a security policy applies"},
      {EROFS, ErrorCode::denied, "is on a read-only file system"},
      {ENOSPC, ErrorCode::limit, "no space left on the disk: free some and try again"},
      {EDQUOT, ErrorCode::limit, "the disk quota is used up: free some space and try again"},
      {EFBIG, ErrorCode::limit, "would be larger than the system allows (ulimit -f)"},
      {EMFILE, ErrorCode::limit, "too many files are open in this process: raise its limit (ulimit -n)"},
      {ENFILE, ErrorCode::limit, "too many files are open on this machine: try again later"},
      {ENOMEM, ErrorCode::out_of_memory, "the system is out of memory"},
  };
  for (const Known& each : known) {
    if (each.number == code) return {each.code, fmt::format("{}: {}", quoted_path(path), each.text)};
  }
  const char* text = ::strerrordesc_np(code);
  return {ErrorCode::io, fmt::format("{}: {} (errno {})", quoted_path(path), text != nullptr ? text : "unknown", code)};
}

}  // namespace joey::shadow

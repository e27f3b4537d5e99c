// Files beneath a root, reached without following any symlink, and what tells that one has not changed.
#pragma once

#include <sys/stat.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace joey::shadow {

// A file descriptor, closed with its owner.
class Handle {
 public:
  Handle() = default;
  explicit Handle(int fd) : fd_(fd) {}
  Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Handle();

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_{-1};
};

// A directory that stays the same when its name is given to another.
//
// Threads: const functions may be called from several at once.
class Root {
 public:
  [[nodiscard]] static Result<Root> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }  // canonical
  [[nodiscard]] int fd() const { return fd_.get(); }

  // Opens what is beneath, itself: a symlink anywhere in `path` fails with ELOOP (or ENOTDIR). "" is the root. Creates
  // nothing and never blocks. On failure the handle is empty and errno says why.
  [[nodiscard]] Handle open_at(const std::string& path, int flags) const;

 private:
  std::string path_;
  Handle fd_;
};

// --- Small system calls. Those that return int return 0 or an errno. ---

struct ListedName {
  std::string name;
  unsigned char type{0};  // DT_*
};
// The names in a directory that was opened for reading, but for "." and "..", in the order of the disk. EOVERFLOW:
// there are more than `names_max`.
[[nodiscard]] int list_names(int directory, std::size_t names_max, std::vector<ListedName>& names);

// EFBIG: there is more than `size_max`.
[[nodiscard]] int read_all(int file, std::size_t size_max, std::string& bytes);
[[nodiscard]] int read_link(int directory, const std::string& name, std::string& target);
// Writes at the descriptor's position. EFBIG before a write that the system would end the process for.
[[nodiscard]] int write_all(int file, std::string_view bytes);
// A whole small file of joey's own, by absolute path; replaced whole or not at all, through the file `temporary`.
[[nodiscard]] int read_file(const std::string& path, std::size_t size_max, std::string& bytes);
[[nodiscard]] int replace_file(const std::string& path, std::string_view bytes, const std::string& temporary);

// --- Unchanged? ---

// Of size, times, inode and mode, in one number that is never 0: two looks at a file that give the same stamp saw the
// same bytes, if the file was settled().
[[nodiscard]] std::uint64_t stamp_of(const struct stat& status);
// The same for a directory, with its device.
[[nodiscard]] std::uint64_t directory_stamp_of(const struct stat& status);

// The clock that files are stamped with. A change right after a look can leave the times as they were, because they
// move in steps: a file is settled when its times are older than any such step.
[[nodiscard]] timespec file_clock();
[[nodiscard]] bool settled(const struct stat& status, const timespec& now);

// --- Messages ---

// One line for a person: `"path": what is wrong: what to do`. `code` is an errno.
[[nodiscard]] Error system_error(int code, std::string_view path);

inline std::string join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory);
  if (!directory.empty()) path += '/';
  return path.append(name);
}

}  // namespace joey::shadow

// A workspace on the local file system.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ignore.hpp"
#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "base/text.hpp"
#include "workspace/workspace.hpp"

typedef struct uv_loop_s uv_loop_t;

namespace joey {

// How names are resolved beneath a root. `kernel` where it has openat2 (Linux 5.6) and no filter forbids it; `portable`
// goes component by component and follows symlinks itself. Both give the same answers; naming `portable` is for tests.
enum class Resolver : std::uint8_t { kernel, portable };

struct LocalWorkspaceOptions {
  uv_loop_t* loop{nullptr};  // for commands, like the scheduler; both outlive the workspace. Without: start() is `unsupported`
  Scheduler* scheduler{nullptr};
  Resolver resolver{Resolver::kernel};
  // Whether a path, relative to the root, names a protected file. Any thread. May be null: none does.
  bool (*is_protected)(std::string_view path){nullptr};
  // Of paths relative to the root: what is guarded like what .rooignore forbids, and what is not changed at all.
  IgnorePatterns hidden{};
  IgnorePatterns read_only{};
};

// The directory `root` as a workspace. `not_found`, `invalid_argument` or `denied` when there is no such directory to
// read.
[[nodiscard]] Result<std::shared_ptr<Workspace>> open_local_workspace(std::string root,
                                                                      LocalWorkspaceOptions options = {});

// --- What the files of this folder share ---

// A file descriptor, closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  int close();  // 0 or errno

 private:
  int fd_{-1};
};

// A directory, and what is beneath it. Nothing outside is ever opened, whatever symlinks say and whoever changes them
// meanwhile. Absolute symlinks are followed when their text begins with the root's own path, as pnpm and virtual
// environments make them: the rest of it is resolved beneath the root like any other path.
//
// Threads: const functions may be called from several at once.
class Root {
 public:
  [[nodiscard]] static Result<Root> open(const std::string& path, Resolver resolver, IgnorePatterns hidden = {});

  [[nodiscard]] const std::string& path() const { return path_; }
  // What the host keeps from everybody who looks through this root, besides .rooignore.
  [[nodiscard]] const IgnorePatterns& hidden() const { return hidden_; }

  // As Workspace::relative().
  [[nodiscard]] Result<std::string> relative(std::string_view path) const;

  enum class Links : std::uint8_t { follow, refuse };
  // Opens `path`, relative and physical: ".." is what the kernel would make of it. On failure the descriptor is empty
  // and errno says why; EXDEV is a path that leads out. O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added: no file blocks.
  // Does not create files.
  [[nodiscard]] Descriptor open_at(const std::string& path, int flags, Links links) const;

  // Opens the entry `name` of a directory that open_at() gave, likewise; itself, when it is a symlink (ELOOP). For many
  // files of one directory: their paths are resolved once.
  [[nodiscard]] static Descriptor open_entry(const Descriptor& directory, const std::string& name, int flags);

  // What `path` leads to, as a path without symlinks; "" is the root.
  [[nodiscard]] Result<std::string> physical(const std::string& path) const;

 private:
  Root() = default;
  [[nodiscard]] Descriptor open_portable(std::string path, int flags, Links links,
                                         std::string* physical = nullptr) const;
  [[nodiscard]] bool strip_root(std::string_view& absolute) const;

  std::string path_;   // canonical
  std::string alias_;  // as it was given, made absolute: accepted as well
  Descriptor fd_;
  Resolver resolver_{Resolver::kernel};
  IgnorePatterns hidden_;
};

// The root of a workspace's files: its own when it is a local one, so that all look at one directory even if that is
// renamed; otherwise the directory that root() names.
[[nodiscard]] Result<std::shared_ptr<const Root>> root_of(const Workspace& workspace);

// The names of a directory opened with O_RDONLY, at most `names_max`, in the order of the disk. An empty descriptor
// fails with errno; `path` is for the message.
[[nodiscard]] Result<std::vector<DirectoryEntry>> read_directory(Descriptor directory, std::string_view path,
                                                                 std::size_t names_max);

// One line for a person: `"path": what is wrong: what to do`. `code` is an errno.
[[nodiscard]] Error file_error(int code, std::string_view path);

}  // namespace joey

// A workspace: a rooted view of files, and the place commands run.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function.hpp"
#include "base/result.hpp"

namespace joey {

class Box;

enum class FileKind : std::uint8_t { file, directory, symlink, other };

struct FileInfo {
  FileKind kind{FileKind::file};
  std::uint64_t size{0};         // bytes
  std::int64_t modified_ns{0};   // since 1970
  std::uint32_t mode{0};         // permission bits
};

struct DirectoryEntry {
  std::string name;
  FileKind kind{FileKind::file};  // of the entry itself: symlinks are not followed
};

// The size of a terminal, in characters.
struct TerminalSize {
  std::uint16_t columns{120};
  std::uint16_t rows{40};
};

// Where the connections of a boxed command go. Shared with the command until nothing of it runs any more.
class CommandNetwork {
 public:
  virtual ~CommandNetwork() = default;
  // Variables that the command needs for it, besides those that tell of the proxy.
  [[nodiscard]] virtual const std::vector<std::pair<std::string, std::string>>& environment() const = 0;
  // A process of the command has connected. `socket` is a connected stream socket, non-blocking, and this one's to close.
  // Loop thread; must not destroy the command.
  virtual void connected(int socket) = 0;
};

// How a command is run.
struct CommandSpec {
  std::string command;                               // for the shell: /bin/bash -c, or /bin/sh where there is no bash
  std::string directory;                             // beneath the root; empty is the root
  std::vector<std::pair<std::string, std::string>> environment;  // added to a small clean one

  // Instead of `command`: a program and its arguments, which it gets as they are; no shell sees them. A program without
  // '/' is looked for in PATH, a relative one in `directory`.
  std::vector<std::string> argv{};
  // What standard input holds, and then ends; at most command_input_size_max bytes. None: it is /dev/null.
  std::optional<std::string> input{};
  // A terminal as standard input, output and error, whose session the command leads, instead of pipes. `input` is typed
  // at it, with the end-of-file character behind; without one nobody types. When the shell ends, the terminal hangs up.
  std::optional<TerminalSize> terminal{};
  // Standard error goes to CommandSink::on_error_output(). Without effect on a terminal.
  bool separate_errors{false};
  // What limits the command and everything it starts (box.hpp), of the same workspace. None: what its user may do.
  std::shared_ptr<const Box> box{};
  // Of a box with a proxy_port. None: nobody answers there.
  std::shared_ptr<CommandNetwork> network{};
};
inline constexpr std::size_t command_input_size_max = std::size_t{16} << 20;  // bytes

struct CommandExit {
  int code{-1};    // of the shell; -1 when a signal ended it
  int signal{0};   // 0 when it exited by itself
};

// Receives what a command does, on the loop thread.
class CommandSink {
 public:
  virtual ~CommandSink() = default;
  virtual void on_output(std::string_view bytes) = 0;  // standard output and error, in the order written
  virtual void on_error_output(std::string_view bytes) { on_output(bytes); }  // CommandSpec::separate_errors
  virtual void on_exit(CommandExit exit) = 0;          // the shell ended; children of it may still run and write
  virtual void on_end() = 0;                           // nothing of it runs or holds its output; comes last
};

// A running command with all its descendants, also those that left its process group or session. Destroying it ends
// them all at once (SIGKILL) and calls the sink no more.
class Command {
 public:
  virtual ~Command() = default;
  // Asks every descendant to end (SIGTERM), and ends what is left after `grace`. on_end() follows.
  virtual void terminate(std::chrono::milliseconds grace) = 0;

  // Stops reading output, so that a command that writes more than its pipe holds waits; and goes on. What the pipe holds
  // when the shell ends, and when everything has, comes all the same.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

// What a change is conditional on, and what it may touch. A condition that does not hold is a `conflict`; nothing has
// changed then.
struct ChangeOptions {
  std::optional<std::string_view> replaces{};  // the file must hold exactly these bytes
  bool creates{false};                       // there must be nothing of that name
  bool protected_files{false};               // somebody who may has allowed a change of protected files
};

// Paths are UTF-8, relative to the root with '/', or absolute beneath it; the kernel resolves them beneath the root
// (openat2, RESOLVE_BENEATH), so neither "..", a symlink nor a race leads out. ErrorCode::denied: it would have.
//
// Two kinds of files are guarded here, for every caller alike, as they are named and as symlinks lead: what .rooignore
// forbids is neither given nor changed (`denied`; a .rooignore that cannot be read forbids everything), and protected
// files are changed only with ChangeOptions::protected_files (`denied`).
//
// Threads: the file functions block and may be called from any thread at once; start() is the loop thread's.
class Workspace {
 public:
  virtual ~Workspace() = default;

  [[nodiscard]] virtual const std::string& root() const = 0;  // absolute, without a trailing '/'

  // `path` as a relative one in its shortest form, by its text alone ("." for the root). `denied` when it leads out.
  [[nodiscard]] virtual Result<std::string> relative(std::string_view path) const = 0;

  [[nodiscard]] virtual Result<FileInfo> info(std::string_view path) const = 0;  // follows symlinks
  // `limit` when the file is larger than `size_max`; `invalid_argument` when it is not a regular file.
  [[nodiscard]] virtual Result<std::string> read(std::string_view path, std::size_t size_max) const = 0;
  // `size` bytes from `offset` on; fewer only where the file ends, none past its end. Not a regular file: as read().
  [[nodiscard]] virtual Result<std::string> read_range(std::string_view path, std::uint64_t offset,
                                                       std::size_t size) const = 0;
  // Sorted by name. `invalid_argument` when it is not a directory.
  [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list(std::string_view path) const = 0;

  // Replaces the file whole or not at all (a temporary file beside it, renamed over it), keeping its permission bits;
  // makes missing directories. Through a symlink it writes the file the link names.
  [[nodiscard]] virtual Status write(std::string_view path, std::string_view bytes, const ChangeOptions& options = {}) = 0;
  // One file; a symlink itself, not what it names. Not a directory.
  [[nodiscard]] virtual Status remove(std::string_view path, const ChangeOptions& options = {}) = 0;
  // Likewise; makes missing directories. Replaces a file at `to`, unless `creates`; `replaces` is of `from`.
  [[nodiscard]] virtual Status rename(std::string_view from, std::string_view to, const ChangeOptions& options = {}) = 0;

  // `sink` must stay alive until on_end() or until the command is destroyed.
  [[nodiscard]] virtual Result<std::unique_ptr<Command>> start(CommandSpec spec, CommandSink& sink) = 0;
};

}  // namespace joey

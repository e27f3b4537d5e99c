// Boxes: what a command and everything it starts can reach.
//
// A box is prepared once and used by any number of commands (CommandSpec::box). It is closed around the shell before the
// shell runs, and nothing that runs in it can open it again: there is no way to ask for less of a box.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace joey {

enum class BoxKind : std::uint8_t {
  none,        // the command may do what its user may
  landlock,    // Landlock, a filter of system calls, resource limits: needs no namespaces, so it works in containers
  bubblewrap,  // all that, and namespaces of its own: processes, network, IPC, and a view of files that it cannot leave
  oci,         // a container of runc's: the same, and a cgroup of its own in every hierarchy
};

struct BoxLimits {
  std::uint64_t memory{0};           // bytes, of all processes together; 0: no limit, as below
  std::uint32_t processes{0};        // and threads
  std::chrono::seconds cpu_time{0};  // of each process
  std::uint64_t file_size{0};        // bytes of each file it writes
  std::uint32_t open_files{0};       // of each process
  std::uint64_t disk{0};             // bytes written in all; no box on this system keeps it (a line of the report)
  std::uint32_t cpu_percent{0};      // of one processor's time, for all processes together: 150 is one and a half
};

struct BoxRules {
  // The root of the workspace, as Workspace::root() says it. It and what is beneath may be changed.
  std::string workspace;
  std::vector<std::string> writable{};  // and these; absolute, must exist
  // To be read and run besides the system's own (/usr, /bin, /lib*, /opt, and of /etc what everybody may read); absolute,
  // must exist. Toolchains in a home directory, for example.
  std::vector<std::string> readable{};

  // Paths beneath the workspace, relative, as the workspace's guards know them. Hidden: neither read nor changed; what
  // does not exist when a command starts is not hidden from it. Read-only: not changed, and not made where there is
  // none. A path that is a symlink stands for what it leads to as well.
  std::vector<std::string> hidden{};
  std::vector<std::string> read_only{};
  // Landlock can guard a path only if nothing new may appear beside it: with ".env" hidden, the workspace's top directory
  // takes no new names. That is always so beside hidden paths; with this, not beside read-only ones, which are then as
  // writable as the rest (a line of the report). The other boxes have no such trouble.
  bool landlock_keeps_read_only{true};

  // Off, but for connections to the host's proxy, of which commands are told by HTTP_PROXY and its kin: it is at this port
  // of the box's own loopback, or, where the box has no network of its own, at the end of every TCP connection whatever
  // address it is made to. The connections go to CommandSpec::network; nothing on the host listens. 0: off altogether.
  std::uint16_t proxy_port{0};

  BoxLimits limits{};
  // Names of variables the command may get, of the host's and of CommandSpec::environment. Empty: all those that a
  // command without a box gets. HOME, TMPDIR and PATH are always there, as they are in the box.
  std::vector<std::string> environment{};
  bool tracing{false};  // debuggers, strace and leak checkers within the box: ptrace on its own processes

  // Whether a guarantee that this machine cannot give is an error (`unsupported`) instead of a line in the report.
  bool demands_all{false};

  std::string temporary_parent{"/tmp"};  // where the box's private directory is made
  std::string oci_root{};                // BoxKind::oci: the folder that is the system in the box, absolute; empty: the machine's own
};

struct BoxReport {
  BoxKind kind{BoxKind::none};
  // One line for each guarantee that this machine or kind of box cannot give: the thing, why, the remedy.
  std::vector<std::string> reduced{};
  // One line for each thing that commands may expect and that does not work in this box. For whoever writes commands.
  std::vector<std::string> restricted{};
};

// A box that is ready. It owns a private directory (the home and temporary directory of its commands), which goes with it;
// what a killed host left of one goes when the next box is prepared.
//
// Threads: prepared on any; commands are started with it on the loop's. Keep it as long as commands use it: they hold a
// reference themselves.
class Box {
 public:
  Box() = default;
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;
  virtual ~Box() = default;
  [[nodiscard]] virtual const BoxRules& rules() const = 0;
  [[nodiscard]] virtual const BoxReport& report() const = 0;
};

// A file for commands in boxes to read, alone in a directory of its own. Both go with this object; what a killed host left of
// one goes when the next box is prepared. Its functions block.
class ShownFile {
 public:
  ShownFile() = default;
  ShownFile(const ShownFile&) = delete;
  ShownFile& operator=(const ShownFile&) = delete;
  virtual ~ShownFile() = default;
  [[nodiscard]] virtual const std::string& directory() const = 0;  // for BoxRules::readable
  [[nodiscard]] virtual const std::string& path() const = 0;
  // One thread at a time. What it held is replaced whole.
  [[nodiscard]] virtual Status write(std::string_view text) = 0;
};
[[nodiscard]] Result<std::shared_ptr<ShownFile>> make_shown_file(const std::string& name);

// What a box of this kind would guarantee here. `unsupported`: there can be none, or the rules demand more than it
// gives; `invalid_argument`: the rules. Blocks, for some tens of milliseconds; for oci some hundred.
[[nodiscard]] Result<BoxReport> probe_box(BoxKind kind, const BoxRules& rules);

// The box itself; errors as above, and io. BoxKind::none gives a null pointer, unless the rules demand all.
[[nodiscard]] Result<std::shared_ptr<const Box>> prepare_box(BoxKind kind, BoxRules rules);

[[nodiscard]] std::string_view to_string(BoxKind kind);

}  // namespace joey

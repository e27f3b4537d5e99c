// What the kinds of boxes share, and what a command needs of one. Of this folder only.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "workspace/box.hpp"
#include "workspace/confine.hpp"
#include "workspace/local.hpp"

namespace joey {

// --- What a command asks of its box, and gets ---

struct BoxRequest {
  std::string path;  // of the shell or program
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  bool has_terminal{false};
  int terminal{-1};  // the command's end of it; borrowed
  int control{-1};   // the supervisor's end of the control socket; borrowed
  int network{-1};   // the box's end of the socket for confine::Plan::network; borrowed; below 0: nobody wants its connections
};

// What the supervisor starts instead of the shell. The descriptors become 4, 5, ... there.
struct BoxLaunch {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<int> descriptors;  // some of `owned`, some borrowed
  std::vector<Descriptor> owned;
  bool has_init{false};           // its init reports the shell's end (boxed_shell_ended) and takes the terminal
  std::shared_ptr<void> remains;  // removes cgroups and the like; to be released when the command's last process is gone
};

// A box as this folder knows it.
class PreparedBox : public Box {
 public:
  PreparedBox(BoxRules rules, BoxReport report) : rules_(std::move(rules)), report_(std::move(report)) {}
  [[nodiscard]] const BoxRules& rules() const override { return rules_; }
  [[nodiscard]] const BoxReport& report() const override { return report_; }

  // What the box itself says: HOME and TMPDIR.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& environment() const { return environment_; }
  [[nodiscard]] virtual Result<BoxLaunch> launch(const BoxRequest& request) const = 0;

 protected:
  BoxRules rules_;
  BoxReport report_;
  std::vector<std::pair<std::string, std::string>> environment_;
};

// `environment`, as far as the box's rules let it through; PATH without the directories that are not in the box.
[[nodiscard]] std::vector<std::string> boxed_environment(const PreparedBox& box, std::vector<std::string> environment);

// --- Parts ---

// What tells programs of the proxy; nothing with port 0.
void add_proxy_environment(std::vector<std::pair<std::string, std::string>>& environment, std::uint16_t port);

[[nodiscard]] tl::unexpected<Error> box_failure(std::string_view what, int error);

// Directories of the system that every box can read, as far as they exist; /etc is not among them.
[[nodiscard]] std::vector<std::string> system_directories();

// What in a directory is not everybody's to read, and what is: /etc without its secrets.
struct PublicPart {
  std::vector<std::string> allowed;  // hierarchies that hold nothing else
  std::vector<std::string> listed;   // directories that do
  std::vector<std::string> secret;
};
[[nodiscard]] PublicPart public_part(const std::string& directory);

// The paths a box guards, as the names between them and the workspace's root.
struct Guarded {
  enum class How : std::uint8_t { within, read_only, hidden };  // within: something beneath it is guarded
  How how{How::within};
  std::vector<std::pair<std::string, Guarded>> entries{};
};
[[nodiscard]] bool hides_something(const Guarded& node);
// Symlinks among the paths are followed as they are now.
[[nodiscard]] Result<Guarded> guarded_paths(const BoxRules& rules, const Root& root);

// The private directory: what is in it are the box's directories of those names. Locked while it is used.
class PrivateDirectory {
 public:
  [[nodiscard]] static Result<PrivateDirectory> make(const std::string& parent);
  PrivateDirectory(PrivateDirectory&&) noexcept = default;
  PrivateDirectory& operator=(PrivateDirectory&&) = delete;
  ~PrivateDirectory();
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string home() const { return path_ + "/home"; }
  [[nodiscard]] std::string tmp() const { return path_ + "/tmp"; }
  [[nodiscard]] std::string var_tmp() const { return path_ + "/var-tmp"; }

 private:
  PrivateDirectory() = default;
  std::string path_;
  Descriptor lock_;
};

// Files that live in memory: sealed, so that nobody who gets hold of one can change it.
[[nodiscard]] Result<Descriptor> memory_file(const char* name, std::string_view bytes, bool executable);
[[nodiscard]] Result<Descriptor> confine_program();
[[nodiscard]] Result<Descriptor> plan_file(const confine::Plan& plan);
[[nodiscard]] confine::Plan empty_plan();
inline constexpr int plan_descriptors_first = 6;  // after the program and its plan

// --- Landlock (box_landlock.cpp) ---

[[nodiscard]] int landlock_abi();  // 0: there is none
[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_landlock_box(BoxRules rules, bool probing);
// For boxes with a mount namespace: a second guard of their files, which holds where root owns what the namespace shows (its
// /proc above all); signals and abstract sockets within the box. Puts it into `plan` but for the descriptor; the directories of `changing` are those of the box that lie outside it. Empty where this
// kernel has nothing of that.
[[nodiscard]] Result<Descriptor> inner_ruleset(confine::Plan& plan, const std::vector<const Descriptor*>& changing,
                                               const std::vector<std::string>& changing_paths);

// --- The filter of system calls (box_filter.cpp) ---

struct FilterRules {
  bool own_network{false};  // a network namespace of its own: loopback and local sockets are the box's
  bool own_ipc{false};      // likewise System V IPC and message queues
  bool own_files{false};    // a mount namespace: local sockets can be reached only as far as it shows them
  bool tracing{false};
  bool hands_over_connections{false};  // without an own network: who asks for a TCP socket is given a connection to the proxy
};
[[nodiscard]] std::vector<sock_filter> make_filter(const FilterRules& rules);

// --- Limits (box_cgroup.cpp) ---

// Cgroups of a command, one for each hierarchy. Removed with it, when they are empty.
class CommandCgroups {
 public:
  CommandCgroups() = default;
  CommandCgroups(const CommandCgroups&) = delete;
  CommandCgroups& operator=(const CommandCgroups&) = delete;
  ~CommandCgroups();
  std::vector<std::string> paths;
  std::vector<Descriptor> procs;  // opened to write
};

// Where this process may make cgroups.
struct CgroupHomes {
  struct Home {
    std::string path;
    bool unified{false};  // version 2
    bool memory{false};
    bool processes{false};
  };
  std::vector<Home> homes;
  [[nodiscard]] bool memory() const;
  [[nodiscard]] bool processes() const;
};
// Tries it, and removes what killed hosts left.
[[nodiscard]] CgroupHomes find_cgroup_homes(const BoxLimits& limits);
[[nodiscard]] Result<std::shared_ptr<CommandCgroups>> make_cgroups(const CgroupHomes& homes, const BoxLimits& limits);

// Resource limits, as far as cgroups do not keep them. `own_users`: the processes are counted in a user namespace of
// their own.
void add_limits(confine::Plan& plan, const BoxLimits& limits, const CgroupHomes& homes);
// What of the limits is not kept.
void report_limits(BoxReport& report, const BoxLimits& limits, const CgroupHomes& homes);

// --- The other kinds ---

[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_bubblewrap_box(BoxRules rules, bool probing);
[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_oci_box(BoxRules rules, bool probing);

}  // namespace joey

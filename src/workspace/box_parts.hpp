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
  int directory{-1};  // to run it in; borrowed, as the next two
  int terminal{-1};   // the command's end of it
  int control{-1};    // the supervisor's end of the control socket
  int network{-1};    // the box's end of the socket for confine::Plan::network; borrowed; below 0: nobody wants its connections
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
  [[nodiscard]] std::string nothing() const { return path_ + "/nothing"; }  // empty, and nobody may look into it

 private:
  PrivateDirectory() = default;
  std::string path_;
  Descriptor lock_;
};

// A directory with all in it, also what commands took their own permissions from. Symlinks are not followed.
void remove_tree(const std::string& path);

struct Ran {
  int status{-1};  // a wait status
  std::string output;
};
// Runs a program to its end, with nothing of this process but `passed`, which become 4, 5, ... there as for a command. -1: it
// could not be started, or took too long.
[[nodiscard]] Ran run_program(const std::vector<std::string>& command, const std::vector<int>& passed = {});

// Files that live in memory: sealed, so that nobody who gets hold of one can change it.
[[nodiscard]] Result<Descriptor> memory_file(const char* name, std::string_view bytes, bool executable);
[[nodiscard]] Result<Descriptor> confine_program();
[[nodiscard]] Result<Descriptor> plan_file(const confine::Plan& plan);
[[nodiscard]] Result<Descriptor> command_file(const std::vector<confine::GuardedPath>& guarded, const std::string& directory,
                                              const BoxRequest& request);
[[nodiscard]] confine::Plan empty_plan();
// Ends, for an init in a box, when the keeper outside has (confine::Plan).
struct Lifeline {
  Descriptor reader;
  Descriptor writer;
};
[[nodiscard]] Result<Lifeline> make_lifeline();
inline constexpr int plan_descriptors_first = 6;  // after the program and its plan

// --- What a mount namespace shows (box_view.cpp) ---

struct Mount {
  enum class Kind : std::uint8_t { symlink, shown, changeable, hidden_file, hidden_directory };
  Kind kind;
  std::string path;      // in the box
  std::string source{};  // what is shown or changeable; what a symlink says
  Descriptor at{};       // of guarded paths: what is meant, whatever has its name meanwhile
};

// Names that must not come to be are held by an empty directory while commands run: git does not see one, and one that is
// not empty is never removed. A host that is killed leaves it, with the sticky bit by which the next box knows it again. Who
// holds one has a lock on it, and the last removes it.
class Placeholders {
 public:
  Placeholders() = default;
  Placeholders(const Placeholders&) = delete;
  Placeholders& operator=(const Placeholders&) = delete;
  ~Placeholders();
  // In `directory`, where there is nothing of that name, or one that is held or was left. What others make there meanwhile
  // is left alone.
  [[nodiscard]] Status hold(const Descriptor& directory, const std::string& name);
  [[nodiscard]] static bool is_one(const Descriptor& place);

 private:
  struct Held {
    Descriptor parent;
    Descriptor place;
    std::string name;
  };
  [[nodiscard]] static bool is_there(const Held& held);
  std::vector<Held> held_;
};

// The system of the machine, or of the folder `system_root`; `configuration` is the public part of its /etc.
[[nodiscard]] std::vector<Mount> system_view(const std::string& system_root, const PublicPart& configuration);
// What the box has of its own, and what it is given besides.
[[nodiscard]] std::vector<Mount> own_view(const BoxRules& rules, const PrivateDirectory& own, const std::string& home);
// The workspace, and over it what is guarded. A directory above a guarded path is mounted on itself, for what is mounted on
// cannot be renamed.
[[nodiscard]] Result<std::vector<Mount>> workspace_view(const BoxRules& rules, const Root& root, Placeholders& placeholders);

// Where HOME is in the box.
[[nodiscard]] std::string boxed_home(const BoxRules& rules);
// What a box with a mount namespace cannot give here.
void report_namespaces(BoxReport& report, const BoxRules& rules);
// Root owns these outside as well as in a namespace: files of /proc that are to be covered.
inline constexpr const char* kernel_files[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",  "/proc/bus",
                                               "/proc/fs",  "/proc/acpi",          "/proc/scsi", "/proc/mtrr"};

// --- Landlock (box_landlock.cpp) ---

[[nodiscard]] int landlock_abi();  // 0: there is none
[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_landlock_box(BoxRules rules, bool probing);
// For boxes with a mount namespace: a second guard of their files, which holds where root owns what the namespace shows (its
// /proc above all); signals and abstract sockets within the box. Puts it into `plan` but for the
// descriptor. Empty where this kernel has nothing of that.
[[nodiscard]] Result<Descriptor> inner_ruleset(confine::Plan& plan, const BoxRules& rules, const Root& root, const PrivateDirectory& own);

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
    bool cpu{false};
  };
  std::vector<Home> homes;
  [[nodiscard]] bool memory() const;
  [[nodiscard]] bool processes() const;
  [[nodiscard]] bool cpu() const;
  [[nodiscard]] bool limits_swap() const;  // of memory: there is accounting of swap
};
// Tries it, and removes what killed hosts left, with the processes in it.
[[nodiscard]] CgroupHomes find_cgroup_homes(const BoxLimits& limits);
[[nodiscard]] Result<std::shared_ptr<CommandCgroups>> make_cgroups(const CgroupHomes& homes, const BoxLimits& limits);

// The cgroups of containers, which their engine makes: one of the container's name in every hierarchy, or in that of
// version 2.
class ContainerCgroups {
 public:
  [[nodiscard]] static ContainerCgroups find();
  [[nodiscard]] static std::string new_name();
  // For the bundle (cgroupsPath). Empty: the engine's own choice, which it needs not be able to make.
  [[nodiscard]] std::string path(const std::string& name) const;
  void remove(const std::string& name) const;

 private:
  std::vector<std::string> homes_;
  std::string unified_;  // of the one hierarchy there is, the cgroup above; empty where there are those of version 1
};

// Resource limits, as far as cgroups do not keep them. `own_users`: the processes are counted in a user namespace of
// their own.
void add_limits(confine::Plan& plan, const BoxLimits& limits, const CgroupHomes& homes);
// What of the limits is not kept.
void report_limits(BoxReport& report, const BoxLimits& limits, const CgroupHomes& homes);

// --- Containers (box_oci.cpp) ---

// What a bundle's config.json says of one container.
struct Container {
  std::string root;                    // a directory of mount points, which is "/" where nothing is mounted
  std::vector<std::string> arguments;  // of its init
  const std::vector<Mount>* mounts{nullptr};
  std::string nothing;      // what is seen of a hidden directory
  std::string cgroup;       // empty: wherever its engine puts it
  BoxLimits limits{};       // as far as cgroups are to keep them
  bool limits_swap{false};  // where there is accounting of it
  std::uint32_t user{0};  // of the host: root of the container, without a root's rights
  std::uint32_t group{0};
};
// By the OCI runtime specification 1.0.2. `invalid_argument`: a path is not UTF-8, which its JSON cannot say.
[[nodiscard]] Result<std::string> container_config(const Container& container);

// --- The other kinds ---

[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_bubblewrap_box(BoxRules rules, bool probing);
[[nodiscard]] Result<std::shared_ptr<const PreparedBox>> prepare_oci_box(BoxRules rules, bool probing);

}  // namespace joey

// The box of bubblewrap: namespaces, with the confine program inside as their init.
//
// What the kernel hides by namespaces need not be refused, so much more works in here than in a box of Landlock: a /tmp,
// terminals, servers on loopback, names beside guarded paths. The confine program adds what bubblewrap does not have:
// limits counted inside, scopes of Landlock, the filter, and an exit status that tells signals from exits.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box_parts.hpp"
#include "workspace/supervisor.hpp"

namespace joey {
namespace {

// Never looked for in PATH, which may name a directory that commands can write.
constexpr const char* bubblewrap_paths[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
constexpr int probe_ms_max = 10'000;

std::string find_bubblewrap() {
  for (const char* path : bubblewrap_paths) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

struct Ran {
  int status{-1};  // a wait status
  std::string output;
};

// Runs a program to its end, with nothing of this process but what it says. -1: it could not be started, or took too long.
Ran run_program(const std::vector<std::string>& command) {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) return {};
  const Descriptor reader(pair[0]);
  Descriptor writer(pair[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 2);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  char* nothing[] = {nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, nullptr, arguments.data(), nothing);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {};
  writer.close();
  Ran ran;
  char buffer[4096];
  pollfd ready{reader.get(), POLLIN, 0};
  while (::poll(&ready, 1, probe_ms_max) > 0) {
    const ssize_t size = ::read(reader.get(), buffer, sizeof buffer);
    if (size <= 0) break;
    ran.output.append(buffer, static_cast<std::size_t>(size));
  }
  if (ready.revents == 0) ::kill(pid, SIGKILL);
  if (::waitpid(pid, &ran.status, 0) != pid) ran.status = -1;
  return ran;
}

// Names that must not come to be are held by an empty directory while commands run: git does not see one, and one that is
// not empty is never removed. A host that is killed leaves it, with the time by which the next box knows it again. Who
// holds one has a lock on it, and the last removes it.
class Placeholders {
 public:
  Placeholders() = default;
  Placeholders(const Placeholders&) = delete;
  Placeholders& operator=(const Placeholders&) = delete;
  ~Placeholders() {
    for (auto at = held_.rbegin(); at != held_.rend(); ++at) {
      if (::flock(at->place.get(), LOCK_EX | LOCK_NB) == 0 && is_there(*at)) {
        ::unlinkat(at->parent.get(), at->name.c_str(), AT_REMOVEDIR);
      }
    }
  }

  // In `directory`, where there is nothing of that name. What others make there meanwhile is left alone.
  Status hold(const Descriptor& directory, const std::string& name) {
    for (int tries = 0; tries < tries_max; ++tries) {
      const bool made = ::mkdirat(directory.get(), name.c_str(), 0755) == 0;
      if (!made && errno != EEXIST) break;
      Held held{Descriptor(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0)),
                Descriptor(::openat(directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)), name};
      if (!held.place && (errno == ENOTDIR || errno == ELOOP)) return {};
      if (!held.place || !held.parent) continue;
      const timespec mark[2] = {{marked_second, 0}, {marked_second, 0}};
      struct stat status = {};
      if (made) ::futimens(held.place.get(), mark);
      if (::flock(held.place.get(), LOCK_SH | LOCK_NB) != 0 || !is_there(held)) continue;  // it is being removed
      if (::fstat(held.place.get(), &status) == 0 && status.st_mtim.tv_sec == marked_second) held_.push_back(std::move(held));
      return {};
    }
    return box_failure("holding the place of " + quoted_path(name), errno);
  }

 private:
  static constexpr std::time_t marked_second = 0x6a6f65;
  static constexpr int tries_max = 64;
  struct Held {
    Descriptor parent;
    Descriptor place;
    std::string name;
  };
  static bool is_there(const Held& held) {
    struct stat named = {};
    struct stat opened = {};
    return ::fstatat(held.parent.get(), held.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ::fstat(held.place.get(), &opened) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
  }
  std::vector<Held> held_;
};

// What a command leaves: to be removed when its last process is gone.
struct BubblewrapRemains {
  std::shared_ptr<CommandCgroups> cgroups;
  Placeholders placeholders;
};

bool keeps_something(const Guarded& node) {
  return node.how == Guarded::How::read_only ||
         std::any_of(node.entries.begin(), node.entries.end(), [](auto& entry) { return keeps_something(entry.second); });
}

// The arguments of bwrap, and the descriptors they name.
class Arguments {
 public:
  Arguments(bool binds_descriptors, int first_descriptor) : binds_descriptors_(binds_descriptors), next_(first_descriptor) {}

  template <class... Text>
  void add(const Text&... text) {
    ((bytes_ += text, bytes_ += '\0'), ...);
  }

  // What is at a descriptor, seen at `path`. By its descriptor nothing can be put in its place meanwhile.
  Status bind(Descriptor at, const std::string& path, bool writable) {
    if (!binds_descriptors_) {
      add(writable ? "--bind" : "--ro-bind", path, path);
      return {};
    }
    if (descriptors_.size() >= bound_max) {
      return failure(ErrorCode::limit, fmt::format("box: more than {} guarded paths and directories above them: guard directories "
                                                   "instead of the files in them", bound_max));
    }
    add(writable ? "--bind-fd" : "--ro-bind-fd", fmt::to_string(next_++), path);
    descriptors_.push_back(std::move(at));
    return {};
  }

  void hide(const std::string& path, bool is_directory) {
    if (is_directory) {
      add("--perms", "0000", "--tmpfs", path, "--remount-ro", path);
    } else {
      add("--ro-bind", "/dev/null", path);  // where devices cannot be opened
    }
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  std::vector<Descriptor>& descriptors() { return descriptors_; }

 private:
  static constexpr std::size_t bound_max = supervisor::passed_max - 16;
  bool binds_descriptors_;
  int next_;
  std::string bytes_;
  std::vector<Descriptor> descriptors_;
};

// Mounts over guarded paths. A directory above one is mounted on itself, for what is mounted on cannot be renamed.
Status guard_paths(Arguments& arguments, Placeholders& placeholders, const Descriptor& directory, const std::string& path,
                   const Guarded& node) {
  for (const auto& [name, entry] : node.entries) {
    const std::string inner = path + "/" + name;
    const auto open = [&, &entry_name = name] {
      return Descriptor(::openat(directory.get(), entry_name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    };
    Descriptor at = open();
    Guarded::How how = entry.how;
    if (!at && errno == ENOENT && keeps_something(entry)) {
      if (Status ok = placeholders.hold(directory, name); !ok) return ok;
      at = open();
      how = Guarded::How::read_only;
    }
    struct stat status = {};
    if (!at || ::fstat(at.get(), &status) != 0) {
      if (errno == ENOENT) continue;
      return box_failure("guarding " + quoted_path(inner), errno);
    }
    if (S_ISLNK(status.st_mode)) continue;  // what it leads to is guarded by its own name
    const bool is_directory = S_ISDIR(status.st_mode);
    if (how == Guarded::How::hidden) {
      arguments.hide(inner, is_directory);
      continue;
    }
    Descriptor bound(::fcntl(at.get(), F_DUPFD_CLOEXEC, 0));
    if (!bound) return box_failure("guarding " + quoted_path(inner), errno);
    if (Status ok = arguments.bind(std::move(bound), inner, how == Guarded::How::within); !ok) return ok;
    if (!is_directory) continue;
    Guarded rest = entry;
    if (how == Guarded::How::read_only) std::erase_if(rest.entries, [](auto& each) { return !hides_something(each.second); });
    if (Status ok = guard_paths(arguments, placeholders, at, inner, rest); !ok) return ok;
  }
  return {};
}

bool is_link(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

class BubblewrapBox final : public PreparedBox {
 public:
  static Result<std::shared_ptr<const PreparedBox>> make(BoxRules rules, bool probing);

  BubblewrapBox(BoxRules rules, BoxReport report, Root root)
      : PreparedBox(std::move(rules), std::move(report)), root_(std::move(root)) {}

  Status prepare();
  [[nodiscard]] Result<BoxLaunch> launch(const BoxRequest& request) const override;

 private:
  Status check_program();
  void report_machine();
  [[nodiscard]] std::string home() const;
  [[nodiscard]] Status add_view(Arguments& arguments, Placeholders& placeholders) const;
  [[nodiscard]] confine::Plan inner_plan(const BoxRequest& request) const;
  [[nodiscard]] Result<Descriptor> add_ruleset(confine::Plan& plan) const;

  Root root_;
  std::string bubblewrap_;
  bool binds_descriptors_{false};
  PublicPart configuration_;  // of /etc
  CgroupHomes homes_;
  std::vector<sock_filter> filter_;
  Descriptor program_;
  std::optional<PrivateDirectory> private_;
};

const std::vector<std::string>& namespaces() {
  static const std::vector<std::string> arguments{"--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                                                  "--unshare-cgroup-try", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"};
  return arguments;
}

// Tried as it will be used, but for the files.
Status BubblewrapBox::check_program() {
  bubblewrap_ = find_bubblewrap();
  if (bubblewrap_.empty()) return failure(ErrorCode::unsupported, "box: bubblewrap is not installed: apt-get install bubblewrap");
  binds_descriptors_ = run_program({bubblewrap_, "--help"}).output.find("--ro-bind-fd") != std::string::npos;
  std::vector<std::string> command{bubblewrap_};
  command.insert(command.end(), namespaces().begin(), namespaces().end());
  for (const char* argument : {"--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--perms", "0000", "--tmpfs", "/tmp",
                               "--remount-ro", "/tmp", "--", "/bin/true"}) {
    command.emplace_back(argument);
  }
  const Ran ran = run_program(command);
  if (ran.status == 0) return {};
  return failure(ErrorCode::unsupported,
                 fmt::format("box: bubblewrap cannot make its namespaces here: {}: allow user namespaces, or use another kind of box",
                             ran.output.empty() ? "it ends without a word" : trim(std::string_view(ran.output).substr(0, ran.output.find('\n')))));
}

void BubblewrapBox::report_machine() {
  const int abi = landlock_abi();
  if (::geteuid() == 0 && abi < 2) {
    report_.reduced.emplace_back("root: owns files of /proc in any namespace, and nothing but read-only mounts keeps it from them: run as "
                                 "an ordinary user, or on a kernel with Landlock 2");
  }
  if (!binds_descriptors_) {
    report_.reduced.emplace_back("guarded paths: bound by their names, which another command of the workspace could change at that moment: "
                                 "install bubblewrap 0.10.0 or newer");
  }
  if (rules_.proxy_port != 0) report_.restricted.emplace_back("the network is reached through the HTTP proxy of HTTP_PROXY alone");
  for (const std::string& path : rules_.read_only) {
    if (is_link(rules_.workspace + "/" + path)) {
      report_.reduced.push_back(fmt::format("{}: is a symlink, which can be replaced; what it leads to is guarded: make it a file",
                                            quoted_path(path)));
    }
  }
}

std::string BubblewrapBox::home() const {
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/' || home[1] == '\0') return "/home/joey";
  std::vector<std::string> taken = system_directories();
  taken.insert(taken.end(), {"/etc", "/proc", "/dev", "/sys", "/tmp", "/var/tmp", rules_.workspace});
  for (const std::string& path : taken) {
    if (path_beneath(path, home)) return "/home/joey";
  }
  return home;
}

Result<std::shared_ptr<const PreparedBox>> BubblewrapBox::make(BoxRules rules, bool probing) {
  auto root = Root::open(rules.workspace, Resolver::kernel);
  if (!root) return tl::unexpected(std::move(root.error()));
  auto box = std::make_shared<BubblewrapBox>(std::move(rules), BoxReport{BoxKind::bubblewrap, {}, {}}, std::move(*root));
  if (Status ok = box->prepare(); !ok) return tl::unexpected(std::move(ok.error()));
  if (probing) return box;
  auto made = PrivateDirectory::make(box->rules_.temporary_parent);
  if (!made) return tl::unexpected(std::move(made.error()));
  box->environment_ = {{"HOME", box->home()}, {"TMPDIR", "/tmp"}};
  add_proxy_environment(box->environment_, box->rules_.proxy_port);
  box->private_.emplace(std::move(*made));
  return box;
}

Status BubblewrapBox::prepare() {
  if (Status ok = check_program(); !ok) return ok;
  report_machine();
  configuration_ = public_part("/etc");
  homes_ = find_cgroup_homes(rules_.limits);
  report_limits(report_, rules_.limits, homes_);
  if (auto guarded = guarded_paths(rules_, root_); !guarded) return tl::unexpected(std::move(guarded.error()));
  filter_ = make_filter({.own_network = true, .own_ipc = true, .own_files = true, .tracing = rules_.tracing});
  auto program = confine_program();
  if (!program) return tl::unexpected(std::move(program.error()));
  program_ = std::move(*program);
  return {};
}

Status BubblewrapBox::add_view(Arguments& arguments, Placeholders& placeholders) const {
  for (const std::string& path : system_directories()) {
    if (is_link(path)) {
      char target[256] = {};
      if (::readlink(path.c_str(), target, sizeof target - 1) > 0) arguments.add("--symlink", target, path);
    } else {
      arguments.add("--ro-bind", path, path);
    }
  }
  arguments.add("--ro-bind", "/etc", "/etc");
  for (const std::string& path : configuration_.secret) {
    struct stat status = {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISLNK(status.st_mode)) arguments.hide(path, S_ISDIR(status.st_mode));
  }
  arguments.add("--proc", "/proc", "--dev", "/dev", "--dir", "/run");
  // Root owns these outside as well as in here, whatever namespace it is in; bubblewrap covers them only where it sees that
  // it could write them.
  for (const char* path : {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi", "/proc/mtrr"}) {
    arguments.add("--ro-bind-try", path, path);
  }
  arguments.add("--ro-bind-try", "/sys/devices/system/cpu", "/sys/devices/system/cpu");
  arguments.add("--bind", private_->tmp(), "/tmp", "--bind", private_->var_tmp(), "/var/tmp");
  arguments.add("--bind", private_->home(), home());
  for (const std::string& path : rules_.readable) arguments.add("--ro-bind", path, path);
  for (const std::string& path : rules_.writable) arguments.add("--bind", path, path);

  Descriptor top = root_.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  const Descriptor again = root_.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  if (!top || !again) return box_failure("opening the workspace", errno);
  if (Status ok = arguments.bind(std::move(top), rules_.workspace, true); !ok) return ok;
  const auto guarded = guarded_paths(rules_, root_);
  if (!guarded) return tl::unexpected(guarded.error());
  if (Status ok = guard_paths(arguments, placeholders, again, rules_.workspace, *guarded); !ok) return ok;
  arguments.add("--remount-ro", "/");
  return {};
}

Result<Descriptor> BubblewrapBox::add_ruleset(confine::Plan& plan) const {
  const Descriptor top = root_.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  if (!top) return box_failure("opening the workspace", errno);
  std::vector<std::string> paths = rules_.writable;
  paths.push_back(private_->home());
  paths.push_back(private_->tmp());
  paths.push_back(private_->var_tmp());
  return inner_ruleset(plan, {&top}, paths);
}

confine::Plan BubblewrapBox::inner_plan(const BoxRequest& request) const {
  confine::Plan plan = empty_plan();
  add_limits(plan, rules_.limits, homes_);
  plan.is_init = 1;
  plan.has_terminal = request.has_terminal ? 1 : 0;
  plan.drops_privileges = 1;
  plan.filter_count = static_cast<std::uint32_t>(filter_.size());
  std::copy(filter_.begin(), filter_.end(), plan.filter);
  return plan;
}

Result<BoxLaunch> BubblewrapBox::launch(const BoxRequest& request) const {
  auto remains = std::make_shared<BubblewrapRemains>();
  auto cgroups = make_cgroups(homes_, rules_.limits);
  if (!cgroups) return tl::unexpected(std::move(cgroups.error()));
  remains->cgroups = std::move(*cgroups);

  // The numbers of what is passed, in its order: the program, the outer plan, the inner one, bwrap's arguments and so on.
  int next = plan_descriptors_first;
  const int inner = next++;
  const int arguments_file = next++;
  confine::Plan plan = inner_plan(request);
  plan.control = next++;
  if (request.network >= 0) {
    plan.network = next++;
    plan.proxy_port = rules_.proxy_port;
  }
  auto ruleset = add_ruleset(plan);
  if (!ruleset) return tl::unexpected(std::move(ruleset.error()));
  if (*ruleset) plan.ruleset = next++;
  confine::Plan outer = empty_plan();
  for (std::size_t i = 0; i < remains->cgroups->procs.size(); ++i) outer.cgroups[i] = next++;
  Arguments arguments(binds_descriptors_, next);
  for (const std::string& argument : namespaces()) arguments.add(argument);
  if (Status ok = add_view(arguments, remains->placeholders); !ok) return tl::unexpected(std::move(ok.error()));
  arguments.add("--clearenv");
  for (const std::string& entry : request.environment) {
    const std::size_t equals = entry.find('=');
    arguments.add("--setenv", entry.substr(0, equals), entry.substr(equals + 1));
  }
  outer.ignores_signals = 1;
  outer.clears_environment = 1;  // what loads libraries for the command must not load them into bwrap
  outer.close_from = next + static_cast<int>(arguments.descriptors().size());

  auto outer_file = plan_file(outer);
  if (!outer_file) return tl::unexpected(std::move(outer_file.error()));
  auto inner_file = plan_file(plan);
  if (!inner_file) return tl::unexpected(std::move(inner_file.error()));
  auto view_file = memory_file("joey-bwrap", arguments.bytes(), false);
  if (!view_file) return tl::unexpected(std::move(view_file.error()));

  BoxLaunch launch;
  launch.has_init = true;
  launch.descriptors = {program_.get(), outer_file->get(), inner_file->get(), view_file->get(), request.control};
  if (request.network >= 0) launch.descriptors.push_back(request.network);
  if (*ruleset) launch.descriptors.push_back(ruleset->get());
  for (const Descriptor& procs : remains->cgroups->procs) launch.descriptors.push_back(procs.get());
  for (const Descriptor& bound : arguments.descriptors()) launch.descriptors.push_back(bound.get());
  for (auto* file : {&*outer_file, &*inner_file, &*view_file, &*ruleset}) launch.owned.push_back(std::move(*file));
  for (Descriptor& bound : arguments.descriptors()) launch.owned.push_back(std::move(bound));
  launch.remains = std::move(remains);
  launch.path = "/proc/self/fd/4";
  launch.arguments = {"joey-confine", "5", bubblewrap_, "bwrap", "--args", fmt::to_string(arguments_file), "--",
                      "/proc/self/fd/4", fmt::to_string(inner), request.path};
  launch.arguments.insert(launch.arguments.end(), request.arguments.begin(), request.arguments.end());
  return launch;
}

}  // namespace

Result<std::shared_ptr<const PreparedBox>> prepare_bubblewrap_box(BoxRules rules, bool probing) {
  return BubblewrapBox::make(std::move(rules), probing);
}

}  // namespace joey

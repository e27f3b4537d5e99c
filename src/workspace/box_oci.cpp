// The box of containers: an OCI bundle that runc runs, with the confine program inside as its init.
//
// The bundle says namespaces, mounts and cgroups. What the other boxes do by the confine program it does here as well, so
// that there is one filter of system calls, one set of resource limits and one way to say how the shell ended; and the
// command itself reaches the container in memory, not in config.json, which knows only UTF-8 and lies on a disk.
//
// runc leaves when the container has begun; a keeper holds it then (confine.hpp). All that runc makes is in the box's
// private directory, in a mount namespace of its own, or in cgroups that are named after this process, so that what a
// killed host leaves is found.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <filesystem>

#include "base/json.hpp"
#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box_parts.hpp"
#include "workspace/supervisor.hpp"

namespace joey {
namespace {

// Never looked for in PATH, which may name a directory that commands can write.
constexpr const char* runc_paths[] = {"/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"};
constexpr int passed_first = 3;              // the first descriptor that runc passes on

std::string find_runc() {
  for (const char* path : runc_paths) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

bool is_directory(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Whether this process may mount, as root outside of containers may.
bool may_mount() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return ::syscall(SYS_capget, &header, data) == 0 && (data[0].effective & 1U << CAP_SYS_ADMIN) != 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// config.json

void write_strings(JsonWriter& json, std::initializer_list<std::string_view> strings) {
  json.begin_array();
  for (const std::string_view each : strings) json.value(each);
  json.end_array();
}

void write_mount(JsonWriter& json, std::string_view type, std::string_view source, std::string_view destination,
                 std::initializer_list<std::string_view> options) {
  json.begin_object().field("destination", destination).field("type", type).field("source", source).key("options");
  write_strings(json, options);
  json.end_object();
}

// The options that begin with "r" are for the mounts beneath as well.
void write_mount(JsonWriter& json, const Mount& mount, const std::string& nothing) {
  switch (mount.kind) {
    case Mount::Kind::symlink: return;  // is in the root directory
    case Mount::Kind::shown:
      return write_mount(json, "bind", mount.source, mount.path, {"rbind", "rro", "rnosuid", "rnodev"});
    case Mount::Kind::changeable:
      return write_mount(json, "bind", mount.source, mount.path, {"rbind", "rnosuid", "rnodev"});
    case Mount::Kind::hidden_file:  // a device that cannot be opened
      return write_mount(json, "bind", "/dev/null", mount.path, {"bind", "ro", "nosuid", "nodev", "noexec"});
    case Mount::Kind::hidden_directory:
      return write_mount(json, "bind", nothing, mount.path, {"bind", "ro", "nosuid", "nodev", "noexec"});
  }
}

void write_mounts(JsonWriter& json, const Container& container) {
  json.key("mounts").begin_array();
  write_mount(json, "proc", "proc", "/proc", {"nosuid", "noexec", "nodev"});
  write_mount(json, "tmpfs", "tmpfs", "/dev", {"nosuid", "noexec", "strictatime", "mode=755", "size=64k"});
  write_mount(json, "devpts", "devpts", "/dev/pts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"});
  write_mount(json, "tmpfs", "shm", "/dev/shm", {"nosuid", "noexec", "nodev", "mode=1777"});
  for (const Mount& mount : *container.mounts) write_mount(json, mount, container.nothing);
  json.end_array();
}

void write_process(JsonWriter& json, const Container& container) {
  json.key("process").begin_object();
  json.field("terminal", false).field("cwd", "/").field("noNewPrivileges", true);
  json.key("user").begin_object().field("uid", 0).field("gid", 0).end_object();
  json.key("args").begin_array();
  for (const std::string& argument : container.arguments) json.value(argument);
  json.end_array();
  json.key("capabilities").begin_object();
  for (const char* set : {"bounding", "effective", "inheritable", "permitted", "ambient"}) write_strings(json.key(set), {});
  json.end_object().end_object();
}

void write_mapping(JsonWriter& json, const char* name, std::uint32_t host_id) {
  json.key(name).begin_array().begin_object();
  json.field("containerID", 0).field("hostID", host_id).field("size", 1).end_object().end_array();
}

void write_resources(JsonWriter& json, const Container& container) {
  constexpr int period_us = 100'000;
  const BoxLimits& limits = container.limits;
  json.key("resources").begin_object();
  json.key("devices").begin_array().begin_object().field("allow", false).field("access", "rwm").end_object().end_array();
  if (limits.memory != 0) {
    json.key("memory").begin_object().field("limit", limits.memory);
    if (container.limits_swap) json.field("swap", limits.memory);  // of memory and swap together: none
    json.end_object();
  }
  if (limits.processes != 0) json.key("pids").begin_object().field("limit", limits.processes).end_object();
  if (limits.cpu_percent != 0) {
    json.key("cpu").begin_object().field("period", period_us);
    json.field("quota", std::uint64_t{limits.cpu_percent} * (period_us / 100)).end_object();
  }
  json.end_object();
}

void write_linux(JsonWriter& json, const Container& container) {
  json.key("linux").begin_object();
  json.key("namespaces").begin_array();
  for (const char* type : {"user", "pid", "ipc", "uts", "mount", "cgroup", "network"}) {
    json.begin_object().field("type", type).end_object();
  }
  json.end_array();
  write_mapping(json, "uidMappings", container.user);
  write_mapping(json, "gidMappings", container.group);
  if (!container.cgroup.empty()) json.field("cgroupsPath", container.cgroup);
  write_resources(json, container);
  json.key("maskedPaths");
  write_strings(json, {"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug"});
  json.key("readonlyPaths").begin_array();
  for (const char* path : kernel_files) json.value(path);
  json.end_array().end_object();
}

bool is_sayable(const Container& container) {
  const auto is_text = [](const Mount& mount) { return is_utf8(mount.path) && is_utf8(mount.source); };
  return is_utf8(container.root) && is_utf8(container.nothing) &&
         std::all_of(container.mounts->begin(), container.mounts->end(), is_text);
}

}  // namespace

Result<std::string> container_config(const Container& container) {
  if (!is_sayable(container)) {
    return failure(ErrorCode::invalid_argument,
                   "box: a path that is not UTF-8 cannot be said to containers: rename it, or use bubblewrap");
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("ociVersion", "1.0.2");
  write_process(json, container);
  json.key("root").begin_object().field("path", container.root).field("readonly", true).end_object();
  write_mounts(json, container);
  write_linux(json, container);
  json.end_object();
  return text;
}

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// The box

// What a container leaves: to be removed when its last process is gone.
struct OciRemains {
  OciRemains(const ContainerCgroups& among, std::string id, std::string directory)
      : cgroups(among), name(std::move(id)), bundle(std::move(directory)) {}
  OciRemains(const OciRemains&) = delete;
  OciRemains& operator=(const OciRemains&) = delete;
  ~OciRemains() {
    cgroups.remove(name);
    remove_tree(bundle);
  }
  ContainerCgroups cgroups;
  std::string name;    // of the container, and of its cgroups
  std::string bundle;  // and, in it, runc's state
  Placeholders placeholders;
};

class OciBox final : public PreparedBox {
 public:
  static Result<std::shared_ptr<const PreparedBox>> make(BoxRules rules);

  OciBox(BoxRules rules, BoxReport report, Root root)
      : PreparedBox(std::move(rules), std::move(report)), root_(std::move(root)) {}

  Status prepare();
  [[nodiscard]] Result<BoxLaunch> launch(const BoxRequest& request) const override;

 private:
  [[nodiscard]] Status make_root_directory() const;
  [[nodiscard]] Status try_container() const;
  [[nodiscard]] Container container() const;
  [[nodiscard]] Result<std::shared_ptr<OciRemains>> make_bundle(Container& container) const;
  [[nodiscard]] Status write_bundle(const OciRemains& bundle, const Container& container) const;
  [[nodiscard]] Result<std::vector<Mount>> view(Placeholders& placeholders) const;
  [[nodiscard]] Result<std::vector<confine::GuardedPath>> guarded(const std::vector<Mount>& mounts) const;
  [[nodiscard]] confine::Plan outer_plan() const;
  [[nodiscard]] confine::Plan inner_plan(const BoxRequest& request) const;

  Root root_;
  std::string runc_;
  std::string root_directory_;
  bool has_own_mounts_{false};
  bool limits_swap_{false};
  PublicPart configuration_;  // of /etc
  CgroupHomes homes_;
  ContainerCgroups cgroups_;
  std::vector<sock_filter> filter_;
  Descriptor program_;
  std::optional<PrivateDirectory> private_;
};

// The limits that cgroups keep; the confine program sets the others.
BoxLimits limits_of_cgroups(const BoxLimits& limits, const CgroupHomes& homes) {
  BoxLimits kept;
  if (homes.memory()) kept.memory = limits.memory;
  if (homes.processes()) kept.processes = limits.processes;
  if (homes.cpu()) kept.cpu_percent = limits.cpu_percent;
  return kept;
}

Result<std::shared_ptr<const PreparedBox>> OciBox::make(BoxRules rules) {
  auto root = Root::open(rules.workspace, Resolver::kernel);
  if (!root) return tl::unexpected(std::move(root.error()));
  auto box = std::make_shared<OciBox>(std::move(rules), BoxReport{BoxKind::oci, {}, {}}, std::move(*root));
  if (Status ok = box->prepare(); !ok) return tl::unexpected(std::move(ok.error()));
  return box;
}

Status OciBox::prepare() {
  runc_ = find_runc();
  if (runc_.empty()) return failure(ErrorCode::unsupported, "box: runc is not installed: apt-get install runc");
  if (!rules_.oci_root.empty() && !(rules_.oci_root.starts_with('/') && is_directory(rules_.oci_root))) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("box: {}: is no directory that could be the system: give an absolute path of one",
                               quoted_path(rules_.oci_root)));
  }
  report_namespaces(report_, rules_);
  if (::geteuid() != 0) report_.restricted.emplace_back("commands see themselves as root, without what root may");
  configuration_ = public_part(rules_.oci_root + "/etc");
  homes_ = find_cgroup_homes(rules_.limits);
  limits_swap_ = homes_.limits_swap();
  cgroups_ = ContainerCgroups::find();
  report_limits(report_, rules_.limits, homes_);
  if (auto guarded = guarded_paths(rules_, root_); !guarded) return tl::unexpected(std::move(guarded.error()));
  filter_ = make_filter({.own_network = true, .own_ipc = true, .own_files = true, .tracing = rules_.tracing});
  auto program = confine_program();
  if (!program) return tl::unexpected(std::move(program.error()));
  program_ = std::move(*program);
  has_own_mounts_ = may_mount();
  auto made = PrivateDirectory::make(rules_.temporary_parent);
  if (!made) return tl::unexpected(std::move(made.error()));
  private_.emplace(std::move(*made));
  environment_ = {{"HOME", boxed_home(rules_)}, {"TMPDIR", "/tmp"}};
  add_proxy_environment(environment_, rules_.proxy_port);
  root_directory_ = private_->path() + "/root";
  if (Status ok = make_root_directory(); !ok) return ok;
  return try_container();
}

// What runc mounts gets its mount point here; symlinks it does not make.
Status OciBox::make_root_directory() const {
  if (::mkdir(root_directory_.c_str(), 0755) != 0 || ::mkdir((root_directory_ + "/run").c_str(), 0755) != 0) {
    return box_failure("making its root directory", errno);
  }
  for (const Mount& mount : system_view(rules_.oci_root, configuration_)) {
    if (mount.kind != Mount::Kind::symlink) continue;
    if (::symlink(mount.source.c_str(), (root_directory_ + mount.path).c_str()) != 0) {
      return box_failure("making its root directory", errno);
    }
  }
  return {};
}

Container OciBox::container() const {
  Container container;
  container.root = root_directory_;
  container.nothing = private_->nothing();
  container.limits = limits_of_cgroups(rules_.limits, homes_);
  container.limits_swap = limits_swap_;
  container.user = ::geteuid();
  container.group = ::getegid();
  return container;
}

Result<std::shared_ptr<OciRemains>> OciBox::make_bundle(Container& container) const {
  static std::atomic<std::uint64_t> last{0};
  const std::string name = ContainerCgroups::new_name();
  auto bundle = std::make_shared<OciRemains>(cgroups_, name, fmt::format("{}/bundle-{}", private_->path(), ++last));
  if (::mkdir(bundle->bundle.c_str(), 0700) != 0) return box_failure("making a bundle", errno);
  container.cgroup = cgroups_.path(name);
  return bundle;
}

Status OciBox::write_bundle(const OciRemains& bundle, const Container& container) const {
  const auto config = container_config(container);
  if (!config) return tl::unexpected(config.error());
  const Descriptor file(::open((bundle.bundle + "/config.json").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), config->data(), config->size()) != static_cast<ssize_t>(config->size())) {
    return box_failure("writing a bundle", errno);
  }
  return {};
}

// Cgroups that this process may not make are an error exactly where a limit is to be kept by one: that is what runc calls
// rootless.
std::vector<std::string> runc_command(const OciRemains& bundle, int descriptors_end, bool detached) {
  std::vector<std::string> command{"runc", "--root", bundle.bundle + "/state", "--rootless", "true"};
  command.insert(command.end(), {"run", "--bundle", bundle.bundle, "--preserve-fds", fmt::to_string(descriptors_end - passed_first)});
  if (detached) command.emplace_back("--detach");
  command.push_back(bundle.name);
  return command;
}

confine::Plan OciBox::outer_plan() const {
  confine::Plan plan = empty_plan();
  // Before it starts a container, runc mounts its own program somewhere, for a moment.
  plan.has_own_mounts = has_own_mounts_ ? 1 : 0;
  plan.clears_environment = 1;  // what loads libraries for the command must not load them into runc
  return plan;
}

// A container that shows the system, made as one for a command is. In it the confine program is told nothing, and says so.
Status OciBox::try_container() const {
  Container tried = container();
  const std::vector<Mount> mounts = system_view(rules_.oci_root, configuration_);
  tried.mounts = &mounts;
  tried.arguments = {"/proc/self/fd/4"};
  auto bundle = make_bundle(tried);
  if (!bundle) return tl::unexpected(std::move(bundle.error()));
  if (Status ok = write_bundle(**bundle, tried); !ok) return ok;
  confine::Plan plan = outer_plan();
  plan.close_from = supervisor::first_passed + 1;
  plan.fills_gap = 1;
  auto file = plan_file(plan);
  if (!file) return tl::unexpected(std::move(file.error()));
  const std::string self = fmt::format("/proc/self/fd/{}", program_.get());
  std::vector<std::string> command{self, "5", runc_};
  const auto runc = runc_command(**bundle, plan.close_from, false);
  command.insert(command.end(), runc.begin(), runc.end());
  const Ran ran = run_program(command, {program_.get(), file->get()});
  if (WIFEXITED(ran.status) && WEXITSTATUS(ran.status) == confine::exit_code_unused) return {};
  std::string_view said = trim(ran.output);
  said = said.substr(said.rfind('\n') == said.npos ? 0 : said.rfind('\n') + 1);
  return failure(ErrorCode::unsupported,
                 fmt::format("box: runc cannot make containers here: {}: allow user namespaces, or use another kind of box",
                             said.empty() ? "it ends without a word" : said));
}

Result<std::vector<Mount>> OciBox::view(Placeholders& placeholders) const {
  std::vector<Mount> mounts = system_view(rules_.oci_root, configuration_);
  const auto add = [&](std::vector<Mount> more) { std::move(more.begin(), more.end(), std::back_inserter(mounts)); };
  add(own_view(rules_, *private_, boxed_home(rules_)));
  auto workspace = workspace_view(rules_, root_, placeholders);
  if (!workspace) return workspace;
  add(std::move(*workspace));
  return mounts;
}

// runc mounts by names, which commands of the same workspace can change meanwhile: the init looks whether every guarded
// path has become what was meant.
Result<std::vector<confine::GuardedPath>> OciBox::guarded(const std::vector<Mount>& mounts) const {
  std::vector<confine::GuardedPath> paths;
  for (const Mount& mount : mounts) {
    if (!mount.at) continue;
    struct stat status = {};
    const bool looked = mount.kind == Mount::Kind::hidden_file        ? ::stat("/dev/null", &status) == 0
                        : mount.kind == Mount::Kind::hidden_directory ? ::stat(private_->nothing().c_str(), &status) == 0
                                                                      : ::fstat(mount.at.get(), &status) == 0;
    confine::GuardedPath path{status.st_ino, ::gnu_dev_major(status.st_dev), ::gnu_dev_minor(status.st_dev), {}};
    if (!looked) return box_failure("looking at " + quoted_path(mount.path), errno);
    if (mount.path.size() >= sizeof path.path) return box_failure("looking at " + quoted_path(mount.path), ENAMETOOLONG);
    mount.path.copy(path.path, sizeof path.path - 1);
    paths.push_back(path);
  }
  return paths;
}

confine::Plan OciBox::inner_plan(const BoxRequest& request) const {
  confine::Plan plan = empty_plan();
  add_limits(plan, rules_.limits, homes_);
  plan.is_init = 1;
  plan.has_terminal = request.has_terminal ? 1 : 0;
  plan.drops_privileges = 1;
  plan.filter_count = static_cast<std::uint32_t>(filter_.size());
  std::copy(filter_.begin(), filter_.end(), plan.filter);
  return plan;
}

// The directory's name in the box is that of outside.
Result<std::string> name_of(int directory) {
  char name[PATH_MAX] = {};
  const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", directory).c_str(), name, sizeof name - 1);
  if (size < 0) return box_failure("looking for the command's directory", errno);
  return std::string(name, static_cast<std::size_t>(size));
}

Result<BoxLaunch> OciBox::launch(const BoxRequest& request) const {
  Container started = container();
  auto bundle = make_bundle(started);
  if (!bundle) return tl::unexpected(std::move(bundle.error()));
  auto mounts = view((*bundle)->placeholders);
  if (!mounts) return tl::unexpected(std::move(mounts.error()));
  auto paths = guarded(*mounts);
  if (!paths) return tl::unexpected(std::move(paths.error()));
  auto directory = name_of(request.directory);
  if (!directory) return tl::unexpected(std::move(directory.error()));
  auto lifeline = make_lifeline();
  if (!lifeline) return tl::unexpected(std::move(lifeline.error()));

  // The numbers of what is passed, in its order: the program, the outer plan, the inner one and so on. runc passes on all
  // but the last, which is the keeper's.
  int next = plan_descriptors_first;
  const int inner = next++;
  confine::Plan plan = inner_plan(request);
  plan.command = next++;
  plan.control = next++;
  plan.lifeline = next++;
  if (request.network >= 0) {
    plan.network = next++;
    plan.proxy_port = rules_.proxy_port;
  }
  auto ruleset = inner_ruleset(plan, rules_, root_, *private_);
  if (!ruleset) return tl::unexpected(std::move(ruleset.error()));
  if (*ruleset) plan.ruleset = next++;
  confine::Plan outer = outer_plan();
  outer.is_keeper = 1;
  outer.fills_gap = 1;
  outer.close_from = next;
  outer.lifeline = next;

  started.mounts = &*mounts;
  started.arguments = {"/proc/self/fd/4", fmt::to_string(inner)};
  if (Status ok = write_bundle(**bundle, started); !ok) return tl::unexpected(std::move(ok.error()));
  auto outer_file = plan_file(outer);
  if (!outer_file) return tl::unexpected(std::move(outer_file.error()));
  auto inner_file = plan_file(plan);
  if (!inner_file) return tl::unexpected(std::move(inner_file.error()));
  auto command = command_file(*paths, *directory, request);
  if (!command) return tl::unexpected(std::move(command.error()));

  BoxLaunch launch;
  launch.has_init = true;
  launch.descriptors = {program_.get(),  outer_file->get(), inner_file->get(),
                        command->get(), request.control,   lifeline->reader.get()};
  if (request.network >= 0) launch.descriptors.push_back(request.network);
  if (*ruleset) launch.descriptors.push_back(ruleset->get());
  launch.descriptors.push_back(lifeline->writer.get());
  for (auto* owned : {&*outer_file, &*inner_file, &*command, &lifeline->reader, &*ruleset, &lifeline->writer}) {
    launch.owned.push_back(std::move(*owned));
  }
  launch.path = "/proc/self/fd/4";
  launch.arguments = {"joey-confine", "5", runc_};
  const auto runc = runc_command(**bundle, outer.close_from, true);
  launch.arguments.insert(launch.arguments.end(), runc.begin(), runc.end());
  launch.remains = std::move(*bundle);
  return launch;
}

}  // namespace

Result<std::shared_ptr<const PreparedBox>> prepare_oci_box(BoxRules rules, bool) { return OciBox::make(std::move(rules)); }

}  // namespace joey

// The box of Landlock: allow-lists of hierarchies, in the process alone.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box_parts.hpp"

// What headers of Linux 6.1 do not have.
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

namespace joey {
namespace {

constexpr std::uint64_t bind_tcp = 1ULL << 0;
constexpr std::uint64_t connect_tcp = 1ULL << 1;
constexpr std::uint64_t scope_abstract_sockets = 1ULL << 0;
constexpr std::uint64_t scope_signals = 1ULL << 1;

struct RulesetAttributes {  // of ABI 6
  std::uint64_t handled_files{0};
  std::uint64_t handled_ports{0};
  std::uint64_t scoped{0};
};

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writing_files = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
// No devices are made, and none are commanded.
constexpr std::uint64_t changing =
    reading | writing_files | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |
    LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t using_devices =
    LANDLOCK_ACCESS_FS_READ_FILE | writing_files | LANDLOCK_ACCESS_FS_IOCTL_DEV;
constexpr std::uint64_t of_files =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | writing_files | LANDLOCK_ACCESS_FS_IOCTL_DEV;

constexpr std::size_t split_entries_max = 20'000;  // of the directories around guarded paths, for one command

std::uint64_t handled_files(int abi) {
  std::uint64_t handled = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (abi >= 2) handled |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) handled |= LANDLOCK_ACCESS_FS_TRUNCATE;
  if (abi >= 5) handled |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
  return handled;
}

Result<Descriptor> create_ruleset(int abi, bool ports) {
  RulesetAttributes attributes;
  attributes.handled_files = handled_files(abi);
  if (ports && abi >= 4) attributes.handled_ports = bind_tcp | connect_tcp;
  if (abi >= 6) attributes.scoped = scope_abstract_sockets | scope_signals;
  const std::size_t size = (abi >= 6 ? 3 : abi >= 4 ? 2 : 1) * sizeof(std::uint64_t);
  Descriptor ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!ruleset) return box_failure("making a Landlock ruleset", errno);
  return ruleset;
}

class Ruleset {
 public:
  static Result<Ruleset> create(int abi, bool ports) {
    auto fd = create_ruleset(abi, ports);
    if (!fd) return tl::unexpected(std::move(fd.error()));
    return Ruleset(std::move(*fd), handled_files(abi));
  }

  // What is at the descriptor, and beneath.
  Status allow(const Descriptor& at, std::uint64_t rights) {
    struct stat status = {};
    if (::fstat(at.get(), &status) != 0) return box_failure("looking at a path", errno);
    if (S_ISLNK(status.st_mode)) return {};  // what it leads to has its own rights
    landlock_path_beneath_attr rule{};
    rule.allowed_access = rights & handled_ & (S_ISDIR(status.st_mode) ? ~std::uint64_t{0} : of_files);
    rule.parent_fd = at.get();
    if (rule.allowed_access == 0) return {};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      return box_failure("adding a Landlock rule", errno);
    }
    return {};
  }
  // A path that is not there has no rights.
  Status allow(const std::string& path, std::uint64_t rights) {
    const Descriptor at(::open(path.c_str(), O_PATH | O_CLOEXEC));
    return at ? allow(at, rights) : Status();
  }

  Descriptor take() { return std::move(fd_); }

 private:
  Ruleset(Descriptor fd, std::uint64_t handled) : fd_(std::move(fd)), handled_(handled) {}
  Descriptor fd_;
  std::uint64_t handled_;
};

// Allows a directory's entries one by one, and so none of the guarded ones more than it may. The directory itself cannot
// take new names then: a right to make them holds for everything beneath.
class Splitter {
 public:
  explicit Splitter(Ruleset& ruleset) : ruleset_(ruleset) {}

  Status split(const Descriptor& directory, const std::string& path, const Guarded& node, std::uint64_t rights) {
    if (node.how == Guarded::How::read_only) rights &= reading;
    const std::uint64_t here = hides_something(node) ? LANDLOCK_ACCESS_FS_READ_DIR : reading;
    if (Status ok = ruleset_.allow(directory, here); !ok) return ok;
    auto entries = read_directory(Descriptor(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), path,
                                  split_entries_max + 1);
    if (!entries) return tl::unexpected(std::move(entries.error()));
    seen_ += entries->size();
    if (seen_ > split_entries_max) {
      return failure(ErrorCode::limit,
                     fmt::format("box: {}: more than {} entries beside guarded paths: use bubblewrap, or guard less",
                                 quoted_path(path), split_entries_max));
    }
    for (const DirectoryEntry& entry : *entries) {
      const auto found = std::find_if(node.entries.begin(), node.entries.end(), [&](auto& each) { return each.first == entry.name; });
      const Guarded* guarded = found == node.entries.end() ? nullptr : &found->second;
      if (guarded != nullptr && guarded->how == Guarded::How::hidden) continue;
      const Descriptor at(::openat(directory.get(), entry.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!at) continue;
      const bool to_split = guarded != nullptr && !guarded->entries.empty() && entry.kind == FileKind::directory;
      const std::uint64_t granted = guarded != nullptr && guarded->how == Guarded::How::read_only ? rights & reading : rights;
      if (Status ok = to_split ? split(at, path + "/" + entry.name, *guarded, granted) : ruleset_.allow(at, granted); !ok) return ok;
    }
    return {};
  }

 private:
  Ruleset& ruleset_;
  std::size_t seen_{0};
};

// What a directory of the workspace cannot take, for the report.
void report_splits(const Guarded& node, const std::string& path, BoxReport& report) {
  if (node.entries.empty()) return;
  report.restricted.push_back(fmt::format(
      "in {} itself nothing new can be made, renamed or removed, since it holds guarded paths: change files in place, or "
      "beneath its other directories", quoted_path(path.empty() ? "." : path)));
  for (const auto& [name, entry] : node.entries) report_splits(entry, path.empty() ? name : path + "/" + name, report);
}

class LandlockBox final : public PreparedBox {
 public:
  static Result<std::shared_ptr<const PreparedBox>> make(BoxRules rules, bool probing);

  LandlockBox(BoxRules rules, BoxReport report, Root root, int abi)
      : PreparedBox(std::move(rules), std::move(report)), root_(std::move(root)), abi_(abi) {}

  Status prepare();
  [[nodiscard]] Result<BoxLaunch> launch(const BoxRequest& request) const override;

 private:
  [[nodiscard]] Result<Descriptor> make_ruleset(int terminal) const;
  [[nodiscard]] Status allow_workspace(Ruleset& ruleset) const;
  [[nodiscard]] Status allow_around_workspace(Ruleset& ruleset, const std::string& path, std::uint64_t rights) const;
  void report_kernel();

  Root root_;
  int abi_;
  PublicPart configuration_;  // of /etc
  CgroupHomes homes_;
  std::vector<sock_filter> filter_;
  Descriptor program_;
  std::optional<PrivateDirectory> private_;
};

void LandlockBox::report_kernel() {
  auto& reduced = report_.reduced;
  const auto lacks = [&](int abi, const char* text) {
    if (abi_ < abi) reduced.push_back(fmt::format("{} (Landlock here is of version {}, and {} is needed: a newer kernel)", text, abi_, abi));
  };
  lacks(3, "files outside the box that the user may write can be cut to nothing");
  lacks(5, "devices that were opened before can be commanded by ioctl");
  lacks(6, "processes outside the box can be signalled, if they are the same user's");
  const std::uint32_t action = SECCOMP_RET_USER_NOTIF;
  if (rules_.proxy_port != 0 && ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
    rules_.proxy_port = 0;
    reduced.emplace_back("network: off altogether, since this system does not let connections be handed to the proxy: use bubblewrap");
  }
  reduced.emplace_back("metadata: names, sizes, owners and times of files outside the box can be seen: use bubblewrap");
  reduced.emplace_back("metadata: permission bits, times and extended attributes of this user's files outside the box, and of guarded "
                       "paths, can be changed: use bubblewrap, or run as a user that owns nothing else");
  reduced.emplace_back("processes: which other processes run, and with which arguments, can be seen: use bubblewrap");
  if (!rules_.hidden.empty()) {
    reduced.emplace_back("hidden paths: the names in hidden directories can be listed, and another hard link of a hidden file can be read: "
                         "use bubblewrap against the first");
  }
  if (!rules_.landlock_keeps_read_only) {
    for (const std::string& path : rules_.read_only) {
      reduced.push_back(fmt::format("{}: can be changed, since new names are allowed beside it: use bubblewrap", quoted_path(path)));
    }
  }
  auto& restricted = report_.restricted;
  restricted.emplace_back("there is no /tmp: temporary files belong into the directory that TMPDIR names");
  restricted.emplace_back("no new terminals can be opened, and local (unix) sockets only as pairs");
  restricted.emplace_back(rules_.proxy_port == 0 ? "there is no network, not even on loopback"
                                                 : "the network is reached through the HTTP proxy of HTTP_PROXY alone: every TCP connection "
                                                   "leads to it, and nothing can listen");
  if (abi_ < 2) restricted.emplace_back("files cannot be renamed or linked from one directory to another");
}

Result<std::shared_ptr<const PreparedBox>> LandlockBox::make(BoxRules rules, bool probing) {
  const int abi = landlock_abi();
  if (abi == 0) {
    return failure(ErrorCode::unsupported, "box: this kernel has no Landlock, or it is switched off: enable it with lsm=landlock,...");
  }
  auto root = Root::open(rules.workspace, Resolver::kernel);
  if (!root) return tl::unexpected(std::move(root.error()));
  auto box = std::make_shared<LandlockBox>(std::move(rules), BoxReport{BoxKind::landlock, {}, {}}, std::move(*root), abi);
  if (Status ok = box->prepare(); !ok) return tl::unexpected(std::move(ok.error()));
  if (probing) return box;
  auto made = PrivateDirectory::make(box->rules_.temporary_parent);
  if (!made) return tl::unexpected(std::move(made.error()));
  box->environment_ = {{"HOME", made->home()}, {"TMPDIR", made->tmp()}};
  add_proxy_environment(box->environment_, box->rules_.proxy_port);
  box->private_.emplace(std::move(*made));
  return box;
}

Status LandlockBox::prepare() {
  configuration_ = public_part("/etc");
  homes_ = find_cgroup_homes(rules_.limits);
  report_kernel();
  report_limits(report_, rules_.limits, homes_);
  BoxRules enforced = rules_;
  if (!enforced.landlock_keeps_read_only) enforced.read_only.clear();
  auto guarded = guarded_paths(enforced, root_);
  if (!guarded) return tl::unexpected(std::move(guarded.error()));
  report_splits(*guarded, "", report_);
  filter_ = make_filter({.tracing = rules_.tracing, .hands_over_connections = rules_.proxy_port != 0});
  auto program = confine_program();
  if (!program) return tl::unexpected(std::move(program.error()));
  program_ = std::move(*program);
  return {};
}

Status LandlockBox::allow_workspace(Ruleset& ruleset) const {
  BoxRules enforced = rules_;
  if (!enforced.landlock_keeps_read_only) enforced.read_only.clear();
  auto guarded = guarded_paths(enforced, root_);
  if (!guarded) return tl::unexpected(std::move(guarded.error()));
  const Descriptor top = root_.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  if (!top) return box_failure("opening the workspace", errno);
  if (guarded->entries.empty()) return ruleset.allow(top, changing);
  return Splitter(ruleset).split(top, rules_.workspace, *guarded, changing);
}

// Rights hold for all beneath a directory. One that the workspace is beneath must not give what the workspace hides.
Status LandlockBox::allow_around_workspace(Ruleset& ruleset, const std::string& path, std::uint64_t rights) const {
  const std::unique_ptr<char, void (*)(void*)> canonical(::realpath(path.c_str(), nullptr), ::free);
  const auto beneath = canonical ? path_beneath(canonical.get(), rules_.workspace) : std::nullopt;
  if (!beneath || (rules_.hidden.empty() && rules_.read_only.empty())) return ruleset.allow(path, rights);
  if (*beneath == ".") return {};  // it is the workspace
  Guarded top;
  Guarded* node = &top;
  for (std::string_view rest = *beneath; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    node = &node->entries.emplace_back(std::string(name), Guarded{}).second;
  }
  node->how = Guarded::How::hidden;
  const Descriptor directory(::open(canonical.get(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  return Splitter(ruleset).split(directory, canonical.get(), top, rights);
}

Result<Descriptor> LandlockBox::make_ruleset(int terminal) const {
  auto created = Ruleset::create(abi_, true);
  if (!created) return tl::unexpected(std::move(created.error()));
  Ruleset& ruleset = *created;
  Status ok;
  const auto give = [&](const std::string& path, std::uint64_t rights) {
    if (ok) ok = allow_around_workspace(ruleset, path, rights);
  };
  for (const std::string& path : system_directories()) give(path, reading);
  for (const std::string& path : configuration_.allowed) give(path, reading);
  for (const std::string& path : configuration_.listed) give(path, LANDLOCK_ACCESS_FS_READ_DIR);
  // Of processes outside the box the kernel then shows no more than the list and their arguments.
  give(std::string("/proc"), LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
  for (const char* path : {"/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage"}) {
    give(std::string(path), LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
  }
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    give(std::string(path), using_devices);
  }
  if (terminal >= 0) {
    give(std::string("/dev/tty"), using_devices);
    give(fmt::format("/proc/self/fd/{}", terminal), using_devices);
  }
  for (const std::string& path : rules_.readable) give(path, reading);
  for (const std::string& path : rules_.writable) give(path, changing);
  give(private_->home(), changing);
  give(private_->tmp(), changing);
  if (ok) ok = allow_workspace(ruleset);
  if (!ok) return tl::unexpected(std::move(ok.error()));
  return ruleset.take();
}

Result<BoxLaunch> LandlockBox::launch(const BoxRequest& request) const {
  BoxLaunch launch;
  auto ruleset = make_ruleset(request.has_terminal ? request.terminal : -1);
  if (!ruleset) return tl::unexpected(std::move(ruleset.error()));
  auto cgroups = make_cgroups(homes_, rules_.limits);
  if (!cgroups) return tl::unexpected(std::move(cgroups.error()));

  confine::Plan plan = empty_plan();
  add_limits(plan, rules_.limits, homes_);
  plan.drops_privileges = 1;
  plan.filter_count = static_cast<std::uint32_t>(filter_.size());
  std::copy(filter_.begin(), filter_.end(), plan.filter);
  int next = plan_descriptors_first;
  plan.ruleset = next++;
  if (request.network >= 0) plan.network = next++;
  for (std::size_t i = 0; i < (*cgroups)->procs.size(); ++i) plan.cgroups[i] = next++;
  auto file = plan_file(plan);
  if (!file) return tl::unexpected(std::move(file.error()));

  launch.descriptors = {program_.get(), file->get(), ruleset->get()};
  if (request.network >= 0) launch.descriptors.push_back(request.network);
  for (const Descriptor& procs : (*cgroups)->procs) launch.descriptors.push_back(procs.get());
  launch.owned.push_back(std::move(*file));
  launch.owned.push_back(std::move(*ruleset));
  launch.remains = std::move(*cgroups);
  launch.path = "/proc/self/fd/4";
  launch.arguments = {"joey-confine", "5", request.path};
  launch.arguments.insert(launch.arguments.end(), request.arguments.begin(), request.arguments.end());
  return launch;
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<Descriptor> inner_ruleset(confine::Plan& plan, const BoxRules& rules, const Root& root, const PrivateDirectory& own) {
  const int abi = landlock_abi();
  if (abi < 2) return Descriptor();  // the first would refuse every rename from one directory to another
  auto created = Ruleset::create(abi, false);
  if (!created) return tl::unexpected(std::move(created.error()));
  const Descriptor top = root.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  if (!top) return box_failure("opening the workspace", errno);
  Status ok = created->allow(top, changing);
  std::vector<std::string> paths = rules.writable;
  paths.insert(paths.end(), {own.home(), own.tmp(), own.var_tmp()});
  for (const std::string& path : paths) {
    if (ok) ok = created->allow(path, changing);
  }
  if (!ok) return tl::unexpected(std::move(ok.error()));
  const auto add = [&](std::string_view path, std::uint64_t rights) {
    confine::PathRule& rule = plan.path_rules[plan.path_rules_count++];
    path.copy(rule.path, sizeof rule.path - 1);
    rule.rights = rights & handled_files(abi);
  };
  add("/", reading);
  add("/dev", using_devices | reading);
  add("/dev/shm", changing);
  return created->take();
}

Result<std::shared_ptr<const PreparedBox>> prepare_landlock_box(BoxRules rules, bool probing) {
  return LandlockBox::make(std::move(rules), probing);
}

}  // namespace joey

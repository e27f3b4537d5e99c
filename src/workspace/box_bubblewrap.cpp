// The box of bubblewrap: namespaces, with the confine program inside as their init.
//
// What the kernel hides by namespaces need not be refused, so much more works in here than in a box of Landlock: a /tmp,
// terminals, servers on loopback, names beside guarded paths. The confine program adds what bubblewrap does not have:
// limits counted inside, scopes of Landlock, the filter, and an exit status that tells signals from exits.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "workspace/box_parts.hpp"
#include "workspace/supervisor.hpp"

namespace joey {
namespace {

// Never looked for in PATH, which may name a directory that commands can write.
constexpr const char* bubblewrap_paths[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};

std::string find_bubblewrap() {
  for (const char* path : bubblewrap_paths) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

// What a command leaves: to be removed when its last process is gone.
struct BubblewrapRemains {
  std::shared_ptr<CommandCgroups> cgroups;
  Placeholders placeholders;
};

// The arguments of bwrap, and the descriptors they name.
class Arguments {
 public:
  Arguments(bool binds_descriptors, int first_descriptor) : binds_descriptors_(binds_descriptors), next_(first_descriptor) {}

  template <class... Text>
  void add(const Text&... text) {
    ((bytes_ += text, bytes_ += '\0'), ...);
  }

  // By its descriptor, where it has one, nothing can be put in the place of what is mounted.
  Status mount(Mount mount) {
    switch (mount.kind) {
      case Mount::Kind::symlink: add("--symlink", mount.source, mount.path); return {};
      case Mount::Kind::hidden_file: add("--ro-bind", "/dev/null", mount.path); return {};  // where devices cannot be opened
      case Mount::Kind::hidden_directory: add("--perms", "0000", "--tmpfs", mount.path, "--remount-ro", mount.path); return {};
      case Mount::Kind::shown:
      case Mount::Kind::changeable: break;
    }
    const bool writable = mount.kind == Mount::Kind::changeable;
    if (!mount.at || !binds_descriptors_) {
      add(writable ? "--bind" : "--ro-bind", mount.source, mount.path);
      return {};
    }
    if (descriptors_.size() >= bound_max) {
      return failure(ErrorCode::limit, fmt::format("box: more than {} guarded paths and directories above them: guard directories "
                                                   "instead of the files in them", bound_max));
    }
    add(writable ? "--bind-fd" : "--ro-bind-fd", fmt::to_string(next_++), mount.path);
    descriptors_.push_back(std::move(mount.at));
    return {};
  }

  Status mount(std::vector<Mount> mounts) {
    for (Mount& each : mounts) {
      if (Status ok = mount(std::move(each)); !ok) return ok;
    }
    return {};
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

class BubblewrapBox final : public PreparedBox {
 public:
  static Result<std::shared_ptr<const PreparedBox>> make(BoxRules rules, bool probing);

  BubblewrapBox(BoxRules rules, BoxReport report, Root root)
      : PreparedBox(std::move(rules), std::move(report)), root_(std::move(root)) {}

  Status prepare();
  [[nodiscard]] Result<BoxLaunch> launch(const BoxRequest& request) const override;

 private:
  Status check_program();
  [[nodiscard]] Status add_view(Arguments& arguments, Placeholders& placeholders) const;
  [[nodiscard]] confine::Plan inner_plan(const BoxRequest& request) const;

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

Result<std::shared_ptr<const PreparedBox>> BubblewrapBox::make(BoxRules rules, bool probing) {
  auto root = Root::open(rules.workspace, Resolver::kernel);
  if (!root) return tl::unexpected(std::move(root.error()));
  auto box = std::make_shared<BubblewrapBox>(std::move(rules), BoxReport{BoxKind::bubblewrap, {}, {}}, std::move(*root));
  if (Status ok = box->prepare(); !ok) return tl::unexpected(std::move(ok.error()));
  if (probing) return box;
  auto made = PrivateDirectory::make(box->rules_.temporary_parent);
  if (!made) return tl::unexpected(std::move(made.error()));
  box->environment_ = {{"HOME", boxed_home(box->rules_)}, {"TMPDIR", "/tmp"}};
  add_proxy_environment(box->environment_, box->rules_.proxy_port);
  box->private_.emplace(std::move(*made));
  return box;
}

Status BubblewrapBox::prepare() {
  if (Status ok = check_program(); !ok) return ok;
  report_namespaces(report_, rules_);
  if (!binds_descriptors_) {
    report_.reduced.emplace_back("guarded paths: bound by their names, which another command of the workspace could change at that moment: "
                                 "install bubblewrap 0.10.0 or newer");
  }
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
  if (Status ok = arguments.mount(system_view("", configuration_)); !ok) return ok;
  arguments.add("--proc", "/proc", "--dev", "/dev", "--dir", "/run");
  // Bubblewrap covers them only where it sees that it could write them.
  for (const char* path : kernel_files) arguments.add("--ro-bind-try", path, path);
  if (Status ok = arguments.mount(own_view(rules_, *private_, boxed_home(rules_))); !ok) return ok;
  auto workspace = workspace_view(rules_, root_, placeholders);
  if (!workspace) return tl::unexpected(std::move(workspace.error()));
  if (Status ok = arguments.mount(std::move(*workspace)); !ok) return ok;
  arguments.add("--remount-ro", "/");
  return {};
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
  plan.lifeline = next++;
  if (request.network >= 0) {
    plan.network = next++;
    plan.proxy_port = rules_.proxy_port;
  }
  auto ruleset = inner_ruleset(plan, rules_, root_, *private_);
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
  outer.clears_environment = 1;  // what loads libraries for the command must not load them into bwrap
  outer.close_from = next + static_cast<int>(arguments.descriptors().size());
  // What bubblewrap does about the death of its parent it does some time after it has begun.
  outer.is_keeper = 1;
  outer.lifeline = outer.close_from;
  auto lifeline = make_lifeline();
  if (!lifeline) return tl::unexpected(std::move(lifeline.error()));

  auto outer_file = plan_file(outer);
  if (!outer_file) return tl::unexpected(std::move(outer_file.error()));
  auto inner_file = plan_file(plan);
  if (!inner_file) return tl::unexpected(std::move(inner_file.error()));
  auto view_file = memory_file("joey-bwrap", arguments.bytes(), false);
  if (!view_file) return tl::unexpected(std::move(view_file.error()));

  BoxLaunch launch;
  launch.has_init = true;
  launch.descriptors = {program_.get(), outer_file->get(), inner_file->get(), view_file->get(), request.control,
                        lifeline->reader.get()};
  if (request.network >= 0) launch.descriptors.push_back(request.network);
  if (*ruleset) launch.descriptors.push_back(ruleset->get());
  for (const Descriptor& procs : remains->cgroups->procs) launch.descriptors.push_back(procs.get());
  for (const Descriptor& bound : arguments.descriptors()) launch.descriptors.push_back(bound.get());
  launch.descriptors.push_back(lifeline->writer.get());
  for (auto* file : {&*outer_file, &*inner_file, &*view_file, &*ruleset, &lifeline->reader, &lifeline->writer}) launch.owned.push_back(std::move(*file));
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

#include "runtime/session_box.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "core/policy.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t guarded_max = 256;  // as many as a box takes
constexpr std::uint16_t proxy_port = 3128;  // in the box, where nobody else listens
constexpr std::uint32_t processes_max = 4'096;  // ends a fork bomb, and no build

struct GuardedFiles {
  std::vector<std::string> hidden;
  std::vector<std::string> read_only;
};

// What .rooignore and the policy keep from commands. A directory stands for all in it.
Result<GuardedFiles> guarded_files(const Workspace& workspace, const PolicySnapshot& policy) {
  GuardedFiles guarded;
  const DeniedFiles denied = denied_files(policy);
  const IgnorePatterns read_only(denied.read_only);
  const bool keeps_protected = evaluate_protected(policy).verdict != Verdict::allow;
  const auto protected_git = protected_git_files();
  guarded.read_only.assign(protected_git.begin(), protected_git.end());
  if (keeps_protected) {
    const auto names = protected_names();
    guarded.read_only.insert(guarded.read_only.end(), names.begin(), names.end());
  }
  const auto list = workspace.info(".rooignore");
  const bool has_list = list || list.error().code != ErrorCode::not_found;
  if (!has_list && denied.hidden.empty() && read_only.empty()) return guarded;

  WalkOptions options;
  options.gitignore = false;
  options.well_known = false;
  options.locked = true;
  const auto end = walk(workspace, ".", options, CancelToken(), [&](WalkEntry& entry) {
    const bool is_directory = entry.kind == FileKind::directory;
    if (entry.locked) {
      // The list itself is no secret, and hiding it would keep new files out of the workspace's top directory.
      if (entry.path != ".rooignore") guarded.hidden.push_back(std::move(entry.path));
    } else if (read_only.ignores(entry.path, is_directory) ||
               // Git has to work; of its files a box keeps those that protected_git_files() names.
               (keeps_protected && !is_in_git(entry.path) && entry.path.find('/') != std::string::npos &&
                is_protected(entry.path))) {
      guarded.read_only.push_back(std::move(entry.path));
    }
    return guarded.hidden.size() <= guarded_max && guarded.read_only.size() <= guarded_max;
  });
  if (!end) return tl::unexpected(end.error());
  if (!end->complete) {
    return failure(ErrorCode::limit, fmt::format("box: .rooignore or the policy's rules for files name more than {} files, or "
                                                 "the workspace is too large to find them: name whole directories",
                                                 guarded_max));
  }
  return guarded;
}

Result<BoxKind> kind_of(const std::string& name) {
  for (const BoxKind kind : {BoxKind::none, BoxKind::landlock, BoxKind::bubblewrap, BoxKind::oci}) {
    if (name == to_string(kind)) return kind;
  }
  return failure(ErrorCode::invalid_argument,
                 fmt::format("there is no box \"{}\"; there are: none, landlock, bubblewrap, oci", name));
}

Result<std::shared_ptr<const Box>> make_box(BoxKind kind, const SessionBoxOptions& options, const Workspace& workspace,
                                            GuardedFiles guarded) {
  BoxRules rules;
  rules.workspace = workspace.root();
  rules.readable = options.readable;
  rules.hidden = std::move(guarded.hidden);
  rules.read_only = std::move(guarded.read_only);
  rules.landlock_keeps_read_only = options.demands_all;
  rules.limits = options.limits;
  if (rules.limits.processes == 0) rules.limits.processes = processes_max;
  rules.oci_root = options.root;
  if (options.has_network) rules.proxy_port = proxy_port;
  rules.demands_all = options.demands_all;
  return prepare_box(kind, std::move(rules));
}

}  // namespace

Result<std::shared_ptr<const Box>> make_session_box(const SessionBoxOptions& options, const Workspace& workspace,
                                                    const PolicySnapshot& policy) {
  if (options.kind.empty()) return nullptr;
  const auto kind = kind_of(options.kind);
  if (!kind) return tl::unexpected(kind.error());
  if (*kind == BoxKind::none) return nullptr;
  if (!options.root.empty() && *kind != BoxKind::oci) {
    return failure(ErrorCode::invalid_argument, fmt::format("a box of kind \"{}\" has the machine's own system: a root of its own has \"oci\" alone", options.kind));
  }
  auto guarded = guarded_files(workspace, policy);
  if (!guarded) return tl::unexpected(std::move(guarded.error()));
  return make_box(*kind, options, workspace, *std::move(guarded));
}

Result<std::shared_ptr<const Box>> renew_session_box(std::shared_ptr<const Box> box, const SessionBoxOptions& options,
                                                     const Workspace& workspace, const PolicySnapshot& policy) {
  auto guarded = guarded_files(workspace, policy);
  if (!guarded) return tl::unexpected(std::move(guarded.error()));
  if (guarded->hidden == box->rules().hidden && guarded->read_only == box->rules().read_only) return box;
  return make_box(box->report().kind, options, workspace, *std::move(guarded));
}

}  // namespace joey

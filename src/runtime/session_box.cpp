#include "runtime/session_box.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/policy.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t hidden_max = 256;  // as many as a box takes
constexpr std::uint16_t proxy_port = 3128;  // in the box, where nobody else listens
constexpr std::uint32_t processes_max = 4'096;  // ends a fork bomb, and no build

// What git runs by itself, and what steers agents and editors.
constexpr std::string_view git_files[] = {".git/hooks", ".git/config"};
constexpr std::string_view protected_files[] = {".roo",      ".vscode",       ".rooignore", ".roomodes",
                                                ".roorules", ".rooprotected", "AGENTS.md",  "AGENT.md"};

// What .rooignore forbids. A directory stands for all in it.
Result<std::vector<std::string>> hidden_files(const Workspace& workspace) {
  std::vector<std::string> hidden;
  if (const auto info = workspace.info(".rooignore"); !info && info.error().code == ErrorCode::not_found) return hidden;
  WalkOptions options;
  options.gitignore = false;
  options.well_known = false;
  options.locked = true;
  const auto end = walk(workspace, ".", options, CancelToken(), [&](WalkEntry& entry) {
    // The list itself is no secret, and hiding it would keep new files out of the workspace's top directory.
    if (entry.locked && entry.path != ".rooignore") hidden.push_back(std::move(entry.path));
    return hidden.size() <= hidden_max;
  });
  if (!end) return tl::unexpected(end.error());
  if (hidden.size() > hidden_max || !end->complete) {
    return failure(ErrorCode::limit, fmt::format("box: .rooignore names more than {} files, or the workspace is too large "
                                                 "to find them: name whole directories",
                                                 hidden_max));
  }
  return hidden;
}

Result<BoxKind> kind_of(const std::string& name) {
  for (const BoxKind kind : {BoxKind::none, BoxKind::landlock, BoxKind::bubblewrap}) {
    if (name == to_string(kind)) return kind;
  }
  return failure(ErrorCode::invalid_argument,
                 fmt::format("there is no box \"{}\"; there are: none, landlock, bubblewrap", name));
}

}  // namespace

Result<std::shared_ptr<const Box>> make_session_box(const SessionBoxOptions& options, const Workspace& workspace,
                                                    const PolicySnapshot& policy) {
  if (options.kind.empty()) return nullptr;
  const auto kind = kind_of(options.kind);
  if (!kind) return tl::unexpected(kind.error());
  if (*kind == BoxKind::none) return nullptr;
  BoxRules rules;
  rules.workspace = workspace.root();
  auto hidden = hidden_files(workspace);
  if (!hidden) return tl::unexpected(std::move(hidden.error()));
  rules.hidden = *std::move(hidden);
  rules.read_only.assign(std::begin(git_files), std::end(git_files));
  if (evaluate_protected(policy).verdict != Verdict::allow) {
    rules.read_only.insert(rules.read_only.end(), std::begin(protected_files), std::end(protected_files));
  }
  rules.landlock_keeps_read_only = options.demands_all;
  rules.limits.processes = processes_max;
  if (options.has_network) rules.proxy_port = proxy_port;
  rules.demands_all = options.demands_all;
  return prepare_box(*kind, std::move(rules));
}

}  // namespace joey

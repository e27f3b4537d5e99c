#include "project/project.hpp"

#include <algorithm>
#include <optional>

#include "project/loading.hpp"

namespace joey {

Project load_project(const Workspace& workspace, const Workspace* global, const ProjectOptions& options) {
  Project project;
  Loading loading(project, options);
  Folder own(workspace, Origin::project, loading);
  std::optional<Folder> everybodys;
  // Where the workspace is the person's own folder, nothing counts twice.
  if (global != nullptr && global->root() != workspace.root()) everybodys.emplace(*global, Origin::global, loading);
  Folder* const shared = everybodys ? &*everybodys : nullptr;

  load_modes(shared, own);
  load_rules(shared, own);
  for (Folder* const folder : {shared, &own}) {
    if (folder == nullptr) continue;
    load_commands(*folder);
    load_skills(*folder);
    load_custom_tools(*folder);
  }
  return project;
}

bool is_current(const Project& project, const Workspace& workspace, const Workspace* global) {
  const Result<std::shared_ptr<const Root>> own = root_of(workspace);
  const Result<std::shared_ptr<const Root>> everybodys = global != nullptr ? root_of(*global) : own;
  if (!own || !everybodys) return false;
  return std::all_of(project.seen.begin(), project.seen.end(), [&](const SeenFile& seen) {
    const Result<FileInfo> info = info_at(seen.origin == Origin::global ? **everybodys : **own, seen.path);
    if (!info || !seen.exists) return info.has_value() == seen.exists;
    const std::uint64_t size = info->kind == FileKind::file ? info->size : 0;
    return info->kind == seen.kind && size == seen.size && info->modified_ns == seen.modified_ns;
  });
}

std::string_view origin_name(Origin origin) {
  switch (origin) {
    case Origin::builtin: return "built-in";
    case Origin::global: return "global";
    case Origin::project: return "project";
  }
  return {};
}

}  // namespace joey

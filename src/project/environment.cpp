#include "project/environment.hpp"

#include <fmt/format.h>

#include "project/loading.hpp"
#include "workspace/walk.hpp"

namespace joey {

Result<WorkspaceFiles> workspace_files(const Workspace& workspace, std::size_t files_max, const CancelToken& cancel) {
  WorkspaceFiles files;
  if (files_max == 0) return files;
  ListOptions options;
  options.recursive = true;
  options.limit = files_max;
  const Result<Listing> listing = list_files(workspace, ".", options, cancel);
  if (!listing) return tl::unexpected(listing.error());
  for (const WalkEntry& entry : listing->entries) {
    files.paths.push_back(one_line(entry.path, path_shown_max) + (entry.kind == FileKind::directory ? "/" : ""));
  }
  files.truncated = listing->truncated;
  return files;
}

std::string environment_text(const Environment& environment) {
  std::string text = "<environment_details>\n";
  if (!environment.mode.empty()) text += fmt::format("# Mode\n{} ({})\n\n", environment.mode, environment.mode_name);
  if (environment.files && !environment.files->paths.empty()) {
    text += "# Workspace files\n";
    for (const std::string& path : environment.files->paths) text += path + '\n';
    if (environment.files->truncated) text += "(There are more: list_files shows the rest.)\n";
    text += '\n';
  }
  if (environment.git) {
    text += fmt::format("# Git status\n## {}\n", environment.git->branch);
    for (const std::string& file : environment.git->files) text += file + '\n';
    if (environment.git->truncated) text += "(There are more.)\n";
    text += '\n';
  }
  if (!environment.time.empty()) text += fmt::format("# Time\n{}\n\n", environment.time);
  while (text.ends_with("\n\n")) text.pop_back();
  return text + "</environment_details>";
}

}  // namespace joey

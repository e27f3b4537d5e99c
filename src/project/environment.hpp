// What the first message of a task says about its surroundings, so that the model need not ask.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "project/git_context.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct WorkspaceFiles {
  std::vector<std::string> paths;  // in natural order, parents before children, directories with a '/'
  bool truncated{false};
};

// The files of a workspace, without ignored and generated ones: at most `files_max`, first levels first; 0 gives none.
// Blocks.
[[nodiscard]] Result<WorkspaceFiles> workspace_files(const Workspace& workspace, std::size_t files_max,
                                                     const CancelToken& cancel);

// What is empty is left out.
struct Environment {
  std::string mode;  // its slug
  std::string mode_name;
  std::optional<WorkspaceFiles> files;
  std::optional<GitStatus> git;
  std::string time;  // as the model shall read it, zone included
};

// One block between <environment_details> and its end, what changes most last.
[[nodiscard]] std::string environment_text(const Environment& environment);

}  // namespace joey

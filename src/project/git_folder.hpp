// Where a workspace's repository is, and that its files are safe to be read by a library that opens them by name.
#pragma once

#include <string>

#include "base/result.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// Absolute, without symlinks.
struct GitFolder {
  std::string directory;  // of HEAD and the index
  std::string common;     // of the objects and refs; the same unless the workspace is a linked worktree
};

// The repository whose top is the root of the workspace; none above it is looked for. A .git file, of a linked worktree
// or a submodule, is followed only to a repository that names this workspace in return: nobody can point it at another's.
//
// `not_found`: there is none. `denied`: it holds pipes or devices, or symlinks or alternates that lead out of it, so that
// reading it could block or show files that are not the workspace's.
[[nodiscard]] Result<GitFolder> find_git_folder(const Workspace& workspace);

}  // namespace joey

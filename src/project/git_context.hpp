// What git knows about a workspace, for the model: its status, its changes, a commit. Nothing is run, neither git nor
// hooks, filters or helpers, so that a hostile repository can make it fail and no more. Files are read beneath the root
// only, and what .rooignore forbids is left out. It does not matter who owns the repository.
//
// Ignored is what the workspace's own .gitignore files say, not what a person's configuration adds.
//
// Threads: blocks; any thread. `unsupported` when joey was built without libgit2; `not_found` without a repository.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct GitStatus {
  std::string branch;              // "main", "main (no commits yet)" or "a1b2c3d (detached)"
  std::vector<std::string> files;  // as git status --porcelain: " M src/a.cpp", by path, untracked ones last
  bool truncated{false};           // there are more
};

[[nodiscard]] Result<GitStatus> read_git_status(const Workspace& workspace, std::size_t files_max,
                                                const CancelToken& cancel);

// The branch, the status and, of tracked files, the difference to the last commit. At most `lines_max` lines.
[[nodiscard]] Result<std::string> read_git_changes(const Workspace& workspace, std::size_t lines_max,
                                                   const CancelToken& cancel);

// A commit: who, when, the message, the files with their counts and the difference to its first parent. `hash` has 7 to
// 40 hexadecimal digits. `not_found`, or `invalid_argument` when it is none or several begin with it.
[[nodiscard]] Result<std::string> read_git_commit(const Workspace& workspace, std::string_view hash,
                                                  std::size_t lines_max, const CancelToken& cancel);

}  // namespace joey

// The box that a session's commands run in: what .rooignore and the rules for protected files keep from tools is kept from
// commands too.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/config.hpp"
#include "workspace/box.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct SessionBoxOptions {
  std::string kind;         // "landlock", "bubblewrap" or "oci"; empty or "none": no box
  bool demands_all{false};  // what this machine cannot guarantee is an error
  bool has_network{false};  // through the proxy, and only there
  std::vector<std::string> readable{};  // directories to be shown besides; absolute
  BoxLimits limits{};                   // of each command; without a number of processes there is one all the same
  std::string root{};                   // "oci" alone: the folder that is the system in the box; empty: the machine's own
};

// Null: none. Files are as they are now; renew_session_box() looks again. `invalid_argument`: no such kind;
// `unsupported`: this machine has none. Blocks: it looks at the whole workspace where there is a .rooignore, or the policy
// has rules that deny files.
[[nodiscard]] Result<std::shared_ptr<const Box>> make_session_box(const SessionBoxOptions& options,
                                                                  const Workspace& workspace,
                                                                  const PolicySnapshot& policy);

// The box to go on with: `box`, or another where .rooignore, or the files there are, have changed so that it would not keep
// what it should. Commands that run keep theirs. Blocks likewise.
[[nodiscard]] Result<std::shared_ptr<const Box>> renew_session_box(std::shared_ptr<const Box> box,
                                                                   const SessionBoxOptions& options,
                                                                   const Workspace& workspace,
                                                                   const PolicySnapshot& policy);

}  // namespace joey

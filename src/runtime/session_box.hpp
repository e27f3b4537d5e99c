// The box that a session's commands run in: what .rooignore and the rules for protected files keep from tools is kept from
// commands too.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "model/config.hpp"
#include "workspace/box.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct SessionBoxOptions {
  std::string kind;         // "landlock", "bubblewrap" or "oci"; empty or "none": no box
  bool demands_all{false};  // what this machine cannot guarantee is an error
  bool has_network{false};  // through the proxy, and only there
};

// Null: none. Files are as they are now: what .rooignore comes to name later is not hidden from commands.
// `invalid_argument`: no such kind; `unsupported`: this machine has none. Blocks: it looks at the whole workspace where
// there is a .rooignore.
[[nodiscard]] Result<std::shared_ptr<const Box>> make_session_box(const SessionBoxOptions& options,
                                                                  const Workspace& workspace,
                                                                  const PolicySnapshot& policy);

}  // namespace joey

// Checkpoints of a workspace: checkpoints, diff, restore.
#pragma once

#include "options.hpp"

namespace cli {

// All return the program's exit code.
[[nodiscard]] int checkpoints(const Options& options);
[[nodiscard]] int diff(const Options& options);
[[nodiscard]] int restore(const Options& options);

}  // namespace cli

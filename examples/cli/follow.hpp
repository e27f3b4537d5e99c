// run and resume: a task, its events as they come, and the person's part in it.
#pragma once

#include "options.hpp"

namespace cli {

// Both return the program's exit code.
[[nodiscard]] int run(const Options& options);
[[nodiscard]] int resume(const Options& options);

}  // namespace cli

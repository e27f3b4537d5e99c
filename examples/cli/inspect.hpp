// Looking at what the store holds: tasks, show, events, replay.
#pragma once

#include "options.hpp"

namespace cli {

// All return the program's exit code.
[[nodiscard]] int tasks(const Options& options);
[[nodiscard]] int show(const Options& options);
[[nodiscard]] int events(const Options& options);
[[nodiscard]] int replay(const Options& options);

}  // namespace cli

// Looking at what the store holds: tasks, show, events, replay, bill, audit.
#pragma once

#include "options.hpp"

namespace cli {

// All return the program's exit code.
[[nodiscard]] int tasks(const Options& options);
[[nodiscard]] int show(const Options& options);
[[nodiscard]] int events(const Options& options);
[[nodiscard]] int replay(const Options& options);
[[nodiscard]] int bill(const Options& options);
[[nodiscard]] int audit(const Options& options);

}  // namespace cli

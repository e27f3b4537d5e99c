// Tools without a model: tool, tools.
#pragma once

#include "options.hpp"

namespace cli {

// Both return the program's exit code.
[[nodiscard]] int tool(const Options& options);
[[nodiscard]] int tools(const Options& options);

}  // namespace cli

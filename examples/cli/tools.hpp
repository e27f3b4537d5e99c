// A workspace without a model: tool, tools, project.
#pragma once

#include "options.hpp"

namespace cli {

// All return the program's exit code.
[[nodiscard]] int tool(const Options& options);
[[nodiscard]] int tools(const Options& options);
[[nodiscard]] int project(const Options& options);

}  // namespace cli

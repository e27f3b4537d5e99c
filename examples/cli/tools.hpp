// A workspace without a model: tool, tools, project, policy explain.
#pragma once

#include "options.hpp"

namespace cli {

// All return the program's exit code.
[[nodiscard]] int tool(const Options& options);
[[nodiscard]] int tools(const Options& options);
[[nodiscard]] int models(const Options& options);
[[nodiscard]] int project(const Options& options);
[[nodiscard]] int explain(const Options& options);

}  // namespace cli

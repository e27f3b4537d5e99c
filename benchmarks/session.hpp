// For the benchmarks that are users of joey.hpp.
#pragma once

#include <joey/joey.hpp>

#include <string>

#include "support.hpp"

namespace bench {

// Options of a session that talks to `model` and reads files of `workspace` without asking.
[[nodiscard]] joey::SessionOptions session_options(const ScriptedModel& model, const std::string& workspace);

// Until the task is no longer running, by asking the store now and then: it costs the task nothing.
void wait_for_end(const joey::Engine& engine, const joey::Task& task);

}  // namespace bench

// Tools that do nothing but keep a ledger of what they would have done.
#pragma once

#include "sim/surroundings.hpp"
#include "tool/tool.hpp"

namespace joey::sim {

// Of every kind a task must cope with: quick, slow, blocking, failing, with side effects and without, and one that takes
// its time to obey a cancel.
[[nodiscard]] std::vector<std::shared_ptr<const Tool>> make_tools(Setting& setting, std::shared_ptr<Process> process);

// How long a tool may go on after it was told to stop.
inline constexpr milliseconds obey_within{10'000};

}  // namespace joey::sim

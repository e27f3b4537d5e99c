// A store whose disk is slow, full and failing at times.
#pragma once

#include "sim/surroundings.hpp"
#include "store/memory.hpp"

namespace joey::sim {

// Tells the auditor what became durable and when the engine was told. `full_until` outlives the process.
[[nodiscard]] std::unique_ptr<Store> make_faulty_store(Setting& setting, std::shared_ptr<Process> process,
                                                       std::unique_ptr<Store> inner, Timestamp& full_until);

}  // namespace joey::sim

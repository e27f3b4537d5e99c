// Reading journals.
#pragma once

#include <functional>
#include <joey/joey.hpp>
#include <string>
#include <string_view>

#include "event.hpp"
#include "options.hpp"

namespace cli {

// Calls `f` with each event from `from` on and its JSON, until the journal ends or `f` returns false. Returns the sequence
// number to go on from.
std::uint64_t for_each_event(const joey::Engine& engine, std::string_view task, std::uint64_t from,
                             const std::function<bool(const Event&, std::string_view json)>& f);

// An event as it is printed: one line. On a terminal the few control characters that JSON leaves as they are are escaped.
[[nodiscard]] std::string json_line(std::string_view json, bool terminal);

// "joey resume TASK", with --db when it is not the default.
[[nodiscard]] std::string resume_command(const Options& options, std::string_view task);

}  // namespace cli

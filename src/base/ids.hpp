// Names of sessions and tasks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace joey {

// An id as "task_019ad3c1f2b07c4e9f2a6d31": 12 hexadecimal digits of the time in milliseconds, so that ids sort by age,
// then 12 digits of `random`.
[[nodiscard]] std::string make_id(std::string_view prefix, std::int64_t now, std::uint64_t random);

}  // namespace joey

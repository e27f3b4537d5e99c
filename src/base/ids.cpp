#include "base/ids.hpp"

#include <fmt/format.h>

namespace joey {

std::string make_id(std::string_view prefix, std::int64_t now, std::uint64_t random) {
  constexpr std::uint64_t low_48_bits = 0xFFFF'FFFF'FFFF;
  return fmt::format("{}_{:012x}{:012x}", prefix, static_cast<std::uint64_t>(now) & low_48_bits, random & low_48_bits);
}

}  // namespace joey

// The JavaScript regular expressions of Roo Code's `fileRegex`, as RE2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace joey {

inline constexpr std::size_t file_regex_bytes_max = 1'000;

// A pattern that matches no path.
inline constexpr std::string_view matches_nothing = R"([^\x00-\x{10FFFF}])";

// A pattern that matches the paths that `javascript`, without flags, does; common ones come back as they are. (A '.'
// also matches carriage returns.) `unsupported`: it needs what RE2 leaves out for the sake of linear time, as looking
// ahead or behind and backreferences, or is no regular expression.
[[nodiscard]] Result<std::string> file_regex_to_re2(std::string_view javascript);

}  // namespace joey

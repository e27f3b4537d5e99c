// Custom modes, as .roomodes and custom_modes.yaml define them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/mode.hpp"

namespace joey {

inline constexpr std::size_t modes_per_file_max = 100;

struct ModesFile {
  std::vector<Mode> modes;
  std::vector<std::string> warnings;  // of modes that are there but restricted
};

// The modes of a file's text, YAML or JSON: all, or the reason why there are none, with its line. Typographic quotes,
// dashes and invisible characters, as word processors and chats leave them, are read as the plain ones when the file is
// not valid with them.
[[nodiscard]] Result<ModesFile> read_modes(std::string_view text, Origin origin);

}  // namespace joey

// What a file that is no text is, by its bytes: its name does not matter.
#pragma once

#include <string_view>

namespace joey {

// "TIFF image", "ELF program"; empty when it is not known. Of use only for what is no text: some formats begin with two
// letters.
[[nodiscard]] std::string_view binary_kind(std::string_view bytes);

}  // namespace joey

// Paths as text: no file is looked at, so a symlink can still lead elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace joey {

// Cuts the first component, without slashes around it. Empty: there is none.
[[nodiscard]] std::string_view take_component(std::string_view& path);

// Removes the components of `prefix` from the front of `path`; false when it does not begin with them.
[[nodiscard]] bool strip_components(std::string_view& path, std::string_view prefix);

// Without ".", empty components and "..", a slash in front included; "" is where the path starts. Nothing when ".." leads
// above that.
[[nodiscard]] std::optional<std::string> shortest_path(std::string_view path);

// `path`, relative to `root` or absolute, in its shortest form relative to it; "." is the root. Nothing when it is not
// beneath the root.
[[nodiscard]] std::optional<std::string> path_beneath(std::string_view root, std::string_view path);

}  // namespace joey

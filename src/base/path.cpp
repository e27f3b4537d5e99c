#include "base/path.hpp"

#include <algorithm>

namespace joey {

std::string_view take_component(std::string_view& path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  const std::string_view component = path.substr(0, path.find('/'));
  path.remove_prefix(component.size());
  return component;
}

bool strip_components(std::string_view& path, std::string_view prefix) {
  std::string_view rest = path;
  while (true) {
    const std::string_view expected = take_component(prefix);
    if (expected.empty()) break;
    if (take_component(rest) != expected) return false;
  }
  path = rest;
  return true;
}

std::optional<std::string> shortest_path(std::string_view path) {
  std::string shortest;
  while (true) {
    const std::string_view component = take_component(path);
    if (component.empty()) return shortest;
    if (component == ".") continue;
    if (component == "..") {
      if (shortest.empty()) return std::nullopt;
      const std::size_t slash = shortest.rfind('/');
      shortest.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!shortest.empty()) shortest += '/';
    shortest += component;
  }
}

std::optional<std::string> path_beneath(std::string_view root, std::string_view path) {
  auto shortest = shortest_path(path);
  if (!shortest) return std::nullopt;
  if (path.starts_with('/')) {
    std::string_view rest = *shortest;
    if (!strip_components(rest, root)) return std::nullopt;
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    shortest = std::string(rest);
  }
  return shortest->empty() ? "." : *std::move(shortest);
}

}  // namespace joey

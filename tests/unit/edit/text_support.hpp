// What the tests of edits share.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace joey {

// Line ends made visible, so that a difference can be seen.
inline std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
  return out;
}

inline bool holds(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE("missing \"" << std::string(part) << "\" in: " << std::string(text));
  return found;
}

}  // namespace joey

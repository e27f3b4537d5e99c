// What the tests of this folder ask again and again.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

namespace joey::test {

inline bool holds(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE("missing \"" << std::string(part) << "\" in: " << std::string(text.substr(0, 2000)));
  return found;
}

// The message of a result that must be this failure.
template <class T>
std::string problem(const Result<T>& result, ErrorCode code) {
  REQUIRE_FALSE(result.has_value());
  const std::string& message = result.error().message;
  CAPTURE(message);
  CHECK(result.error().code == code);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.size() < 500);
  CHECK(is_utf8(message));
  return message;
}

}  // namespace joey::test

// A repository and a person's folder on disk, and what is loaded from them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../workspace/temporary.hpp"
#include "project/project.hpp"
#include "workspace/local.hpp"

namespace joey::test {

class World {
 public:
  World() : workspace(open(repository)), global(open(home)) {}

  static std::shared_ptr<Workspace> open(const TemporaryDirectory& directory) {
    const auto opened = open_local_workspace(directory.path());
    REQUIRE(opened);
    return *opened;
  }

  [[nodiscard]] Project load(const ProjectOptions& options = {}) const {
    return load_project(*workspace, global.get(), options);
  }
  [[nodiscard]] bool current(const Project& project) const { return is_current(project, *workspace, global.get()); }

  TemporaryDirectory repository;
  TemporaryDirectory home;
  std::shared_ptr<Workspace> workspace;
  std::shared_ptr<Workspace> global;
};

inline bool holds(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE("missing \"" << std::string(part) << "\" in: " << std::string(text.substr(0, 4'000)));
  return found;
}

inline bool lacks(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (found) MESSAGE("unexpected \"" << std::string(part) << "\" in: " << std::string(text.substr(0, 4'000)));
  return !found;
}

// Whether one warning holds all of `parts`. Each must be one line.
inline bool warns(const std::vector<std::string>& warnings, std::initializer_list<std::string_view> parts) {
  bool found = false;
  for (const std::string& warning : warnings) {
    CHECK(warning.find('\n') == std::string::npos);
    found = found || std::all_of(parts.begin(), parts.end(),
                                 [&](std::string_view part) { return warning.find(part) != std::string::npos; });
  }
  if (!found) {
    for (const std::string& warning : warnings) MESSAGE("warning: " << warning);
  }
  return found;
}

// Whether the texts come in this order.
inline bool in_order(std::string_view text, std::initializer_list<std::string_view> parts) {
  std::size_t at = 0;
  for (const std::string_view part : parts) {
    at = text.find(part, at);
    if (at == std::string_view::npos) {
      MESSAGE("not there, or too early: " << std::string(part) << " in: " << std::string(text.substr(0, 4'000)));
      return false;
    }
    at += part.size();
  }
  return true;
}

}  // namespace joey::test

// Modes: a role for the model, and the groups of tools it may use.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tool.hpp"

namespace joey {

// Who says so. Where two of one name meet, the later of these stands.
enum class Origin : std::uint8_t { builtin, global, project };

struct Mode {
  std::string slug;
  std::string name;
  std::string role;          // opens the system prompt
  std::string when_to_use;   // one sentence, shown to the model beside the slug
  std::string instructions;  // closes the system prompt; may be empty
  std::vector<ToolGroup> groups;
  std::string edit_pattern;      // a regular expression (RE2) that files to edit must match; empty: any
  std::string edit_description;  // of that pattern, for messages
  std::string description{};     // one line for the person who chooses a mode; may be empty
  Origin origin{Origin::builtin};

  bool operator==(const Mode&) const = default;
};

// architect, code, ask, debug, orchestrator.
[[nodiscard]] std::span<const Mode> builtin_modes();

[[nodiscard]] const Mode* find_mode(std::span<const Mode> modes, std::string_view slug);

// Whether this mode offers tools of this group. `always` and `custom` are in every mode; `modes` too.
[[nodiscard]] bool allows_group(const Mode& mode, ToolGroup group);

// Whether this mode may edit a file of this path, relative to the workspace.
[[nodiscard]] bool allows_edit(const Mode& mode, std::string_view path);

}  // namespace joey

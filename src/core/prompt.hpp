// The prompt: what every request says before the conversation. A pure function of the mode and the session, so that it
// is the same bytes until one of them changes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/mode.hpp"
#include "model/tool.hpp"

namespace joey {

struct PromptParts {
  std::string workspace;     // its root
  std::string system;        // "Linux"
  std::string shell;         // "/bin/bash"
  std::string instructions;  // the host's and the person's own; may be empty
};

[[nodiscard]] std::string system_prompt(const Mode& mode, std::span<const Mode> modes, const PromptParts& parts);

// The tools a mode offers, in the order given, without those that are not offered to models at all.
[[nodiscard]] std::vector<ToolSpec> tools_of_mode(const Mode& mode, std::span<const ToolSpec> tools);

// The tools as the journal keeps them: a JSON array of {name, description, parameters}.
[[nodiscard]] std::string tools_to_json(std::span<const ToolSpec> tools);
[[nodiscard]] Result<std::vector<ToolSpec>> tools_from_json(std::string_view json);

}  // namespace joey

// The prompt: what every request says before the conversation. A pure function of the mode and the session, so that it
// is the same bytes until one of them changes.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/mode.hpp"
#include "model/tool.hpp"

namespace joey {

struct PromptParts {
  std::string workspace{};     // its root
  std::string system{};        // "Linux"
  std::string shell{};         // "/bin/bash"
  std::string skills{};        // what a model must know to use skills; may be empty, like the rest
  std::string language{};      // to answer in, as "German"
  std::string instructions{};  // the host's and the person's own
  std::string rules{};         // the project's and the person's own, from files
  // A host's own texts instead of sections: by the section's name, "" for none.
  std::map<std::string, std::string> replaced{};
};

// The names of the sections in their order: "role", "work", "modes", "skills", "surroundings", "language",
// "instructions", "mode", "rules". What changes least stands first; what the person wants stands last and so wins.
[[nodiscard]] std::span<const std::string_view> prompt_sections();

[[nodiscard]] std::string system_prompt(const Mode& mode, std::span<const Mode> modes, const PromptParts& parts);

// The tools a mode offers, in the order given, without those that are not offered to models at all. `result_schema`: of the
// task's config.
[[nodiscard]] std::vector<ToolSpec> tools_of_mode(const Mode& mode, std::span<const ToolSpec> tools, std::string_view result_schema = {});

// The tools as the journal keeps them: a JSON array of {name, description, parameters}.
[[nodiscard]] std::string tools_to_json(std::span<const ToolSpec> tools);
[[nodiscard]] Result<std::vector<ToolSpec>> tools_from_json(std::string_view json);

}  // namespace joey

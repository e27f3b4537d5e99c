#include <fmt/format.h>

#include "project/project.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"

namespace joey {
namespace {

class UseSkill final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view name = arguments.string("skill");
    const std::string_view rest = arguments.optional_string("args").value_or("");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    if (context.project == nullptr) return tool_failure("there are no skills here: go on without them");
    if (const Skill* skill = find_skill(*context.project, context.mode, name); skill != nullptr) {
      return {true, within(skill_instructions(*skill, rest), context.result_bytes_max), {}, {}};
    }
    constexpr std::size_t names_bytes_max = 4'000;
    std::string names;
    for (const Skill* skill : skills_of_mode(*context.project, context.mode)) {
      if (names.size() < names_bytes_max) names += fmt::format("{}{}", names.empty() ? "" : ", ", skill->name);
    }
    return tool_failure(fmt::format("there is no skill \"{}\" in this mode; there are: {}",
                                    elide_middle(to_utf8(name), 100), names.empty() ? "none" : names));
  }

 private:
  const ToolSpec spec_{
      .name = "skill",
      .description =
          "Gives you the instructions of a skill, one of those that your system prompt lists, to follow in what you do "
          "next. Call it once a skill, before you begin with the work it is about.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "skill": {"type": "string", "description": "The skill's name"},
          "args": {"type": ["string", "null"], "description": "What it is to be used on"}
        },
        "required": ["skill"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::always,
      .read_only = true,
  };
};

}  // namespace

std::shared_ptr<const Tool> skill_tool() { return std::make_shared<UseSkill>(); }

}  // namespace joey

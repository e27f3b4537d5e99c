#include <fmt/format.h>

#include "project/project.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"

namespace joey {
namespace {

// "a, b, c" of what there is, for a model that named something else.
std::string names_of(const Project& project, std::string_view mode) {
  constexpr std::size_t names_bytes_max = 4'000;
  std::string names;
  const auto add = [&names](std::string_view name) {
    if (names.size() < names_bytes_max) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  };
  for (const SlashCommand& command : project.commands) add(command.name);
  for (const Skill* skill : skills_of_mode(project, mode)) add(skill->name);
  return names;
}

class RunSlashCommand final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    std::string_view name = arguments.string("command");
    const std::string_view rest = arguments.optional_string("args").value_or("");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    if (context.project == nullptr) return tool_failure("there are no slash commands here: go on without them");
    const Project& project = *context.project;
    if (name.starts_with('/')) name.remove_prefix(1);
    if (const SlashCommand* command = find_command(project, name); command != nullptr) {
      const std::string text = mode_note(*command, context.mode) + command_instructions(*command, rest);
      return {true, within(text, context.result_bytes_max), {}, {}};
    }
    if (const Skill* skill = find_skill(project, context.mode, name); skill != nullptr) {
      return {true, within(skill_instructions(*skill, rest), context.result_bytes_max), {}, {}};
    }
    return tool_failure(fmt::format("there is no command \"{}\"; there are: {}", elide_middle(to_utf8(name), 100),
                                    names_of(project, context.mode)));
  }

 private:
  // A command may be meant for a mode, but only switch_mode, with its own approval, changes it.
  static std::string mode_note(const SlashCommand& command, std::string_view mode) {
    if (command.mode.empty() || command.mode == mode) return {};
    return fmt::format(
        "This command is meant for mode \"{0}\": call switch_mode with mode_slug \"{0}\" before you carry it "
        "out.\n\n",
        command.mode);
  }

  const ToolSpec spec_{
      .name = "run_slash_command",
      .description =
          "Gives you the instructions of a slash command that the project or the person has prepared, to carry out "
          "yourself. Use it when the person asks for a command by its name. An unknown name is answered with those "
          "there are.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "command": {"type": "string", "description": "The command's name, without the slash"},
          "args": {"type": ["string", "null"], "description": "What the person said besides, for the command"}
        },
        "required": ["command"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::always,
      .read_only = true,
  };
};

}  // namespace

std::shared_ptr<const Tool> run_slash_command_tool() { return std::make_shared<RunSlashCommand>(); }

}  // namespace joey

#include <simdjson.h>

#include "project/project.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

struct CommandWorld : ToolWorld {
  CommandWorld() {
    file(".roo/commands/deploy.md", "---\ndescription: Deploys\nargument-hint: <target>\nmode: debug\n---\nDeploy it.");
    file(".roo/commands/plain.md", "Plain.");
    file(".roo/skills-code/sharpen/SKILL.md", "---\nname: sharpen\ndescription: Sharpens\n---\nSharpen it.");
  }
  ToolOutcome run_in(std::string_view mode, std::string_view tool, std::string arguments) {
    const auto with = context();
    with->project = std::make_shared<const Project>(load_project(*workspace, nullptr));
    with->mode = mode;
    for (const auto& each : workspace_tools()) {
      if (each->spec().name == tool) return ToolWorld::run(*each, std::move(arguments), with);
    }
    FAIL("no such tool");
    return {};
  }
};

}  // namespace

TEST_CASE("run_slash_command gives a command's instructions, with or without its slash") {
  CommandWorld world;
  const std::string text = "Command: /plain\nSource: project\n\nPlain.";
  for (const char* name : {R"({"command":"plain"})", R"({"command":"/plain","args":null})"}) {
    const ToolOutcome outcome = world.run_in("code", "run_slash_command", name);
    CHECK(outcome.ok);
    CHECK(outcome.text == text);
  }
  CHECK(holds(world.run_in("code", "run_slash_command", R"({"command":"plain","args":"to mars"})").text,
              "Arguments: to mars\n"));
  CHECK(holds(world.run_in("code", "run_slash_command", R"({"command":"init"})").text, "Source: built-in"));
}

TEST_CASE("a command that is meant for another mode does not switch it, but says how to") {
  CommandWorld world;
  const ToolOutcome outcome = world.run_in("code", "run_slash_command", R"({"command":"deploy"})");
  CHECK(outcome.ok);
  CHECK(
      outcome.text.starts_with("This command is meant for mode \"debug\": call switch_mode with mode_slug \"debug\""));
  CHECK(holds(outcome.text, "Deploy it."));
  CHECK(world.run_in("debug", "run_slash_command", R"({"command":"deploy"})").text.starts_with("Command: /deploy\n"));
}

TEST_CASE("run_slash_command knows the skills of the mode, and names what there is when there is no such command") {
  CommandWorld world;
  CHECK(holds(world.run_in("code", "run_slash_command", R"({"command":"sharpen"})").text, "Skill: sharpen"));
  const ToolOutcome unknown = world.run_in("ask", "run_slash_command", R"({"command":"sharpen"})");
  CHECK_FALSE(unknown.ok);
  CHECK(unknown.text == "there is no command \"sharpen\"; there are: deploy, init, plain");
  CHECK(is_one_line(unknown.text));
  CHECK_FALSE(world.run_in("ask", "run_slash_command", "{}").ok);
  CHECK_FALSE(world.run("run_slash_command", R"({"command":"x"})").ok);  // no project
}

TEST_CASE("skill gives a skill's instructions, and only those of the mode") {
  CommandWorld world;
  const ToolOutcome outcome = world.run_in("code", "skill", R"({"skill":"sharpen","args":"the saw"})");
  CHECK(outcome.ok);
  CHECK(outcome.text == "Skill: sharpen\nDescription: Sharpens\nArguments: the saw\nSource: project\nFolder: "
                        ".roo/skills-code/sharpen (the paths "
                        "it names start there)\n\nSharpen it.");
  const ToolOutcome unknown = world.run_in("ask", "skill", R"({"skill":"sharpen"})");
  CHECK_FALSE(unknown.ok);
  CHECK(unknown.text == "there is no skill \"sharpen\" in this mode; there are: none");
  CHECK(holds(world.run_in("code", "skill", R"({"skill":"dull"})").text, "there are: sharpen"));
  CHECK_FALSE(world.run("skill", R"({"skill":"x"})").ok);  // no project
}

TEST_CASE("the longest command fits into a result whole") {
  CommandWorld world;
  world.file(".roo/commands/long.md", std::string(48U << 10, 'x'));
  const ToolOutcome outcome = world.run_in("code", "run_slash_command", R"({"command":"long"})");
  CHECK(outcome.text.ends_with(std::string(48U << 10, 'x')));
}

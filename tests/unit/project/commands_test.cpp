#include "world.hpp"

using namespace joey;
using namespace joey::test;

TEST_CASE("commands have a name, a front matter and a text") {
  World world;
  world.repository.put(".roo/commands/deploy.md",
                       "---\ndescription: Deploys\nargument-hint: <target>\nmode: debug\n---\n\nDeploy it.\n");
  world.repository.put(".roo/commands/plain.md", "Just do it.");
  const Project project = world.load();
  const SlashCommand* deploy = find_command(project, "deploy");
  REQUIRE(deploy != nullptr);
  CHECK(deploy->description == "Deploys");
  CHECK(deploy->argument_hint == "<target>");
  CHECK(deploy->mode == "debug");
  CHECK(deploy->text == "Deploy it.");
  CHECK(deploy->path == ".roo/commands/deploy.md");
  CHECK(find_command(project, "plain")->text == "Just do it.");
  CHECK(find_command(project, "Deploy") == nullptr);
  CHECK(find_command(project, "") == nullptr);
  CHECK(project.warnings.empty());
}

TEST_CASE("a project's command stands before a global one, and that before a built-in one") {
  World world;
  CHECK(find_command(world.load(), "init")->origin == Origin::builtin);
  CHECK(holds(find_command(world.load(), "init")->text, "AGENTS.md"));
  world.home.put(".roo/commands/init.md", "global init");
  world.home.put(".roo/commands/x.md", "global x");
  CHECK(find_command(world.load(), "init")->origin == Origin::global);
  world.repository.put(".roo/commands/init.md", "project init");
  CHECK(find_command(world.load(), "init")->text == "project init");
  CHECK(find_command(world.load(), "x")->text == "global x");
  CHECK(find_command(world.load(), "x")->path == "~/.roo/commands/x.md");
}

TEST_CASE("commands in folders and behind symlinks go by the file's name; of two the one nearer to the top") {
  World world;
  world.repository.put(".roo/commands/git/commit.md", "commit");
  world.repository.put(".roo/commands/z.md", "top");
  world.repository.put(".roo/commands/a/z.md", "below");
  world.repository.put("shared/linked.md", "linked");
  world.repository.link("../../shared", ".roo/commands/s");
  const Project project = world.load();
  CHECK(find_command(project, "commit")->text == "commit");
  CHECK(find_command(project, "linked")->text == "linked");
  CHECK(find_command(project, "z")->text == "top");
  CHECK(warns(project.warnings, {".roo/commands/a/z.md: is not used, since .roo/commands/z.md is /z already"}));
}

TEST_CASE("a command's broken parts are warnings that name the remedy, and its text stays of use") {
  World world;
  world.repository.put(".roo/commands/colon.md", "---\ndescription: Fix: it\n---\ntext");
  world.repository.put(".roo/commands/mode.md", "---\nmode: nowhere\n---\ntext");
  world.repository.put(".roo/commands/long.md", "---\ndescription: " + std::string(3'000, 'x') + "\n---\ntext");
  world.repository.put(".roo/commands/huge.md", std::string(100'000, 'x'));
  world.repository.put(".roo/commands/two words.md", "x");
  world.repository.put(".roo/commands/notes.txt", "no command");
  const Project project = world.load();
  CHECK(find_command(project, "colon")->text == "text");
  CHECK(warns(project.warnings, {".roo/commands/colon.md", "line 2", "need quotes"}));
  CHECK(find_command(project, "mode")->mode.empty());
  CHECK(warns(project.warnings, {".roo/commands/mode.md", "mode \"nowhere\", which does not exist"}));
  CHECK(find_command(project, "long")->description.size() == 1'024);
  CHECK(find_command(project, "huge") == nullptr);
  CHECK(warns(project.warnings, {".roo/commands/huge.md: is left out: it has 100000 bytes"}));
  CHECK(warns(project.warnings, {"two words.md: cannot be called"}));
  CHECK(find_command(project, "notes") == nullptr);
}

TEST_CASE("more commands than there may be are left out with a warning") {
  World world;
  for (int i = 0; i < 520; ++i) world.repository.put(".roo/commands/c" + std::to_string(i) + ".md", "x");
  const Project project = world.load();
  CHECK(project.commands.size() == 500);
  CHECK(warns(project.warnings, {"there are 500 commands already"}));
}

TEST_CASE("instructions say what the command is and what it was given") {
  const SlashCommand command{"c", "Does c", "<x>", "code", "The text.", ".roo/commands/c.md", Origin::project};
  CHECK(command_instructions(command, "fast") ==
        "Command: /c\nDescription: Does c\nArgument hint: <x>\nArguments: fast\nSource: project\n\nThe text.");
  CHECK(command_instructions({"d", "", "", "", "T", "", Origin::builtin}, "") == "Command: /d\nSource: built-in\n\nT");
}

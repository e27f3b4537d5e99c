#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string skill(const std::string& name, const std::string& text, const std::string& more = "") {
  return "---\nname: " + name + "\ndescription: What " + name + " does\n" + more + "---\n" + text + "\n";
}

std::string text_of(const Project& project, std::string_view mode, std::string_view name) {
  const Skill* found = find_skill(project, mode, name);
  return found == nullptr ? "none" : found->text;
}

}  // namespace

TEST_CASE("skills come from all directories, and are listed for the model by name") {
  World world;
  world.home.put(".agents/skills/a/SKILL.md", skill("a", "A"));
  world.repository.put(".agents/skills/b/SKILL.md", skill("b", "B"));
  world.home.put(".roo/skills/c/SKILL.md", skill("c", "C"));
  world.repository.put(".roo/skills/d/SKILL.md", skill("d", "D"));
  world.repository.put(".roo/skills/README.md", "no skill");
  world.repository.make(".roo/skills/empty");
  const Project project = world.load();
  CHECK(project.warnings.empty());
  CHECK(in_order(skills_text(project, "code"),
                 {"call skill", "- a: What a does\n- b: What b does\n- c: What c does\n- d: What d does"}));
  CHECK(find_skill(project, "code", "a")->folder == "~/.agents/skills/a");
  CHECK(find_skill(project, "code", "d")->folder == ".roo/skills/d");
  CHECK(skills_text(World().load(), "code").empty());
}

TEST_CASE("of skills with one name the project's wins, then the mode's own, then that of .roo") {
  World world;
  world.home.put(".agents/skills/s/SKILL.md", skill("s", "global agents"));
  CHECK(text_of(world.load(), "code", "s") == "global agents");
  world.home.put(".roo/skills/s/SKILL.md", skill("s", "global roo"));
  CHECK(text_of(world.load(), "code", "s") == "global roo");
  world.home.put(".agents/skills-code/s/SKILL.md", skill("s", "global agents of code"));
  CHECK(text_of(world.load(), "code", "s") == "global agents of code");
  CHECK(text_of(world.load(), "ask", "s") == "global roo");
  world.repository.put(".agents/skills/s/SKILL.md", skill("s", "project agents"));
  CHECK(text_of(world.load(), "code", "s") == "project agents");
  world.repository.put(".roo/skills/s/SKILL.md", skill("s", "project roo"));
  CHECK(text_of(world.load(), "code", "s") == "project roo");
  world.repository.put(".roo/skills-code/s/SKILL.md", skill("s", "project roo of code"));
  CHECK(text_of(world.load(), "code", "s") == "project roo of code");
  CHECK(text_of(world.load(), "ask", "s") == "project roo");
  CHECK(skills_of_mode(world.load(), "code").size() == 1);
}

TEST_CASE("a skill is for the modes it names, or else for those of its directory, or for all") {
  World world;
  world.repository.put(".roo/skills/two/SKILL.md", skill("two", "T", "modeSlugs: [code, ask]\n"));
  world.repository.put(".roo/skills/old/SKILL.md", skill("old", "O", "mode: debug\n"));
  world.repository.put(".roo/skills-ask/named/SKILL.md", skill("named", "N", "modeSlugs:\n  - code\n"));
  world.repository.put(".roo/skills-ask/plain/SKILL.md", skill("plain", "P"));
  world.repository.put(".roo/skillset/x/SKILL.md", skill("x", "no skills directory"));
  const Project project = world.load();
  const auto names = [&](std::string_view mode) {
    std::string out;
    for (const Skill* each : skills_of_mode(project, mode)) out += each->name + ' ';
    return out;
  };
  CHECK(names("code") == "named two ");
  CHECK(names("ask") == "plain two ");
  CHECK(names("debug") == "old ");
  CHECK(names("architect").empty());
  CHECK(names("") == "named old plain two ");
}

TEST_CASE("a symlinked skill counts by the link's own name") {
  World world;
  world.repository.put("shared/SKILL.md", skill("linked", "L"));
  world.repository.make(".roo/skills");
  world.repository.link("../../shared", ".roo/skills/linked");
  CHECK(text_of(world.load(), "code", "linked") == "L");
}

TEST_CASE("a skill whose front matter is not as it must be is left out with a warning that says how it must be") {
  World world;
  const auto put = [&](const std::string& folder, const std::string& text) {
    world.repository.put(".roo/skills/" + folder + "/SKILL.md", text);
  };
  put("other", skill("name", "x"));
  put("Upper", skill("Upper", "x"));
  put("double--dash", skill("double--dash", "x"));
  put("none", "just text");
  put("silent", "---\nname: silent\n---\nx");
  put("wordy", "---\nname: wordy\ndescription: " + std::string(1'025, 'x') + "\n---\nx");
  put("broken", "---\nname: broken\ndescription: a: b\n---\nx");
  put("huge", skill("huge", std::string(100'000, 'x')));
  put(
      "fits", "---\nname: fits\ndescription: " + [] {
        std::string text;
        for (int i = 0; i < 1'024; ++i) text += "\u00e4";
        return text;
      }() + "\n---\nx");
  const Project project = world.load();
  CHECK(project.skills.size() == 1);
  CHECK(text_of(project, "code", "fits") == "x");
  CHECK(warns(project.warnings, {".roo/skills/other/SKILL.md: is left out", "must say name: other"}));
  CHECK(warns(project.warnings, {".roo/skills/Upper/SKILL.md", "small letters"}));
  CHECK(warns(project.warnings, {".roo/skills/double--dash/SKILL.md", "single dashes"}));
  CHECK(warns(project.warnings, {".roo/skills/none/SKILL.md", "must say name: none"}));
  CHECK(warns(project.warnings, {".roo/skills/silent/SKILL.md", "1 to 1024 characters"}));
  CHECK(warns(project.warnings, {".roo/skills/wordy/SKILL.md", "1 to 1024 characters"}));
  CHECK(warns(project.warnings, {".roo/skills/broken/SKILL.md", "line 3", "quotes"}));
  CHECK(warns(project.warnings, {".roo/skills/huge/SKILL.md", "100000 bytes"}));
}

TEST_CASE("instructions say where the skill's own files are") {
  const Skill own{"s", "Does s", {}, "Text.", ".roo/skills/s", Origin::project};
  CHECK(skill_instructions(own, "this") == "Skill: s\nDescription: Does s\nArguments: this\nSource: project\nFolder: "
                                           ".roo/skills/s (the paths it names start "
                                           "there)\n\nText.");
  const Skill global{"s", "Does s", {}, "Text.", "~/.roo/skills/s", Origin::global};
  CHECK(holds(skill_instructions(global, ""), "Folder: ~/.roo/skills/s (outside the workspace"));
}

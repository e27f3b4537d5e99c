#include <chrono>
#include <filesystem>
#include <thread>

#include "project/loading.hpp"
#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// Sets a file's time of change by hand: the clock of a disk may be coarse.
void touch(const TemporaryDirectory& directory, const std::string& name, int seconds) {
  const auto path = std::filesystem::path(directory / name);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::seconds(seconds));
}

void fill(const World& world) {
  world.repository.put(".roomodes", "customModes:\n- {slug: m, name: M, roleDefinition: R, groups: [read]}\n");
  world.repository.put(".roo/rules/a.md", "a");
  world.repository.put(".roo/rules-m/a.md", "a");
  world.repository.put(".roo/commands/c.md", "c");
  world.repository.put(".roo/skills/s/SKILL.md", "---\nname: s\ndescription: d\n---\ntext");
  world.repository.put(".roo/tools/t/tool.json", R"({"name":"t","description":"d","command":["true"]})");
  world.repository.put("AGENTS.md", "x");
  world.home.put(".roo/rules/g.md", "g");
}

}  // namespace

TEST_CASE("a repository with nothing, and no global folder, is the built-in project") {
  World world;
  const Project project = load_project(*world.workspace, nullptr);
  CHECK(std::equal(project.modes.begin(), project.modes.end(), builtin_modes().begin(), builtin_modes().end()));
  CHECK(project.commands.size() == 1);
  CHECK(project.skills.empty());
  CHECK(project.tools.empty());
  CHECK(project.warnings.empty());
  CHECK(is_current(project, *world.workspace, nullptr));
}

TEST_CASE("loaded twice, a project is equal") {
  World world;
  fill(world);
  CHECK(world.load() == world.load());
}

TEST_CASE("a project is current until one of its files changes, comes or goes") {
  World world;
  fill(world);
  const Project project = world.load();
  CHECK(world.current(project));
  world.repository.put("src/main.cpp", "int main() {}");  // none of its files
  CHECK(world.current(project));

  struct Step {
    const char* what;
    void (*change)(const World& world);
  };
  static constexpr Step steps[] = {
      {"another text", [](const World& w) { w.repository.put(".roo/rules/a.md", "longer"); }},
      {"the same length at another time", [](const World& w) { touch(w.repository, ".roo/rules-m/a.md", 7); }},
      {"a new rule",
       [](const World& w) {
         w.repository.put(".roo/rules/b.md", "b");
         touch(w.repository, ".roo/rules", 7);
       }},
      {"a new rules directory",
       [](const World& w) {
         w.repository.make(".roo/rules-ask");
         touch(w.repository, ".roo", 7);
       }},
      {"a new .rooignore", [](const World& w) { w.repository.put(".rooignore", "x"); }},
      {"no AGENTS.md", [](const World& w) { std::filesystem::remove(w.repository / "AGENTS.md"); }},
      {"a mode", [](const World& w) { touch(w.repository, ".roomodes", 7); }},
      {"a command", [](const World& w) { touch(w.repository, ".roo/commands/c.md", 7); }},
      {"a skill", [](const World& w) { touch(w.repository, ".roo/skills/s/SKILL.md", 7); }},
      {"a tool", [](const World& w) { touch(w.repository, ".roo/tools/t/tool.json", 7); }},
      {"a global rule", [](const World& w) { touch(w.home, ".roo/rules/g.md", 7); }},
      {"global modes", [](const World& w) { w.home.put(".roo/custom_modes.yaml", "customModes: []"); }},
      {"the first global .agents", [](const World& w) { w.home.make(".agents/skills"); }},
      {"an old rule file", [](const World& w) { w.repository.put(".roorules-ask", "x"); }},
      {"a file in place of a directory",
       [](const World& w) {
         std::filesystem::remove_all(w.repository / ".roo/tools");
         w.repository.put(".roo/tools", "x");
       }},
  };
  for (const Step& step : steps) {
    CAPTURE(step.what);
    const Project before = world.load();
    CHECK(world.current(before));
    step.change(world);
    CHECK_FALSE(world.current(before));
    CHECK(world.current(world.load()));
  }
}

TEST_CASE("to see that nothing has changed takes few looks") {
  World world;
  fill(world);
  CHECK(world.load().seen.size() < 70);
  World bare;
  CHECK(bare.load().seen.size() < 40);
}

TEST_CASE("where the workspace is the person's own folder, nothing counts twice") {
  World world;
  world.home.put(".roo/rules/a.md", "only once");
  const Project project = load_project(*world.global, world.global.get());
  CHECK(project.generic_rules.size() == 1);
  CHECK(project.generic_rules[0].path == ".roo/rules/a.md");
}

TEST_CASE("a .roo that is a file, or leads out, is one warning and costs nothing else") {
  World world;
  TemporaryDirectory outside;
  outside.put("rules/evil.md", "rule from outside");
  world.repository.put("AGENTS.md", "kept");
  world.repository.put(".roo", "a file");
  world.home.link(outside.path(), ".roo");
  const Project project = world.load();
  CHECK(warns(project.warnings, {".roo: is not a directory"}));
  CHECK(warns(project.warnings, {"~/.roo: leads out"}));
  CHECK(project.warnings.size() <= 3);
  CHECK(holds(rules_text(project, "code"), "kept"));
  CHECK(lacks(rules_text(project, "code"), "rule from outside"));
}

TEST_CASE("everything at once that is broken leaves a project that works") {
  World world;
  const std::string nul("x\0y", 3);
  world.repository.put(".roomodes", std::string(200'000, '['));
  world.repository.put(".roo/rules/binary.md", nul);
  world.repository.put(".roo/rules/good.md", "good rule");
  world.repository.put(".roo/commands/binary.md", nul);
  world.repository.put(".roo/commands/bad name.md", "x");
  world.repository.put(".roo/skills/s/SKILL.md", nul);
  world.repository.put(".roo/skills/t/SKILL.md", "---\n[[[[\n---\n");
  world.repository.put(".roo/tools/t/tool.json", nul);
  world.repository.put(".roo/tools/u/tool.json", std::string(100'000, '['));
  world.repository.put(".rooignore", nul);
  world.repository.put("AGENTS.md", std::string(3U << 20, 'x'));
  world.home.put(".roo/custom_modes.yaml", "&a [*a]");
  world.home.put(".roo/rules/deep", "not a directory, but a rule");
  const Project project = world.load();
  CHECK(project.modes.size() == builtin_modes().size());
  CHECK(holds(rules_text(project, "code"), "good rule"));
  CHECK(holds(rules_text(project, "code"), "- AGENTS.md (3145728 bytes)"));
  CHECK(project.skills.empty());
  CHECK(project.tools.empty());
  for (const char* file :
       {".roomodes: ", ".roo/rules/binary.md: ", ".roo/commands/binary.md: ", ".roo/commands/bad name.md: ",
        ".roo/skills/s/SKILL.md: ", ".roo/skills/t/SKILL.md: ", ".roo/tools/t/tool.json: ", ".roo/tools/u/tool.json: ",
        ".rooignore: ", "~/.roo/custom_modes.yaml: "}) {
    CHECK(warns(project.warnings, {file}));
  }
}

TEST_CASE("the origin of things has a name") {
  CHECK(origin_name(Origin::builtin) == "built-in");
  CHECK(origin_name(Origin::global) == "global");
  CHECK(origin_name(Origin::project) == "project");
}

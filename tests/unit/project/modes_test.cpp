#include "project/modes.hpp"

#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

constexpr const char* two_modes = R"(customModes:
  - slug: docs-writer
    name: "📝 Docs"
    roleDefinition: |-
      You are a technical writer.
      You care.
    whenToUse: Use it for documentation.
    description: Writes documentation
    customInstructions: Keep sentences short.
    groups:
      - read
      - - edit
        - fileRegex: \.(md|mdx)$
          description: Markdown only
      - browser
      - mcp
  - slug: code
    name: Code
    roleDefinition: You replace the built-in one. Wholly.
    groups: [read, command]
)";

std::string modes_problem(std::string_view text) {
  const auto file = read_modes(text, Origin::project);
  return file ? "none" : file.error().message;
}

std::string one_mode(std::string_view groups, std::string_view slug = "a") {
  return "customModes:\n- slug: " + std::string(slug) +
         "\n  name: N\n  roleDefinition: R\n  groups: " + std::string(groups) + "\n";
}

}  // namespace

TEST_CASE("custom modes read with all their fields") {
  const auto file = read_modes(two_modes, Origin::project);
  REQUIRE(file);
  REQUIRE(file->modes.size() == 2);
  const Mode& docs = file->modes[0];
  CHECK(docs.slug == "docs-writer");
  CHECK(docs.name == "\U0001F4DD Docs");
  CHECK(docs.role == "You are a technical writer.\nYou care.");
  CHECK(docs.when_to_use == "Use it for documentation.");
  CHECK(docs.description == "Writes documentation");
  CHECK(docs.instructions == "Keep sentences short.");
  CHECK(docs.groups == std::vector{ToolGroup::read, ToolGroup::edit, ToolGroup::mcp});
  CHECK(docs.edit_pattern == R"(\.(md|mdx)$)");
  CHECK(docs.edit_description == "Markdown only");
  CHECK(docs.origin == Origin::project);
  CHECK(allows_edit(docs, "a/b.mdx"));
  CHECK_FALSE(allows_edit(docs, "a/b.ts"));
  CHECK(file->modes[1].when_to_use == "You replace the built-in one");  // its first sentence
  CHECK(file->warnings.empty());
}

TEST_CASE("a .roomodes in JSON reads as one in YAML, also with tabs") {
  const auto file =
      read_modes("{\n\t\"customModes\": [\n\t\t{\"slug\": \"a\", \"name\": \"N\", \"roleDefinition\": \"R\",\n"
                 "\t\t\"groups\": [\"read\", [\"edit\", {\"fileRegex\": \"\\\\.ts$\"}]]}]}",
                 Origin::global);
  REQUIRE(file);
  REQUIRE(file->modes.size() == 1);
  CHECK(file->modes[0].edit_pattern == "\\.ts$");
  CHECK(file->modes[0].edit_description == "\\.ts$");
}

TEST_CASE("an empty file has no modes and no problem") {
  for (const char* text : {"", "# nothing yet\n", "customModes:\n", "customModes: []\n", "null"}) {
    CAPTURE(text);
    const auto file = read_modes(text, Origin::project);
    REQUIRE(file);
    CHECK(file->modes.empty());
  }
}

TEST_CASE("a file with an invalid mode is refused as a whole, with line and reason") {
  CHECK(modes_problem("modes: []") == "it must hold a list named customModes");
  CHECK(modes_problem("customModes: 3") == "line 1: customModes must be a list of modes");
  CHECK(modes_problem("customModes:\n- 3\n") == "line 2: customModes[0] must be a mode");
  CHECK(modes_problem(one_mode("[read]", "a b")) ==
        "line 2: customModes[0].slug may have only letters, digits and dashes");
  CHECK(modes_problem("customModes:\n- slug: a\n  roleDefinition: R\n  groups: []\n") ==
        "line 2: customModes[0].name is missing: give it a text");
  CHECK(modes_problem("customModes:\n- slug: a\n  name: N\n  roleDefinition: ' '\n  groups: []\n") ==
        "line 4: customModes[0].roleDefinition is empty: give it a text");
  CHECK(modes_problem("customModes:\n- slug: a\n  name: N\n  roleDefinition: R\n") ==
        "line 2: customModes[0].groups is missing: list the tool groups, or []");
  CHECK(modes_problem(one_mode("[read, write]")) ==
        "line 5: customModes[0].groups has \"write\": the groups are read, edit, command, mcp and modes");
  CHECK(modes_problem(one_mode("[read, edit, read]")) == "line 5: customModes[0].groups has \"read\" twice");
  CHECK(holds(modes_problem(one_mode("[[edit]]")), "line 5: customModes[0].groups must hold names, or pairs"));
  CHECK(holds(modes_problem(one_mode("[[edit, x]]")), "must hold names, or pairs"));
  CHECK(holds(modes_problem("customModes: [\n"), "line "));
  CHECK(holds(modes_problem("{\"customModes\": [{]}"), "line 1"));
  CHECK(holds(modes_problem(one_mode("[]") + "  whenToUse: " + std::string(5'000, 'x') + "\n"),
              "whenToUse has 5000 bytes"));
}

TEST_CASE("duplicate slugs reject the whole file") {
  const std::string twice = one_mode("[read]") + "- slug: a\n  name: M\n  roleDefinition: R\n  groups: []\n";
  CHECK(modes_problem(twice) == "line 6: customModes[1].slug \"a\" is there twice: rename one");
}

TEST_CASE("more modes than a file may have are refused before they are read") {
  std::string many = "customModes:\n";
  for (int i = 0; i < 101; ++i)
    many += "- {slug: m" + std::to_string(i) + ", name: N, roleDefinition: R, groups: []}\n";
  CHECK(holds(modes_problem(many), "101 modes, more than the 100 allowed"));
}

TEST_CASE("typographic quotes, no-break and zero-width characters and dashes do not spoil a file") {
  const auto file = read_modes("customModes:\n\u2011\u00A0slug: \u201Cmy\u2013mode\u201D\n  name: \u2018N\u2019\n"
                               "  roleDefinition: R\u200B\n  groups: [read,\u00A0edit]\n",
                               Origin::project);
  REQUIRE(file);
  REQUIRE(file->modes.size() == 1);
  CHECK(file->modes[0].slug == "my-mode");
  CHECK(file->modes[0].name == "N");
  CHECK(file->modes[0].groups.size() == 2);
}

TEST_CASE("typographic quotes inside a valid text stay, where plain ones would have broken the file") {
  const auto file =
      read_modes("customModes:\n- slug: a\n  name: N\n  roleDefinition: \"Say \u201Chi\u201D \u2014 always\"\n"
                 "  groups: []\n",
                 Origin::project);
  REQUIRE(file);
  CHECK(file->modes[0].role == "Say \u201Chi\u201D \u2014 always");
}

TEST_CASE("a file pattern that cannot be kept lets a mode edit nothing, not everything") {
  const auto file = read_modes(one_mode("[read, [edit, {fileRegex: '^(?!secret).*'}]]"), Origin::project);
  REQUIRE(file);
  const Mode& mode = file->modes[0];
  CHECK(allows_group(mode, ToolGroup::edit));
  for (const char* path : {"a.md", "", "secret"}) CHECK_FALSE(allows_edit(mode, path));
  REQUIRE(file->warnings.size() == 1);
  CHECK(holds(file->warnings[0], "mode \"a\" may edit nothing: its fileRegex is not supported: it looks ahead"));
}

TEST_CASE("a project's mode stands before a global one, and that before a built-in one, wholly") {
  World world;
  world.home.put(".roo/custom_modes.yaml",
                 "customModes:\n- {slug: ask, name: Global ask, roleDefinition: G, groups: []}\n"
                 "- {slug: review, name: Global review, roleDefinition: G, groups: [read]}\n"
                 "- {slug: only-global, name: O, roleDefinition: G, groups: []}\n");
  world.repository.put(".roomodes",
                       "\uFEFFcustomModes:\n- {slug: review, name: Project review, roleDefinition: P, groups: []}\n"
                       "- {slug: code, name: Project code, roleDefinition: P, groups: []}\n");
  const Project project = world.load();
  std::string slugs;
  for (const Mode& mode : project.modes) slugs += mode.slug + ' ';
  CHECK(slugs == "architect code ask debug orchestrator review only-global ");
  CHECK(find_mode(project.modes, "code")->name == "Project code");
  CHECK(find_mode(project.modes, "code")->instructions.empty());
  CHECK(find_mode(project.modes, "code")->origin == Origin::project);
  CHECK(find_mode(project.modes, "ask")->name == "Global ask");
  CHECK(find_mode(project.modes, "ask")->origin == Origin::global);
  CHECK(find_mode(project.modes, "review")->name == "Project review");
  CHECK(find_mode(project.modes, "debug")->origin == Origin::builtin);
  CHECK(project.warnings.empty());
}

TEST_CASE("the settings folder of an editor serves as well, where .roo has no modes") {
  World world;
  world.home.put("settings/custom_modes.yaml", "customModes:\n- {slug: s, name: S, roleDefinition: R, groups: []}\n");
  CHECK(find_mode(world.load().modes, "s") != nullptr);
  world.home.put(".roo/custom_modes.yaml", "customModes: []\n");
  CHECK(find_mode(world.load().modes, "s") == nullptr);
}

TEST_CASE("a broken .roomodes costs only its own modes, with a warning that names file and line") {
  World world;
  world.repository.put(".roomodes", "customModes:\n  - slug: x\n   name: broken\n");
  const Project project = world.load();
  CHECK(project.modes.size() == builtin_modes().size());
  CHECK(warns(project.warnings, {".roomodes: none of its modes is used: line 3"}));
}

#include "core/mode.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("the five modes, by their slugs") {
  std::vector<std::string> slugs;
  for (const Mode& mode : builtin_modes()) {
    slugs.push_back(mode.slug);
    CHECK_FALSE(mode.role.empty());
    CHECK_FALSE(mode.when_to_use.empty());
  }
  CHECK(slugs == std::vector<std::string>{"architect", "code", "ask", "debug", "orchestrator"});
  CHECK(find_mode(builtin_modes(), "debug")->name == "Debug");
  CHECK(find_mode(builtin_modes(), "Debug") == nullptr);
  CHECK(find_mode(builtin_modes(), "") == nullptr);
}

TEST_CASE("the groups of the modes") {
  const auto allows = [](const char* mode, ToolGroup group) { return allows_group(*find_mode(builtin_modes(), mode), group); };
  CHECK(allows("code", ToolGroup::command));
  CHECK(allows("debug", ToolGroup::edit));
  CHECK(allows("architect", ToolGroup::edit));
  CHECK_FALSE(allows("architect", ToolGroup::command));
  CHECK(allows("ask", ToolGroup::read));
  CHECK_FALSE(allows("ask", ToolGroup::edit));
  CHECK_FALSE(allows("orchestrator", ToolGroup::read));
  for (const Mode& mode : builtin_modes()) {
    for (const ToolGroup group : {ToolGroup::always, ToolGroup::modes, ToolGroup::custom}) CHECK(allows_group(mode, group));
  }
}

TEST_CASE("the architect edits Markdown, and nothing that only looks like it") {
  const Mode& architect = *find_mode(builtin_modes(), "architect");
  CHECK(allows_edit(architect, "plans/a.md"));
  CHECK_FALSE(allows_edit(architect, "a.md.cpp"));
  CHECK_FALSE(allows_edit(architect, "amd"));
  CHECK_FALSE(allows_edit(architect, "a.md\nb.cpp"));
  CHECK_FALSE(allows_edit(architect, "a.md\n"));
  CHECK_FALSE(allows_edit(architect, ""));
  CHECK(allows_edit(*find_mode(builtin_modes(), "code"), "a.cpp"));
}

TEST_CASE("a pattern that is none allows nothing") {
  Mode mode;
  mode.edit_pattern = "(";
  CHECK_FALSE(allows_edit(mode, "a.md"));
}

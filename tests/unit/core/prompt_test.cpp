#include "core/prompt.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/control.hpp"

using namespace joey;

namespace {

const PromptParts parts{.workspace = "/work", .system = "Linux", .shell = "/bin/bash"};

std::string prompt_of(const char* mode, const PromptParts& with = parts) {
  return system_prompt(*find_mode(builtin_modes(), mode), builtin_modes(), with);
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a prompt is the same bytes every time") {
  for (const Mode& mode : builtin_modes()) CHECK(prompt_of(mode.slug.c_str()) == prompt_of(mode.slug.c_str()));
  CHECK(prompt_of("code") != prompt_of("ask"));
}

TEST_CASE("a prompt says the role, the modes, the surroundings and whose instructions") {
  PromptParts all{.workspace = "/home/me/project", .system = "Linux", .shell = "/bin/zsh"};
  all.language = "French";
  all.instructions = "Be brief.";
  all.rules = "Tabs.";
  all.skills = "# Skills\n";
  const std::string prompt = prompt_of("architect", all);
  CHECK(prompt.starts_with("You are joey, a technical lead"));
  for (const Mode& mode : builtin_modes()) CHECK(has(prompt, fmt::format("- {} (\"{}\"): ", mode.name, mode.slug)));
  CHECK(has(prompt, "You are in mode \"architect\". It may edit only files that match \\.md$ (Markdown files only)."));
  CHECK(has(prompt, "- Workspace: /home/me/project\n"));
  CHECK(has(prompt, "- Shell: /bin/zsh\n"));
  CHECK(has(prompt, "# This mode\n\nGather what you need"));
  CHECK(prompt.ends_with("# Rules\n\nTabs.\n"));
  for (const char* none : {"# This mode", "# The person's instructions", "# Language", "# Rules", "It may edit only", "\n\n\n"}) {
    CHECK_FALSE(has(prompt_of("code"), none));
  }
}

TEST_CASE("language, the person's instructions, the mode's and the rules come in this order") {
  PromptParts all = parts;
  all.language = "French";
  all.instructions = "Be brief.";
  all.rules = "Tabs.";
  const std::string prompt = prompt_of("ask", all);
  std::size_t last = 0;
  for (const char* part : {"# Surroundings", "# Language", "# The person's instructions", "# This mode", "# Rules"}) {
    const std::size_t at = prompt.find(part);
    REQUIRE(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
}

TEST_CASE("a host replaces sections of the prompt, or leaves them out") {
  PromptParts own = parts;
  own.replaced = {{"work", "Work as you like."}, {"modes", ""}};
  const std::string prompt = prompt_of("code", own);
  CHECK(has(prompt, "\n\nWork as you like.\n\n# Surroundings"));
  CHECK_FALSE(has(prompt, "# How you work"));
  CHECK_FALSE(has(prompt, "# Modes"));
  for (const std::string_view section : prompt_sections()) own.replaced[std::string(section)] = "";
  CHECK(prompt_of("code", own).empty());
}

TEST_CASE("a mode that does not say when to use it is known by its role's first sentence") {
  const std::vector<Mode> modes{{"a", "A", "You write. Then you rest.", "", "", {}, "", ""}, {"b", "B", "You read\nall day", "", "", {}, "", ""}};
  const std::string prompt = system_prompt(modes[0], modes, parts);
  CHECK(has(prompt, "- A (\"a\"): You write.\n"));
  CHECK(has(prompt, "- B (\"b\"): You read\n"));
}

TEST_CASE("a mode offers its tools in the order given, but for those that are not offered to models") {
  const std::vector<ToolSpec> tools{{"a", "", "{}", ToolGroup::command, false},
                                    {"b", "", "{}", ToolGroup::read, true},
                                    {"c", "", "{}", ToolGroup::custom, false},
                                    {"d", "", "{}", ToolGroup::edit, false},
                                    {"e", "", "{}", ToolGroup::edit, false, nullptr, nullptr, false}};  // not offered
  const auto names = [&](const char* mode) {
    std::string out;
    for (const ToolSpec& tool : tools_of_mode(*find_mode(builtin_modes(), mode), tools)) out += tool.name;
    return out;
  };
  CHECK(names("code") == "abcd");
  CHECK(names("architect") == "bcd");
  CHECK(names("ask") == "bc");
  CHECK(names("orchestrator") == "c");
}

TEST_CASE("stored tools read back, and written again are the same bytes") {
  std::vector<ToolSpec> tools(control_tools().begin(), control_tools().end());
  tools.push_back({"odd", "says \"hi\"\n\tand \xe2\x82\xac", "{ \"type\" : \"object\", \"n\": 1.50 }", ToolGroup::custom, false});
  tools.push_back({"broken", "", "no schema", ToolGroup::custom, false});
  const std::string json = tools_to_json(tools);
  const auto read = tools_from_json(json);
  REQUIRE(read);
  REQUIRE(read->size() == tools.size());
  for (std::size_t i = 0; i < tools.size(); ++i) {
    CHECK((*read)[i].name == tools[i].name);
    CHECK((*read)[i].description == tools[i].description);
  }
  CHECK(read->back().parameters == R"({"type":"object"})");
  CHECK(tools_to_json(*read) == json);
  CHECK(tools_to_json({}) == "[]");
  CHECK(tools_from_json("[]")->empty());
}

TEST_CASE("stored tools that are damaged are refused") {
  for (const char* json : {"", "{}", "[1]", "[{}]", R"([{"name":"a","description":"b"}])", R"([{"name":"a","description":"b","parameters":"{}"}])"}) {
    CAPTURE(json);
    const auto read = tools_from_json(json);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::corrupt);
  }
}

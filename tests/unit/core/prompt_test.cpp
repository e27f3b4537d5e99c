#include "core/prompt.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/control.hpp"

using namespace joey;

namespace {

const PromptParts parts{"/work", "Linux", "/bin/bash", ""};

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
  const std::string prompt = prompt_of("architect", {"/home/me/project", "Linux", "/bin/zsh", "Speak French."});
  CHECK(prompt.starts_with("You are joey, a technical lead"));
  for (const Mode& mode : builtin_modes()) CHECK(has(prompt, fmt::format("- {} (\"{}\"): ", mode.name, mode.slug)));
  CHECK(has(prompt, "You are in mode \"architect\". It may edit only files that match \\.md$ (Markdown files only)."));
  CHECK(has(prompt, "- Workspace: /home/me/project\n"));
  CHECK(has(prompt, "- Shell: /bin/zsh\n"));
  CHECK(has(prompt, "# This mode\n\nGather what you need"));
  CHECK(prompt.ends_with("# The person's instructions\n\nSpeak French.\n"));
  CHECK_FALSE(has(prompt_of("code"), "# This mode"));
  CHECK_FALSE(has(prompt_of("code"), "# The person's instructions"));
  CHECK_FALSE(has(prompt_of("code"), "It may edit only"));
}

TEST_CASE("a mode offers its tools in the order given, but for those that are not offered to models") {
  const std::vector<ToolSpec> tools{{"a", "", "{}", ToolGroup::command, false},
                                    {"b", "", "{}", ToolGroup::read, true},
                                    {"c", "", "{}", ToolGroup::custom, false},
                                    {"d", "", "{}", ToolGroup::edit, false},
                                    {"e", "", "{}", ToolGroup::edit, false, nullptr, false}};  // not offered
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

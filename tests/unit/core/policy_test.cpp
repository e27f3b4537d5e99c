#include "core/policy.hpp"

#include <doctest/doctest.h>

using namespace joey;

namespace {

// The verdict and its rule in one word.
std::string verdict(const PolicySnapshot& policy, std::string_view tool, ToolGroup group) {
  const auto decision = evaluate(policy, tool, group);
  const char* const names[] = {"allow", "ask", "deny"};
  return std::string(names[static_cast<int>(decision.verdict)]) + " " + decision.rule;
}

}  // namespace

TEST_CASE("what no rule names asks") {
  CHECK(verdict({}, "read_file", ToolGroup::read) == "ask default");
  CHECK(verdict({}, "deploy", ToolGroup::custom) == "ask default");
  CHECK(verdict({{"edit"}, {"command"}}, "read_file", ToolGroup::read) == "ask default");
}

TEST_CASE("a tool's own name is found before its group, and its group before all") {
  CHECK(verdict({{"all", "read", "read_file"}, {}}, "read_file", ToolGroup::read) == "allow allow:read_file");
  CHECK(verdict({{"all", "read"}, {}}, "read_file", ToolGroup::read) == "allow allow:read");
  CHECK(verdict({{"all"}, {}}, "read_file", ToolGroup::read) == "allow allow:all");
}

TEST_CASE("deny wins over allow, however it is named") {
  CHECK(verdict({{"read_file"}, {"read"}}, "read_file", ToolGroup::read) == "deny deny:read");
  CHECK(verdict({{"all"}, {"read_file"}}, "read_file", ToolGroup::read) == "deny deny:read_file");
  CHECK(verdict({{"read_file"}, {"all"}}, "read_file", ToolGroup::read) == "deny deny:all");
}

TEST_CASE("tools of the group always need no approval, and are denied by name only") {
  CHECK(verdict({}, "attempt_completion", ToolGroup::always) == "allow always");
  CHECK(verdict({{}, {"ask_followup_question"}}, "ask_followup_question", ToolGroup::always) == "deny deny:ask_followup_question");
  CHECK(verdict({{}, {"all", "always"}}, "attempt_completion", ToolGroup::always) == "allow always");
}

TEST_CASE("new_task is of the group subtasks, the other mode tools of modes") {
  CHECK(verdict({{"modes"}, {}}, "new_task", ToolGroup::modes) == "ask default");
  CHECK(verdict({{"subtasks"}, {}}, "new_task", ToolGroup::modes) == "allow allow:subtasks");
  CHECK(verdict({{"modes"}, {}}, "switch_mode", ToolGroup::modes) == "allow allow:modes");
  CHECK(verdict({{"mcp"}, {}}, "server_tool", ToolGroup::mcp) == "allow allow:mcp");
  CHECK(verdict({{"custom"}, {}}, "deploy", ToolGroup::custom) == "allow allow:custom");
  CHECK(verdict({{"command"}, {}}, "execute_command", ToolGroup::command) == "allow allow:command");
  CHECK(verdict({{"edit"}, {}}, "write_to_file", ToolGroup::edit) == "allow allow:edit");
}

TEST_CASE("protected files are those that steer agents and editors, wherever they are") {
  for (const char* path : {".roo", ".roo/rules/a.md", ".rooignore", "sub/.rooignore", ".roomodes", ".roorules-code",
                           ".clinerules", ".vscode/tasks.json", "a.code-workspace", "x/b.code-workspace", "AGENTS.md",
                           "pkg/AGENTS.md", "AGENT.md", ".rooprotected"}) {
    CAPTURE(path);
    CHECK(is_protected(path));
  }
  for (const char* path : {".roots", ".roo.md", "roo/a", "src/AGENTS.md.txt", "agents.md", ".vscodes/x", "src/main.cpp", "."}) {
    CAPTURE(path);
    CHECK_FALSE(is_protected(path));
  }
}

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

TEST_CASE("ask wins over allow, and deny over both") {
  CHECK(verdict({{"read_file"}, {}, {"read"}}, "read_file", ToolGroup::read) == "ask ask:read");
  CHECK(verdict({{"all"}, {}, {"read_file"}}, "read_file", ToolGroup::read) == "ask ask:read_file");
  CHECK(verdict({{}, {"read"}, {"read_file"}}, "read_file", ToolGroup::read) == "deny deny:read");
  CHECK(verdict({{}, {}, {"attempt_completion"}}, "attempt_completion", ToolGroup::always) == "ask ask:attempt_completion");
}

TEST_CASE("a star in a tool's name stands for anything") {
  const PolicySnapshot policy{{"mcp--github--get_*", "mcp--docs--*"}, {"*--delete_*"}};
  CHECK(verdict(policy, "mcp--github--get_issue", ToolGroup::mcp) == "allow allow:mcp--github--get_*");
  CHECK(verdict(policy, "mcp--docs--search", ToolGroup::mcp) == "allow allow:mcp--docs--*");
  CHECK(verdict(policy, "mcp--github--create_issue", ToolGroup::mcp) == "ask default");
  CHECK(verdict(policy, "mcp--docs--delete_page", ToolGroup::mcp) == "deny deny:*--delete_*");
  CHECK(verdict({{"read:*"}, {}}, "read_file", ToolGroup::read) == "ask default");
}

TEST_CASE("a rule for files fits by a pattern of .gitignore, and what may not be read may not be changed") {
  const PolicySnapshot policy{{"edit:src/", "read:docs/**"}, {"read:.env*", "edit:*.lock"}, {"edit:src/generated"}};
  const auto file = [&](std::string_view path, bool writes) {
    const PolicyDecision decision = evaluate_file(policy, path, writes);
    return std::string(name_of(decision.verdict)) + " " + decision.rule;
  };
  CHECK(file("src/a/b.c", true) == "allow allow:edit:src/");
  CHECK(file("src", true) == "allow allow:edit:src/");
  CHECK(file("src/generated/x.c", true) == "ask ask:edit:src/generated");
  CHECK(file("src/a.c", false) == "allow ");
  CHECK(file("docs/a.md", false) == "allow allow:read:docs/**");
  CHECK(file("docs/a.md", true) == "allow ");
  CHECK(file("x/.env.local", false) == "deny deny:read:.env*");
  CHECK(file(".env", true) == "deny deny:read:.env*");
  CHECK(file("src/cargo.lock", true) == "deny deny:edit:*.lock");
  CHECK(file("src/cargo.lock", false) == "allow ");
  CHECK(denied_files(policy).hidden == ".env*\n");
  CHECK(denied_files(policy).read_only == "*.lock\n");
}

TEST_CASE("a rule that could never fit is refused, and named") {
  for (const char* rule : {"command:git diff", "read:src/**", "edit:*.md", "all", "protected", "write_to_file", "mcp--a--*"}) {
    CAPTURE(rule);
    CHECK(check_rules({{rule}, {rule}, {rule}}));
  }
  for (const char* rule : {"*", "**", "", "read file", "host:x", "write_to_file:docs/**", "command:", "read: ", "edit:!a", "read:#a", "a\nb",
                           "read:a\nb", "edit:/"}) {
    CAPTURE(rule);
    const Status checked = check_rules({{}, {}, {rule}});
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::invalid_argument);
    CHECK(checked.error().message.find(rule) != std::string::npos);
    CHECK_FALSE(check_rules({{rule}, {}}));
    CHECK_FALSE(check_rules({{}, {rule}}));
  }
}

TEST_CASE("what is in .git is told by a whole name") {
  for (const char* path : {".git", ".git/config", "lib/.git", "lib/.git/hooks/x"}) CHECK(is_in_git(path));
  for (const char* path : {"", ".", "a.git/x", ".gitignore", ".github/x", "lib/.gitx/y"}) CHECK_FALSE(is_in_git(path));
}

TEST_CASE("the names a box keeps are protected files") {
  for (const std::string_view name : protected_names()) CHECK(is_protected(name));
  for (const std::string_view name : protected_git_files()) CHECK(is_protected(name));
}

TEST_CASE("protected files are those that steer agents and editors, wherever they are") {
  for (const char* path : {".roo", ".roo/rules/a.md", ".rooignore", "sub/.rooignore", ".roomodes", ".roorules-code",
                           ".clinerules", ".vscode/tasks.json", "a.code-workspace", "x/b.code-workspace", "AGENTS.md",
                           "pkg/AGENTS.md", "AGENT.md", "AGENTS.local.md", ".rooprotected", ".git", ".git/hooks/pre-commit",
                           "vendor/lib/.git/config"}) {
    CAPTURE(path);
    CHECK(is_protected(path));
  }
  for (const char* path : {".roots", ".roo.md", "roo/a", "src/AGENTS.md.txt", "agents.md", ".vscodes/x", ".gitignore", "a.git/x", "sub/.roo/rules.md", "src/main.cpp", "."}) {
    CAPTURE(path);
    CHECK_FALSE(is_protected(path));
  }
}

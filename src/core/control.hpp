// The control tools: those that act on the task itself. The core carries them out; no adapter does.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/event.hpp"
#include "model/tool.hpp"

namespace joey {

// ask_followup_question, attempt_completion, switch_mode, new_task, update_todo_list.
[[nodiscard]] std::span<const ToolSpec> control_tools();
[[nodiscard]] bool is_control_tool(std::string_view name);

struct FollowupArguments {
  std::string question;
  std::vector<Suggestion> suggestions;
};
struct CompletionArguments {
  std::string result;
};
struct SwitchModeArguments {
  std::string mode;
  std::string reason;
};
struct NewTaskArguments {
  std::string mode;
  std::string message;
  std::vector<Todo> todos;
};

// Each reads a call's arguments; the error is one line for the model that names the argument and what it must be.
[[nodiscard]] Result<FollowupArguments> read_followup(std::string_view arguments);
[[nodiscard]] Result<CompletionArguments> read_completion(std::string_view arguments);
[[nodiscard]] Result<SwitchModeArguments> read_switch_mode(std::string_view arguments);
[[nodiscard]] Result<NewTaskArguments> read_new_task(std::string_view arguments);
[[nodiscard]] Result<std::vector<Todo>> read_todo_list(std::string_view arguments);

// The items of a Markdown checklist: "[ ]" pending, "[x]" completed, "[-]" or "[~]" in progress, with or without a dash
// before; other lines are ignored.
[[nodiscard]] std::vector<Todo> parse_checklist(std::string_view text);
[[nodiscard]] std::string format_checklist(std::span<const Todo> todos);

}  // namespace joey

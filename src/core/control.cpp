#include "core/control.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/text.hpp"

namespace joey {
namespace {

using simdjson::SUCCESS;

// Reads fields of one JSON object; the first problem wins and stays.
class Reader {
 public:
  explicit Reader(std::string_view arguments) {
    if (parser_.parse(arguments.data(), arguments.size()).get(object_) != SUCCESS) {
      problem_ = "the arguments are not a JSON object";
    }
  }

  std::string required(const char* name) {
    std::string_view text;
    if (!problem_.empty()) return {};
    if (object_.at_key(name).get(text) != SUCCESS) {
      problem_ = fmt::format("argument \"{}\" is missing: it must be a string", name);
      return {};
    }
    if (trim(text).empty()) problem_ = fmt::format("argument \"{}\" is empty", name);
    return std::string(text);
  }

  // Null, like a missing field, is empty.
  std::string optional(const char* name) {
    simdjson::dom::element value;
    std::string_view text;
    if (!problem_.empty() || object_.at_key(name).get(value) != SUCCESS || value.is_null()) return {};
    if (value.get(text) != SUCCESS) problem_ = fmt::format("argument \"{}\" must be a string", name);
    return std::string(text);
  }

  simdjson::dom::object& object() { return object_; }
  std::string& problem() { return problem_; }

  template <class T>
  Result<T> finish(T value) {
    if (!problem_.empty()) return failure(ErrorCode::invalid_argument, problem_);
    return value;
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::object object_;
  std::string problem_;
};

std::vector<Suggestion> read_suggestions(Reader& reader) {
  constexpr std::size_t suggestions_max = 4;
  std::vector<Suggestion> suggestions;
  simdjson::dom::array list;
  if (!reader.problem().empty() || reader.object().at_key("follow_up").get(list) != SUCCESS) return suggestions;
  for (const auto item : list) {
    std::string_view text;
    std::string_view mode;
    // Models also send plain strings.
    if (item.get(text) != SUCCESS && item.at_key("text").get(text) != SUCCESS) {
      reader.problem() = "argument \"follow_up\" must be a list of {\"text\", \"mode\"}";
      return {};
    }
    if (item.at_key("mode").get(mode) != SUCCESS) mode = {};
    if (suggestions.size() < suggestions_max) suggestions.push_back({std::string(text), std::string(mode)});
  }
  return suggestions;
}

}  // namespace

std::span<const ToolSpec> control_tools() {
  static const std::vector<ToolSpec> specs{
      {"ask_followup_question",
       "Ask the person one question when you cannot go on without the answer and cannot find it out yourself. Give two "
       "to four complete answers to choose from.",
       R"({"type":"object","properties":{"question":{"type":"string","description":"The question, clear and specific."},"follow_up":{"type":"array","minItems":1,"maxItems":4,"description":"Suggested answers, the most likely first.","items":{"type":"object","properties":{"text":{"type":"string","description":"A complete answer, ready to be sent."},"mode":{"type":["string","null"],"description":"The slug of the mode to switch to when this answer is chosen, or null."}},"required":["text"],"additionalProperties":false}}},"required":["question","follow_up"],"additionalProperties":false})",
       ToolGroup::always, true},
      {"attempt_completion",
       "Say that the task is done, and present its result. Use it only after you have seen that every earlier step "
       "succeeded. It ends the task.",
       R"({"type":"object","properties":{"result":{"type":"string","description":"What was done and how it was checked. Final: no question, no offer of further help."}},"required":["result"],"additionalProperties":false})",
       ToolGroup::always, true},
      {"switch_mode",
       "Go on in another mode, when the task needs tools or a way of working that this mode does not have.",
       R"({"type":"object","properties":{"mode_slug":{"type":"string","description":"The slug of the mode, as \"code\"."},"reason":{"type":"string","description":"Why."}},"required":["mode_slug","reason"],"additionalProperties":false})",
       ToolGroup::modes, false},
      {"new_task",
       "Hand a part of the work to a new task with its own conversation. It sees only the message. Its result comes "
       "back as the result of this call.",
       R"({"type":"object","properties":{"mode":{"type":"string","description":"The slug of the mode that does it."},"message":{"type":"string","description":"Everything the new task must know and do."},"todos":{"type":["string","null"],"description":"A first checklist for it, one item a line as \"[ ] item\", or null."}},"required":["mode","message"],"additionalProperties":false})",
       ToolGroup::modes, false},
      {"update_todo_list",
       "Replace the todo list with a new one: the whole list, each item with its present status. Use it for work of "
       "several steps, and keep it true as you go.",
       R"({"type":"object","properties":{"todos":{"type":"string","description":"One item a line: \"[ ] pending\", \"[-] in progress\", \"[x] completed\"."}},"required":["todos"],"additionalProperties":false})",
       ToolGroup::always, true},
  };
  return specs;
}

bool is_control_tool(std::string_view name) {
  const auto specs = control_tools();
  return std::any_of(specs.begin(), specs.end(), [&](const ToolSpec& spec) { return spec.name == name; });
}

Result<FollowupArguments> read_followup(std::string_view arguments) {
  Reader reader(arguments);
  FollowupArguments out{reader.required("question"), read_suggestions(reader)};
  return reader.finish(std::move(out));
}

Result<CompletionArguments> read_completion(std::string_view arguments) {
  Reader reader(arguments);
  return reader.finish(CompletionArguments{reader.required("result")});
}

Result<SwitchModeArguments> read_switch_mode(std::string_view arguments) {
  Reader reader(arguments);
  SwitchModeArguments out{reader.required("mode_slug"), reader.optional("reason")};
  return reader.finish(std::move(out));
}

Result<NewTaskArguments> read_new_task(std::string_view arguments) {
  Reader reader(arguments);
  NewTaskArguments out{reader.required("mode"), reader.required("message"), {}};
  out.todos = parse_checklist(reader.optional("todos"));
  return reader.finish(std::move(out));
}

Result<std::vector<Todo>> read_todo_list(std::string_view arguments) {
  Reader reader(arguments);
  std::string text = reader.required("todos");
  auto todos = parse_checklist(text);
  if (reader.problem().empty() && todos.empty()) {
    reader.problem() = "argument \"todos\" has no item: write one a line, as \"[ ] item\"";
  }
  return reader.finish(std::move(todos));
}

std::vector<Todo> parse_checklist(std::string_view text) {
  std::vector<Todo> todos;
  for (std::string_view line : split_lines(text)) {
    line = trim(line);
    if (line.starts_with("- ")) line = trim(line.substr(2));
    if (line.size() < 4 || line[0] != '[' || line[2] != ']') continue;
    const std::string_view item = trim(line.substr(3));
    if (item.empty()) continue;
    switch (line[1]) {
      case ' ': todos.push_back({std::string(item), TodoStatus::pending}); break;
      case 'x':
      case 'X': todos.push_back({std::string(item), TodoStatus::completed}); break;
      case '-':
      case '~': todos.push_back({std::string(item), TodoStatus::in_progress}); break;
      default: break;
    }
  }
  return todos;
}

std::string format_checklist(std::span<const Todo> todos) {
  std::string out;
  for (const Todo& todo : todos) {
    const char mark = todo.status == TodoStatus::completed ? 'x' : todo.status == TodoStatus::in_progress ? '-' : ' ';
    fmt::format_to(std::back_inserter(out), "[{}] {}\n", mark, todo.text);
  }
  return out;
}

}  // namespace joey

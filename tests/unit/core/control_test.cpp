#include "core/control.hpp"

#include <doctest/doctest.h>
#include <simdjson.h>

using namespace joey;

namespace {

template <class T>
std::string problem(const Result<T>& result) {
  return result ? "none" : result.error().message;
}

}  // namespace

TEST_CASE("the control tools have schemas that are JSON and name what they require") {
  CHECK(control_tools().size() == 5);
  for (const ToolSpec& spec : control_tools()) {
    CAPTURE(spec.name);
    CHECK(is_control_tool(spec.name));
    simdjson::dom::parser parser;
    simdjson::dom::object schema;
    REQUIRE(parser.parse(spec.parameters).get(schema) == simdjson::SUCCESS);
    for (const std::string_view required : simdjson::dom::array(schema["required"])) {
      CHECK(schema["properties"][required].error() == simdjson::SUCCESS);
    }
  }
  CHECK_FALSE(is_control_tool("read_file"));
  CHECK_FALSE(is_control_tool(""));
}

TEST_CASE("a checklist is read as models write it") {
  const auto todos = parse_checklist("Plan:\n[ ] one\n- [x] two\n  - [X]  three \r\n[-] four\n[~] five\n[?] six\n[ ]\n[ ]   \n* [ ] seven\n[x]eight\n- no box");
  REQUIRE(todos.size() == 6);
  CHECK(todos[0] == Todo{"one", TodoStatus::pending});
  CHECK(todos[1] == Todo{"two", TodoStatus::completed});
  CHECK(todos[2] == Todo{"three", TodoStatus::completed});
  CHECK(todos[3] == Todo{"four", TodoStatus::in_progress});
  CHECK(todos[4] == Todo{"five", TodoStatus::in_progress});
  CHECK(todos[5] == Todo{"eight", TodoStatus::completed});
  CHECK(parse_checklist("").empty());
  CHECK(parse_checklist("[").empty());
}

TEST_CASE("a checklist that is written reads back the same") {
  const std::vector<Todo> todos{{"one", TodoStatus::pending}, {"two", TodoStatus::in_progress}, {"three", TodoStatus::completed}};
  CHECK(format_checklist(todos) == "[ ] one\n[-] two\n[x] three\n");
  CHECK(parse_checklist(format_checklist(todos)) == todos);
}

TEST_CASE("a question and its suggestions") {
  const auto question = read_followup(R"({"question":"Which?","follow_up":["A",{"text":"B","mode":"ask"},{"text":"C","mode":null},{"text":"D"},"E"]})");
  REQUIRE(question);
  CHECK(question->question == "Which?");
  CHECK(question->suggestions == std::vector<Suggestion>{{"A", ""}, {"B", "ask"}, {"C", ""}, {"D", ""}});  // four at most
  CHECK(read_followup(R"({"question":"Which?"})")->suggestions.empty());
  CHECK(read_followup(R"({"question":"Which?","follow_up":"A"})")->suggestions.empty());
  CHECK(problem(read_followup(R"({"follow_up":[]})")) == "argument \"question\" is missing: it must be a string");
  CHECK(problem(read_followup(R"({"question":7})")) == "argument \"question\" is missing: it must be a string");
  CHECK(problem(read_followup(R"({"question":" \n"})")) == "argument \"question\" is empty");
  CHECK(problem(read_followup(R"({"question":"Q","follow_up":[7]})")) == "argument \"follow_up\" must be a list of {\"text\", \"mode\"}");
  CHECK(problem(read_followup(R"({"question":"Q","follow_up":[{"mode":"ask"}]})")) == "argument \"follow_up\" must be a list of {\"text\", \"mode\"}");
}

TEST_CASE("what the other control tools take, and how they refuse") {
  CHECK(read_completion(R"({"result":"done"})")->result == "done");
  CHECK(problem(read_completion("{}")) == "argument \"result\" is missing: it must be a string");
  CHECK(problem(read_completion(R"({"result":"done")")) == "the arguments are not a JSON object");
  CHECK(problem(read_completion("[]")) == "the arguments are not a JSON object");
  CHECK(problem(read_completion("")) == "the arguments are not a JSON object");

  const auto mode = read_switch_mode(R"({"mode_slug":"ask","reason":null})");
  REQUIRE(mode);
  CHECK(mode->mode == "ask");
  CHECK(mode->reason.empty());
  CHECK(problem(read_switch_mode(R"({"mode_slug":"ask","reason":7})")) == "argument \"reason\" must be a string");
  CHECK(problem(read_switch_mode(R"({"reason":"r"})")) == "argument \"mode_slug\" is missing: it must be a string");

  const auto task = read_new_task(R"({"mode":"code","message":"m","todos":"[ ] a"})");
  REQUIRE(task);
  CHECK(task->todos == std::vector<Todo>{{"a", TodoStatus::pending}});
  CHECK(read_new_task(R"({"mode":"code","message":"m","todos":null})")->todos.empty());
  CHECK(problem(read_new_task(R"({"mode":"code","message":""})")) == "argument \"message\" is empty");
  CHECK(problem(read_new_task(R"({"mode":"code","message":"m","todos":[]})")) == "argument \"todos\" must be a string");

  CHECK(read_todo_list(R"({"todos":"[ ] a\n[x] b"})")->size() == 2);
  CHECK(problem(read_todo_list(R"({"todos":"a"})")) == "argument \"todos\" has no item: write one a line, as \"[ ] item\"");
}


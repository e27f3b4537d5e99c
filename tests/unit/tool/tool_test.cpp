#include "tool/tool.hpp"

#include <simdjson.h>

#include <stdexcept>

#include "tool/workspace_tools.hpp"
#include "tool_world.hpp"

using namespace joey;

TEST_CASE("the tools come in the order models know, each with a schema that is JSON") {
  std::vector<std::string> names;
  for (const auto& tool : workspace_tools()) {
    const ToolSpec& spec = tool->spec();
    names.push_back(spec.offered ? spec.name : "(" + spec.name + ")");
    CAPTURE(spec.name);
    simdjson::dom::parser parser;
    simdjson::dom::object schema;
    REQUIRE(parser.parse(spec.parameters).get(schema) == simdjson::SUCCESS);
    CHECK(std::string_view(schema["type"]) == "object");
    CHECK(bool(schema["additionalProperties"]) == false);
    for (const std::string_view required : simdjson::dom::array(schema["required"])) {
      CHECK(schema["properties"][required].error() == simdjson::SUCCESS);
    }
    CHECK(spec.read_only == (spec.group == ToolGroup::read || spec.group == ToolGroup::always));
    CHECK_FALSE(spec.description.empty());
  }
  CHECK(names == std::vector<std::string>{"read_file", "write_to_file", "apply_diff", "list_files", "search_files",
                                          "list_code_definition_names", "execute_command", "read_command_output",
                                          "run_slash_command", "skill", "generate_image",
                                          "(edit)", "(search_and_replace)", "(search_replace)", "(edit_file)",
                                          "(apply_patch)", "(insert_content)"});
}

namespace {

struct Telling final : TaskCommands {
  explicit Telling(std::string text, bool is_over = true) : news(std::move(text)), over(is_over) {}
  bool ended() const override { return over; }
  bool has_news() const override { return !news.empty(); }
  std::string take_news() override { return std::exchange(news, {}); }
  std::string news;
  bool over;
};

}  // namespace

TEST_CASE("news of the background is told once and within bounds, and what has ended and is told is dropped") {
  std::vector<std::shared_ptr<TaskCommands>> background{
      std::make_shared<Telling>("one\n"), std::make_shared<Telling>("two\n", false), std::make_shared<Telling>(std::string(500, '3')),
      std::make_shared<Telling>("four\n")};
  const std::string news = take_news(background, 300);
  CHECK(news.starts_with("one\n\ntwo\n\n333"));
  CHECK(news.size() <= 300);
  REQUIRE(background.size() == 2);  // two, which runs, and four
  CHECK(take_news(background, 300) == "four\n");
  CHECK(background.size() == 1);
  CHECK(take_news(background, 300).empty());
}

namespace {

class Throwing final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view, ToolContext&) const override { throw std::runtime_error("no memory"); }

 private:
  ToolSpec spec_{.name = "throwing", .description = {}, .parameters = {}, .group = {}, .read_only = false};
};

}  // namespace

TEST_CASE("a tool that throws fails, and a cancelled one does not begin") {
  ToolWorld world;
  CHECK(world.run(Throwing(), "{}").text == "throwing failed: no memory");
  const auto context = world.context();
  context->cancel.cancel();
  CHECK(world.run(Throwing(), "{}", context).text == "throwing was cancelled before it began");
}

#include "tool/tool.hpp"

#include <simdjson.h>

#include <stdexcept>

#include "tool_world.hpp"

using namespace joey;

TEST_CASE("the tools come in the order models know, each with a schema that is JSON") {
  std::vector<std::string> names;
  for (const auto& tool : workspace_tools()) {
    const ToolSpec& spec = tool->spec();
    names.push_back(spec.name);
    CAPTURE(spec.name);
    simdjson::dom::parser parser;
    simdjson::dom::object schema;
    REQUIRE(parser.parse(spec.parameters).get(schema) == simdjson::SUCCESS);
    CHECK(std::string_view(schema["type"]) == "object");
    CHECK(bool(schema["additionalProperties"]) == false);
    for (const std::string_view required : simdjson::dom::array(schema["required"])) {
      CHECK(schema["properties"][required].error() == simdjson::SUCCESS);
    }
    CHECK(spec.read_only == (spec.group == ToolGroup::read));
    CHECK_FALSE(spec.description.empty());
  }
  CHECK(names == std::vector<std::string>{"read_file", "write_to_file", "apply_diff", "list_files", "search_files",
                                          "execute_command", "generate_image"});
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

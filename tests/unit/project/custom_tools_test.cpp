#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

void put_tool(const TemporaryDirectory& directory, const std::string& name, const std::string& json) {
  directory.put(".roo/tools/" + name + "/tool.json", json);
}

}  // namespace

TEST_CASE("a tool's manifest reads with all its fields") {
  World world;
  put_tool(world.repository, "count_lines", R"({
    "name": "count_lines", "description": "Counts lines",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "command": ["./count", "--json"], "read_only": true, "timeout_s": 5
  })");
  put_tool(world.home, "plain", R"({"name":"plain","description":"Plain","command":["python3","tool.py"]})");
  const Project project = world.load();
  CHECK(project.warnings.empty());
  REQUIRE(project.tools.size() == 2);
  const CustomTool& tool = project.tools[0];
  CHECK(tool.spec.name == "count_lines");
  CHECK(tool.spec.description == "Counts lines");
  CHECK(tool.spec.parameters == R"({"type":"object","properties":{"path":{"type":"string"}},"required":["path"]})");
  CHECK(tool.spec.group == ToolGroup::custom);
  CHECK(tool.spec.read_only);
  CHECK(tool.command == std::vector<std::string>{"./count", "--json"});
  CHECK(tool.folder == ".roo/tools/count_lines");
  CHECK(tool.timeout == std::chrono::seconds(5));
  CHECK(tool.origin == Origin::project);
  CHECK(project.tools[1].origin == Origin::global);
  CHECK_FALSE(project.tools[1].spec.read_only);
  CHECK(project.tools[1].timeout == std::chrono::seconds(60));
}

TEST_CASE("a project's tool stands in place of a global one") {
  World world;
  put_tool(world.home, "t", R"({"name":"t","description":"global","command":["a"]})");
  put_tool(world.repository, "t", R"({"name":"t","description":"project","command":["b"]})");
  const Project project = world.load();
  REQUIRE(project.tools.size() == 1);
  CHECK(project.tools[0].spec.description == "project");
}

TEST_CASE("defect 31: listing tools runs nothing, and modules that would run inside are not loaded") {
  World world;
  put_tool(world.repository, "t", R"({"name":"t","description":"d","command":["./run"]})");
  world.repository.put(".roo/tools/t/run", "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\n");
  REQUIRE(::chmod((world.repository / ".roo/tools/t/run").c_str(), 0755) == 0);
  world.repository.put(".roo/tools/evil.ts", "export const tool = {}");
  world.repository.put(".roo/tools/evil.js", "x");
  const Project project = world.load();
  CHECK(project.tools.size() == 1);
  CHECK_FALSE(world.repository.exists(".roo/tools/t/ran"));
  CHECK(warns(project.warnings, {".roo/tools/evil.ts: is not loaded", "tool.json"}));
  CHECK(warns(project.warnings, {".roo/tools/evil.js: is not loaded"}));
}

TEST_CASE("a manifest that is not as it must be leaves its tool out with the field and what it must be") {
  struct Wrong {
    const char* json;
    const char* says;
  };
  static constexpr Wrong table[] = {
      {"nonsense", "not a JSON object"},
      {"[]", "not a JSON object"},
      {R"({"name":"other","description":"d","command":["a"]})", "\"name\" must be \"t\""},
      {R"({"description":"d","command":["a"]})", "\"name\" must be \"t\""},
      {R"({"name":"t","description":" ","command":["a"]})", "\"description\" must be a text"},
      {R"({"name":"t","description":"d","command":"a b"})", "\"command\" must be a list of texts"},
      {R"({"name":"t","description":"d","command":[]})", "\"command\" must be"},
      {R"({"name":"t","description":"d","command":["a", 1]})", "\"command\" must be"},
      {R"({"name":"t","description":"d","command":["../../bin/sh"]})", "\"command\" must be"},
      {R"({"name":"t","description":"d","command":["/bin/sh"]})", "\"command\" must be"},
      {R"({"name":"t","description":"d","command":["a\u0000b"]})", "\"command\" must be"},
      {R"({"name":"t","description":"d"})", "\"command\" must be"},
      {R"({"name":"t","description":"d","command":["a"],"parameters":[]})", "\"parameters\" must be a JSON Schema"},
      {R"({"name":"t","description":"d","command":["a"],"parameters":{"type":"string"}})", "\"parameters\" must be"},
      {R"({"name":"t","description":"d","command":["a"],"read_only":"yes"})", "\"read_only\" must be true or false"},
      {R"({"name":"t","description":"d","command":["a"],"timeout_s":0})", "\"timeout_s\" must be"},
      {R"({"name":"t","description":"d","command":["a"],"timeout_s":1e9})", "\"timeout_s\" must be"},
  };
  for (const Wrong& wrong : table) {
    CAPTURE(wrong.json);
    World world;
    put_tool(world.repository, "t", wrong.json);
    const Project project = world.load();
    CHECK(project.tools.empty());
    CHECK(warns(project.warnings, {".roo/tools/t/tool.json: is left out: ", wrong.says}));
  }
}

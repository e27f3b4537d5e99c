#include "tool/custom_tool.hpp"

#include <simdjson.h>

#include "base/text.hpp"
#include "tool_world.hpp"

using namespace joey;
using namespace std::chrono_literals;

namespace {

struct CustomToolWorld : ToolWorld {
  // A script in tools/, as its author would write it.
  void script(const std::string& text, const std::string& name = "tool") {
    file("tools/" + name, "#!/bin/sh\n" + text + "\n");
    std::filesystem::permissions(root + "/tools/" + name, std::filesystem::perms::owner_all);
  }
  [[nodiscard]] CustomToolSpec spec() const {
    CustomToolSpec result;
    result.name = "lookup";
    result.description = "Looks up.";
    result.parameters = R"({"type": "object", "properties": {}})";
    result.argv = {"./tool"};
    result.directory = "tools";
    return result;
  }
  ToolOutcome call(const std::string& script_text, const std::string& arguments = "{}") {
    script(script_text);
    return run(*make_custom_tool(spec()), arguments);
  }
};

}  // namespace

TEST_CASE_FIXTURE(CustomToolWorld, "defect 31: a custom tool is of a group of its own, which policies ask for, and runs outside this process") {
  const auto tool = make_custom_tool(spec());
  CHECK(tool->spec().name == "lookup");
  CHECK(tool->spec().description == "Looks up.");
  CHECK(tool->spec().parameters == R"({"type":"object","properties":{}})");
  CHECK(tool->spec().group == ToolGroup::custom);
  CHECK_FALSE(tool->spec().read_only);
  const auto outcome = call("echo $PPID; echo \"$SECRET\"");
  CHECK(outcome.text.find(std::to_string(getpid())) == std::string::npos);
}

TEST_CASE_FIXTURE(CustomToolWorld, "defect 28: making a tool runs nothing, and a cancelled call does not begin") {
  script("touch ran");
  const auto tool = make_custom_tool(spec());
  const auto with = context();
  with->cancel.cancel();
  CHECK(run(*tool, "{}", with).text == "lookup was cancelled before it began");
  CHECK_FALSE(std::filesystem::exists(root + "/tools/ran"));
}

TEST_CASE_FIXTURE(CustomToolWorld, "a tool reads what it is asked as one JSON object, and nothing of it goes through a shell") {
  script("cat >input; pwd; cat");
  auto with = context();
  with->task = "task_1";
  with->mode = "code";
  const std::string hostile = "$(touch pwned) `touch pwned` '\"; touch pwned #\n\\ \u20AC";
  const auto outcome = run(*make_custom_tool(spec()), arguments_of({{"q", hostile}}), with);
  CHECK(outcome.ok);
  CHECK(outcome.text == root + "/tools\n");
  simdjson::dom::parser parser;
  simdjson::dom::object input;
  const std::string text = bytes("tools/input");
  REQUIRE(parser.parse(text).get(input) == simdjson::SUCCESS);
  CHECK(std::string_view(input["tool"]) == "lookup");
  CHECK(std::string_view(input["arguments"]["q"]) == hostile);
  CHECK(std::string_view(input["task"]) == "task_1");
  CHECK(std::string_view(input["mode"]) == "code");
  CHECK(std::string_view(input["workspace"]) == root);
  CHECK_FALSE(std::filesystem::exists(root + "/tools/pwned"));
  CHECK(call("grep -c '\"task\"\\|\"mode\"'").text.starts_with("lookup failed."));  // no such fields, none counted
}

TEST_CASE_FIXTURE(CustomToolWorld, "an argument list is not a shell command") {
  auto with_arguments = spec();
  with_arguments.argv = {"printf", "%s|", "$(id)", "a b", "*", ";"};
  with_arguments.directory = {};
  CHECK(run(*make_custom_tool(with_arguments), "{}").text == "$(id)|a b|*|;|");
}

TEST_CASE_FIXTURE(CustomToolWorld, "an answer in JSON says whether it worked, what the model sees, and shows images") {
  file("tools/answer", R"(  {"text":"found \u20ac\n", "ok":true, "more":[1]}  )");
  auto outcome = call("cat answer");
  CHECK(outcome.ok);
  CHECK(outcome.text == "found \u20AC\n");
  outcome = call(R"(echo '{"ok":false,"text":"no such thing"}')");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "no such thing");
  outcome = call(R"(echo '{"ok":true,"text":"see","images":[{"media_type":"text/html","base64":"iVBORw0KGgoAAAAN"},{"base64":"/9j/AAAA"}]}')");
  REQUIRE(outcome.images.size() == 2);
  CHECK(outcome.images[0] == Image{"image/png", "iVBORw0KGgoAAAAN"});  // by its bytes
  CHECK(outcome.images[1].media_type == "image/jpeg");
  CHECK(outcome.text == "see");
}

TEST_CASE_FIXTURE(CustomToolWorld, "images that a provider would refuse are left out, and the model is told") {
  const auto outcome = call(
      R"(echo '{"ok":true,"text":"see","images":[{"base64":"PGh0bWw+"},{"base64":"iVBORw0KGgo*"},{"base64":"iVBORw0KGgo"},7,{},"iVBORw0KGgoAAAAN"]}')");
  CHECK(outcome.ok);
  CHECK(outcome.images.empty());
  CHECK(outcome.text.starts_with("see\n[6 of the tool's images left out: "));
  CHECK(holds(call(R"(echo '{"ok":true,"text":"see","images":"none"}')").text, "[1 of the tool's images left out"));
}

TEST_CASE_FIXTURE(CustomToolWorld, "what is no such object is text, and then the exit code says whether it worked") {
  for (const std::string text : {"plain text", R"({"ok":true,"text":)", R"({"ok":"yes","text":"x"})", R"({"text":"x"})", R"({"ok":true})",
                                 R"([{"ok":true,"text":"x"}])", R"({"ok":true,"text":"x"} {"ok":true,"text":"y"})"}) {
    CAPTURE(text);
    file("tools/answer", text);
    auto outcome = call("cat answer");
    CHECK(outcome.ok);
    CHECK(outcome.text == text);
    outcome = call("cat answer; exit 3");
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text.starts_with("lookup failed."));
    CHECK(holds(outcome.text, "Exit code: 3\n" + text));
  }
  CHECK(call("true").text == "lookup printed nothing.");
  CHECK(call("printf '\\377\\033[1mx'").text == "\uFFFDx");
}

TEST_CASE_FIXTURE(CustomToolWorld, "an exit code other than 0 is a failure, whatever was printed") {
  const auto outcome = call(R"(echo '{"ok":true,"text":"all well"}'; echo 'it broke' >&2; kill -SEGV $$)");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "lookup failed. The command was ended by SIGSEGV, core dump possible.\nall well\nError output:\nit broke\n");
}

TEST_CASE_FIXTURE(CustomToolWorld, "error output is shown while the tool runs, and is no part of the answer") {
  const auto outcome = call(R"(echo 'working...' >&2; echo '{"ok":true,'; echo 'half way' >&2; echo '"text":"done"}')");
  CHECK(outcome.ok);
  CHECK(outcome.text == "done");
  CHECK(streamed == "working...\nhalf way\n");
}

TEST_CASE_FIXTURE(CustomToolWorld, "huge output is bounded") {
  auto outcome = call("head -c 40000000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero >&2; echo end");
  CHECK(outcome.ok);
  CHECK(outcome.text.size() <= result_bytes_max);
  CHECK(holds(outcome.text, "bytes omitted"));
  CHECK(outcome.text.ends_with("end\n"));
  file("tools/large", R"({"ok":true,"text":")" + std::string(500'000, 'y') + "\"}");
  outcome = call("cat large");
  CHECK(outcome.ok);
  CHECK(outcome.text.size() <= result_bytes_max);
  CHECK(outcome.text.starts_with("yyy"));
  outcome = call("cat large; head -c 1000000 /dev/zero | tr '\\0' z >&2; exit 1");
  CHECK(outcome.text.size() <= result_bytes_max);
}

TEST_CASE_FIXTURE(CustomToolWorld, "input that is not read hinders nothing") {
  CHECK(call("exec <&-; echo fine", arguments_of({{"large", std::string(2'000'000, 'x')}})).text == "fine\n");
}

TEST_CASE_FIXTURE(CustomToolWorld, "a tool that hangs is ended with all it started") {
  script("trap '' TERM; echo partial; sleep 60 & echo $! >pid; while :; do sleep 1; done");
  auto limited = spec();
  limited.timeout = 500ms;
  const auto outcome = run(*make_custom_tool(limited), "{}");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text.starts_with("lookup was ended because it ran longer than its limit of 0.5 s.\npartial\n"));
  const std::string pid(trim(bytes("tools/pid")));
  CHECK(loop.run_until([&] { return !std::filesystem::exists("/proc/" + pid); }));
}

TEST_CASE_FIXTURE(CustomToolWorld, "a cancel ends a tool within a bound") {
  script("echo up >&2; sleep 60");
  const auto with = context();
  std::optional<ToolOutcome> outcome;
  make_custom_tool(spec())->run("{}", with, [&](ToolOutcome result) { outcome = std::move(result); });
  REQUIRE(loop.run_until([&] { return streamed == "up\n"; }));
  with->cancel.cancel();
  CHECK_FALSE(outcome);
  REQUIRE(loop.run_until([&] { return outcome.has_value(); }, 5s));
  CHECK_FALSE(outcome->ok);
  CHECK(outcome->text.starts_with("lookup was cancelled and ended."));
}

TEST_CASE_FIXTURE(CustomToolWorld, "the call ends with the executable, and what it left running with the call") {
  const auto outcome = call("sleep 60 & echo $! >pid; echo done");
  CHECK(outcome.text == "done\n");
  const std::string pid(trim(bytes("tools/pid")));
  CHECK(loop.run_until([&] { return !std::filesystem::exists("/proc/" + pid); }));
}

TEST_CASE_FIXTURE(CustomToolWorld, "a tool that cannot be run says which and why") {
  const auto failing = [&](std::vector<std::string> argv, std::string directory) {
    auto broken = spec();
    broken.argv = std::move(argv);
    broken.directory = std::move(directory);
    const auto outcome = run(*make_custom_tool(broken), "{}");
    CHECK_FALSE(outcome.ok);
    return outcome.text;
  };
  script("true");
  file("tools/plain", "#!/bin/sh\ntrue\n");
  file("tools/no-format", "true\n");
  std::filesystem::permissions(root + "/tools/no-format", std::filesystem::perms::owner_all);
  CHECK(holds(failing({"./missing"}, "tools"), "joey: cannot start \"./missing\": No such file or directory"));
  CHECK(holds(failing({"./plain"}, "tools"), "joey: cannot start \"./plain\": Permission denied"));
  CHECK(holds(failing({"./no-format"}, "tools"), "joey: cannot start \"./no-format\": Exec format error"));
  CHECK(holds(failing({"no-such-program-at-all"}, "tools"), "there is no program \"no-such-program-at-all\" in PATH"));
  CHECK(is_one_line(failing({"./tool"}, "no-such-directory")));
  CHECK(is_one_line(failing({"./tool"}, "../outside")));
  CHECK(failing({}, "tools") == "custom tool \"lookup\" has no command");
}

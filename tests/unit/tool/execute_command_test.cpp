#include "tool/execute_command.hpp"

#include "tool_world.hpp"

#include "base/text.hpp"

using namespace joey;
using namespace std::chrono_literals;

namespace {

std::string command(std::string_view text) { return arguments_of({{"command", text}}); }

// Whether the process that wrote its id into the file still runs.
bool runs(const ToolWorld& world, const std::string& pid_file) {
  const std::string pid = world.bytes(pid_file);
  REQUIRE_FALSE(pid.empty());
  return std::filesystem::exists("/proc/" + std::string(trim(pid)));
}

}  // namespace

TEST_CASE("a command's result holds where it ran, its exit code and its output in order") {
  ToolWorld world;
  world.file("sub/x", "");
  auto outcome = world.run("execute_command", command("echo out; echo err >&2; echo out2"));
  CHECK(outcome.ok);
  CHECK(outcome.text == "Command executed in terminal within working directory '" + world.root +
                            "'.\nExit code: 0\nOutput:\nout\nerr\nout2\n");
  CHECK(world.streamed == "out\nerr\nout2\n");
  outcome = world.run("execute_command", arguments_of({{"command", "pwd; exit 3"}, {"cwd", "sub"}}));
  CHECK(outcome.ok);  // it ran
  CHECK(holds(outcome.text, "Exit code: 3\nOutput:\n" + world.root + "/sub\n"));
  CHECK(holds(world.run("execute_command", command("kill -SEGV $$")).text, "SIGSEGV"));
  CHECK(holds(world.run("execute_command", command("sh -c 'kill -KILL $$'; exit 137")).text, "137 (ended by SIGKILL)"));
  CHECK(holds(world.run("execute_command", command("read x; echo \"[$x]\"")).text, "[]"));
}

TEST_CASE("output is bounded, clean and valid UTF-8") {
  ToolWorld world;
  auto outcome = world.run("execute_command", command("printf '\\033[31mred\\033[0m\\n1%%\\r2%%\\n\\377\\n'"));
  CHECK(holds(outcome.text, "Output:\nred\n2%\n\uFFFD\n"));
  outcome = world.run("execute_command", command("seq 1 200000"));
  CHECK(outcome.text.size() < 22'000);
  CHECK(holds(outcome.text, "Output:\n1\n2\n3\n"));
  CHECK(holds(outcome.text, "bytes omitted"));
  CHECK(outcome.text.ends_with("\n199999\n200000\n"));
  CHECK(is_utf8(outcome.text));
  world.result_bytes_max = 3000;
  CHECK(world.run("execute_command", command("seq 1 200000")).text.size() <= 3000);
}

TEST_CASE("a wrong call is one line that says so, and nothing runs") {
  ToolWorld world;
  world.file("file", "");
  for (const std::string& arguments :
       {std::string("{}"), arguments_of({{"command", "  "}}), arguments_of({{"command", "touch ran"}, {"cwd", ".."}}),
        arguments_of({{"command", "touch ran"}, {"cwd", "none"}}), arguments_of({{"command", "touch ran"}, {"cwd", "file"}}),
        arguments_of({{"command", "touch ran"}, {"timeout", "soon"}})}) {
    CAPTURE(arguments);
    const auto outcome = world.run("execute_command", arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
  }
  CHECK_FALSE(std::filesystem::exists(world.root + "/ran"));
}

TEST_CASE("a call ends with the shell, and what it left runs on until the task ends") {
  ToolWorld world;
  const auto start = std::chrono::steady_clock::now();
  const auto outcome = world.run("execute_command", command("sleep 30 & echo $! >pid; echo started"));
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, "still run in the background"));
  CHECK(holds(outcome.text, "Output:\nstarted\n"));
  REQUIRE(world.background.size() == 1);
  CHECK_FALSE(world.background[0]->ended());
  CHECK(runs(world, "pid"));
  world.background.clear();
  CHECK(world.loop.run_until([&] { return !runs(world, "pid"); }));
}

TEST_CASE("without a background what a command left is ended with the call") {
  ToolWorld world;
  world.has_background = false;
  const auto outcome = world.run("execute_command", command("sleep 30 & echo $! >pid; exit 2"));
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, "Exit code: 2"));
  CHECK(holds(outcome.text, "were still running and were ended"));
  CHECK(world.loop.run_until([&] { return !runs(world, "pid"); }));
}

TEST_CASE("with a timeout the call returns and the command goes on") {
  ToolWorld world;
  const auto outcome = world.run("execute_command", R"({"command":"echo hi; sleep 1.3; echo done >end","timeout":1})");
  CHECK(outcome.ok);
  CHECK(outcome.text.starts_with("Command is still running in the background"));
  CHECK(holds(outcome.text, "Output:\nhi\n"));
  REQUIRE(world.background.size() == 1);
  CHECK(world.loop.run_until([&] { return world.background[0]->ended(); }));
  CHECK(world.bytes("end") == "done\n");
  // What has ended is not kept when the next one comes.
  (void)world.run("execute_command", command("sleep 30 &"));
  CHECK(world.background.size() == 1);
}

TEST_CASE("the user's time limit ends a command, also one in the background") {
  ToolWorld world;
  const auto tool = execute_command_tool({.timeout = 1500ms, .end_grace = 200ms});
  auto outcome = world.run(*tool, command("echo hi; sleep 30"));
  CHECK_FALSE(outcome.ok);
  CHECK(holds(outcome.text, "longer than the limit of 1.5 s"));
  CHECK(holds(outcome.text, "Output:\nhi\n"));
  outcome = world.run(*tool, R"({"command":"sleep 30","timeout":1})");
  CHECK(outcome.ok);
  REQUIRE(world.background.size() == 1);
  CHECK(world.loop.run_until([&] { return world.background[0]->ended(); }, 5s));
}

TEST_CASE("a cancel ends the command within a bound, also one that ignores it") {
  ToolWorld world;
  const auto tool = execute_command_tool({.end_grace = 300ms});
  for (const char* text : {"echo $$ >pid; echo hi; sleep 30", "trap '' TERM; echo $$ >pid; echo hi; while :; do sleep 1; done"}) {
    CAPTURE(text);
    std::filesystem::remove(world.root + "/pid");
    world.streamed.clear();
    const auto context = world.context();
    std::optional<ToolOutcome> outcome;
    tool->run(command(text), context, [&](ToolOutcome result) { outcome = std::move(result); });
    REQUIRE(world.loop.run_until([&] { return world.streamed == "hi\n"; }));
    const auto start = std::chrono::steady_clock::now();
    context->cancel.cancel();
    CHECK_FALSE(outcome);
    REQUIRE(world.loop.run_until([&] { return outcome.has_value(); }));
    CHECK(std::chrono::steady_clock::now() - start < 3s);
    CHECK_FALSE(outcome->ok);
    CHECK(outcome->text == "The command was cancelled and ended.\nOutput:\nhi\n");
    CHECK(world.loop.run_until([&] { return !runs(world, "pid"); }));
    CHECK(world.background.empty());
  }
}

TEST_CASE("a cancelled call does not start") {
  ToolWorld world;
  const auto context = world.context();
  context->cancel.cancel();
  const auto outcome = world.run(*execute_command_tool(), command("touch ran"), context);
  CHECK_FALSE(outcome.ok);
  CHECK_FALSE(std::filesystem::exists(world.root + "/ran"));
}

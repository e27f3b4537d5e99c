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
  CHECK(holds(world.run("execute_command", command("kill -SEGV $$")).text, "ended by SIGSEGV, core dump possible."));
  CHECK(holds(world.run("execute_command", command("exit 134")).text, "Exit code: 134 (ended by SIGABRT, core dump possible)"));
  CHECK(holds(world.run("execute_command", command("exit 143")).text, "Exit code: 143 (ended by SIGTERM)"));
  CHECK(holds(world.run("execute_command", command("exit 255")).text, "Exit code: 255\n"));
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
  // What has ended is kept until that is told, and no longer.
  (void)world.run("execute_command", command("sleep 30 &"));
  CHECK(world.background.size() == 2);
  CHECK(holds(take_news(world.background, 10'000), "has ended"));
  CHECK(world.background.size() == 1);
}

TEST_CASE("the user's time limit ends a command, also one in the background") {
  ToolWorld world;
  const auto tool = execute_command_tool({.limits = {.time = 1500ms, .end_grace = 200ms}});
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
  const auto tool = execute_command_tool({.limits = {.end_grace = 300ms}});
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

TEST_CASE("a command that the user's limit does not apply to is named by its first words") {
  ToolWorld world;
  const auto tool = execute_command_tool({.limits = {.time = 200ms, .end_grace = 200ms}, .unlimited = {"", " sleep 0.5 ", "echo a"}});
  CHECK(holds(world.run(*tool, command("  sleep 0.5; exit 3")).text, "Exit code: 3"));
  CHECK(holds(world.run(*tool, command("sleep 0.5&&exit 3")).text, "Exit code: 3"));
  CHECK(holds(world.run(*tool, command("sleep 0.5d")).text, "longer than the limit of 0.2 s"));
  CHECK(holds(world.run(*tool, command("echo about; sleep 30")).text, "longer than the limit of 0.2 s"));
}

TEST_CASE("in a terminal a program finds one, and nobody types") {
  ToolWorld world;
  const auto outcome = world.run(
      "execute_command",
      R"json({"command":"test -t 0 && test -t 1 && stty size; read -r x; echo \"[$x] $?\"; printf '\\033[1mbold\\033[0m'","terminal":true})json");
  CHECK(holds(outcome.text, "Output:\n40 120\n[] 1\nbold"));
  const auto tool = execute_command_tool({.terminal = {77, 11}});
  CHECK(holds(world.run(*tool, R"({"command":"stty size","terminal":"true"})").text, "11 77"));
  CHECK(holds(world.run(*tool, command("test -t 1 || echo pipe")).text, "Output:\npipe\n"));
}

TEST_CASE("defect 49: a command whose runner fails is not run again") {
  ToolWorld world;
  const auto outcome = world.run("execute_command", command("echo ran >>log; kill -9 $PPID; sleep 30"));
  CHECK(holds(outcome.text, "ended by SIGKILL"));
  CHECK(world.bytes("log") == "ran\n");
}

TEST_CASE("a program that floods with one line is told in one") {
  ToolWorld world;
  CHECK(holds(world.run("execute_command", command("for i in $(seq 2000); do echo again and again; done")).text,
              "Output:\nagain and again\n[the line above came 1999 times more]\n"));
}

// --- Output kept whole ---

namespace {

struct ArtifactWorld : ToolWorld {
  ArtifactWorld() { artifacts = std::make_shared<Artifacts>(loop, chunks); }
  ~ArtifactWorld() { chunks->waiting.clear(); }  // completions hold what holds the chunks
  std::shared_ptr<HeldChunks> chunks = std::make_shared<HeldChunks>(loop);
};

}  // namespace

TEST_CASE_FIXTURE(ArtifactWorld, "output that fits is no artifact, and of longer output every byte is kept") {
  chunks->keep_from_now_on();
  CHECK(artifact_in(run("execute_command", command("seq 100")).text).empty());
  file("bytes", [] {
    std::string bytes;
    for (int i = 0; i < 500'000; ++i) bytes += static_cast<char>(i * 7 + i / 1000);
    return bytes;
  }());
  const auto outcome = run("execute_command", command("cat bytes; exit 3"));
  CHECK(outcome.ok);
  CHECK(outcome.text.starts_with("Command executed in '" + root + "'.\n"));
  CHECK(holds(outcome.text, "\nExit code: 3\n"));
  CHECK(holds(outcome.text, "\nOutput size: 488.3 KB (500000 bytes)\nArtifact ID: cmd-00001002.txt\nPreview:\n"));
  CHECK(outcome.text.ends_with("\nUse read_command_output with artifact_id \"cmd-00001002.txt\" to see more of it or to search it."));
  CHECK(outcome.text.size() < 64'000);
  CHECK(is_utf8(outcome.text));
  CHECK((whole(*this, *artifacts, artifact_in(outcome.text)) == bytes("bytes")));
  const auto next = run("execute_command", command("seq 100000"));
  CHECK(artifact_in(next.text) != artifact_in(outcome.text));
  CHECK(whole(*this, *artifacts, artifact_in(next.text)).ends_with("\n99999\n100000\n"));
}

TEST_CASE_FIXTURE(ArtifactWorld, "a flood of 50 MB waits for the store in bounded memory, and arrives whole") {
  constexpr std::size_t waiting_max = (std::size_t{4} << 20) + (std::size_t{1} << 20);
  std::optional<ToolOutcome> outcome;
  execute_command_tool()->run(command("head -c 52428800 /dev/zero | tr '\\0' '\\n'; echo end >ended; echo end"), context(),
                              [&](ToolOutcome result) { outcome = std::move(result); });
  REQUIRE(loop.run_until([&] { return chunks->waiting_bytes > std::size_t{4} << 20; }));
  // The store keeps nothing: whatever else happens on the loop, the command waits.
  chunks->holds = true;
  for (int i = 0; i < 10; ++i) {
    (void)run("execute_command", command("true"));
    CHECK(chunks->waiting_bytes < waiting_max);
  }
  CHECK_FALSE(outcome);
  CHECK_FALSE(std::filesystem::exists(root + "/ended"));
  chunks->keep_from_now_on();
  REQUIRE(loop.run_until([&] { return outcome.has_value(); }, 60s));
  CHECK(chunks->waiting_bytes_max < waiting_max);
  CHECK(holds(outcome->text, "Output size: 50.0 MB (52428804 bytes)"));
  const std::string kept = whole(*this, *artifacts, artifact_in(outcome->text));
  CHECK(kept.size() == 52'428'804);
  CHECK(std::count(kept.begin(), kept.end(), '\n') == 52'428'801);
  CHECK(kept.ends_with("\n\nend\n"));
}

TEST_CASE_FIXTURE(ArtifactWorld, "a command that waits for a store that never answers can be cancelled") {
  std::optional<ToolOutcome> outcome;
  const auto with = context();
  execute_command_tool({.limits = {.end_grace = 200ms}})->run(command("yes"), with, [&](ToolOutcome result) {
    outcome = std::move(result);
  });
  REQUIRE(loop.run_until([&] { return chunks->waiting_bytes > std::size_t{4} << 20; }));
  with->cancel.cancel();
  REQUIRE(loop.run_until([&] { return outcome.has_value(); }));
  CHECK_FALSE(outcome->ok);
  CHECK(outcome->text.starts_with("The command was cancelled and ended.\nOutput size: "));
}

TEST_CASE_FIXTURE(ArtifactWorld, "a store that fails does not stop the command, and the result says what is missing") {
  chunks->holds = false;
  chunks->fails = true;
  const auto outcome = run("execute_command", command("seq 1000000"));
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, "Exit code: 0"));
  CHECK(holds(outcome.text, "Of it only the first 0 bytes are kept: the disk is full."));
  CHECK(holds(outcome.text, "\n999999\n1000000\n"));
}

TEST_CASE_FIXTURE(ArtifactWorld, "defect 20: a cancel keeps the artifact, also for an engine that comes after") {
  chunks->keep_from_now_on();
  std::optional<ToolOutcome> outcome;
  const auto with = context();
  execute_command_tool()->run(command("seq 50000; sleep 30"), with, [&](ToolOutcome result) { outcome = std::move(result); });
  REQUIRE(loop.run_until([&] { return streamed.ends_with("\n50000\n"); }));
  with->cancel.cancel();
  REQUIRE(loop.run_until([&] { return outcome.has_value(); }));
  CHECK_FALSE(outcome->ok);
  const std::string id = artifact_in(outcome->text);
  REQUIRE_FALSE(id.empty());
  artifacts = std::make_shared<Artifacts>(loop, chunks);
  CHECK(whole(*this, *artifacts, id) == streamed);
}

// --- The background ---

TEST_CASE_FIXTURE(ArtifactWorld, "defect 48: a command in the background goes on writing its artifact") {
  chunks->keep_from_now_on();
  const auto outcome = run("execute_command", R"({"command":"echo first; until [ -e go ]; do sleep 0.01; done; seq 50000; exit 5","timeout":1})");
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, "You will be told its later output and its end."));
  const std::string id = artifact_in(outcome.text);
  REQUIRE_FALSE(id.empty());
  CHECK(holds(outcome.text, "Preview:\nfirst\n"));
  CHECK(whole(*this, *artifacts, id) == "first\n");
  CHECK(take_news(background, 10'000).empty());
  file("go", "");
  REQUIRE(background.size() == 1);
  CHECK(loop.run_until([&] { return background[0]->ended(); }));
  const std::string news = take_news(background, 10'000);
  CHECK(news.starts_with("The command `echo first; until [ -e go ]; do sleep 0.01; done; seq 50000; exit 5`, in the background"));
  CHECK(holds(news, "has ended.\n"));
  CHECK(holds(news, "Exit code: 5\n"));
  CHECK(holds(news, "Artifact ID: " + id + "\n"));
  CHECK(holds(news, "New output:\n1\n2\n"));
  CHECK(holds(news, "bytes omitted"));
  CHECK(news.ends_with("\n49999\n50000\n"));
  CHECK(news.size() < 5'000);
  CHECK(background.empty());
  const std::string kept = whole(*this, *artifacts, id);
  CHECK(kept.starts_with("first\n1\n2\n"));
  CHECK(kept.ends_with("\n50000\n"));
}

TEST_CASE("defect 48: the user's limit ends a command in the background too, and that is news") {
  ToolWorld world;
  const auto tool = execute_command_tool({.limits = {.time = 1500ms, .end_grace = 200ms}});
  const auto outcome = world.run(*tool, R"({"command":"sleep 30","timeout":1})");
  CHECK(outcome.text.starts_with("Command is still running in the background"));
  REQUIRE(world.background.size() == 1);
  CHECK(world.loop.run_until([&] { return world.background[0]->ended(); }));
  CHECK(holds(take_news(world.background, 10'000), "It ran longer than the limit of 1.5 s.\nThe command was ended by SIGTERM."));
}

TEST_CASE("later output is told once, in pieces as they are asked for, also what the shell left behind") {
  ToolWorld world;
  (void)world.run("execute_command",
                  command("(for f in a b; do until [ -e $f ]; do sleep 0.01; done; echo \"saw $f\"; done; until [ -e c ]; do sleep 0.01; done) & echo up"));
  REQUIRE(world.background.size() == 1);
  CHECK(take_news(world.background, 10'000).empty());
  for (const char* name : {"a", "b"}) {
    world.file(name, "");
    REQUIRE(world.loop.run_until([&] { return world.background[0]->has_news(); }));
    const std::string news = take_news(world.background, 10'000);
    CHECK(holds(news, "has left processes that still run.\n"));
    CHECK(news.ends_with(std::string("New output:\nsaw ") + name + "\n"));
    CHECK(news.find("Exit code") == std::string::npos);  // the result had it
    CHECK(take_news(world.background, 10'000).empty());
  }
  world.file("c", "");
  REQUIRE(world.loop.run_until([&] { return world.background[0]->ended(); }));
  CHECK(holds(take_news(world.background, 10'000), "has ended.\n"));
  CHECK(world.background.empty());
}

TEST_CASE_FIXTURE(ArtifactWorld, "the end of a task keeps what its commands in the background had written") {
  chunks->keep_from_now_on();
  const auto outcome = run("execute_command", R"({"command":"seq 30000; echo up; sleep 30","timeout":1})");
  background.clear();
  CHECK(whole(*this, *artifacts, artifact_in(outcome.text)).ends_with("\n30000\nup\n"));
}

// Hosts that are killed at random moments while they prepare boxes and run commands in them. Afterwards there must be no
// process, and after the next box no mount, cgroup, state of runc, private directory or placeholder.
//
// JOEY_BOX_KILLS=1000 kills as many; JOEY_BOX_SEED=N begins elsewhere.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loop.hpp"
#include "temporary.hpp"
#include "workspace/box.hpp"
#include "workspace/local.hpp"

namespace joey {
namespace {

using namespace test;

constexpr int kills_usual = 24;
constexpr int moment_ms_max = 500;    // after the host's start: preparing takes up to a third of it
constexpr int wait_ms_max = 20'000;   // for its processes to be gone, on a busy machine

long number_of(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtol(text, nullptr, 10);
}

BoxRules rules_of(const TemporaryDirectory& directory) {
  BoxRules rules;
  rules.workspace = directory / "ws";
  rules.hidden = {".env"};
  rules.read_only = {"AGENTS.md", ".roo"};
  rules.limits = {.memory = 256U << 20, .processes = 100};
  rules.temporary_parent = directory / "private";
  return rules;
}

// Commands, one after the other, of which each leaves something behind that does not want to end.
[[noreturn]] void be_host(BoxKind kind, const TemporaryDirectory& directory) {
  TestLoop loop;
  const auto workspace = open_local_workspace(directory / "ws", {.loop = loop.handle(), .scheduler = &loop});
  const auto box = prepare_box(kind, rules_of(directory));
  if (!workspace || !box) ::_exit(3);
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::vector<std::unique_ptr<Command>> commands;
  for (;;) {
    CommandSpec spec{"(trap '' TERM HUP INT; setsid sleep 1000 &); (sleep 1000 &); mkdir -p $TMPDIR/x; echo up; sleep 0.0$((RANDOM % 9))", {}, {}};
    spec.box = *box;
    recorders.push_back(std::make_unique<Recorder>());
    auto command = (*workspace)->start(std::move(spec), *recorders.back());
    if (!command) ::_exit(4);
    commands.push_back(std::move(*command));
    loop.run_until([&] { return recorders.back()->exit.has_value(); }, std::chrono::seconds(60));
    if (commands.size() > 2) commands.erase(commands.begin());
  }
}

// Whether this process has no child left, born or adopted.
bool is_alone() {
  for (int i = 0; i < wait_ms_max; ++i) {
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (pid < 0) return true;
    ::usleep(1'000);
  }
  return false;
}

std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  FILE* pipe = ::popen(command.c_str(), "r");
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) lines.emplace_back(line);
  ::pclose(pipe);
  return lines;
}

// A supervisor's pid, or 0.
pid_t supervisor_of(pid_t host) {
  const auto lines = lines_of(fmt::format("pgrep -P {} -x joey-supervisor", host));
  return lines.empty() ? 0 : static_cast<pid_t>(std::strtol(lines.front().c_str(), nullptr, 10));
}

TEST_CASE("hosts that are killed at any moment leave nothing") {
  const TemporaryDirectory directory("/var/tmp");
  directory.put("ws/.env", "hidden");
  directory.put("ws/AGENTS.md", "rules\n");
  directory.make("private");
  // Whatever loses its parent becomes this process's child, so that none is overlooked.
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const long kills = number_of("JOEY_BOX_KILLS", kills_usual);
  const long seed = number_of("JOEY_BOX_SEED", 1);
  const auto mounts = lines_of("cat /proc/self/mountinfo").size();

  std::vector<BoxKind> kinds;
  for (const BoxKind kind : {BoxKind::landlock, BoxKind::bubblewrap, BoxKind::oci}) {
    if (const auto box = probe_box(kind, rules_of(directory))) {
      kinds.push_back(kind);
    } else {
      MESSAGE("skipped: " << box.error().message);
    }
  }
  std::map<std::string, int> killed;
  for (long i = 0; i < kills && !kinds.empty(); ++i) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed + i));
    const BoxKind kind = kinds[static_cast<std::size_t>(i) % kinds.size()];
    const auto moment_us = static_cast<useconds_t>(random() % (moment_ms_max * 1'000));
    // Landlock cannot end what was daemonized when its supervisor is killed as well.
    const bool also_supervisor = kind != BoxKind::landlock && random() % 4 == 0;
    const std::string name = fmt::format("seed {}: {}{}, killed after {} us", seed + i, to_string(kind),
                                         also_supervisor ? " and its supervisor" : "", moment_us);
    CAPTURE(name);
    std::fflush(nullptr);
    const pid_t host = ::fork();
    if (host == 0) be_host(kind, directory);
    ::usleep(moment_us);
    const pid_t supervisor = also_supervisor ? supervisor_of(host) : 0;
    ::kill(host, SIGKILL);
    if (supervisor > 0) ::kill(supervisor, SIGKILL);
    int status = 0;
    ::waitpid(host, &status, 0);
    CHECK(WIFSIGNALED(status));  // it had not ended by itself
    // When nobody is left who knows of it, a container that runc was about to start waits for that until the next box.
    const bool may_wait = also_supervisor && kind == BoxKind::oci;
    if (!may_wait) CHECK(is_alone());
    ++killed[std::string(to_string(kind))];

    // The next box, which a command runs in, and goes.
    {
      TestLoop loop;
      const auto workspace = open_local_workspace(directory / "ws", {.loop = loop.handle(), .scheduler = &loop});
      REQUIRE(workspace);
      const auto box = prepare_box(kind, rules_of(directory));
      REQUIRE(box);
      CHECK(directory.count("private") == 1);
      Recorder recorder;
      CommandSpec spec{"true", {}, {}};
      spec.box = *box;
      const auto command = workspace.value()->start(std::move(spec), recorder);
      REQUIRE(command);
      REQUIRE(loop.run_until([&] { return recorder.ended; }, std::chrono::seconds(60)));
      CHECK(recorder.exit->code == 0);
    }
    CHECK(is_alone());
    CHECK(directory.count("private") == 0);
    CHECK_FALSE(directory.exists("ws/.roo"));
    CHECK(lines_of("find /sys/fs/cgroup -type d -name 'joey-box-" + fmt::to_string(host) + "-*' 2>/dev/null").empty());
    CHECK(lines_of("cat /proc/self/mountinfo").size() == mounts);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  for (const auto& [kind, count] : killed) MESSAGE(fmt::format("{}: {} hosts killed", kind, count));
}

}  // namespace
}  // namespace joey

// What does a box cost a command: from start() to on_end() of `true`, beside the same without a box and beside a bare
// fork and exec of the shell?
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/uv_loop.hpp"
#include "support.hpp"
#include "workspace/box.hpp"
#include "workspace/local.hpp"

namespace {

using joey::BoxKind;

constexpr int runs = 101;

struct Sink final : joey::CommandSink {
  void on_output(std::string_view) override {}
  void on_exit(joey::CommandExit exit) override { code = exit.code; }
  void on_end() override { ended = true; }
  bool ended{false};
  int code{-1};
};

double spawn_ms() {
  const bench::Nanoseconds began = bench::wall_now();
  char shell[] = "/bin/bash";
  char option[] = "-c";
  char command[] = "true";
  char* arguments[] = {shell, option, command, nullptr};
  char* nothing[] = {nullptr};
  pid_t pid = -1;
  if (::posix_spawn(&pid, shell, nullptr, nullptr, arguments, nothing) != 0) std::exit(1);
  ::waitpid(pid, nullptr, 0);
  return static_cast<double>(bench::wall_now() - began) / 1e6;
}

double command_ms(joey::UvLoop& loop, joey::Workspace& workspace, const std::shared_ptr<const joey::Box>& box) {
  Sink sink;
  joey::CommandSpec spec{"true", {}, {}};
  spec.box = box;
  const bench::Nanoseconds began = bench::wall_now();
  const auto command = workspace.start(std::move(spec), sink);
  if (!command) {
    std::fprintf(stderr, "%s\n", command.error().message.c_str());
    std::exit(1);
  }
  while (!sink.ended) loop.step(1'000);
  if (sink.code != 0) std::exit(1);
  return static_cast<double>(bench::wall_now() - began) / 1e6;
}

struct Case {
  const char* name;
  BoxKind kind;
  bool guarded;
  std::shared_ptr<const joey::Box> box{};
  std::vector<double> times{};
};

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  const bench::Scratch scratch;
  const std::string root = std::filesystem::canonical(scratch.path("")).string() + "/ws";
  std::filesystem::create_directories(root + "/.git/hooks");
  for (int i = 0; i < 30; ++i) std::filesystem::create_directories(fmt::format("{}/d{}", root, i));
  joey::UvLoop loop;
  const auto workspace = joey::open_local_workspace(root, {.loop = loop.handle(), .scheduler = &loop});
  if (!workspace) return 1;

  Case cases[] = {{"no box", BoxKind::none, false},
                  {"landlock", BoxKind::landlock, false},
                  {"landlock, guarded paths", BoxKind::landlock, true},
                  {"bubblewrap", BoxKind::bubblewrap, false},
                  {"bubblewrap, guarded paths", BoxKind::bubblewrap, true},
                  {"oci", BoxKind::oci, false},
                  {"oci, guarded paths", BoxKind::oci, true}};
  for (Case& each : cases) {
    joey::BoxRules rules;
    rules.workspace = root;
    rules.limits.memory = std::uint64_t{1} << 30;
    rules.limits.processes = 512;
    if (each.guarded) {
      rules.hidden = {".git/hooks"};
      rules.read_only = {"AGENTS.md", ".roo"};
    }
    const bench::Nanoseconds began = bench::wall_now();
    auto box = joey::prepare_box(each.kind, rules);
    if (!box) {
      std::fprintf(stderr, "%s: %s\n", each.name, box.error().message.c_str());
      continue;
    }
    each.box = *box;
    if (each.box) report.line(fmt::format("preparing: {}", each.name), static_cast<double>(bench::wall_now() - began) / 1e6, "ms");
  }
  // In turn, so that what else the machine does hits all alike.
  std::vector<double> bare;
  for (int run = 0; run < runs; ++run) {
    bare.push_back(spawn_ms());
    for (Case& each : cases) {
      if (each.kind == BoxKind::none || each.box) each.times.push_back(command_ms(loop, **workspace, each.box));
    }
  }
  const double base = bench::median(bare);
  report.line("fork and exec of the shell", base, "ms");
  for (const Case& each : cases) {
    if (each.times.empty()) continue;
    const double time = bench::median(each.times);
    report.line(each.name, time, "ms", fmt::format("{:.2f} times a bare shell", time / base));
  }
}

// How long do 1,000 tasks of 10 turns take when they run at once in one process on one loop thread, and in how much
// memory?
#include <cstdio>
#include <string>
#include <vector>

#include "session.hpp"

namespace {

constexpr int tasks = 1'000;
constexpr int turns = 10;
constexpr int system_bytes = 16'000;

struct Result {
  double wall_s{0};
  double cpu_s{0};
  double peak_mb{0};
};

struct Case {
  const char* name;
  bool in_memory;
  joey::Durability durability;
  std::uint32_t requests_max;  // 0: the engine's default, which tasks wait in line for
};
constexpr Case cases[] = {
    {"memory", true, joey::Durability::process, 0},
    {"process", false, joey::Durability::process, 0},
    {"full", false, joey::Durability::full, 0},
    {"process_all_requests", false, joey::Durability::process, tasks},
};

Result run_bare(const bench::Scratch& scratch, const std::string& workspace) {
  const bench::ScriptedModel model(scratch, bench::reading_script(turns), false);
  bench::Process client({bench::bare_client_path(), "many", model.port(), std::to_string(tasks), std::to_string(turns),
                         std::to_string(system_bytes), workspace});
  double wall = 0;
  double cpu = 0;
  double peak = 0;
  if (std::sscanf(client.wait().c_str(), "%lf %lf %lf", &wall, &cpu, &peak) != 3) std::exit(1);
  return {wall / 1e9, cpu / 1e9, peak / 1024};
}

// In a process of its own, which is this program again: its peak is then this case's.
Result run_joey(const Case& c) {
  bench::Process self({"/proc/self/exe", c.name});
  Result result;
  if (std::sscanf(self.wait().c_str(), "%lf %lf %lf", &result.wall_s, &result.cpu_s, &result.peak_mb) != 3) std::exit(1);
  return result;
}

int run_case(const Case& c) {
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, turns);
  const bench::ScriptedModel model(scratch, bench::reading_script(turns), false);
  const bench::Nanoseconds began = bench::wall_now();
  const bench::Nanoseconds cpu_began = bench::process_cpu_now();
  joey::EngineOptions engine_options{.durability = c.durability, .requests_max = c.requests_max};
  if (!c.in_memory) engine_options.database = scratch.path("journal.db");
  joey::Engine engine(engine_options);
  joey::Subscription events(engine, {.deltas = false});
  joey::Session session(engine, bench::session_options(model, workspace));
  std::vector<joey::Task> running;
  for (int i = 1; i <= tasks; ++i) running.push_back(session.start("Read the notes, " + std::to_string(i) + "."));
  std::vector<joey::Event> batch(256);
  for (int ended = 0; ended < tasks;) {
    for (const joey::Event& event : events.next(batch)) {
      if (event.kind() != joey::EventKind::task_ended) continue;
      ++ended;
      if (event.name() != "completed") std::fprintf(stderr, "a task failed: %.*s\n", static_cast<int>(event.json().size()), event.json().data());
    }
  }
  std::printf("%f %f %f\n", static_cast<double>(bench::wall_now() - began) / 1e9,
              static_cast<double>(bench::process_cpu_now() - cpu_began) / 1e9,
              static_cast<double>(bench::resident_peak_bytes()) / 1048576);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  for (const Case& c : cases) {
    if (count == 2 && c.name == std::string_view(arguments[1])) return run_case(c);
  }
  const bench::Options options = bench::parse_options(count, arguments);
  const bench::Report report(options);
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, turns);

  constexpr int rounds = 3;
  const auto middle = [&](auto run) {
    std::vector<double> wall;
    std::vector<double> cpu;
    std::vector<double> peak;
    for (int round = 0; round < rounds; ++round) {
      const Result one = run();
      wall.push_back(one.wall_s);
      cpu.push_back(one.cpu_s);
      peak.push_back(one.peak_mb);
    }
    return Result{bench::median(wall), bench::median(cpu), bench::median(peak)};
  };
  const Result bare = middle([&] { return run_bare(scratch, workspace); });
  report.line("concurrent.bare_client.wall", bare.wall_s, "s", "1,000 conversations of 10 turns over epoll");
  report.line("concurrent.bare_client.peak", bare.peak_mb, "MB");
  for (const Case& c : cases) {
    const Result one = middle([&] { return run_joey(c); });
    const std::string name = std::string("concurrent.") + c.name;
    char detail[80];
    std::snprintf(detail, sizeof detail, "%.1f times the bare client's", one.wall_s / bare.wall_s);
    report.line(name + ".wall", one.wall_s, "s", c.requests_max == 0 ? detail : "every task's request may be under way");
    report.line(name + ".cpu", one.cpu_s, "s", "of joey's process, all threads");
    report.line(name + ".peak", one.peak_mb, "MB");
  }
  return 0;
}

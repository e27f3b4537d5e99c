// How much memory does a task take while it works, while it waits for a person, and when it has ended?
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "session.hpp"

namespace {

constexpr int tasks = 1'000;

struct Case {
  const char* name;
  int turns;              // of reading, before what the case is about
  const char* last_turn;  // of the script
  int at_once;            // tasks that work at the same time
  joey::EventKind until;  // each task has come to it
  const char* detail;
};
constexpr Case cases[] = {
    {"live", 0, R"({"delay_ms":600000,"text":"..."})", tasks, joey::EventKind::model_requested, "its request waits for the model"},
    {"waiting", 2,
     R"({"tools":[{"name":"ask_followup_question","arguments":{"question":"Which?","follow_up":[{"text":"This one"}]}}]})",
     50, joey::EventKind::question_asked, "50 at a time, half a minute after it asked a person"},
    {"ended", 2, R"({"tools":[{"name":"attempt_completion","arguments":{"result":"Read."}}]})", 50, joey::EventKind::task_ended, "50 at a time"},
};

std::atomic<std::int64_t> lead_ms{0};

std::int64_t clock_now(void*) {
  return lead_ms + std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
                       .count();
}

// Prints the growth of the process per task, in bytes.
int run_case(const Case& c, bool in_memory) {
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, c.turns);
  std::string script = bench::reading_script(c.turns);
  script.resize(script.find(R"({"tools":[{"name":"attempt_completion")"));
  const bench::ScriptedModel model(scratch, script + c.last_turn + "]}]}", false);

  joey_clock_vtable clock = JOEY_CLOCK_VTABLE_INIT;
  clock.now = clock_now;
  joey::EngineOptions engine_options{.durability = joey::Durability::process, .requests_max = 2 * tasks, .clock = &clock};
  if (!in_memory) engine_options.database = scratch.path("journal.db");
  joey::Engine engine(engine_options);
  joey::Session session(engine, bench::session_options(model, workspace));
  joey::Subscription events(engine, {.deltas = false});
  std::vector<joey::Event> batch(64);
  int wanted = 0;
  int seen = 0;
  const auto start = [&](int from, int count) {
    wanted += count;
    for (int i = from; i < from + count; ++i) (void)session.start("Read the notes, " + std::to_string(i) + ".");
    while (seen < wanted) {
      for (const joey::Event& event : events.next(batch)) seen += event.kind() == c.until ? 1 : 0;
    }
  };
  start(0, 10);  // what every process pays once
  if (c.at_once < tasks) start(10, c.at_once);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const std::size_t before = bench::resident_bytes();
  for (int from = 1'000; from < 1'000 + tasks; from += c.at_once) {
    start(from, c.at_once);
    if (c.until == joey::EventKind::question_asked) lead_ms += 31'000;
    std::this_thread::sleep_for(std::chrono::milliseconds(c.at_once < tasks ? 50 : 300));
  }
  const std::size_t after = bench::resident_bytes();
  std::printf("%f\n", static_cast<double>(after > before ? after - before : 0) / tasks);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3) {
    for (const Case& c : cases) {
      if (c.name == std::string_view(arguments[1])) return run_case(c, std::string_view(arguments[2]) == "memory");
    }
  }
  const bench::Report report(bench::parse_options(count, arguments));
  for (const char* const store : {"memory", "sqlite"}) {
    for (const Case& c : cases) {
      std::vector<double> bytes;
      for (int round = 0; round < 3; ++round) {
        double one = 0;
        if (std::sscanf(bench::Process({"/proc/self/exe", c.name, store}).wait().c_str(), "%lf", &one) != 1) return 1;
        bytes.push_back(one);
      }
      report.line(std::string("memory.") + store + "." + c.name, bench::median(bytes) / 1024, "KB",
                  std::string("resident, a task, of 1,000: ") + c.detail);
    }
  }
  return 0;
}

// How long does joey take between the last byte of an answer and the first byte of the next request, for a turn that
// reads a small file, and does that grow with the conversation?
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session.hpp"

namespace {

using bench::Nanoseconds;

constexpr int system_bytes = 16'000;  // about what joey's own prompt and tools take

struct Case {
  const char* name;
  joey::Durability durability;
  bool followed;  // a subscriber takes every event, deltas too
};
constexpr Case cases[] = {
    {"process", joey::Durability::process, false},
    {"process_followed", joey::Durability::process, true},
    {"full", joey::Durability::full, false},
};

// The times of each turn of one conversation, in microseconds; index 0 is turn 2's.
struct Run {
  std::vector<double> turns_us;   // the client's: from the last byte of an answer to the first of the next request
  std::vector<double> rounds_us;  // from the last byte of a request to the first of the next: with the server's part
  double cpu_us{0};  // of the client's process, a turn
};

Run take(bench::ScriptedModel& model) {
  Run run;
  Nanoseconds asked_at = 0;
  for (const bench::Timing& t : model.timings()) {
    if (t.client >= 0) {
      run.turns_us.push_back(static_cast<double>(t.client) / 1e3);
      run.rounds_us.push_back(static_cast<double>(t.first_byte_at - asked_at) / 1e3);
    }
    asked_at = t.last_byte_at;
  }
  return run;
}

Run run_joey(const Case& c, int turns) {
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, turns);
  bench::ScriptedModel model(scratch, bench::reading_script(turns), true);
  Nanoseconds cpu = 0;
  {
    joey::Engine engine({.database = scratch.path("journal.db"), .durability = c.durability});
    std::optional<joey::Subscription> events;
    if (c.followed) events.emplace(engine);
    joey::Session session(engine, bench::session_options(model, workspace));
    cpu = bench::process_cpu_now();
    const joey::Task task = session.start("Read the notes.");
    if (c.followed) {
      std::vector<joey::Event> batch(64);
      for (bool ended = false; !ended;) {
        for (const joey::Event& event : events->next(batch)) ended = ended || event.kind() == joey::EventKind::task_ended;
      }
    } else {
      bench::wait_for_end(engine, task);
    }
    cpu = bench::process_cpu_now() - cpu;
  }
  Run run = take(model);
  run.cpu_us = static_cast<double>(cpu) / 1e3 / turns;
  return run;
}

Run run_bare(int turns) {
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, turns);
  bench::ScriptedModel model(scratch, bench::reading_script(turns), true);
  bench::Process client({bench::bare_client_path(), "turns", model.port(), std::to_string(turns),
                         std::to_string(system_bytes), workspace});
  long long wall = 0;
  long long cpu = 0;
  if (std::sscanf(client.wait().c_str(), "%lld %lld", &wall, &cpu) != 2) std::exit(1);
  Run run = take(model);
  run.cpu_us = static_cast<double>(cpu) / 1e3 / turns;
  return run;
}

// What one commit of a write-ahead log asks of the disk: some pages written, and their fdatasync.
double fdatasync_us(bool grows) {
  const bench::Scratch scratch;
  const int fd = open(scratch.path("log").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string pages(2 * 4120, 'p');
  constexpr int times = 200;
  const auto write_at = [&](int i) {
    if (pwrite(fd, pages.data(), pages.size(), static_cast<off_t>(pages.size()) * i) < 0) std::perror("pwrite");
  };
  if (!grows) {
    for (int i = 0; i < times; ++i) write_at(i);
    fsync(fd);
  }
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    write_at(i);
    const Nanoseconds before = bench::wall_now();
    if (fdatasync(fd) != 0) std::perror("fdatasync");
    took.push_back(static_cast<double>(bench::wall_now() - before) / 1e3);
  }
  close(fd);
  return bench::median(std::move(took));
}

// The median over the turns around `turn`, of all runs together.
double around(const std::vector<Run>& runs, std::size_t turn, std::vector<double> Run::*times = &Run::turns_us) {
  const std::size_t half = std::max<std::size_t>(turn / 20, 4);
  std::vector<double> values;
  for (const Run& run : runs) {
    for (std::size_t i = turn - 1 - half; i <= turn - 1 + half; ++i) {
      if (i < (run.*times).size()) values.push_back((run.*times)[i]);
    }
  }
  return bench::median(std::move(values));
}

// Median of the last 100 turns over that of the first 100, of each run, then of the runs.
double flatness(const std::vector<Run>& runs) {
  std::vector<double> ratios;
  for (const Run& run : runs) {
    const auto& t = run.rounds_us;
    ratios.push_back(bench::median({t.end() - 100, t.end()}) / bench::median({t.begin() + 1, t.begin() + 101}));
  }
  return bench::median(std::move(ratios));
}

void report_case(const bench::Report& report, const std::string& name, const std::vector<Run>& runs,
                 const std::vector<Run>& bare, int turns) {
  for (const std::size_t turn : {10U, 100U, 1'000U, 10'000U}) {
    if (turn > static_cast<std::size_t>(turns)) break;
    // A client on the server's processor can run before the server has looked at its clock, so the two are compared with
    // the server's part, which is the same in both.
    const double round = around(runs, turn, &Run::rounds_us);
    const double bare_round = around(bare, turn, &Run::rounds_us);
    char detail[120];
    std::snprintf(detail, sizeof detail, "with the server's part %.1f, which is %.1f times the bare client's %.1f", round,
                  round / bare_round, bare_round);
    report.line(name + ".turn_" + std::to_string(turn), around(runs, turn), "us", detail);
  }
  std::vector<double> cpu;
  for (const Run& run : runs) cpu.push_back(run.cpu_us);
  std::vector<double> bare_cpu;
  for (const Run& run : bare) bare_cpu.push_back(run.cpu_us);
  char detail[120];
  std::snprintf(detail, sizeof detail, "process time of the whole turn; the bare client's %.1f", bench::median(bare_cpu));
  report.line(name + ".cpu", bench::median(cpu), "us", detail);
  std::snprintf(detail, sizeof detail, "last 100 over first 100 of %d turns, with the server's part; the bare client's %.2f", turns, flatness(bare));
  report.line(name + ".flatness", flatness(runs), "ratio", detail);
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Options options = bench::parse_options(count, arguments);
  const bench::Report report(options);
  const int turns = options.full_length ? 10'000 : 1'000;
  const int rounds = options.full_length ? 1 : 5;

  std::map<std::string, std::vector<Run>> runs;
  std::vector<Run> bare;
  std::vector<double> sync_grows;
  std::vector<double> sync_overwrites;
  for (int round = 0; round < rounds; ++round) {  // in turns, so that a noisy moment is everybody's
    bare.push_back(run_bare(turns));
    for (const Case& c : cases) runs[c.name].push_back(run_joey(c, turns));
    sync_grows.push_back(fdatasync_us(true));
    sync_overwrites.push_back(fdatasync_us(false));
  }
  report.line("turn_overhead.bare_client", around(bare, 100), "us", "the same exchange, no journal, at turn 100");
  for (const Case& c : cases) report_case(report, std::string("turn_overhead.") + c.name, runs[c.name], bare, turns);

  const double sync = bench::median(sync_overwrites);
  report.line("turn_overhead.fdatasync", sync, "us", "two pages of a file that has its size");
  const double sync_growing = bench::median(sync_grows);
  report.line("turn_overhead.fdatasync_growing", sync_growing, "us", "two pages at the end of a file");
  const double more = around(runs["full"], 100) - around(runs["process"], 100);
  char detail[120];
  std::snprintf(detail, sizeof detail, "at turn 100: %.0f us for two commits; %.2f of the growing file's", more, more / sync_growing);
  report.line("turn_overhead.full_minus_process", more / sync, "fdatasyncs", detail);
  return 0;
}

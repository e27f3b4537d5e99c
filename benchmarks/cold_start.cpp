// How long from the start of a process to its first request at the server?
#include <cstdio>
#include <string>
#include <vector>

#include "support.hpp"

namespace {

constexpr int times = 21;

// Starts `command` again and again; the time from just before each start to its request's first byte, in milliseconds.
std::vector<double> starts(bench::ScriptedModel& model, const std::vector<std::string>& command,
                           const std::string& fresh_database) {
  std::vector<bench::Nanoseconds> began;
  for (int i = 0; i < times; ++i) {
    std::vector<std::string> full = command;
    if (!fresh_database.empty()) full.insert(full.end(), {"--db", fresh_database + std::to_string(i) + ".db"});
    began.push_back(bench::wall_now());
    bench::Process(full).wait();
  }
  std::vector<double> took;
  for (const bench::Timing& t : model.timings()) {
    took.push_back(static_cast<double>(t.first_byte_at - began[took.size()]) / 1e6);
  }
  return took;
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Options options = bench::parse_options(count, arguments);
  const bench::Report report(options);
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, 1);
  const std::string script = bench::reading_script(0);
  const auto joey_run = [&](const bench::ScriptedModel& model) {
    return std::vector<std::string>{bench::program_path("joey"), "run", "Read the notes.", "--workspace", workspace,
                                    "--provider", "anthropic", "--model", "scripted-1", "--base-url", model.url()};
  };

  bench::ScriptedModel for_bare(scratch, script, true);
  const double bare = bench::median(starts(for_bare, {bench::bare_client_path(), "once", for_bare.port()}, ""));
  bench::ScriptedModel for_new(scratch, script, true);
  const double with_new = bench::median(starts(for_new, joey_run(for_new), scratch.path("new")));
  bench::ScriptedModel for_existing(scratch, script, true);
  auto command = joey_run(for_existing);
  command.insert(command.end(), {"--db", scratch.path("existing.db")});
  const double with_existing = bench::median(starts(for_existing, command, ""));

  report.line("cold_start.bare_client", bare, "ms", "a C program that connects and sends");
  report.line("cold_start.new_database", with_new, "ms", "joey run, to its first request; makes its database");
  report.line("cold_start.existing_database", with_existing, "ms", "joey run, to its first request");
  return 0;
}

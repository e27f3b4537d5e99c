// What the benchmarks share: clocks, medians, a scripted model to talk to, other processes, and the lines they print.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using Nanoseconds = std::int64_t;

[[nodiscard]] Nanoseconds wall_now();         // CLOCK_MONOTONIC, as the scripted model's
[[nodiscard]] Nanoseconds process_cpu_now();  // of all threads of this process
[[nodiscard]] std::size_t resident_bytes();   // of this process, now
[[nodiscard]] std::size_t resident_peak_bytes();

[[nodiscard]] double median(std::vector<double> values);

// What the command line asks of a benchmark.
struct Options {
  bool json{false};
  bool full_length{false};  // --long
};
[[nodiscard]] Options parse_options(int count, char** arguments);

// Prints one line per case: "name  value unit  (detail)", or a JSON object with these members.
class Report {
 public:
  explicit Report(const Options& options) : json_(options.json) {}
  void line(std::string_view name, double value, std::string_view unit, std::string_view detail = "") const;

 private:
  bool json_;
};

// A directory on the disk the build is on, removed at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string path(std::string_view name) const { return (root_ / name).string(); }

 private:
  std::filesystem::path root_;
};

// notes/1.txt ... notes/N.txt in `directory`: the small files that the scripted tasks read.
void write_notes(const std::string& directory, int count);
// A script whose tasks read notes/1.txt ... notes/TURNS.txt, one a turn, and then complete.
[[nodiscard]] std::string reading_script(int turns);

[[nodiscard]] std::string program_path(std::string_view name);  // of the build's bin/
[[nodiscard]] std::string bare_client_path();

// A child process. Its standard output is read whole at its end.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void signal(int number) const;
  // What it printed. Throws unless it ended with 0.
  std::string wait();

 private:
  pid_t pid_{-1};
  int output_{-1};
};

// One request as the server saw it, in nanoseconds of CLOCK_MONOTONIC.
struct Timing {
  std::uint64_t conversation{0};
  int turn{0};
  Nanoseconds first_byte_at{0};
  Nanoseconds last_byte_at{0};
  Nanoseconds answered_at{0};
  Nanoseconds client{0};  // from the answer before it to its first byte; -1 for a conversation's first
};

// A scripted model on loopback, in a process of its own.
class ScriptedModel {
 public:
  ScriptedModel(const Scratch& scratch, std::string_view script, bool timed, bool logged = false);

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + port_; }
  [[nodiscard]] const std::string& port() const { return port_; }
  // Ends it.
  [[nodiscard]] std::vector<Timing> timings();
  [[nodiscard]] std::vector<std::string> log_lines();

 private:
  void stop();

  std::string timing_path_;
  std::string log_path_;
  std::string port_;
  std::unique_ptr<Process> process_;
};

}  // namespace bench

#include "support.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

extern char** environ;

namespace bench {
namespace {

Nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return Nanoseconds{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::filesystem::path own_directory() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

Nanoseconds wall_now() { return read_clock(CLOCK_MONOTONIC); }
Nanoseconds process_cpu_now() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t resident_peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Options parse_options(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--json") {
      options.json = true;
    } else if (argument == "--long") {
      options.full_length = true;
    } else {
      std::fprintf(stderr, "usage: %s [--json] [--long]\n", arguments[0]);
      std::exit(2);
    }
  }
  return options;
}

void Report::line(std::string_view name, double value, std::string_view unit, std::string_view detail) const {
  const auto width = [](std::string_view text) { return static_cast<int>(text.size()); };
  if (json_) {
    std::printf("{\"name\":\"%.*s\",\"value\":%.6g,\"unit\":\"%.*s\",\"detail\":\"%.*s\"}\n", width(name), name.data(), value,
                width(unit), unit.data(), width(detail), detail.data());
  } else {
    const int decimals = value >= 1000 ? 0 : value >= 100 ? 1 : 2;
    std::printf("%-40.*s %10.*f %-8.*s", width(name), name.data(), decimals, value, width(unit), unit.data());
    if (!detail.empty()) std::printf("  (%.*s)", width(detail), detail.data());
    std::printf("\n");
  }
  std::fflush(stdout);
}

Scratch::Scratch() {
  std::string pattern = (own_directory() / "scratch.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) check(errno, "a scratch directory");
  root_ = pattern;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void write_notes(const std::string& directory, int count) {
  const std::filesystem::path notes = std::filesystem::path(directory) / "notes";
  std::filesystem::create_directories(notes);
  for (int i = 1; i <= count; ++i) {
    std::ofstream out(notes / (std::to_string(i) + ".txt"));
    out << "Note " << i << "\n\nBread, butter, cheese.\nThe train leaves at 7:42.\nCall back before noon.\n";
  }
}

std::string reading_script(int turns) {
  std::string reading;
  if (turns > 0) {
    reading = R"({"repeat":)" + std::to_string(turns) +
              R"(,"tools":[{"name":"read_file","arguments":{"path":"notes/{turn}.txt"}}]},)";
  }
  return R"({"conversations":[{"turns":[)" + reading +
         R"({"tools":[{"name":"attempt_completion","arguments":{"result":"Read."}}]}]}]})";
}

std::string program_path(std::string_view name) { return (own_directory().parent_path() / "bin" / name).string(); }
std::string bare_client_path() { return (own_directory() / "bench_bare_client").string(); }

Process::Process(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) check(errno, "pipe2");
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int error = posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  output_ = ends[0];
  check(error, arguments[0]);
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) close(output_);
}

void Process::signal(int number) const { kill(pid_, number); }

std::string Process::wait() {
  std::string output;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(output_, buffer, sizeof buffer)) > 0) output.append(buffer, static_cast<std::size_t>(got));
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("a process failed: " + output);
  return output;
}

ScriptedModel::ScriptedModel(const Scratch& scratch, std::string_view script, bool timed, bool logged) {
  static int number = 0;
  const std::string name = scratch.path("model" + std::to_string(++number));
  const std::string port_path = name + ".port";
  std::ofstream(name + ".json") << script;
  std::vector<std::string> command{program_path("joey-scripted-model"), "--script", name + ".json", "--validate", "off",
                                   "--port-file", port_path};
  if (timed) command.insert(command.end(), {"--turn-timing", timing_path_ = name + ".csv"});
  if (logged) command.insert(command.end(), {"--log", log_path_ = name + ".log"});
  process_ = std::make_unique<Process>(command);
  for (int tries = 0; port_.empty() && tries < 1'000; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::ifstream(port_path) >> port_;
  }
  if (port_.empty()) throw std::runtime_error("the scripted model did not start");
}

void ScriptedModel::stop() {
  if (!process_) return;
  process_->signal(SIGTERM);
  process_->wait();
  process_.reset();
}

std::vector<Timing> ScriptedModel::timings() {
  stop();
  std::vector<Timing> timings;
  std::istringstream in(read_file(timing_path_));
  std::string line;
  while (std::getline(in, line)) {
    Timing t;
    unsigned long long conversation = 0;
    long long first = 0;
    long long last = 0;
    long long answered = 0;
    long long client = 0;
    if (std::sscanf(line.c_str(), "%llx,%d,%lld,%lld,%lld,%lld", &conversation, &t.turn, &first, &last, &answered,
                    &client) != 6) {
      continue;  // the heading
    }
    t.conversation = conversation;
    t.first_byte_at = first;
    t.last_byte_at = last;
    t.answered_at = answered;
    t.client = client;
    timings.push_back(t);
  }
  return timings;
}

std::vector<std::string> ScriptedModel::log_lines() {
  stop();
  std::vector<std::string> lines;
  std::istringstream in(read_file(log_path_));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace bench

#include "workspace/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/memfd.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "workspace/box_network.hpp"
#include "workspace/box_parts.hpp"
#include "workspace/local.hpp"
#include "workspace/supervisor.hpp"
#include "workspace/watch.hpp"

// The supervisor program, as the linker left it.
extern "C" {
extern const char joey_supervisor_image[] __attribute__((visibility("hidden")));
extern const char joey_supervisor_image_end[] __attribute__((visibility("hidden")));
}
asm(".pushsection .rodata\n"
    ".globl joey_supervisor_image, joey_supervisor_image_end\n"
    ".hidden joey_supervisor_image, joey_supervisor_image_end\n"
    "joey_supervisor_image: .incbin \"" JOEY_SUPERVISOR_FILE "\"\n"
    "joey_supervisor_image_end:\n"
    ".popsection\n");

namespace joey {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t argument_size_max = 128 * 1024 - 1;  // bytes of one string: MAX_ARG_STRLEN less its NUL
constexpr std::size_t read_size = 16 * 1024;               // bytes
constexpr int reads_per_turn = 4;                          // of one command's output, then others have their turn
constexpr int terminal_drain_max = 1 << 20;                // bytes read from a terminal at the end; it holds less
constexpr milliseconds end_delay_max{5'000};               // beyond the grace: then on_end() comes in any case
constexpr milliseconds reap_max{5'000};                    // for a supervisor that was told to kill everything

tl::unexpected<Error> system_failure(std::string_view what, int error) {
  ErrorCode code = ErrorCode::io;
  if (error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM) code = ErrorCode::limit;
  if (error == ENOSYS || error == EACCES || error == EPERM) code = ErrorCode::unsupported;
  if (error == E2BIG) code = ErrorCode::invalid_argument;
  return failure(code, fmt::format("command: {}: {}", what, std::strerror(error)));
}

// ---------------------------------------------------------------------------------------------------------------------
// What the shell is given

Status check_argument(std::string_view what, std::string_view text) {
  if (const auto nul = text.find('\0'); nul != text.npos) {
    return failure(ErrorCode::invalid_argument, fmt::format("command: {} has a NUL at byte {}", what, nul));
  }
  if (text.size() > argument_size_max) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("command: {} has {} bytes, more than the {} the system takes", what, text.size(),
                               argument_size_max));
  }
  return {};
}

Status check(const CommandSpec& spec) {
  if (spec.input && spec.input->size() > command_input_size_max) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("command: its input has {} bytes, more than {}", spec.input->size(),
                               command_input_size_max));
  }
  if (spec.argv.empty()) return check_argument("the command", spec.command);
  for (std::size_t i = 0; i < spec.argv.size(); ++i) {
    if (auto ok = check_argument(i == 0 ? "the program" : fmt::format("argument {}", i), spec.argv[i]); !ok) return ok;
  }
  return {};
}

// Read once, at the first command: getenv() is not safe beside a host that changes its environment later.
const std::vector<std::string>& clean_environment() {
  static const std::vector<std::string> environment = [] {
    std::vector<std::string> clean{"LANG=C.UTF-8", "TERM=dumb", "PAGER=cat", "GIT_PAGER=cat"};
    for (const char* name : {"HOME", "USER", "LOGNAME", "TMPDIR", "TZ"}) {
      if (const char* value = std::getenv(name)) clean.push_back(fmt::format("{}={}", name, value));
    }
    const char* path = std::getenv("PATH");
    if (!path) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    clean.push_back(fmt::format("PATH={}", path));
    return clean;
  }();
  return environment;
}

Result<std::vector<std::string>> make_environment(const CommandSpec& spec) {
  std::vector<std::string> environment = clean_environment();
  const auto set = [&](const std::string& name, const std::string& value) {
    const std::string prefix = name + '=';
    std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
    environment.push_back(prefix + value);
  };
  if (spec.terminal) {
    std::replace(environment.begin(), environment.end(), std::string("TERM=dumb"), std::string("TERM=xterm-256color"));
  }
  const auto* box = static_cast<const PreparedBox*>(spec.box.get());
  if (box) {
    for (const auto& [name, value] : box->environment()) set(name, value);
  }
  if (box && spec.network && box->rules().proxy_port != 0) {
    for (const auto& [name, value] : spec.network->environment()) set(name, value);
  }
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != name.npos) {
      return failure(ErrorCode::invalid_argument, fmt::format("command: \"{}\" is no name of a variable", name));
    }
    set(name, value);
    if (auto ok = check_argument(fmt::format("the variable {}", name), environment.back()); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
  }
  if (box) return boxed_environment(*box, std::move(environment));
  return environment;
}

struct Program {
  std::string path;
  std::vector<std::string> arguments;  // the first is its name
};

// By execvp()'s rules, but that a relative directory in PATH is not looked into.
Result<std::string> find_program(const std::string& name, const std::vector<std::string>& environment) {
  if (name.find('/') != name.npos) return name;
  constexpr std::string_view variable = "PATH=";
  const auto path = std::find_if(environment.begin(), environment.end(),
                                 [&](const std::string& entry) { return entry.starts_with(variable); });
  std::string_view rest = path == environment.end() ? std::string_view() : std::string_view(*path).substr(variable.size());
  while (!rest.empty() && !name.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    std::string candidate = fmt::format("{}/{}", directory, name);
    struct stat status = {};
    if (directory.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &status) == 0 &&
        S_ISREG(status.st_mode)) {
      return candidate;
    }
  }
  return failure(ErrorCode::not_found, fmt::format("command: there is no program {} in PATH", quoted_path(name)));
}

Result<Program> program_of(const CommandSpec& spec, const std::vector<std::string>& environment) {
  if (spec.argv.empty()) {
    const std::string shell(command_shell());
    return Program{shell, {shell, "-c", "--", spec.command}};
  }
  auto path = find_program(spec.argv.front(), environment);
  if (!path) return tl::unexpected(std::move(path.error()));
  return Program{std::move(*path), spec.argv};
}

// As exec wants them. The strings must outlive it; nothing writes to them.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& string : strings) out.push_back(const_cast<char*>(string.c_str()));
  out.push_back(nullptr);
  return out;
}

// ---------------------------------------------------------------------------------------------------------------------
// Pipes and terminals

struct Ends {
  Descriptor input;
  Descriptor output;
  Descriptor errors;  // empty: they are the output
};

struct Streams {
  Ends command;  // of a terminal the output alone, which is all three
  Ends engine;   // an empty input: nothing is to be written
  Descriptor input_reader;  // kept beside a pipe's writing end, which therefore never raises SIGPIPE in the host
};

Status open_pipe(Descriptor& reader, Descriptor& writer) {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) < 0) return system_failure("pipe", errno);
  reader = Descriptor{pair[0]};
  writer = Descriptor{pair[1]};
  return {};
}

Status duplicate(const Descriptor& from, Descriptor& to) {
  to = Descriptor{::fcntl(from.get(), F_DUPFD_CLOEXEC, 0)};
  if (!to) return system_failure("dup", errno);
  return {};
}

// The host must not get it as its own controlling terminal, and /dev/pts may be another's.
Status open_terminal(const TerminalSize& size, Descriptor& engine, Descriptor& command) {
  engine = Descriptor{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
  if (!engine) return system_failure("opening a terminal", errno);
  const int locked = 0;
  if (::ioctl(engine.get(), TIOCSPTLCK, &locked) < 0) return system_failure("unlocking a terminal", errno);
  command = Descriptor{::ioctl(engine.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)};
  if (!command) return system_failure("opening a terminal's other end", errno);
  const winsize window{size.rows, size.columns, 0, 0};
  if (::ioctl(command.get(), TIOCSWINSZ, &window) < 0) return system_failure("sizing a terminal", errno);
  return {};
}

Result<Streams> open_streams(const CommandSpec& spec) {
  Streams streams;
  Ends& command = streams.command;
  Ends& engine = streams.engine;
  Status ok;
  if (spec.terminal) {
    ok = open_terminal(*spec.terminal, engine.output, command.output);
    if (ok && spec.input) ok = duplicate(engine.output, engine.input);
  } else {
    ok = open_pipe(engine.output, command.output);
    if (ok && spec.separate_errors) ok = open_pipe(engine.errors, command.errors);
    if (ok && spec.input) {
      ok = open_pipe(command.input, engine.input);
      if (ok) ok = duplicate(command.input, streams.input_reader);
    } else if (ok) {
      command.input = Descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
      if (!command.input) ok = system_failure("opening /dev/null", errno);
    }
  }
  if (!ok) return tl::unexpected(std::move(ok.error()));
  return streams;
}

// What is written to the engine's end of the input. The end-of-file character ends a terminal's line, too, and only at
// the beginning of a line the file.
std::string input_of(CommandSpec& spec) {
  std::string input = std::move(spec.input).value_or(std::string());
  if (!spec.terminal) return input;
  constexpr char end_of_file = '\x04';
  if (!input.empty() && input.back() != '\n') input += end_of_file;
  return input += end_of_file;
}

// ---------------------------------------------------------------------------------------------------------------------
// Starting the supervisor

// The supervisor program as a file that lives in memory. Closed at exec, which is too late to hinder it.
Result<Descriptor> open_supervisor() {
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3; without it newer kernels may refuse to run the file
#endif
  Descriptor file{::memfd_create("joey-supervisor", MFD_CLOEXEC | MFD_EXEC)};
  if (!file && errno == EINVAL) file = Descriptor{::memfd_create("joey-supervisor", MFD_CLOEXEC)};
  if (!file) return system_failure("memfd_create", errno);
  std::span<const char> rest{joey_supervisor_image, joey_supervisor_image_end};
  while (!rest.empty()) {
    const ssize_t size = ::write(file.get(), rest.data(), rest.size());
    if (size < 0) return system_failure("writing the supervisor", errno);
    rest = rest.subspan(static_cast<std::size_t>(size));
  }
  return file;
}

// A supervisor that runs, and the engine's ends of it. Its end is the end of the command: it waits for that.
class Supervisor {
 public:
  static Result<Supervisor> start(int directory_fd, const Program& program, const CommandSpec& spec,
                                  const std::vector<std::string>& environment);

  Supervisor(Supervisor&&) noexcept = default;
  Supervisor& operator=(Supervisor&&) noexcept = default;
  ~Supervisor() {
    if (!process_) return;
    // Not only closed: a child that the host forked may hold a copy of the socket.
    ::shutdown(control_.get(), SHUT_RDWR);
    wake();
    pollfd ended{process_.get(), POLLIN, 0};
    ::poll(&ended, 1, static_cast<int>(reap_max.count()));
    reap();
  }

  [[nodiscard]] int process() const { return process_.get(); }  // readable when it has ended
  [[nodiscard]] int control() const { return control_.get(); }  // readable when it has something to report
  [[nodiscard]] const Ends& ends() const { return ends_; }
  explicit operator bool() const { return static_cast<bool>(process_); }
  // In a box with an init: what counts as the shell's end is that one's report.
  [[nodiscard]] bool has_init() const { return has_init_; }

  // The engine's end of what the box's connections are announced on; empty: there are none.
  Descriptor take_network() { return std::move(network_); }

  void close_input() {
    ends_.input.close();
    input_reader_.close();
  }

  std::optional<supervisor::Report> report() {
    supervisor::Report report{};
    const ssize_t size = ::recv(control_.get(), &report, sizeof report, MSG_DONTWAIT);
    if (size != static_cast<ssize_t>(sizeof report)) return std::nullopt;
    return report;
  }

  void terminate(milliseconds grace) {
    const supervisor::TerminateRequest request{static_cast<std::int32_t>(grace.count())};
    ::send(control_.get(), &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT);
    wake();
  }

  // After it has ended. A host that waits for any child may have been faster; the pidfd knows no other process.
  void reap() {
    siginfo_t information;
    ::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &information, WEXITED | WNOHANG);
    process_.close();
  }

 private:
  Supervisor() = default;

  // The command could have stopped it.
  void wake() { ::syscall(SYS_pidfd_send_signal, process_.get(), SIGCONT, nullptr, 0); }

  std::shared_ptr<const Box> box_;
  std::shared_ptr<void> remains_;  // of its box; released after its end
  Descriptor process_;             // a pidfd
  Descriptor control_;
  Ends ends_;
  Descriptor input_reader_;
  Descriptor network_;
  bool has_init_{false};
};

// What the supervisor starts: the program, or what closes a box around it first.
struct Launch {
  Program program;
  std::vector<int> passed;
  bool has_terminal{false};
  BoxLaunch box;
};

Result<Launch> make_launch(const Program& program, const CommandSpec& spec, const std::vector<std::string>& environment,
                           int directory, int output, int control, int network) {
  Launch launch{program, {}, spec.terminal.has_value(), {}};
  if (!spec.box) return launch;
  const BoxRequest request{program.path, program.arguments, environment, launch.has_terminal, directory, output, control,
                           network};
  auto box = static_cast<const PreparedBox&>(*spec.box).launch(request);
  if (!box) return tl::unexpected(std::move(box.error()));
  launch.program = {box->path, box->arguments};
  launch.passed = box->descriptors;
  launch.has_terminal = launch.has_terminal && !box->has_init;
  launch.box = std::move(*box);
  return launch;
}

// What posix_spawn() takes, freed with its owner.
class SpawnOptions {
 public:
  SpawnOptions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t all;
    ::sigfillset(&all);  // the supervisor keeps it
    ::posix_spawnattr_setsigmask(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
  ~SpawnOptions() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }

  // In the child alone: a descriptor duplicated onto itself is no longer closed at exec.
  int inherit(int fd) { return ::posix_spawn_file_actions_adddup2(&actions_, fd, fd); }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// posix_spawn() suspends the calling thread alone, until exec, and copies no memory, however large the host.
Result<Supervisor> Supervisor::start(int directory_fd, const Program& program, const CommandSpec& spec,
                                     const std::vector<std::string>& environment) {
  auto image = open_supervisor();
  if (!image) return tl::unexpected(std::move(image.error()));
  auto streams = open_streams(spec);
  if (!streams) return tl::unexpected(std::move(streams.error()));
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return system_failure("socketpair", errno);
  Supervisor supervisor;
  supervisor.control_ = Descriptor{pair[0]};
  Descriptor control{pair[1]};
  supervisor.ends_ = std::move(streams->engine);
  supervisor.input_reader_ = std::move(streams->input_reader);

  Ends command = std::move(streams->command);
  const int output = command.output.get();
  const int input = command.input ? command.input.get() : output;
  const int errors = command.errors ? command.errors.get() : output;
  Descriptor network;  // the box's end
  if (spec.box && spec.network && spec.box->rules().proxy_port != 0) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return system_failure("socketpair", errno);
    supervisor.network_ = Descriptor{ends[0]};
    network = Descriptor{ends[1]};
  }
  auto launch = make_launch(program, spec, environment, directory_fd, output, control.get(), network.get());
  if (!launch) return tl::unexpected(std::move(launch.error()));
  supervisor.box_ = spec.box;
  supervisor.has_init_ = launch->box.has_init;
  supervisor.remains_ = launch->box.remains;
  SpawnOptions options;
  std::vector<int> inherited = launch->passed;
  inherited.insert(inherited.end(), {control.get(), input, output, errors, directory_fd});
  for (const int fd : inherited) {
    if (const int error = options.inherit(fd)) return system_failure("posix_spawn", error);
  }
  std::vector<std::string> arguments{"joey-supervisor",
                                     fmt::to_string(control.get()),
                                     fmt::to_string(input),
                                     fmt::to_string(output),
                                     fmt::to_string(errors),
                                     fmt::to_string(directory_fd),
                                     fmt::to_string(::getpid()),
                                     launch->has_terminal ? "1" : "0",
                                     fmt::format("{}", fmt::join(launch->passed, ",")),
                                     launch->program.path};
  arguments.insert(arguments.end(), launch->program.arguments.begin(), launch->program.arguments.end());
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, fmt::format("/proc/self/fd/{}", image->get()).c_str(), options.actions(),
                                  options.attributes(), pointers(arguments).data(), pointers(environment).data());
  if (error) return system_failure("cannot run its supervisor from memory", error);

  // Makes room for the next one, where descriptors are scarce.
  image->close();
  command = Ends{};
  control.close();
  supervisor.process_ = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!supervisor.process_) {
    const int reason = errno;
    supervisor.control_.close();  // it ends, and has not started anything
    ::waitpid(pid, nullptr, 0);
    return system_failure("pidfd_open", reason);
  }
  const supervisor::StartRequest request{};
  if (::send(supervisor.control_.get(), &request, sizeof request, MSG_NOSIGNAL) < 0) {
    return system_failure("starting its supervisor", errno);
  }
  return supervisor;
}

// ---------------------------------------------------------------------------------------------------------------------
// The command on the loop

class LocalCommand final : public Command {
 public:
  LocalCommand(Scheduler& scheduler, CommandSink& sink, Supervisor supervisor, CommandSpec spec)
      : scheduler_(scheduler),
        sink_(sink),
        supervisor_(std::move(supervisor)),
        program_(spec.argv.empty() ? "the shell" : quoted_path(spec.argv.front())),
        input_(input_of(spec)),
        is_terminal_(spec.terminal.has_value()),
        connections_(std::move(spec.network)),
        network_(scheduler) {}

  ~LocalCommand() override {
    if (destroyed_) *destroyed_ = true;
    release();
  }

  Status watch(uv_loop_t* loop) {
    const Ends& ends = supervisor_.ends();
    auto ok = process_.open<&LocalCommand::on_process>(loop, supervisor_.process(), this);
    if (ok) ok = control_.open<&LocalCommand::on_control>(loop, supervisor_.control(), this);
    if (ok) ok = output_.open<&LocalCommand::on_output>(loop, ends.output.get(), this);
    if (ok && ends.errors) ok = errors_.open<&LocalCommand::on_errors>(loop, ends.errors.get(), this);
    Descriptor network = supervisor_.take_network();
    if (ok && network) ok = network_.open(loop, std::move(network), connections_);
    if (ok && ends.input) ok = typing_.open<&LocalCommand::on_input_room>(loop, ends.input.get(), this, UV_WRITABLE);
    return ok;
  }

  void terminate(milliseconds grace) override {
    if (!supervisor_) return;
    grace = std::clamp(grace, milliseconds{0}, milliseconds{std::chrono::hours{24}});
    supervisor_.terminate(grace);
    scheduler_.cancel(overdue_);
    overdue_ = scheduler_.after(grace + end_delay_max, [this] { end(); });
  }

  void pause() override {
    paused_ = true;
    output_.stop();
    errors_.stop();
  }

  void resume() override {
    paused_ = false;
    output_.start();
    errors_.start();
  }

 private:
  using Tell = void (CommandSink::*)(std::string_view);

  // What the loop calls. Each of these may destroy the command, through the sink.

  void on_output() { read_some(supervisor_.ends().output, output_, &CommandSink::on_output); }
  void on_errors() { read_some(supervisor_.ends().errors, errors_, &CommandSink::on_error_output); }

  void read_some(const Descriptor& from, Watch& watch, Tell tell_it) {
    char buffer[read_size];
    for (int i = 0; i < reads_per_turn && !paused_; ++i) {
      const ssize_t size = ::read(from.get(), buffer, sizeof buffer);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size <= 0) return watch.close();  // nobody holds the other end
      if (!tell_output({buffer, static_cast<std::size_t>(size)}, tell_it)) return;
    }
  }

  void on_input_room() {
    const std::string_view rest = std::string_view(input_).substr(written_);
    const ssize_t size = ::write(supervisor_.ends().input.get(), rest.data(), rest.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0) written_ += static_cast<std::size_t>(size);
    if (size >= 0 && written_ < input_.size()) return;
    typing_.close();
    supervisor_.close_input();
    input_ = {};
  }

  void on_control() {
    const auto report = supervisor_.report();
    if (!report) return control_.close();  // it is ending
    take(*report);
  }

  void on_process() {
    process_.close();
    supervisor_.reap();
    while (const auto report = supervisor_.report()) {
      if (!take(*report)) return;
    }
    end();
  }

  // These return false when the command was destroyed meanwhile.

  bool take(const supervisor::Report& report) {
    if (report.kind == supervisor::Report::Kind::start_failed) {
      return tell_output(fmt::format("joey: cannot start {}: {}\n", program_, std::strerror(report.value)),
                         supervisor_.ends().errors ? &CommandSink::on_error_output : &CommandSink::on_output);
    }
    if (exited_) return true;  // the box follows its shell
    CommandExit exit;
    const bool box_failed = supervisor_.has_init() && report.kind == supervisor::Report::Kind::shell_ended;
    if (box_failed && WIFEXITED(report.value)) return tell_exit({supervisor::exit_code_start_failed, 0});
    if (WIFEXITED(report.value)) exit.code = WEXITSTATUS(report.value);
    if (WIFSIGNALED(report.value)) exit.signal = WTERMSIG(report.value);
    return tell_exit(exit);
  }

  void end() {
    if (!drain()) return;
    // Its supervisor was killed, and took the shell along; or is overdue.
    if (!exited_ && !tell_exit({.code = -1, .signal = SIGKILL})) return;
    release();
    tell([](CommandSink& sink) { sink.on_end(); });
  }

  bool drain() {
    const Ends& ends = supervisor_.ends();
    return drain(ends.output, &CommandSink::on_output) &&
           (!ends.errors || drain(ends.errors, &CommandSink::on_error_output));
  }

  // What is in the pipe now, and no more: others may keep writing to it. A terminal does not count what is on its way
  // through it, but a read gets it.
  bool drain(const Descriptor& from, Tell tell_it) {
    int left = terminal_drain_max;
    if (!is_terminal_ && ::ioctl(from.get(), FIONREAD, &left) < 0) return true;
    char buffer[read_size];
    while (left > 0) {
      const auto wanted = std::min(sizeof buffer, static_cast<std::size_t>(left));
      const ssize_t size = ::read(from.get(), buffer, wanted);
      if (size <= 0) return true;
      left -= static_cast<int>(size);
      if (!tell_output({buffer, static_cast<std::size_t>(size)}, tell_it)) return false;
    }
    return true;
  }

  bool tell_exit(CommandExit exit) {
    if (!drain()) return false;
    exited_ = true;
    return tell([&](CommandSink& sink) { sink.on_exit(exit); });
  }

  bool tell_output(std::string_view bytes, Tell tell_it) {
    return tell([&](CommandSink& sink) { (sink.*tell_it)(bytes); });
  }

  template <class Call>
  bool tell(Call call) {
    bool destroyed = false;
    destroyed_ = &destroyed;
    call(sink_);
    if (!destroyed) destroyed_ = nullptr;
    return !destroyed;
  }

  // Leaves nothing on the loop. What still runs is killed and reaped by a worker: it can take some milliseconds.
  void release() {
    scheduler_.cancel(overdue_);
    for (Watch* watch : {&process_, &control_, &output_, &errors_, &typing_}) watch->close();
    network_.close();
    connections_.reset();
    Supervisor ending = std::move(supervisor_);
    if (ending) scheduler_.work([held = std::move(ending)] {}, [] {});
  }

  Scheduler& scheduler_;
  CommandSink& sink_;
  Supervisor supervisor_;
  const std::string program_;  // for messages
  std::string input_;
  std::size_t written_{0};  // bytes of it
  const bool is_terminal_;
  Watch process_;  // the watches are closed before their descriptors
  Watch control_;
  Watch output_;
  Watch errors_;
  Watch typing_;
  std::shared_ptr<CommandNetwork> connections_;  // null: none
  BoxNetwork network_;
  TimerId overdue_{0};
  bool exited_{false};
  bool paused_{false};
  bool* destroyed_{nullptr};  // of the call to the sink under way
};

}  // namespace

std::string_view command_shell() { return ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh"; }

Result<std::unique_ptr<Command>> start_local_command(uv_loop_t* loop, Scheduler& scheduler, int directory_fd,
                                                     CommandSpec spec, CommandSink& sink) {
  if (auto ok = check(spec); !ok) return tl::unexpected(std::move(ok.error()));
  const auto environment = make_environment(spec);
  if (!environment) return tl::unexpected(environment.error());
  const auto program = program_of(spec, *environment);
  if (!program) return tl::unexpected(program.error());
  auto supervisor = Supervisor::start(directory_fd, *program, spec, *environment);
  if (!supervisor) return tl::unexpected(std::move(supervisor.error()));
  auto command = std::make_unique<LocalCommand>(scheduler, sink, std::move(*supervisor), std::move(spec));
  if (auto ok = command->watch(loop); !ok) return tl::unexpected(std::move(ok.error()));
  return command;
}

}  // namespace joey

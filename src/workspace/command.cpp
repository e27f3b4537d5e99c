#include "workspace/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/memfd.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

#include "workspace/supervisor.hpp"

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
constexpr milliseconds end_delay_max{5'000};               // beyond the grace: then on_end() comes in any case
constexpr milliseconds reap_max{5'000};                    // for a supervisor that was told to kill everything

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_{-1};
};

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
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != name.npos) {
      return failure(ErrorCode::invalid_argument, fmt::format("command: \"{}\" is no name of a variable", name));
    }
    const std::string prefix = name + '=';
    std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
    environment.push_back(prefix + value);
    if (auto ok = check_argument(fmt::format("the variable {}", name), environment.back()); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
  }
  return environment;
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
  static Result<Supervisor> start(int directory_fd, const CommandSpec& spec,
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
  [[nodiscard]] int output() const { return output_.get(); }
  explicit operator bool() const { return static_cast<bool>(process_); }

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
    process_.reset();
  }

 private:
  Supervisor() = default;

  // The command could have stopped it.
  void wake() { ::syscall(SYS_pidfd_send_signal, process_.get(), SIGCONT, nullptr, 0); }

  Descriptor process_;  // a pidfd
  Descriptor control_;
  Descriptor output_;
};

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
Result<Supervisor> Supervisor::start(int directory_fd, const CommandSpec& spec,
                                     const std::vector<std::string>& environment) {
  auto program = open_supervisor();
  if (!program) return tl::unexpected(std::move(program.error()));

  Supervisor supervisor;
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) < 0) return system_failure("pipe", errno);
  supervisor.output_ = Descriptor{pair[0]};
  Descriptor output{pair[1]};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return system_failure("socketpair", errno);
  supervisor.control_ = Descriptor{pair[0]};
  Descriptor control{pair[1]};

  SpawnOptions options;
  for (const int fd : {control.get(), output.get(), directory_fd}) {
    if (const int error = options.inherit(fd)) return system_failure("posix_spawn", error);
  }
  const std::vector<std::string> arguments{"joey-supervisor",
                                           fmt::to_string(control.get()),
                                           fmt::to_string(output.get()),
                                           fmt::to_string(directory_fd),
                                           fmt::to_string(::getpid()),
                                           ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh",
                                           "-c",
                                           "--",
                                           spec.command};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, fmt::format("/proc/self/fd/{}", program->get()).c_str(), options.actions(),
                                  options.attributes(), pointers(arguments).data(), pointers(environment).data());
  if (error) return system_failure("cannot run its supervisor from memory", error);

  // Makes room for the next one, where descriptors are scarce.
  program->reset();
  output.reset();
  control.reset();
  supervisor.process_ = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!supervisor.process_) {
    const int reason = errno;
    supervisor.control_.reset();  // it kills what it may have started, and ends
    ::waitpid(pid, nullptr, 0);
    return system_failure("pidfd_open", reason);
  }
  return supervisor;
}

// ---------------------------------------------------------------------------------------------------------------------
// The command on the loop

// Calls a member of its owner while a descriptor is readable. The handle outlives both until the loop has closed it.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { close(); }

  template <auto on_readable, class Owner>
  Status open(uv_loop_t* loop, int fd, Owner* owner) {
    auto handle = std::make_unique<uv_poll_t>();
    if (const int error = uv_poll_init(loop, handle.get(), fd)) return system_failure("uv_poll_init", -error);
    handle_ = handle.release();
    handle_->data = owner;
    uv_poll_start(handle_, UV_READABLE,
                  [](uv_poll_t* ready, int, int) { (static_cast<Owner*>(ready->data)->*on_readable)(); });
    return {};
  }

  // Before its descriptor is.
  void close() {
    if (!handle_) return;
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(handle_, nullptr)),
             [](uv_handle_t* closed) { delete reinterpret_cast<uv_poll_t*>(closed); });
  }

 private:
  uv_poll_t* handle_{nullptr};
};

class LocalCommand final : public Command {
 public:
  LocalCommand(Scheduler& scheduler, CommandSink& sink, Supervisor supervisor)
      : scheduler_(scheduler), sink_(sink), supervisor_(std::move(supervisor)) {}

  ~LocalCommand() override {
    if (destroyed_) *destroyed_ = true;
    release();
  }

  Status watch(uv_loop_t* loop) {
    auto ok = process_.open<&LocalCommand::on_process>(loop, supervisor_.process(), this);
    if (ok) ok = control_.open<&LocalCommand::on_control>(loop, supervisor_.control(), this);
    if (ok) ok = output_.open<&LocalCommand::on_output>(loop, supervisor_.output(), this);
    return ok;
  }

  void terminate(milliseconds grace) override {
    if (!supervisor_) return;
    grace = std::clamp(grace, milliseconds{0}, milliseconds{std::chrono::hours{24}});
    supervisor_.terminate(grace);
    scheduler_.cancel(overdue_);
    overdue_ = scheduler_.after(grace + end_delay_max, [this] { end(); });
  }

 private:
  // What the loop calls. Each of these may destroy the command, through the sink.

  void on_output() {
    char buffer[read_size];
    for (int i = 0; i < reads_per_turn; ++i) {
      const ssize_t size = ::read(supervisor_.output(), buffer, sizeof buffer);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size <= 0) return output_.close();  // nobody holds the other end
      if (!tell_output({buffer, static_cast<std::size_t>(size)})) return;
    }
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
      return tell_output(fmt::format("joey: cannot start the shell: {}\n", std::strerror(report.value)));
    }
    CommandExit exit;
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

  // What is in the pipe now, and no more: others may keep writing to it.
  bool drain() {
    int left = 0;
    if (::ioctl(supervisor_.output(), FIONREAD, &left) < 0) return true;
    char buffer[read_size];
    while (left > 0) {
      const auto wanted = std::min(sizeof buffer, static_cast<std::size_t>(left));
      const ssize_t size = ::read(supervisor_.output(), buffer, wanted);
      if (size <= 0) return true;
      left -= static_cast<int>(size);
      if (!tell_output({buffer, static_cast<std::size_t>(size)})) return false;
    }
    return true;
  }

  bool tell_exit(CommandExit exit) {
    if (!drain()) return false;
    exited_ = true;
    return tell([&](CommandSink& sink) { sink.on_exit(exit); });
  }

  bool tell_output(std::string_view bytes) {
    return tell([&](CommandSink& sink) { sink.on_output(bytes); });
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
    process_.close();
    control_.close();
    output_.close();
    Supervisor ending = std::move(supervisor_);
    if (ending) scheduler_.work([held = std::move(ending)] {}, [] {});
  }

  Scheduler& scheduler_;
  CommandSink& sink_;
  Supervisor supervisor_;
  Watch process_;  // the watches are closed before their descriptors
  Watch control_;
  Watch output_;
  TimerId overdue_{0};
  bool exited_{false};
  bool* destroyed_{nullptr};  // of the call to the sink under way
};

}  // namespace

Result<std::unique_ptr<Command>> start_local_command(uv_loop_t* loop, Scheduler& scheduler, int directory_fd,
                                                     CommandSpec spec, CommandSink& sink) {
  if (auto ok = check_argument("the command", spec.command); !ok) return tl::unexpected(std::move(ok.error()));
  auto environment = make_environment(spec);
  if (!environment) return tl::unexpected(std::move(environment.error()));
  auto supervisor = Supervisor::start(directory_fd, spec, *environment);
  if (!supervisor) return tl::unexpected(std::move(supervisor.error()));
  auto command = std::make_unique<LocalCommand>(scheduler, sink, std::move(*supervisor));
  if (auto ok = command->watch(loop); !ok) return tl::unexpected(std::move(ok.error()));
  return command;
}

}  // namespace joey

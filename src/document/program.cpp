#include "document/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace joey {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t errors_max = 4096;
constexpr int descriptors_max = 64;
constexpr std::chrono::milliseconds cancel_interval{50};  // between looks at the token
constexpr std::chrono::milliseconds end_interval{2};      // between looks at a child that will write no more

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() { close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  void set(int fd) { fd_ = fd; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

tl::unexpected<Error> system_failure(std::string_view what) {
  const char* reason = strerrordesc_np(errno);
  return failure(ErrorCode::io, fmt::format("{} ({}): try again later", what, reason != nullptr ? reason : "unknown"));
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// A started process; killed and waited for with its owner.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ >= 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether it has ended; then its descendants are ended too, and `code` is its exit code, or -1 for a signal and when
  // the host has taken the news.
  bool ended(int& code) {
    siginfo_t info = {};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
      return false;
    }
    end();
    code = info.si_pid == pid_ && info.si_code == CLD_EXITED ? info.si_status : -1;
    pid_ = -1;
    return true;
  }

 private:
  // Until it is waited for, nobody else can have its number or its group's.
  void end() const {
    ::kill(-pid_, SIGKILL);  // it leads a session of its own
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  pid_t pid_;
};

// posix_spawn's two settings, freed with their owner.
struct Settings {
  Settings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~Settings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// A shell sets the limits and becomes the program: set from outside, they would come too late.
std::vector<std::string> limited(const std::vector<std::string>& arguments, const ProgramLimits& limits) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(limits.time_max).count();
  std::vector<std::string> command{
      "/bin/sh", "-c",
      fmt::format("ulimit -t {} && ulimit -v {} && ulimit -f 0 && ulimit -c 0 && ulimit -n {} && exec \"$0\" \"$@\"",
                  seconds, limits.memory_max >> 10, descriptors_max)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, int input, int output, int errors) {
  Settings settings;
  ::posix_spawn_file_actions_adddup2(&settings.actions, input, 0);
  ::posix_spawn_file_actions_adddup2(&settings.actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&settings.actions, errors, 2);
  ::posix_spawn_file_actions_addclosefrom_np(&settings.actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&settings.attributes, &none);
  ::posix_spawnattr_setsigdefault(&settings.attributes, &all);
  ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/bin:/bin";
  std::string locale = "LC_ALL=C.UTF-8";
  std::array<char*, 3> environment{path.data(), locale.data(), nullptr};
  pid_t pid = -1;
  errno = ::posix_spawn(&pid, argv[0], &settings.actions, &settings.attributes, argv.data(), environment.data());
  if (errno != 0) return system_failure(fmt::format("{} cannot be started", arguments[0]));
  return pid;
}

// Reads what is there; false at the end of the pipe, or when `to` is full.
bool take(Fd& pipe, std::string& to, std::size_t size_max, bool& cut) {
  char buffer[64U << 10];
  const ssize_t count = ::read(pipe.get(), buffer, sizeof buffer);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  const std::size_t fits = std::min(static_cast<std::size_t>(count), size_max - to.size());
  to.append(buffer, fits);
  cut = cut || fits < static_cast<std::size_t>(count);
  return count > 0;
}

}  // namespace

Result<ProgramOutput> run_program(const std::vector<std::string>& arguments, std::string_view input,
                                  const ProgramLimits& limits, const CancelToken& cancel) {
  if (::access(arguments[0].c_str(), X_OK) != 0) {
    return failure(ErrorCode::not_found, fmt::format("there is no program {}", arguments[0]));
  }
  // In memory, so that it can be read in any order and there is no pipe to feed meanwhile.
  const Fd in(::memfd_create("joey-input", MFD_CLOEXEC));
  if (in.get() < 0 || !write_all(in.get(), input) || ::lseek(in.get(), 0, SEEK_SET) != 0) {
    return system_failure("there is no memory for a program's input");
  }
  std::array<int, 2> out_pipe{};
  std::array<int, 2> error_pipe{};
  Fd out;
  Fd out_end;
  Fd error;
  Fd error_end;
  if (::pipe2(out_pipe.data(), O_CLOEXEC) != 0) return system_failure("there is no pipe for a program's output");
  out.set(out_pipe[0]);
  out_end.set(out_pipe[1]);
  if (::pipe2(error_pipe.data(), O_CLOEXEC) != 0) return system_failure("there is no pipe for a program's output");
  error.set(error_pipe[0]);
  error_end.set(error_pipe[1]);

  const Result<pid_t> pid = spawn(limited(arguments, limits), in.get(), out_end.get(), error_end.get());
  if (!pid) return tl::unexpected(pid.error());
  Child child(*pid);
  out_end.close();
  error_end.close();

  ProgramOutput result;
  bool errors_cut = false;
  const Clock::time_point end = Clock::now() + limits.time_max;
  // It may close its output before it ends.
  while (out.get() >= 0 || error.get() >= 0 || !child.ended(result.code)) {
    if (cancel.cancelled()) return failure(ErrorCode::cancelled, "the call was cancelled");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) {
      return failure(ErrorCode::timeout, fmt::format("it took more than {} s", limits.time_max.count() / 1000));
    }
    const bool silent = out.get() < 0 && error.get() < 0;
    std::array<pollfd, 2> polled{{{out.get(), POLLIN, 0}, {error.get(), POLLIN, 0}}};
    ::poll(polled.data(), polled.size(),
           static_cast<int>(std::min(left, silent ? end_interval : cancel_interval).count()));
    if (polled[0].revents != 0 && !take(out, result.output, limits.output_max, result.cut)) out.close();
    if (polled[1].revents != 0 && !take(error, result.errors, errors_max, errors_cut)) error.close();
    if (result.cut) return result;
  }
  return result;
}

}  // namespace joey

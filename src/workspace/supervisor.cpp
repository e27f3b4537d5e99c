// The supervisor program: starts the shell, adopts its descendants, ends them.
//
// Freestanding: no C library, one thread, no allocation, so it starts in a fraction of a millisecond and its only
// memory is what is written below. All signals stay blocked but SIGKILL and SIGSTOP.
#include "workspace/supervisor.hpp"

#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#include <initializer_list>

#include "workspace/freestanding.hpp"

namespace joey::supervisor {
namespace {

using namespace freestanding;

std::int64_t now_ms() {
  timespec time{};
  system_call(__NR_clock_gettime, CLOCK_MONOTONIC, address(&time));
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number `text` starts with; moves `text` behind it.
std::uint64_t take_number(const char*& text) {
  std::uint64_t number = 0;
  while (is_digit(*text)) number = number * 10 + static_cast<std::uint64_t>(*text++ - '0');
  return number;
}

int to_int(const char* text) { return static_cast<int>(take_number(text)); }

void send(int control, Report report) {
  system_call(__NR_sendto, control, address(&report), sizeof report, MSG_NOSIGNAL);
}

// ---------------------------------------------------------------------------------------------------------------------
// Descendants

struct Process {
  int pid;
  int parent;
  int group;
  std::uint64_t started;  // clock ticks since boot: with the pid, a name that is never used again
  char state;             // as in proc(5)
  bool descendant;        // for certain
};

// Those above the limit are seen when the first are gone. Untouched pages of it cost nothing.
constexpr int processes_max = 1 << 16;
Process processes[processes_max];

// One bit a pid, up to the largest that the kernel gives.
constexpr int pid_max = 1 << 22;
unsigned char strangers[pid_max / 8];

class Descendants {
 public:
  // False when /proc is missing or shows another pid namespace.
  bool open() {
    self_ = static_cast<int>(system_call(__NR_getpid));
    proc_ = static_cast<int>(
        system_call(__NR_openat, AT_FDCWD, address("/proc"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (proc_ < 0) return false;
    char link[16] = {};
    const long size = system_call(__NR_readlinkat, proc_, address("self"), address(link), sizeof link - 1);
    return size > 0 && to_int(link) == self_;
  }

  // Which processes are none of ours is remembered from list to list, so that repeating one is quick and what keeps
  // forking is caught. To be forgotten now and then: pids are used again.
  void forget_strangers() {
    for (int i = 0; i <= highest_stranger_ / 8; ++i) strangers[i] = 0;
    highest_stranger_ = 0;
  }

  // Sends `signal` to every descendant that lives, except those in one of `states_spared`. How many got it.
  //
  // The kernel lists processes by pid, which sorts the table. (/proc/<pid>/task/*/children would be shorter, but is not
  // in every kernel.) Each is signalled as soon as it is known for a descendant, before it can fork and go.
  int signal_all(int signal, const char* states_spared) {
    signal_ = signal;
    states_spared_ = states_spared;
    signalled_ = 0;
    signalled_group_ = 0;
    count_ = 0;
    system_call(__NR_lseek, proc_, 0, 0 /* SEEK_SET */);
    alignas(DirectoryEntry) char buffer[8192];
    for (long size; (size = system_call(__NR_getdents64, proc_, address(buffer), sizeof buffer)) > 0;) {
      for (long at = 0; at < size; at += reinterpret_cast<DirectoryEntry*>(buffer + at)->size) {
        const char* name = reinterpret_cast<DirectoryEntry*>(buffer + at)->name;
        if (!is_digit(*name) || count_ == processes_max) continue;
        const auto pid = static_cast<int>(take_number(name));
        if (!is_known_stranger(pid) && read(pid, processes[count_])) visit(processes[count_++]);
      }
    }
    for (bool found = true; found;) {  // a parent's pid can be the larger one
      found = false;
      for (int i = 0; i < count_; ++i) {
        if (!processes[i].descendant && visit(processes[i])) found = true;
      }
    }
    for (int i = 0; i < count_; ++i) {
      const Process& process = processes[i];  // one whose parent is unknown may have become a child of ours
      const bool of_strangers = process.parent <= 1 || is_known_stranger(process.parent);
      if (!process.descendant && of_strangers) remember_stranger(process.pid);
    }
    return signalled_;
  }

 private:
  struct DirectoryEntry {  // linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[1];
  };

  void remember_stranger(int pid) {
    strangers[pid / 8] = static_cast<unsigned char>(strangers[pid / 8] | 1U << pid % 8);
    if (pid > highest_stranger_) highest_stranger_ = pid;
  }
  static bool is_known_stranger(int pid) { return strangers[pid / 8] >> pid % 8 & 1; }

  // /proc/<pid>/stat: "pid (name) state parent group ...", the start time in field 22. The name may hold anything.
  bool read(int pid, Process& process) const {
    char path[24];  // "<pid>/stat", written from its end
    char* start = path + sizeof path;
    *--start = '\0';
    for (const char* c = "tats/"; *c; ++c) *--start = *c;
    for (int rest = pid; rest > 0; rest /= 10) *--start = static_cast<char>('0' + rest % 10);

    const int fd = static_cast<int>(system_call(__NR_openat, proc_, address(start), O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    char text[512];
    const long size = system_call(__NR_read, fd, address(text), sizeof text - 1);
    system_call(__NR_close, fd);
    if (size <= 0) return false;
    text[size] = '\0';

    const char* at = text + size;
    while (at > text && *at != ')') --at;
    if (at == text || at[1] != ' ' || at[2] == '\0') return false;
    process = {.pid = pid, .parent = 0, .group = 0, .started = 0, .state = at[2], .descendant = false};
    at += 3;
    for (int field = 4; *at == ' '; ++field) {
      ++at;
      if (*at == '-') ++at;
      const std::uint64_t number = take_number(at);
      if (field == 4) process.parent = static_cast<int>(number);
      if (field == 5) process.group = static_cast<int>(number);
      if (field == 22) {
        process.started = number;
        return true;
      }
    }
    return false;
  }

  const Process* find(int pid) const {
    int first = 0;
    for (int last = count_; first < last;) {
      const int middle = first + (last - first) / 2;
      if (processes[middle].pid == pid) return &processes[middle];
      if (processes[middle].pid < pid) {
        first = middle + 1;
      } else {
        last = middle;
      }
    }
    return nullptr;
  }

  // Signals the process if it is a descendant, and says so.
  //
  // While the table is filled, processes end and others get their pids; a stranger must never be taken for one of ours.
  // A child of ours keeps its pid until we reap it. Of others, first their parent is known for a descendant, then they
  // are seen to be its child, then the parent is seen to be the same still.
  bool visit(Process& process) {
    if (process.parent == self_) {
      process.descendant = true;
      if (is_wanted(process)) signal_child(process);
      return true;
    }
    const Process* parent = find(process.parent);
    if (!parent || !parent->descendant) return false;
    const auto pidfd = static_cast<int>(system_call(__NR_pidfd_open, process.pid));
    if (pidfd < 0) return false;
    Process now;
    Process parent_now;
    process.descendant = read(process.pid, now) && now.started == process.started && now.parent == process.parent &&
                         read(parent->pid, parent_now) && parent_now.started == parent->started;
    if (process.descendant && is_wanted(process)) {
      if (system_call(__NR_pidfd_send_signal, pidfd, signal_) == 0) ++signalled_;
    }
    system_call(__NR_close, pidfd);
    return process.descendant;
  }

  bool is_wanted(const Process& process) const {
    for (const char* state = states_spared_; *state; ++state) {
      if (*state == process.state) return false;
    }
    return process.state != 'Z' && process.state != 'X';
  }

  // The kernel stops or kills a group at one stroke, which no member escapes by forking. The group's number is as safe
  // as the child's, and since the shell began a session of its own, nobody else is in a group of its descendants.
  void signal_child(const Process& process) {
    if (system_call(__NR_kill, process.pid, signal_) == 0) ++signalled_;
    if (signal_ != SIGKILL && signal_ != SIGSTOP) return;  // handlers shall see the others once
    if (process.group <= 1 || process.group == self_ || process.group == signalled_group_) return;
    signalled_group_ = process.group;
    system_call(__NR_kill, -process.group, signal_);
  }

  int self_{0};
  int proc_{-1};
  int count_{0};
  int highest_stranger_{0};
  int signal_{0};
  const char* states_spared_{""};
  int signalled_{0};
  int signalled_group_{0};  // the last, since neighbours often share one
};

// ---------------------------------------------------------------------------------------------------------------------
// The shell

struct Descriptors {
  int control;
  int input;
  int output;
  int errors;
  int directory;
};

// What the supervisor is told to start.
struct Shell {
  Descriptors fds;
  int passed[passed_max];  // beside 0 to 2
  int passed_count;
  bool has_terminal;
  const char* path;
  char** arguments;
  char** environment;
};

// Closes what the host lets its children inherit. False leaves descriptors open.
bool close_others(const Shell& keep) {
  unsigned first = 0;
  for (;;) {
    unsigned next = ~0U;  // the lowest kept descriptor from `first` on
    const auto consider = [&](int fd) {
      const auto candidate = static_cast<unsigned>(fd);
      if (candidate >= first && candidate < next) next = candidate;
    };
    for (const int fd : {keep.fds.control, keep.fds.input, keep.fds.output, keep.fds.errors, keep.fds.directory}) {
      consider(fd);
    }
    for (int i = 0; i < keep.passed_count; ++i) consider(keep.passed[i]);
    if (next > first && system_call(__NR_close_range, first, next == ~0U ? ~0U : next - 1, 0) < 0) return false;
    if (next == ~0U) return true;
    first = next + 1;
  }
}

// In the new process. Returns an errno, to be sent on fds.control; does not return when the shell runs.
int run_shell(Shell& shell, int supervisor) {
  Descriptors& fds = shell.fds;
  system_call(__NR_setsid);
  system_call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (system_call(__NR_getppid) != supervisor) exit_now(1);  // it died before the line above
  if (shell.has_terminal) {
    if (const long status = system_call(__NR_ioctl, fds.output, TIOCSCTTY, 0); status < 0) return static_cast<int>(-status);
  }

  // Out of the way of the numbers they get next.
  const int first_free = first_passed + shell.passed_count;
  const auto move = [&](int& fd) {
    const long moved = system_call(__NR_fcntl, fd, F_DUPFD, first_free);
    if (moved < 0) return static_cast<int>(-moved);
    fd = static_cast<int>(moved);
    return 0;
  };
  for (int* fd : {&fds.control, &fds.input, &fds.output, &fds.errors, &fds.directory}) {
    if (const int error = move(*fd)) return error;
  }
  for (int i = 0; i < shell.passed_count; ++i) {
    if (const int error = move(shell.passed[i])) return error;
  }
  system_call(__NR_dup3, fds.input, 0, 0);
  system_call(__NR_dup3, fds.output, 1, 0);
  system_call(__NR_dup3, fds.errors, 2, 0);
  system_call(__NR_dup3, fds.control, 3, O_CLOEXEC);
  fds.control = 3;
  for (int i = 0; i < shell.passed_count; ++i) system_call(__NR_dup3, shell.passed[i], first_passed + i, 0);
  if (const long status = system_call(__NR_fchdir, fds.directory); status < 0) return static_cast<int>(-status);
  if (const long status = system_call(__NR_close_range, first_free, ~0U, 0); status < 0) return static_cast<int>(-status);
  set_blocked_signals(0);
  return static_cast<int>(
      -system_call(__NR_execve, address(shell.path), address(shell.arguments), address(shell.environment)));
}

// The shell's pid, or minus an errno.
long start_shell(Shell shell) {
  const auto supervisor = static_cast<int>(system_call(__NR_getpid));
  const long pid = system_call(__NR_clone, SIGCHLD);
  if (pid != 0) return pid;
  const int error = run_shell(shell, supervisor);
  send(shell.fds.control, {Report::Kind::start_failed, error});
  exit_now(exit_code_start_failed);
}

// ---------------------------------------------------------------------------------------------------------------------
// The watch

class Supervisor {
 public:
  // Takes the place of main: starts the shell, then lasts as long as anything it started.
  [[noreturn]] void run(const Shell& shell, int engine) {
    const Descriptors& fds = shell.fds;
    control_ = fds.control;
    StartRequest start{};
    if (system_call(__NR_recvfrom, control_, address(&start), sizeof start) != static_cast<long>(sizeof start)) exit_now(1);
    if (const int error = prepare(shell, engine)) fail(error);
    shell_ = start_shell(shell);
    if (shell_ < 0) fail(static_cast<int>(-shell_));
    // The engine must see the end of its pipes, and a file system its last user.
    for (const int fd : {fds.input, fds.output, fds.errors, fds.directory}) system_call(__NR_close, fd);
    for (int i = 0; i < shell.passed_count; ++i) {
      if (shell.passed[i] != control_) system_call(__NR_close, shell.passed[i]);
    }
    clear_arguments(shell.arguments - 1, shell.environment);  // the path is before them

    while (reap()) {
      if (!killing_ && deadline_ >= 0 && now_ms() >= deadline_) start_killing();
      if (killing_) kill_descendants();
      wait();
    }
    exit_now(0);
  }

 private:
  // `pkill -9 -f server` in a command is meant for the server, not for a supervisor that has the word in its arguments.
  // They lie in memory in this order, ended by the environment.
  static void clear_arguments(char** arguments, char** environment) {
    char** last = arguments;
    while (last[1]) ++last;
    if (environment[0]) last = environment;
    while (last[1]) ++last;
    for (volatile char* at = arguments[0]; at < *last; ++at) *at = '\0';
    for (volatile char* at = *last; *at; ++at) *at = '\0';
  }

  // An engine that dies closes its control socket, unless a child it forked still holds it: so its process is watched
  // as well.
  int prepare(const Shell& shell, int engine) {
    system_call(__NR_prctl, PR_SET_NAME, address("joey-supervisor"));
    system_call(__NR_setsid);
    reset_signals();
    set_blocked_signals(~0UL);
    if (const long status = system_call(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1); status < 0) {
      return static_cast<int>(-status);
    }
    if (!close_others(shell)) return ENOSYS;
    system_call(__NR_chdir, address("/"));
    engine_ = static_cast<int>(system_call(__NR_pidfd_open, engine));
    if (engine_ < 0) return -engine_;
    if (system_call(__NR_getppid) != engine) exit_now(1);  // that was another process of the same number
    const SignalMask child = mask_of(SIGCHLD);
    children_ = static_cast<int>(
        system_call(__NR_signalfd4, -1, address(&child), sizeof child, O_CLOEXEC | O_NONBLOCK));
    if (children_ < 0) return -children_;
    return descendants_.open() ? 0 : ENOSYS;
  }

  [[noreturn]] void fail(int error) const {
    send(control_, {Report::Kind::start_failed, error});
    send(control_, {Report::Kind::shell_ended, exit_code_start_failed << 8});
    exit_now(1);
  }

  // False when there is no child left, and with the last child the last descendant.
  bool reap() {
    for (;;) {
      int status = 0;
      const long pid = system_call(__NR_wait4, -1, address(&status), WNOHANG | __WALL);
      if (pid == 0) return true;
      if (pid < 0) return false;
      stuck_ = now_ms() + stuck_ms_max;
      if (pid != shell_) continue;
      shell_ = 0;
      send(control_, {Report::Kind::shell_ended, status});
    }
  }

  void wait() {
    std::int64_t timeout = -1;
    if (killing_) {
      timeout = round_ms;
    } else if (deadline_ >= 0) {
      timeout = deadline_ - now_ms();
      if (timeout < 0) timeout = 0;
    }
    pollfd watched[] = {
        {children_, POLLIN, 0}, {killing_ ? -1 : control_, POLLIN, 0}, {killing_ ? -1 : engine_, POLLIN, 0}};
    timespec limit{timeout / 1000, timeout % 1000 * 1'000'000};
    if (system_call(__NR_ppoll, address(watched), 3, timeout < 0 ? 0 : address(&limit)) <= 0) return;
    if (watched[0].revents) {
      char information[128];  // signalfd_siginfo; one is enough, reap() looks for itself
      system_call(__NR_read, children_, address(information), sizeof information);
    }
    if (watched[2].revents) return start_killing();
    if (watched[1].revents) obey();
  }

  void obey() {
    TerminateRequest request{};
    const long size = system_call(__NR_recvfrom, control_, address(&request), sizeof request, MSG_DONTWAIT);
    if (size == -EAGAIN || size == -EINTR) return;
    if (size != static_cast<long>(sizeof request)) return start_killing();  // closed
    const std::int64_t deadline = now_ms() + request.grace_ms;
    if (deadline_ < 0 || deadline < deadline_) deadline_ = deadline;
    if (request.grace_ms <= 0) return;
    descendants_.forget_strangers();
    descendants_.signal_all(SIGTERM, "");
    descendants_.signal_all(SIGCONT, "");  // a stopped process does not notice a SIGTERM
  }

  // The shell's process group first: as a rule that is all there is, and saves reading the whole of /proc. The number
  // is surely the group's as long as the shell is not reaped.
  void start_killing() {
    if (shell_ > 0) system_call(__NR_kill, -shell_, SIGKILL);
    killing_ = true;
    next_round_ = now_ms() + (shell_ > 0 ? round_ms : 0);
    stuck_ = now_ms() + stuck_ms_max;
  }

  // One round. What was sent SIGKILL forks no more, and its orphans become children of ours, so rounds converge. But
  // killing makes room for a fork bomb at its limit of processes: when one round was not enough, everything is stopped
  // before any of it is killed.
  void kill_descendants() {
    if (now_ms() < next_round_) return;
    descendants_.forget_strangers();
    if (++rounds_ > 1) {
      for (int pass = 0; pass < 32 && descendants_.signal_all(SIGSTOP, "TtD") > 0; ++pass) {
      }
    }
    descendants_.signal_all(SIGKILL, "");
    next_round_ = now_ms() + round_ms;
    // Stuck in the kernel, or another user's: nothing more can be done, and the engine is waiting.
    if (rounds_ >= rounds_min && now_ms() >= stuck_) exit_now(1);
  }

  static constexpr std::int64_t round_ms = 3;         // for what was killed to die
  static constexpr std::int64_t stuck_ms_max = 2000;  // without any child that ends
  static constexpr int rounds_min = 50;               // however little time a busy machine gives us

  Descendants descendants_;
  long shell_{0};
  int control_{-1};
  int engine_{-1};
  int children_{-1};  // a signalfd of SIGCHLD
  bool killing_{false};
  int rounds_{0};
  std::int64_t deadline_{-1};  // killing starts; -1 is never
  std::int64_t next_round_{0};
  std::int64_t stuck_{0};
};

}  // namespace

}  // namespace joey::supervisor

extern "C" [[noreturn]] void joey_program_main(long* stack) {
  using namespace joey::supervisor;
  const auto count = static_cast<int>(stack[0]);
  auto** arguments = reinterpret_cast<char**>(stack + 1);
  if (count <= arguments_count) exit_now(2);
  Shell shell{.fds = {.control = to_int(arguments[1]),
                      .input = to_int(arguments[2]),
                      .output = to_int(arguments[3]),
                      .errors = to_int(arguments[4]),
                      .directory = to_int(arguments[5])},
              .passed = {},
              .passed_count = 0,
              .has_terminal = to_int(arguments[7]) != 0,
              .path = arguments[9],
              .arguments = arguments + arguments_count,
              .environment = arguments + count + 1};
  for (const char* at = arguments[8]; is_digit(*at) && shell.passed_count < passed_max; at += *at == ',') {
    shell.passed[shell.passed_count++] = static_cast<int>(take_number(at));
  }
  Supervisor supervisor;
  supervisor.run(shell, to_int(arguments[6]));
}

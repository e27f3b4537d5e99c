// The confine program: closes a box around itself, then becomes the shell in it.
#include "workspace/confine.hpp"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <initializer_list>

#include "workspace/freestanding.hpp"
#include "workspace/supervisor.hpp"

namespace joey::confine {
namespace {

using namespace freestanding;

constexpr int o_path = 010000000;  // O_PATH, which the headers give to the C library's friends alone

[[noreturn]] void fail(const char* what, long status) {
  char line[160];
  char* end = line;
  const auto add = [&](const char* text) {
    while (*text && end < line + sizeof line - 8) *end++ = *text++;
  };
  add("joey: the box could not be closed: ");
  add(what);
  add(": errno ");
  char digits[8] = {};
  char* digit = digits + sizeof digits - 1;
  for (long rest = -status; rest > 0; rest /= 10) *--digit = static_cast<char>('0' + rest % 10);
  add(digit);
  *end++ = '\n';
  system_call(__NR_write, 2, address(line), end - line);
  exit_now(supervisor::exit_code_start_failed);
}

void require(const char* what, long status) {
  if (status < 0) fail(what, status);
}

int to_int(const char* text) {
  int number = 0;
  while (*text >= '0' && *text <= '9') number = number * 10 + (*text++ - '0');
  return number;
}

Plan plan;

void read_plan(int fd) {
  const long size = system_call(__NR_pread64, fd, address(&plan), sizeof plan, 0);
  require("reading its plan", size);
  if (size != static_cast<long>(sizeof plan) || plan.size != sizeof plan) fail("its plan is not whole", -EINVAL);
}

void take_own_mounts() {
  require("a mount namespace", system_call(__NR_unshare, CLONE_NEWNS));
  require("its mounts", system_call(__NR_mount, 0, address("/"), 0, MS_REC | MS_SLAVE, 0));
}

// No descriptor stays but these two, as 0 and 1; one that is not there leaves its number free.
void keep_two_descriptors(int first, int second) {
  if (first >= 0) system_call(__NR_dup3, first, 0, O_CLOEXEC);
  if (second >= 0) system_call(__NR_dup3, second, 1, O_CLOEXEC);
  system_call(__NR_close_range, 2, ~0U, 0);
  if (second < 0) system_call(__NR_close, 1);
  if (first < 0) system_call(__NR_close, 0);
}

[[noreturn]] void be_keeper(long maker) {
  system_call(__NR_prctl, PR_SET_NAME, address("joey-keeper"));
  keep_two_descriptors(plan.lifeline, -1);
  int code = 0;
  for (;;) {
    int status = 0;
    const long pid = system_call(__NR_wait4, -1, address(&status), __WALL);
    if (pid == -EINTR) continue;
    if (pid < 0) exit_now(code);
    if (pid == maker && status != 0) code = supervisor::exit_code_start_failed;
  }
}

// What asks commands to end must not end the maker of the box half way: it gets that blocked, and what it starts too.
void leave_keeper_behind() {
  require("adopting", system_call(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1));
  set_blocked_signals(~0UL);
  const long keeper = system_call(__NR_getpid);
  const long maker = system_call(__NR_clone, SIGCHLD);
  require("fork", maker);
  if (maker != 0) be_keeper(maker);
  set_blocked_signals(mask_of(SIGTERM) | mask_of(SIGINT) | mask_of(SIGHUP) | mask_of(SIGQUIT));
  require("a parent's death", system_call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL));
  if (system_call(__NR_getppid) != keeper) exit_now(1);
  system_call(__NR_close, plan.lifeline);
}

void join_cgroups() {
  for (const int cgroup : plan.cgroups) {
    if (cgroup >= 0) require("joining its cgroup", system_call(__NR_write, cgroup, address("0"), 1));
  }
}

void set_limits() {
  for (std::uint32_t i = 0; i < plan.limits_count; ++i) {
    const Limit& limit = plan.limits[i];
    std::uint64_t now[2];  // soft, hard
    require("reading its limits", system_call(__NR_prlimit64, 0, limit.resource, 0, address(now)));
    const std::uint64_t value = limit.value < now[1] ? limit.value : now[1];
    const std::uint64_t wanted[2] = {value, value};
    require("setting its limits", system_call(__NR_prlimit64, 0, limit.resource, address(wanted), 0));
  }
}

// Root's as well, by the bounding set and the secure bits, so that no exec gives them back. An ordinary user may set
// neither, and has nothing that no_new_privs does not already keep from it.
void drop_privileges() {
  require("no_new_privs", system_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  system_call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (long capability = 0; capability < 64; ++capability) system_call(__NR_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
  constexpr long secure = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                          SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  system_call(__NR_prctl, PR_SET_SECUREBITS, secure, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  require("dropping its capabilities", system_call(__NR_capset, address(&header), address(none)));
}

[[noreturn]] void be_init(long shell) {
  set_blocked_signals(~0UL);
  system_call(__NR_prctl, PR_SET_NAME, address("joey-init"));
  system_call(__NR_prctl, PR_SET_DUMPABLE, 0);  // what runs in the box has nothing to look for in here
  keep_two_descriptors(plan.control, plan.lifeline);
  const SignalMask child = mask_of(SIGCHLD);
  const long children = system_call(__NR_signalfd4, -1, address(&child), sizeof child, O_CLOEXEC | O_NONBLOCK);
  require("watching its children", children);
  for (;;) {
    int status = 0;
    const long pid = system_call(__NR_wait4, -1, address(&status), __WALL | WNOHANG);
    if (pid == -EINTR) continue;
    if (pid < 0) exit_now(0);
    if (pid == shell) {
      const supervisor::Report report{supervisor::Report::Kind::boxed_shell_ended, status};
      system_call(__NR_sendto, 0, address(&report), sizeof report, MSG_NOSIGNAL);
    }
    if (pid > 0) continue;
    pollfd watched[] = {{static_cast<int>(children), POLLIN, 0}, {plan.lifeline >= 0 ? 1 : -1, POLLIN, 0}};
    if (system_call(__NR_ppoll, address(watched), 2, 0, 0) < 0) continue;
    if (watched[1].revents) exit_now(1);
    char information[128];  // signalfd_siginfo; wait4 says the rest
    system_call(__NR_read, children, address(information), sizeof information);
  }
}

void leave_init_behind() {
  const long shell = system_call(__NR_clone, SIGCHLD);
  require("fork", shell);
  if (shell != 0) be_init(shell);
  require("setsid", system_call(__NR_setsid));
  if (plan.has_terminal) require("taking its terminal", system_call(__NR_ioctl, 0, TIOCSCTTY, 0));
  reset_signals();
  set_blocked_signals(0);
}

void restrict_files() {
  for (std::uint32_t i = 0; i < plan.path_rules_count; ++i) {
    const long at = system_call(__NR_openat, AT_FDCWD, address(plan.path_rules[i].path), o_path | O_CLOEXEC);
    if (at < 0) continue;
    landlock_path_beneath_attr rule;
    rule.allowed_access = plan.path_rules[i].rights;
    rule.parent_fd = static_cast<int>(at);
    require("a Landlock rule", system_call(__NR_landlock_add_rule, plan.ruleset, LANDLOCK_RULE_PATH_BENEATH, address(&rule), 0));
    system_call(__NR_close, at);
  }
  require("Landlock", system_call(__NR_landlock_restrict_self, plan.ruleset, 0));
}

// Sends it to the engine. What runs in the box must not have it: it could answer for the engine.
void hand_over(long fd) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const auto sent = static_cast<int>(fd);
  memcpy(CMSG_DATA(header), &sent, sizeof sent);
  require("handing over its network", system_call(__NR_sendmsg, plan.network, address(&message), MSG_NOSIGNAL));
  require("closing its network", system_call(__NR_close, fd));
  require("closing its network", system_call(__NR_close, plan.network));
}

void listen_for_proxy() {
  const auto big_endian = [](std::uint16_t port) { return static_cast<std::uint16_t>(port << 8 | port >> 8); };
  constexpr int waiting_max = 128;
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = big_endian(plan.proxy_port);
  const unsigned char loopback[4] = {127, 0, 0, 1};
  memcpy(&at.sin_addr, loopback, sizeof loopback);
  const long fd = system_call(__NR_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  require("a socket", fd);
  require("listening for the proxy", system_call(__NR_bind, fd, address(&at), sizeof at));
  require("listening for the proxy", system_call(__NR_listen, fd, waiting_max));
  hand_over(fd);
}

void restrict_calls() {
  const sock_fprog program{static_cast<unsigned short>(plan.filter_count), plan.filter};
  const bool notifies = plan.network >= 0 && plan.proxy_port == 0;
  const auto install = [&](long flags) { return system_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, address(&program)); };
  long status = install(notifies ? SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0);
  if (status == -EINVAL && notifies) status = install(SECCOMP_FILTER_FLAG_NEW_LISTENER);  // before Linux 5.19
  require("its filter of system calls", status);
  if (notifies) hand_over(status);
}

// The filter's listener is still to be sent.
void close_others() {
  const auto from = static_cast<unsigned>(plan.close_from);
  const auto network = static_cast<unsigned>(plan.network);
  const bool keeps = plan.network >= plan.close_from && plan.proxy_port == 0;
  if (keeps && network > from) require("closing descriptors", system_call(__NR_close_range, from, network - 1, 0));
  require("closing descriptors", system_call(__NR_close_range, keeps ? network + 1 : from, ~0U, 0));
}

// What a Command says, in memory.
struct Program {
  const char* path;
  char** arguments;
  char** environment;
};

void check_guarded(const GuardedPath& guarded) {
  struct statx status;
  const long looked = system_call(__NR_statx, AT_FDCWD, address(guarded.path), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO,
                                  address(&status));
  if (looked >= 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) && status.stx_ino == guarded.inode &&
      status.stx_dev_major == guarded.device_major && status.stx_dev_minor == guarded.device_minor) {
    return;
  }
  fail("a guarded path changed meanwhile, so that it would not be guarded: run it again", looked < 0 ? looked : -ESTALE);
}

long map_memory(long size, int fd) {
  const long at = system_call(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE, fd);
  if (at < 0 && at > -4096) fail("memory for its command", at);
  return at;
}

Program read_command() {
  const long size = system_call(__NR_lseek, plan.command, 0, SEEK_END);
  require("its command", size);
  const char* bytes = reinterpret_cast<const char*>(map_memory(size, plan.command));
  const Command& command = *reinterpret_cast<const Command*>(bytes);
  const auto* guarded = reinterpret_cast<const GuardedPath*>(bytes + command_header_size);
  for (std::uint32_t i = 0; i < command.guarded_count; ++i) check_guarded(guarded[i]);

  const char* text = reinterpret_cast<const char*>(guarded + command.guarded_count);
  const auto take = [&] {
    const char* taken = text;
    while (*text++) {
    }
    return const_cast<char*>(taken);
  };
  require("its directory", system_call(__NR_chdir, address(take())));
  const auto pointers_count = static_cast<long>(command.arguments_count) + command.environment_count + 2;
  char** pointers = reinterpret_cast<char**>(map_memory(pointers_count * static_cast<long>(sizeof(char*)), -1));
  Program program{take(), pointers, pointers + command.arguments_count + 1};
  for (std::uint32_t i = 0; i < command.arguments_count; ++i) program.arguments[i] = take();
  for (std::uint32_t i = 0; i < command.environment_count; ++i) program.environment[i] = take();
  return program;
}

}  // namespace
}  // namespace joey::confine

extern "C" [[noreturn]] void joey_program_main(long* stack) {
  using namespace joey::confine;
  namespace supervisor = joey::supervisor;
  const auto count = static_cast<int>(stack[0]);
  auto** arguments = reinterpret_cast<char**>(stack + 1);
  if (count < 2) exit_now(exit_code_unused);

  read_plan(to_int(arguments[1]));
  if (plan.command < 0 && count <= arguments_count) exit_now(exit_code_unused);
  if (plan.has_own_mounts) take_own_mounts();
  if (plan.is_keeper) leave_keeper_behind();
  if (plan.fills_gap) require("dup", system_call(__NR_dup3, supervisor::first_passed, supervisor::first_passed - 1, 0));
  join_cgroups();
  set_limits();
  if (plan.drops_privileges) drop_privileges();
  if (plan.network >= 0 && plan.proxy_port != 0) listen_for_proxy();
  if (plan.is_init) leave_init_behind();
  char* nothing[] = {nullptr};
  Program program{};
  if (plan.command >= 0) {
    program = read_command();
  } else {
    program = {arguments[2], arguments + arguments_count, arguments + count + 1};
  }
  if (plan.clears_environment) program.environment = nothing;
  if (plan.ruleset >= 0) restrict_files();
  close_others();
  if (plan.filter_count > 0) restrict_calls();
  fail(program.path, system_call(__NR_execve, address(program.path), address(program.arguments), address(program.environment)));
}

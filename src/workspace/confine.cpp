// The confine program: closes a box around itself, then becomes the shell in it.
#include "workspace/confine.hpp"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <netinet/in.h>
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

void ignore_signals() {
  constexpr unsigned long ignored[4] = {1};  // struct sigaction of the kernel, SIG_IGN
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    system_call(__NR_rt_sigaction, signal, address(ignored), 0, sizeof(SignalMask));
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
  const auto control = static_cast<unsigned>(plan.control);
  if (control > 0) system_call(__NR_close_range, 0, control - 1, 0);
  system_call(__NR_close_range, control + 1, ~0U, 0);
  for (;;) {
    int status = 0;
    const long pid = system_call(__NR_wait4, -1, address(&status), __WALL);
    if (pid == -EINTR) continue;
    if (pid < 0) exit_now(0);
    if (pid != shell) continue;
    const supervisor::Report report{supervisor::Report::Kind::boxed_shell_ended, status};
    system_call(__NR_sendto, control, address(&report), sizeof report, MSG_NOSIGNAL);
  }
}

void leave_init_behind() {
  const long shell = system_call(__NR_clone, SIGCHLD);
  require("fork", shell);
  if (shell != 0) be_init(shell);
  require("setsid", system_call(__NR_setsid));
  if (plan.has_terminal) require("taking its terminal", system_call(__NR_ioctl, 0, TIOCSCTTY, 0));
  reset_signals();
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

}  // namespace
}  // namespace joey::confine

extern "C" [[noreturn]] void joey_program_main(long* stack) {
  using namespace joey::confine;
  const auto count = static_cast<int>(stack[0]);
  auto** arguments = reinterpret_cast<char**>(stack + 1);
  if (count <= arguments_count) exit_now(2);
  char** environment = arguments + count + 1;

  read_plan(to_int(arguments[1]));
  join_cgroups();
  set_limits();
  if (plan.drops_privileges) drop_privileges();
  if (plan.network >= 0 && plan.proxy_port != 0) listen_for_proxy();
  if (plan.is_init) leave_init_behind();
  if (plan.ignores_signals) ignore_signals();
  if (plan.ruleset >= 0) restrict_files();
  close_others();
  if (plan.filter_count > 0) restrict_calls();
  char* nothing[] = {nullptr};
  const long status = system_call(__NR_execve, address(arguments[2]), address(arguments + arguments_count),
                                  address(plan.clears_environment ? nothing : environment));
  fail(arguments[2], status);
}

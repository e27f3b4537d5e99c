// The filter of system calls that every box has.
//
// It refuses what it names (EPERM) and does not know what is newer than itself (ENOSYS), so that a new kernel's calls are
// no new ways out. An allow-list would be shorter to reason about, but the programs of developers (compilers, runtimes
// with compilers in them, package managers) use nearly everything an ordinary process may, differently with every
// release, and what they lack they fail at in obscure ways. What is named here is what administers the system, looks
// into other processes, or is known for its flaws; files, signals and TCP are Landlock's and the namespaces' to guard.
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>

#include <vector>

#include "workspace/box_parts.hpp"

namespace joey {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif

// The calls of Linux 6.17. Those of x32 are above it as well.
constexpr std::uint32_t last_known_call = 469;
constexpr std::uint32_t open_tree_attr_call = 467;  // of Linux 6.15

constexpr std::uint32_t refused_always[] = {
    // Mounts, roots, quotas, swap.
    __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_open_tree, __NR_move_mount, __NR_fsopen, __NR_fsconfig,
    __NR_fsmount, __NR_fspick, __NR_mount_setattr, open_tree_attr_call, __NR_quotactl, __NR_quotactl_fd, __NR_swapon, __NR_swapoff,
    // Namespaces; with clone below.
    __NR_unshare, __NR_setns,
    // Other processes.
    __NR_process_vm_readv, __NR_process_vm_writev, __NR_process_madvise, __NR_process_mrelease, __NR_kcmp, __NR_pidfd_getfd,
    // The kernel's own machinery.
    __NR_bpf, __NR_perf_event_open, __NR_userfaultfd, __NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register,
    __NR_fanotify_init, __NR_fanotify_mark, __NR_open_by_handle_at,
    // Keys are the user's, not the process's.
    __NR_add_key, __NR_request_key, __NR_keyctl,
    // The machine.
    __NR_kexec_load,
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
    __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_reboot, __NR_acct, __NR_syslog, __NR_vhangup,
    __NR_sethostname, __NR_setdomainname, __NR_settimeofday, __NR_clock_settime, __NR_clock_adjtime, __NR_adjtimex,
    __NR_lookup_dcookie, __NR_nfsservctl,
#ifdef __NR_iopl
    __NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_uselib, __NR__sysctl, __NR_create_module,
#endif
};

// The identifiers are the machine's, and any process of the same user may use what they name.
constexpr std::uint32_t refused_with_shared_ipc[] = {
    __NR_shmget, __NR_shmat, __NR_shmctl, __NR_semget, __NR_semop, __NR_semctl, __NR_semtimedop,
    __NR_msgget, __NR_msgsnd, __NR_msgrcv, __NR_msgctl, __NR_mq_open, __NR_mq_unlink};

constexpr std::uint32_t namespace_flags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                          CLONE_NEWPID | CLONE_NEWNET;

// The kernel looks at the lower half alone of arguments that are int, so that is what must be looked at here.
constexpr std::uint32_t low_half(unsigned index) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}
constexpr std::uint32_t high_half(unsigned index) { return low_half(index) + sizeof(std::uint32_t); }

constexpr std::uint32_t let_through = SECCOMP_RET_ALLOW;
// 0: the call does nothing and succeeds.
constexpr std::uint32_t refuse(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }

class FilterWriter {
 public:
  void load(std::uint32_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
  void mask(std::uint32_t bits) { code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits)); }
  void end(std::uint32_t verdict) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, verdict)); }
  // `verdict` if what is loaded is, or is not, or has a bit of, or is above `value`.
  void end_if(std::uint32_t value, std::uint32_t verdict) { jump(BPF_JEQ, value, 0, 1), end(verdict); }
  void end_unless(std::uint32_t value, std::uint32_t verdict) { jump(BPF_JEQ, value, 1, 0), end(verdict); }
  void end_if_any(std::uint32_t bits, std::uint32_t verdict) { jump(BPF_JSET, bits, 0, 1), end(verdict); }
  void end_above(std::uint32_t value, std::uint32_t verdict) { jump(BPF_JGT, value, 0, 1), end(verdict); }

  // What `body` decides about the call `number`. It must decide.
  template <class Body>
  void call(std::uint32_t number, Body body) {
    const std::size_t at = code_.size();
    jump(BPF_JEQ, number, 0, 0);
    body();
    code_[at].jf = static_cast<std::uint8_t>(code_.size() - at - 1);
  }
  // What `body` decides if what is loaded is `value`; it may leave it open, and what is loaded then is its.
  template <class Body>
  void when(std::uint32_t value, Body body) {
    call(value, body);
  }

  [[nodiscard]] std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void jump(std::uint16_t test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    code_.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, yes, no));
  }
  std::vector<sock_filter> code_;
};

constexpr std::uint32_t socket_type_mask = 0xf;

// The engine answers with a TCP socket that is connected to the proxy already. So there is no address to look at, which a
// command could change after it was looked at: connecting has been done, and says so.
void filter_handed_over_internet(FilterWriter& code) {
  code.load(low_half(1));
  code.mask(socket_type_mask);
  code.end_unless(SOCK_STREAM, refuse(EACCES));
  code.load(low_half(2));
  code.end_if(0, SECCOMP_RET_USER_NOTIF);
  code.end_if(IPPROTO_TCP, SECCOMP_RET_USER_NOTIF);
  code.end(refuse(EACCES));
}

// In a network of its own there is nobody to reach; raw sockets and protocols that nobody needs stay out all the same.
void filter_own_internet(FilterWriter& code) {
  code.load(low_half(1));
  code.mask(socket_type_mask);
  code.when(SOCK_RAW, [&] { code.end(refuse(EACCES)); });
  code.load(low_half(2));
  code.end_if(0, let_through);
  code.end_if(IPPROTO_TCP, let_through);
  code.end_if(IPPROTO_UDP, let_through);
  code.end(refuse(EACCES));
}

void filter_sockets(FilterWriter& code, const FilterRules& rules) {
  code.call(__NR_socket, [&] {
    code.load(low_half(0));
    // Landlock cannot keep a process from a socket that lies in the file system, such as a container engine's.
    if (rules.own_files) code.end_if(AF_UNIX, let_through);
    if (rules.hands_over_connections) {
      code.end_unless(AF_INET, refuse(EACCES));
      filter_handed_over_internet(code);
    } else if (rules.own_network) {
      code.when(AF_INET, [&] { filter_own_internet(code); });
      code.when(AF_INET6, [&] { filter_own_internet(code); });
      code.end_unless(AF_NETLINK, refuse(EACCES));
      code.load(low_half(2));
      code.end_unless(0, refuse(EACCES));  // NETLINK_ROUTE, which lists interfaces
      code.end(let_through);
    } else {
      code.end(refuse(EACCES));
    }
  });
  code.call(__NR_socketpair, [&] {
    code.load(low_half(0));
    code.end_unless(AF_UNIX, refuse(EACCES));
    code.end(let_through);
  });
  if (!rules.hands_over_connections) return;
  code.end_if(__NR_connect, refuse(0));
  code.end_if(__NR_bind, refuse(EACCES));
  code.end_if(__NR_listen, refuse(EACCES));
}

}  // namespace

std::vector<sock_filter> make_filter(const FilterRules& rules) {
  FilterWriter code;
  code.load(offsetof(seccomp_data, arch));
  code.end_unless(architecture, SECCOMP_RET_KILL_PROCESS);  // another one's numbers mean other calls
  code.load(offsetof(seccomp_data, nr));
  code.end_above(last_known_call, refuse(ENOSYS));
  for (const std::uint32_t call : refused_always) code.end_if(call, refuse(EPERM));
  if (!rules.own_ipc) {
    for (const std::uint32_t call : refused_with_shared_ipc) code.end_if(call, refuse(EPERM));
  }
  if (!rules.tracing) code.end_if(__NR_ptrace, refuse(EPERM));

  code.end_if(__NR_clone3, refuse(ENOSYS));  // its flags are in memory: libraries fall back on clone
  code.call(__NR_clone, [&] {
    code.load(low_half(0));
    code.end_if_any(namespace_flags, refuse(EPERM));
    code.end(let_through);
  });
  code.call(__NR_ioctl, [&] {
    code.load(low_half(1));
    // Typing at the terminal, the console's selection and redirection, line disciplines.
    for (const int request : {TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD}) code.end_if(static_cast<std::uint32_t>(request), refuse(EPERM));
    code.end(let_through);
  });
  code.call(__NR_personality, [&] {
    code.load(low_half(0));
    for (const std::uint32_t harmless : {0U, 0x0040000U /* ADDR_NO_RANDOMIZE */, 0xffffffffU /* asks */}) {
      code.end_if(harmless, let_through);
    }
    code.end(refuse(EPERM));
  });
  // Other processes' limits and priorities: one second of CPU time ends any process of the same user.
  code.call(__NR_prlimit64, [&] {
    code.load(low_half(0));
    code.end_if(0, let_through);
    code.load(low_half(2));
    code.end_unless(0, refuse(EPERM));
    code.load(high_half(2));
    code.end_unless(0, refuse(EPERM));
    code.end(let_through);
  });
  code.call(__NR_setpriority, [&] {
    code.load(low_half(0));
    code.end_unless(0, refuse(EPERM));  // PRIO_PROCESS
    code.load(low_half(1));
    code.end_unless(0, refuse(EPERM));
    code.end(let_through);
  });
  filter_sockets(code, rules);
  code.end(let_through);
  return code.take();
}

}  // namespace joey

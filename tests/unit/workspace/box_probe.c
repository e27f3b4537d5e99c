/* What the escape attempts of box_escape_test.cpp need a program for: one system call or two each. Prints ESCAPED when the
 * attempt succeeds, else what stopped it. Run as: box_probe ATTEMPT [ARGUMENT...] */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static long number(const char *text) { return strtol(text, NULL, 0); }

/* What an attempt returns: 0 for success, or -1 with errno. */
typedef int attempt(char **arguments);

static int shows_text(int fd) {
  char text[4096];
  const ssize_t size = read(fd, text, sizeof text - 1);
  if (size < 0) return -1;
  text[size] = '\0';
  fputs(text, stdout);
  return 0;
}

/* --- Files --- */

static int try_mmap(char **a) {
  const int fd = open(a[0], O_RDONLY);
  if (fd < 0) return -1;
  const char *bytes = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return -1;
  printf("%.64s\n", bytes);
  return 0;
}
static int try_reopen(char **a) { /* a descriptor that says nothing, opened again through /proc */
  const int fd = open(a[0], O_PATH);
  if (fd < 0) return -1;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int again = open(path, O_RDONLY);
  return again < 0 ? -1 : shows_text(again);
}
static int try_truncate(char **a) { return truncate(a[0], 0); }
static int try_truncating_open(char **a) { return open(a[0], O_RDONLY | O_TRUNC) < 0 ? -1 : 0; }
static int try_exchange(char **a) { return renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE); }
static int try_link_fd(char **a) { /* hard link through /proc */
  char path[64];
  const int fd = open(a[0], O_PATH);
  if (fd < 0) return -1;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, path, AT_FDCWD, a[1], AT_SYMLINK_FOLLOW);
}
static int try_handle(char **a) {
  union {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + 128];
  } file;
  int mount = 0;
  file.handle.handle_bytes = 128;
  if (name_to_handle_at(AT_FDCWD, a[0], &file.handle, &mount, 0) != 0) return -1;
  const int place = open(a[1], O_RDONLY | O_DIRECTORY);
  if (place < 0) return -1;
  const int fd = open_by_handle_at(place, &file.handle, O_RDONLY);
  return fd < 0 ? -1 : shows_text(fd);
}
static int try_device(char **a) {
  if (mknod(a[0], S_IFCHR | 0666, makedev(1, 3)) != 0) return -1;
  return open(a[0], O_RDWR) < 0 ? -1 : 0;
}
static int try_opening(char **a) { return open(a[0], (int)number(a[1])) < 0 ? -1 : 0; }
static int try_descriptors(char **a) { /* beyond 0 to 2, none must be there */
  (void)a;
  for (int fd = 3; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) return 0;
  }
  errno = EBADF;
  return -1;
}
static int try_race(char **a) { /* a symlink that keeps changing, read while it does */
  const pid_t child = fork();
  if (child == 0) {
    for (;;) {
      unlink(a[1]);
      symlink(a[0], a[1]);
      unlink(a[1]);
      symlink("harmless", a[1]);
    }
  }
  int found = -1;
  for (int i = 0; i < 20000 && found != 0; ++i) {
    const int fd = open(a[1], O_RDONLY);
    if (fd < 0) continue;
    char text[64] = "";
    if (read(fd, text, sizeof text - 1) > 0 && strstr(text, "outside")) found = 0;
    close(fd);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  errno = EACCES;
  return found;
}

/* --- Sockets --- */

static int unix_socket(const char *name, int abstract) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  snprintf(to.sun_path + abstract, sizeof to.sun_path - 1, "%s", name);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract + strlen(name) + !abstract);
  return connect(fd, (struct sockaddr *)&to, size);
}
static int try_abstract(char **a) { return unix_socket(a[0], 1); }
static int try_unix(char **a) { return unix_socket(a[0], 0); }
static struct sockaddr_in loopback(const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(port))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return to;
}
static int try_tcp(char **a) {
  const struct sockaddr_in to = loopback(a[0]);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof to);
}
static int try_tcp6(char **a) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number(a[0]))};
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof to);
}
static int try_mptcp(char **a) {
  const struct sockaddr_in to = loopback(a[0]);
  const int fd = socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);
  return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof to);
}
static int try_fast_open(char **a) {
  const struct sockaddr_in to = loopback(a[0]);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  return sendto(fd, "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&to, sizeof to) < 0 ? -1 : 0;
}
static int try_listen(char **a) { /* where the test then finds it */
  const struct sockaddr_in to = loopback(a[0]);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&to, sizeof to) != 0) return -1;
  return listen(fd, 1);
}
static int try_tcp_both(char **a) { /* to a server of its own */
  struct sockaddr_in at = loopback("0");
  socklen_t size = sizeof at;
  (void)a;
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0 || bind(server, (struct sockaddr *)&at, size) != 0 || listen(server, 1) != 0) return -1;
  getsockname(server, (struct sockaddr *)&at, &size);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  return connect(client, (struct sockaddr *)&at, size);
}
static int try_udp(char **a) { /* an answer must come from outside */
  const struct sockaddr_in to = loopback(a[0]);
  const struct timeval limit = {1, 0};
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  char answer[8];
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof to) < 0) return -1;
  return recv(fd, answer, sizeof answer, 0) < 0 ? -1 : 0;
}
static int try_socket(char **a) {
  return socket((int)number(a[0]), (int)number(a[1]), (int)number(a[2])) < 0 ? -1 : 0;
}

/* --- Other processes --- */

static int try_ptrace(char **a) {
  const pid_t pid = (pid_t)number(a[0]);
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return -1;
  ptrace(PTRACE_DETACH, pid, 0, 0);
  return 0;
}
static int try_vm_read(char **a) {
  char here[16];
  struct iovec local = {here, sizeof here};
  struct iovec remote = {(void *)number(a[1]), sizeof here};
  return process_vm_readv((pid_t)number(a[0]), &local, 1, &remote, 1, 0) < 0 ? -1 : 0;
}
static int try_kill(char **a) { return kill((pid_t)number(a[0]), (int)number(a[1])); }
static int try_pidfd_kill(char **a) {
  const int fd = (int)syscall(SYS_pidfd_open, (pid_t)number(a[0]), 0);
  return fd < 0 ? -1 : (int)syscall(SYS_pidfd_send_signal, fd, (int)number(a[1]), NULL, 0);
}
static int try_signal_owner(char **a) { /* SIGIO to another process */
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return -1;
  if (fcntl(pair[0], F_SETOWN, (int)number(a[0])) != 0 || fcntl(pair[0], F_SETSIG, SIGUSR1) != 0) return -1;
  fcntl(pair[0], F_SETFL, O_ASYNC);
  return write(pair[1], "x", 1) < 0 ? -1 : 0;
}
static int try_getfd(char **a) {
  const int fd = (int)syscall(SYS_pidfd_open, (pid_t)number(a[0]), 0);
  return fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, fd, 0, 0) < 0 ? -1 : 0;
}
static int try_prlimit(char **a) {
  struct rlimit limit = {8192, 8192};
  struct rlimit old;
  const pid_t pid = (pid_t)number(a[0]);
  if (prlimit(pid, RLIMIT_NOFILE, NULL, &old) != 0) return -1;
  (void)limit;
  return prlimit(pid, RLIMIT_NOFILE, &old, NULL);
}
static int try_priority(char **a) { return setpriority(PRIO_PROCESS, (id_t)number(a[0]), 1); }
static int try_shared_memory(char **a) {
  const int id = shmget((key_t)number(a[0]), 0, 0);
  if (id < 0) return -1;
  return shmat(id, NULL, 0) == (void *)-1 ? -1 : 0;
}
static int try_queue(char **a) { return mq_open(a[0], O_RDONLY) == (mqd_t)-1 ? -1 : 0; }

/* --- The kernel --- */

static int try_io_uring(char **a) {
  char parameters[256] = {0};
  (void)a;
  return syscall(SYS_io_uring_setup, 4, parameters) < 0 ? -1 : 0;
}
static int try_bpf(char **a) {
  struct {
    uint32_t type, key_size, value_size, entries, rest[28];
  } map = {2, 4, 4, 1, {0}};
  (void)a;
  return syscall(SYS_bpf, 0, &map, sizeof map) < 0 ? -1 : 0;
}
static int try_perf(char **a) {
  struct {
    uint32_t type, size;
    uint64_t config, rest[14];
  } event = {1, 128, 0, {0}};
  (void)a;
  event.rest[3] = 1 << 5 | 1 << 6; /* without the kernel and the hypervisor */
  return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) < 0 ? -1 : 0;
}
static int try_userfaultfd(char **a) {
  (void)a;
  return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */) < 0 ? -1 : 0;
}
static int try_keyctl(char **a) {
  (void)a;
  return syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -5 /* user session */, 1) < 0 ? -1 : 0;
}
static int try_add_key(char **a) {
  (void)a;
  return syscall(SYS_add_key, "user", "joey-test", "x", 1, -1 /* thread's own */) < 0 ? -1 : 0;
}
static int try_fanotify(char **a) {
  (void)a;
  return fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY) < 0 ? -1 : 0;
}
static int try_mount(char **a) {
  if (mount("tmpfs", a[0], "tmpfs", 0, NULL) != 0) return -1;
  return umount(a[0]);
}
static int try_bind(char **a) { /* a guarded file under another name */
  const int made = open(a[1], O_RDWR | O_CREAT, 0600);
  if (made < 0 || mount(a[0], a[1], NULL, MS_BIND, NULL) != 0) return -1;
  const int fd = open(a[1], O_RDONLY);
  const int result = fd < 0 ? -1 : shows_text(fd);
  close(fd);
  umount(a[1]);
  unlink(a[1]);
  return result;
}
static int try_umount(char **a) { return umount2(a[0], MNT_DETACH); }
static int try_new_mount_api(char **a) {
  (void)a;
  return syscall(SYS_fsopen, "tmpfs", 0) < 0 ? -1 : 0;
}
static int try_open_tree(char **a) { return syscall(SYS_open_tree, AT_FDCWD, a[0], 1 /* OPEN_TREE_CLONE */) < 0 ? -1 : 0; }
static int try_unshare(char **a) { return unshare((int)number(a[0])); }
static int try_clone(char **a) {
  const long child = syscall(SYS_clone, number(a[0]) | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  if (child < 0) return -1;
  waitpid((pid_t)child, NULL, 0);
  return 0;
}
static int try_clone3(char **a) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } arguments = {(uint64_t)number(a[0]), 0, 0, 0, SIGCHLD, 0, 0, 0};
  const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(0);
  if (child < 0) return -1;
  waitpid((pid_t)child, NULL, 0);
  return 0;
}
static int try_setns(char **a) {
  const int fd = open(a[0], O_RDONLY);
  return fd < 0 ? -1 : setns(fd, 0);
}
static int try_chroot(char **a) { return chroot(a[0]); }
static int try_personality(char **a) {
  (void)a;
  return personality(READ_IMPLIES_EXEC) < 0 ? -1 : 0;
}
static int try_clock(char **a) { /* to what it is */
  struct timespec now;
  (void)a;
  clock_gettime(CLOCK_REALTIME, &now);
  return clock_settime(CLOCK_REALTIME, &now);
}
static int try_adjtime(char **a) {
  struct timex nothing = {.modes = ADJ_TICK, .tick = 10000};
  (void)a;
  return adjtimex(&nothing) < 0 ? -1 : 0;
}
static int try_hostname(char **a) { /* to what it is */
  char name[256] = "";
  (void)a;
  if (gethostname(name, sizeof name - 1) != 0) return -1;
  return sethostname(name, strlen(name));
}
static int try_syslog(char **a) {
  char text[4096];
  (void)a;
  return syscall(SYS_syslog, 3, text, sizeof text) < 0 ? -1 : 0;
}
/* Calls whose arguments are wrong, so that they do nothing even where they are allowed: another refusal than EPERM and
 * ENOSYS shows that they got as far as their arguments. */
static int try_call(char **a) {
  syscall(number(a[0]), -1L, -1L, -1L, -1L, -1L, -1L);
  return errno == EPERM || errno == ENOSYS ? -1 : 0;
}
static int try_iopl(char **a) {
  (void)a;
#ifdef SYS_iopl
  return (int)syscall(SYS_iopl, 3);
#else
  errno = ENOSYS;
  return -1;
#endif
}
static int try_32_bit(char **a) { /* the same call by its number of another architecture: getpid, then socket */
  (void)a;
#if defined(__x86_64__)
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L), "b"(0L) : "memory", "r8", "r9", "r10", "r11");
  if (result > 0) return 0;
  errno = (int)-result;
#else
  errno = ENOSYS;
#endif
  return -1;
}
static int try_x32(char **a) {
  (void)a;
  return syscall(0x40000000L + 41, AF_INET, SOCK_STREAM, 0) < 0 ? -1 : 0;
}
static int try_type(char **a) { /* a character at the terminal, as if somebody had typed it */
  const char c = 'x';
  (void)a;
  return ioctl(0, TIOCSTI, &c);
}
static int try_type_wide(char **a) { /* the request with high bits that the kernel does not look at */
  const char c = 'x';
  (void)a;
  return (int)syscall(SYS_ioctl, 0, 0x100000000L | TIOCSTI, &c);
}
static int try_console(char **a) {
  char code = 6; /* TIOCL_GETSHIFTSTATE */
  (void)a;
  if (ioctl(0, TIOCLINUX, &code) >= 0) return 0;
  return errno == EPERM ? -1 : 0;
}
static int try_discipline(char **a) {
  const int discipline = 0;
  (void)a;
  return ioctl(0, TIOCSETD, &discipline);
}
static int try_privileges(char **a) {
  (void)a;
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? (errno = EPERM, -1) : 0;
}
static int try_core(char **a) {
  struct rlimit limit;
  (void)a;
  limit.rlim_cur = limit.rlim_max = 1 << 20;
  return setrlimit(RLIMIT_CORE, &limit);
}

/* --- Bombs: ARGUMENT says how much is too much --- */

static int try_memory(char **a) {
  const long megabytes = number(a[0]);
  for (long i = 0; i < megabytes; ++i) {
    char *block = malloc(1 << 20);
    if (block == NULL) return -1;
    memset(block, 1, 1 << 20);
  }
  return 0;
}
static int try_memory_by_many(char **a) {
  int failed = 0;
  for (int i = 0; i < 8; ++i) {
    if (fork() == 0) {
      if (try_memory(a) != 0) _exit(1);
      sleep(1);
      _exit(0);
    }
  }
  for (int status; wait(&status) > 0;) failed |= status;
  return failed ? (errno = ENOMEM, -1) : 0;
}
static int try_forks(char **a) {
  long wanted = number(a[0]);
  while (wanted > 0) {
    const pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
      pause();
      _exit(0);
    }
    --wanted;
  }
  return 0;
}
static void *wait_forever(void *nothing) {
  pause();
  return nothing;
}
static int try_threads(char **a) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  for (long wanted = number(a[0]); wanted > 0; --wanted) {
    pthread_t thread;
    const int error = pthread_create(&thread, &small, wait_forever, NULL);
    if (error) return errno = error, -1;
  }
  return 0;
}
static int try_time(char **a) {
  while (clock() / CLOCKS_PER_SEC < number(a[0])) {
  }
  return 0;
}
static int try_files(char **a) {
  for (long wanted = number(a[0]); wanted > 0; --wanted) {
    if (open("/dev/null", O_RDONLY) < 0) return -1;
  }
  return 0;
}

static const struct {
  const char *name;
  attempt *run;
  int arguments;
} attempts[] = {
    {"mmap", try_mmap, 1}, {"reopen", try_reopen, 1}, {"truncate", try_truncate, 1},
    {"truncating_open", try_truncating_open, 1}, {"exchange", try_exchange, 2}, {"link_fd", try_link_fd, 2},
    {"handle", try_handle, 2}, {"device", try_device, 1}, {"opening", try_opening, 2},
    {"descriptors", try_descriptors, 0}, {"race", try_race, 2}, {"abstract", try_abstract, 1}, {"unix", try_unix, 1},
    {"tcp", try_tcp, 1}, {"tcp6", try_tcp6, 1}, {"mptcp", try_mptcp, 1}, {"fast_open", try_fast_open, 1},
    {"listen", try_listen, 1}, {"udp", try_udp, 1}, {"tcp_both", try_tcp_both, 0}, {"socket", try_socket, 3}, {"ptrace", try_ptrace, 1},
    {"vm_read", try_vm_read, 2}, {"kill", try_kill, 2}, {"pidfd_kill", try_pidfd_kill, 2},
    {"signal_owner", try_signal_owner, 1}, {"getfd", try_getfd, 1}, {"prlimit", try_prlimit, 1},
    {"priority", try_priority, 1}, {"shared_memory", try_shared_memory, 1}, {"queue", try_queue, 1},
    {"io_uring", try_io_uring, 0}, {"bpf", try_bpf, 0}, {"perf", try_perf, 0}, {"userfaultfd", try_userfaultfd, 0},
    {"keyctl", try_keyctl, 0}, {"add_key", try_add_key, 0}, {"fanotify", try_fanotify, 0}, {"mount", try_mount, 1},
    {"bind", try_bind, 2}, {"umount", try_umount, 1}, {"new_mount_api", try_new_mount_api, 0},
    {"open_tree", try_open_tree, 1}, {"unshare", try_unshare, 1}, {"clone", try_clone, 1}, {"clone3", try_clone3, 1},
    {"setns", try_setns, 1}, {"chroot", try_chroot, 1}, {"personality", try_personality, 0}, {"clock", try_clock, 0},
    {"adjtime", try_adjtime, 0}, {"hostname", try_hostname, 0}, {"syslog", try_syslog, 0}, {"call", try_call, 1},
    {"iopl", try_iopl, 0}, {"32_bit", try_32_bit, 0}, {"x32", try_x32, 0}, {"type", try_type, 0},
    {"type_wide", try_type_wide, 0}, {"console", try_console, 0}, {"discipline", try_discipline, 0},
    {"privileges", try_privileges, 0}, {"core", try_core, 0}, {"memory", try_memory, 1},
    {"memory_by_many", try_memory_by_many, 1}, {"forks", try_forks, 1}, {"threads", try_threads, 1},
    {"files", try_files, 1}, {"time", try_time, 1},
};

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (count < 2) return 2;
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; ++i) {
    if (strcmp(attempts[i].name, arguments[1]) != 0) continue;
    if (count - 2 < attempts[i].arguments) return 2;
    errno = 0;
    if (attempts[i].run(arguments + 2) == 0) {
      puts("ESCAPED");
      fflush(stdout);
      if (strcmp(arguments[1], "forks") == 0) kill(0, SIGKILL);
      return 0;
    }
    printf("stopped: %s\n", strerror(errno));
    if (strcmp(arguments[1], "forks") == 0) kill(0, SIGKILL);
    return 1;
  }
  printf("no such attempt\n");
  return 2;
}

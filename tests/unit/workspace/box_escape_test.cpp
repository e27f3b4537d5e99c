// Attempts to get out of a box, one a row. Each is made in every box of this machine, where it must fail, and in none,
// where it must succeed: a row that cannot succeed would prove nothing. What the attempt was answered says which layer of
// the box stopped it; JOEY_BOX_ROW="part of a name", or "", shows that row by row.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "box_support.hpp"

namespace joey {
namespace {

using namespace test;

enum class Control : std::uint8_t {
  everybody,  // without a box it succeeds,
  root,       // for root,
  perhaps,    // depending on the machine,
  harmful,    // or it is better not tried
};

struct Attempt {
  const char* name;
  const char* command;
  const char* shows{"ESCAPED"};  // in the output when it succeeds; so does a change of what is guarded
  Control control{Control::everybody};
  // Boxes whose report says that they do not stop this, or that have one of their own.
  enum class Gap : std::uint8_t { none, landlock, namespaces } gap{Gap::none};
  bool in_terminal{false};
};

constexpr const char* outside = outside_secret;
constexpr const char* hidden = hidden_secret;

constexpr Attempt on_files[] = {
    {"read by its path", "cat $OUT/secret", outside},
    {"read by a relative path", "cat ../out/secret", outside},
    {"read by a path with many turns", "cat src/../../ws/../out/./secret", outside},
    {"read through a symlink", "ln -s $OUT/secret a/link; cat a/link", outside},
    {"read through a symlinked directory", "ln -s $OUT a/link; cat a/link/secret", outside},
    {"read through a chain of symlinks", "ln -s $OUT a/one; ln -s one/secret a/two; cat a/two", outside},
    {"read while a symlink changes", "$P race $OUT/secret a/changing"},
    {"read through /proc/self/root", "cat /proc/self/root$OUT/secret", outside},
    {"read through /proc/self/cwd", "cd src; cat /proc/self/cwd/../../out/secret", outside},
    {"read through the parent's root", "cat /proc/$PPID/root$OUT/secret", outside},
    {"read through init's root", "cat /proc/1/root$OUT/secret", outside, Control::perhaps},
    {"read through another's root", "cat /proc/$VICTIM/root$OUT/secret", outside},
    {"read through another's directory", "cat /proc/$VICTIM/cwd/out/secret", outside},
    {"read through a thread's root", "cat /proc/self/task/$BASHPID/root$OUT/secret; cat /proc/thread-self/root$OUT/secret", outside},
    {"map into memory", "$P mmap $OUT/secret", outside},
    {"reopen a descriptor without rights", "$P reopen $OUT/secret", outside},
    {"open by handle", "$P handle $OUT/secret .", outside, Control::root},
    {"open by handle of the root", "$P handle $OUT/secret /", outside, Control::root},
    {"link into the workspace", "ln $OUT/secret a/link && cat a/link", outside},
    {"link into the workspace by descriptor", "$P link_fd $OUT/secret a/link; cat a/link", outside},
    {"move into the workspace", "mv $OUT/target a/", "nothing"},
    {"copy by reference", "cp --reflink=auto $OUT/secret a/copy; cat a/copy", outside},
    {"read beneath a directory that was left open", "for d in /proc/self/fd/* /proc/1/fd/* /proc/$PPID/fd/*; do cat $d/../../../../../../../../..$OUT/secret; done", outside, Control::perhaps},
    {"change the program that made the box", "for p in self 1 $PPID; do : >> /proc/$p/exe && echo ESCAPED; done", "ESCAPED", Control::harmful},
    {"run it as a program", "bash $OUT/secret 2>&1 | grep -o 'outside-secret-[0-9]*'", outside},
    {"list a directory", "ls $OUT", "target"},
    {"search the machine", "find $OUT/.. -name secret -path '*out*' 2>/dev/null", "out/secret"},
    {"archive a directory", "tar -C $OUT -cf - . 2>/dev/null | strings", outside},
    {"write", "echo changed > $OUT/target", "nothing"},
    {"append", "echo changed >> $OUT/target", "nothing"},
    {"make a file", "touch $OUT/new", "nothing"},
    {"make a directory", "mkdir $OUT/new", "nothing"},
    {"make a symlink", "ln -s / $OUT/new", "nothing"},
    {"make a pipe", "mkfifo $OUT/new", "nothing"},
    {"write through a symlink", "ln -s $OUT/target a/link; echo changed > a/link", "nothing"},
    {"write through a symlinked directory", "ln -s $OUT a/link; echo changed > a/link/new", "nothing"},
    {"write through /proc/self/root", "echo changed > /proc/self/root$OUT/target", "nothing"},
    {"write through another's directory", "echo changed > /proc/$VICTIM/cwd/out/target", "nothing"},
    {"remove", "rm -f $OUT/target", "nothing"},
    {"move out of the workspace", "mv src/harmless $OUT/", "nothing"},
    {"link out of the workspace", "ln src/harmless $OUT/", "nothing"},
    {"rename over", "cp src/harmless a/x; mv -f a/x $OUT/target", "nothing"},
    {"exchange", "$P exchange src/harmless $OUT/target", "nothing"},
    {"cut to nothing", "$P truncate $OUT/target", "nothing"},
    {"cut to nothing by opening", "$P truncating_open $OUT/target", "nothing"},
    {"change the mode", "chmod 777 $OUT/target", "nothing", Control::everybody, Attempt::Gap::landlock},
    {"write a shell profile", "echo evil >> $OUT/.bashrc", "nothing"},
    {"write the user's own profile", "f=$(getent passwd $(id -u) | cut -d: -f6)/.profile; [ -e $f ] && : >> $f && echo ESCAPED", "ESCAPED", Control::harmful, Attempt::Gap::namespaces},
    {"write a system program", ": >> /usr/bin/env && echo ESCAPED", "ESCAPED", Control::root},
    {"write the list of users", ": >> /etc/passwd && echo ESCAPED", "ESCAPED", Control::root},
    {"write a schedule", "for f in /etc/crontab /etc/cron.d/*; do [ -e $f ] && : >> $f && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"preload a library everywhere", ": >> /etc/ld.so.cache && echo ESCAPED", "ESCAPED", Control::root},
    {"read password hashes", "cat /etc/shadow && echo ESCAPED", "ESCAPED", Control::root},
    {"read password hashes of groups", "cat /etc/gshadow && echo ESCAPED", "ESCAPED", Control::root},
    {"write to the shared temporary directory", "ls /var/tmp && echo ESCAPED", "ESCAPED", Control::everybody, Attempt::Gap::namespaces},
};

constexpr Attempt on_hidden[] = {
    {"hidden: read", "cat .env", hidden},
    {"hidden: read a file in a hidden directory", "cat secrets/key", hidden},
    {"hidden: read beneath directories", "cat a/b/token", hidden},
    {"hidden: read absolutely", "cat $WS/a/../.env", hidden},
    {"hidden: read by shell", "read -r line < .env; echo $line; . ./.env 2>&1", hidden},
    {"hidden: symlink", "ln -s ../.env src/link; cat src/link", hidden},
    {"hidden: link", "ln .env src/link; cat src/link", hidden},
    {"hidden: link by descriptor", "$P link_fd .env src/link; cat src/link", hidden},
    {"hidden: rename", "mv .env src/renamed; cat src/renamed", hidden},
    {"hidden: rename the parent", "mv a/b a/c; cat a/c/token", hidden},
    {"hidden: rename the parent's parent", "mv a src/a; cat src/a/b/token", hidden},
    {"hidden: rename its directory", "mv secrets src/; cat src/secrets/key", hidden},
    {"hidden: exchange", "$P exchange src/harmless .env; cat src/harmless", hidden},
    {"hidden: exchange its directory", "$P exchange src secrets; cat src/key", hidden},
    {"hidden: unmount what is on it", "$P umount .env; umount -l .env; cat .env", hidden},
    {"hidden: bind", "$P bind .env src/bound", hidden, Control::root},
    {"hidden: map", "$P mmap a/b/token", hidden},
    {"hidden: reopen", "$P reopen .env", hidden},
    {"hidden: copy by reference", "cp --reflink=auto .env src/copy; cat src/copy", hidden},
    {"hidden: copy everything", "cp -r . $TMPDIR/all 2>/dev/null; grep -rh hidden- $TMPDIR/all", hidden},
    {"hidden: archive everything", "tar -cf - . 2>/dev/null | strings", hidden},
    {"hidden: search everything", "grep -rh hidden- .", hidden},
    {"hidden: through /proc", "cat /proc/self/cwd/.env /proc/self/root$WS/.env", hidden},
    {"hidden: change the mode", "chmod 666 .env secrets/key; cat .env secrets/key; chmod 644 .env secrets/key", hidden},
    {"hidden: by git", "cd src; git hash-object --no-filters -w ../.env 2>&1; git diff --no-index /dev/null ../.env", hidden},
    {"hidden: overwrite", "echo changed > .env", "nothing"},
    {"hidden: remove", "rm -f .env", "nothing"},
    {"hidden: remove its directory", "rm -rf secrets", "nothing"},
    {"hidden: remove the parents", "rm -rf a", "nothing"},
    {"hidden: rename over", "cp src/harmless src/x; mv -f src/x .env", "nothing"},
    {"hidden: cut to nothing", "$P truncate a/b/token", "nothing"},
    {"hidden: make a file in its directory", "touch secrets/new", "nothing"},
    {"hidden: open by handle", "$P handle .env .", hidden, Control::root},
};

constexpr Attempt on_read_only[] = {
    {"read-only: write", "echo evil > AGENTS.md", "nothing"},
    {"read-only: append", "echo evil >> AGENTS.md", "nothing"},
    {"read-only: remove", "rm -f AGENTS.md", "nothing"},
    {"read-only: rename over", "cp src/harmless src/x; mv -f src/x AGENTS.md", "nothing"},
    {"read-only: rename away", "mv AGENTS.md src/", "nothing"},
    {"read-only: exchange", "$P exchange src/harmless AGENTS.md", "nothing"},
    {"read-only: write through a symlink", "ln -s ../AGENTS.md src/link; echo evil > src/link", "nothing"},
    {"read-only: write through a link", "ln AGENTS.md src/link && echo evil > src/link", "nothing"},
    {"read-only: write through /proc", "exec 5< AGENTS.md; echo evil > /proc/self/fd/5", "nothing"},
    {"read-only: cut to nothing", "$P truncate AGENTS.md", "nothing"},
    {"read-only: git hook", "echo evil > .git/hooks/pre-commit", "nothing"},
    {"read-only: git hook by rename", "cp src/harmless src/pre-commit; mv src/pre-commit .git/hooks/", "nothing"},
    {"read-only: another hooks directory", "mv .git/hooks .git/old; mkdir .git/hooks; echo evil > .git/hooks/pre-commit", "nothing"},
    {"read-only: another git directory", "mv .git old; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit", "nothing"},
    {"read-only: run a hook", "chmod +x .git/hooks/sample", "nothing", Control::everybody, Attempt::Gap::landlock},
    {"read-only: git configuration", "git config core.fsmonitor evil; echo evil >> .git/config", "nothing"},
    {"read-only: editor tasks", "echo evil > .vscode/tasks.json", "nothing"},
    {"read-only: editor settings", "sed -i s/a/b/ .vscode/settings.json; echo evil > .vscode/settings.json", "nothing"},
    {"read-only: a directory that was not there", "mkdir .roo; echo evil > .roo/rules.md", "nothing"},
    {"read-only: a directory that was not there, moved", "mkdir src/r; echo evil > src/r/rules.md; mv -T src/r .roo", "nothing"},
    {"read-only: a symlink in its place", "ln -sfn src .roo", "nothing"},
    {"read-only: a file in its place", "echo evil > .roo", "nothing"},
};

constexpr Attempt on_processes[] = {
    {"see another's environment", "tr '\\0' '\\n' < /proc/$VICTIM/environ", outside},
    {"see everybody's environment", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep SECRET", outside},
    {"see another's memory map", "grep -q . /proc/$VICTIM/maps && echo ESCAPED"},
    {"open another's memory", "exec 5< /proc/$VICTIM/mem && echo ESCAPED"},
    {"write init's memory", "exec 5<> /proc/1/mem && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"see another's descriptors", "ls -l /proc/$VICTIM/fd/ 2>/dev/null | grep -q ' 0 -> ' && echo ESCAPED"},
    {"trace another", "$P ptrace $VICTIM"},
    {"trace the supervisor", "$P ptrace $PPID", "ESCAPED", Control::perhaps},
    {"read another's memory", "$P vm_read $VICTIM $(grep -m1 r-- /proc/$VICTIM/maps | sed 's/^/0x/;s/-.*//')"},
    {"signal another", "$P kill $VICTIM 0"},
    {"kill another", "kill -STOP $VICTIM && { kill -CONT $VICTIM; echo ESCAPED; }"},
    {"signal what must outlive it", "for p in $VICTIM 1 $PPID; do kill -0 $p && echo ESCAPED; done"},
    {"signal by pidfd", "$P pidfd_kill $VICTIM 0"},
    {"signal as the owner of a socket", "$P signal_owner $VICTIM", "nothing", Control::harmful},
    {"take another's descriptor", "$P getfd $VICTIM"},
    {"limit another", "$P prlimit $VICTIM"},
    {"slow another", "$P priority $VICTIM"},
    {"attach another's shared memory", "$P shared_memory $SHM"},
    {"open another's message queue", "$P queue $QUEUE"},
    {"inherit a descriptor", "$P descriptors", "ESCAPED", Control::harmful},
    {"have the machine's IPC listed with rights", "ipcrm -m 999999 2>&1 | grep -q 'invalid id' && ipcs -m | grep -q . && $P shared_memory $SHM"},
};

constexpr Attempt on_network[] = {
    {"abstract socket", "$P abstract $ABSTRACT"},
    {"local socket in the file system", "$P unix $SOCKET"},
    {"TCP", "$P tcp $TCP"},
    {"TCP by shell", "exec 5<> /dev/tcp/127.0.0.1/$TCP && echo ESCAPED"},
    {"TCP over version 6", "$P tcp6 $TCP"},
    {"multipath TCP", "$P mptcp $TCP", "ESCAPED", Control::perhaps},
    {"TCP fast open", "$P fast_open $TCP", "ESCAPED", Control::perhaps},
    {"UDP", "$P udp $UDP"},
    {"ICMP", "$P socket 2 2 1", "ESCAPED", Control::perhaps},
    {"raw socket", "$P socket 2 3 255", "ESCAPED", Control::root},
    {"raw socket of version 6", "$P socket 10 3 58", "ESCAPED", Control::root},
    {"packet socket", "$P socket 17 3 0x300", "ESCAPED", Control::root},
    {"netlink audit", "$P socket 16 3 9"},
    {"netlink netfilter", "$P socket 16 3 12", "ESCAPED", Control::perhaps},
    {"netlink uevents", "$P socket 16 3 15"},
    {"names of hosts", "for s in 127.0.0.1 127.0.0.53; do exec 5<> /dev/tcp/$s/53 && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"virtual machine's socket", "$P socket 40 1 0", "ESCAPED", Control::perhaps},
    {"kernel crypto socket", "$P socket 38 5 0", "ESCAPED", Control::perhaps},
    {"Bluetooth, CAN, TIPC, RDS, KCM, SMC, XDP", "for f in 31 29 30 21 41 43 44; do $P socket $f 1 0; $P socket $f 2 0; $P socket $f 3 1; done", "ESCAPED", Control::perhaps},
};

constexpr Attempt on_kernel[] = {
    {"mount", "mkdir -p a/m; $P mount a/m", "ESCAPED", Control::root},
    {"unmount", "$P umount /sys", "ESCAPED", Control::harmful},
    {"mount as new kernels do", "$P new_mount_api", "ESCAPED", Control::root},
    {"clone a tree of mounts", "$P open_tree /", "ESCAPED", Control::root},
    {"unshare the user namespace", "$P unshare 0x10000000", "ESCAPED", Control::perhaps},
    {"unshare the mount namespace", "$P unshare 0x00020000", "ESCAPED", Control::root},
    {"unshare the network namespace", "$P unshare 0x40000000", "ESCAPED", Control::root},
    {"clone into a user namespace", "$P clone 0x10000000", "ESCAPED", Control::perhaps},
    {"clone into a pid namespace", "$P clone 0x20000000", "ESCAPED", Control::root},
    {"clone3 into a user namespace", "$P clone3 0x10000000", "ESCAPED", Control::perhaps},
    {"clone3", "$P clone3 0"},
    {"become root of a user namespace", "unshare -Ur cat $OUT/secret", outside, Control::perhaps},
    {"enter another's namespace", "$P setns /proc/$VICTIM/ns/net", "ESCAPED", Control::root},
    {"enter one's own namespace", "$P setns /proc/self/ns/net", "ESCAPED", Control::root},
    {"chroot", "$P chroot /", "ESCAPED", Control::root},
    {"set-uid program", "grep -q '^NoNewPrivs:.*1' /proc/self/status || echo ESCAPED"},
    {"no_new_privs", "$P privileges"},
    {"capabilities", "grep -E \"^Cap(Prm|Eff|Amb$([ $(id -u) = 0 ] && echo '|Bnd'))\" /proc/self/status | grep -qv '0000000000000000' && echo ESCAPED", "ESCAPED", Control::root},
    {"capabilities of a program that root runs", "bash -c 'bash -c \"grep -E ^CapEff /proc/self/status\"' | grep -qv '0000000000000000' && echo ESCAPED", "ESCAPED", Control::root},
    {"become another user", "setpriv --reuid=12345 true && echo ESCAPED", "ESCAPED", Control::root},
    {"sudo", "sudo -n true && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"io_uring", "$P io_uring", "ESCAPED", Control::perhaps},
    {"bpf", "$P bpf", "ESCAPED", Control::perhaps},
    {"perf", "$P perf", "ESCAPED", Control::perhaps},
    {"userfaultfd", "$P userfaultfd", "ESCAPED", Control::perhaps},
    {"keyring", "$P keyctl"},
    {"add a key", "$P add_key"},
    {"fanotify", "$P fanotify", "ESCAPED", Control::perhaps},
    {"persona", "$P personality"},
    {"set the clock", "$P clock", "ESCAPED", Control::root},
    {"adjust the clock", "$P adjtime", "ESCAPED", Control::root},
    {"set the host's name", "$P hostname", "ESCAPED", Control::root},
    {"read the kernel's log", "$P syslog", "ESCAPED", Control::perhaps},
    {"read the kernel's log as a file", "exec 5< /dev/kmsg && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"load a module", "$P call 175; $P call 313", "ESCAPED", Control::perhaps},
    {"load another kernel", "$P call 246; $P call 320", "ESCAPED", Control::perhaps},
    {"restart the machine", "$P call 169", "ESCAPED", Control::root},
    {"swap", "$P call 167; $P call 168", "ESCAPED", Control::root},
    {"account processes", "$P call 163", "ESCAPED", Control::root},
    {"a call that is newer than the filter", "for n in 470 500 511; do $P call $n; done", "ESCAPED", Control::harmful},
    {"ports of the machine", "$P iopl", "ESCAPED", Control::perhaps},
    {"a call of another architecture", "$P 32_bit", "ESCAPED", Control::perhaps},
    {"a call of x32", "$P x32", "ESCAPED", Control::perhaps},
    {"core dumps", "$P core"},
    {"core dump handler", ": >> /proc/sys/kernel/core_pattern && echo ESCAPED", "ESCAPED", Control::root},
    {"module loader", ": >> /proc/sys/kernel/modprobe && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"kernel settings", ": >> /proc/sys/vm/swappiness && echo ESCAPED", "ESCAPED", Control::root},
    {"magic key", ": >> /proc/sysrq-trigger && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"cgroup release agent", "for f in /sys/fs/cgroup/*/release_agent; do : >> $f && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"leave its cgroup", "for f in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do : >> $f && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"uevent helper", ": >> /sys/kernel/uevent_helper && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"disk", "for d in /dev/vda /dev/sda /dev/nvme0n1 /dev/xvda /dev/loop0; do head -c1 $d > /dev/null && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"memory of the machine", "head -c1 /dev/mem > /dev/null && echo ESCAPED; head -c1 /proc/kcore >/dev/null && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"virtual machines", "[ -c /dev/kvm ] && exec 5<> /dev/kvm && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"user file systems", "[ -c /dev/fuse ] && exec 5<> /dev/fuse && echo ESCAPED", "ESCAPED", Control::perhaps},
    {"make a device", "$P device a/null", "ESCAPED", Control::root},
    {"another's terminal", "for t in /dev/tty1 /dev/console /dev/ttyS0; do [ -c $t ] && exec 5<> $t && echo ESCAPED; done", "ESCAPED", Control::perhaps},
    {"shared memory files", "touch /dev/shm/joey-test-$VICTIM && echo ESCAPED", "ESCAPED", Control::harmful, Attempt::Gap::namespaces},
    {"type at the terminal", "$P type", "ESCAPED", Control::perhaps, Attempt::Gap::none, true},
    {"type at the terminal with high bits", "$P type_wide", "ESCAPED", Control::perhaps, Attempt::Gap::none, true},
    {"the console's selection", "$P console", "ESCAPED", Control::everybody, Attempt::Gap::none, true},
    {"a line discipline", "$P discipline", "ESCAPED", Control::everybody, Attempt::Gap::none, true},
};

constexpr Attempt on_limits[] = {
    {"more memory than it may", "$P memory 512"},
    {"more memory than it may, in many processes", "$P memory_by_many 100"},
    {"more processes than it may", "$P forks 300"},
    {"more threads than it may", "$P threads 300"},
    {"more files open than it may", "$P files 1000"},
    {"a larger file than it may", "head -c 20000000 /dev/zero > src/big; [ $(stat -c %s src/big) -gt 9000000 ] && echo ESCAPED"},
    {"more time than it may", "$P time 3"},
    {"raise its limits", "ulimit -c unlimited && ulimit -n 512 && echo ESCAPED", "ESCAPED", Control::perhaps},
};

// What an attempt can be answered, and which layer answers so. The first that fits counts; the last fits always, for those
// that keep their answer to themselves.
struct Answer {
  const char* says;
  const char* layer;
};

namespace layer {
constexpr const char* filter = "the filter of system calls";
constexpr const char* landlock = "Landlock";
constexpr const char* mounts = "mounts";
constexpr const char* mount_namespace = "the mount namespace";
constexpr const char* pid_namespace = "the pid namespace";
constexpr const char* network_namespace = "the network namespace";
constexpr const char* privileges = "dropped privileges";
constexpr const char* limits = "limits";
}  // namespace layer

constexpr Answer refused_files[] = {{"Operation not permitted", layer::filter}, {"", layer::landlock}};
constexpr Answer absent_files[] = {{"Read-only file system", layer::mounts}, {"Permission denied", layer::mounts}, {"", layer::mount_namespace}};
constexpr Answer covered_files[] = {{"Operation not permitted", layer::filter}, {"", layer::mounts}};
constexpr Answer refused_processes[] = {{"Permission denied", layer::landlock}, {"Operation not permitted", layer::filter}, {"", layer::landlock}};
constexpr Answer absent_processes[] = {{"No such process", layer::pid_namespace}, {"Operation not permitted", layer::filter}, {"", layer::pid_namespace}};
constexpr Answer refused_sockets[] = {{"", layer::filter}};
constexpr Answer lonely_sockets[] = {{"Connection refused", layer::network_namespace}, {"temporarily unavailable", layer::network_namespace},
                                     {"No such file", layer::mount_namespace}, {"", layer::filter}};
constexpr Answer refused_calls[] = {{"Function not implemented", layer::filter}, {"Bad system call", layer::filter}, {"Operation not permitted", layer::filter},
                                    {"Permission denied", layer::landlock}, {"No such file", layer::landlock}, {"", layer::privileges}};
constexpr Answer absent_calls[] = {{"Function not implemented", layer::filter}, {"Bad system call", layer::filter}, {"Operation not permitted", layer::filter},
                                   {"Read-only file system", layer::mounts}, {"Permission denied", layer::mounts}, {"No such file", layer::mount_namespace},
                                   {"", layer::privileges}};
constexpr Answer exceeded[] = {{"", layer::limits}};

struct Section {
  std::span<const Attempt> attempts;
  std::span<const Answer> of_landlock;
  std::span<const Answer> of_namespaces;
};

constexpr Section sections[] = {{on_files, refused_files, absent_files},
                                {on_hidden, refused_files, covered_files},
                                {on_read_only, refused_files, covered_files},
                                {on_processes, refused_processes, absent_processes},
                                {on_network, refused_sockets, lonely_sockets},
                                {on_kernel, refused_calls, absent_calls},
                                {on_limits, exceeded, exceeded}};

std::string_view layer_of(const Section& section, BoxKind kind, std::string_view output) {
  const auto answers = kind == BoxKind::landlock ? section.of_landlock : section.of_namespaces;
  return std::find_if(answers.begin(), answers.end(), [&](const Answer& answer) { return output.find(answer.says) != output.npos; })->layer;
}

bool is_gap(Attempt::Gap gap, BoxKind kind) {
  return gap == (kind == BoxKind::landlock ? Attempt::Gap::landlock : Attempt::Gap::namespaces);
}

// Calls it with each section and attempt, or with those that are asked for.
template <class Call>
void for_each_attempt(Call call) {
  const char* only = std::getenv("JOEY_BOX_ROW");
  for (const Section& section : sections) {
    for (const Attempt& attempt : section.attempts) {
      if (only == nullptr || std::string_view(attempt.name).find(only) != std::string_view::npos) call(section, attempt, only != nullptr);
    }
  }
}

// How an attempt went: what it showed, or what of the guarded it changed.
struct Outcome {
  bool escaped;
  std::string output;
};

Outcome make_attempt(BoxWorld& world, const Attempt& attempt, const std::shared_ptr<const Box>& box) {
  world.reset();
  const Snapshot before = world.guarded();
  CommandSpec spec = world.spec_of(fmt::format("[ -n \"$TMPDIR\" ] || TMPDIR=$WS/src; {{ {}\n}} 2>&1", attempt.command));
  spec.box = box;
  if (attempt.in_terminal) spec.terminal = TerminalSize{};
  const BoxRun run = world.run(std::move(spec));
  return {run.output.find(attempt.shows) != std::string::npos || world.guarded() != before || !world.outside().victim_lives(),
          run.output};
}

bool succeeds_without(Control control) {
  return control == Control::everybody || (control == Control::root && ::geteuid() == 0);
}

bool is_kept_here(const Attempt& attempt, const BoxReport& report) {
  const std::string_view name = attempt.name;
  const auto is_reduced = [&](std::string_view what) {
    return std::any_of(report.reduced.begin(), report.reduced.end(), [&](const std::string& line) { return line.starts_with(what); });
  };
  if (name == "more memory than it may, in many processes") return !is_reduced("memory:");
  if (name.starts_with("more processes") || name.starts_with("more threads")) return !is_reduced("processes: not limited");
  return true;
}

void try_everything(BoxKind kind) {
  BoxWorld world;
  const auto box = try_box(kind, world.rules());
  if (!box) return;
  std::map<std::string_view, int> stopped;  // by which layer, how many
  int gaps = 0;
  for_each_attempt([&](const Section& section, const Attempt& attempt, bool shown) {
    if (!is_kept_here(attempt, box->report())) return;
    const Outcome outcome = make_attempt(world, attempt, box);
    if (is_gap(attempt.gap, kind)) {
      ++gaps;
      return;
    }
    CHECK_MESSAGE(!outcome.escaped, std::string(to_string(kind)), ": ", std::string(attempt.name), ": ", outcome.output);
    if (outcome.escaped) return;
    const std::string_view layer = layer_of(section, kind, outcome.output);
    ++stopped[layer];
    if (shown) MESSAGE(std::string(to_string(kind)) << ": " << attempt.name << ": stopped by " << std::string(layer) << ": " << outcome.output);
  });
  std::string summary;
  int all = 0;
  for (const auto& [layer, count] : stopped) {
    summary += fmt::format("; {} by {}", count, layer);
    all += count;
  }
  MESSAGE(fmt::format("{}: {} attempts stopped{}; {} that it says it does not stop, or that reach something of its own", to_string(kind), all,
                      summary, gaps));
}

TEST_CASE("nothing gets out of a box of Landlock") { try_everything(BoxKind::landlock); }
TEST_CASE("nothing gets out of a box of bubblewrap") { try_everything(BoxKind::bubblewrap); }
TEST_CASE("nothing gets out of a container") { try_everything(BoxKind::oci); }

TEST_CASE("without a box the same attempts succeed") {
  BoxWorld world;
  int succeeded = 0;
  int tried = 0;
  for_each_attempt([&](const Section&, const Attempt& attempt, bool shown) {
    ++tried;
    if (attempt.control == Control::harmful) return;
    const Outcome outcome = make_attempt(world, attempt, nullptr);
    if (shown) MESSAGE(std::string(attempt.name) << ": " << outcome.output);
    if (outcome.escaped) ++succeeded;
    if (succeeds_without(attempt.control)) CHECK_MESSAGE(outcome.escaped, std::string(attempt.name), ": ", outcome.output);
  });
  MESSAGE(succeeded << " of " << tried << " attempts succeed without a box");
}

}  // namespace
}  // namespace joey

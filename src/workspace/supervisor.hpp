// What a command's engine and its supervisor process say to each other.
//
//   engine --- supervisor --- shell --- whatever it starts
//
// The supervisor is a program of a few kilobytes that joey carries inside itself and starts from memory: a fork of the
// host would copy its page tables (50 ms for 2 GB, measured) and double every page the host writes while a command
// runs. It adopts all descendants (PR_SET_CHILD_SUBREAPER), says when the shell has ended, and exits when the last one
// is gone: its own end is the command's. Closing the control socket tells it to kill them.
//
// What holds: descendants end with the command and with the engine, if they leave the group or the session, ignore
// signals, keep forking, or if the engine is killed. What does not: a descendant may kill the supervisor, as any
// process of the same user may. The kernel then kills the shell, but not what was daemonized before; processes of
// another user (sudo) cannot be killed at all. Only a sandboxed runner closes both.
#pragma once

#include <cstdint>

namespace joey::supervisor {

// The arguments of the program: its name, `control input output errors directory` (descriptors), `engine` (a process) and
// `terminal` (0 or 1) as decimal numbers, `passed` (descriptors with ',' between them), the path of the shell, then the
// shell's own arguments. The shell gets the environment as it is. With a terminal, input, output and errors are the same
// descriptor, which becomes the controlling terminal of the shell's session.
inline constexpr int arguments_count = 10;

// What is passed becomes descriptors 4, 5 and so on of the shell. A plain shell gets none; a box does (confine.hpp).
inline constexpr int first_passed = 4;
inline constexpr int passed_max = 96;

// One packet each on the control socket.
struct Report {
  // boxed_shell_ended comes from the init process of a box, and is what counts: what the supervisor started there is no
  // shell, and its shell_ended follows.
  enum class Kind : std::int32_t { shell_ended, start_failed, boxed_shell_ended };
  Kind kind;
  std::int32_t value;  // a wait status; an errno
};

// The first packet the supervisor gets, and waits for before it does anything: by then the engine holds a pidfd of it. A
// host that reaps every child could otherwise be faster.
struct StartRequest {
  std::int32_t reserved;
};

// SIGTERM to every descendant now, SIGKILL to what is left after the grace.
struct TerminateRequest {
  std::int32_t grace_ms;
};

// The shell's exit code when it could not be started.
inline constexpr int exit_code_start_failed = 126;

}  // namespace joey::supervisor

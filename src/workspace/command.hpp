// Commands of the local runner: a shell on this machine, with everything it starts.
#pragma once

#include <uv.h>

#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// The shell that commands are for: /bin/bash, or /bin/sh where there is no Bash.
[[nodiscard]] std::string_view command_shell();

// Starts spec.command, or spec.argv, in `directory_fd` (borrowed for the call; spec.directory is the caller's to resolve).
// What is said here of the shell holds for the program of spec.argv.
//
// The shell has a session of its own, reads /dev/null and writes both its outputs into one pipe unless the spec says
// otherwise, has default signal handling and no other descriptor of the host. Its environment is a short list of
// harmless names of the host's, and spec.environment, which wins.
//
// A supervisor process between host and shell (supervisor.hpp) adopts every descendant that loses its parent, so that
// all of them end with the Command, and with the host however that ends. Destroying a Command that runs does not wait
// for that, which is a matter of milliseconds; terminate(0) and on_end() do.
//
// The host gets no signal handler and no thread. It has one more child while a command runs, and may reap it itself.
//
// Threads: the loop's. Destroy the Command before loop and scheduler.
// Failures: invalid_argument (a NUL, or more text than exec or the input takes), not_found (no such program in PATH),
// limit (no descriptor, process or memory left), unsupported (the system does not let it run its supervisor), io. A
// shell that cannot be started after that is a command that says so in its output, or its error output where that is
// separate, and exits with 126.
[[nodiscard]] Result<std::unique_ptr<Command>> start_local_command(uv_loop_t* loop, Scheduler& scheduler,
                                                                   int directory_fd, CommandSpec spec,
                                                                   CommandSink& sink);

}  // namespace joey

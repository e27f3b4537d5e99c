#include "interrupts.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "options.hpp"

namespace cli {
namespace {

volatile std::sig_atomic_t signals_count = 0;
volatile std::sig_atomic_t write_fd = -1;

extern "C" void on_signal(int) {
  const int saved_errno = errno;
  if (signals_count > 0) {
    // Leaves a spinner's line and its colours behind.
    constexpr char reset[] = "\x1b[0m\n";
    if (::isatty(STDOUT_FILENO) == 1) [[maybe_unused]] const auto n = ::write(STDOUT_FILENO, reset, sizeof reset - 1);
    ::_exit(exit_cancelled);
  }
  signals_count = 1;
  [[maybe_unused]] const auto n = ::write(static_cast<int>(write_fd), "", 1);
  errno = saved_errno;
}

}  // namespace

Interrupts::Interrupts() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  read_fd_ = fds[0];
  write_fd = fds[1];
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

Interrupts::~Interrupts() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  ::close(static_cast<int>(write_fd));
  ::close(read_fd_);
}

bool Interrupts::requested() const { return signals_count > 0; }

bool Interrupts::wait(int timeout_ms) const {
  if (requested()) return true;
  pollfd wanted{read_fd_, POLLIN, 0};
  ::poll(&wanted, 1, timeout_ms);
  return requested();
}

}  // namespace cli

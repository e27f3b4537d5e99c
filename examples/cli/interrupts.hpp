// Signals that ask the program to stop.
#pragma once

namespace cli {

// SIGINT, SIGTERM and SIGHUP make fd() readable and requested() true; the next one ends the process at once with
// exit_cancelled. A closed pipe is an error of write(), not a signal.
//
// One per process. The handler only counts, writes a byte and, the second time, leaves: all of it signal-safe.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  [[nodiscard]] int fd() const { return read_fd_; }
  [[nodiscard]] bool requested() const;
  // Waits for a signal, at most that long. True when there was one.
  bool wait(int timeout_ms) const;

 private:
  int read_fd_{-1};
};

}  // namespace cli

// A process of a test's own, which it can kill: what the child reports comes through a pipe.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <vector>

namespace joey::test {

// Made while the test has no thread: a copy of a process with threads may stand in the middle of anything.
class ChildProcess {
 public:
  // Runs `body` in a child and ends that with its result.
  explicit ChildProcess(const std::function<int(ChildProcess&)>& body) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      close(ends[0]);
      pipe_ = ends[1];
      _exit(body(*this));
    }
    close(ends[1]);
    pipe_ = ends[0];
  }

  ~ChildProcess() {
    kill();
    close(pipe_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // In the child.
  void report(std::uint64_t number) const {
    if (write(pipe_, &number, sizeof number) != sizeof number) _exit(99);
  }

  // In the parent: waits for the next number. False when the child has ended.
  bool next(std::uint64_t& number) const {
    ssize_t size = 0;
    do {
      size = read(pipe_, &number, sizeof number);
    } while (size < 0 && errno == EINTR);
    return size == sizeof number;
  }
  std::vector<std::uint64_t> rest() const {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t number = 0; next(number);) numbers.push_back(number);
    return numbers;
  }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  // What the body returned, -1 when a signal ended it.
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_{-1};
  int pipe_{-1};
};

}  // namespace joey::test

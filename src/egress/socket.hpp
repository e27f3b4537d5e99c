// A stream socket on the loop.
#pragma once

#include <uv.h>

#include <cstddef>
#include <string_view>

#include "base/function.hpp"
#include "base/result.hpp"

namespace joey::egress {

// Owns the descriptor. Loop thread only.
class Socket {
 public:
  Socket() = default;
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }

  // `fd` is taken, also when this fails. `on_ready` may close the socket, and must do something about each readiness it is
  // told of: it is told again.
  [[nodiscard]] static Result<Socket> open(uv_loop_t* loop, int fd, UniqueFunction<void()> on_ready);

  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }

  // What on_ready waits for from now on.
  void want(bool readable, bool writable);

  struct Transfer {
    enum class End { none, would_block, ended, failed } end{End::none};
    std::size_t size{0};
    int error{0};  // errno
  };
  [[nodiscard]] Transfer read(char* buffer, std::size_t size);
  [[nodiscard]] Transfer write(std::string_view bytes);
  void end_writing();  // the other side reads the end
  void close();

 private:
  struct Watch;
  int fd_{-1};
  Watch* watch_{nullptr};  // freed when the loop has closed it
};

}  // namespace joey::egress

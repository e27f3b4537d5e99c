#include "egress/socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace joey::egress {

struct Socket::Watch {
  uv_poll_t poll{};
  UniqueFunction<void()> on_ready;
  int events{0};  // that are watched for
};

Socket::Socket(Socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), watch_(std::exchange(other.watch_, nullptr)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(watch_, other.watch_);
  return *this;
}

Result<Socket> Socket::open(uv_loop_t* loop, int fd, UniqueFunction<void()> on_ready) {
  Socket socket;
  socket.fd_ = fd;
  auto watch = std::make_unique<Watch>();
  if (const int error = uv_poll_init(loop, &watch->poll, fd); error != 0) {  // which makes it non-blocking
    return failure(ErrorCode::io, fmt::format("watching a socket: {}", uv_strerror(error)));
  }
  watch->poll.data = watch.get();
  watch->on_ready = std::move(on_ready);
  socket.watch_ = watch.release();
  return socket;
}

void Socket::want(bool readable, bool writable) {
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (watch_ == nullptr || events == watch_->events) return;
  watch_->events = events;
  if (events == 0) {
    uv_poll_stop(&watch_->poll);
    return;
  }
  uv_poll_start(&watch_->poll, events, [](uv_poll_t* poll, int status, int) {
    auto& watch = *static_cast<Watch*>(poll->data);
    if (status < 0) watch.events = 0;  // libuv has stopped watching a socket in error
    watch.on_ready();  // an error has a name when the socket is read
  });
}

Socket::Transfer Socket::read(char* buffer, std::size_t size) {
  const ssize_t got = ::recv(fd_, buffer, size, 0);
  if (got > 0) return {Transfer::End::none, static_cast<std::size_t>(got), 0};
  if (got == 0) return {Transfer::End::ended, 0, 0};
  if (errno == EAGAIN || errno == EINTR) return {Transfer::End::would_block, 0, 0};
  return {Transfer::End::failed, 0, errno};
}

Socket::Transfer Socket::write(std::string_view bytes) {
  const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (put >= 0) return {Transfer::End::none, static_cast<std::size_t>(put), 0};
  if (errno == EAGAIN || errno == EINTR) return {Transfer::End::would_block, 0, 0};
  return {Transfer::End::failed, 0, errno};
}

void Socket::end_writing() { ::shutdown(fd_, SHUT_WR); }

void Socket::close() {
  if (watch_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(&std::exchange(watch_, nullptr)->poll),
             [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  }
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace joey::egress

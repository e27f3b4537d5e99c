// A socket, with TLS on it or without. Loop thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "egress/socket.hpp"
#include "egress/tls.hpp"

namespace joey::egress {

// Stays where it is: the TLS on it knows its socket.
class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void open(Socket socket);
  [[nodiscard]] Socket& socket() { return socket_; }
  // From now on; `tls` is of this socket.
  void secure(std::unique_ptr<TlsStream> tls) { tls_ = std::move(tls); }
  // As TlsStream's; while it waits, readiness is told of.
  [[nodiscard]] Result<bool> shake_hands();

  // As those of a socket.
  void want(bool readable, bool writable);
  [[nodiscard]] Socket::Transfer read(char* buffer, std::size_t size) { return tls_ ? tls_->read(buffer, size) : socket_.read(buffer, size); }
  [[nodiscard]] Socket::Transfer write(std::string_view bytes) { return tls_ ? tls_->write(bytes) : socket_.write(bytes); }
  // Whether it is done: otherwise again, once the socket is writable.
  bool end_writing();
  void close();

 private:
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;  // null: bytes are as they come
};

}  // namespace joey::egress

#include "egress/channel.hpp"

namespace joey::egress {

void Channel::open(Socket socket) {
  close();
  socket_ = std::move(socket);
}

Result<bool> Channel::shake_hands() {
  auto done = tls_->shake_hands();
  if (done) socket_.want(!*done && tls_->waits_to_read(), !*done && tls_->waits_to_write());
  return done;
}

void Channel::want(bool readable, bool writable) {
  const bool writes_to_read = tls_ && readable && tls_->waits_to_write();  // as an answer to new keys
  socket_.want(readable, writable || writes_to_read);
}

bool Channel::end_writing() {
  if (tls_ && !tls_->end_writing()) return false;
  socket_.end_writing();
  return true;
}

void Channel::close() {
  tls_.reset();
  socket_.close();
}

}  // namespace joey::egress

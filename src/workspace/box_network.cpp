#include "workspace/box_network.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace joey {
namespace {

constexpr int connections_per_turn = 16;       // of one command, then others have their turn
constexpr std::chrono::milliseconds rest_time{100};  // where descriptors have run out

// The descriptor that waits on a socket.
Descriptor receive_descriptor(int socket) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Descriptor(fd);
}

bool same(const sockaddr_in& a, const sockaddr_in& b) {
  return a.sin_addr.s_addr == b.sin_addr.s_addr && a.sin_port == b.sin_port;
}

struct Connection {
  Descriptor command;  // blocking
  Descriptor engine;
};

// Two ends of a TCP connection, which programs can treat as one; of a Unix socket they would not be told the addresses they
// ask for. On failure errno says why.
Connection connect_pair() {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Connection pair;
  pair.command = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&at);
  socklen_t size = sizeof at;
  constexpr int waiting_max = 16;
  constexpr int handshake_ms_max = 100;
  if (!listener || !pair.command || ::bind(listener.get(), address, size) != 0 || ::listen(listener.get(), waiting_max) != 0 ||
      ::getsockname(listener.get(), address, &size) != 0 ||
      (::connect(pair.command.get(), address, size) != 0 && errno != EINPROGRESS)) {
    return {};
  }
  sockaddr_in own{};
  size = sizeof own;
  ::getsockname(pair.command.get(), reinterpret_cast<sockaddr*>(&own), &size);
  for (int tries = 0; tries < waiting_max; ++tries) {
    pollfd arrived{listener.get(), POLLIN, 0};
    ::poll(&arrived, 1, handshake_ms_max);  // as a rule it is there
    size = sizeof at;
    pair.engine = Descriptor(::accept4(listener.get(), address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!pair.engine) return {};
    if (!same(at, own)) continue;  // somebody else found the port in the meantime
    ::fcntl(pair.command.get(), F_SETFL, 0);
    return pair;
  }
  return {};
}

}  // namespace

Status BoxNetwork::open(uv_loop_t* loop, Descriptor channel, std::shared_ptr<CommandNetwork> network) {
  loop_ = loop;
  network_ = std::move(network);
  source_ = std::move(channel);
  return watch_.open<&BoxNetwork::on_channel>(loop, source_.get(), this);
}

void BoxNetwork::close() {
  if (resting_ != 0) scheduler_.cancel(std::exchange(resting_, 0));
  watch_.close();
  source_.close();
  network_.reset();
}

void BoxNetwork::on_channel() {
  Descriptor source = receive_descriptor(source_.get());
  watch_.close();
  source_ = std::move(source);
  source.close();
  struct stat status = {};
  if (!source_ || ::fstat(source_.get(), &status) != 0) return;  // the box was not closed: there will be no command
  const Status watched = S_ISSOCK(status.st_mode) ? watch_.open<&BoxNetwork::on_connection>(loop_, source_.get(), this)
                                                  : watch_.open<&BoxNetwork::on_notification>(loop_, source_.get(), this);
  if (!watched) source_.close();
}

void BoxNetwork::on_connection() {
  for (int i = 0; i < connections_per_turn; ++i) {
    const int fd = ::accept4(source_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      network_->connected(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return rest();
    } else if (errno != ECONNABORTED) {
      return;
    }
  }
}

// Nothing of the process that asks is looked at but the arguments of its call, which the kernel has copied.
void BoxNetwork::on_notification() {
  // Where nobody asks any more, older kernels let who receives wait for ever.
  pollfd state{source_.get(), POLLIN, 0};
  if (::poll(&state, 1, 0) <= 0) return;
  if ((state.revents & POLLIN) == 0) return watch_.close();
  alignas(seccomp_notif) char space[256] = {};  // the kernel's may be larger than this header's
  auto* asked = reinterpret_cast<seccomp_notif*>(space);
  if (::ioctl(source_.get(), SECCOMP_IOCTL_NOTIF_RECV, asked) != 0) {
    if (errno != ENOENT && errno != EINTR) watch_.close();  // ENOENT: the process is gone
    return;
  }
  Connection pair = connect_pair();
  int error = pair.engine ? 0 : errno;
  if (error == 0) {
    const auto type = static_cast<int>(asked->data.args[1]);
    if ((type & SOCK_NONBLOCK) != 0) ::fcntl(pair.command.get(), F_SETFL, O_NONBLOCK);
    seccomp_notif_addfd put{};
    put.id = asked->id;
    put.flags = SECCOMP_ADDFD_FLAG_SEND;
    put.srcfd = static_cast<std::uint32_t>(pair.command.get());
    put.newfd_flags = (type & SOCK_CLOEXEC) != 0 ? O_CLOEXEC : 0;
    if (::ioctl(source_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &put) >= 0) return network_->connected(pair.engine.release());
    error = errno;
  }
  seccomp_notif_resp answer{};
  answer.id = asked->id;
  answer.error = -(error != 0 ? error : EACCES);
  ::ioctl(source_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void BoxNetwork::rest() {
  watch_.stop();
  resting_ = scheduler_.after(rest_time, [this] {
    resting_ = 0;
    watch_.start();
  });
}

}  // namespace joey

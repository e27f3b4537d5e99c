#include "test_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace joey {

bool ServerConnection::fill() {
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  unread_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> ServerConnection::read_head() {
  std::size_t end;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  std::string head = unread_.substr(0, end + 4);
  unread_.erase(0, end + 4);
  return head;
}

std::optional<ReceivedRequest> ServerConnection::read_request() {
  auto head = read_head();
  if (!head) return std::nullopt;
  std::size_t size = 0;
  if (const auto at = head->find("Content-Length: "); at != std::string::npos) {
    size = std::strtoul(head->c_str() + at + 16, nullptr, 10);
  }
  while (unread_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  ReceivedRequest request{std::move(*head), unread_.substr(0, size)};
  unread_.erase(0, size);
  return request;
}

std::string ServerConnection::read_some(std::size_t size_max) {
  if (unread_.empty() && !fill()) return {};
  std::string bytes = unread_.substr(0, size_max);
  unread_.erase(0, bytes.size());
  return bytes;
}

void ServerConnection::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void ServerConnection::send_chunk(std::string_view bytes) const {
  std::array<char, 32> size;
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  send(std::string(size.data()) + std::string(bytes) + "\r\n");
}

void ServerConnection::answer(std::string_view body) const {
  send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
}

void ServerConnection::wait_closed() {
  while (fill()) unread_.clear();
}

void ServerConnection::end_writing() const { ::shutdown(fd_, SHUT_WR); }

// Shut down only: the number stays taken until the thread is joined, so that nobody else's socket gets it meanwhile.
void ServerConnection::close() { ::shutdown(fd_, SHUT_RDWR); }

void ServerConnection::reset() {
  // Connecting to "no address" resets a TCP connection without giving up its descriptor.
  const sockaddr address{.sa_family = AF_UNSPEC, .sa_data = {}};
  ::connect(fd_, &address, sizeof(address));
}

TestServer::TestServer(Script script, int receive_buffer) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 1024) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the test server cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

TestServer::~TestServer() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& served : served_) served.connection.close();
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& served : served_) {
    served.thread.join();
    ::close(served.connection.fd_);
  }
  ::close(listener_);
}

std::string TestServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

void TestServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (fd < 0 || closing_) {
      if (fd >= 0) ::close(fd);
      return;
    }
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    Served& served = served_.emplace_back(Served{ServerConnection(fd, accepted_++), {}});
    served.thread = std::thread([this, &served] {
      script_(served.connection);
      served.connection.close();
    });
  }
}

TestServer::Script answers(std::string body) {
  return [body = std::move(body)](ServerConnection& connection) {
    while (connection.read_request()) connection.answer(body);
  };
}

}  // namespace joey

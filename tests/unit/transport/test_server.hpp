// An HTTP server of a test's own making: each connection runs a script on a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace joey {

struct ReceivedRequest {
  std::string head;  // request line and fields, as they came
  std::string body;
};

// One accepted connection. Its calls block; all of them return soon once the server is destroyed.
class ServerConnection {
 public:
  ServerConnection(int fd, int index) : fd_(fd), index_(index) {}

  [[nodiscard]] int index() const { return index_; }  // 0 for the first one the server accepted

  // The next request; nothing when the client closed.
  std::optional<ReceivedRequest> read_request();
  // Only its head: the body stays in the socket.
  std::optional<std::string> read_head();
  std::string read_some(std::size_t size_max);
  void send(std::string_view bytes) const;
  void send_chunk(std::string_view bytes) const;  // "" ends the body
  void answer(std::string_view body) const;       // a whole answer with status 200
  void wait_closed();                             // until the client closes or resets
  void end_writing() const;
  void close();
  void reset();  // closes so that the client sees a connection reset

 private:
  friend class TestServer;
  bool fill();

  int fd_;
  int index_;
  std::string unread_;
};

class TestServer {
 public:
  using Script = std::function<void(ServerConnection&)>;

  // `receive_buffer` bounds what the kernel takes in ahead of the script; 0 leaves it to the kernel.
  explicit TestServer(Script script, int receive_buffer = 0);
  ~TestServer();

  [[nodiscard]] std::string url(std::string_view path = "/") const;
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  struct Served {
    ServerConnection connection;
    std::thread thread;
  };
  void accept_all();

  const Script script_;
  int listener_;
  int port_{0};
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  bool closing_{false};
  std::list<Served> served_;
  std::thread acceptor_;
};

// Answers every request of a connection with `body`, until the client closes.
TestServer::Script answers(std::string body);

}  // namespace joey

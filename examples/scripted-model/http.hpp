// A small HTTP/1.1 server for loopback: one thread, edge-triggered epoll, thousands of connections.
//
// It knows no model. A handler turns each complete request into the exact bytes to send, with pauses between them and
// an ending that may be rude: that is how a misbehaving provider is acted out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

namespace scripted {

inline constexpr std::size_t http_head_size_max = std::size_t{64} << 10;
inline constexpr std::size_t http_body_size_max = std::size_t{256} << 20;
inline constexpr std::size_t http_body_padding = 64;  // readable bytes past a body, for simdjson

// CLOCK_MONOTONIC.
using Nanoseconds = std::int64_t;
[[nodiscard]] Nanoseconds monotonic_now();

// A complete request. Views live until the handler returns.
struct HttpRequest {
  std::string_view method;
  std::string_view path;  // without the query
  std::string_view fields;
  std::string_view body;  // http_body_padding readable bytes follow
  Nanoseconds first_byte_at = 0;
  Nanoseconds last_byte_at = 0;

  // The value of a header field, empty when absent. `name` in lower case.
  [[nodiscard]] std::string_view field(std::string_view name) const;
};

struct HttpAnswer {
  enum class End { keep_alive, close, reset, stall, endless };
  struct Pause {
    std::size_t offset;  // in `bytes`; ascending
    std::uint32_t ms;
  };

  std::string bytes;  // status line, fields and framed body
  std::vector<Pause> pauses;
  End end = End::keep_alive;
  std::string loop;  // End::endless: sent again and again after `bytes`
  std::uint32_t loop_ms = 1;
  std::uint64_t tag = 0;  // handed back to answered()

  void clear();
};

// Called on the server's thread.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Fills `answer`, which comes cleared.
  virtual void answer(const HttpRequest& request, HttpAnswer& answer) = 0;

  // The last byte of the answer was handed to the kernel. Not called for answers that are never finished.
  virtual void answered(std::uint64_t tag, Nanoseconds at) = 0;

  // SIGUSR1.
  virtual void signalled() = 0;
};

// Failures of the system throw std::system_error; failures of a connection end that connection.
class HttpServer {
 public:
  explicit HttpServer(HttpHandler& handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds 127.0.0.1; port 0 lets the system choose. Returns the port.
  [[nodiscard]] std::uint16_t listen(std::uint16_t port);

  // Serves until SIGTERM or SIGINT.
  void run();

 private:
  struct Connection;

  // Holds the request a connection is receiving. Borrowed from `spare_` so that idle connections hold none, and so
  // that a body of megabytes lands in memory that is mapped already.
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    std::size_t capacity = 0;
    std::size_t size = 0;

    void reserve(std::size_t wanted);
    void drop_front(std::size_t count);
  };

  struct Timer {
    Nanoseconds at;
    int fd;
    std::uint64_t serial;  // of the connection: descriptors are reused
    bool operator>(const Timer& other) const { return at > other.at; }
  };

  enum class Parsed { incomplete, complete, refused };
  enum class Sent { all, blocked, lost };

  void accept_all();
  void on_signal();
  void fire_timers();
  [[nodiscard]] int wait_ms() const;

  void drive(Connection& connection);
  bool receive(Connection& connection);
  Parsed parse(Connection& connection);
  Parsed parse_head(Connection& connection);
  Parsed parse_chunks(Connection& connection);
  void begin_answer(Connection& connection);
  Sent send_answer(Connection& connection);
  void refuse(Connection& connection, std::string_view status);
  void give_back(Buffer& buffer);
  void drop(Connection& connection);

  HttpHandler& handler_;
  int epoll_ = -1;
  int signals_ = -1;
  int listener_ = -1;
  std::size_t connections_max_;
  std::size_t connections_count_ = 0;
  std::uint64_t next_serial_ = 1;
  bool running_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<Buffer> spare_;
};

}  // namespace scripted

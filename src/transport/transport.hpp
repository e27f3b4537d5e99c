// What moves HTTP bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.hpp"
#include "base/result.hpp"

namespace joey {

struct HttpField {
  std::string name;
  std::string value;
};

// A body in pieces that several requests share: sent in order, copied nowhere on the way.
using BodyRope = std::vector<std::shared_ptr<const std::string>>;

struct HttpRequest {
  std::string method{"POST"};
  std::string url{};
  std::vector<HttpField> headers{};
  BodyRope body{};
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds idle_timeout{120'000};  // longest silence of the server, before and within the answer
};

// Receives one answer, on the loop thread. on_end() comes exactly once, last, and not after cancel.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual void on_head(int status, const std::vector<HttpField>& headers) = 0;
  virtual void on_body(std::string_view bytes) = 0;  // borrowed for the call
  // Error: `io` the connection failed or broke, `timeout` the server was silent for too long, `limit` the answer's head
  // is too large, `invalid_argument` the request is none. The message names the server and the cause, and holds nothing
  // else of the request.
  virtual void on_end(Status status) = 0;
};

// One exchange under way. Destroying it cancels: the sink is not called again and the connection is closed, or given
// back where the protocol allows it. May be destroyed inside a call of its own sink.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
};

// Ownership: the runtime owns the transport, which outlives its exchanges.
// Threads: loop thread only; the sink is never called inside start().
class Transport {
 public:
  virtual ~Transport() = default;

  // `sink` must stay alive until on_end() or until the exchange is destroyed.
  [[nodiscard]] virtual std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) = 0;
};

}  // namespace joey

// Asking a model: one request, its streamed answer, one end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/scheduler.hpp"
#include "provider/provider.hpp"
#include "runtime/api_key.hpp"
#include "runtime/upstream.hpp"
#include "transport/transport.hpp"

namespace joey {

// Receives an answer, on the loop thread: deltas, then exactly one of on_reply and on_error.
class ModelSink : public StreamSink {
 public:
  virtual void on_reply(Reply reply) = 0;
  virtual void on_error(ModelError error) = 0;
};

// A request under way. Destroying it gives it up: the sink is called no more and the connection is closed.
class ModelCall {
 public:
  virtual ~ModelCall() = default;
  // So far.
  [[nodiscard]] virtual Spent spent() const = 0;
};

struct ModelRequest {
  BodyRope body;
  std::string task;  // for a host's model to know
  std::chrono::milliseconds idle_timeout{120'000};
};

// A model that requests can be sent to: an address, a key and a codec, or a host's own.
// Threads: loop thread; the sink is never called inside start(), and outlives the call.
class ModelClient {
 public:
  virtual ~ModelClient() = default;
  [[nodiscard]] virtual std::unique_ptr<ModelCall> start(ModelRequest request, ModelSink& sink) = 0;
};

// Lets a bounded number of requests be under way at once; the rest wait in the order they came. Outlives what passes it;
// ends before the transport.
class RequestGate {
 public:
  explicit RequestGate(std::size_t open_max) : open_max_(open_max) {}

  // A place in the line, and then at the gate, until it is destroyed.
  class Ticket {
   public:
    Ticket(RequestGate& gate, UniqueFunction<void()> enter);
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    friend class RequestGate;
    RequestGate& gate_;
    UniqueFunction<void()> enter_;
    bool inside_{false};
    std::list<Ticket*>::iterator place_;
  };

  // Whoever is outside stays there.
  void close() { open_max_ = 0; }

  // Keeps an exchange whose answer is known until it has read its body to the end, so that the connection serves again.
  using Lingering = std::list<std::shared_ptr<void>>::iterator;
  Lingering linger(std::shared_ptr<void> exchange) { return lingering_.insert(lingering_.end(), std::move(exchange)); }
  void let_go(Lingering exchange) { lingering_.erase(exchange); }

 private:
  void admit();

  std::size_t open_max_;
  std::size_t open_{0};
  std::list<Ticket*> line_;
  std::list<std::shared_ptr<void>> lingering_;
};

struct HttpModelOptions {
  std::shared_ptr<const Provider> provider;
  std::string base_url;  // empty: the vendor's
  std::string model;
  std::shared_ptr<ApiKey> key;
  DecodeLimits limits;
  std::shared_ptr<Upstream> upstream{};  // null: of this client alone
  UpstreamLimits upstream_limits{};
};

// All three must outlive the client and its calls.
[[nodiscard]] std::shared_ptr<ModelClient> make_http_model(HttpModelOptions options, Scheduler& scheduler,
                                                           Transport& transport, RequestGate& gate);

}  // namespace joey

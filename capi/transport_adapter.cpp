// Transport of the host.
#include <atomic>
#include <utility>

#include "capi/handles.hpp"

// One exchange, from start() to joey_http_end().
struct joey_http_exchange {
  std::shared_ptr<joey_http_exchange> self;  // while the host holds the pointer
  joey::HttpRequest request;
  std::string body;
  std::vector<joey_http_header> headers;
  joey_http_request view{};
  std::shared_ptr<joey::Postbox> postbox;
  joey::HttpSink* sink{nullptr};  // loop thread; null once the answer is not wanted
  bool started{false};             // loop thread: the host has it
  std::atomic<bool> ended{false};
};

namespace joey::capi {
namespace {

class HostExchange final : public HttpExchange {
 public:
  HostExchange(std::shared_ptr<joey_http_exchange> exchange, const joey_transport_vtable& vtable,
               std::shared_ptr<UserData> user)
      : exchange_(std::move(exchange)), vtable_(vtable), user_(std::move(user)) {}
  ~HostExchange() override {
    const bool wanted = std::exchange(exchange_->sink, nullptr) != nullptr;
    if (wanted && exchange_->started && !exchange_->ended && vtable_.cancel != nullptr) vtable_.cancel(user_->get(), exchange_.get());
  }

 private:
  std::shared_ptr<joey_http_exchange> exchange_;
  joey_transport_vtable vtable_;
  std::shared_ptr<UserData> user_;
};

class HostTransport final : public Transport {
 public:
  HostTransport(const joey_transport_vtable& vtable, std::shared_ptr<UserData> user,
                std::shared_ptr<Postbox> postbox)
      : vtable_(vtable), user_(std::move(user)), postbox_(std::move(postbox)) {}

  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) override {
    const auto exchange = std::make_shared<joey_http_exchange>();
    exchange->request = std::move(request);
    for (const auto& piece : exchange->request.body) exchange->body += *piece;
    for (const HttpField& field : exchange->request.headers) {
      exchange->headers.push_back({field.name.c_str(), field.value.c_str()});
    }
    exchange->view = {exchange->request.method.c_str(),
                      exchange->request.url.c_str(),
                      exchange->headers.data(),
                      exchange->headers.size(),
                      exchange->body.data(),
                      exchange->body.size(),
                      static_cast<std::uint32_t>(exchange->request.idle_timeout.count()),
                      0};
    exchange->postbox = postbox_;
    exchange->sink = &sink;
    auto handle = std::make_unique<HostExchange>(exchange, vtable_, user_);
    postbox_->post([exchange, vtable = vtable_, user = user_] {
      if (exchange->sink == nullptr) return;
      exchange->started = true;
      exchange->self = exchange;
      vtable.start(user->get(), &exchange->view, exchange.get());
    });
    return handle;
  }

 private:
  joey_transport_vtable vtable_;
  std::shared_ptr<UserData> user_;
  std::shared_ptr<Postbox> postbox_;
};

}  // namespace

std::unique_ptr<Transport> make_host_transport(const joey_transport_vtable& vtable, std::shared_ptr<UserData> user,
                                               std::shared_ptr<Postbox> postbox) {
  return std::make_unique<HostTransport>(vtable, std::move(user), std::move(postbox));
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

void joey_http_head(joey_http_exchange* exchange, int32_t status, const joey_http_header* headers, size_t headers_count) {
  quietly([&] {
    if (exchange == nullptr || exchange->ended) return;
    std::vector<HttpField> fields;
    for (size_t i = 0; headers != nullptr && i < headers_count; ++i) {
      fields.push_back({text_or(headers[i].name, ""), text_or(headers[i].value, "")});
    }
    exchange->postbox->post([self = exchange->self, status, fields = std::move(fields)] {
      if (self->sink != nullptr) self->sink->on_head(status, fields);
    });
  });
}

void joey_http_body(joey_http_exchange* exchange, const char* bytes, size_t size) {
  quietly([&] {
    if (exchange == nullptr || exchange->ended || size == 0) return;
    exchange->postbox->post([self = exchange->self, piece = std::string(view_or_empty(bytes, size))] {
      if (self->sink != nullptr) self->sink->on_body(piece);
    });
  });
}

void joey_http_end(joey_http_exchange* exchange, joey_status status, const char* message, size_t message_size) {
  quietly([&] {
    if (exchange == nullptr || exchange->ended.exchange(true)) return;
    const auto self = std::move(exchange->self);
    Status end;
    if (status != JOEY_OK) {
      const std::string_view why = view_or_empty(message, message_size);
      end = failure(static_cast<ErrorCode>(status), why.empty() ? "the host's transport failed and did not say why" : std::string(why));
    }
    Postbox& postbox = *self->postbox;
    postbox.post([self, end = std::move(end)] {
      if (self->sink != nullptr) std::exchange(self->sink, nullptr)->on_end(end);
    });
  });
}

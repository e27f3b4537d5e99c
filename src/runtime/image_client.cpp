#include "runtime/image_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "provider/images.hpp"

namespace joey {
namespace {

using std::chrono::milliseconds;

constexpr int retries_max = 2;
constexpr milliseconds retry_wait{2'000};             // before the first; twice as long before the second
constexpr milliseconds retry_wait_max{60'000};        // a server that asks for a longer one is not asked again
constexpr std::size_t refusal_bytes_max = 64U << 10;  // of a body with an error's status

// Of what a transport reports.
ModelErrorClass transport_error_class(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return ModelErrorClass::bad_request;
    case ErrorCode::limit: return ModelErrorClass::malformed;
    default: return ModelErrorClass::network;
  }
}

ErrorCode code_of(ModelErrorClass error) {
  switch (error) {
    case ModelErrorClass::auth:
    case ModelErrorClass::quota: return ErrorCode::denied;
    case ModelErrorClass::rate: return ErrorCode::limit;
    case ModelErrorClass::too_long:
    case ModelErrorClass::bad_request: return ErrorCode::invalid_argument;
    case ModelErrorClass::not_found: return ErrorCode::not_found;
    case ModelErrorClass::overload:
    case ModelErrorClass::server:
    case ModelErrorClass::network:
    case ModelErrorClass::malformed:
    case ModelErrorClass::interrupted: break;
  }
  return ErrorCode::io;
}

// A server may quote the key that it was sent, whatever it looks like.
std::string without_key(std::string text, std::string_view key) {
  if (key.empty()) return text;
  constexpr std::string_view mark = "[key]";
  for (std::size_t at = 0; (at = text.find(key, at)) != text.npos; at += mark.size()) text.replace(at, key.size(), mark);
  return text;
}

class ImageClient final : public ImageModel, public std::enable_shared_from_this<ImageClient> {
 public:
  ImageClient(ImageWire image_wire, ImageClientOptions o, Scheduler& s, Transport& t, RequestGate& g)
      : wire(image_wire), options(std::move(o)), scheduler(s), transport(t), gate(g) {}

  void generate(ImageRequest request, CancelToken cancel, Completion<Image> done) override;

  const ImageWire wire;
  const ImageClientOptions options;
  Scheduler& scheduler;
  Transport& transport;
  RequestGate& gate;
};

// One image. It keeps itself until it has ended.
class Generation final : public HttpSink, public std::enable_shared_from_this<Generation> {
 public:
  Generation(std::shared_ptr<ImageClient> client, ImageRequest request, Completion<Image> done)
      : client_(std::move(client)), request_(std::move(request)), done_(std::move(done)) {}

  void begin() {
    self_ = shared_from_this();
    deadline_ = client_->scheduler.after(client_->options.time_max, [self = self_] {
      self->deadline_ = 0;
      const auto seconds = self->client_->options.time_max.count() / 1000;
      const std::string before = self->problem_.empty() ? "" : fmt::format("; before that: {}", self->problem_);
      self->finish(failure(ErrorCode::timeout, fmt::format("there was no image within {} s{}", seconds, before)));
    });
    on_worker(
        [](Generation& g) {
          const ImageClient& c = *g.client_;
          g.encoded_ = encode_image_request(c.wire, c.options.base_url, c.options.model, g.request_.prompt, g.request_.input);
        },
        [](Generation& g) {
          g.request_ = {};
          if (!g.encoded_) return g.finish(tl::unexpected(std::move(g.encoded_.error())));
          g.body_ = std::make_shared<const std::string>(std::move(g.encoded_->body));
          g.send();
        });
  }

  void finish(Result<Image> image) {
    if (self_ == nullptr) return;
    stop();
    client_->scheduler.cancel(std::exchange(deadline_, 0));
    client_->scheduler.post([done = std::move(done_), image = std::move(image)]() mutable { done(std::move(image)); });
    const auto last = std::move(self_);
  }

 private:
  // Ends the exchange, or the wait for it.
  void stop() {
    exchange_.reset();
    ticket_.reset();
    client_->scheduler.cancel(std::exchange(retry_, 0));
  }

  // Runs `work` on a worker, and then, on the loop, `next`, unless the call has ended meanwhile.
  void on_worker(void (*work)(Generation&), void (*next)(Generation&)) {
    client_->scheduler.work(
        [self = shared_from_this(), work] {
          // A worker has nobody above it to catch.
          try {
            work(*self);
          } catch (const std::exception& error) {
            self->thrown_ = error.what();
          }
        },
        [self = shared_from_this(), next] {
          if (self->self_ == nullptr) return;
          if (!self->thrown_.empty()) return self->finish(failure(ErrorCode::internal, std::move(self->thrown_)));
          next(*self);
        });
  }

  void send() {
    ++attempts_;
    status_ = 0;
    headers_.clear();
    answer_.clear();
    // The gate may open inside this; the exchange calls no sink before the loop turns.
    ticket_.emplace(client_->gate, [this] { exchange_ = client_->transport.start(http_request(), *this); });
  }

  HttpRequest http_request() const {
    const ImageClientOptions& options = client_->options;
    HttpRequest http;
    http.url = encoded_->url;
    for (const HttpHeader& header : encoded_->headers) http.headers.push_back({header.name, header.value});
    if (!options.api_key.empty()) {
      HttpHeader key = image_key_header(options.api_key);
      http.headers.push_back({std::move(key.name), std::move(key.value)});
    }
    http.body = {body_};
    http.idle_timeout = options.time_max;  // a server says nothing until it has made the image
    return http;
  }

  void on_head(int status, const std::vector<HttpField>& fields) override {
    status_ = status;
    for (const HttpField& field : fields) headers_.push_back({field.name, field.value});
  }

  void on_body(std::string_view bytes) override {
    if (status_ < 200 || status_ > 299) {
      answer_.append(bytes.substr(0, refusal_bytes_max - std::min(answer_.size(), refusal_bytes_max)));
      return;
    }
    answer_.append(bytes);
    if (answer_.size() > image_answer_bytes_max) read();  // which says so
  }

  void on_end(Status end) override {
    if (!end) return fail({transport_error_class(end.error().code), std::move(end.error().message), 0, -1});
    read();
  }

  void read() {
    stop();
    on_worker([](Generation& g) { g.image_ = decode_image_response(g.status_, g.headers_, std::exchange(g.answer_, {})); },
              [](Generation& g) {
                if (!g.image_) return g.fail(std::move(g.image_.error()));
                g.finish(*std::move(g.image_));
              });
  }

  void fail(ModelError error) {
    stop();
    problem_ = without_key(std::move(error.message), client_->options.api_key);
    const milliseconds wait =
        error.retry_after_ms >= 0 ? milliseconds(error.retry_after_ms) : retry_wait * (1 << (attempts_ - 1));
    if (retryable(error.error) && attempts_ <= retries_max && wait <= retry_wait_max) {
      retry_ = client_->scheduler.after(wait, [self = shared_from_this()] {
        self->retry_ = 0;
        self->send();
      });
      return;
    }
    if (attempts_ > 1) problem_ += fmt::format(" (tried {} times)", attempts_);
    finish(failure(code_of(error.error), std::move(problem_)));
  }

  const std::shared_ptr<ImageClient> client_;
  ImageRequest request_;
  Completion<Image> done_;
  std::shared_ptr<Generation> self_;  // null: it has ended

  Result<EncodedImageRequest> encoded_;
  std::shared_ptr<const std::string> body_;
  std::string thrown_;  // by a worker
  int attempts_{0};
  std::string problem_;  // of the last attempt
  std::optional<RequestGate::Ticket> ticket_;
  std::unique_ptr<HttpExchange> exchange_;
  TimerId deadline_{0};
  TimerId retry_{0};

  int status_{0};
  std::vector<HttpHeader> headers_;
  std::string answer_;
  tl::expected<Image, ModelError> image_;
};

void ImageClient::generate(ImageRequest request, CancelToken cancel, Completion<Image> done) {
  const auto generation = std::make_shared<Generation>(shared_from_this(), std::move(request), std::move(done));
  generation->begin();
  cancel.on_cancel([weak = std::weak_ptr(generation)] {
    if (const auto g = weak.lock()) g->finish(failure(ErrorCode::cancelled, "the image was cancelled"));
  });
}

}  // namespace

Result<std::shared_ptr<ImageModel>> make_image_client(ImageClientOptions options, Scheduler& scheduler,
                                                      Transport& transport, RequestGate& gate) {
  if (options.provider.empty()) options.provider = "openrouter";
  const auto wire = find_image_wire(options.provider);
  if (!wire) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("image provider \"{}\" is not known: it can be openrouter or openai", options.provider));
  }
  if (options.model.empty()) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("image provider \"{}\" needs a model: name one that makes images", options.provider));
  }
  return std::make_shared<ImageClient>(*wire, std::move(options), scheduler, transport, gate);
}

}  // namespace joey

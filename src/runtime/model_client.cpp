#include "runtime/model_client.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "provider/aws_signature.hpp"

namespace joey {

RequestGate::Ticket::Ticket(RequestGate& gate, UniqueFunction<void()> enter) : gate_(gate), enter_(std::move(enter)) {
  place_ = gate_.line_.insert(gate_.line_.end(), this);
  gate_.admit();
}

RequestGate::Ticket::~Ticket() {
  if (inside_) {
    --gate_.open_;
    gate_.admit();
  } else {
    gate_.line_.erase(place_);
  }
}

void RequestGate::admit() {
  while (open_ < open_max_ && !line_.empty()) {
    Ticket* ticket = line_.front();
    line_.pop_front();
    ticket->inside_ = true;
    ++open_;
    ticket->enter_();
  }
}

namespace {

// How much of an error's body is kept to be understood.
constexpr std::size_t error_body_bytes_max = 64U << 10;
// Of a request, for what it takes of a minute's tokens until they are counted.
constexpr std::size_t bytes_per_token = 4;

// Of what a transport reports.
ModelErrorClass class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return ModelErrorClass::bad_request;
    case ErrorCode::limit: return ModelErrorClass::malformed;
    default: return ModelErrorClass::network;
  }
}

// Of a key that could not be had: what may pass is tried again.
ModelErrorClass key_error_class(ErrorCode code) {
  const bool may_pass = code == ErrorCode::io || code == ErrorCode::timeout || code == ErrorCode::busy;
  return may_pass ? ModelErrorClass::network : ModelErrorClass::auth;
}

class HttpModel final : public ModelClient {
 public:
  HttpModel(HttpModelOptions options, Scheduler& scheduler, Transport& transport, RequestGate& gate)
      : options_(std::move(options)),
        scheduler_(scheduler),
        transport_(transport),
        gate_(gate),
        endpoint_(options_.provider->endpoint(options_.base_url, options_.model)) {
    if (!options_.upstream) options_.upstream = std::make_shared<Upstream>(endpoint_.url, scheduler_);
  }

  std::unique_ptr<ModelCall> start(ModelRequest request, ModelSink& sink) override;

  HttpRequest http_request(const ModelRequest& request, const std::string& key) const;

  HttpModelOptions options_;
  Scheduler& scheduler_;
  Transport& transport_;
  RequestGate& gate_;
  Endpoint endpoint_;
};

// One request. The answer is reported as soon as the format says it is whole; the rest of the body is then read to its
// end, so that the connection can be used again, by an exchange that lives on by itself.
class HttpModelCall final : public ModelCall {
 public:
  HttpModelCall(HttpModel& model, ModelRequest request, ModelSink& sink)
      : answer_(std::make_shared<Answer>(model, std::move(request), sink)) {
    answer_->wait_for_turn();
  }

  ~HttpModelCall() override {
    if (answer_->finished) {
      Answer::read_to_end(std::move(answer_));
    } else {
      answer_->exchange.reset();
      answer_->leave();
    }
  }

  [[nodiscard]] Spent spent() const override { return answer_->spent(); }

 private:
  struct Answer final : HttpSink, std::enable_shared_from_this<Answer> {
    Answer(HttpModel& http_model, ModelRequest model_request, ModelSink& model_sink)
        : model(http_model), scheduler(model.scheduler_), gate(model.gate_), provider(model.options_.provider),
          request(std::move(model_request)), sink(model_sink), decoder(provider->make_decoder(model.options_.limits)) {}
    ~Answer() override {
      if (give_up_timer != 0) scheduler.cancel(give_up_timer);
    }

    // Both may be inside start(); the exchange calls no sink before the loop turns.
    void wait_for_turn() {
      std::size_t bytes = 0;
      for (const auto& piece : request.body) bytes += piece->size();
      pass.emplace(model.options_.upstream, model.options_.upstream_limits, static_cast<std::int64_t>(bytes / bytes_per_token),
                   [this](std::optional<ModelError> refused) {
                     if (!refused) return ticket.emplace(gate, [this] { ask_for_key(); }), void();
                     scheduler.post([weak = weak_from_this(), error = *std::move(refused)] {
                       if (const auto self = weak.lock()) self->fail(error);
                     });
                   });
    }

    void ask_for_key() {
      model.options_.key->get([weak = weak_from_this()](Result<std::string> found) {
        const auto self = weak.lock();
        if (!self) return;
        if (found && *found != self->refused_key) return self->send(*std::move(found));
        ModelError error = self->refusal;
        if (!found) error = {key_error_class(found.error().code), std::move(found.error().message), 0, -1};
        // Perhaps inside start().
        self->scheduler.post([weak, error = std::move(error)] {
          if (const auto answer = weak.lock()) answer->fail(error);
        });
      });
    }

    void send(std::string with_key) {
      key = std::move(with_key);
      exchange = model.transport_.start(model.http_request(request, key), *this);
    }

    // Keys are changed while tasks run: whoever has one that was good until now tries once with the next.
    bool tries_another_key() {
      constexpr int unauthorized = 401;
      if (status != unauthorized || key.empty() || refused_key || !model.options_.key->refuse(key)) return false;
      refused_key = key;
      refusal = provider->classify(status, headers, error_body);
      status = 0;
      headers.clear();
      error_body.clear();
      ended = false;
      scheduler.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->exchange.reset();
        self->ask_for_key();
      });
      return true;
    }

    void on_head(int status_code, const std::vector<HttpField>& fields) override {
      status = status_code;
      for (const HttpField& field : fields) headers.push_back({field.name, field.value});
    }

    void on_body(std::string_view bytes) override {
      if (finished) return;
      if (status < 200 || status > 299) {
        error_body.append(bytes.substr(0, error_body_bytes_max - std::min(error_body.size(), error_body_bytes_max)));
        return;
      }
      if (auto fed = decoder->feed(bytes, sink); !fed) return fail(std::move(fed.error()));
      if (decoder->done()) finish();
    }

    void on_end(Status end) override {
      ended = true;
      if (finished) {
        if (lingers) gate.let_go(*lingers);  // destroys this
        return;
      }
      if (!end) return fail({class_of(end.error().code), end.error().message, 0, -1});
      if (tries_another_key()) return;
      if (status < 200 || status > 299) return fail(provider->classify(status, headers, error_body));
      finish();
    }

    void finish() {
      auto reply = decoder->finish();
      if (!reply) return fail(std::move(reply.error()));
      finished = true;
      pass->answered(reply->usage);
      leave();
      sink.on_reply(*std::move(reply));
    }

    void fail(ModelError error) {
      finished = true;
      broken = true;
      error.spent = spent();
      pass->failed(error);
      leave();
      sink.on_error(std::move(error));
    }

    void leave() {
      ticket.reset();
      pass.reset();
    }

    [[nodiscard]] Spent spent() const { return status >= 200 && status <= 299 ? decoder->spent() : Spent{}; }

    static void read_to_end(std::shared_ptr<Answer> answer) {
      if (answer->ended || answer->broken) return;
      Answer& a = *answer;
      a.lingers = a.gate.linger(std::move(answer));
      constexpr std::chrono::milliseconds patience{1'000};
      a.give_up_timer = a.scheduler.after(patience, [&a] {
        a.give_up_timer = 0;
        a.gate.let_go(*a.lingers);
      });
    }

    HttpModel& model;  // until the answer is finished
    Scheduler& scheduler;
    RequestGate& gate;
    std::shared_ptr<const Provider> provider;
    ModelRequest request;
    std::string key;
    std::optional<std::string> refused_key;  // the one before
    ModelError refusal;                      // and why
    ModelSink& sink;
    std::unique_ptr<StreamDecoder> decoder;
    std::unique_ptr<HttpExchange> exchange;
    std::optional<Upstream::Pass> pass;
    std::optional<RequestGate::Ticket> ticket;
    int status{0};
    std::vector<HttpHeader> headers;
    std::string error_body;
    bool finished{false};
    bool broken{false};
    bool ended{false};
    TimerId give_up_timer{0};
    std::optional<RequestGate::Lingering> lingers;
  };

  std::shared_ptr<Answer> answer_;
};

std::unique_ptr<ModelCall> HttpModel::start(ModelRequest request, ModelSink& sink) {
  return std::make_unique<HttpModelCall>(*this, std::move(request), sink);
}

HttpRequest HttpModel::http_request(const ModelRequest& request, const std::string& key) const {
  HttpRequest http;
  http.url = endpoint_.url;
  for (const HttpHeader& header : endpoint_.headers) http.headers.push_back({header.name, header.value});
  if (!key.empty()) {
    Authentication authentication = options_.provider->authenticate(key, endpoint_);
    for (HttpHeader& header : authentication.headers) http.headers.push_back({std::move(header.name), std::move(header.value)});
    if (!authentication.aws_region.empty()) {
      std::vector<std::string_view> body;
      for (const auto& piece : request.body) body.push_back(*piece);
      const AwsRequest aws{"POST", endpoint_.url, {}, body, scheduler_.now(), authentication.aws_region, authentication.aws_service};
      for (HttpHeader& header : aws_signature(aws, key)) http.headers.push_back({std::move(header.name), std::move(header.value)});
    }
  }
  http.body = request.body;
  http.idle_timeout = request.idle_timeout;
  return http;
}

}  // namespace

std::shared_ptr<ModelClient> make_http_model(HttpModelOptions options, Scheduler& scheduler, Transport& transport,
                                             RequestGate& gate) {
  return std::make_shared<HttpModel>(std::move(options), scheduler, transport, gate);
}

}  // namespace joey

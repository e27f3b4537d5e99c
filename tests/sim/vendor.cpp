#include "sim/vendor.hpp"

#include <algorithm>

namespace joey::sim {
namespace {

// How one exchange goes.
struct Plan {
  enum class End : std::uint8_t { whole, reset, stall, drip };
  bool connects{true};
  int status{200};
  std::vector<HttpField> headers{};
  std::string body{};
  End end{End::whole};
  std::size_t piece_bytes_max{400};
};

// Plays a plan. Its own callbacks may destroy the exchange, so what they use is shared with them.
class Exchange final : public HttpExchange {
 public:
  Exchange(Setting& setting, std::shared_ptr<Process> process, std::shared_ptr<std::int64_t> open, Plan plan,
           milliseconds idle_timeout, HttpSink& sink)
      : play_(std::make_shared<Play>(setting, std::move(process), std::move(plan), idle_timeout, sink)), open_(std::move(open)) {
    ++*open_;
    play_->later(setting.delay(80), [](Play& play) { play.connect(); });
  }
  ~Exchange() override {
    --*open_;
    play_->setting.scheduler.cancel(play_->timer);
  }

 private:
  struct Play : std::enable_shared_from_this<Play> {
    Play(Setting& s, std::shared_ptr<Process> p, Plan plan_, milliseconds timeout, HttpSink& sink_)
        : setting(s), process(std::move(p)), plan(std::move(plan_)), idle_timeout(timeout), sink(sink_) {}

    template <class F>
    void later(milliseconds delay, F f) {
      timer = setting.scheduler.after(delay, [weak = weak_from_this(), f] {
        const auto self = weak.lock();
        if (self && self->process->alive()) f(*self);
      });
    }

    void connect() {
      if (!plan.connects) return sink.on_end(failure(ErrorCode::io, "could not connect to sim.invalid: refused"));
      const bool slow = setting.random.chance(0.1);
      later(setting.delay(slow ? 20'000 : 500), [](Play& play) {
        play.later_piece();
        play.sink.on_head(play.plan.status, play.plan.headers);
      });
    }

    // Plans the next piece before the present one is handed out: the sink may end the exchange inside.
    void later_piece() {
      if (sent == plan.body.size()) return finish();
      later(setting.delay(setting.random.chance(0.02) ? 3'000 : 30), [](Play& play) {
        const std::size_t size = std::min(play.plan.body.size() - play.sent, 1 + play.setting.random.below(play.plan.piece_bytes_max));
        const std::string piece = play.plan.body.substr(play.sent, size);
        play.sent += size;
        play.later_piece();
        play.sink.on_body(piece);
      });
    }

    void finish() {
      switch (plan.end) {
        case Plan::End::whole: return later(setting.delay(20), [](Play& play) { play.sink.on_end({}); });
        case Plan::End::reset:
          return later(setting.delay(20), [](Play& play) { play.sink.on_end(failure(ErrorCode::io, "sim.invalid: connection reset")); });
        case Plan::End::stall:
          return later(idle_timeout, [](Play& play) { play.sink.on_end(failure(ErrorCode::timeout, "sim.invalid: silent for too long")); });
        case Plan::End::drip: return drip();
      }
    }

    void drip() {
      later(milliseconds(1'000), [](Play& play) {
        const bool over = play.setting.calm && play.setting.sabotage != Sabotage::deaf_vendor;
        if (over) return play.sink.on_end(failure(ErrorCode::io, "sim.invalid: connection reset"));
        play.drip();
        play.sink.on_body(": ping\n\n");
      });
    }

    Setting& setting;
    std::shared_ptr<Process> process;
    Plan plan;
    milliseconds idle_timeout;
    HttpSink& sink;
    std::size_t sent{0};
    TimerId timer{0};
  };

  std::shared_ptr<Play> play_;
  std::shared_ptr<std::int64_t> open_;
};

class Sickbed {
 public:
  explicit Sickbed(Setting& setting) : setting_(setting), random_(setting.random) {}

  // The plan of an exchange whose answer is `body`, after the network and the vendor's bad days had their way.
  Plan plan(std::string body) {
    const Faults& faults = setting_.faults;
    Plan plan;
    if (random_.chance(0.04)) plan.piece_bytes_max = 7;
    if (random_.chance(0.3)) plan.piece_bytes_max = 100'000;
    if (setting_.sabotage == Sabotage::deaf_vendor) {
      plan.end = Plan::End::drip;
      return plan;
    }
    if (setting_.happens(faults.connect_error)) {
      plan.connects = false;
    } else if (setting_.happens(faults.rate_limit)) {
      error(plan, 429, R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down"}})");
      if (random_.chance(0.7)) plan.headers.push_back({"retry-after", fmt::format("{}", random_.between(0, random_.chance(0.1) ? 2'000 : 40))});
    } else if (setting_.happens(faults.server_error)) {
      error(plan, random_.chance(0.5) ? 500 : 529, random_.chance(0.5) ? R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})" : "<html>oops");
    } else if (setting_.happens(faults.refused)) {
      const bool key = random_.chance(0.5);
      error(plan, key ? 401 : 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"no"}})");
    } else if (setting_.happens(faults.reset)) {
      cut(plan, body, Plan::End::reset);
    } else if (setting_.happens(faults.stall)) {
      cut(plan, body, Plan::End::stall);
    } else if (setting_.happens(faults.truncated)) {
      cut(plan, body, Plan::End::whole);
    } else if (setting_.happens(faults.endless)) {
      cut(plan, body, Plan::End::drip);
    } else if (setting_.happens(faults.garbage)) {
      plan.body = garbage(std::move(body));
    } else {
      plan.body = std::move(body);
    }
    return plan;
  }

 private:
  static void error(Plan& plan, int status, std::string body) {
    plan.status = status;
    plan.body = std::move(body);
  }
  void cut(Plan& plan, const std::string& body, Plan::End end) {
    plan.body = body.substr(0, random_.below(body.size()));
    plan.end = end;
  }
  std::string garbage(std::string body) {
    for (std::size_t i = 1 + random_.below(8); i > 0; --i) {
      body[random_.below(body.size())] = static_cast<char>(random_.below(256));
    }
    return body;
  }

  Setting& setting_;
  Random& random_;
};

// More than the three that joey reckons with at worst.
constexpr std::int64_t bytes_per_token = 4;
constexpr std::int64_t image_tokens = 1'500;

std::int64_t tokens_of(const Seen& seen) { return static_cast<std::int64_t>(seen.bytes) / bytes_per_token + seen.images * image_tokens; }

void set_usage(Setting& setting, const Seen& seen, Answer& answer) {
  const std::int64_t tokens = tokens_of(seen);
  answer.cached_tokens = setting.random.chance(0.5) ? static_cast<std::int64_t>(seen.settled_bytes) / bytes_per_token : 0;
  answer.input_tokens = tokens - answer.cached_tokens;
  answer.output_tokens = setting.random.chance(0.1) ? 1'000 : setting.random.between(5, 200);
  if (setting.sabotage == Sabotage::overcharge) answer.output_tokens = 100'000;
}

bool fits(const Seen& seen, const TaskConfig& config) {
  return config.context_window <= 0 ||
         tokens_of(seen) + config.output_tokens_max <= config.context_window;
}

std::string flatten(const BodyRope& rope) {
  std::string out;
  for (const auto& piece : rope) out += *piece;
  return out;
}

}  // namespace

Vendor::Vendor(Setting& setting, std::shared_ptr<Process> process, Brain brain, std::shared_ptr<std::int64_t> open)
    : setting_(setting), process_(std::move(process)), brain_(std::move(brain)), open_(std::move(open)) {}

std::unique_ptr<HttpExchange> Vendor::start(HttpRequest request, HttpSink& sink) {
  Plan plan;
  if (process_->survives("request")) {
    std::string body = flatten(request.body);
    if (setting_.sabotage == Sabotage::changed_request) body += ' ';
    if (setting_.sabotage == Sabotage::dropped_result) {
      for (const std::string_view mark : {"\"tool_result\"", "\"tool\""}) {
        if (const auto at = body.find(mark); at != std::string::npos) body[at + 1] = 'p';
      }
    }
    const std::string wire = request.url.ends_with("/messages") ? "anthropic" : "openai";
    const auto seen = read_request(wire, body);
    if (!seen) {
      setting_.trace("invalid request: {}", body);
      setting_.auditor.violate("the vendor refuses a request: " + seen.error().message);
    } else {
      const Chronicle* chronicle = setting_.auditor.requested(*seen, body);
      if (chronicle != nullptr && !fits(*seen, chronicle->task.config)) {
        setting_.auditor.violate(fmt::format("{}: a request of {} bytes exceeds the window of {} tokens", chronicle->task.id, body.size(),
                                             chronicle->task.config.context_window));
      }
      if (setting_.sabotage == Sabotage::request_twice) (void)setting_.auditor.requested(*seen, body);
      Answer answer = brain_(*seen);
      set_usage(setting_, *seen, answer);
      plan = Sickbed(setting_).plan(stream_of(wire, answer));
      setting_.trace("{}: request of turn {}, {} bytes -> {}{} bytes{}", chronicle ? chronicle->task.id : "?", seen->answers + 1, body.size(),
                     plan.status == 200 ? "" : fmt::format("{} ", plan.status), plan.body.size(),
                     !plan.connects ? ", no connection" : plan.end == Plan::End::whole ? "" : ", cut");
    }
    (void)process_->survives("request sent");
  }
  return std::make_unique<Exchange>(setting_, process_, open_, std::move(plan), request.idle_timeout, sink);
}

}  // namespace joey::sim

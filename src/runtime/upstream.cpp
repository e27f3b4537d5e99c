#include "runtime/upstream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace joey {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr Timestamp never = std::numeric_limits<Timestamp>::max();

// Of the server's own making. Others are of the request or the key, and show that it answers.
bool is_of_server(ModelErrorClass error) {
  return error == ModelErrorClass::network || error == ModelErrorClass::server || error == ModelErrorClass::overload;
}

}  // namespace

Upstream::Pass::Pass(std::shared_ptr<Upstream> upstream, UpstreamLimits limits, std::int64_t tokens, Enter enter)
    : upstream_(std::move(upstream)), limits_(limits), tokens_(tokens), enter_(std::move(enter)) {
  place_ = upstream_->line_.insert(upstream_->line_.end(), this);
  upstream_->admit();
}

Upstream::Pass::~Pass() { upstream_->leave(*this); }

void Upstream::Pass::answered(const Usage& usage) {
  Upstream& up = *upstream_;
  up.failures_ = 0;
  const auto found = std::find_if(up.minute_.begin(), up.minute_.end(), [&](const Admitted& one) { return one.number == number_; });
  if (found != up.minute_.end() && usage.total() > 0) found->tokens = usage.total();
}

void Upstream::Pass::failed(const ModelError& error) {
  if (state_ != State::inside) return;
  Upstream& up = *upstream_;
  const Timestamp now = up.scheduler_.now();
  if (error.error == ModelErrorClass::rate && error.retry_after_ms > 0) {
    up.hold_until_ = std::max(up.hold_until_, now + std::min(error.retry_after_ms, patience_max_ms));
  }
  if (!is_of_server(error.error)) {
    up.failures_ = 0;
    return;
  }
  ++up.failures_;
  up.last_failure_ = error.message;
  if (!up.is_broken()) return;
  const std::int64_t doublings = std::min<std::int64_t>(up.failures_ - failures_max, 8);
  // A server that says when it is back knows better.
  const std::int64_t rest = error.retry_after_ms >= 0 ? std::min(error.retry_after_ms, patience_max_ms) : std::min(rest_first_ms << doublings, rest_max_ms);
  up.rest_until_ = now + rest;
}

void Upstream::leave(Pass& pass) {
  if (pass.state_ == Pass::State::waiting) line_.erase(pass.place_);
  if (pass.state_ == Pass::State::inside) --open_;
  if (pass.is_probe_) probing_ = false;
  pass.state_ = Pass::State::out;
  if (line_.empty() && timer_ != 0) scheduler_.cancel(std::exchange(timer_, 0));
  admit();
}

void Upstream::admit() {
  const auto self = weak_from_this().lock();
  while (!line_.empty()) {
    Pass& pass = *line_.front();
    const Timestamp now = scheduler_.now();
    while (!minute_.empty() && minute_.front().at + minute_ms <= now) minute_.pop_front();
    if (is_broken() && now < rest_until_) {
      enter(pass, refusal(now));
      continue;
    }
    if (is_broken() && probing_) return;  // what it finds decides
    const Timestamp at = free_at(pass, now);
    if (at > now) return look_at(at);
    pass.is_probe_ = is_broken();
    probing_ = pass.is_probe_;
    enter(pass, std::nullopt);
  }
}

// When the pass may enter as far as is known by now; `never`: when another leaves.
Timestamp Upstream::free_at(const Pass& pass, Timestamp now) const {
  const UpstreamLimits& limits = pass.limits_;
  if (limits.open_max > 0 && open_ >= limits.open_max) return never;
  Timestamp at = std::max(now, hold_until_);
  const auto count = static_cast<std::int64_t>(minute_.size());
  if (limits.requests_per_minute > 0 && count >= limits.requests_per_minute) {
    const auto oldest = static_cast<std::size_t>(count - limits.requests_per_minute);
    at = std::max(at, minute_[oldest].at + minute_ms);
  }
  if (limits.tokens_per_minute > 0) {
    std::int64_t tokens = pass.tokens_;
    for (const Admitted& one : minute_) tokens += one.tokens;
    // One that is larger than a minute's goes when nothing else has.
    for (const Admitted& one : minute_) {
      if (tokens <= limits.tokens_per_minute) break;
      tokens -= one.tokens;
      at = std::max(at, one.at + minute_ms);
    }
  }
  return at;
}

void Upstream::enter(Pass& pass, std::optional<ModelError> refused) {
  line_.pop_front();
  pass.state_ = refused ? Pass::State::out : Pass::State::inside;
  if (!refused) {
    ++open_;
    pass.number_ = ++admitted_;
    minute_.push_back({pass.number_, scheduler_.now(), pass.tokens_});
  }
  const auto enter = std::move(pass.enter_);
  enter(std::move(refused));
}

void Upstream::look_at(Timestamp at) {
  if (timer_ != 0) scheduler_.cancel(std::exchange(timer_, 0));
  if (at == never) return;
  timer_ = scheduler_.after(std::chrono::milliseconds(at - scheduler_.now()), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    self->admit();
  });
}

ModelError Upstream::refusal(Timestamp now) const {
  const std::int64_t wait = rest_until_ - now;
  return {ModelErrorClass::overload,
          fmt::format("{} has failed {} times in a row, and is asked again in {} s; last: {}", name_, failures_, (wait + 999) / 1'000,
                      last_failure_),
          0, wait};
}

}  // namespace joey

#include "runtime/api_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace joey {
namespace {

constexpr std::chrono::milliseconds resolve_time_max{60'000};

class FixedKey final : public ApiKey {
 public:
  explicit FixedKey(std::string key) : key_(std::move(key)) {}
  void get(Completion<std::string> done) override { done(key_); }
  bool refuse(const std::string& /*key*/) override { return false; }

 private:
  std::string key_;
};

class ResolvedKey final : public ApiKey, public std::enable_shared_from_this<ResolvedKey> {
 public:
  ResolvedKey(std::string name, std::shared_ptr<SecretResolver> resolver, std::shared_ptr<SessionSecrets> secrets,
              Scheduler& scheduler)
      : name_(std::move(name)), resolver_(std::move(resolver)), secrets_(std::move(secrets)), scheduler_(scheduler) {}
  ~ResolvedKey() override { stop(); }

  void get(Completion<std::string> done) override {
    if (value_) return done(*value_);
    waiting_.push_back(std::move(done));
    if (waiting_.size() > 1) return;
    asking_ = CancelToken();
    timer_ = scheduler_.after(resolve_time_max, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->timer_ = 0;
        self->finish(failure(ErrorCode::timeout, "it took too long"));
      }
    });
    resolver_->resolve(name_, asking_, [weak = weak_from_this(), round = ++round_](Result<std::string> value) {
      const auto self = weak.lock();
      if (self && self->round_ == round) self->finish(std::move(value));
    });
  }

  bool refuse(const std::string& key) override {
    if (value_ == key) value_.reset();
    return true;
  }

 private:
  void finish(Result<std::string> value) {
    ++round_;
    stop();
    if (value && !can_be_sent(*value)) value = failure(ErrorCode::invalid_argument, "it is empty, or no single line of text");
    if (value) {
      // One that is too short to be looked for is sent all the same.
      (void)secrets_->add({name_, *value});
      value_ = *value;
    } else {
      value = failure(value.error().code, fmt::format("secret \"{}\" could not be resolved: {}", name_, value.error().message));
    }
    for (auto& done : std::exchange(waiting_, {})) done(value);
  }

  void stop() {
    asking_.cancel();
    if (timer_ != 0) scheduler_.cancel(std::exchange(timer_, 0));
  }

  // In a header.
  static bool can_be_sent(const std::string& value) {
    return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
  }

  const std::string name_;
  const std::shared_ptr<SecretResolver> resolver_;
  const std::shared_ptr<SessionSecrets> secrets_;
  Scheduler& scheduler_;
  std::optional<std::string> value_;
  std::vector<Completion<std::string>> waiting_;
  CancelToken asking_;
  std::uint64_t round_{0};  // answers of earlier ones come too late
  TimerId timer_{0};
};

}  // namespace

std::shared_ptr<ApiKey> make_fixed_key(std::string key) { return std::make_shared<FixedKey>(std::move(key)); }

std::shared_ptr<ApiKey> make_resolved_key(std::string name, std::shared_ptr<SecretResolver> resolver,
                                          std::shared_ptr<SessionSecrets> secrets, Scheduler& scheduler) {
  return std::make_shared<ResolvedKey>(std::move(name), std::move(resolver), std::move(secrets), scheduler);
}

}  // namespace joey

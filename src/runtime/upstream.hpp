// What one address takes from one key: how many requests at once and a minute, how many tokens a minute, and whether it is
// worth asking at all. Shared by the sessions of an engine that have both.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/function.hpp"
#include "base/scheduler.hpp"
#include "model/message.hpp"

namespace joey {

// Of one session; 0: none.
struct UpstreamLimits {
  std::int64_t open_max{0};             // requests at once
  std::int64_t requests_per_minute{0};  // in any 60 seconds
  std::int64_t tokens_per_minute{0};    // likewise, read and written; estimated until an answer says how many they were
};

// Requests wait in the order they came. After failures in a row that are the server's it is left alone for a while: until
// then requests fail at once, and the first one afterwards goes alone, to see. A server that asks for patience gets it from all.
//
// Loop thread; it may be made and destroyed on any other. The scheduler outlives its passes.
class Upstream : public std::enable_shared_from_this<Upstream> {
 public:
  static constexpr std::int64_t failures_max = 5;
  // Doubles with each failure after that. Shorter than the waits of a task between its tries, so that one alone is never refused.
  static constexpr std::int64_t rest_first_ms = 10'000;
  static constexpr std::int64_t rest_max_ms = 40'000;
  static constexpr std::int64_t patience_max_ms = 60'000;

  // `name` is shown in errors.
  Upstream(std::string name, Scheduler& scheduler) : name_(std::move(name)), scheduler_(scheduler) {}
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // A place in the line, and then the right to one request, until it is destroyed.
  class Pass {
   public:
    using Enter = UniqueFunction<void(std::optional<ModelError> refused)>;
    // `tokens`: estimated, of the request. `enter` runs once, perhaps inside the constructor.
    Pass(std::shared_ptr<Upstream> upstream, UpstreamLimits limits, std::int64_t tokens, Enter enter);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    // How the request ended; one that was refused tells nothing. Without either nothing was learned of the server.
    void answered(const Usage& usage);
    void failed(const ModelError& error);

   private:
    friend class Upstream;
    enum class State : std::uint8_t { waiting, inside, out };

    const std::shared_ptr<Upstream> upstream_;
    const UpstreamLimits limits_;
    const std::int64_t tokens_;
    Enter enter_;
    State state_{State::waiting};
    bool is_probe_{false};
    std::list<Pass*>::iterator place_;  // while it waits
    std::uint64_t number_{0};           // of what it was admitted as
  };

 private:
  struct Admitted {
    std::uint64_t number;
    Timestamp at;
    std::int64_t tokens;
  };

  [[nodiscard]] bool is_broken() const { return failures_ >= failures_max; }
  void admit();
  [[nodiscard]] Timestamp free_at(const Pass& pass, Timestamp now) const;
  void enter(Pass& pass, std::optional<ModelError> refused);
  void leave(Pass& pass);
  void look_at(Timestamp at);
  [[nodiscard]] ModelError refusal(Timestamp now) const;

  const std::string name_;
  Scheduler& scheduler_;
  std::list<Pass*> line_;
  std::int64_t open_{0};
  std::deque<Admitted> minute_;  // those of the last 60 seconds, oldest first
  std::uint64_t admitted_{0};
  Timestamp hold_until_{0};      // as the server asked

  std::int64_t failures_{0};  // in a row
  std::string last_failure_;
  Timestamp rest_until_{0};
  bool probing_{false};
  TimerId timer_{0};
};

}  // namespace joey

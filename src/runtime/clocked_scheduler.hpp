// A scheduler whose time is the host's: for tests that play days in milliseconds.
#pragma once

#include "runtime/uv_loop.hpp"

namespace joey {

// Everything but the time is the inner scheduler's. Timers are due by the host's clock, which is looked at every few
// milliseconds while there are any.
class ClockedScheduler final : public Scheduler {
 public:
  ClockedScheduler(Scheduler& inner, UniqueFunction<Timestamp()> clock) : inner_(inner), clock_(std::move(clock)) {}
  ~ClockedScheduler() override { inner_.cancel(look_); }

  Timestamp now() const override { return clock_(); }
  void post(UniqueFunction<void()> fn) override { inner_.post(std::move(fn)); }
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    inner_.work(std::move(blocking), std::move(done));
  }
  TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) override {
    const TimerId timer = timers_.add(static_cast<std::uint64_t>(clock_() + delay.count()), std::move(fn));
    if (look_ == 0) look_later();
    return timer;
  }
  void cancel(TimerId timer) override { timers_.remove(timer); }

 private:
  void look_later() {
    constexpr std::chrono::milliseconds interval{5};
    look_ = inner_.after(interval, [this] { look(); });
  }
  void look() {
    look_ = 0;
    const auto now_ms = static_cast<std::uint64_t>(clock_());
    const std::uint64_t before = timers_.next_order();
    while (auto fn = timers_.take_due(now_ms, before)) fn();
    if (!timers_.empty() && look_ == 0) look_later();
  }

  Scheduler& inner_;
  UniqueFunction<Timestamp()> clock_;
  TimerHeap timers_;
  TimerId look_{0};
};

}  // namespace joey

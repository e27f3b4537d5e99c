// A loop without threads or a clock: what is posted runs when the test says so.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "base/scheduler.hpp"

namespace joey::test {

class Loop final : public Scheduler {
 public:
  [[nodiscard]] Timestamp now() const override { return now_; }
  void post(UniqueFunction<void()> fn) override { posted_.push_back(std::move(fn)); }
  TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) override {
    timers_.emplace(std::pair(now_ + delay.count(), ++last_timer_), std::move(fn));
    return last_timer_;
  }
  void cancel(TimerId timer) override {
    std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
  }
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    blocking();
    post(std::move(done));
  }

  // Runs what is posted, and what that posts; false when there was nothing.
  bool run() {
    const bool any = !posted_.empty();
    while (!posted_.empty()) {
      const auto fn = std::move(posted_.front());
      posted_.pop_front();
      fn();
    }
    return any;
  }
  // The next that is posted alone.
  bool run_one() {
    if (posted_.empty()) return false;
    const auto fn = std::move(posted_.front());
    posted_.pop_front();
    fn();
    return true;
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time.count();
    while (!timers_.empty() && timers_.begin()->first.first <= now_) {
      const auto fn = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      fn();
      run();
    }
  }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  Timestamp now_{1'000};
  std::deque<UniqueFunction<void()>> posted_;
  std::map<std::pair<Timestamp, TimerId>, UniqueFunction<void()>> timers_;
  TimerId last_timer_{0};
};

}  // namespace joey::test

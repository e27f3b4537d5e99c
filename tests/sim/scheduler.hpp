// Virtual time and a seeded order: the loop and the workers of the simulated process.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "base/scheduler.hpp"
#include "support/random.hpp"

namespace joey::sim {

using test::Random;
using std::chrono::milliseconds;

// Keeps what real schedulers promise and nothing more: posts run in their order, timers not before their time and those
// of one moment in their order, work in any. Time stands still while anything is ready, and then jumps.
class SimScheduler final : public Scheduler {
 public:
  explicit SimScheduler(Random random) : random_(random) {}

  [[nodiscard]] Timestamp now() const override { return now_; }
  void post(UniqueFunction<void()> fn) override { posts_.push_back(std::move(fn)); }
  TimerId after(milliseconds delay, UniqueFunction<void()> fn) override;
  void cancel(TimerId timer) override;
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override;

  // The same as after(), but for the world around the process: a crash does not stop it.
  void outside(milliseconds delay, UniqueFunction<void()> fn);

  // Runs one callback; false when there will never be another.
  bool step();

  // The process is gone, and what it had planned with it.
  void forget_process();
  [[nodiscard]] std::size_t timers_count() const { return timers_.size(); }

 private:
  struct Job {
    UniqueFunction<void()> blocking;
    UniqueFunction<void()> done;
  };
  using Moment = std::pair<Timestamp, std::uint64_t>;
  template <class T>
  [[nodiscard]] bool due(const std::map<Moment, T>& queue) const {
    return !queue.empty() && queue.begin()->first.first <= now_;
  }
  Moment moment(milliseconds delay) { return {now_ + std::max<Timestamp>(0, delay.count()), ++last_}; }

  Random random_;
  Timestamp now_{1'700'000'000'000};
  std::uint64_t last_{0};
  std::deque<UniqueFunction<void()>> posts_;
  std::map<Moment, UniqueFunction<void()>> timers_;
  std::map<TimerId, Moment> timer_moments_;
  std::map<Moment, Job> jobs_;
  std::map<Moment, UniqueFunction<void()>> outside_;
};

}  // namespace joey::sim

// A scheduler for tests: the thread of the test is the loop, workers are real threads.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/scheduler.hpp"

namespace joey::test {

class TestScheduler final : public Scheduler {
 public:
  explicit TestScheduler(std::size_t workers_count = 2) {
    for (std::size_t i = 0; i < workers_count; ++i) workers_.emplace_back([this] { work_loop(); });
  }

  ~TestScheduler() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_came_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  [[nodiscard]] Timestamp now() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
  }

  void post(UniqueFunction<void()> fn) override {
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(fn));
    }
    post_came_.notify_one();
  }

  TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) override {
    timers_.emplace(std::pair(Clock::now() + delay, ++last_timer_), std::move(fn));
    return last_timer_;
  }

  void cancel(TimerId timer) override {
    std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
  }

  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    {
      const std::lock_guard lock(mutex_);
      jobs_.emplace_back(std::move(blocking), std::move(done));
    }
    work_came_.notify_one();
  }

  // Runs the loop until `finished` says so; false after `limit`.
  template <class Predicate>
  bool run_until(Predicate finished, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const Clock::time_point end = Clock::now() + limit;
    while (!finished()) {
      if (Clock::now() >= end) return false;
      step(std::min(end, Clock::now() + std::chrono::milliseconds(20)));
    }
    return true;
  }

  // Runs the loop for a while.
  void run_for(std::chrono::milliseconds time) {
    run_until([] { return false; }, time);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void step(Clock::time_point until) {
    while (!timers_.empty() && timers_.begin()->first.first <= Clock::now()) {
      const UniqueFunction<void()> fn = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      fn();
    }
    if (!timers_.empty()) until = std::min(until, timers_.begin()->first.first);
    UniqueFunction<void()> fn;
    {
      std::unique_lock lock(mutex_);
      if (!post_came_.wait_until(lock, until, [this] { return !posted_.empty(); })) return;
      fn = std::move(posted_.front());
      posted_.pop_front();
    }
    fn();
  }

  void work_loop() {
    while (true) {
      std::pair<UniqueFunction<void()>, UniqueFunction<void()>> job;
      {
        std::unique_lock lock(mutex_);
        work_came_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job.first();
      job.first = nullptr;
      post(std::move(job.second));
    }
  }

  std::mutex mutex_;  // guards what follows up to the loop's own
  std::condition_variable post_came_;
  std::condition_variable work_came_;
  std::deque<UniqueFunction<void()>> posted_;
  std::deque<std::pair<UniqueFunction<void()>, UniqueFunction<void()>>> jobs_;
  bool stopping_{false};

  std::map<std::pair<Clock::time_point, TimerId>, UniqueFunction<void()>> timers_;  // loop only
  TimerId last_timer_{0};
  std::vector<std::thread> workers_;
};

}  // namespace joey::test

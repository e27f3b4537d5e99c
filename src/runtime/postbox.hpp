// The way onto the loop for what a host ends on a thread of its own, at any time: a host's tool may end its call when the
// engine is long gone.
#pragma once

#include <mutex>
#include <utility>

#include "base/scheduler.hpp"

namespace joey {

// Threads: any. What is posted after close() is destroyed without being run, in the call that posts it.
class Postbox {
 public:
  explicit Postbox(Scheduler& scheduler) : scheduler_(&scheduler) {}

  void post(UniqueFunction<void()> fn) {
    const std::lock_guard lock(mutex_);
    if (scheduler_ != nullptr) scheduler_->post(std::move(fn));
  }
  // Before the scheduler ends.
  void close() {
    const std::lock_guard lock(mutex_);
    scheduler_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Scheduler* scheduler_;  // guarded by mutex_
};

}  // namespace joey

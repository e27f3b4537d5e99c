// Time and threads as adapters and runtime see them: one loop thread, timers on it, and workers for what blocks.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/function.hpp"

namespace joey {

// Milliseconds since 1970-01-01T00:00Z. Never goes back within a process.
using Timestamp = std::int64_t;

using TimerId = std::uint64_t;  // 0 is no timer

// Ownership: the runtime owns the scheduler; it outlives every adapter.
// The production one runs on libuv, the simulation's on a virtual clock and a seeded order.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Any thread.
  [[nodiscard]] virtual Timestamp now() const = 0;

  // Runs `fn` on the loop thread, soon, in the order of the calls. Any thread; never runs inside the call.
  virtual void post(UniqueFunction<void()> fn) = 0;

  // Runs `fn` once on the loop thread after `delay`. Loop thread only.
  virtual TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) = 0;
  // A timer that has fired or was never set is ignored. Loop thread only.
  virtual void cancel(TimerId timer) = 0;

  // Runs `blocking` on a worker thread, then `done` on the loop thread. Any thread.
  virtual void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) = 0;
};

}  // namespace joey

// UvLoop: the production Scheduler, one libuv loop with its timers and workers.
#pragma once

#include <uv.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/scheduler.hpp"

namespace joey {

struct UvLoopOptions {
  std::size_t workers_max{4};  // threads for work(), each started when the ones before it are busy
};

// Timers in the order they are due, then in the order they were set. Setting and cancelling take O(log n) and touch
// neither libuv nor the kernel, so 100,000 of them cost what their callbacks cost.
class TimerHeap {
 public:
  TimerId add(std::uint64_t due, UniqueFunction<void()> fn);
  // The callback of a timer that was set; an empty one otherwise.
  UniqueFunction<void()> remove(TimerId timer);
  // Takes out the first timer when it is due at `now` and was set before `before`; an empty function otherwise.
  UniqueFunction<void()> take_due(std::uint64_t now, std::uint64_t before);

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::uint64_t first_due() const { return heap_.front().due; }
  [[nodiscard]] std::uint64_t next_order() const { return next_order_; }

 private:
  struct Entry {
    std::uint64_t due;
    std::uint64_t order;
    std::uint32_t slot;
    bool operator<(const Entry& other) const { return due != other.due ? due < other.due : order < other.order; }
  };
  // What a TimerId names: the slot's index and its generation, which tells a slot's timers apart.
  struct Slot {
    UniqueFunction<void()> fn;
    std::uint32_t generation{1};
    std::uint32_t heap_index{0};
  };

  UniqueFunction<void()> remove_at(std::size_t index);
  void place(std::size_t index, Entry entry);
  void sift_up(std::size_t index, Entry entry);
  void sift_down(std::size_t index, Entry entry);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t next_order_{0};
};

// One loop thread, which is whichever thread is inside run() or step().
//
// Either the engine gives it a thread, which calls run(), or the host drives it: it waits until poll_fd() is readable
// or poll_timeout_ms() have passed, then calls step(0). Work that is queued while the loop is not running, from any
// thread, makes poll_fd() readable.
//
// Ownership: owns the uv_loop_t. Who opens handles on handle() closes them (uv_close) before the loop is destroyed;
// their close callbacks run in the destructor at the latest.
// Threads: now(), post(), work() and stop() from any; everything else from the loop thread, or from the thread that
// drives the loop while it is not running. No signal handlers; the workers block all signals.
// Destruction: waits for the workers' present callbacks, then destroys what is queued without running it.
class UvLoop final : public Scheduler {
 public:
  explicit UvLoop(UvLoopOptions options = {});
  ~UvLoop() override;
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  [[nodiscard]] uv_loop_t* handle() { return &loop_; }
  [[nodiscard]] int poll_fd() const { return uv_backend_fd(&loop_); }
  // How long a host may wait for poll_fd() before it calls step(); -1 for ever. To be asked after each step().
  [[nodiscard]] int poll_timeout_ms();

  // Runs until stop().
  void run();
  // One iteration, which waits for at most `timeout_ms`; a negative one waits until something happens.
  void step(int timeout_ms);
  // Ends the run() or step() under way, or the next one when there is none.
  void stop();

  [[nodiscard]] Timestamp now() const override;
  // From the loop thread: no system call, and run in the same iteration or the next, before the loop sleeps.
  void post(UniqueFunction<void()> fn) override;
  TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) override;
  void cancel(TimerId timer) override;
  // `blocking` is destroyed on its worker, before `done` runs. Where no thread can be had the loop thread does the work.
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override;

 private:
  struct Job {
    UniqueFunction<void()> blocking;
    UniqueFunction<void()> done;
  };

  void enter();
  void leave();
  void wake();
  void prepare();
  void check();
  void take_foreign();
  void drain();
  void fire_timers();
  void arm_timer();
  [[nodiscard]] bool on_loop_thread() const;
  bool start_worker();
  void worker();

  uv_loop_t loop_;
  uv_async_t wakeup_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_idle_t idle_;       // active while posts are left, which keeps the loop from sleeping
  uv_timer_t timer_;     // ends the sleep when the first of timers_ is due
  uv_timer_t deadline_;  // of step()

  std::deque<UniqueFunction<void()>> posts_;  // loop thread only, in order
  TimerHeap timers_;
  std::uint64_t armed_due_;  // when timer_ fires

  std::atomic<std::thread::id> loop_thread_{};
  std::atomic<bool> stop_{false};
  // True from before the loop sleeps until after it woke, and while it does not run: only then a post from elsewhere
  // costs a system call.
  std::atomic<bool> asleep_{true};
  // now(): the wall clock's lead over the steady one, and when, on the steady one, to measure it again.
  mutable std::atomic<std::int64_t> wall_lead_ns_;
  mutable std::atomic<std::int64_t> measure_at_ns_;

  std::mutex foreign_mutex_;
  std::vector<UniqueFunction<void()>> foreign_;  // guarded by foreign_mutex_
  std::atomic<bool> foreign_any_{false};
  std::vector<UniqueFunction<void()>> foreign_taken_;  // the buffer the two swap; loop thread only

  const std::size_t workers_max_;
  std::mutex jobs_mutex_;  // guards the rest
  std::condition_variable jobs_ready_;
  std::deque<Job> jobs_;
  std::vector<std::thread> workers_;
  std::size_t workers_idle_{0};
  bool closing_{false};
};

}  // namespace joey

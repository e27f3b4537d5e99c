// A loop for tests to run commands on, and a sink that records what they do.
#pragma once

#include <doctest/doctest.h>
#include <uv.h>

#include <chrono>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/function.hpp"
#include "base/scheduler.hpp"
#include "workspace/workspace.hpp"

namespace joey::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A libuv loop and the scheduler on it, run by the test itself.
class TestLoop final : public Scheduler {
 public:
  TestLoop() {
    uv_loop_init(&loop_);
    uv_async_init(&loop_, &wakeup_, [](uv_async_t* handle) { static_cast<TestLoop*>(handle->data)->run_posts(); });
    wakeup_.data = this;
    uv_timer_init(&loop_, &tick_);
  }
  ~TestLoop() override {
    for (auto& worker : workers_) worker.join();
    for (auto& [id, timer] : timers_) close(timer);
    uv_close(reinterpret_cast<uv_handle_t*>(&wakeup_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  uv_loop_t* handle() { return &loop_; }

  // Runs the loop until `done()`; false when that takes longer than `limit`. It is not asked again once it said yes: what
  // is counted in /proc may be fewer for the moment of an exec.
  template <class Done>
  bool run_until(Done done, milliseconds limit = 20s) {
    const auto deadline = Clock::now() + limit;
    uv_timer_start(&tick_, [](uv_timer_t*) {}, 5, 5);
    bool is_done = false;
    while (!(is_done = done()) && Clock::now() < deadline) uv_run(&loop_, UV_RUN_ONCE);
    uv_timer_stop(&tick_);
    return is_done;
  }
  void run_for(milliseconds time) {
    run_until([] { return false; }, time);
  }

  Timestamp now() const override { return std::time(nullptr) * 1000; }

  void post(UniqueFunction<void()> fn) override {
    {
      const std::lock_guard lock(mutex_);
      posts_.push_back(std::move(fn));
    }
    uv_async_send(&wakeup_);
  }

  TimerId after(milliseconds delay, UniqueFunction<void()> fn) override {
    auto* timer = new Timer{{}, this, ++last_timer_, std::move(fn)};
    uv_timer_init(&loop_, &timer->handle);
    timer->handle.data = timer;
    timers_[timer->id] = timer;
    uv_timer_start(&timer->handle,
                   [](uv_timer_t* handle) {
                     auto* fired = static_cast<Timer*>(handle->data);
                     fired->owner->timers_.erase(fired->id);
                     auto call = std::move(fired->fn);
                     close(fired);
                     call();
                   },
                   static_cast<std::uint64_t>(delay.count()), 0);
    return timer->id;
  }
  void cancel(TimerId id) override {
    if (auto found = timers_.extract(id)) close(found.mapped());
  }

  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    workers_.emplace_back([this, blocking = std::move(blocking), done = std::move(done)]() mutable {
      blocking();
      blocking = nullptr;
      post(std::move(done));
    });
  }

 private:
  struct Timer {
    uv_timer_t handle;
    TestLoop* owner;
    TimerId id;
    UniqueFunction<void()> fn;
  };
  static void close(Timer* timer) {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer->handle),
             [](uv_handle_t* handle) { delete static_cast<Timer*>(handle->data); });
  }
  void run_posts() {
    std::deque<UniqueFunction<void()>> posts;
    {
      const std::lock_guard lock(mutex_);
      posts.swap(posts_);
    }
    for (auto& post : posts) post();
  }

  uv_loop_t loop_{};
  uv_async_t wakeup_{};
  uv_timer_t tick_{};
  std::map<TimerId, Timer*> timers_;
  TimerId last_timer_{0};
  std::mutex mutex_;
  std::deque<UniqueFunction<void()>> posts_;
  std::vector<std::thread> workers_;
};

struct Recorder final : CommandSink {
  void on_error_output(std::string_view bytes) override { errors += bytes; }
  void on_output(std::string_view bytes) override {
    CHECK(!ended);
    size += bytes.size();
    if (keep) output += bytes;
    if (slowness > 0ms) std::this_thread::sleep_for(slowness);
    if (react) react();
  }
  void on_exit(CommandExit status) override {
    CHECK(!exit);
    CHECK(!ended);
    exit = status;
    output_at_exit = output;
    if (react) react();
  }
  void on_end() override {
    CHECK(exit);
    CHECK(!ended);
    ended = true;
    if (react) react();
  }

  std::string output;
  std::string errors;
  std::string output_at_exit;
  std::size_t size{0};
  std::optional<CommandExit> exit;
  bool ended{false};
  bool keep{true};
  milliseconds slowness{0};
  UniqueFunction<void()> react;
};

}  // namespace joey::test

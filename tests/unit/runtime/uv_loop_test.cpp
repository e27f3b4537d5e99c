#include "runtime/uv_loop.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>

using namespace joey;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

bool readable(int fd, std::chrono::milliseconds timeout = 0ms) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) == 1;
}

std::chrono::milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
}

// Runs the loop until `done`, or for ten seconds.
bool run_until(UvLoop& loop, const std::function<bool()>& done) {
  const auto start = Clock::now();
  while (!done() && since(start) < 10s) loop.step(50);
  return done();
}

}  // namespace

TEST_CASE("posts run in the order of the calls, those made in a callback after those before") {
  UvLoop loop;
  std::vector<int> ran;
  loop.post([&] {
    ran.push_back(1);
    loop.post([&] { ran.push_back(3); });
    CHECK(ran.size() == 1);  // never inside the call
  });
  loop.post([&] { ran.push_back(2); });
  loop.step(0);
  CHECK(ran == std::vector{1, 2, 3});
}

TEST_CASE("a post that posts itself for ever starves neither timers nor stop") {
  UvLoop loop;
  std::uint64_t count = 0;
  std::function<void()> again = [&] {
    ++count;
    loop.post([&] { again(); });
  };
  loop.post([&] { again(); });
  loop.after(20ms, [&] { loop.stop(); });
  loop.run();
  CHECK(count > 1000);
}

TEST_CASE("the loop never sleeps with a post queued, wherever it was made") {
  UvLoop loop;
  const auto start = Clock::now();
  int chain = 0;
  std::function<void()> from_timer = [&] {  // timers run after the posts of the iteration before
    loop.post([&] {
      if (++chain == 20) return loop.stop();
      loop.after(0ms, [&] { from_timer(); });
    });
  };
  from_timer();
  loop.run();
  CHECK(chain == 20);
  CHECK(since(start) < 1s);
}

TEST_CASE("posts of one thread keep their order, and none is lost") {
  constexpr int threads_count = 4;
  constexpr int posts_count = 20'000;
  UvLoop loop;
  std::vector<int> next(threads_count, 0);
  int received = 0;
  bool in_order = true;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < threads_count; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < posts_count; ++i) {
        loop.post([&, thread, i] {
          in_order = in_order && next[static_cast<std::size_t>(thread)]++ == i;
          if (++received == threads_count * posts_count) loop.stop();
        });
        if (i % 1000 == 0) std::this_thread::sleep_for(1ms);  // let the loop fall asleep
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK(in_order);
  CHECK(received == threads_count * posts_count);
}

TEST_CASE("what another thread posted first runs before what the loop thread posts afterwards") {
  UvLoop loop;
  std::vector<int> ran;
  loop.post([&] {
    std::thread([&] { loop.post([&] { ran.push_back(1); }); }).join();
    loop.post([&] { ran.push_back(2); });
  });
  CHECK(run_until(loop, [&] { return ran.size() == 2; }));
  CHECK(ran == std::vector{1, 2});
}

TEST_CASE("timers fire in the order they are due, then in the order they were set, never early") {
  UvLoop loop;
  std::vector<int> fired;
  const auto start = Clock::now();
  const auto timer = [&](int delay_ms, int name) {
    loop.after(std::chrono::milliseconds(delay_ms), [&, delay_ms, name] {
      CHECK(since(start).count() >= delay_ms);
      fired.push_back(name);
    });
  };
  timer(30, 4);
  timer(10, 2);
  timer(10, 3);
  timer(-5, 0);
  timer(0, 1);
  CHECK(run_until(loop, [&] { return fired.size() == 5; }));
  CHECK(fired == std::vector{0, 1, 2, 3, 4});
  CHECK(since(start) < 1s);
}

TEST_CASE("a cancelled timer does not fire, also when one that is due with it cancels it") {
  UvLoop loop;
  bool fired = false;
  bool last = false;
  TimerId second = 0;
  const TimerId first = loop.after(5ms, [&] { loop.cancel(second); });
  second = loop.after(5ms, [&] { fired = true; });
  const TimerId third = loop.after(1ms, [&] { fired = true; });
  CHECK(first != 0);
  loop.cancel(third);
  loop.cancel(third);
  loop.cancel(0);
  loop.after(15ms, [&] { last = true; });
  CHECK(run_until(loop, [&] { return last; }));
  loop.cancel(first);  // fired long ago
  CHECK_FALSE(fired);
}

TEST_CASE("a timer id is never taken for a later timer's") {
  UvLoop loop;
  int fired = 0;
  const TimerId old = loop.after(1s, [] {});
  loop.cancel(old);
  loop.after(1ms, [&] { ++fired; });
  loop.cancel(old);
  CHECK(run_until(loop, [&] { return fired == 1; }));
}

TEST_CASE("a timer may set itself again without starving the rest") {
  UvLoop loop;
  int fired = 0;
  std::function<void()> again = [&] {
    ++fired;
    loop.after(0ms, [&] { again(); });
  };
  again();
  bool posted = false;
  loop.post([&] { posted = true; });
  for (int i = 0; i < 10; ++i) loop.step(0);
  CHECK(posted);
  CHECK(fired <= 12);
}

TEST_CASE("100,000 timers are cheap, and a random half of them cancels exactly itself") {
  TimerHeap heap;
  std::mt19937 random(1);
  constexpr std::size_t count = 100'000;
  std::vector<TimerId> ids;
  std::vector<std::uint64_t> due(count);
  std::vector<std::size_t> fired;
  for (std::size_t i = 0; i < count; ++i) {
    due[i] = random() % 1000;
    ids.push_back(heap.add(due[i], [&fired, i] { fired.push_back(i); }));
  }
  std::vector<bool> cancelled(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 2 == 0) continue;
    cancelled[i] = true;
    CHECK(heap.remove(ids[i]));
    CHECK_FALSE(heap.remove(ids[i]));
  }
  while (const auto fn = heap.take_due(1000, heap.next_order())) fn();
  CHECK(fired.size() == static_cast<std::size_t>(std::count(cancelled.begin(), cancelled.end(), false)));
  CHECK(std::none_of(fired.begin(), fired.end(), [&](std::size_t i) { return cancelled[i]; }));
  CHECK(std::is_sorted(fired.begin(), fired.end(), [&](std::size_t a, std::size_t b) {
    return due[a] != due[b] ? due[a] < due[b] : a < b;
  }));
  CHECK(heap.empty());
}

TEST_CASE("step never waits longer than its timeout") {
  UvLoop loop;
  loop.after(10s, [] {});
  auto start = Clock::now();
  loop.step(0);
  CHECK(since(start) < 20ms);
  start = Clock::now();
  loop.step(30);
  CHECK(since(start) >= 29ms);
  CHECK(since(start) < 200ms);
  bool fired = false;
  loop.after(10ms, [&] { fired = true; });
  loop.step(5000);
  CHECK(fired);
  CHECK(since(start) < 1s);
}

TEST_CASE("a host that waits for the poll fd learns of posts from any thread, and of what a step left") {
  UvLoop loop;
  while (readable(loop.poll_fd())) loop.step(0);
  int ran = 0;
  std::thread([&] { loop.post([&] { ++ran; }); }).join();
  CHECK(readable(loop.poll_fd()));
  loop.step(0);
  CHECK(ran == 1);
  CHECK_FALSE(readable(loop.poll_fd()));

  loop.post([&] { ++ran; });  // by the host itself, between two steps
  CHECK(readable(loop.poll_fd()));
  loop.step(0);
  CHECK(ran == 2);

  loop.after(1ms, [&] { loop.post([&] { ++ran; }); });
  CHECK(loop.poll_timeout_ms() <= 2);
  std::this_thread::sleep_for(3ms);
  CHECK(loop.poll_timeout_ms() == 0);
  for (loop.step(0); readable(loop.poll_fd(), 0ms);) loop.step(0);
  CHECK(ran == 3);
  CHECK(loop.poll_timeout_ms() == -1);

  std::thread poster([&] {
    std::this_thread::sleep_for(10ms);
    loop.post([&] { ++ran; });
  });
  CHECK(readable(loop.poll_fd(), 5s));
  poster.join();
  loop.step(0);
  CHECK(ran == 4);
}

TEST_CASE("a socket that a callback starts to watch shows at the poll fd") {
  UvLoop loop;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "x", 1) == 1);
  uv_poll_t watch;
  int seen = 0;
  watch.data = &seen;
  loop.post([&] {
    uv_poll_init(loop.handle(), &watch, ends[0]);
    uv_poll_start(&watch, UV_READABLE, [](uv_poll_t* handle, int, int) {
      ++*static_cast<int*>(handle->data);
      uv_poll_stop(handle);
    });
  });
  const auto start = Clock::now();
  while (seen == 0 && since(start) < 5s && readable(loop.poll_fd(), 1000ms)) loop.step(0);
  CHECK(seen == 1);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch), nullptr);
  loop.step(0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("stop ends the run under way, or the next one") {
  UvLoop loop;
  loop.stop();
  loop.run();
  std::thread stopper([&] {
    std::this_thread::sleep_for(20ms);
    loop.stop();
  });
  loop.run();
  stopper.join();
  loop.post([&] { loop.stop(); });
  loop.run();
  CHECK(loop.poll_timeout_ms() == -1);  // nothing of it is left for the next step
}

TEST_CASE("work runs on a worker and completes on the loop thread, all of it") {
  UvLoop loop({.workers_max = 3});
  constexpr int count = 5000;
  std::vector<int> results(count, 0);
  int done = 0;
  bool on_loop = true;
  bool on_worker = true;
  const auto loop_thread = std::this_thread::get_id();
  for (int i = 0; i < count; ++i) {
    auto result = std::make_shared<int>(0);
    loop.work(
        [result, i, loop_thread, &on_worker] {
          if (std::this_thread::get_id() == loop_thread) on_worker = false;
          *result = i;
        },
        [&, result, i, loop_thread] {
          on_loop = on_loop && std::this_thread::get_id() == loop_thread;
          results[static_cast<std::size_t>(i)] = *result;
          ++done;
        });
  }
  CHECK(run_until(loop, [&] { return done == count; }));
  std::vector<int> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(results == expected);
  CHECK(on_loop);
  CHECK(on_worker);
}

TEST_CASE("workers run side by side, up to the limit") {
  UvLoop loop({.workers_max = 2});
  std::atomic<int> running{0};
  std::atomic<int> running_max{0};
  int done = 0;
  for (int i = 0; i < 6; ++i) {
    loop.work(
        [&] {
          const int now = ++running;
          for (int seen = running_max; now > seen && !running_max.compare_exchange_weak(seen, now);) {}
          std::this_thread::sleep_for(20ms);
          --running;
        },
        [&] { ++done; });
  }
  CHECK(run_until(loop, [&] { return done == 6; }));
  CHECK(running_max == 2);
}

TEST_CASE("a destroyed loop waits for its workers and drops what is queued without running it") {
  auto kept = std::make_shared<int>(0);
  std::atomic<bool> started{false};
  std::atomic<bool> finished{false};
  int ran = 0;
  {
    UvLoop loop({.workers_max = 1});
    loop.post([kept, &ran] { ++ran; });
    loop.after(1ms, [kept, &ran] { ++ran; });
    loop.work(
        [kept, &started, &finished] {
          started = true;
          std::this_thread::sleep_for(30ms);
          finished = true;
        },
        [kept, &ran] { ++ran; });
    loop.work([kept, &ran] { ++ran; }, [kept, &ran] { ++ran; });
    while (!started) std::this_thread::yield();
  }
  CHECK(finished);
  CHECK(ran == 0);
  CHECK(kept.use_count() == 1);
}

TEST_CASE("a callback dropped by the destructor may still use the loop") {
  struct Guard {
    UvLoop* loop;
    TimerId timer;
    explicit Guard(UvLoop* l) : loop(l), timer(l->after(1h, [] {})) {}
    ~Guard() {
      loop->cancel(timer);
      loop->post([] {});
      loop->work([] {}, [] {});
    }
  };
  UvLoop loop;
  loop.post([guard = std::make_unique<Guard>(&loop)] {});
  loop.after(1h, [guard = std::make_unique<Guard>(&loop)] {});
}

TEST_CASE("now is the wall clock and does not go back") {
  const UvLoop loop;
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  Timestamp last = loop.now();
  CHECK(std::abs(last - wall) < 1000);
  bool backwards = false;
  for (int i = 0; i < 10'000; ++i) {
    const Timestamp now = loop.now();
    backwards = backwards || now < last;
    last = now;
  }
  CHECK_FALSE(backwards);
}

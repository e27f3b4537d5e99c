#include "runtime/uv_loop.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

namespace joey {

namespace {

// Posts run between two looks at the sockets: enough that chains of posts need no iteration of their own, few enough
// that a callback that posts itself for ever does not starve I/O.
constexpr std::size_t posts_per_drain_max = 1024;

constexpr std::int64_t wall_measured_every_ns = 1'000'000'000;

constexpr std::uint64_t not_armed = std::numeric_limits<std::uint64_t>::max();

std::int64_t nanoseconds(auto duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

std::int64_t wall_ns() { return nanoseconds(std::chrono::system_clock::now().time_since_epoch()); }
std::int64_t steady_ns() { return nanoseconds(std::chrono::steady_clock::now().time_since_epoch()); }

template <class Handle>
uv_handle_t* as_handle(Handle& handle) {
  return reinterpret_cast<uv_handle_t*>(&handle);
}

}  // namespace

// --- TimerHeap ---

TimerId TimerHeap::add(std::uint64_t due, UniqueFunction<void()> fn) {
  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot].fn = std::move(fn);
  heap_.emplace_back();
  sift_up(heap_.size() - 1, Entry{due, next_order_++, slot});
  return std::uint64_t{slots_[slot].generation} << 32 | slot;
}

UniqueFunction<void()> TimerHeap::remove(TimerId timer) {
  const auto slot = static_cast<std::uint32_t>(timer);
  if (slot >= slots_.size() || slots_[slot].generation != timer >> 32 || !slots_[slot].fn) return nullptr;
  return remove_at(slots_[slot].heap_index);
}

UniqueFunction<void()> TimerHeap::take_due(std::uint64_t now, std::uint64_t before) {
  if (heap_.empty() || heap_.front().due > now || heap_.front().order >= before) return nullptr;
  return remove_at(0);
}

UniqueFunction<void()> TimerHeap::remove_at(std::size_t index) {
  const std::uint32_t slot = heap_[index].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index < heap_.size()) {
    if (index > 0 && last < heap_[(index - 1) / 2]) {
      sift_up(index, last);
    } else {
      sift_down(index, last);
    }
  }
  if (++slots_[slot].generation == 0) slots_[slot].generation = 1;  // so that no TimerId is 0
  free_slots_.push_back(slot);
  return std::exchange(slots_[slot].fn, nullptr);
}

void TimerHeap::place(std::size_t index, Entry entry) {
  heap_[index] = entry;
  slots_[entry.slot].heap_index = static_cast<std::uint32_t>(index);
}

void TimerHeap::sift_up(std::size_t index, Entry entry) {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!(entry < heap_[parent])) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) {
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
    if (!(heap_[child] < entry)) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

// --- UvLoop ---

UvLoop::UvLoop(UvLoopOptions options)
    : armed_due_(not_armed),
      wall_lead_ns_(std::numeric_limits<std::int64_t>::min()),
      measure_at_ns_(0),
      workers_max_(std::max<std::size_t>(options.workers_max, 1)) {
  if (const int error = uv_loop_init(&loop_); error != 0) {
    throw std::system_error(-error, std::generic_category(), "cannot open an event loop");
  }
  loop_.data = this;
  // None of these can fail: what they need of the kernel uv_loop_init() has opened.
  uv_async_init(&loop_, &wakeup_, [](uv_async_t*) {});  // waking is all; check() runs the posts
  uv_prepare_init(&loop_, &prepare_);
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<UvLoop*>(handle->loop->data)->prepare(); });
  uv_check_init(&loop_, &check_);
  uv_check_start(&check_, [](uv_check_t* handle) { static_cast<UvLoop*>(handle->loop->data)->check(); });
  uv_idle_init(&loop_, &idle_);
  uv_timer_init(&loop_, &timer_);
  uv_timer_init(&loop_, &deadline_);
  step(0);  // tells the kernel of wakeup_, so that poll_fd() works before the first step
}

UvLoop::~UvLoop() {
  assert(loop_thread_.load() == std::thread::id{} && "destroyed while it runs");
  {
    const std::lock_guard lock(jobs_mutex_);
    closing_ = true;
  }
  jobs_ready_.notify_all();
  for (auto& worker : workers_) worker.join();
  jobs_.clear();

  // Destroying a callback may cancel a timer or post again.
  while (!posts_.empty() || !timers_.empty() || foreign_any_.load()) {
    take_foreign();
    std::exchange(posts_, {}).clear();
    std::exchange(timers_, {});
  }

  for (uv_handle_t* handle : {as_handle(wakeup_), as_handle(prepare_), as_handle(check_), as_handle(idle_),
                              as_handle(timer_), as_handle(deadline_)}) {
    uv_close(handle, nullptr);
  }
  while (uv_run(&loop_, UV_RUN_NOWAIT) != 0 && loop_.closing_handles != nullptr) {}
  [[maybe_unused]] const int error = uv_loop_close(&loop_);
  assert(error == 0 && "a handle on this loop is still open");
}

int UvLoop::poll_timeout_ms() {
  uv_update_time(&loop_);  // the loop's clock stands still between two steps
  arm_timer();
  return uv_backend_timeout(&loop_);
}

void UvLoop::run() {
  enter();
  while (!stop_.load()) uv_run(&loop_, UV_RUN_DEFAULT);
  leave();
}

void UvLoop::step(int timeout_ms) {
  enter();
  if (timeout_ms > 0) {
    uv_update_time(&loop_);
    // It can be due before the loop begins to wait, which then must not wait for the next timer instead.
    uv_timer_start(&deadline_, [](uv_timer_t* timer) { uv_stop(timer->loop); }, static_cast<std::uint64_t>(timeout_ms), 0);
  }
  uv_run(&loop_, timeout_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  uv_timer_stop(&deadline_);
  if (timeout_ms != 0) {  // what became due while it slept
    fire_timers();
    drain();
  }
  leave();
}

void UvLoop::stop() {
  stop_.store(true);
  wake();
}

Timestamp UvLoop::now() const {
  // The steady clock plus the largest lead of the wall clock seen so far: follows the wall clock forward, within a
  // second, and runs on from where it was when that is set back.
  std::int64_t steady = steady_ns();
  if (steady >= measure_at_ns_.load()) {
    // The wall clock is read first, so that a pause between the two reads shortens the lead; the other way round it
    // would lengthen it for good.
    const std::int64_t wall = wall_ns();
    steady = steady_ns();
    std::int64_t lead = wall_lead_ns_.load();
    while (wall - steady > lead && !wall_lead_ns_.compare_exchange_weak(lead, wall - steady)) {}
    measure_at_ns_.store(steady + wall_measured_every_ns);
  }
  return (steady + wall_lead_ns_.load()) / 1'000'000;
}

void UvLoop::post(UniqueFunction<void()> fn) {
  if (on_loop_thread()) {
    take_foreign();  // what was posted elsewhere before this call runs before it
    posts_.push_back(std::move(fn));
    return;
  }
  {
    const std::lock_guard lock(foreign_mutex_);
    foreign_.push_back(std::move(fn));
    foreign_any_.store(true);
  }
  wake();
}

TimerId UvLoop::after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) {
  // Rounded up, because the loop's clock is rounded down: a timer is never early.
  const std::uint64_t due = delay.count() <= 0
                                ? uv_now(&loop_)
                                : (uv_hrtime() + 999'999) / 1'000'000 + static_cast<std::uint64_t>(delay.count());
  return timers_.add(due, std::move(fn));  // prepare() arms timer_ for it
}

void UvLoop::cancel(TimerId timer) { timers_.remove(timer); }

void UvLoop::work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
  {
    const std::lock_guard lock(jobs_mutex_);
    if (closing_) return;
    if (workers_idle_ <= jobs_.size() && workers_.size() < workers_max_ && !start_worker() && workers_.empty()) {
      post([blocking = std::move(blocking), done = std::move(done)]() mutable {
        std::exchange(blocking, nullptr)();
        done();
      });
      return;
    }
    jobs_.push_back(Job{std::move(blocking), std::move(done)});
    if (workers_idle_ == 0) return;  // the next to finish takes it
  }
  jobs_ready_.notify_one();
}

void UvLoop::enter() {
  assert(loop_thread_.load() == std::thread::id{} && "run() and step() do not nest");
  loop_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  asleep_.store(false);
}

void UvLoop::leave() {
  stop_.store(false);
  loop_thread_.store({}, std::memory_order_relaxed);
  asleep_.store(true);
  // A host that waits for poll_fd() alone must learn of what the last callbacks left: posts, and sockets that libuv
  // tells the kernel of in its next iteration only.
  if (!posts_.empty() || foreign_any_.load() || uv_backend_timeout(&loop_) == 0) wake();
}

void UvLoop::wake() {
  if (asleep_.exchange(false)) uv_async_send(&wakeup_);
}

// Last before the loop looks at its sockets. What is posted elsewhere after asleep_ is set wakes the loop; what was
// posted before is seen here.
void UvLoop::prepare() {
  fire_timers();
  drain();
  arm_timer();
  asleep_.store(true);
  if (stop_.load()) uv_stop(&loop_);
  take_foreign();
  if (posts_.empty()) {
    uv_idle_stop(&idle_);
  } else {
    uv_idle_start(&idle_, [](uv_idle_t*) {});
  }
}

// First after the sockets' callbacks.
void UvLoop::check() {
  asleep_.store(false);
  if (stop_.load()) uv_stop(&loop_);
  drain();
}

void UvLoop::take_foreign() {
  if (!foreign_any_.load()) return;
  {
    const std::lock_guard lock(foreign_mutex_);
    foreign_.swap(foreign_taken_);
    foreign_any_.store(false);
  }
  std::move(foreign_taken_.begin(), foreign_taken_.end(), std::back_inserter(posts_));
  foreign_taken_.clear();
}

void UvLoop::drain() {
  take_foreign();
  for (std::size_t count = 0; count < posts_per_drain_max && !posts_.empty(); ++count) {
    const UniqueFunction<void()> fn = std::move(posts_.front());
    posts_.pop_front();
    fn();
  }
}

void UvLoop::fire_timers() {
  // A timer that a callback sets waits for the next iteration, however short it is: the sockets come first.
  const std::uint64_t before = timers_.next_order();
  const std::uint64_t now = uv_now(&loop_);
  while (const UniqueFunction<void()> fn = timers_.take_due(now, before)) fn();
}

// timer_ only ends the sleep in time: libuv runs a timer that is due again at once, and without end, where
// fire_timers() lets the sockets in between.
void UvLoop::arm_timer() {
  const std::uint64_t due = timers_.empty() ? not_armed : timers_.first_due();
  if (due == armed_due_) return;
  armed_due_ = due;
  if (due == not_armed) {
    uv_timer_stop(&timer_);
    return;
  }
  const std::uint64_t now = uv_now(&loop_);
  uv_timer_start(&timer_, [](uv_timer_t* handle) { static_cast<UvLoop*>(handle->loop->data)->armed_due_ = not_armed; },
                 due > now ? due - now : 0, 0);
}

bool UvLoop::on_loop_thread() const {
  return loop_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

bool UvLoop::start_worker() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // which the thread inherits
  bool started = true;
  try {
    workers_.emplace_back([this] { worker(); });
  } catch (const std::system_error&) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void UvLoop::worker() {
  pthread_setname_np(pthread_self(), "joey-worker");
  std::unique_lock lock(jobs_mutex_);
  while (!closing_) {
    if (jobs_.empty()) {
      ++workers_idle_;
      jobs_ready_.wait(lock);
      --workers_idle_;
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.blocking();
    job.blocking = nullptr;
    post(std::move(job.done));
    lock.lock();
  }
}

}  // namespace joey

#include "sim/scheduler.hpp"

#include <algorithm>
#include <array>

namespace joey::sim {
namespace {

template <class Queue>
auto take_first(Queue& queue) {
  return std::move(queue.extract(queue.begin()).mapped());
}

}  // namespace

TimerId SimScheduler::after(milliseconds delay, UniqueFunction<void()> fn) {
  const Moment at = moment(delay);
  timers_.emplace(at, std::move(fn));
  timer_moments_.emplace(at.second, at);
  return at.second;
}

void SimScheduler::cancel(TimerId timer) {
  const auto found = timer_moments_.find(timer);
  if (found == timer_moments_.end()) return;
  timers_.erase(found->second);
  timer_moments_.erase(found);
}

void SimScheduler::work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
  // Workers are several and disks are slow: jobs begin and end in any order.
  const milliseconds delay(random_.chance(0.05) ? random_.between(0, 5'000) : random_.between(0, 15));
  jobs_.emplace(moment(delay), Job{std::move(blocking), std::move(done)});
}

void SimScheduler::outside(milliseconds delay, UniqueFunction<void()> fn) { outside_.emplace(moment(delay), std::move(fn)); }

bool SimScheduler::step() {
  enum class Source : std::uint8_t { post, timer, job, outside };
  std::array<Source, 4> ready{};
  std::size_t count = 0;
  while (true) {
    if (!posts_.empty()) ready[count++] = Source::post;
    if (due(timers_)) ready[count++] = Source::timer;
    if (due(jobs_)) ready[count++] = Source::job;
    if (due(outside_)) ready[count++] = Source::outside;
    if (count > 0) break;
    Timestamp next = INT64_MAX;
    if (!timers_.empty()) next = std::min(next, timers_.begin()->first.first);
    if (!jobs_.empty()) next = std::min(next, jobs_.begin()->first.first);
    if (!outside_.empty()) next = std::min(next, outside_.begin()->first.first);
    if (next == INT64_MAX) return false;
    now_ = next;
  }
  switch (ready[random_.below(count)]) {
    case Source::post: {
      const auto fn = std::move(posts_.front());
      posts_.pop_front();
      fn();
      break;
    }
    case Source::timer: {
      timer_moments_.erase(timers_.begin()->first.second);
      const auto fn = take_first(timers_);
      fn();
      break;
    }
    case Source::job: {
      Job job = take_first(jobs_);
      job.blocking();
      job.blocking = nullptr;
      post(std::move(job.done));
      break;
    }
    case Source::outside: {
      const auto fn = take_first(outside_);
      fn();
      break;
    }
  }
  return true;
}

void SimScheduler::forget_process() {
  // Destroying a callback may plan or cancel others.
  for (int i = 0; i < 3; ++i) {
    auto posts = std::exchange(posts_, {});
    auto timers = std::exchange(timers_, {});
    auto jobs = std::exchange(jobs_, {});
    timer_moments_.clear();
  }
}

}  // namespace joey::sim

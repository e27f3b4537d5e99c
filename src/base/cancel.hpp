// CancelToken: how a long piece of work is told to stop.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/function.hpp"

namespace joey {

// Copies share one state. cancelled() may be asked from any thread; the rest is the loop thread's.
class CancelToken {
 public:
  CancelToken() : state_(std::make_shared<State>()) {}

  [[nodiscard]] bool cancelled() const { return state_->cancelled.load(std::memory_order_relaxed); }

  // Runs each callback once, in the order they were given. A second cancel does nothing.
  void cancel() const {
    if (state_->cancelled.exchange(true)) return;
    for (auto& callback : std::exchange(state_->callbacks, {})) callback();
  }

  // Runs at once when cancelled already.
  void on_cancel(UniqueFunction<void()> callback) const {
    if (cancelled()) return callback();
    state_->callbacks.push_back(std::move(callback));
  }

 private:
  struct State {
    std::atomic<bool> cancelled{false};
    std::vector<UniqueFunction<void()>> callbacks;
  };
  std::shared_ptr<State> state_;
};

}  // namespace joey

// A descriptor watched on the loop. Of this folder only.
#pragma once

#include <fmt/format.h>
#include <uv.h>

#include <memory>
#include <utility>

#include "base/result.hpp"

namespace joey {

// Calls a member of its owner while a descriptor is readable, or writable. The handle outlives both until the loop has
// closed it.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { close(); }

  template <auto on_ready, class Owner>
  Status open(uv_loop_t* loop, int fd, Owner* owner, int events = UV_READABLE) {
    auto handle = std::make_unique<uv_poll_t>();
    if (const int error = uv_poll_init(loop, handle.get(), fd)) {
      return failure(ErrorCode::io, fmt::format("command: uv_poll_init: {}", uv_strerror(error)));
    }
    handle_ = handle.release();
    handle_->data = owner;
    events_ = events;
    on_ready_ = [](uv_poll_t* ready, int, int) { (static_cast<Owner*>(ready->data)->*on_ready)(); };
    start();
    return {};
  }

  void start() {
    if (handle_) uv_poll_start(handle_, events_, on_ready_);
  }
  void stop() {
    if (handle_) uv_poll_stop(handle_);
  }

  // Before its descriptor is.
  void close() {
    if (!handle_) return;
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(handle_, nullptr)),
             [](uv_handle_t* closed) { delete reinterpret_cast<uv_poll_t*>(closed); });
  }

 private:
  uv_poll_t* handle_{nullptr};
  int events_{0};
  uv_poll_cb on_ready_{nullptr};
};

}  // namespace joey

// The connections that a command in a box makes, as the engine gets hold of them. Of this folder only.
//
//   own network:  confine listens on the box's loopback and sends the listening socket: the engine accepts
//   none:         confine sends the listener of the filter: for each TCP socket that is asked for, the engine puts one end of
//                 a connection into the process that asked, which is what its call returns
//
// Either way no process of the host but the engine's has the other end, and nothing on the host can be connected to.
#pragma once

#include <uv.h>

#include <memory>

#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "workspace/local.hpp"
#include "workspace/watch.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// Loop thread only.
class BoxNetwork {
 public:
  explicit BoxNetwork(Scheduler& scheduler) : scheduler_(scheduler) {}
  BoxNetwork(const BoxNetwork&) = delete;
  BoxNetwork& operator=(const BoxNetwork&) = delete;
  ~BoxNetwork() { close(); }

  // `channel`: the engine's end of confine::Plan::network.
  [[nodiscard]] Status open(uv_loop_t* loop, Descriptor channel, std::shared_ptr<CommandNetwork> network);
  void close();

 private:
  void on_channel();
  void on_connection();
  void on_notification();
  void rest();

  Scheduler& scheduler_;
  uv_loop_t* loop_{nullptr};
  std::shared_ptr<CommandNetwork> network_;
  Descriptor source_;  // the channel, then what came on it
  Watch watch_;
  TimerId resting_{0};
};

}  // namespace joey

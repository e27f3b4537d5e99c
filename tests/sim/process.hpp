// The engine's process as its adapters see it: what they do counts only while it lives.
#pragma once

#include <functional>
#include <string_view>

namespace joey::sim {

class Process {
 public:
  // `strikes` says whether the process is killed at a place, named for the trace.
  explicit Process(std::function<bool(std::string_view place)> strikes) : strikes_(std::move(strikes)) {}

  [[nodiscard]] bool alive() const { return alive_; }
  void kill() { alive_ = false; }

  // A place where a kill makes a difference. False: the process is dead, and nothing of it may happen any more.
  bool survives(std::string_view place) {
    if (alive_ && strikes_(place)) alive_ = false;
    return alive_;
  }

 private:
  std::function<bool(std::string_view)> strikes_;
  bool alive_{true};
};

}  // namespace joey::sim

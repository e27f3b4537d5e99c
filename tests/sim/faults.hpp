// What goes wrong around the engine, and what the world's own parts do wrong on purpose.
#pragma once

#include <cstdint>

#include "support/random.hpp"

namespace joey::sim {

// Probabilities, each of one occasion. All zero: a perfect world.
struct Faults {
  // The store.
  double append_late{0};     // before it is durable, or between that and its completion
  double append_fails{0};    // io
  double disk_full{0};       // at an append: the disk stays full for a while
  // The network, of one request.
  double connect_error{0};
  double reset{0};           // at any byte
  double stall{0};           // at any byte
  double rate_limit{0};      // 429, with Retry-After or not
  double server_error{0};    // 500, 529
  double refused{0};         // 400, 401: for good
  double truncated{0};       // a clean end before the answer's
  double garbage{0};
  double endless{0};         // pings without end
  // The process.
  double crash_step{0};      // at a step of the scheduler
  double crash_effect{0};    // before or after an append, a request, a tool's effect
  double stop_step{0};       // an orderly end, at a step
  // The person and the subscribers.
  double meddling{0};        // pauses, cancels, changes of mode, words nobody asked for
  double slow_reader{0};
};

// Each seed draws its own: most kinds are absent from most worlds, so that each is also seen alone.
[[nodiscard]] inline Faults draw_faults(test::Random random) {
  Faults faults;
  const auto draw = [&](double often, double most) {
    return random.chance(often) ? most * static_cast<double>(random.below(1'000)) / 1'000 : 0;
  };
  faults.append_late = draw(0.5, 0.5);
  faults.append_fails = draw(0.3, 0.04);
  faults.disk_full = draw(0.15, 0.01);
  for (double* kind : {&faults.connect_error, &faults.reset, &faults.stall, &faults.rate_limit, &faults.server_error,
                       &faults.truncated, &faults.garbage}) {
    *kind = draw(0.3, 0.3);
  }
  faults.refused = draw(0.15, 0.05);
  faults.endless = draw(0.1, 0.05);
  faults.crash_step = draw(0.3, 0.004);
  faults.crash_effect = draw(0.3, 0.02);
  faults.stop_step = draw(0.3, 0.002);
  faults.meddling = draw(0.7, 1);
  faults.slow_reader = draw(0.5, 1);
  return faults;
}

// Deliberate defects, to prove that the checkers see them.
enum class Sabotage : std::uint8_t {
  none,
  early_tool,        // the store says that a tool's start is durable before it is
  early_request,     // likewise of a request
  lost_words,        // the store says that the person's words are durable and forgets them
  failed_but_kept,   // the store says failed and keeps
  tool_twice,        // a tool has its effect twice
  other_arguments,   // a tool gets other arguments than were approved
  changed_request,   // the bytes sent are not those announced
  dropped_result,    // a tool's result is missing in the request
  request_twice,     // a request is sent twice
  swallowed_event,   // a subscriber is not given an event
  repeated_event,    // a subscriber is given an event twice
  stuck_tool,        // a tool never ends
  deaf_vendor,       // the provider never answers, and the network does not notice
  overcharge,        // an answer costs more than was reserved
  lost_on_disk,      // an event disappears in a crash
};

}  // namespace joey::sim

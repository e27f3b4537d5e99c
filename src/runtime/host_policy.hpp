// The host's own word on tool calls: the last one, after the rules.
#pragma once

#include <string>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "core/policy.hpp"

namespace joey {

struct PolicyQuestion {
  std::string task;
  std::string call;
  std::string tool;
  std::string arguments;  // one JSON object
  std::string mode;
  PolicyDecision rules;  // what they say: allow or ask
};

struct PolicyAnswer {
  Verdict verdict{Verdict::deny};
  std::string reason;  // one line; may be empty
};

// Threads: called on the loop thread; `done` runs there once, and never inside the call. A question that was cancelled may
// be answered or not.
class HostPolicy {
 public:
  virtual ~HostPolicy() = default;
  virtual void decide(PolicyQuestion question, CancelToken cancel, UniqueFunction<void(PolicyAnswer)> done) = 0;
};

}  // namespace joey

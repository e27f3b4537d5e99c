// Results: how every fallible function of joey reports what went wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace joey {

// A code is a decision for the caller: retry, fix the input, or give up. The numbers are those of joey.h.
enum class ErrorCode : std::int32_t {
  invalid_argument = -1,  // fix the call
  not_found = -2,         // the named thing does not exist
  conflict = -3,          // somebody else changed it first: read again
  limit = -4,             // a stated limit was reached: nothing changed
  unsupported = -5,       // not built in, or not on this machine
  denied = -6,            // a policy, the workspace boundary or the system refuses
  io = -7,                // a file, socket or database failed
  corrupt = -8,           // stored bytes are not what was written
  cancelled = -9,         // the caller stopped it
  timeout = -10,          // the time given ran out
  closed = -11,           // the engine or handle has ended
  out_of_memory = -12,
  internal = -13,  // a defect of joey
  busy = -14,      // another engine owns it now
  misuse = -15,    // a call that waits, made where it cannot
};

// One line for a person: what was wrong, the offending value, where. Holds no secret and no prompt.
struct Error {
  ErrorCode code{ErrorCode::internal};
  std::string message;

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> failure(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace joey

// The key that requests are sent with: the host's own words, or a secret of the host's that is fetched when it is needed.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "base/scheduler.hpp"
#include "runtime/session_secrets.hpp"

namespace joey {

// Where a host keeps its secrets. Loop thread.
class SecretResolver {
 public:
  virtual ~SecretResolver() = default;
  // `done` runs exactly once, also after a cancel, never inside the call.
  virtual void resolve(const std::string& name, CancelToken cancel, Completion<std::string> done) = 0;
};

// Loop thread.
class ApiKey {
 public:
  virtual ~ApiKey() = default;
  // Empty: none is to be sent. `done` may run inside the call.
  virtual void get(Completion<std::string> done) = 0;
  // A server does not take this one. True when get() may give another.
  virtual bool refuse(const std::string& key) = 0;
};

[[nodiscard]] std::shared_ptr<ApiKey> make_fixed_key(std::string key);

// Resolved by the first get(), again once it was refused, and known to `secrets` before anybody else. Whoever asks meanwhile
// waits for the same answer, a minute at most. The scheduler outlives it.
[[nodiscard]] std::shared_ptr<ApiKey> make_resolved_key(std::string name, std::shared_ptr<SecretResolver> resolver,
                                                        std::shared_ptr<SessionSecrets> secrets, Scheduler& scheduler);

}  // namespace joey

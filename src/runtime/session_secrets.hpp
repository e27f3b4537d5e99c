// What a session must not let out: the values it knows, and the redactor made of them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/task.hpp"
#include "redact/redact.hpp"

namespace joey {

// The redactors of sessions: those that know the same share one, as a thousand sessions with one key do. Loop thread.
class RedactorPool {
 public:
  // The key makes tags that are the same in all sessions.
  explicit RedactorPool(const RedactionKey& key) : key_(key) {}
  [[nodiscard]] std::shared_ptr<const Redactor> get(const std::vector<KnownSecret>& known, bool key_shapes);
  [[nodiscard]] const RedactionKey& key() const { return key_; }

 private:
  struct Entry {
    std::vector<KnownSecret> known;
    bool key_shapes{true};
    std::weak_ptr<const Redactor> redactor;
  };
  RedactionKey key_;
  std::vector<Entry> entries_;
};

// Shared by a session and by whatever learns a secret for it. Loop thread.
class SessionSecrets {
 public:
  explicit SessionSecrets(std::shared_ptr<RedactorPool> pool, bool key_shapes = true)
      : pool_(std::move(pool)), key_shapes_(key_shapes) {}

  // From now on. Of one name the last values are kept, since old ones are still about when a key has been rotated.
  // `invalid_argument`, `limit`: it is too short or too long to be looked for, or there are too many.
  [[nodiscard]] Status add(KnownSecret secret);

  // With all that is known by now. Made when it is first wanted: an idle session has none.
  [[nodiscard]] const std::shared_ptr<const Redactor>& redactor();

 private:
  std::shared_ptr<RedactorPool> pool_;
  bool key_shapes_;
  std::vector<KnownSecret> known_;  // the newest last
  std::shared_ptr<const Redactor> redactor_;
};

// Takes secrets out of what reaches a task from tools, models, files and people: before it is decided on, and so before it
// is in a journal, an event or a request. What a model answers stays as it is: it has seen none.
void redact(Input& input, const Redactor& redactor);

}  // namespace joey

// A store whose contents only those can read who have its key, over any store.
//
// Each record is sealed (XChaCha20-Poly1305) together with its place: an entry with its stream and sequence, a blob with its
// name, a summary with its task; so none can be changed, or put elsewhere, unnoticed. Records are sealed with data keys, and
// those with the host's keys: the envelopes are entries of a stream of their own. To rotate, a new key is put first: new
// records have a data key of its own. Old ones are read as long as the old key is given, or once rewrap() has put all data
// keys into envelopes of the first.
//
// What stays to be seen: names of streams (tasks' ids), numbers and sizes of entries, times, parents, counts and costs of
// tasks. What is not noticed: that the newest entries of a stream were taken away.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/scheduler.hpp"
#include "store/store.hpp"

namespace joey {

struct StoreKey {
  std::string id;  // [A-Za-z0-9._-]{1,64}: what errors call it
  std::array<unsigned char, 32> bytes{};
};

class EncryptedStore : public Store {
 public:
  // Puts every data key into an envelope of the first key, and rewrites nothing else. The other keys are not needed after it.
  virtual void rewrap(Completion<void> done) = 0;
};

// The first key is for what is written from now on. The envelopes are read before the first call is answered; when one of
// them has a key that was not given, every call fails with `denied` and the key's id.
// An append that is given before that is lost with the store when it ends so early; it has not been acknowledged.
// `invalid_argument`: there is no key, two have one id, or an id is none. The scheduler outlives the store.
[[nodiscard]] Result<std::unique_ptr<EncryptedStore>> make_encrypted_store(std::unique_ptr<Store> inner,
                                                                           std::vector<StoreKey> keys, Scheduler& scheduler);

}  // namespace joey

// The bodies of private keys in PEM.
#pragma once

#include <cstdint>
#include <vector>

#include "redact/window.hpp"

namespace joey {

// Behind a line "-----BEGIN ... PRIVATE KEY-----" each run of base64 is a secret of its own, so that lines stay lines:
// whatever is before and behind it, be it a line's number, quotes, an escape or the mark of a diff.
class PrivateKeyScan {
 public:
  void advance(const TextWindow& window, std::vector<SecretSpan>& found);
  [[nodiscard]] std::uint64_t settled() const { return at_; }

 private:
  // False when it depends on what comes.
  bool look_for_begin(const TextWindow& window);
  bool look_at_body(const TextWindow& window, std::vector<SecretSpan>& found);

  std::uint64_t at_{0};
  bool inside_{false};
  std::uint64_t began_{0};
  bool has_body_{false};   // a line of it has come
  unsigned words_{0};      // since then, that are too short for one
  std::uint64_t run_{0};   // all before it belongs to the run that is looked at
};

}  // namespace joey

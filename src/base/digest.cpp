#include "base/digest.hpp"

#include <sodium.h>

namespace joey {
namespace {

static_assert(sizeof(crypto_generichash_state) <= 384);

crypto_generichash_state* state_of(std::array<unsigned char, 384>& bytes) {
  return reinterpret_cast<crypto_generichash_state*>(bytes.data());
}

// Picks the fastest implementation for this processor; safe to call again, from any thread.
void make_ready() { [[maybe_unused]] static const int ready = sodium_init(); }

using Hash = std::array<unsigned char, crypto_generichash_BYTES>;

Digest hexadecimal(const Hash& hash) {
  std::string hex(hash.size() * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  hex.pop_back();
  return hex;
}

}  // namespace

Digester::Digester() {
  make_ready();
  crypto_generichash_init(state_of(state_), nullptr, 0, crypto_generichash_BYTES);
}

void Digester::update(std::string_view bytes) {
  crypto_generichash_update(state_of(state_), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

Digest Digester::finish() const {
  Digester copy = *this;
  Hash hash{};
  crypto_generichash_final(state_of(copy.state_), hash.data(), hash.size());
  return hexadecimal(hash);
}

Digest digest(std::string_view bytes) {
  Digester digester;
  digester.update(bytes);
  return digester.finish();
}

Digest keyed_digest(std::string_view key, std::string_view bytes) {
  make_ready();
  Hash hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size());
  return hexadecimal(hash);
}

}  // namespace joey

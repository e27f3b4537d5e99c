// Content digests: names of blobs and fingerprints of requests.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace joey {

// BLAKE2b-256, through libsodium, in 64 hexadecimal digits.
using Digest = std::string;

[[nodiscard]] Digest digest(std::string_view bytes);

// One that nobody can compute or compare without the key, of 16 to 64 bytes.
[[nodiscard]] Digest keyed_digest(std::string_view key, std::string_view bytes);

// A digest of bytes that arrive in pieces. Copies: hash a common prefix once, then continue each copy its own way.
class Digester {
 public:
  Digester();
  void update(std::string_view bytes);
  [[nodiscard]] Digest finish() const;  // of everything so far; more may follow

 private:
  alignas(64) std::array<unsigned char, 384> state_;
};

}  // namespace joey

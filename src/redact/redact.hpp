// Keeps secrets out of texts: values that are known, and whatever has the shape of a well-known kind of key. What stands
// instead is a placeholder, the same for equal secrets and of no use for guessing them.
//
// Known values are found as they are, in base64, hexadecimal digits and percent-encoding, escaped, quoted, and broken into
// lines. A secret that goes over lines is replaced line by line, so that lines keep their numbers.
//
// Time: linear in the text, whatever it holds. Memory: what may still become a secret is held back, which is bounded by the
// longest that could come: a few KB for keys of known shape, some times their size for known values.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "redact/needles.hpp"
#include "redact/placeholder.hpp"

namespace joey {

inline constexpr std::size_t known_secret_size_min = 8;      // bytes; a shorter one would be found everywhere
inline constexpr std::size_t known_secret_size_max = 8192;   // bytes
inline constexpr std::size_t known_secrets_size_max = 64U << 10;  // bytes of all values of a redactor

// `invalid_argument`: the value is shorter, without the white space around it, than known_secret_size_min; `limit`: it is
// longer than known_secret_size_max. The message has the name, and nothing of the value.
[[nodiscard]] Status check_secret(const KnownSecret& secret);

// A text without its secrets, and the way back.
class ConcealedText {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }

  // `edited`, with the secrets that its placeholders stand for. `invalid_argument`: it has a placeholder that the text had
  // not; `conflict`: one that stands for several secrets of the text.
  [[nodiscard]] Result<std::string> reveal(std::string_view edited) const;

 private:
  friend class Redactor;
  std::string text_;
  std::map<std::string, std::string, std::less<>> secrets_;  // by placeholder
  std::set<std::string, std::less<>> ambiguous_;
};

// Immutable: any threads at once.
class Redactor {
 public:
  // Secrets that check_secret() refuses are not looked for; nor are those behind known_secrets_size_max bytes of values.
  Redactor(const RedactionKey& key, std::span<const KnownSecret> secrets, bool key_shapes = true);
  ~Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;

  [[nodiscard]] std::string redact(std::string_view text) const;
  [[nodiscard]] ConcealedText conceal(std::string_view text) const;

 private:
  friend class RedactionStream;
  RedactionKey key_;
  Needles needles_;
  bool key_shapes_;
};

// A text that comes in pieces. What it gives does not depend on where they were cut.
class RedactionStream {
 public:
  explicit RedactionStream(std::shared_ptr<const Redactor> redactor);
  ~RedactionStream();
  RedactionStream(RedactionStream&&) noexcept;
  RedactionStream& operator=(RedactionStream&&) noexcept;

  // What is certain by now.
  [[nodiscard]] std::string feed(std::string_view bytes);
  // The rest. The next feed() begins another text.
  [[nodiscard]] std::string finish();

 private:
  class Scan;
  friend class Redactor;
  std::shared_ptr<const Redactor> redactor_;
  std::unique_ptr<Scan> scan_;
};

}  // namespace joey

// Secrets into what goes to a host, and placeholders into what comes from it: pure, and the same however bytes were cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/host_rules.hpp"

namespace joey::egress {

// A value that commands know by its placeholder alone.
struct HostSecret {
  std::string name;         // shown
  std::string placeholder;  // in [A-Za-z0-9-]: it needs no escapes
  std::string value;        // without control characters
  HostRules hosts;          // it may be sent to; whether they may be reached is for others to say
};

// Those that may be sent to a host.
[[nodiscard]] std::vector<HostSecret> approved_secrets(const std::vector<HostSecret>& secrets, const HostPort& host);

// How a value stands in what surrounds it.
enum class Spelling : std::uint8_t {
  plain,
  percent,  // in a URL, or a form: but for colons, whatever is not unreserved in RFC 3986 is escaped
  json,     // within a string
};
[[nodiscard]] std::string spelled(std::string_view value, Spelling spelling);

struct Replacement {
  std::string from;  // not empty
  std::string to;
  std::string name;  // of the secret
};

// Replaces, from left to right, the longest text at each place. Time: linear in the bytes, for each replacement. Memory:
// as much as the longest `from`.
class Substitution {
 public:
  Substitution() = default;
  explicit Substitution(std::vector<Replacement> replacements);

  // Appends what is certain by now.
  void feed(std::string_view bytes, std::string& out);
  // Appends the rest; the next feed() begins another text.
  void finish(std::string& out);
  [[nodiscard]] std::string replace(std::string_view text);  // a whole one

  [[nodiscard]] const std::set<std::string>& used() const { return used_; }  // names, of all texts so far

 private:
  struct Pattern {
    Replacement replacement;
    std::vector<std::size_t> borders;  // of each beginning: the longest that is also its end
  };
  [[nodiscard]] std::size_t find(const Pattern& pattern, std::size_t from) const;
  [[nodiscard]] std::size_t undecided_from() const;
  void take(std::size_t limit, std::string& out);

  std::vector<Pattern> patterns_;
  std::string pending_;
  std::set<std::string> used_;
};

// Placeholders to values, as they are spelled there.
[[nodiscard]] std::vector<Replacement> revealing(const std::vector<HostSecret>& secrets, Spelling spelling);
// Values to placeholders: in each spelling, and in those that servers choose besides.
[[nodiscard]] std::vector<Replacement> concealing(const std::vector<HostSecret>& secrets);

}  // namespace joey::egress

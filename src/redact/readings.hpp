// A text as known values may be written in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redact/needles.hpp"
#include "redact/window.hpp"

namespace joey {

enum class Reading : std::uint8_t {
  plain,    // as it is
  bare,     // without quotes, backslashes and line breaks with the indentation behind: quoted, escaped, wrapped
  decoded,  // %41, \u0041 and \" as what they stand for
};

// What the reading `bare` leaves of a text.
[[nodiscard]] std::string bare_text(std::string_view text);

// Looks for needles in one reading of a text.
class ReadingScan {
 public:
  // The needles outlive it.
  ReadingScan(const Needles& needles, Reading reading) : needles_(&needles), reading_(reading) {}

  void advance(const TextWindow& window, std::vector<SecretSpan>& found);
  [[nodiscard]] std::uint64_t settled() const { return start_of(needles_->depth(state_)); }

 private:
  // Bytes of the text that are not in the reading.
  struct Skipped {
    std::uint64_t end{0};
    std::uint64_t size{0};
  };

  void advance_plain(const TextWindow& window, std::vector<SecretSpan>& found);
  void advance_bare(const TextWindow& window, std::vector<SecretSpan>& found);
  void advance_decoded(const TextWindow& window, std::vector<SecretSpan>& found);
  void skip(std::uint64_t size);
  void step(unsigned char byte);
  void report(std::vector<SecretSpan>& found) const;
  // Where the last `size` bytes of the reading begin in the text.
  [[nodiscard]] std::uint64_t start_of(std::uint64_t size) const;

  const Needles* needles_;
  Reading reading_;
  std::uint64_t at_{0};
  Needles::State state_{Needles::start};
  std::vector<Skipped> skipped_;     // since the first byte of what may become a needle
  std::size_t forget_at_{1024};      // of them, those before it
  std::uint64_t skipped_in_row_{0};  // bytes just before at_
  bool in_indentation_{false};
};

}  // namespace joey

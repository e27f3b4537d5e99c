// The part of a text that scanners look at, and what they report.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace joey {

// Bytes [begin, end) of a text, by their offset in all of it.
struct TextWindow {
  std::string_view bytes;
  std::uint64_t begin{0};
  bool last{false};  // nothing comes after it

  [[nodiscard]] std::uint64_t end() const { return begin + bytes.size(); }
  [[nodiscard]] unsigned char at(std::uint64_t offset) const {
    return static_cast<unsigned char>(bytes[static_cast<std::size_t>(offset - begin)]);
  }
  [[nodiscard]] std::string_view from(std::uint64_t offset) const {
    return bytes.substr(static_cast<std::size_t>(offset - begin));
  }
};

// Bytes behind a scanner that it may still look at.
inline constexpr std::size_t context_size = 16;

struct SecretSpan {
  std::uint64_t begin{0};
  std::uint64_t end{0};
  std::string_view name;  // lives as long as the redactor
  bool known{false};      // a value of the host's; otherwise a shape
  std::uint64_t named_from{begin};  // what the name was given to, where several spans have become one
  std::uint64_t named_to{end};
};

// A scanner has `void advance(const TextWindow&, std::vector<SecretSpan>&)`, which goes on from where it was, as far as the
// bytes that are there decide, and `std::uint64_t settled() const`: no span it has yet to report begins before.

}  // namespace joey

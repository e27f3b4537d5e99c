#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace joey {
namespace {

constexpr std::uint8_t no_digit = 64;

constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::size_t padding_size(std::string_view text) { return text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0; }

}  // namespace

std::size_t base64_decoded_size(std::string_view text) {
  const std::size_t size = text.size() / 4 * 3;
  const std::size_t padding = padding_size(text);
  return size < padding ? 0 : size - padding;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = padding_size(text);
  const std::size_t digits_count = text.size() - padding;
  std::string bytes;
  bytes.reserve(base64_decoded_size(text));
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < digits_count; ++i) {
    const std::uint8_t value = digit_values[static_cast<unsigned char>(text[i])];
    if (value == no_digit) return std::nullopt;
    bits = bits << 6 | value;
    if (i % 4 == 3) {
      bytes += static_cast<char>(static_cast<unsigned char>(bits >> 16));
      bytes += static_cast<char>(static_cast<unsigned char>(bits >> 8));
      bytes += static_cast<char>(static_cast<unsigned char>(bits));
      bits = 0;
    }
  }
  // The digits before the padding hold bits that are no part of a byte: they must be 0.
  if (padding == 1) {
    if ((bits & 3U) != 0) return std::nullopt;
    bytes += static_cast<char>(static_cast<unsigned char>(bits >> 10));
    bytes += static_cast<char>(static_cast<unsigned char>(bits >> 2));
  } else if (padding == 2) {
    if ((bits & 15U) != 0) return std::nullopt;
    bytes += static_cast<char>(static_cast<unsigned char>(bits >> 4));
  }
  return bytes;
}

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += digits[bits >> 18];
    out += digits[bits >> 12 & 63];
    out += i + 1 < bytes.size() ? digits[bits >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? digits[bits & 63] : '=';
  }
  return out;
}

}  // namespace joey

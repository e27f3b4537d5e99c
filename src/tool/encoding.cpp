#include "tool/encoding.hpp"

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF";

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

// The code point of the well-formed sequence `text`.
std::uint32_t code_point(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  std::uint32_t c = lead & (0x7FU >> sequence.size());
  for (const char byte : sequence.substr(1)) c = c << 6 | (static_cast<unsigned char>(byte) & 0x3FU);
  return c;
}

std::string decode_utf16(std::string_view bytes, bool big_endian) {
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? first * 256U + second : second * 256U + first;
  };
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 2; i + 1 < bytes.size(); i += 2) {
    std::uint32_t c = unit(i);
    if (c >= 0xD800 && c < 0xE000) {
      const bool pair = c < 0xDC00 && i + 3 < bytes.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) < 0xE000;
      if (pair) {
        c = 0x10000 + ((c - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
        i += 2;
      } else {
        c = 0xFFFD;
      }
    }
    append_utf8(out, c);
  }
  return out;
}

std::string encode_utf16(std::string_view text, bool big_endian) {
  std::string out;
  const auto append = [&](std::uint32_t unit) {
    const char high = static_cast<char>(static_cast<unsigned char>(unit >> 8));
    const char low = static_cast<char>(static_cast<unsigned char>(unit & 0xFF));
    out += big_endian ? high : low;
    out += big_endian ? low : high;
  };
  append(0xFEFF);
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    const std::uint32_t c = size == 0 ? 0xFFFD : code_point(text.substr(0, size));
    if (c < 0x10000) {
      append(c);
    } else {
      append(0xD800 + ((c - 0x10000) >> 10));
      append(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace

TextEncoding detect_encoding(std::string_view bytes) {
  if (bytes.starts_with(utf8_mark)) return TextEncoding::utf8_with_mark;
  if (bytes.starts_with(std::string_view("\xFF\xFE\0\0", 4))) return TextEncoding::utf8;  // UTF-32: as good as binary
  if (bytes.starts_with("\xFF\xFE")) return TextEncoding::utf16_le;
  if (bytes.starts_with("\xFE\xFF")) return TextEncoding::utf16_be;
  return TextEncoding::utf8;
}

std::string decode_text(std::string_view bytes, TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::utf8: return std::string(bytes);
    case TextEncoding::utf8_with_mark: return std::string(bytes.substr(utf8_mark.size()));
    case TextEncoding::utf16_le: return decode_utf16(bytes, false);
    case TextEncoding::utf16_be: return decode_utf16(bytes, true);
  }
  return {};
}

std::string encode_text(std::string_view text, TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::utf8: return std::string(text);
    case TextEncoding::utf8_with_mark: return std::string(utf8_mark).append(text);
    case TextEncoding::utf16_le: return encode_utf16(text, false);
    case TextEncoding::utf16_be: return encode_utf16(text, true);
  }
  return {};
}

std::string base64(std::string_view bytes) {
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

// The encodings text files come in: which one a file has, its text as UTF-8, and the way back to its bytes.
//
// A text is edited between decode_text and encode_text:
//
//   const TextEncoding encoding = detect_encoding(bytes);
//   const Result<std::string> text = decode_text(bytes, encoding);
//   ...
//   const Result<std::string> changed = encode_text(edit(*text), encoding);
//
// What decode_text accepts, encode_text gives back byte for byte; what it cannot give back it refuses. So an edit never
// changes a byte that it does not mean to, and a character that the encoding lacks is an error and never a '?'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace joey {

enum class TextEncoding : std::uint8_t {
  utf8,
  utf8_with_mark,  // the byte order mark
  utf16_le,        // with the mark, as is utf16_be
  utf16_be,
  utf16_le_unmarked,
  utf16_be_unmarked,
  utf32_le,  // with the mark, as is utf32_be
  utf32_be,
  windows_874,  // Thai
  windows_1250,
  windows_1251,
  windows_1252,
  windows_1253,
  windows_1254,
  windows_1255,
  windows_1256,
  windows_1257,
  windows_1258,
  iso_8859_2,
  iso_8859_3,
  iso_8859_4,
  iso_8859_5,
  iso_8859_6,
  iso_8859_7,
  iso_8859_10,
  iso_8859_13,
  iso_8859_15,
  iso_8859_16,
  koi8_r,
  ibm_852,
  ibm_855,
  ibm_866,
  mac_central_europe,
  mac_cyrillic,
  shift_jis,  // with Microsoft's additions, as are big5 and euc_kr
  euc_jp,
  gb18030,
  big5,
  euc_kr,
  euc_tw,
  binary,  // no text
};

// "UTF-16", "windows-1252": for a person.
[[nodiscard]] std::string_view encoding_name(TextEncoding encoding);

// Whether bytes are all of a text, or its beginning, which may end within a character.
enum class Extent : std::uint8_t { whole, beginning };

// By the byte order mark; else UTF-8 when it is that or nearly so, UTF-16 by the pattern of its zeros, a legacy
// encoding by its letters, and windows-1252 where those do not tell. The last two are guesses: they fit the bytes.
[[nodiscard]] TextEncoding detect_encoding(std::string_view bytes, Extent extent = Extent::whole);

// `bytes` as UTF-8, without the mark. `corrupt`, with the place, when they are not of this encoding or could not be
// written back exactly; `unsupported` when this machine has no converter for it. The messages are to follow the path.
[[nodiscard]] Result<std::string> decode_text(std::string_view bytes, TextEncoding encoding);

// The inverse, with the mark. `invalid_argument` names the first character that the encoding has not.
[[nodiscard]] Result<std::string> encode_text(std::string_view text, TextEncoding encoding);

// Decodes for display, in pieces cut anywhere: what is not of the encoding becomes U+FFFD. The output is UTF-8 at every
// moment.
class TextDecoder {
 public:
  explicit TextDecoder(TextEncoding encoding);
  ~TextDecoder();
  TextDecoder(const TextDecoder&) = delete;
  TextDecoder& operator=(const TextDecoder&) = delete;

  void append(std::string_view bytes, std::string& out);
  void finish(std::string& out);

  // The offset of the first byte that became U+FFFD.
  [[nodiscard]] std::optional<std::uint64_t> damage() const { return damage_; }
  [[nodiscard]] bool has_converter() const;  // without, every byte above ASCII is damage

 private:
  class Converter;

  void decode_utf8(std::string_view bytes, std::string& out);
  void decode_units(std::string_view bytes, std::string& out);  // of UTF-16 and UTF-32
  void decode_bytes(std::string_view bytes, std::string& out);  // of encodings with one byte a character
  void decode_sequences(std::string_view bytes, std::string& out);
  void replace(std::size_t at, std::string& out);

  const TextEncoding encoding_;
  std::unique_ptr<Converter> converter_;
  std::size_t mark_size_;      // left to be skipped
  std::string carry_;          // the beginning of a character
  std::uint64_t consumed_{0};  // bytes before the piece in hand
  std::optional<std::uint64_t> damage_;
};

}  // namespace joey

#include "document/encoding.hpp"

#include <fmt/format.h>
#include <iconv.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "document/guess.hpp"

namespace joey {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char32_t unmapped = 0xFFFFFFFF;
constexpr std::size_t look_size = 8192;            // bytes in which zeros tell binary from text
constexpr std::size_t guess_size_max = 64U << 10;  // of the lines a guess is made from
constexpr std::size_t guess_line_max = 4096;
constexpr std::size_t latin_letters_few = 12;  // fewer do not tell one Latin encoding from another

enum class Form : std::uint8_t {
  utf8,
  wide,       // UTF-16, UTF-32
  bytes,      // one byte a character
  sequences,  // one to four bytes a character
  none,
};

struct Description {
  TextEncoding encoding;
  std::string_view name;
  Form form;
  const char* converter;  // its name for iconv
};

constexpr Description descriptions[] = {
    {TextEncoding::utf8, "UTF-8", Form::utf8, "UTF-8"},
    {TextEncoding::utf8_with_mark, "UTF-8", Form::utf8, "UTF-8"},
    {TextEncoding::utf16_le, "UTF-16", Form::wide, "UTF-16LE"},
    {TextEncoding::utf16_be, "UTF-16", Form::wide, "UTF-16BE"},
    {TextEncoding::utf16_le_unmarked, "UTF-16LE", Form::wide, "UTF-16LE"},
    {TextEncoding::utf16_be_unmarked, "UTF-16BE", Form::wide, "UTF-16BE"},
    {TextEncoding::utf32_le, "UTF-32", Form::wide, "UTF-32LE"},
    {TextEncoding::utf32_be, "UTF-32", Form::wide, "UTF-32BE"},
    {TextEncoding::windows_874, "windows-874", Form::bytes, "CP874"},
    {TextEncoding::windows_1250, "windows-1250", Form::bytes, "CP1250"},
    {TextEncoding::windows_1251, "windows-1251", Form::bytes, "CP1251"},
    {TextEncoding::windows_1252, "windows-1252", Form::bytes, "CP1252"},
    {TextEncoding::windows_1253, "windows-1253", Form::bytes, "CP1253"},
    {TextEncoding::windows_1254, "windows-1254", Form::bytes, "CP1254"},
    {TextEncoding::windows_1255, "windows-1255", Form::bytes, "CP1255"},
    {TextEncoding::windows_1256, "windows-1256", Form::bytes, "CP1256"},
    {TextEncoding::windows_1257, "windows-1257", Form::bytes, "CP1257"},
    {TextEncoding::windows_1258, "windows-1258", Form::bytes, "CP1258"},
    {TextEncoding::iso_8859_2, "ISO-8859-2", Form::bytes, "ISO-8859-2"},
    {TextEncoding::iso_8859_3, "ISO-8859-3", Form::bytes, "ISO-8859-3"},
    {TextEncoding::iso_8859_4, "ISO-8859-4", Form::bytes, "ISO-8859-4"},
    {TextEncoding::iso_8859_5, "ISO-8859-5", Form::bytes, "ISO-8859-5"},
    {TextEncoding::iso_8859_6, "ISO-8859-6", Form::bytes, "ISO-8859-6"},
    {TextEncoding::iso_8859_7, "ISO-8859-7", Form::bytes, "ISO-8859-7"},
    {TextEncoding::iso_8859_10, "ISO-8859-10", Form::bytes, "ISO-8859-10"},
    {TextEncoding::iso_8859_13, "ISO-8859-13", Form::bytes, "ISO-8859-13"},
    {TextEncoding::iso_8859_15, "ISO-8859-15", Form::bytes, "ISO-8859-15"},
    {TextEncoding::iso_8859_16, "ISO-8859-16", Form::bytes, "ISO-8859-16"},
    {TextEncoding::koi8_r, "KOI8-R", Form::bytes, "KOI8-R"},
    {TextEncoding::ibm_852, "IBM852", Form::bytes, "IBM852"},
    {TextEncoding::ibm_855, "IBM855", Form::bytes, "IBM855"},
    {TextEncoding::ibm_866, "IBM866", Form::bytes, "IBM866"},
    {TextEncoding::mac_central_europe, "Mac Central European", Form::bytes, "MAC-CENTRALEUROPE"},
    {TextEncoding::mac_cyrillic, "Mac Cyrillic", Form::bytes, "MAC-CYRILLIC"},
    {TextEncoding::shift_jis, "Shift_JIS", Form::sequences, "CP932"},
    {TextEncoding::euc_jp, "EUC-JP", Form::sequences, "EUC-JP"},
    {TextEncoding::gb18030, "GB18030", Form::sequences, "GB18030"},
    {TextEncoding::big5, "Big5", Form::sequences, "CP950"},
    {TextEncoding::euc_kr, "EUC-KR", Form::sequences, "CP949"},
    {TextEncoding::euc_tw, "EUC-TW", Form::sequences, "EUC-TW"},
    {TextEncoding::binary, "binary", Form::none, ""},
};
static_assert(std::size(descriptions) == static_cast<std::size_t>(TextEncoding::binary) + 1);

const Description& description(TextEncoding encoding) { return descriptions[static_cast<std::size_t>(encoding)]; }

std::string_view mark(TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::utf8_with_mark: return "\xEF\xBB\xBF";
    case TextEncoding::utf16_le: return "\xFF\xFE";
    case TextEncoding::utf16_be: return "\xFE\xFF";
    case TextEncoding::utf32_le: return {"\xFF\xFE\0\0", 4};
    case TextEncoding::utf32_be: return {"\0\0\xFE\xFF", 4};
    default: return {};
  }
}

// --- Code points ---

char byte_of(std::uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); }

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += byte_of(c);
  } else if (c < 0x800) {
    out += byte_of(0xC0 | c >> 6);
    out += byte_of(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += byte_of(0xE0 | c >> 12);
    out += byte_of(0x80 | (c >> 6 & 0x3F));
    out += byte_of(0x80 | (c & 0x3F));
  } else {
    out += byte_of(0xF0 | c >> 18);
    out += byte_of(0x80 | (c >> 12 & 0x3F));
    out += byte_of(0x80 | (c >> 6 & 0x3F));
    out += byte_of(0x80 | (c & 0x3F));
  }
}

// The code point that well-formed `text` starts with, which is cut off.
char32_t take_code_point(std::string_view& text) {
  const std::size_t size = utf8_sequence_size(text);
  const auto lead = static_cast<unsigned char>(text[0]);
  char32_t c = size == 1 ? lead : lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  text.remove_prefix(size);
  return c;
}

// Bytes at the end of `text` that are the beginning of a UTF-8 sequence.
std::size_t unfinished_utf8(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t size = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
    return byte < 0xF5 && size > back ? back : 0;
  }
  return 0;
}

bool valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// --- UTF-16 and UTF-32 ---

struct Wide {
  std::size_t width;  // bytes a unit
  bool big_endian;

  explicit Wide(TextEncoding encoding)
      : width(encoding == TextEncoding::utf32_le || encoding == TextEncoding::utf32_be ? 4 : 2),
        big_endian(encoding == TextEncoding::utf16_be || encoding == TextEncoding::utf16_be_unmarked ||
                   encoding == TextEncoding::utf32_be) {}

  [[nodiscard]] char32_t unit(std::string_view bytes, std::size_t at) const {
    char32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes[at + (big_endian ? i : width - 1 - i)]);
    }
    return value;
  }
  void append(std::string& out, char32_t value) const {
    for (std::size_t i = 0; i < width; ++i) {
      out += byte_of(value >> (8 * (big_endian ? width - 1 - i : i)) & 0xFF);
    }
  }
};

bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c < 0xDC00; }
bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c < 0xE000; }

std::string encode_wide(std::string_view text, TextEncoding encoding) {
  const Wide wide(encoding);
  std::string out(mark(encoding));
  while (!text.empty()) {
    const char32_t c = take_code_point(text);
    if (wide.width == 2 && c >= 0x10000) {
      wide.append(out, 0xD800 + ((c - 0x10000) >> 10));
      wide.append(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      wide.append(out, c);
    }
  }
  return out;
}

// --- Converters ---

// One of iconv's; false when this machine has it not.
class Iconv {
 public:
  Iconv(const char* to, const char* from) : handle_(::iconv_open(to, from)) {}
  ~Iconv() {
    if (*this) ::iconv_close(handle_);
  }
  Iconv(const Iconv&) = delete;
  Iconv& operator=(const Iconv&) = delete;

  explicit operator bool() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  // Converts from the front of `in`, which is cut off, and appends. 0 when all of it was; else EILSEQ: it goes no
  // further, or EINVAL: the rest is the beginning of a character.
  int convert(std::string_view& in, std::string& out) const {
    char buffer[4096];
    while (true) {
      char* from = const_cast<char*>(in.data());  // which iconv does not write to
      std::size_t from_size = in.size();
      char* to = buffer;
      std::size_t to_size = sizeof buffer;
      const std::size_t result = ::iconv(handle_, &from, &from_size, &to, &to_size);
      const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
      if (error == E2BIG && from_size == in.size() && to_size == sizeof buffer) return EILSEQ;  // it would never end
      out.append(buffer, sizeof buffer - to_size);
      in.remove_prefix(in.size() - from_size);
      if (error != E2BIG) return error;
    }
  }
  // What it kept back, as the first half of an accented letter.
  void flush(std::string& out) const {
    char buffer[64];
    char* to = buffer;
    std::size_t to_size = sizeof buffer;
    ::iconv(handle_, nullptr, nullptr, &to, &to_size);
    out.append(buffer, sizeof buffer - to_size);
  }

 private:
  iconv_t handle_;
};

using ByteTable = std::array<char32_t, 256>;

// What each byte stands for. Bytes from 0x80 to 0x9F that have no character are the control characters of their
// numbers, as everywhere on the web, so that every text in one of the Windows encodings can be read and written back.
ByteTable byte_table(const Iconv& iconv) {
  ByteTable table;
  table.fill(unmapped);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const char byte = byte_of(static_cast<std::uint32_t>(i));
    std::string_view in(&byte, 1);
    std::string text;
    if (iconv && iconv.convert(in, text) == 0) iconv.flush(text);
    if (!text.empty()) {
      std::string_view rest = text;
      table[i] = take_code_point(rest);
    } else if (i < 0x80 || (iconv && i < 0xA0)) {
      table[i] = static_cast<char32_t>(i);
    }
  }
  return table;
}

std::size_t line_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

tl::unexpected<Error> no_converter(const Description& of) {
  return failure(ErrorCode::unsupported,
                 fmt::format("is in {}, for which this machine has no converter: install those of its C library, or "
                             "convert the file to UTF-8",
                             of.name));
}

// The character of `text` at or around `at` is none of the encoding's.
tl::unexpected<Error> not_encodable(std::string_view text, std::size_t at, const Description& of) {
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  std::string_view rest = text.substr(at);
  const std::string_view character = rest.substr(0, utf8_sequence_size(rest));
  const auto code = static_cast<std::uint32_t>(take_code_point(rest));
  return failure(
      ErrorCode::invalid_argument,
      fmt::format("line {} of the new text has \"{}\" (U+{:04X}), which the file's encoding, {}, cannot hold: "
                  "do without it, or convert the file first, as with iconv -f {} -t UTF-8",
                  line_of(text, at), code < 0x20 ? std::string_view("?") : character, code, of.name, of.converter));
}

Result<std::string> encode_bytes(std::string_view text, const Description& to) {
  const Iconv iconv("UTF-8", to.converter);
  if (!iconv) return no_converter(to);
  const ByteTable table = byte_table(iconv);
  std::vector<std::pair<char32_t, char>> bytes;
  for (std::size_t i = 0; i < table.size(); ++i) bytes.emplace_back(table[i], byte_of(static_cast<std::uint32_t>(i)));
  std::sort(bytes.begin(), bytes.end());
  std::string out;
  out.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t at = text.size() - rest.size();
    const char32_t c = take_code_point(rest);
    const auto found = std::lower_bound(bytes.begin(), bytes.end(), c,
                                        [](const auto& entry, char32_t value) { return entry.first < value; });
    if (found == bytes.end() || found->first != c) return not_encodable(text, at, to);
    out += found->second;
  }
  return out;
}

Result<std::string> encode_sequences(std::string_view text, const Description& to) {
  const Iconv iconv(to.converter, "UTF-8");
  if (!iconv) return no_converter(to);
  std::string out;
  std::string_view rest = text;
  if (iconv.convert(rest, out) != 0) return not_encodable(text, text.size() - rest.size(), to);
  iconv.flush(out);
  return out;
}

Result<std::string> encode(std::string_view text, TextEncoding encoding) {
  const Description& to = description(encoding);
  switch (to.form) {
    case Form::utf8: return std::string(mark(encoding)).append(text);
    case Form::wide: return encode_wide(text, encoding);
    case Form::bytes: return encode_bytes(text, to);
    case Form::sequences: return encode_sequences(text, to);
    case Form::none: break;
  }
  return failure(ErrorCode::invalid_argument, "is a binary file: change it with a command");
}

std::string decode_lossy(std::string_view bytes, TextEncoding encoding) {
  TextDecoder decoder(encoding);
  std::string text;
  decoder.append(bytes, text);
  decoder.finish(text);
  return text;
}

// --- Detection ---

// Control characters that texts have not.
bool is_odd_control(char32_t c) {
  return c < 0x20 && c != '\t' && c != '\n' && c != '\v' && c != '\f' && c != '\r' && c != '\b' && c != 0x1B &&
         c != 0x1A;
}

// Without a mark, UTF-16 gives itself away by the zeros of its ASCII characters: all in the same half of a unit.
bool is_utf16(std::string_view look, bool big_endian) {
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < look.size(); ++i) zeros[i % 2] += look[i] == '\0';
  const std::size_t units = look.size() / 2;
  if (units < 2 || zeros[big_endian ? 1 : 0] > 0 || zeros[big_endian ? 0 : 1] * 10 < units) return false;
  const Wide wide(big_endian ? TextEncoding::utf16_be_unmarked : TextEncoding::utf16_le_unmarked);
  bool low_expected = false;
  for (std::size_t i = 0; i + 1 < look.size(); i += 2) {
    const char32_t unit = wide.unit(look, i);
    if (is_odd_control(unit) || unit == 0xFFFE || unit == 0xFFFF || is_low_surrogate(unit) != low_expected) {
      return false;
    }
    low_expected = is_high_surrogate(unit);
  }
  return true;
}

// Whether bytes that are not UTF-8 are that but for a few. Legacy texts hold next to nothing that looks like it.
bool is_nearly_utf8(std::string_view bytes) {
  std::size_t good = 0;
  std::size_t bad = 0;
  while (!bytes.empty()) {
    const std::size_t size = utf8_sequence_size(bytes);
    if (size > 1) good += size;
    bad += size == 0;
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return good >= 4 * bad;
}

bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// The lines with something to guess from: English ones around them only mislead.
std::string telling_lines(std::string_view bytes) {
  std::string lines;
  std::size_t at = 0;
  while (lines.size() < guess_size_max) {
    const auto high = std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), is_high);
    if (high == bytes.end()) break;
    const auto first = static_cast<std::size_t>(high - bytes.begin());
    const std::size_t feed = bytes.substr(at, first - at).rfind('\n');
    const std::size_t line = feed == std::string_view::npos ? at : at + feed + 1;
    const std::size_t begin = std::max(line, first - std::min(first, guess_line_max / 4));
    const std::size_t end = std::min({bytes.find('\n', first), begin + guess_line_max, bytes.size()});
    lines.append(bytes.substr(begin, end - begin)).append("\n");
    at = end;
  }
  return lines;
}

// Whether a few letters stand alone between ASCII ones, as accented ones do in the languages of Western Europe.
bool looks_western(std::string_view lines, std::size_t& letters) {
  std::size_t runs = 0;
  letters = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!is_high(lines[i])) continue;
    ++letters;
    runs += i == 0 || !is_high(lines[i - 1]);
  }
  return letters * 2 < runs * 3;
}

bool is_latin(TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::windows_1250:
    case TextEncoding::windows_1252:
    case TextEncoding::windows_1254:
    case TextEncoding::windows_1257:
    case TextEncoding::windows_1258:
    case TextEncoding::iso_8859_2:
    case TextEncoding::iso_8859_3:
    case TextEncoding::iso_8859_4:
    case TextEncoding::iso_8859_10:
    case TextEncoding::iso_8859_13:
    case TextEncoding::iso_8859_15:
    case TextEncoding::iso_8859_16:
    case TextEncoding::ibm_852:
    case TextEncoding::mac_central_europe: return true;
    default: return false;
  }
}

TextEncoding legacy_encoding(std::string_view bytes, Extent extent) {
  const std::string lines = telling_lines(bytes);
  const std::optional<TextEncoding> guess = guess_encoding(lines);
  if (!guess) return TextEncoding::windows_1252;
  std::size_t letters = 0;
  if (looks_western(lines, letters) && description(*guess).form == Form::bytes &&
      (letters < latin_letters_few || !is_latin(*guess))) {
    return TextEncoding::windows_1252;
  }
  // It must fit the lines, but for where they were cut.
  constexpr std::size_t bytes_per_damage = 200;
  const std::size_t damage_max = lines.size() / bytes_per_damage + (extent == Extent::beginning ? 1 : 0);
  return count_of(decode_lossy(lines, *guess), replacement) <= damage_max ? *guess : TextEncoding::windows_1252;
}

}  // namespace

std::string_view encoding_name(TextEncoding encoding) { return description(encoding).name; }

TextEncoding detect_encoding(std::string_view bytes, Extent extent) {
  for (const TextEncoding marked : {TextEncoding::utf8_with_mark, TextEncoding::utf32_le, TextEncoding::utf32_be,
                                    TextEncoding::utf16_le, TextEncoding::utf16_be}) {
    if (bytes.starts_with(mark(marked))) return marked;
  }
  const std::string_view look = bytes.substr(0, look_size);
  if (look.find('\0') != std::string_view::npos) {
    const bool whole_units = extent == Extent::beginning || bytes.size() % 2 == 0;
    if (whole_units && is_utf16(look, false)) return TextEncoding::utf16_le_unmarked;
    if (whole_units && is_utf16(look, true)) return TextEncoding::utf16_be_unmarked;
    return TextEncoding::binary;
  }
  if (extent == Extent::beginning) bytes.remove_suffix(unfinished_utf8(bytes));
  if (valid_utf8(bytes)) return TextEncoding::utf8;
  constexpr std::size_t bytes_per_control = 50;
  const auto odd =
      std::count_if(look.begin(), look.end(), [](char c) { return is_odd_control(static_cast<unsigned char>(c)); });
  if (static_cast<std::size_t>(odd) * bytes_per_control > look.size()) return TextEncoding::binary;
  return is_nearly_utf8(bytes) ? TextEncoding::utf8 : legacy_encoding(bytes, extent);
}

Result<std::string> decode_text(std::string_view bytes, TextEncoding encoding) {
  const Description& from = description(encoding);
  if (from.form == Form::none) {
    return failure(ErrorCode::corrupt, "is a binary file: look at it and change it with commands");
  }
  TextDecoder decoder(encoding);
  if (!decoder.has_converter()) return no_converter(from);
  std::string text;
  decoder.append(bytes, text);
  decoder.finish(text);
  if (const auto damage = decoder.damage()) {
    return failure(ErrorCode::corrupt,
                   fmt::format("is not valid {} at byte {}, in line {}: change it with a command, which leaves such "
                               "bytes as they are, or repair it first",
                               from.name, *damage, line_of(bytes, static_cast<std::size_t>(*damage))));
  }
  if (from.form == Form::utf8) return text;
  const Result<std::string> again = encode(text, encoding);
  if (!again || *again != bytes) {
    const std::string_view written = again ? std::string_view(*again) : std::string_view();
    const auto differs = std::mismatch(bytes.begin(), bytes.end(), written.begin(), written.end()).first;
    const auto at = static_cast<std::size_t>(differs - bytes.begin());
    return failure(
        ErrorCode::corrupt,
        fmt::format("has a character at byte {}, in line {}, that {} can write in several ways: change it with "
                    "a command, which leaves such bytes as they are",
                    at, line_of(bytes, at), from.name));
  }
  return text;
}

Result<std::string> encode_text(std::string_view text, TextEncoding encoding) {
  if (!valid_utf8(text)) {
    return failure(ErrorCode::invalid_argument, "the new text is not valid UTF-8: write it as UTF-8");
  }
  Result<std::string> bytes = encode(text, encoding);
  if (!bytes || description(encoding).form != Form::sequences) return bytes;
  // Converters write some characters as others that look alike; that is another text.
  const std::string again = decode_lossy(*bytes, encoding);
  if (again == text) return bytes;
  const auto differs = std::mismatch(text.begin(), text.end(), again.begin(), again.end()).first;
  const std::size_t at = std::min(static_cast<std::size_t>(differs - text.begin()), text.size() - 1);
  return not_encodable(text, at, description(encoding));
}

// --- TextDecoder ---

class TextDecoder::Converter {
 public:
  explicit Converter(const Description& from) : iconv("UTF-8", from.converter) {
    if (from.form == Form::bytes) table = byte_table(iconv);
  }

  Iconv iconv;
  ByteTable table{};
};

TextDecoder::TextDecoder(TextEncoding encoding) : encoding_(encoding), mark_size_(mark(encoding).size()) {
  const Description& from = description(encoding);
  if (from.form == Form::bytes || from.form == Form::sequences) converter_ = std::make_unique<Converter>(from);
}

TextDecoder::~TextDecoder() = default;

bool TextDecoder::has_converter() const { return !converter_ || converter_->iconv; }

// `at` is an offset in the piece in hand.
void TextDecoder::replace(std::size_t at, std::string& out) {
  if (!damage_) damage_ = consumed_ + at;
  out += replacement;
}

void TextDecoder::append(std::string_view bytes, std::string& out) {
  const std::size_t skipped = std::min(mark_size_, bytes.size());
  bytes.remove_prefix(skipped);
  mark_size_ -= skipped;
  consumed_ += skipped;
  std::string joined;
  if (!carry_.empty()) {
    joined = std::exchange(carry_, {}).append(bytes);
    bytes = joined;
  }
  switch (description(encoding_).form) {
    case Form::none:
    case Form::utf8: decode_utf8(bytes, out); break;
    case Form::wide: decode_units(bytes, out); break;
    case Form::bytes: decode_bytes(bytes, out); break;
    case Form::sequences: decode_sequences(bytes, out); break;
  }
  consumed_ += bytes.size() - carry_.size();
}

void TextDecoder::finish(std::string& out) {
  if (!carry_.empty()) replace(0, out);
  carry_.clear();
  if (converter_ && converter_->iconv && description(encoding_).form == Form::sequences) converter_->iconv.flush(out);
}

void TextDecoder::decode_utf8(std::string_view bytes, std::string& out) {
  const std::size_t unfinished = unfinished_utf8(bytes);
  carry_ = bytes.substr(bytes.size() - unfinished);
  std::string_view rest = bytes.substr(0, bytes.size() - unfinished);
  if (valid_utf8(rest)) {
    out += rest;
    return;
  }
  const std::size_t end = rest.size();
  while (!rest.empty()) {
    const std::size_t size = utf8_sequence_size(rest);
    if (size == 0) {
      replace(end - rest.size(), out);
    } else {
      out += rest.substr(0, size);
    }
    rest.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

void TextDecoder::decode_units(std::string_view bytes, std::string& out) {
  const Wide wide(encoding_);
  std::size_t i = 0;
  for (; i + wide.width <= bytes.size(); i += wide.width) {
    char32_t c = wide.unit(bytes, i);
    if (wide.width == 2 && is_high_surrogate(c)) {
      if (i + 4 > bytes.size()) break;
      const char32_t low = wide.unit(bytes, i + 2);
      if (is_low_surrogate(low)) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    if (c > 0x10FFFF || is_high_surrogate(c) || is_low_surrogate(c)) {
      replace(i, out);
    } else {
      append_utf8(out, c);
    }
  }
  carry_ = bytes.substr(i);
}

void TextDecoder::decode_bytes(std::string_view bytes, std::string& out) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char32_t c = converter_->table[static_cast<unsigned char>(bytes[i])];
    if (c == unmapped) {
      replace(i, out);
    } else {
      append_utf8(out, c);
    }
  }
}

void TextDecoder::decode_sequences(std::string_view bytes, std::string& out) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    if (!converter_->iconv) {
      if (is_high(rest[0])) {
        replace(bytes.size() - rest.size(), out);
      } else {
        out += rest[0];
      }
      rest.remove_prefix(1);
      continue;
    }
    const int error = converter_->iconv.convert(rest, out);
    if (error == EINVAL) break;
    if (error == EILSEQ) {
      replace(bytes.size() - rest.size(), out);
      rest.remove_prefix(1);
    }
  }
  carry_ = rest;
}

}  // namespace joey

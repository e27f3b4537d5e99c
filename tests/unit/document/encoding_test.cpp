#include "document/encoding.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "../../support/random.hpp"
#include "base/text.hpp"
#include "checks.hpp"
#include "document/guess.hpp"

using namespace joey;
using joey::test::holds;
using joey::test::problem;

namespace {

std::vector<TextEncoding> encodings() {
  std::vector<TextEncoding> all;
  for (int i = 0; i < static_cast<int>(TextEncoding::binary); ++i) all.push_back(static_cast<TextEncoding>(i));
  return all;
}

// Characters of many scripts, ASCII among them.
const std::vector<std::string> characters = [] {
  std::string text = "\n\r\t aAzZ09{}\"\\~¥|";
  text += "éèüßñçøÅœ€“”–…Šžłąęőűşğıėųāŧ";
  text += "αβγΩάήЖдфяёЁђЉєїאבשםابتثجสวัดกขあいうアイウ漢字日本語你好世界測試한국어안녕初期化①㈱∪";
  text += "\U0001F600\U00020000\uFEFF\u0085\u200B\uFFFD";
  std::vector<std::string> all;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t size = utf8_sequence_size(rest);
    all.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return all;
}();

std::string random_text(test::Random& random, const std::vector<std::string>& alphabet, std::size_t length_max) {
  std::string text;
  for (std::size_t left = random.below(length_max + 1); left > 0; --left) text += random.pick(alphabet);
  return text;
}

std::string decoded_in_pieces(std::string_view bytes, TextEncoding encoding, test::Random& random) {
  TextDecoder decoder(encoding);
  std::string text;
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), 1 + random.below(7));
    decoder.append(bytes.substr(0, size), text);
    CHECK(is_utf8(text));
    bytes.remove_prefix(size);
  }
  decoder.finish(text);
  return text;
}

std::string encoded(std::string_view text, TextEncoding encoding) {
  const auto bytes = encode_text(text, encoding);
  REQUIRE_MESSAGE(bytes, bytes.error().message);
  return *bytes;
}

bool guesses() { return guess_encoding("\xCF\xF0\xE8\xE2\xE5\xF2, \xEC\xE8\xF0").has_value(); }

}  // namespace

TEST_CASE("texts with a byte order mark are found by it and come back with it") {
  const std::string text = "a\u00E9\u20AC\U0001F600\r\n";
  for (const TextEncoding encoding : {TextEncoding::utf8_with_mark, TextEncoding::utf16_le, TextEncoding::utf16_be,
                                      TextEncoding::utf32_le, TextEncoding::utf32_be}) {
    CAPTURE(encoding_name(encoding));
    const std::string bytes = encoded(text, encoding);
    CHECK(detect_encoding(bytes) == encoding);
    CHECK(decode_text(bytes, encoding).value() == text);
    CHECK(detect_encoding(encoded("", encoding)) == encoding);
    CHECK(decode_text(encoded("", encoding), encoding).value().empty());
  }
  CHECK(encoded("a", TextEncoding::utf16_le) == std::string("\xFF\xFE"
                                                            "a\0",
                                                            4));
  CHECK(encoded("a", TextEncoding::utf32_be) == std::string("\0\0\xFE\xFF\0\0\0a", 8));
}

TEST_CASE("every text that an encoding can hold comes back from it, in one piece or in many") {
  test::Random random(1);
  for (const TextEncoding encoding : encodings()) {
    CAPTURE(encoding_name(encoding));
    std::vector<std::string> alphabet;
    for (const std::string& character : characters) {
      if (encode_text(character, encoding)) alphabet.push_back(character);
    }
    CHECK(alphabet.size() >= 15);
    for (int i = 0; i < 40; ++i) {
      std::string text = random_text(random, alphabet, 60);
      if (text.starts_with("\uFEFF")) text.erase(0, 3);
      CAPTURE(text);
      const std::string bytes = encoded(text, encoding);
      CHECK(decode_text(bytes, encoding).value() == text);
      CHECK(decoded_in_pieces(bytes, encoding, random) == text);
    }
  }
}

TEST_CASE("bytes that are no text of an encoding are refused, and those that are come back exactly") {
  test::Random random(2);
  std::size_t decoded = 0;
  for (const TextEncoding encoding : encodings()) {
    CAPTURE(encoding_name(encoding));
    for (int i = 0; i < 150; ++i) {
      std::string bytes;
      for (std::size_t left = random.below(9); left > 0; --left) {
        bytes += static_cast<char>(random.chance(0.3) ? random.below(128) : 128 + random.below(128));
      }
      TextDecoder decoder(encoding);
      std::string shown;
      decoder.append(bytes, shown);
      decoder.finish(shown);
      CHECK(is_utf8(shown));
      const auto text = decode_text(bytes, encoding);
      if (!text) {
        problem(text, ErrorCode::corrupt);
        continue;
      }
      CHECK(*text == shown);
      // A mark is put where there was none.
      if (encoding != TextEncoding::utf8_with_mark) CHECK(encode_text(*text, encoding).value() == bytes);
      ++decoded;
    }
  }
  CHECK(decoded > 1000);
}

TEST_CASE("each byte of a one-byte encoding comes back, or the text is refused") {
  for (const TextEncoding encoding : encodings()) {
    if (encoding < TextEncoding::windows_874 || encoding >= TextEncoding::shift_jis) continue;
    CAPTURE(encoding_name(encoding));
    for (int value = 0; value < 256; ++value) {
      const std::string bytes(1, static_cast<char>(value));
      const auto text = decode_text(bytes, encoding);
      if (value < 0x80) REQUIRE(text.value() == bytes);
      if (text) CHECK(encode_text(*text, encoding).value() == bytes);
    }
  }
  std::string all;
  for (int value = 0; value < 256; ++value) all += static_cast<char>(value);
  CHECK(encode_text(decode_text(all, TextEncoding::windows_1252).value(), TextEncoding::windows_1252).value() == all);
}

TEST_CASE("a text cut within a character is refused, and shown up to there") {
  const std::array<std::pair<TextEncoding, std::string>, 8> samples{{{TextEncoding::utf8, "é€😀"},
                                                                     {TextEncoding::utf16_le, "é€😀"},
                                                                     {TextEncoding::utf32_be, "é€😀"},
                                                                     {TextEncoding::shift_jis, "日本語"},
                                                                     {TextEncoding::euc_jp, "日本語"},
                                                                     {TextEncoding::gb18030, "你好\U00020000"},
                                                                     {TextEncoding::big5, "測試"},
                                                                     {TextEncoding::euc_kr, "안녕"}}};
  for (const auto& [encoding, text] : samples) {
    CAPTURE(encoding_name(encoding));
    const std::string bytes = encoded(text, encoding);
    std::size_t refused = 0;
    const std::size_t mark = encoded("", encoding).size();
    for (std::size_t size = mark; size < bytes.size(); ++size) {
      const auto cut = decode_text(bytes.substr(0, size), encoding);
      if (cut) {
        CHECK(text.starts_with(*cut));
      } else {
        CHECK(holds(problem(cut, ErrorCode::corrupt), "is not valid"));
        ++refused;
      }
    }
    CHECK(refused >= text.size() / 3);
  }
}

TEST_CASE("defect: replacement characters are never written back for bytes that are no text") {
  const std::string damaged = "caf\u00E9 \u2192 na\u00EFve \u2192 \u20AC\n\xE9t\xE9\n";
  CHECK(detect_encoding(damaged) == TextEncoding::utf8);
  CHECK(holds(problem(decode_text(damaged, TextEncoding::utf8), ErrorCode::corrupt),
              "is not valid UTF-8 at byte 25, in line 2"));
  CHECK(holds(problem(decode_text("\xFF\xFE"
                                  "a",
                                  TextEncoding::utf16_le),
                      ErrorCode::corrupt),
              "UTF-16"));
  CHECK(holds(problem(decode_text(std::string("\xFE\xFF\xD8\x00\x00"
                                              "a",
                                              6),
                                  TextEncoding::utf16_be),
                      ErrorCode::corrupt),
              "at byte 2"));
  // NEC's and JIS's sign for the same character: written back it would be the other one.
  CHECK(holds(problem(decode_text("\x87\x9B", TextEncoding::shift_jis), ErrorCode::corrupt), "in several ways"));
  CHECK(decode_text("\x81\xBE", TextEncoding::shift_jis).value() == "\u222A");
  CHECK(holds(problem(decode_text(std::string("a\0b", 3), TextEncoding::binary), ErrorCode::corrupt), "binary"));
}

TEST_CASE("a character that the encoding lacks is named, not replaced") {
  const auto error = [](std::string_view text, TextEncoding encoding) {
    return problem(encode_text(text, encoding), ErrorCode::invalid_argument);
  };
  CHECK(error("a\nb€", TextEncoding::koi8_r) ==
        "line 2 of the new text has \"€\" (U+20AC), which the file's encoding, KOI8-R, cannot hold: do without it, or "
        "convert the file first, as with iconv -f KOI8-R -t UTF-8");
  CHECK(holds(error("日本 😀", TextEncoding::shift_jis), "\"😀\" (U+1F600)"));
  CHECK(
      holds(error("\u00A5", TextEncoding::shift_jis), "\"\u00A5\" (U+00A5)"));  // not the backslash it looks like there
  CHECK(holds(error("a\u2192b\u2192", TextEncoding::windows_1252), "line 1 of the new text has \"\u2192\""));
  CHECK(holds(error("\xFF", TextEncoding::utf8), "not valid UTF-8"));
  CHECK(holds(error("\xFF", TextEncoding::koi8_r), "not valid UTF-8"));
  CHECK(holds(error("a", TextEncoding::binary), "binary"));
}

TEST_CASE("UTF-16 without a byte order mark is text") {
  const std::string text = "int main() {\r\n  return 0;  // é\r\n}\r\n";
  for (const TextEncoding encoding : {TextEncoding::utf16_le_unmarked, TextEncoding::utf16_be_unmarked}) {
    CHECK(detect_encoding(encoded(text, encoding)) == encoding);
    CHECK(detect_encoding(encoded("日本語\n日本語\n日本語\n", encoding)) == encoding);
    CHECK(decode_text(encoded(text, encoding), encoding).value() == text);
    CHECK(detect_encoding(encoded(text, encoding) + "x") == TextEncoding::binary);
    CHECK(detect_encoding(encoded(text, encoding) + "x", Extent::beginning) == encoding);
  }
}

TEST_CASE("binary files are told from texts") {
  CHECK(detect_encoding(std::string("a\0b", 3)) == TextEncoding::binary);
  CHECK(detect_encoding(std::string("\x7F"
                                    "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3E\0\x01\0\0\0",
                                    24)) == TextEncoding::binary);
  CHECK(detect_encoding(std::string("\x01\0\x02\0\x03\0\x04\0", 8)) == TextEncoding::binary);
  CHECK(detect_encoding("\x1F\x8B\x08\x08\x93\x01\x02\x03\xFF\xFE") == TextEncoding::binary);
  CHECK(detect_encoding("\x1B[31mred\x1B[0m\b\f\x1A") == TextEncoding::utf8);
  CHECK(detect_encoding("") == TextEncoding::utf8);
}

TEST_CASE("the beginning of a text may end within a character") {
  CHECK(detect_encoding("a\xE2\x82", Extent::beginning) == TextEncoding::utf8);
  CHECK(detect_encoding("caf\xE9", Extent::whole) == TextEncoding::windows_1252);
  if (!guesses()) return;
  const std::string text = encoded("この関数は二つの数の合計を計算して返す", TextEncoding::shift_jis);
  CHECK(detect_encoding(text.substr(0, text.size() - 1), Extent::beginning) == TextEncoding::shift_jis);
}

TEST_CASE("a few accented letters are Western, whatever a detector would say of them") {
  for (const std::string text :
       {"// café\nint x;\n", "author = \"José Müller\"\n", "Größe der Straße: 5 €\n", "“x” – y\n"}) {
    CAPTURE(text);
    const std::string bytes = encoded(text, TextEncoding::windows_1252);
    CHECK(detect_encoding(bytes) == TextEncoding::windows_1252);
    CHECK(decode_text(bytes, TextEncoding::windows_1252).value() == text);
  }
}

TEST_CASE("legacy encodings are told apart by their letters, also between lines of English") {
  if (!guesses()) return;  // built without a detector
  const std::array<std::pair<TextEncoding, std::string>, 15> samples{{
      {TextEncoding::windows_1251, "# Функция вычисляет сумму двух чисел и возвращает результат"},
      {TextEncoding::koi8_r, "# Функция вычисляет сумму двух чисел и возвращает результат"},
      {TextEncoding::ibm_866, "rem Функция вычисляет сумму двух чисел и возвращает результат"},
      {TextEncoding::iso_8859_5, "// Функция вычисляет сумму двух чисел и возвращает результат"},
      {TextEncoding::mac_cyrillic, "// Функция вычисляет сумму двух чисел"},
      {TextEncoding::shift_jis, "/* この関数は二つの数の合計を計算して返す。テスト用。 */"},
      {TextEncoding::euc_jp, "/* この関数は二つの数の合計を計算して返す */"},
      {TextEncoding::gb18030, "/* 这个函数计算两个数的和并返回结果。测试用例 */"},
      {TextEncoding::big5, "/* 這個函數計算兩個數的和並返回結果。測試用例 */"},
      {TextEncoding::euc_kr, "/* 이 함수는 두 수의 합을 계산하여 반환합니다. */"},
      {TextEncoding::windows_1250, "/* Příliš žluťoučký kůň úpěl ďábelské ódy */"},
      {TextEncoding::iso_8859_7, "/* Η συνάρτηση υπολογίζει το άθροισμα δύο αριθμών */"},
      {TextEncoding::windows_1255, "/* הפונקציה מחשבת את סכום שני המספרים ומחזירה את התוצאה */"},
      {TextEncoding::windows_1256, "/* مرحبا بالعالم هذه الدالة تحسب مجموع رقمين */"},
      {TextEncoding::windows_874, "// สวัสดีชาวโลก ฟังก์ชันนี้คำนวณผลรวม"},
  }};
  std::string english;
  for (int i = 0; i < 200; ++i) english += "for (i = 0; i < n; ++i) sum += values[i];\r\n";
  for (const auto& [encoding, text] : samples) {
    CAPTURE(encoding_name(encoding));
    CHECK(detect_encoding(encoded(text, encoding)) == encoding);
    const std::string whole = english + text + "\r\n" + english;
    CHECK(detect_encoding(encoded(whole, encoding)) == encoding);
    CHECK(decode_text(encoded(whole, encoding), encoding).value() == whole);
  }
}

TEST_CASE("a large text of one line is detected in little time") {
  std::string bytes(8U << 20, 'x');
  for (std::size_t i = 100; i < bytes.size(); i += 5000) bytes[i] = '\xE9';
  CHECK(detect_encoding(bytes) == TextEncoding::windows_1252);
}

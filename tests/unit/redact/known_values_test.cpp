#include <doctest/doctest.h>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "samples.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string hexadecimal(std::string_view text, bool upper) {
  std::string out;
  for (const char c : text) out += fmt::format(fmt::runtime(upper ? "{:02X}" : "{:02x}"), static_cast<unsigned char>(c));
  return out;
}

std::string percent(std::string_view text, std::string_view kept, bool upper) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kept.find(c) != kept.npos;
    out += plain ? std::string(1, c) : "%" + hexadecimal(std::string(1, c), upper);
  }
  return out;
}

std::string json(std::string_view text, bool careful) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (careful && (c == '<' || c == '&' || c == '\'')) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string backslashed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(" '\"$&<>\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string wrapped(std::string_view text, std::size_t columns, std::string_view line_break) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += columns) {
    if (at > 0) out += line_break;
    out += text.substr(at, columns);
  }
  return out;
}

std::string base64(std::string_view text) { return encode_base64(text); }

}  // namespace

TEST_CASE("a known value is found in every disguise") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::string value =
        random.of("abcXYZ019-_.~!*'()\"\\<>&$%+/= @:#", 8 + random.below(60)) + random.alnum(4);
    CAPTURE(value);
    const auto redactor = make_redactor({{"DB_PASSWORD", value}}, false);
    const std::string_view trimmed = value;
    std::vector<std::string> disguises = {
        value,
        hexadecimal(value, false),
        hexadecimal(value, true),
        percent(value, "-_.~", true),
        percent(value, "-_.!~*'()", false),
        percent(value, "", true),
        json(value, false),
        json(value, true),
        single_quoted(value),
        backslashed(value),
        wrapped(hexadecimal(value, false), 64, "\n"),
        percent(base64(value), "", true),
    };
    for (const std::string before : {"", "a", "ab"}) {
      const std::string text = base64(before + value + "tail");
      std::string url = text;
      for (char& c : url) c = c == '+' ? '-' : c == '/' ? '_' : c;
      disguises.push_back(text);
      disguises.push_back(url);
      const std::string long_text = base64(before + std::string(90, 'x') + value + std::string(90, 'y'));
      disguises.push_back(wrapped(long_text, 64, "\n"));
      disguises.push_back(wrapped(long_text, 76, "\r\n"));
      disguises.push_back(wrapped(long_text, 76, "\\n"));
      disguises.push_back(wrapped(long_text, 60, "\n    "));
    }
    for (const std::string& disguise : disguises) {
      const std::string text = "(" + disguise + ")";
      CAPTURE(text);
      const std::string out = redactor->redact(text);
      CAPTURE(out);
      CHECK(out.find("[secret:db-password:") != std::string::npos);
      CHECK_FALSE(shows(out, trimmed.substr(0, trimmed.size())));
      // Of a base64 text no more stays than the digits that the neighbours of the value are in as well.
      CHECK(out.size() < text.size() + 200);
    }
  }
}

TEST_CASE("the lines of a value are values, and so is what a value is in one line") {
  Random random(5);
  const std::string key = pem_key(random, 6);
  const auto redactor = make_redactor({{"deploy", key}}, false);
  const std::string line = key.substr(key.find('\n') + 1, 64);
  CHECK(redactor->redact("x" + line + "y").find(line.substr(0, 8)) == std::string::npos);
  std::string one_line;
  for (const char c : key) one_line += c == '\n' ? "\\n" : std::string(1, c);
  CHECK_FALSE(shows(redactor->redact(one_line), line));
  CHECK_FALSE(shows(redactor->redact(base64(key)), base64(key).substr(4, 64)));
}

TEST_CASE("values that overlap, contain or repeat one another leave nothing") {
  const auto redactor = make_redactor({{"one", "abcdefghij"}, {"two", "fghijklmnop"}, {"three", "abcdefghijklmnopqrst"}}, false);
  CHECK(redactor->redact("abcdefghijklmnop").starts_with("[secret:one:"));
  CHECK(redactor->redact("abcdefghijklmnop").ends_with("]"));
  CHECK(redactor->redact("abcdefghijklmnopqrst").starts_with("[secret:three:"));
  CHECK(redactor->redact("abcdefghij abcdefghij") ==
        redactor->redact("abcdefghij") + " " + redactor->redact("abcdefghij"));
  const auto same = make_redactor({{"a", "aaaaaaaa"}}, false);
  CHECK(same->redact(std::string(1000, 'a')).size() < 40);
}

TEST_CASE("a value that would be found in ordinary text, or is too long, is refused by its name alone") {
  const auto refused = check_secret({"pin", "1234567"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_argument);
  CHECK(refused.error().message.find("\"pin\"") != std::string::npos);
  CHECK(refused.error().message.find("1234567") == std::string::npos);
  CHECK_FALSE(check_secret({"spaces", "  1234567  "}));
  CHECK(check_secret({"ok", "12345678"}));
  CHECK(check_secret({"long", std::string(8192, 'x')}));
  CHECK(check_secret({"long", std::string(8193, 'x')}).error().code == ErrorCode::limit);
  CHECK(make_redactor({{"pin", "1234567"}}, false)->redact("1234567") == "1234567");
}

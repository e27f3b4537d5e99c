#include "project/file_regex.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <cstdint>
#include <optional>

namespace joey {
namespace {

// What \s matches: more than RE2's.
constexpr std::string_view blanks =
    R"(\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF})";

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint32_t> hexadecimal(std::string_view digits, std::size_t count) {
  if (digits.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : digits.substr(0, count)) {
    const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
  }
  return value;
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  Result<std::string> run() {
    while (!rest_.empty() && problem_.empty()) step();
    if (problem_.empty() && in_class_) problem_ = "a [ that is not closed";
    if (!problem_.empty()) return failure(ErrorCode::unsupported, problem_);
    return std::move(out_);
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool skip(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void emit(std::uint32_t character) { out_ += fmt::format("\\x{{{:X}}}", character); }

  void step() {
    const char c = take();
    if (c == '\\') return escape();
    if (in_class_) {
      if (c == ']') in_class_ = false;
      if (c == '[' || c == '^') out_ += '\\';  // where RE2 would see [:alpha:], or a negation
      out_ += c;
    } else if (c == '[') {
      open_class();
    } else if (c == '(') {
      open_group();
    } else {
      out_ += c;
    }
  }

  void open_class() {
    if (skip("]")) {
      out_ += matches_nothing;
    } else if (skip("^]")) {
      out_ += R"([\x00-\x{10FFFF}])";
    } else {
      in_class_ = true;
      out_ += skip("^") ? "[^" : "[";
    }
  }

  void open_group() {
    if (!rest_.starts_with('?')) {
      out_ += '(';
    } else if (skip("?:")) {
      out_ += "(?:";
    } else if (rest_.starts_with("?=") || rest_.starts_with("?!")) {
      problem_ = "it looks ahead, (?= or (?!";
    } else if (rest_.starts_with("?<=") || rest_.starts_with("?<!")) {
      problem_ = "it looks behind, (?<= or (?<!";
    } else if (rest_.starts_with("?<") && rest_.find('>') != std::string_view::npos) {
      rest_.remove_prefix(rest_.find('>') + 1);
      out_ += "(?:";
    } else {
      problem_ = "it has a group that begins with (? and is none of JavaScript's";
    }
  }

  void escape() {
    if (rest_.empty()) {
      problem_ = "it ends with a backslash";
      return;
    }
    const char c = take();
    if (c == 's' || c == 'S') return blank_class(c == 'S');
    if (std::string_view("dDwWtnrfv").find(c) != std::string_view::npos) {
      out_ += {'\\', c};
    } else if (c == 'b' || c == 'B') {
      word_boundary(c);
    } else if (c == 'x' || c == 'u') {
      numbered_character(c);
    } else if (c == '0' && (rest_.empty() || !is_digit(rest_.front()))) {
      emit(0);
    } else if (is_digit(c) || c == 'k') {
      problem_ = "it refers back to a group";
    } else if (c == 'c' || c == 'p' || c == 'P') {
      problem_ = fmt::format("it has \\{}", c);
    } else if (is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80) {
      out_ += c;  // any other escaped character is itself
    } else {
      out_ += {'\\', c};
    }
  }

  void blank_class(bool negated) {
    if (in_class_ && negated) {
      problem_ = "it has \\S between [ and ]";
    } else if (in_class_) {
      out_ += blanks;
    } else {
      out_ += fmt::format("[{}{}]", negated ? "^" : "", blanks);
    }
  }

  void word_boundary(char c) {
    if (!in_class_) {
      out_ += {'\\', c};
    } else if (c == 'b') {
      emit('\b');
    } else {
      out_ += c;
    }
  }

  void numbered_character(char kind) {
    const std::size_t digits = kind == 'x' ? 2 : 4;
    const auto value = hexadecimal(rest_, digits);
    if (!value) {
      if (kind == 'u' && rest_.starts_with('{')) {
        problem_ = "it has \\u{";
      } else {
        out_ += kind;
      }
      return;
    }
    rest_.remove_prefix(digits);
    if (*value >= 0xD800 && *value < 0xE000) {
      problem_ = "it has half of a character (\\uD800 to \\uDFFF)";
      return;
    }
    emit(*value);
  }

  std::string_view rest_;
  std::string out_;
  std::string problem_;
  bool in_class_{false};
};

}  // namespace

Result<std::string> file_regex_to_re2(std::string_view javascript) {
  if (javascript.size() > file_regex_bytes_max) {
    return failure(ErrorCode::unsupported, fmt::format("it has more than {} bytes", file_regex_bytes_max));
  }
  Result<std::string> pattern = Translator(javascript).run();
  if (!pattern) return pattern;
  RE2::Options quiet;
  quiet.set_log_errors(false);
  const RE2 compiled(*pattern, quiet);
  if (!compiled.ok()) return failure(ErrorCode::unsupported, compiled.error());
  return pattern;
}

}  // namespace joey

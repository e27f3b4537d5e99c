#include "text.hpp"

#include <cctype>
#include <cstring>

namespace scripted {

std::uint64_t fnv64(std::string_view bytes, std::uint64_t state) {
  for (const char c : bytes) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return state;
}

std::uint64_t mix(std::uint64_t value) {  // the finalizer of splitmix64
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::size_t plain = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    out += '\\';
    switch (c) {
      case '"': case '\\': out += c; break;
      case '\n': out += 'n'; break;
      case '\r': out += 'r'; break;
      case '\t': out += 't'; break;
      default:
        out += "u00";
        out += hex[static_cast<unsigned char>(c) >> 4];
        out += hex[c & 15];
    }
  }
  out.append(text, plain);
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

namespace {

constexpr int depth_max = 512;

// Walks one JSON value. `at` is the next byte, and stays on the offending one after a failure.
struct Walker {
  std::string_view json;
  std::size_t at;

  bool value(int depth) {
    space();
    if (at == json.size() || depth == depth_max) return false;
    switch (json[at]) {
      case '"': return string();
      case '{': return sequence('}', depth, true);
      case '[': return sequence(']', depth, false);
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

 private:
  void space() {
    while (at < json.size() && is_space(json[at])) ++at;
  }

  bool take(char c) {
    if (at == json.size() || json[at] != c) return false;
    ++at;
    return true;
  }

  bool word(std::string_view expected) {
    if (!json.substr(at).starts_with(expected)) return false;
    at += expected.size();
    return true;
  }

  bool string() {
    if (!take('"')) return false;
    for (;;) {
      const void* quote = std::memchr(json.data() + at, '"', json.size() - at);
      if (quote == nullptr) return false;
      const auto end = static_cast<std::size_t>(static_cast<const char*>(quote) - json.data());
      std::size_t backslashes = 0;
      while (end - backslashes > at && json[end - backslashes - 1] == '\\') ++backslashes;
      at = end + 1;
      if (backslashes % 2 == 0) return true;
    }
  }

  bool number() {
    const std::size_t begin = at;
    while (at < json.size() && (std::isalnum(static_cast<unsigned char>(json[at])) != 0 ||
                                json[at] == '-' || json[at] == '+' || json[at] == '.')) {
      ++at;
    }
    const char first = at > begin ? json[begin] : '\0';
    if (first == '-' || (first >= '0' && first <= '9')) return true;
    at = begin;
    return false;
  }

  bool sequence(char close, int depth, bool keyed) {
    ++at;
    space();
    if (take(close)) return true;
    for (;;) {
      if (keyed) {
        space();
        if (!string()) return false;
        space();
        if (!take(':')) return false;
      }
      if (!value(depth + 1)) return false;
      space();
      if (take(close)) return true;
      if (!take(',')) return false;
    }
  }
};

}  // namespace

std::size_t skip_value(std::string_view json, std::size_t at, std::size_t& error_at) {
  Walker walker{json, at};
  if (walker.value(0)) return walker.at;
  error_at = walker.at;
  return std::string_view::npos;
}

}  // namespace scripted

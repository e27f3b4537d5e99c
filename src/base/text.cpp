#include "base/text.hpp"

#include <fmt/format.h>

namespace joey {
namespace {

constexpr std::size_t quoted_max = 200;  // bytes of a path in a message

bool continues(std::string_view text, std::size_t i) {
  return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
}

}  // namespace

std::size_t utf8_sequence_size(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text[0]);
  const auto second = text.size() > 1 ? static_cast<unsigned char>(text[1]) : 0;
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return continues(text, 1) ? 2 : 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && second < 0xA0;
    const bool surrogate = lead == 0xED && second >= 0xA0;
    return continues(text, 1) && continues(text, 2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead < 0xF5) {
    const bool overlong = lead == 0xF0 && second < 0x90;
    const bool beyond = lead == 0xF4 && second >= 0x90;
    return continues(text, 1) && continues(text, 2) && continues(text, 3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    if (size == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  return out;
}

std::string_view utf8_prefix(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return text;
  std::size_t end = size_max;
  while (end > 0 && size_max - end < 4 && continues(text, end)) --end;
  return text.substr(0, end);
}

std::string_view utf8_suffix(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return text;
  std::size_t start = text.size() - size_max;
  const std::size_t limit = start + 4;
  while (start < text.size() && start < limit && continues(text, start)) ++start;
  return text.substr(start);
}

std::string elide_middle(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return std::string(text);
  const std::string_view head = utf8_prefix(text, size_max / 2);
  const std::string_view tail = utf8_suffix(text, size_max - size_max / 2);
  return fmt::format("{}\n[... {} bytes omitted ...]\n{}", head, text.size() - head.size() - tail.size(), tail);
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string quoted_path(std::string_view path) {
  std::string quoted = "\"";
  for (const char c : to_utf8(elide_middle(path, quoted_max))) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted += '"';
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\v\f";
  const std::size_t start = text.find_first_not_of(blanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

std::string percent_encoded(std::string_view text, std::string_view kept, std::string_view digits) {
  std::string out;
  for (const char c : text) {
    const bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_alnum || kept.find(c) != kept.npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

std::string without_closing_tag(std::string text, std::string_view tag) {
  const std::string closing = fmt::format("</{}", tag);
  for (std::size_t at = text.find(closing); at != text.npos; at = text.find(closing, at + 1)) text.insert(at + 1, 1, ' ');
  return text;
}

}  // namespace joey

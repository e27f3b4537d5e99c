#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <utility>

namespace cli {
namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr std::string_view replacement_bytes = "\xEF\xBF\xBD";
constexpr std::size_t sequence_size_max = 4'096;  // an escape sequence that goes on longer is none

struct Character {
  char32_t value{0};
  std::size_t size{0};  // 0: cut off by the end of the text
};

// The character that `text`, which is not empty, begins with.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 && lead < 0xE0 ? 2 : 0;
  if (size == 0) return {replacement, 1};
  char32_t value = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {0, 0};
    if ((byte(i) & 0xC0U) != 0x80) return {replacement, 1};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {replacement, 1};
  return {value, size};
}

// Calls f(value, bytes) for each character; what is cut off at the end is U+FFFD.
template <class F>
void for_each_character(std::string_view text, F&& f) {
  while (!text.empty()) {
    Character character = first_character(text);
    if (character.size == 0) character = {replacement, text.size()};
    f(character.value, character.value == replacement ? replacement_bytes : text.substr(0, character.size));
    text.remove_prefix(character.size);
  }
}

constexpr bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }
// Reorders what stands around it, so that a text reads differently from what it says.
constexpr bool is_override(char32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }
constexpr bool is_invisible(char32_t c) {
  return c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE0FFF);
}

struct Range {
  char32_t first;
  char32_t last;
};
constexpr std::array combining{Range{0x300, 0x36F},   Range{0x483, 0x489},   Range{0x591, 0x5BD},  Range{0x610, 0x61A},
                               Range{0x64B, 0x65F},   Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF}, Range{0x200B, 0x200F},
                               Range{0x2060, 0x2064}, Range{0x20D0, 0x20FF}, Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F},
                               Range{0xE0000, 0xE0FFF}};
constexpr std::array wide{Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},   Range{0x2614, 0x2615},
                          Range{0x26AA, 0x26AB},   Range{0x26BD, 0x26BE},   Range{0x2705, 0x2705},   Range{0x274C, 0x274E},
                          Range{0x2753, 0x2757},   Range{0x2795, 0x2797},   Range{0x2B1B, 0x2B1C},   Range{0x2B50, 0x2B50},
                          Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},
                          Range{0xA000, 0xA4CF},   Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
                          Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F004, 0x1F004}, Range{0x1F0CF, 0x1F0CF},
                          Range{0x1F18E, 0x1F19A}, Range{0x1F200, 0x1F320}, Range{0x1F32D, 0x1F64F}, Range{0x1F680, 0x1F6FF},
                          Range{0x1F900, 0x1F9FF}, Range{0x1FA70, 0x1FAFF}, Range{0x20000, 0x3FFFD}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const Range& range) { return c >= range.first && c <= range.last; });
}

std::size_t width_of_character(char32_t c) {
  if (c < 0x300) return 1;
  if (within(combining, c)) return 0;
  return within(wide, c) ? 2 : 1;
}

constexpr std::size_t tab_width = 4;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

}  // namespace

std::string Cleaner::feed(std::string_view bytes) {
  std::string joined;
  if (!waiting_.empty()) {
    joined = std::exchange(waiting_, {}).append(bytes);
    bytes = joined;
  }
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    if (character.size == 0) {
      waiting_ = bytes;
      break;
    }
    put(out, character.value, character.value == replacement ? replacement_bytes : bytes.substr(0, character.size));
    bytes.remove_prefix(character.size);
  }
  return out;
}

std::string Cleaner::finish() {
  std::string out;
  if (carriage_return_) out += '\n';
  if (!waiting_.empty() && state_ == State::text) out += replacement_bytes;
  *this = Cleaner();
  return out;
}

void Cleaner::put(std::string& out, char32_t c, std::string_view bytes) {
  if (std::exchange(carriage_return_, false) && c != '\n') out += '\n';
  if (state_ != State::text && ++sequence_size_ > sequence_size_max) state_ = State::text;
  if (state_ != State::text && c == '\n') state_ = State::text;  // no sequence holds a newline
  switch (state_) {
    case State::text:
      sequence_size_ = 0;
      if (c == 0x1B) {
        state_ = State::escape;
      } else if (c == 0x9B) {
        state_ = State::control;
      } else if (c == 0x90 || c == 0x98 || (c >= 0x9D && c <= 0x9F)) {
        state_ = State::string;
      } else if (c == '\r') {
        carriage_return_ = true;
      } else if (c == '\n' || c == '\t' || !(is_control(c) || is_override(c))) {
        out += bytes;
      }
      return;
    case State::escape:
      if (c == '[') {
        state_ = State::control;
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::string;
      } else if (c < 0x20 || c > 0x2F) {  // else: more is to come
        state_ = State::text;
      }
      return;
    case State::control:
      if (c < 0x20 || c > 0x3F) state_ = c == 0x1B ? State::escape : State::text;
      return;
    case State::string:
      if (c == 0x07 || c == 0x9C) state_ = State::text;
      if (c == 0x1B) state_ = State::string_escape;
      return;
    case State::string_escape: state_ = c == '\\' ? State::text : State::string; return;
  }
}

std::string clean(std::string_view text) {
  Cleaner cleaner;
  std::string out = cleaner.feed(text);
  return out += cleaner.finish();
}

std::string show_all(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == '\n' || c == '\t') {
      out += bytes;
    } else if (c < 0x20 || c == 0x7F) {
      out += '^';
      out += static_cast<char>(c ^ 0x40U);
    } else if (is_control(c) || is_override(c) || is_invisible(c)) {
      fmt::format_to(std::back_inserter(out), "<U+{:04X}>", static_cast<std::uint32_t>(c));
    } else {
      out += bytes;
    }
  });
  return out;
}

std::size_t width_of(std::string_view line) {
  std::size_t width = 0;
  for_each_character(line, [&](char32_t c, std::string_view) { width += c == '\t' ? tab_width : width_of_character(c); });
  return width;
}

std::string fit(std::string_view line, std::size_t columns) {
  std::string out;
  std::size_t width = 0;
  std::size_t cut_size = 0;  // of `out` where an ellipsis would still fit
  for_each_character(line, [&](char32_t c, std::string_view bytes) {
    if (width > columns) return;
    if (width + 1 <= columns) cut_size = out.size();
    width += c == '\t' ? tab_width : width_of_character(c);
    if (c == '\t') {
      out.append(tab_width, ' ');
    } else {
      out += bytes;
    }
  });
  if (width <= columns) return out;
  out.resize(cut_size);
  return columns == 0 ? std::string() : out + "…";
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    if (!is_space(c)) {
      out += c;
    } else if (out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string count_text(std::int64_t count) {
  if (count < 1'000) return std::to_string(count);
  const double value = static_cast<double>(count);
  if (count < 99'950) return fmt::format("{:.1f}k", value / 1e3);
  if (count < 999'500) return fmt::format("{:.0f}k", value / 1e3);
  return fmt::format("{:.2f}M", value / 1e6);
}

std::string plural(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string duration_text(std::int64_t ms) {
  if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1e3);
  const std::int64_t seconds = ms / 1'000;
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3'600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {} min", seconds / 3'600, seconds / 60 % 60);
  return plural(seconds / 86'400, "day");
}

std::string cost_text(double usd) { return usd < 1 ? fmt::format("${:.4f}", usd) : fmt::format("${:.2f}", usd); }

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += bytes;
    } else if (c == '\n') {
      out += "\\n";
    } else if (is_control(c)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c));
    } else {
      out += bytes;
    }
  });
  return out += '"';
}

std::string age_text(std::int64_t at_ms) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return at_ms > 0 ? duration_text(std::max<std::int64_t>(0, now_ms - at_ms)) : std::string();
}

}  // namespace cli

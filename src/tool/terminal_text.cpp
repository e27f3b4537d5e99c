#include "tool/terminal_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t line_characters_max = 8192;  // of a line that can still be written over
constexpr std::size_t sequence_size_max = 4096;    // then it is no escape sequence

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Bytes that `text` begins with and that show as they are, each a character.
std::size_t plain_size(std::string_view text) {
  const auto end = std::find_if(text.begin(), text.end(), [](char c) { return (c < ' ' && c != '\t') || c > '~'; });
  return static_cast<std::size_t>(end - text.begin());
}

// Whether `text` can become a whole sequence when more bytes come.
bool may_continue(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (lead >= 0xF5 || text.size() >= size) return false;
  // The rest is filled up with the bytes that fit whatever came: the second byte's range depends on the lead alone.
  std::string whole(text);
  if (whole.size() == 1) whole += lead == 0xE0 ? '\xA0' : lead == 0xF0 ? '\x90' : '\x80';
  whole.resize(size, '\x80');
  return utf8_sequence_size(whole) == size;
}

char32_t packed(std::string_view character) {
  char32_t value = 0;
  for (std::size_t i = 0; i < character.size(); ++i) {
    value |= static_cast<char32_t>(static_cast<unsigned char>(character[i])) << (8 * i);
  }
  return value;
}

std::string unpacked(const std::u32string& line) {
  std::string text;
  text.reserve(line.size());
  for (char32_t value : line) {
    for (; value != 0; value >>= 8) text += static_cast<char>(static_cast<unsigned char>(value & 0xFF));
  }
  return text;
}

}  // namespace

std::string Utf8Stream::feed(std::string_view bytes) {
  std::string joined;
  if (!waiting_.empty()) {
    joined = std::move(waiting_) + std::string(bytes);
    bytes = joined;
    waiting_.clear();
  }
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t plain = plain_size(bytes);
    const std::size_t size = plain > 0 ? plain : utf8_sequence_size(bytes);
    if (size > 0) {
      out.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
    } else if (may_continue(bytes)) {
      waiting_ = bytes;
      break;
    } else {
      out += replacement;
      bytes.remove_prefix(1);
    }
  }
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  if (!waiting_.empty()) out = replacement;
  waiting_.clear();
  return out;
}

void HeadAndTail::append(std::string_view text) {
  size_ += text.size();
  if (tail_.empty()) {
    const std::string_view fits = utf8_prefix(text, head_max_ - head_.size());
    head_ += fits;
    text.remove_prefix(fits.size());
  }
  if (text.size() > tail_max_) {
    tail_ = utf8_suffix(text, tail_max_);
    return;
  }
  tail_ += text;
  if (tail_.size() > 2 * tail_max_) tail_ = std::string(utf8_suffix(tail_, tail_max_));
}

std::string HeadAndTail::text() const {
  if (size_ <= head_.size() + std::min(tail_.size(), tail_max_)) return head_ + tail_;
  const std::string_view tail = utf8_suffix(tail_, tail_max_);
  return fmt::format("{}\n[... {} bytes omitted ...]\n{}", head_, size_ - head_.size() - tail.size(), tail);
}

void TerminalText::feed(std::string_view utf8) {
  while (!utf8.empty()) {
    // Most output is whole lines of plain text.
    if (state_ == State::text && line_.empty()) {
      const std::size_t plain = plain_size(utf8);
      if (plain < std::min(utf8.size(), line_characters_max) && utf8[plain] == '\n') {
        end_line(utf8.substr(0, plain + 1));
        utf8.remove_prefix(plain + 1);
        continue;
      }
      for (const char& c : utf8.substr(0, plain)) put_text({&c, 1});
      utf8.remove_prefix(plain);
      if (plain > 0) continue;
    }
    const std::size_t size = std::max<std::size_t>(utf8_sequence_size(utf8), 1);
    put(utf8.substr(0, size));
    utf8.remove_prefix(size);
  }
}

std::string TerminalText::text() const {
  HeadAndTail whole = kept_;
  whole.append(repeats());
  whole.append(unpacked(line_));
  return whole.text();
}

std::string TerminalText::take() {
  std::string taken = text();
  kept_ = HeadAndTail(head_max_, tail_max_);
  last_.clear();
  repeated_ = 0;
  line_.clear();
  cursor_ = 0;
  return taken;
}

void TerminalText::put(std::string_view character) {
  const char c = character[0];
  if (state_ == State::text) {
    if (c != '\x1B') return put_text(character);
    state_ = State::escape;
    sequence_size_ = 0;
    return;
  }
  if (++sequence_size_ > sequence_size_max) state_ = State::text;
  switch (state_) {
    case State::text: return put_text(character);
    case State::escape:
      if (c == '[') {
        state_ = State::control;
        parameters_.clear();
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::string;
      } else {
        state_ = c >= ' ' && c <= '/' ? State::escape_more : State::text;
      }
      return;
    case State::escape_more:
      if (c < ' ' || c > '/') state_ = State::text;
      return;
    case State::control:
      if (c < '@' || c > '~') {
        if (parameters_.size() < 16) parameters_ += c;
        return;
      }
      if (c == 'K') erase_line(parameters_);
      state_ = State::text;
      return;
    case State::string:
      if (c == '\a') state_ = State::text;
      if (c == '\x1B') state_ = State::string_escape;
      return;
    case State::string_escape:
      state_ = c == '\\' ? State::text : State::string;
      return;
  }
}

void TerminalText::put_text(std::string_view character) {
  const char c = character[0];
  if (c == '\n') return end_line(unpacked(line_).append("\n"));
  if (c == '\r') {
    cursor_ = 0;
    return;
  }
  if (c == '\b') {
    cursor_ -= cursor_ > 0;
    return;
  }
  const bool control = character.size() == 1 ? (c >= 0 && c < ' ' && c != '\t') || c == '\x7F'
                                             : character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0;
  if (control) return;
  if (cursor_ < line_.size()) {
    line_[cursor_] = packed(character);
  } else {
    line_ += packed(character);
  }
  ++cursor_;
  if (line_.size() >= line_characters_max) keep_line();
}

void TerminalText::erase_line(std::string_view parameters) {
  if (parameters.empty() || parameters == "0") {
    line_.resize(std::min(cursor_, line_.size()));
  } else if (parameters == "2") {
    line_.clear();
    cursor_ = 0;
  }
}

void TerminalText::end_line(std::string_view line) {
  line_.clear();
  cursor_ = 0;
  if (line == last_) {
    ++repeated_;
    return;
  }
  kept_.append(repeats());
  repeated_ = 0;
  kept_.append(line);
  last_ = line;
}

void TerminalText::keep_line() {
  kept_.append(repeats());
  repeated_ = 0;
  kept_.append(unpacked(line_));
  last_.clear();
  line_.clear();
  cursor_ = 0;
}

std::string TerminalText::repeats() const {
  if (repeated_ == 0) return {};
  std::string note = repeated_ == 1 ? "[the line above came once more]\n"
                                    : fmt::format("[the line above came {} times more]\n", repeated_);
  if (note.size() < repeated_ * last_.size()) return note;
  note.clear();
  for (std::size_t i = 0; i < repeated_; ++i) note += last_;
  return note;
}

std::string shown_text(std::string_view bytes) {
  if (plain_size(bytes) == bytes.size()) return std::string(bytes);
  // At most three bytes come of one.
  TerminalText text(3 * bytes.size() + 3, 0);
  Utf8Stream utf8;
  text.feed(utf8.feed(bytes));
  text.feed(utf8.finish());
  return text.text();
}

}  // namespace joey

// The output of a command as text: within bounds, and as a terminal would have left it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace joey {

// Bytes that arrive in pieces as UTF-8: a sequence cut by a piece's end waits for the next, what is not UTF-8 becomes
// U+FFFD.
class Utf8Stream {
 public:
  [[nodiscard]] std::string feed(std::string_view bytes);
  [[nodiscard]] std::string finish();  // what still waited

 private:
  std::string waiting_;  // at most three bytes
};

// The first and the last bytes of a text of any length.
class HeadAndTail {
 public:
  HeadAndTail(std::size_t head_max, std::size_t tail_max) : head_max_(head_max), tail_max_(tail_max) {}

  void append(std::string_view text);  // UTF-8; cut only between characters
  [[nodiscard]] std::size_t size() const { return size_; }  // of the whole text
  // The text; where bytes are missing a line says how many.
  [[nodiscard]] std::string text() const;

 private:
  std::size_t head_max_;
  std::size_t tail_max_;
  std::size_t size_{0};
  std::string head_;
  std::string tail_;  // up to twice tail_max_, so that it moves once in a while only
};

// What a screen shows of output: a carriage return and a backspace go back and are written over, escape sequences and
// other control characters vanish. A line that comes again and again is there once, and their number, where that is
// shorter. Memory: the bounds given, and two lines up to a limit.
class TerminalText {
 public:
  TerminalText(std::size_t head_max, std::size_t tail_max) : head_max_(head_max), tail_max_(tail_max), kept_(head_max, tail_max) {}

  void feed(std::string_view utf8);  // whole sequences, as Utf8Stream gives them
  [[nodiscard]] std::string text() const;
  // The text, which then is gone; a sequence cut by this goes on.
  [[nodiscard]] std::string take();
  [[nodiscard]] bool empty() const { return kept_.size() == 0 && line_.empty(); }

 private:
  enum class State : std::uint8_t { text, escape, escape_more, control, string, string_escape };

  void put(std::string_view character);
  void put_text(std::string_view character);
  void erase_line(std::string_view parameters);
  void end_line(std::string_view line);  // with its line feed
  void keep_line();                      // a piece of one that is too long
  [[nodiscard]] std::string repeats() const;

  std::size_t head_max_;
  std::size_t tail_max_;
  HeadAndTail kept_;
  std::string last_;           // the last line that ended, with its line feed; empty when what came after is no repeat
  std::size_t repeated_{0};    // lines equal to it that came after it and are not in kept_
  State state_{State::text};
  std::string parameters_;           // of the control sequence under way, cut
  std::size_t sequence_size_{0};     // bytes of the sequence under way
  std::u32string line_;              // each element the bytes of one character, the first in the lowest byte
  std::size_t cursor_{0};
};

// A line, or lines, of output as TerminalText shows them, whole and one by one.
[[nodiscard]] std::string shown_text(std::string_view bytes);

}  // namespace joey

#include "tool/line_window.hpp"

#include <algorithm>

namespace joey {
namespace {

constexpr std::size_t line_overhead = 4;  // bytes that a line takes besides its text, wherever it is shown

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

std::uint64_t count_characters(std::string_view text) {
  return static_cast<std::uint64_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::size_t size_of_characters(std::string_view text, std::uint64_t characters) {
  if (characters >= text.size()) return text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i]) && characters-- == 0) return i;
  }
  return text.size();
}

void LineWindow::append(std::string_view text) {
  while (!text.empty()) {
    if (complete_ || count_ < options_.first) {
      text = skip(text);
      continue;
    }
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    open_ = end == text.size();
    if (open_) return;
    end_line();
    ++count_;
    text.remove_prefix(end + 1);
  }
}

void LineWindow::finish() {
  if (open_) {
    if (taking_) end_line();
    ++count_;
  }
  open_ = false;
  complete_ = true;
}

// Passes over lines before the window or after it; what is left of `text`.
std::string_view LineWindow::skip(std::string_view text) {
  if (complete_) {
    if (taking_) {  // the window's last line goes on
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines_.back().characters += count_characters(text.substr(0, end));
      taking_ = end == text.size();
      if (taking_) return {};
    }
    count_ += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
    open_ = text.back() != '\n';
    return {};
  }
  while (!text.empty() && count_ < options_.first) {
    const std::size_t feed = text.find('\n');
    if (feed == std::string_view::npos) {
      open_ = true;
      return {};
    }
    ++count_;
    open_ = false;
    text.remove_prefix(feed + 1);
  }
  return text;
}

// A piece of the line in hand.
void LineWindow::take(std::string_view piece) {
  if (!taking_) lines_.emplace_back();
  taking_ = true;
  Line& line = lines_.back();
  const std::uint64_t passed = line.characters;
  line.characters += count_characters(piece);
  if (line.characters <= options_.column) return;
  if (passed < options_.column) piece.remove_prefix(size_of_characters(piece, options_.column - passed));
  const std::uint64_t shown = std::max(passed, options_.column) - options_.column;
  if (shown >= options_.characters_max) return;
  piece = piece.substr(0, size_of_characters(piece, options_.characters_max - shown));
  line.text += piece;
  bytes_ += piece.size();
  // No more of this line, and no line after it.
  complete_ = bytes_ > options_.bytes_max;
}

void LineWindow::end_line() {
  taking_ = false;
  bytes_ += line_overhead;
  complete_ = complete_ || lines_.size() >= options_.lines_max || bytes_ > options_.bytes_max;
}

}  // namespace joey

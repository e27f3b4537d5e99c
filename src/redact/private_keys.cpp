#include "redact/private_keys.hpp"

#include <algorithm>
#include <string_view>

namespace joey {
namespace {

constexpr std::string_view dashes = "-----";
constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view kind_mark = "PRIVATE KEY";
constexpr std::size_t begin_size_max = 80;
constexpr std::uint64_t key_size_max = 32U << 10;  // with whatever stands around its lines
constexpr std::uint64_t run_size_max = 16U << 10;
constexpr std::uint64_t first_line_min = 40;  // characters; shorter ones are words of a header, or of a text about keys
constexpr std::uint64_t line_min = 16;
constexpr unsigned header_words_max = 16;
constexpr unsigned words_between_max = 4;
constexpr std::uint64_t to_end_max = 32;      // from the last line, which may be short, to the END

bool is_base64(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

// The letter of \n, \r or \t.
bool is_escaped(const TextWindow& window, std::uint64_t at) {
  const unsigned char c = window.at(at);
  return (c == 'n' || c == 'r' || c == 't') && at > window.begin && window.at(at - 1) == '\\';
}

enum class Answer : std::uint8_t { no, yes, wait };

// Whether `text`, as far as it is there, begins with `mark`.
Answer begins_with(std::string_view text, std::string_view mark, bool last) {
  const std::size_t size = std::min(text.size(), mark.size());
  if (text.substr(0, size) != mark.substr(0, size)) return Answer::no;
  return size == mark.size() ? Answer::yes : last ? Answer::no : Answer::wait;
}

// Whether only what stands around lines is between `at` and the END.
Answer reaches_end(const TextWindow& window, std::uint64_t at) {
  for (const std::uint64_t stop = at + to_end_max; at < stop; ++at) {
    if (at == window.end()) return window.last ? Answer::no : Answer::wait;
    const unsigned char c = window.at(at);
    if (c == '-') {
      const Answer end = begins_with(window.from(at), dashes, window.last);
      if (end != Answer::no) return end;
    } else if (is_base64(c) && !is_escaped(window, at)) {
      return Answer::no;
    }
  }
  return Answer::no;
}

}  // namespace

void PrivateKeyScan::advance(const TextWindow& window, std::vector<SecretSpan>& found) {
  while (at_ < window.end()) {
    if (!(inside_ ? look_at_body(window, found) : look_for_begin(window))) return;
  }
}

bool PrivateKeyScan::look_for_begin(const TextWindow& window) {
  const std::string_view text = window.from(at_);
  const std::size_t dash = text.find('-');
  at_ += std::min(dash, text.size());
  if (dash == std::string_view::npos) return true;
  const std::string_view line = text.substr(dash);
  const Answer begins = begins_with(line, begin_mark, window.last);
  if (begins == Answer::wait) return false;
  if (begins == Answer::no) {
    ++at_;
    return true;
  }
  const std::string_view head = line.substr(0, begin_size_max);
  const std::size_t end = head.find(dashes, begin_mark.size());
  const bool broken = head.find('\n') < end;
  if (end == std::string_view::npos && !broken && head.size() < begin_size_max && !window.last) return false;
  at_ += begin_mark.size();
  if (end == std::string_view::npos || broken || head.substr(0, end).find(kind_mark) == std::string_view::npos) return true;
  at_ += end + dashes.size() - begin_mark.size();
  inside_ = true;
  began_ = at_;
  has_body_ = false;
  words_ = 0;
  return true;
}

bool PrivateKeyScan::look_at_body(const TextWindow& window, std::vector<SecretSpan>& found) {
  const unsigned char c = window.at(at_);
  const Answer ends = c == '-' ? begins_with(window.from(at_), dashes, window.last) : Answer::no;
  if (ends == Answer::wait) return false;
  if (ends == Answer::yes || at_ - began_ > key_size_max) {
    inside_ = false;
    return true;
  }
  if (!is_base64(c) || is_escaped(window, at_)) {
    ++at_;
    return true;
  }
  std::uint64_t& end = run_;
  end = std::max(end, at_);
  while (end < window.end() && end - at_ < run_size_max && is_base64(window.at(end))) ++end;
  if (end == window.end() && !window.last && end - at_ < run_size_max) return false;
  bool is_line = end - at_ >= (has_body_ ? line_min : first_line_min);
  if (!is_line && has_body_) {
    const Answer is_last_line = reaches_end(window, end);
    if (is_last_line == Answer::wait) return false;
    is_line = is_last_line == Answer::yes;
  }
  if (is_line) {
    found.push_back({at_, end, "private-key", false});
    has_body_ = true;
    words_ = 0;
  } else {
    inside_ = ++words_ <= (has_body_ ? words_between_max : header_words_max);
  }
  at_ = end;
  return true;
}

}  // namespace joey

#include "redact/readings.hpp"

#include <algorithm>
#include <optional>

namespace joey {
namespace {

// A needle with a longer gap in it is none: what is held back for it stays bounded.
constexpr std::uint64_t gap_max = 64;
constexpr std::size_t forget_at_min = 1024;

int hex_digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string utf8(std::uint32_t code) {
  std::string out;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
  return out;
}

// Bytes that the reading `bare` leaves out where `text` begins; nothing when that depends on what comes.
std::optional<std::size_t> left_out(std::string_view text, bool in_indentation, bool last) {
  switch (text.front()) {
    case '\'':
    case '"':
    case '\r':
    case '\n': return 1;
    case '\\':
      if (text.size() < 2 && !last) return std::nullopt;
      return text.size() > 1 && (text[1] == 'n' || text[1] == 'r') ? 2 : 1;
    case ' ':
    case '\t': return in_indentation ? 1 : 0;
    default: return 0;
  }
}

bool is_break(char c) { return c == '\n' || c == '\r'; }

struct Decoded {
  std::size_t size{1};  // bytes of text
  std::string bytes;    // empty: the one byte that is there
};

// What `text` begins with; nothing when that depends on what comes.
std::optional<Decoded> decode(std::string_view text, bool last) {
  const bool percent = text.front() == '%';
  if (!percent && text.front() != '\\') return Decoded{};
  const auto cut = [last] { return last ? std::optional(Decoded{}) : std::nullopt; };
  if (!percent) {
    if (text.size() < 2) return cut();
    constexpr std::string_view themselves = "\"\\/'";
    if (themselves.find(text[1]) != std::string_view::npos) return Decoded{2, std::string(1, text[1])};
    if (text[1] != 'u') return Decoded{};
  }
  const std::size_t size = percent ? 3 : 6;
  std::uint32_t code = 0;
  for (std::size_t i = percent ? 1 : 2; i < size; ++i) {
    if (i == text.size()) return cut();
    const int digit = hex_digit(static_cast<unsigned char>(text[i]));
    if (digit < 0) return Decoded{};
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return Decoded{size, percent ? std::string(1, static_cast<char>(code)) : utf8(code)};
}

}  // namespace

std::string bare_text(std::string_view text) {
  std::string out;
  bool in_indentation = false;
  while (!text.empty()) {
    const std::size_t size = *left_out(text, in_indentation, true);
    if (size == 0) out += text.front();
    in_indentation = is_break(text.front()) || (in_indentation && size > 0);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

void ReadingScan::advance(const TextWindow& window, std::vector<SecretSpan>& found) {
  switch (reading_) {
    case Reading::plain: return advance_plain(window, found);
    case Reading::bare: return advance_bare(window, found);
    case Reading::decoded: return advance_decoded(window, found);
  }
}

void ReadingScan::advance_plain(const TextWindow& window, std::vector<SecretSpan>& found) {
  while (at_ < window.end()) {
    state_ = needles_->next(state_, window.at(at_++));
    if (needles_->match(state_) > 0) report(found);
  }
}

void ReadingScan::advance_bare(const TextWindow& window, std::vector<SecretSpan>& found) {
  while (at_ < window.end()) {
    const std::string_view text = window.from(at_);
    const auto size = left_out(text, in_indentation_, window.last);
    if (!size) return;
    in_indentation_ = is_break(text.front()) || (in_indentation_ && *size > 0);
    if (*size > 0) {
      at_ += *size;
      skip(*size);
      continue;
    }
    ++at_;
    step(window.at(at_ - 1));
    if (needles_->match(state_) > 0) report(found);
  }
}

void ReadingScan::advance_decoded(const TextWindow& window, std::vector<SecretSpan>& found) {
  while (at_ < window.end()) {
    if (const unsigned char c = window.at(at_); c != '%' && c != '\\') {
      ++at_;
      step(c);
      if (needles_->match(state_) > 0) report(found);
      continue;
    }
    const auto decoded = decode(window.from(at_), window.last);
    if (!decoded) return;
    at_ += decoded->size;
    if (decoded->bytes.empty()) {
      step(window.at(at_ - 1));
    } else {
      for (const char c : decoded->bytes) step(static_cast<unsigned char>(c));
      skip(decoded->size - decoded->bytes.size());
    }
    skipped_in_row_ = 0;
    if (needles_->match(state_) > 0) report(found);
  }
}

void ReadingScan::skip(std::uint64_t size) {
  if (state_ == Needles::start) return;
  skipped_in_row_ += size;
  skipped_.push_back({at_, size});
  if (skipped_in_row_ > gap_max) {
    state_ = Needles::start;
    skipped_.clear();
  }
  if (skipped_.size() < forget_at_) return;
  const std::uint64_t start = start_of(needles_->depth(state_));
  std::erase_if(skipped_, [start](const Skipped& skipped) { return skipped.end <= start; });
  forget_at_ = std::max(forget_at_min, 2 * skipped_.size());
}

void ReadingScan::step(unsigned char byte) {
  state_ = needles_->next(state_, byte);
  skipped_in_row_ = 0;
  if (state_ == Needles::start) skipped_.clear();
}

void ReadingScan::report(std::vector<SecretSpan>& found) const {
  found.push_back({start_of(needles_->match(state_)), at_, needles_->name(state_), true});
}

std::uint64_t ReadingScan::start_of(std::uint64_t size) const {
  std::uint64_t start = at_ - size;
  for (auto skipped = skipped_.rbegin(); skipped != skipped_.rend() && skipped->end > start; ++skipped) {
    start -= skipped->size;
  }
  return start;
}

}  // namespace joey

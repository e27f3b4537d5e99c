#include "provider/sse.hpp"

#include <algorithm>
#include <cstring>

namespace joey {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t field_bytes_max = 8;  // "data: " and "event: ", which are not counted as an event's bytes

std::size_t find(std::string_view text, char c, std::size_t from) {
  if (from >= text.size()) return text.size();
  const void* found = std::memchr(text.data() + from, c, text.size() - from);
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : text.size();
}

// `text`, which lies elsewhere, from now on in `store`.
std::string_view keep(std::string& store, std::string_view text) {
  store.clear();
  store.append(text);
  return store;
}

}  // namespace

void SseParser::feed(std::string_view bytes) {
  piece_ = bytes;
  position_ = 0;
  while (bom_ < byte_order_mark.size() && position_ < piece_.size()) {
    if (piece_[position_] == byte_order_mark[bom_]) {
      ++bom_;
      ++position_;
    } else {
      keep(line_, byte_order_mark.substr(0, bom_));  // it was none after all
      bom_ = byte_order_mark.size();
    }
  }
  lf_ = find(piece_, '\n', position_);
  cr_ = find(piece_, '\r', position_);
}

std::optional<Frame> SseParser::next() {
  while (!too_large_) {
    if (after_cr_ && position_ < piece_.size()) {
      after_cr_ = false;
      if (piece_[position_] == '\n') ++position_;
    }
    if (lf_ < position_) lf_ = find(piece_, '\n', position_);
    if (cr_ < position_) cr_ = find(piece_, '\r', position_);
    const std::size_t end = std::min(lf_, cr_);
    if (end == piece_.size()) {
      carry_over();
      return std::nullopt;
    }
    std::string_view line = piece_.substr(position_, end - position_);
    position_ = end + 1;
    after_cr_ = end == cr_;
    const bool carried = !line_.empty();
    if (carried) {
      line_ += line;
      line = line_;
    }
    if (line.empty()) {
      if (auto event = close_event()) return event;
      continue;
    }
    take_line(line, carried);
    line_.clear();
  }
  return std::nullopt;
}

std::optional<Frame> SseParser::finish() {
  piece_ = {};
  position_ = lf_ = cr_ = 0;
  if (too_large_) return std::nullopt;
  if (!line_.empty()) take_line(line_, true);
  line_.clear();
  if (too_large_) return std::nullopt;
  return close_event();
}

void SseParser::take_line(std::string_view line, bool carried) {
  if (line.size() > event_bytes_max_ + field_bytes_max) {
    too_large_ = true;
    return;
  }
  const std::size_t colon = find(line, ':', 0);
  const std::string_view field = line.substr(0, colon);
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    take_data(value, carried);
  } else if (field == "event") {
    name_ = carried ? keep(name_store_, value) : value;
  }
}

void SseParser::take_data(std::string_view value, bool carried) {
  if ((has_data_ ? data_.size() + 1 : 0) + value.size() > event_bytes_max_) {
    too_large_ = true;
  } else if (has_data_) {
    if (data_.data() != data_store_.data()) keep(data_store_, data_);
    data_store_ += '\n';
    data_store_ += value;
    data_ = data_store_;
  } else {
    data_ = carried ? keep(data_store_, value) : value;
    has_data_ = true;
  }
}

// The piece is about to go: keeps what is unfinished of it.
void SseParser::carry_over() {
  line_ += piece_.substr(position_);
  if (line_.size() > event_bytes_max_ + field_bytes_max) too_large_ = true;
  if (data_.data() != data_store_.data()) data_ = keep(data_store_, data_);
  if (name_.data() != name_store_.data()) name_ = keep(name_store_, name_);
  piece_ = {};
  position_ = lf_ = cr_ = 0;
}

std::optional<Frame> SseParser::close_event() {
  Frame event{name_, data_, 0};
  const bool whole = has_data_;
  if (whole && data_.data() != data_store_.data()) {
    event.slack = static_cast<std::size_t>(piece_.data() + piece_.size() - (data_.data() + data_.size()));
  }
  name_ = data_ = {};
  has_data_ = false;
  if (!whole) return std::nullopt;
  return event;
}

}  // namespace joey

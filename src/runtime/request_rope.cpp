#include "runtime/request_rope.hpp"

#include <algorithm>
#include <utility>

namespace joey {
namespace {

constexpr std::size_t chunk_bytes_max = 128U << 10;

}  // namespace

RequestRope::RequestRope(std::shared_ptr<const Provider> provider, ImageLimits images)
    : provider_(std::move(provider)),
      image_limits_(std::move(images)),
      images_(image_limits_),
      images_before_(image_limits_),
      tail_(std::make_shared<const std::string>(provider_->encode_tail())) {}

void RequestRope::set_head(RequestHead head) {
  head_ = std::move(head);
  digester_ = Digester();
  digester_.update(*head_);
  for (const auto& chunk : settled_) digester_.update(*chunk);
}

void RequestRope::append(const Message& message) {
  settle_open();
  const bool first = settled_bytes_ == 0;
  if (message.role == Role::user) {
    open_first_ = first;
    has_open_ = true;
    images_before_ = images_;
    open(message);
  } else {
    std::string bytes;
    const auto fitted = images_.fitted(message);
    provider_->encode_message(fitted ? *fitted : message, first, bytes);
    settle(bytes);
    answer_blocks_ = message.blocks.size();
  }
}

void RequestRope::replace_last(const Message& message) { open(message); }

void RequestRope::open(const Message& message) {
  open_.clear();
  images_ = images_before_;
  const auto fitted = images_.fitted(message);
  const Message& shown = fitted ? *fitted : message;
  provider_->encode_message(shown, open_first_, open_);
  last_.clear();
  provider_->encode_last(shown, open_first_, answer_blocks_, last_);
}

void RequestRope::restart(std::span<const Message> messages) {
  settled_.clear();
  settled_bytes_ = 0;
  has_open_ = false;
  answer_blocks_ = 0;
  images_ = images_before_ = ImageFitter(image_limits_);
  digester_ = Digester();
  if (head_) digester_.update(*head_);
  for (const Message& message : messages) append(message);
}

std::size_t RequestRope::common_bytes(const BodyRope& a, const BodyRope& b) {
  std::size_t common = 0, piece_a = 0, piece_b = 0, at_a = 0, at_b = 0;
  while (piece_a < a.size() && piece_b < b.size()) {
    const std::string_view rest_a = std::string_view(*a[piece_a]).substr(at_a);
    const std::string_view rest_b = std::string_view(*b[piece_b]).substr(at_b);
    const std::size_t size = std::min(rest_a.size(), rest_b.size());
    const auto differs = std::mismatch(rest_a.begin(), rest_a.begin() + static_cast<std::ptrdiff_t>(size), rest_b.begin());
    const auto same = static_cast<std::size_t>(differs.first - rest_a.begin());
    common += same;
    if (same < size) break;
    at_a = size == rest_a.size() ? (++piece_a, 0) : at_a + size;
    at_b = size == rest_b.size() ? (++piece_b, 0) : at_b + size;
  }
  return common;
}

RequestRope::Request RequestRope::request() const {
  Request request;
  Digester digester = digester_;
  request.body.reserve(settled_.size() + 3);
  request.body.push_back(head_);
  for (const auto& chunk : settled_) request.body.push_back(chunk);
  if (has_open_) {
    const std::string& open = last_.empty() ? open_ : last_;
    request.body.push_back(std::make_shared<const std::string>(open));
    digester.update(open);
  }
  request.body.push_back(tail_);
  digester.update(*tail_);
  request.digest = digester.finish();
  for (const auto& piece : request.body) request.bytes += piece->size();
  return request;
}

void RequestRope::settle_open() {
  if (!has_open_) return;
  has_open_ = false;
  settle(open_);
  open_ = {};
  last_ = {};
}

// A chunk that a request still holds does not change: the bytes go to a new one.
void RequestRope::settle(std::string_view bytes) {
  settled_bytes_ += bytes.size();
  digester_.update(bytes);
  if (settled_.empty() || settled_.back().use_count() > 1 || settled_.back()->size() + bytes.size() > chunk_bytes_max) {
    merge_chunks();
    settled_.push_back(std::make_shared<std::string>());
  }
  settled_.back()->append(bytes);
}

// Joins the last chunk with those before it until the next is more than twice as large, or the result would be too large.
// Answers come while their request is still held, so every turn starts a chunk: this way a conversation is its whole
// chunks and a few of falling size, and each byte is copied a few times at most.
void RequestRope::merge_chunks() {
  if (settled_.size() < 2) return;
  std::size_t first = settled_.size() - 1;
  std::size_t size = settled_[first]->size();
  while (first > 0) {
    const std::size_t before = settled_[first - 1]->size();
    if (before > 2 * size || before + size > chunk_bytes_max) break;
    size += before;
    --first;
  }
  if (first + 1 == settled_.size()) return;
  auto merged = std::make_shared<std::string>();
  merged->reserve(size);
  for (std::size_t i = first; i < settled_.size(); ++i) merged->append(*settled_[i]);
  settled_.resize(first);
  settled_.push_back(std::move(merged));
}

}  // namespace joey

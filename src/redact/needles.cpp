#include "redact/needles.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "redact/placeholder.hpp"
#include "redact/readings.hpp"
#include "redact/redact.hpp"

namespace joey {
namespace {

// The characters of base64 that `value` alone decides when `before` bytes of its group come from what is before it.
std::string base64_inside(std::string_view value, std::size_t before) {
  std::string text = encode_base64(std::string(before, '\0') + std::string(value));
  const std::size_t bits = 8 * (before + value.size());
  const std::size_t first = (8 * before + 5) / 6;
  return text.substr(first, bits / 6 - first);
}

std::string url_safe(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// A form writes spaces so; the rest is percent-encoding, which a reading undoes.
std::string form_encoded(std::string_view value) {
  std::string text(value);
  std::replace(text.begin(), text.end(), ' ', '+');
  return text;
}

std::string hexadecimal(std::string_view value, std::string_view digits) {
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace

Needles::Needles(std::span<const KnownSecret> secrets) : nodes_(1) {
  for (const KnownSecret& secret : secrets) {
    const auto index = static_cast<std::uint16_t>(names_.size());
    names_.push_back(placeholder_name(secret.name));
    const std::string_view value = trim(secret.value);
    add_all(value, index);
    if (value.find('\n') == std::string_view::npos) continue;
    for (const std::string_view line : split_lines(value)) add_all(trim(line), index);
  }
  nodes_.shrink_to_fit();
  link();
}

void Needles::add_all(std::string_view value, std::uint16_t secret) {
  if (value.size() < known_secret_size_min) return;
  add(value, secret);
  add(bare_text(value), secret);
  add(form_encoded(value), secret);
  for (const std::size_t before : {0U, 1U, 2U}) {
    const std::string text = base64_inside(value, before);
    add(text, secret);
    add(url_safe(text), secret);
  }
  add(hexadecimal(value, "0123456789abcdef"), secret);
  add(hexadecimal(value, "0123456789ABCDEF"), secret);
}

void Needles::add(std::string_view needle, std::uint16_t secret) {
  if (needle.size() < known_secret_size_min) return;
  State state = start;
  for (const char c : needle) {
    const auto byte = static_cast<unsigned char>(c);
    State child = state == start ? first_[byte] : find_child(state, byte);
    if (child == start) {
      child = static_cast<State>(nodes_.size());
      Node node;
      node.byte = byte;
      node.depth = nodes_[state].depth + 1;
      node.sibling = nodes_[state].child;
      nodes_.push_back(node);
      nodes_[state].child = child;
      if (state == start) first_[byte] = child;
    }
    state = child;
  }
  if (nodes_[state].match == 0) nodes_[state].secret = secret;
  nodes_[state].match = nodes_[state].depth;
}

// Where to go on when the next byte is none of a node's: to the longest end of what has come that begins a needle.
// Level by level, as a fallback is always of a level above.
void Needles::link() {
  std::vector<State> level;
  for (State child = nodes_[start].child; child != start; child = nodes_[child].sibling) level.push_back(child);
  for (std::size_t i = 0; i < level.size(); ++i) {
    const State state = level[i];
    for (State child = nodes_[state].child; child != start; child = nodes_[child].sibling) {
      Node& node = nodes_[child];
      node.fallback = next(nodes_[state].fallback, node.byte);
      if (const Node& fallback = nodes_[node.fallback]; node.match == 0 && fallback.match > 0) {
        node.match = fallback.match;
        node.secret = fallback.secret;
      }
      level.push_back(child);
    }
  }
}

}  // namespace joey

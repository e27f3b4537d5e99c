#include "redact/placeholder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.hpp"

namespace joey {
namespace {

constexpr std::string_view opening = "[secret:";
constexpr std::size_t name_size_max = 40;
constexpr std::size_t tag_size = 8;
constexpr std::string_view host_opening = "joey-secret-";
constexpr std::size_t host_tag_size = 32;

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// The size of the placeholder that `text` begins with; 0 for none.
std::size_t placeholder_size(std::string_view text) {
  if (!text.starts_with(opening)) return 0;
  std::size_t at = opening.size();
  while (at < text.size() && is_name(text[at])) ++at;
  const std::size_t name_size = at - opening.size();
  if (name_size == 0 || name_size > name_size_max) return 0;
  const std::string_view rest = text.substr(at);
  if (rest.size() < tag_size + 2 || rest[0] != ':' || rest[tag_size + 1] != ']') return 0;
  const std::string_view tag = rest.substr(1, tag_size);
  return std::all_of(tag.begin(), tag.end(), is_hex) ? at + tag_size + 2 : 0;
}

std::string_view bytes_of(const RedactionKey& key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

}  // namespace

std::string placeholder(const RedactionKey& key, std::string_view name, std::string_view secret) {
  const std::string tag = keyed_digest(bytes_of(key), secret).substr(0, tag_size);
  return std::string(opening).append(name).append(":").append(tag).append("]");
}

std::string host_placeholder(const RedactionKey& key, std::string_view name, std::string_view secret) {
  // Its digits must say nothing of the tag of placeholder(): the name's size keeps the two texts apart.
  const std::string named = fmt::format("{} {}{}", name.size(), name, secret);
  return std::string(host_opening).append(keyed_digest(bytes_of(key), named).substr(0, host_tag_size));
}

bool has_host_placeholder(std::string_view text) {
  for (std::size_t at = text.find(host_opening); at != std::string_view::npos; at = text.find(host_opening, at + 1)) {
    const std::string_view tag = text.substr(at + host_opening.size(), host_tag_size);
    if (tag.size() == host_tag_size && std::all_of(tag.begin(), tag.end(), is_hex)) return true;
  }
  return false;
}

std::string placeholder_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, name_size_max)) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    out += is_name(lower) ? lower : '-';
  }
  return out.empty() ? "secret" : out;
}

std::string_view find_placeholder(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find(opening, from); at != std::string_view::npos; at = text.find(opening, at + 1)) {
    if (const std::size_t size = placeholder_size(text.substr(at)); size > 0) return text.substr(at, size);
  }
  return text.substr(text.size());
}

}  // namespace joey

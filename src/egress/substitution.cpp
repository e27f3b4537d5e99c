#include "egress/substitution.hpp"

#include <fmt/format.h>
#include <string.h>  // memmem

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace joey::egress {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

std::vector<std::size_t> borders_of(std::string_view text) {
  std::vector<std::size_t> borders(text.size(), 0);
  for (std::size_t i = 1, length = 0; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = borders[length - 1];
    if (text[i] == text[length]) ++length;
    borders[i] = length;
  }
  return borders;
}

}  // namespace

std::vector<HostSecret> approved_secrets(const std::vector<HostSecret>& secrets, const HostPort& host) {
  std::vector<HostSecret> approved;
  std::copy_if(secrets.begin(), secrets.end(), std::back_inserter(approved),
               [&](const HostSecret& secret) { return secret.hosts.judge(host).allowed; });
  return approved;
}

std::string spelled(std::string_view value, Spelling spelling) {
  switch (spelling) {
    case Spelling::plain: break;
    case Spelling::percent: return percent_encoded(value, "-._~:");
    case Spelling::json: {
      std::string out;
      append_json_escaped(out, value);
      return out;
    }
  }
  return std::string(value);
}

Substitution::Substitution(std::vector<Replacement> replacements) {
  // Of those that begin at the same place the first is taken.
  std::stable_sort(replacements.begin(), replacements.end(),
                   [](const Replacement& a, const Replacement& b) { return a.from.size() > b.from.size(); });
  for (Replacement& replacement : replacements) {
    auto borders = borders_of(replacement.from);
    patterns_.push_back({std::move(replacement), std::move(borders)});
  }
}

void Substitution::feed(std::string_view bytes, std::string& out) {
  pending_ += bytes;
  take(undecided_from(), out);
}

void Substitution::finish(std::string& out) {
  take(pending_.size(), out);
  pending_.clear();
}

std::string Substitution::replace(std::string_view text) {
  std::string out;
  feed(text, out);
  finish(out);
  return out;
}

std::size_t Substitution::find(const Pattern& pattern, std::size_t from) const {
  const std::string& wanted = pattern.replacement.from;
  const void* found = ::memmem(pending_.data() + from, pending_.size() - from, wanted.data(), wanted.size());  // linear
  return found == nullptr ? std::string::npos : static_cast<std::size_t>(static_cast<const char*>(found) - pending_.data());
}

// Where what may still become a pattern begins.
std::size_t Substitution::undecided_from() const {
  std::size_t from = pending_.size();
  for (const Pattern& pattern : patterns_) {
    const std::string& wanted = pattern.replacement.from;
    std::size_t length = 0;
    for (std::size_t i = pending_.size() - std::min(pending_.size(), wanted.size() - 1); i < pending_.size(); ++i) {
      while (length > 0 && pending_[i] != wanted[length]) length = pattern.borders[length - 1];
      if (pending_[i] == wanted[length]) ++length;
    }
    from = std::min(from, pending_.size() - length);
  }
  return from;
}

// Everything that begins before `limit`.
void Substitution::take(std::size_t limit, std::string& out) {
  std::size_t at = 0;
  std::vector<std::size_t> next(patterns_.size());
  for (std::size_t i = 0; i < patterns_.size(); ++i) next[i] = find(patterns_[i], 0);
  while (true) {
    const auto first = std::min_element(next.begin(), next.end());  // the first of equal ones: the longest
    if (first == next.end() || *first >= limit) break;
    const Replacement& replacement = patterns_[static_cast<std::size_t>(first - next.begin())].replacement;
    out.append(pending_, at, *first - at).append(replacement.to);
    used_.insert(replacement.name);
    at = *first + replacement.from.size();
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (next[i] < at) next[i] = find(patterns_[i], at);
    }
  }
  if (at < limit) {
    out.append(pending_, at, limit - at);
    at = limit;
  }
  pending_.erase(0, at);
}

std::vector<Replacement> revealing(const std::vector<HostSecret>& secrets, Spelling spelling) {
  std::vector<Replacement> replacements;
  for (const HostSecret& secret : secrets) replacements.push_back({secret.placeholder, spelled(secret.value, spelling), secret.name});
  return replacements;
}

std::vector<Replacement> concealing(const std::vector<HostSecret>& secrets) {
  std::vector<Replacement> replacements;
  for (const HostSecret& secret : secrets) {
    const std::string percent = percent_encoded(secret.value);
    const std::string json = spelled(secret.value, Spelling::json);
    const std::string lower = percent_encoded(secret.value, "-._~", "0123456789abcdef");
    const std::set<std::string> spellings{secret.value, spelled(secret.value, Spelling::percent), percent, lower,
                                          replaced(percent, "%20", "+"), json, replaced(json, "/", "\\/")};
    for (const std::string& spelling : spellings) replacements.push_back({spelling, secret.placeholder, secret.name});
  }
  return replacements;
}

}  // namespace joey::egress

#include "request.hpp"

#include <cstring>

#include "http.hpp"
#include "text.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace scripted {

namespace {

constexpr auto npos = std::string_view::npos;

static_assert(http_body_padding >= simdjson::SIMDJSON_PADDING);

// As json.find(word, from) for a `word` of at most 32 bytes, at the speed of memory: candidates are places where both
// its first byte and the one before its closing quote fit.
std::size_t find_word(std::string_view json, std::string_view word, std::size_t from) {
#if defined(__SSE2__)
  const std::size_t far = word.size() - 2;
  const __m128i first = _mm_set1_epi8(word[0]);
  const __m128i second = _mm_set1_epi8(word[far]);
  for (; from + word.size() + 16 <= json.size(); from += 16) {
    const auto* at = reinterpret_cast<const __m128i*>(json.data() + from);
    const auto* at_far = reinterpret_cast<const __m128i*>(json.data() + from + far);
    const __m128i fits = _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(at), first),
                                       _mm_cmpeq_epi8(_mm_loadu_si128(at_far), second));
    for (auto mask = static_cast<unsigned>(_mm_movemask_epi8(fits)); mask != 0; mask &= mask - 1) {
      const std::size_t candidate = from + static_cast<std::size_t>(__builtin_ctz(mask));
      if (std::memcmp(json.data() + candidate, word.data(), word.size()) == 0) return candidate;
    }
  }
#endif
  return json.find(word, from);
}

std::size_t skip_space(std::string_view json, std::size_t at) {
  while (at < json.size() && is_space(json[at])) ++at;
  return at;
}

// Whether `"role":` stands before `at`. Within a string its quotes would be escaped, so this is the key itself.
bool follows_role_key(std::string_view json, std::size_t at) {
  const auto back_over_space = [&] {
    while (at > 0 && is_space(json[at - 1])) --at;
  };
  back_over_space();
  if (at == 0 || json[at - 1] != ':') return false;
  --at;
  back_over_space();
  return json.substr(0, at).ends_with("\"role\"");
}

// Whether `key`, with its quotes, is set to true somewhere in `json`.
bool has_flag(std::string_view json, std::string_view key) {
  for (std::size_t at = 0; (at = find_word(json, key, at)) != npos; ++at) {
    std::size_t next = skip_space(json, at + key.size());
    if (next == json.size() || json[next] != ':') continue;
    next = skip_space(json, next + 1);
    if (json.substr(next).starts_with("true")) return true;
  }
  return false;
}

// The offset of the first element of `messages`, npos when there is none.
std::size_t find_messages(std::string_view json) {
  static constexpr std::string_view key = "\"messages\"";
  for (std::size_t at = 0; (at = find_word(json, key, at)) != npos; ++at) {
    std::size_t next = skip_space(json, at + key.size());
    if (next == json.size() || json[next] != ':') continue;
    next = skip_space(json, next + 1);
    if (next < json.size() && json[next] == '[') return skip_space(json, next + 1);
  }
  return npos;
}

void append_text(std::string& into, simdjson::dom::element content) {
  std::string_view text;
  if (content.get(text) == simdjson::SUCCESS) {
    into += text;
    return;
  }
  simdjson::dom::array blocks;
  if (content.get(blocks) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element block : blocks) {
    if (block["text"].get(text) == simdjson::SUCCESS) into += text;
  }
}

}  // namespace

std::optional<Refusal> scan(std::string_view body, Facts& facts) {
  thread_local simdjson::dom::parser parser;
  facts.raw = true;
  facts.first_user.clear();

  const std::size_t messages = find_messages(body);
  if (messages == npos) return Refusal{"messages: Field required", "messages", ""};

  // The messages up to the first one of the user, which are few and small.
  std::size_t head_end = messages;
  while (head_end < body.size() && body[head_end] == '{') {
    std::size_t error_at = 0;
    const std::size_t end = skip_value(body, head_end, error_at);
    simdjson::dom::element message;
    std::string_view role;
    if (end == npos || parser.parse(body.data() + head_end, end - head_end, false).get(message) != simdjson::SUCCESS ||
        message["role"].get(role) != simdjson::SUCCESS) {
      return Refusal{"messages: not valid JSON", "messages", ""};
    }
    if (role == "user") {
      if (simdjson::dom::element content; message["content"].get(content) == simdjson::SUCCESS) {
        append_text(facts.first_user, content);
      }
      head_end = end;
      break;
    }
    head_end = skip_space(body, end);
    if (head_end < body.size() && body[head_end] == ',') head_end = skip_space(body, head_end + 1);
  }
  facts.system = body.substr(0, head_end);

  static constexpr std::string_view assistant = "\"assistant\"";
  facts.turn = 1;
  std::size_t latest = messages;
  for (std::size_t at = messages; (at = find_word(body, assistant, at)) != npos; at += assistant.size()) {
    if (!follows_role_key(body, at)) continue;
    ++facts.turn;
    latest = at;
  }
  facts.latest = body.substr(latest);

  const std::string_view before = body.substr(0, messages);
  const std::string_view after = body.substr(facts.turn == 1 ? head_end : latest);
  facts.stream = has_flag(before, "\"stream\"") || has_flag(after, "\"stream\"");
  facts.usage_in_stream = has_flag(before, "\"include_usage\"") || has_flag(after, "\"include_usage\"");
  return std::nullopt;
}

}  // namespace scripted

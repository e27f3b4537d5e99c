#include "core/injection.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t excerpt_max = 200;  // bytes

// One alternation, so that one pass finds the first of them. Words may be apart by any white space, line ends too.
constexpr const char* injection_pattern =
    R"((?i))"
    // Orders that set aside the others.
    R"((?:\b(?:ignore|disregard|forget|override|bypass)\s+(?:all\s+|any\s+|everything\s+)?(?:of\s+)?(?:the\s+|your\s+|these\s+|those\s+|my\s+)?)"
    R"((?:previous|prior|above|earlier|preceding|foregoing|existing|original|system|safety)\s+)"
    R"((?:instructions?|prompts?|rules?|messages?|directions?|commands?|context|guidelines?|constraints?)\b)"
    R"(|\bnew\s+(?:system\s+)?instructions?\s+(?:for\s+(?:the\s+)?(?:ai|assistant|agent|model|llm)\b|follow\b|are\b))"
    // Words to a model about itself.
    R"(|\b(?:attention|note|important|message|instructions?)\s*(?:to|for|:)\s*(?:the\s+|all\s+|any\s+)?(?:ai|llm|language\s+model|assistant|coding\s+agent)s?\b)"
    R"(|\bif\s+you\s+are\s+an?\s+(?:ai|llm|language\s+model|assistant|coding\s+agent)\b)"
    R"(|\byou\s+are\s+now\s+(?:in\s+)?(?:an?\s+)?(?:unrestricted|jailbroken|developer\s+mode|dan\b|root|admin))"
    // Secrecy before the person.
    R"(|\b(?:do\s+not|don'?t|never)\s+(?:tell|inform|alert|notify|mention\s+(?:this|it)\s+to|reveal\s+(?:this|it)\s+to|show\s+(?:this|it)\s+to)\s+the\s+(?:user|person|human|developer)\b)"
    R"(|\bwithout\s+(?:telling|informing|asking|notifying)\s+the\s+(?:user|person|human|developer)\b)"
    // The marks between messages.
    R"(|<\|(?:im_start|im_end|system|assistant|user|endoftext)\|>|\[/?INST\]|<</?SYS>>|<\/?(?:system|system[-_]prompt|user_message|system[-_]reminder)>)"
    R"(|(?:^|\n)\s*(?:human|assistant|system)\s*:\s*\n)"
    // Letters nobody sees: tag characters.
    R"(|[\x{E0020}-\x{E007E}]{4,}))";

const RE2& pattern() {
  static const RE2 compiled(injection_pattern);
  return compiled;
}

}  // namespace

std::optional<std::string> find_instructions(std::string_view text) {
  re2::StringPiece found;
  if (!pattern().Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::UNANCHORED, &found, 1)) return std::nullopt;
  const auto at = static_cast<std::size_t>(found.data() - text.data());
  std::string excerpt = to_utf8(utf8_prefix(text.substr(at, std::max(found.size(), excerpt_max)), excerpt_max));
  for (char& c : excerpt) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return excerpt;
}

}  // namespace joey

#include "core/command_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace joey {
namespace {

using Words = std::span<const ShellWord>;

// Takes the next word off a rule; empty at its end.
std::string_view next_word(std::string_view& rule) {
  const std::size_t begin = std::min(rule.find_first_not_of(" \t"), rule.size());
  rule.remove_prefix(begin);
  const std::string_view word = rule.substr(0, std::min(rule.find_first_of(" \t"), rule.size()));
  rule.remove_prefix(word.size());
  return word;
}

std::string_view without_directory(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// How many words of `rule` the command begins with, if it begins with all of them.
std::optional<std::size_t> begins_with(Words words, std::string_view rule) {
  std::size_t count = 0;
  for (std::string_view word = next_word(rule); !word.empty(); word = next_word(rule), ++count) {
    if (count >= words.size() || !words[count].is_static || words[count].text != word) return std::nullopt;
  }
  return count == 0 ? std::nullopt : std::optional(count);
}

enum class Match : std::uint8_t { no, maybe, yes };

bool is_option(std::string_view word) { return word.size() > 1 && word[0] == '-'; }
bool is_short_option(std::string_view word) { return is_option(word) && word[1] != '-'; }

// Whether the words have all letters of a short option, in whatever grouping: -rf is in "-r x -vf".
bool has_short_options(Words words, std::string_view wanted) {
  return std::all_of(wanted.begin() + 1, wanted.end(), [&](char letter) {
    return std::any_of(words.begin(), words.end(), [&](const ShellWord& word) {
      return word.is_static && is_short_option(word.text) && word.text.find(letter, 1) != std::string::npos;
    });
  });
}

// Whether a rule that denies or asks fits: maybe when words that are known only when the command runs may make it fit.
Match stops(Words words, std::string_view rule) {
  std::string_view wanted = next_word(rule);
  if (wanted == "*" && next_word(rule).empty()) return Match::yes;
  if (wanted.empty() || without_directory(words[0].text) != without_directory(wanted)) return Match::no;
  Match match = Match::yes;
  std::size_t i = 1;
  for (wanted = next_word(rule); !wanted.empty(); wanted = next_word(rule)) {
    if (is_short_option(wanted) && has_short_options(words.subspan(i), wanted)) continue;
    bool found = false;
    for (std::size_t at = i; at < words.size() && !found; ++at) {
      const ShellWord& word = words[at];
      const bool fits = word.is_static ? word.text == wanted : word.splits || wanted.starts_with(word.text);
      if (fits) {
        if (!word.is_static) match = Match::maybe;
        found = true;
        // An expansion may hold what comes next in the rule as well.
        if (!is_option(wanted)) i = word.splits ? at : at + 1;
      } else if (!is_option(wanted) && !(word.is_static && word.text.starts_with('-')) &&
                 !(at > i && words[at - 1].text.starts_with('-'))) {
        break;  // neither an option nor what may be its value
      }
    }
    if (!found) return Match::no;
  }
  return match;
}

class Judge {
 public:
  Judge(const CommandRules& rules, const CommandFiles& files) : rules_(rules), files_(files) {}

  PolicyDecision operator()(const ShellPart& part) const {
    std::optional<PolicyDecision> stopped = stop(part, rules_.deny, Verdict::deny);
    PolicyDecision decision = stopped ? *std::move(stopped) : judge(part);
    return files_.may_name ? stricter(std::move(decision), named_files(part)) : decision;
  }

 private:
  PolicyDecision judge(const ShellPart& part) const {
    if (auto stopped = stop(part, rules_.ask, Verdict::ask)) return *std::move(stopped);
    switch (part.kind) {
      case ShellPart::Kind::command: return command(part);
      case ShellPart::Kind::redirect: return redirect(part);
      case ShellPart::Kind::assignment:
        return {part.is_harmless ? Verdict::allow : Verdict::ask, "variable:" + part.variable};
      case ShellPart::Kind::unknown: return {Verdict::ask, "unknown: " + part.reason};
    }
    return {};
  }

  // Denied or asked for by one of the rules; or asks, because it may be what they stop.
  static std::optional<PolicyDecision> stop(const ShellPart& part, const std::vector<std::string>& rules, Verdict verdict) {
    std::optional<PolicyDecision> out;
    for (const std::string& rule : rules) {
      Match match = Match::no;
      if (!part.words.empty()) match = stops(part.words, rule);
      else if (part.kind == ShellPart::Kind::unknown && trimmed(rule) == "*") match = Match::yes;
      if (match == Match::yes) return PolicyDecision{verdict, fmt::format("{}:{}", name_of(verdict), rule)};
      if (match == Match::maybe) {
        out = {Verdict::ask, fmt::format("unknown: whether {}:{} applies is known only when it runs", name_of(verdict), rule)};
      }
    }
    return out;
  }

  static std::string_view trimmed(std::string_view rule) { return next_word(rule); }

  // A word may name a file as it is, as an option's value (--file=F, if=F) or behind @ (curl -d @F).
  PolicyDecision named_files(const ShellPart& part) const {
    PolicyDecision out{Verdict::allow, ""};
    for (const ShellWord& word : part.words) {
      if (!word.is_static) continue;
      std::string_view text = word.text;
      out = stricter(std::move(out), files_.may_name(text));
      if (const std::size_t equals = text.find('='); equals != std::string_view::npos) {
        text.remove_prefix(equals + 1);
        out = stricter(std::move(out), files_.may_name(text));
      }
      if (text.starts_with('@')) out = stricter(std::move(out), files_.may_name(text.substr(1)));
    }
    return out;
  }

  PolicyDecision command(const ShellPart& part) const {
    std::optional<PolicyDecision> escape;
    for (const std::string& rule : rules_.allow) {
      const bool is_any = is_star(rule);
      const std::optional<std::size_t> count = is_any ? std::optional<std::size_t>(0) : begins_with(part.words, rule);
      if (!count) continue;
      const bool stops_none = rules_.deny.empty() && rules_.ask.empty();
      const bool is_covered = !part.escape_word || (is_any ? stops_none : *count > *part.escape_word);
      if (is_covered) return {Verdict::allow, "allow:" + rule};
      escape = PolicyDecision{Verdict::ask, "escape: " + part.reason};
    }
    return escape.value_or(PolicyDecision{Verdict::ask, "default"});
  }

  static bool is_star(std::string_view rule) { return next_word(rule) == "*" && next_word(rule).empty(); }

  PolicyDecision redirect(const ShellPart& part) const {
    if (!part.path.is_static || part.path.text.empty()) return {Verdict::ask, "unknown: a file that is known only when it runs"};
    PolicyDecision out{Verdict::allow, ""};
    for (const auto& [wanted, judges] : {std::pair(part.reads, &files_.may_read), std::pair(part.writes, &files_.may_write)}) {
      if (!wanted) continue;
      PolicyDecision one = *judges ? (*judges)(part.path.text) : PolicyDecision{};
      out = out.rule.empty() ? std::move(one) : stricter(std::move(out), std::move(one));
    }
    return out;
  }

  const CommandRules& rules_;
  const CommandFiles& files_;
};

}  // namespace

CommandDecision evaluate_command(std::string_view line, const CommandRules& rules, const CommandFiles& files,
                                 ShellParser& parser) {
  CommandDecision out;
  const Judge judge(rules, files);
  const std::vector<ShellPart> parts = parser.parse(line);
  out.parts.reserve(parts.size());
  for (const ShellPart& part : parts) {
    PolicyDecision decision = judge(part);
    out.parts.push_back({part.text, part.kind, decision.verdict, std::move(decision.rule)});
  }
  out.verdict = Verdict::allow;
  for (const CommandPartDecision& part : out.parts) out.verdict = std::max(out.verdict, part.verdict);
  if (out.parts.empty()) {
    out.verdict = Verdict::ask;
    out.rule = "default";
  }
  // The first that decided; of a line that is allowed, all.
  std::vector<std::string_view> named;
  for (const CommandPartDecision& part : out.parts) {
    if (part.verdict != out.verdict || std::find(named.begin(), named.end(), part.rule) != named.end()) continue;
    if (!named.empty() && out.verdict != Verdict::allow) break;
    if (!named.empty()) out.rule += ", ";
    out.rule += part.rule;
    named.push_back(part.rule);
  }
  return out;
}

}  // namespace joey

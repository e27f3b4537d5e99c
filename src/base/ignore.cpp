#include "base/ignore.hpp"

#include <algorithm>
#include <utility>

namespace joey {
namespace {

constexpr bool is_glob_special(char c) { return c == '*' || c == '?' || c == '[' || c == '\\'; }

// Git's character classes: of ASCII alone, and \v and \f are no spaces.
bool in_class(std::string_view name, unsigned char c) {
  const bool upper = c >= 'A' && c <= 'Z';
  const bool lower = c >= 'a' && c <= 'z';
  const bool digit = c >= '0' && c <= '9';
  const bool print = c >= 0x20 && c < 0x7F;
  if (name == "alnum") return upper || lower || digit;
  if (name == "alpha") return upper || lower;
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "cntrl") return c < 0x20 || c == 0x7F;
  if (name == "digit") return digit;
  if (name == "graph") return print && c != ' ';
  if (name == "lower") return lower;
  if (name == "print") return print;
  if (name == "punct") return print && c != ' ' && !upper && !lower && !digit;
  if (name == "space") return c == ' ' || c == '\t' || c == '\n' || c == '\r';
  if (name == "upper") return upper;
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return false;
}

bool is_class(std::string_view name) {
  static constexpr std::string_view names[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph",
                                               "lower", "print", "punct", "space", "upper", "xdigit"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Removes spaces from the end, but not one after a backslash.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      if (++i == line.size()) return line;
    } else if (line[i] == ' ') {
      continue;
    }
    end = i + 1;
  }
  return line.substr(0, end);
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  // The literal beginning is compared on its own, and `**` right after it counts as the beginning of the pattern: so
  // git has "foo**/bar" match "foo/x/bar".
  const std::size_t literal = std::min(
      static_cast<std::size_t>(std::find_if(pattern.begin(), pattern.end(), is_glob_special) - pattern.begin()),
      pattern.size());
  prefix_ = pattern.substr(0, literal);
  pattern.remove_prefix(literal);

  for (std::size_t i = 0; i < pattern.size() && valid_; ++i) {
    const char c = pattern[i];
    if (c == '*') {
      const std::size_t begin = i;
      i = std::min(pattern.find_first_not_of('*', i), pattern.size());
      const bool slash_before = begin == 0 || pattern[begin - 1] == '/';
      const std::string_view after = pattern.substr(i);
      const bool slash_after = after.empty() || after.starts_with('/') || after.starts_with("\\/");
      Step step = Step::star;
      if (i - begin > 1 && slash_before && slash_after) {
        step = after.starts_with('/') ? Step::double_star_slash : Step::double_star;
      }
      if (step != Step::double_star_slash) --i;
      tokens_.push_back({step});
    } else if (c == '?') {
      tokens_.push_back({Step::any});
    } else if (c == '[') {
      std::optional<Set> set = parse_set(pattern, i);
      valid_ = set.has_value();
      if (!set) break;
      tokens_.push_back({Step::set, 0, static_cast<std::uint32_t>(sets_.size())});
      sets_.push_back(*set);
    } else if (c == '\\') {
      valid_ = ++i < pattern.size();
      if (valid_) tokens_.push_back({Step::byte, static_cast<unsigned char>(pattern[i])});
    } else {
      tokens_.push_back({Step::byte, static_cast<unsigned char>(c)});
    }
  }
  if (!tokens_.empty() && tokens_.front().step == Step::star &&
      std::all_of(tokens_.begin() + 1, tokens_.end(), [](const Token& token) { return token.step == Step::byte; })) {
    ends_.emplace();
    for (std::size_t t = 1; t < tokens_.size(); ++t) *ends_ += static_cast<char>(tokens_[t].byte);
  }
}

// `at` is the '[', then the ']'.
std::optional<Glob::Set> Glob::parse_set(std::string_view pattern, std::size_t& at) const {
  const auto byte = [pattern](std::size_t index) {
    return static_cast<unsigned char>(index < pattern.size() ? pattern[index] : '\0');
  };
  Set set;
  std::size_t i = at + 1;
  const bool negated = byte(i) == '!' || byte(i) == '^';
  if (negated) ++i;

  unsigned char previous = 0;  // where a range may begin; 0 after a range or class
  bool first = true;           // a ']' here is a member
  for (; first || byte(i) != ']'; ++i, first = false) {
    unsigned char c = byte(i);
    if (i >= pattern.size()) return std::nullopt;
    if (c == '\\') {
      if (++i >= pattern.size()) return std::nullopt;
      c = byte(i);
      set.set(c);
    } else if (c == '-' && previous != 0 && i + 1 < pattern.size() && byte(i + 1) != ']') {
      c = byte(++i);
      if (c == '\\') {
        if (++i >= pattern.size()) return std::nullopt;
        c = byte(i);
      }
      for (unsigned member = previous; member <= c; ++member) set.set(member);
      c = 0;
    } else if (c == '[' && byte(i + 1) == ':') {
      const std::size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return std::nullopt;
      if (end >= i + 3 && pattern[end - 1] == ':') {
        const std::string_view name = pattern.substr(i + 2, end - i - 3);
        if (!is_class(name)) return std::nullopt;
        for (unsigned member = 0; member < set.size(); ++member) {
          if (in_class(name, static_cast<unsigned char>(member))) set.set(member);
        }
        i = end;
        c = 0;
      } else {
        set.set('[');
      }
    } else {
      set.set(c);
    }
    previous = c;
  }
  at = i;
  if (negated) set.flip();
  set.reset('/');
  return set;
}

bool Glob::matches(std::string_view text) const {
  if (!valid_ || !text.starts_with(prefix_)) return false;
  text.remove_prefix(prefix_.size());
  if (tokens_.empty()) return text.empty();
  if (ends_) return text.ends_with(*ends_) && text.find('/') >= text.size() - ends_->size();
  return run(text);
}

// All ways to match at once, as sets of tokens reached: after each byte, bit t says that the tokens before t match the
// text so far. No pattern can make this slow, as backtracking would be with many stars.
bool Glob::run(std::string_view text) const {
  const std::size_t count = tokens_.size();
  std::vector<bool> now(count + 1);
  std::vector<bool> next(count + 1);
  now[0] = true;
  // Stars match nothing, too.
  const auto close = [&](std::vector<bool>& reached) {
    for (std::size_t t = 0; t < count; ++t) {
      if (reached[t] && tokens_[t].step >= Step::star) reached[t + 1] = true;
    }
  };
  close(now);
  std::vector<bool> inside(count);  // a `**/` that has begun: after a '/' what follows may begin

  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    std::fill(next.begin(), next.end(), false);
    bool alive = false;
    for (std::size_t t = 0; t < count; ++t) {
      const Token& token = tokens_[t];
      if (token.step == Step::double_star_slash) {
        inside[t] = inside[t] || now[t];
        if (inside[t] && c == '/') next[t + 1] = true;
        alive = alive || inside[t];
        continue;
      }
      if (!now[t]) continue;
      switch (token.step) {
        case Step::byte: next[t + 1] = next[t + 1] || byte == token.byte; break;
        case Step::any: next[t + 1] = next[t + 1] || c != '/'; break;
        case Step::set: next[t + 1] = next[t + 1] || sets_[token.set].test(byte); break;
        case Step::star: next[t] = next[t] || c != '/'; break;
        default: next[t] = true; break;
      }
    }
    close(next);
    std::swap(now, next);
    alive = alive || std::find(now.begin(), now.end(), true) != now.end();
    if (!alive) return false;
  }
  return now[count];
}

IgnorePatterns::IgnorePatterns(std::string_view file) {
  if (file.starts_with("\xEF\xBB\xBF")) file.remove_prefix(3);
  while (!file.empty()) {
    const std::size_t newline = file.find('\n');
    std::string_view line = file.substr(0, newline);
    file.remove_prefix(newline == std::string_view::npos ? file.size() : newline + 1);
    if (line.starts_with('#')) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = without_trailing_spaces(line.substr(0, line.find('\0')));

    Pattern pattern;
    if (line.starts_with('!')) {
      pattern.negated = true;
      line.remove_prefix(1);
    }
    if (line.ends_with('/')) {
      pattern.directory_only = true;
      line.remove_suffix(1);
    }
    if (line.empty()) continue;
    pattern.name_only = line.find('/') == std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    pattern.glob = Glob(line);
    if (pattern.glob.valid()) patterns_.push_back(std::move(pattern));
  }
}

IgnorePatterns::Verdict IgnorePatterns::match(std::string_view path, bool is_directory) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directory_only && !is_directory) continue;
    if (!pattern->glob.matches(pattern->name_only ? name : path)) continue;
    return pattern->negated ? Verdict::included : Verdict::ignored;
  }
  return Verdict::none;
}

bool IgnorePatterns::ignores(std::string_view path, bool is_directory) const {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    if (match(path.substr(0, slash), true) == Verdict::ignored) return true;
  }
  return match(path, is_directory) == Verdict::ignored;
}

}  // namespace joey

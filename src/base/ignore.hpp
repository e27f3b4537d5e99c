// The patterns of .gitignore, .git/info/exclude and .rooignore, matched exactly as git does. Pure: reads no file.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// A glob as git's wildmatch: `?`, `*`, `[a-z]`, `[!a-z]`, `[[:alpha:]]`, `\` and, between slashes, `**`, which alone
// matches a '/'. Matching takes at most time pattern times text, whatever the pattern.
class Glob {
 public:
  Glob() = default;
  // A malformed glob, such as "[a", matches nothing.
  explicit Glob(std::string_view pattern);

  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  enum class Step : std::uint8_t { byte, any, set, star, double_star, double_star_slash };
  struct Token {
    Step step{Step::byte};
    unsigned char byte{0};
    std::uint32_t set{0};  // index into sets_
  };
  using Set = std::bitset<256>;

  std::optional<Set> parse_set(std::string_view pattern, std::size_t& at) const;
  bool run(std::string_view text) const;

  std::vector<Token> tokens_;  // after prefix_
  std::vector<Set> sets_;
  std::string prefix_;               // literal
  std::optional<std::string> ends_;  // after prefix_ comes one star and this: the most common pattern, as *.o
  bool valid_{true};
};

// The patterns of one ignore file, in order.
class IgnorePatterns {
 public:
  enum class Verdict : std::uint8_t { none, ignored, included };

  IgnorePatterns() = default;
  explicit IgnorePatterns(std::string_view file);

  [[nodiscard]] bool empty() const { return patterns_.empty(); }

  // What the last pattern that matches says. `path` is relative to the file's directory, without a '/' at its end.
  // Whether a directory above `path` is ignored is the caller's to ask, from the top: see ignores().
  [[nodiscard]] Verdict match(std::string_view path, bool is_directory) const;

  // Whether `path` or a directory above it is ignored: what is in an ignored directory cannot be included again.
  [[nodiscard]] bool ignores(std::string_view path, bool is_directory) const;

 private:
  struct Pattern {
    Glob glob;
    bool negated{false};
    bool directory_only{false};
    bool name_only{false};  // no '/': matches the last component at any depth
  };
  std::vector<Pattern> patterns_;
};

}  // namespace joey

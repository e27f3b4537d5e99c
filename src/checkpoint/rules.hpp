// What the .gitignore files of a tree ignore.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ignore.hpp"
#include "checkpoint/pack.hpp"

namespace joey::shadow {

constexpr std::string_view ignore_file_name = ".gitignore";
constexpr std::size_t ignore_file_max = 1U << 20;  // bytes; a larger one is no ignore file

// The ignore file of one directory, and those above it. Its text is read when it is first asked for.
//
// Threads: one at a time.
class Rules {
 public:
  // `blob` is the file's name as an object; `base` the path of its directory.
  Rules(std::shared_ptr<const Rules> above, std::string_view base, const Id& blob, std::function<std::string()> text);

  // Of all these files, in order: equal rules have equal ids. `rules` may be null: no rules.
  [[nodiscard]] static Id id_of(const Rules* rules) { return rules == nullptr ? Id{} : rules->id_; }

  // Whether `path` itself is ignored; a directory above it that is, is the caller's to know. The deepest file that says
  // something decides. An ignore file is never ignored.
  [[nodiscard]] static bool ignores(const Rules* rules, std::string_view path, bool is_directory);

 private:
  std::shared_ptr<const Rules> above_;
  std::size_t base_size_;  // bytes of a path that name the directory, with its '/'
  Id id_;
  std::function<std::string()> text_;
  mutable std::optional<IgnorePatterns> patterns_;
};

}  // namespace joey::shadow

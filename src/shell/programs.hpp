// What is known of programs: which of them run others, and which can do more than their name says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shell/shell.hpp"

namespace joey {

// A program that runs the command which follows its options.
struct Wrapper {
  std::string_view program;
  std::string_view flags;       // options without a value
  std::string_view valued;      // options with one
  std::size_t operands{0};      // before the command
  bool assigns{false};          // NAME=VALUE may come before the command
  bool moves{false};            // the command may run in another directory
};

// None when `name` is no wrapper, or one whose options are not known: see is_opaque_wrapper.
[[nodiscard]] const Wrapper* wrapper_named(std::string_view name);

// Whether it runs a command in a way that is not followed further.
[[nodiscard]] bool is_opaque_wrapper(std::string_view name);

// Where a shell's builtin changes what later words mean, or evaluates its words: why it cannot be told what it runs.
[[nodiscard]] std::string_view refused_builtin(std::string_view name);

// Whether a variable changes how programs speak, not what they run.
[[nodiscard]] bool is_harmless_variable(std::string_view name);

struct Escape {
  std::size_t word{0};  // the last that matters
  std::string_view reason;
};
// The use of a program by which it may run or write what its name does not say; none when there is none. words[0] is its
// name, with or without a directory.
[[nodiscard]] std::optional<Escape> escape_of(std::span<const ShellWord> words);

// The name of a program without its directory.
[[nodiscard]] std::string_view base_name(std::string_view path);

// Whether `words` of a space-separated list holds `word`.
[[nodiscard]] bool lists(std::string_view words, std::string_view word);

}  // namespace joey

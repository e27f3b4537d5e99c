// The languages whose definitions are found, and which of them a file is written in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace joey {

enum class Language : std::uint8_t {
  bash,
  c,
  cpp,
  csharp,
  css,
  go,
  html,
  java,
  javascript,
  json,
  kotlin,
  lua,
  markdown,
  php,
  python,
  ruby,
  rust,
  scala,
  swift,
  tsx,
  typescript,
};
inline constexpr std::size_t languages_count = 21;

// By the file's extension or its whole name (Rakefile, .bashrc), whatever the case; none when it is no language of these.
// A header .h is read as C++, of which C's headers are nearly a part.
[[nodiscard]] std::optional<Language> language_of(std::string_view path);

// As people write it: "C++".
[[nodiscard]] std::string_view name_of(Language language);

}  // namespace joey

// YAML and JSON as one kind of plain value, within limits: no exception of the parser leaves this file, and neither
// aliases nor nesting make a value larger than its limits say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace joey {

struct YamlValue {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };

  Kind kind{Kind::null};
  std::size_t line{0};  // where it begins, from 1; 0: not known
  std::string text;     // of a scalar: numbers and booleans are their text
  std::vector<YamlValue> items;
  std::vector<std::pair<std::string, YamlValue>> fields;  // in the order of the file; keys are unique

  // Null when this is no map, or has no such field.
  [[nodiscard]] const YamlValue* find(std::string_view key) const;
};

inline constexpr std::size_t yaml_depth_max = 32;
inline constexpr std::size_t yaml_values_max = 10'000;        // with what aliases repeat
inline constexpr std::size_t yaml_text_bytes_max = 4U << 20;  // of all scalars, likewise

// One document; an empty text is null. `invalid_argument` or `limit`, as "line 3: what is wrong".
[[nodiscard]] Result<YamlValue> parse_yaml(std::string_view text);
[[nodiscard]] Result<YamlValue> parse_json(std::string_view text);

}  // namespace joey

#include "project/front_matter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace joey {
namespace {

bool is_fence(std::string_view line) { return line.starts_with("---") && trim(line).size() == 3; }

}  // namespace

std::string FrontMatter::text(std::string_view key) const {
  const YamlValue* value = fields.find(key);
  if (value == nullptr) return {};
  if (value->kind != YamlValue::Kind::sequence) return std::string(trim(value->text));
  std::string list;
  for (const YamlValue& item : value->items) list += fmt::format("{}{}", list.empty() ? "" : ", ", item.text);
  return fmt::format("[{}]", list);
}

FrontMatter split_front_matter(std::string_view file) {
  FrontMatter parts;
  const std::size_t begin = std::min(file.find('\n'), file.size());
  if (!is_fence(file.substr(0, begin)) || begin == file.size()) {
    parts.body = trim(file);
    return parts;
  }
  std::size_t at = begin + 1;
  while (at < file.size()) {
    const std::size_t end = std::min(file.find('\n', at), file.size());
    if (!is_fence(file.substr(at, end - at))) {
      at = end + 1;
      continue;
    }
    parts.body = trim(file.substr(end));
    // From the file's beginning, so that lines are the file's.
    Result<YamlValue> fields = parse_yaml(file.substr(0, at));
    if (fields) {
      parts.fields = std::move(*fields);
    } else {
      parts.problem = fields.error().message;
    }
    return parts;
  }
  parts.body = trim(file);  // a first line of dashes that nothing closes is a rule
  return parts;
}

}  // namespace joey

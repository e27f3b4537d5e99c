// The front matter of Markdown files: YAML between two lines of three dashes, before the text.
#pragma once

#include <string>
#include <string_view>

#include "project/yaml.hpp"

namespace joey {

struct FrontMatter {
  YamlValue fields;     // null when there is none, or none that can be read
  std::string body;     // what follows, without white space around it
  std::string problem;  // why the fields cannot be read, with the file's line; empty: they can

  // A field's text without white space around it; a list's as it is written in one line, since `argument-hint: [file]`
  // is one. Empty when it is not there or has no text.
  [[nodiscard]] std::string text(std::string_view key) const;
};

[[nodiscard]] FrontMatter split_front_matter(std::string_view file);

}  // namespace joey

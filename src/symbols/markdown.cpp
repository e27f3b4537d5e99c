#include "symbols/markdown.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t levels_max = 6;

struct Heading {
  std::size_t level{0};
  std::size_t first_line{0};  // from 1
  std::string_view name;
  std::string_view text;
};

std::size_t count_of(std::string_view line, char c) { return std::min(line.find_first_not_of(c), line.size()); }

// `line` without its indentation; nothing when that makes it code.
std::optional<std::string_view> unindented(std::string_view line) {
  constexpr std::size_t code_indent = 4;
  const std::size_t indent = count_of(line, ' ');
  if (indent >= code_indent || line.substr(indent).starts_with('\t')) return std::nullopt;
  return line.substr(indent);
}

// The run of ` or ~ that opens or closes fenced code; empty when there is none.
std::string_view fence_of(std::string_view line) {
  constexpr std::size_t fence_min = 3;
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return {};
  const std::size_t size = count_of(line, line[0]);
  if (size < fence_min) return {};
  // Back-quotes later on the line make it a code span.
  if (line[0] == '`' && line.find('`', size) != std::string_view::npos) return {};
  return line.substr(0, size);
}

// `## Name ##`
std::optional<Heading> marked(std::string_view line) {
  const std::size_t level = count_of(line, '#');
  if (level == 0 || level > levels_max) return std::nullopt;
  std::string_view name = line.substr(level);
  if (!name.empty() && name[0] != ' ' && name[0] != '\t') return std::nullopt;
  name = trim(name);
  const std::size_t end = name.find_last_not_of('#');
  if (end == std::string_view::npos) {
    name = {};
  } else if (end + 1 < name.size() && (name[end] == ' ' || name[end] == '\t')) {
    name = trim(name.substr(0, end));
  }
  return Heading{level, 0, name, {}};
}

// The level of the heading that `line` underlines; 0 when it is no underline.
std::size_t underline_level(std::string_view line) {
  line = trim(line);
  if (line.empty() || (line[0] != '=' && line[0] != '-') || count_of(line, line[0]) != line.size()) return 0;
  return line[0] == '=' ? 1 : 2;
}

// Whether `line` is of a list, a quotation or a table, which an underline below does not make a heading.
bool is_other_block(std::string_view line) {
  if (line[0] == '>' || line[0] == '|' || line[0] == '<') return true;
  if ((line[0] == '-' || line[0] == '*' || line[0] == '+') && line.size() > 1 && line[1] == ' ') return true;
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') && line[digits + 1] == ' ';
}

// Front matter, as YAML or TOML, is a block of its own at the very beginning.
std::size_t lines_of_front_matter(const std::vector<std::string_view>& lines) {
  if (lines.empty()) return 0;
  const std::string_view mark = trim(lines[0]);
  if (mark != "---" && mark != "+++") return 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (trim(lines[i]) == mark) return i + 1;
  }
  return 0;
}

std::vector<Heading> headings_of(const std::vector<std::string_view>& lines) {
  constexpr std::size_t none = std::string_view::npos;
  std::vector<Heading> headings;
  std::string_view fence;        // of the code it is in
  std::size_t paragraph = none;  // index of its first line
  for (std::size_t i = lines_of_front_matter(lines); i < lines.size(); ++i) {
    const std::optional<std::string_view> unshifted = unindented(lines[i]);
    const std::string_view line = unshifted ? trim(*unshifted) : std::string_view();
    const std::string_view mark = fence_of(line);
    if (!fence.empty()) {
      if (mark.starts_with(fence) && mark.size() == line.size()) fence = {};
      continue;
    }
    std::optional<Heading> heading;
    if (!mark.empty()) {
      fence = mark;
    } else if (heading = marked(line); heading) {
      heading->first_line = i + 1;
      heading->text = lines[i];
    } else if (const std::size_t level = underline_level(line); level > 0 && paragraph != none) {
      heading = Heading{level, paragraph + 1, trim(lines[paragraph]), lines[paragraph]};
    } else if (!line.empty() && !is_other_block(line) && underline_level(line) == 0) {
      if (paragraph == none) paragraph = i;
      continue;
    } else if (!unshifted && paragraph != none) {
      continue;  // an indented line goes on with its paragraph
    }
    paragraph = none;
    if (heading) headings.push_back(*heading);
  }
  return headings;
}

std::string shown_line(std::string_view text, std::size_t size_max) {
  const std::string_view cut = utf8_prefix(text, size_max);
  return to_utf8(cut) + (cut.size() < text.size() ? "..." : "");
}

}  // namespace

Definitions find_headings(std::string_view source, const DefinitionLimits& limits) {
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);
  const std::vector<std::string_view> lines = split_lines(source);
  const std::vector<Heading> headings = headings_of(lines);

  Definitions definitions;
  std::vector<std::size_t> open;  // the sections the next heading may be in, as indices
  for (std::size_t i = 0; i < headings.size(); ++i) {
    const Heading& heading = headings[i];
    while (!open.empty() && headings[open.back()].level >= heading.level) {
      definitions.list[open.back()].last_line = heading.first_line - 1;
      open.pop_back();
    }
    if (i == limits.definitions_max) {
      definitions.truncated = true;
      break;
    }
    definitions.list.push_back({"heading", shown_line(heading.name, limits.text_size_max), heading.first_line, lines.size(),
                                shown_line(trim(heading.text), limits.text_size_max), open.size()});
    open.push_back(i);
  }
  return definitions;
}

}  // namespace joey

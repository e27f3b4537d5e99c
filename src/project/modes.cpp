#include "project/modes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "project/file_regex.hpp"
#include "project/loading.hpp"
#include "project/yaml.hpp"

namespace joey {
namespace {

constexpr std::size_t slug_bytes_max = 64;
constexpr std::size_t name_bytes_max = 200;
constexpr std::size_t mode_text_bytes_max = 64U << 10;  // of its role, and of its instructions
constexpr std::size_t summary_bytes_max = 4'000;        // of what every mode's prompt says about it
constexpr std::size_t groups_max = 20;

std::string plain_punctuation(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> replacements[] = {
      {"\u00A0", " "},  {"\u00AD", ""},   {"\u200B", ""},   {"\u200C", ""},  {"\u200D", ""},  {"\u2060", ""},
      {"\uFEFF", ""},   {"\u2010", "-"},  {"\u2011", "-"},  {"\u2012", "-"}, {"\u2013", "-"}, {"\u2014", "-"},
      {"\u2015", "-"},  {"\u2212", "-"},  {"\u2018", "'"},  {"\u2019", "'"}, {"\u201A", "'"}, {"\u201B", "'"},
      {"\u201C", "\""}, {"\u201D", "\""}, {"\u201E", "\""}, {"\u201F", "\""}};
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto found = std::find_if(std::begin(replacements), std::end(replacements),
                                    [&](const auto& each) { return text.starts_with(each.first); });
    if (static_cast<unsigned char>(text.front()) < 0x80 || found == std::end(replacements)) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += found->second;
      text.remove_prefix(found->first.size());
    }
  }
  return out;
}

// The first sentence of a role, for modes that do not say when to use them.
std::string first_sentence(std::string_view role) {
  std::string sentence(utf8_prefix(role.substr(0, role.find('.')), summary_bytes_max));
  std::replace(sentence.begin(), sentence.end(), '\n', ' ');
  return sentence;
}

std::optional<ToolGroup> group_of(std::string_view name) {
  if (name == "read") return ToolGroup::read;
  if (name == "edit") return ToolGroup::edit;
  if (name == "command") return ToolGroup::command;
  if (name == "mcp") return ToolGroup::mcp;
  if (name == "modes") return ToolGroup::modes;
  return std::nullopt;
}

// Reads one file's modes and keeps the first problem.
class ModeReader {
 public:
  explicit ModeReader(Origin origin) : origin_(origin) {}

  Result<ModesFile> read(const YamlValue& document) {
    if (document.kind == YamlValue::Kind::null) return ModesFile{};
    const YamlValue* list = document.find("customModes");
    if (list == nullptr) return failure(ErrorCode::invalid_argument, "it must hold a list named customModes");
    if (list->kind == YamlValue::Kind::null) return ModesFile{};
    if (list->kind != YamlValue::Kind::sequence) {
      reject(*list, "customModes", "must be a list of modes");
    } else if (list->items.size() > modes_per_file_max) {
      reject(*list, "customModes",
             fmt::format("has {} modes, more than the {} allowed", list->items.size(), modes_per_file_max));
    } else {
      for (std::size_t i = 0; i < list->items.size() && problem_.empty(); ++i) mode(list->items[i], i);
    }
    if (!problem_.empty()) return failure(ErrorCode::invalid_argument, problem_);
    return std::move(file_);
  }

 private:
  void reject(const YamlValue& value, std::string_view what, std::string_view reason) {
    if (!problem_.empty()) return;
    problem_ = fmt::format("{} {}", what, reason);
    if (value.line != 0) problem_.insert(0, fmt::format("line {}: ", value.line));
  }

  std::string text(const YamlValue& mode, std::string_view key, bool required, std::size_t size_max) {
    const std::string what = where_ + std::string(key);
    const YamlValue* value = mode.find(key);
    if (value == nullptr || value->kind == YamlValue::Kind::null) {
      if (required) reject(value == nullptr ? mode : *value, what, "is missing: give it a text");
      return {};
    }
    const std::string_view trimmed = trim(value->text);
    if (value->kind != YamlValue::Kind::scalar) {
      reject(*value, what, "must be a text");
    } else if (required && trimmed.empty()) {
      reject(*value, what, "is empty: give it a text");
    } else if (trimmed.size() > size_max) {
      reject(*value, what, fmt::format("has {} bytes, more than the {} allowed: shorten it", trimmed.size(), size_max));
    }
    return std::string(trimmed);
  }

  void mode(const YamlValue& value, std::size_t index) {
    where_ = fmt::format("customModes[{}].", index);
    if (value.kind != YamlValue::Kind::map) {
      return reject(value, fmt::format("customModes[{}]", index), "must be a mode");
    }
    Mode mode;
    mode.origin = origin_;
    mode.slug = text(value, "slug", true, slug_bytes_max);
    if (!is_slug(mode.slug)) reject(*value.find("slug"), where_ + "slug", "may have only letters, digits and dashes");
    if (find_mode(file_.modes, mode.slug) != nullptr) {
      reject(value, where_ + "slug", fmt::format("\"{}\" is there twice: rename one", mode.slug));
    }
    mode.name = text(value, "name", true, name_bytes_max);
    mode.role = text(value, "roleDefinition", true, mode_text_bytes_max);
    mode.when_to_use = text(value, "whenToUse", false, summary_bytes_max);
    if (mode.when_to_use.empty()) mode.when_to_use = first_sentence(mode.role);
    mode.description = text(value, "description", false, summary_bytes_max);
    mode.instructions = text(value, "customInstructions", false, mode_text_bytes_max);
    groups(value, mode);
    if (problem_.empty()) file_.modes.push_back(std::move(mode));
  }

  static bool is_slug(std::string_view slug) {
    return std::all_of(slug.begin(), slug.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    });
  }

  void groups(const YamlValue& value, Mode& mode) {
    const std::string what = where_ + "groups";
    const YamlValue* list = value.find("groups");
    if (list == nullptr) return reject(value, what, "is missing: list the tool groups, or []");
    if (list->kind != YamlValue::Kind::sequence) return reject(*list, what, "must be a list of tool groups");
    if (list->items.size() > groups_max) return reject(*list, what, "has more than 20 entries");
    for (const YamlValue& item : list->items) {
      const bool has_options = item.kind == YamlValue::Kind::sequence && item.items.size() == 2;
      const YamlValue& name = has_options ? item.items[0] : item;
      if (name.kind != YamlValue::Kind::scalar || (has_options && item.items[1].kind != YamlValue::Kind::map)) {
        return reject(item, what, "must hold names, or pairs as [edit, {fileRegex: ..., description: ...}]");
      }
      if (name.text == "browser") continue;  // there was one once
      const std::optional<ToolGroup> group = group_of(name.text);
      if (!group) {
        return reject(
            item, what,
            fmt::format("has \"{}\": the groups are read, edit, command, mcp and modes", elide_middle(name.text, 60)));
      }
      if (std::find(mode.groups.begin(), mode.groups.end(), *group) != mode.groups.end()) {
        return reject(item, what, fmt::format("has \"{}\" twice", name.text));
      }
      mode.groups.push_back(*group);
      if (has_options) restriction(item.items[1], *group, mode);
    }
  }

  void restriction(const YamlValue& options, ToolGroup group, Mode& mode) {
    const std::string description = text(options, "description", false, summary_bytes_max);
    const std::string regex = text(options, "fileRegex", false, mode_text_bytes_max);
    if (group != ToolGroup::edit || regex.empty() || !problem_.empty()) return;
    Result<std::string> pattern = file_regex_to_re2(regex);
    if (pattern) {
      mode.edit_pattern = std::move(*pattern);
      mode.edit_description = description.empty() ? regex : description;
      return;
    }
    // A restriction that cannot be kept must not become none.
    mode.edit_pattern = matches_nothing;
    mode.edit_description = "no file, since its fileRegex is not supported";
    file_.warnings.push_back(
        fmt::format("mode \"{}\" may edit nothing: its fileRegex is not supported: {}; write it without", mode.slug,
                    pattern.error().message));
  }

  Origin origin_;
  ModesFile file_;
  std::string where_;
  std::string problem_;
};

Result<ModesFile> read_as_written(std::string_view text, Origin origin) {
  Result<YamlValue> document = parse_yaml(text);
  if (!document) {
    // JSON with tabs is no YAML.
    Result<YamlValue> json = parse_json(text);
    if (!json) return tl::unexpected(std::move(document.error()));
    document = std::move(json);
  }
  return ModeReader(origin).read(*document);
}

// The modes of the first of `paths` that exists.
std::vector<Mode> read_folder(Folder& folder, std::initializer_list<std::string> paths) {
  for (const std::string& path : paths) {
    const std::optional<std::string> text = folder.text(path);
    if (!text) continue;
    Result<ModesFile> file = read_modes(*text, folder.origin());
    if (!file) {
      folder.warn(path, fmt::format("none of its modes is used: {}", file.error().message));
      return {};
    }
    for (const std::string& warning : file->warnings) folder.warn(path, warning);
    return std::move(file->modes);
  }
  return {};
}

}  // namespace

Result<ModesFile> read_modes(std::string_view text, Origin origin) {
  Result<ModesFile> file = read_as_written(text, origin);
  if (file) return file;
  // Cleaned only now: quotes within a text are the author's own, and plain ones there could end it.
  if (const std::string cleaned = plain_punctuation(text); cleaned != text) {
    if (Result<ModesFile> again = read_as_written(cleaned, origin)) return again;
  }
  return file;
}

void load_modes(Folder* global, Folder& project) {
  std::vector<Mode>& modes = project.loading().project().modes;
  modes.assign(builtin_modes().begin(), builtin_modes().end());
  std::vector<Mode> custom = read_folder(project, {".roomodes"});
  if (global != nullptr) {
    for (Mode& mode : read_folder(*global, {".roo/custom_modes.yaml", "settings/custom_modes.yaml"})) {
      if (find_mode(custom, mode.slug) == nullptr) custom.push_back(std::move(mode));
    }
  }
  for (Mode& mode : custom) {
    const auto same =
        std::find_if(modes.begin(), modes.end(), [&](const Mode& each) { return each.slug == mode.slug; });
    if (same == modes.end()) {
      modes.push_back(std::move(mode));
    } else {
      *same = std::move(mode);
    }
  }
}

}  // namespace joey

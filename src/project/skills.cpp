// Skills: SKILL.md in a folder of its own, in .agents/skills and .roo/skills, or skills-MODE for one mode.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "project/front_matter.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t skills_max = 500;
constexpr std::size_t skill_name_bytes_max = 64;
constexpr std::size_t skill_description_bytes_max = 4 * 1'024;  // 1024 characters
constexpr std::size_t skill_modes_max = 50;
constexpr std::string_view skills_directory = "skills";

// Words of small letters and digits, with single dashes between.
bool is_skill_name(std::string_view name) {
  if (name.empty() || name.size() > skill_name_bytes_max || name.front() == '-' || name.back() == '-') return false;
  if (name.find("--") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The modes a skill is for: what its front matter says, or else its directory.
std::vector<std::string> modes_of(const FrontMatter& parts, std::string_view directory_mode) {
  std::vector<std::string> modes;
  if (const YamlValue* list = parts.fields.find("modeSlugs"); list != nullptr) {
    for (const YamlValue& item : list->items) {
      if (!trim(item.text).empty() && modes.size() < skill_modes_max) modes.emplace_back(trim(item.text));
    }
    if (list->kind == YamlValue::Kind::scalar && !trim(list->text).empty()) modes.emplace_back(trim(list->text));
  }
  if (modes.empty() && !parts.text("mode").empty()) modes.push_back(parts.text("mode"));
  if (modes.empty() && !directory_mode.empty()) modes.emplace_back(directory_mode);
  return modes;
}

// What of two skills of one name wins: the project's, then one for certain modes, then one of .roo.
auto precedence(const Skill& skill) {
  const bool agents = skill.folder.starts_with(".agents/") || skill.folder.starts_with("~/.agents/");
  return std::tuple(skill.origin == Origin::project ? 0 : 1, skill.modes.empty() ? 1 : 0, agents ? 1 : 0);
}

void load_skill(Folder& folder, const std::string& directory, std::string_view mode) {
  std::vector<Skill>& skills = folder.loading().project().skills;
  const std::string path = join_path(directory, "SKILL.md");
  const auto refuse = [&](std::string_view problem) { folder.warn(path, fmt::format("is left out: {}", problem)); };
  const std::optional<std::string> file = folder.text(path);
  if (!file) return;
  FrontMatter parts = split_front_matter(*file);
  if (!parts.problem.empty()) {
    return refuse(fmt::format("its front matter cannot be read: {}; texts with \": \" need quotes", parts.problem));
  }
  const std::string_view directory_name = last_component(directory);
  Skill skill{.name = parts.text("name"),
              .description = parts.text("description"),
              .modes = modes_of(parts, mode),
              .text = {},
              .folder = folder.shown(directory),
              .origin = folder.origin()};
  if (skill.name != directory_name) {
    return refuse(fmt::format("its front matter must say name: {}, as its folder is called", directory_name));
  }
  if (!is_skill_name(skill.name)) {
    return refuse(
        fmt::format("its name may have {} small letters and digits, with single dashes between", skill_name_bytes_max));
  }
  if (skill.description.empty() || characters(skill.description) > 1'024 ||
      skill.description.size() > skill_description_bytes_max) {
    return refuse("its front matter must have a description of 1 to 1024 characters");
  }
  if (parts.body.size() > instructions_bytes_max) {
    return refuse(fmt::format("it has {} bytes, more than the {} of a skill; move parts into files beside it",
                              parts.body.size(), instructions_bytes_max));
  }
  if (skills.size() == skills_max) return refuse(fmt::format("there are {} skills already; remove some", skills_max));
  if (!folder.loading().keep(parts.body)) return;
  skill.text = std::move(parts.body);
  const auto place = std::upper_bound(skills.begin(), skills.end(), skill, [](const Skill& a, const Skill& b) {
    return a.name != b.name ? a.name < b.name : precedence(a) < precedence(b);
  });
  skills.insert(place, std::move(skill));
}

bool is_for_mode(const Skill& skill, std::string_view mode) {
  return mode.empty() || skill.modes.empty() ||
         std::find(skill.modes.begin(), skill.modes.end(), mode) != skill.modes.end();
}

}  // namespace

void load_skills(Folder& folder) {
  const auto load = [&folder](const std::string& parent, const std::vector<FolderEntry>& entries) {
    for (const FolderEntry& entry : entries) {
      std::string_view mode = entry.name;
      if (entry.kind != FileKind::directory || !mode.starts_with(skills_directory)) continue;
      mode.remove_prefix(skills_directory.size());
      if (!mode.empty() && (mode.front() != '-' || mode.size() == 1)) continue;
      if (!mode.empty()) mode.remove_prefix(1);
      const std::string directory = join_path(parent, entry.name);
      for (const FolderEntry& skill : folder.entries(directory)) {
        if (skill.kind == FileKind::directory) load_skill(folder, join_path(directory, skill.name), mode);
      }
    }
  };
  load(".agents", folder.entries(".agents"));
  load(".roo", folder.roo());
}

std::vector<const Skill*> skills_of_mode(const Project& project, std::string_view mode) {
  std::vector<const Skill*> skills;
  for (const Skill& skill : project.skills) {
    const bool known = !skills.empty() && skills.back()->name == skill.name;
    if (!known && is_for_mode(skill, mode)) skills.push_back(&skill);
  }
  return skills;
}

const Skill* find_skill(const Project& project, std::string_view mode, std::string_view name) {
  for (const Skill* skill : skills_of_mode(project, mode)) {
    if (skill->name == name) return skill;
  }
  return nullptr;
}

std::string skill_instructions(const Skill& skill, std::string_view arguments) {
  std::string text = fmt::format("Skill: {}\nDescription: {}\n", skill.name, skill.description);
  if (!arguments.empty()) text += fmt::format("Arguments: {}\n", arguments);
  text += fmt::format("Source: {}\n", origin_name(skill.origin));
  text += skill.origin == Origin::global
              ? fmt::format("Folder: {} (outside the workspace: files that it names beside it cannot be read)\n",
                            skill.folder)
              : fmt::format("Folder: {} (the paths it names start there)\n", skill.folder);
  return text + fmt::format("\n{}", skill.text);
}

std::string skills_text(const Project& project, std::string_view mode) {
  const std::vector<const Skill*> skills = skills_of_mode(project, mode);
  if (skills.empty()) return {};
  std::string text =
      "Skills are instructions for one kind of work. Before you begin, look through these. When one fits what the "
      "person asked for, call skill with its name first, and follow what it says; call none when none fits.\n\n";
  for (const Skill* skill : skills) {
    std::string description = skill->description;
    std::replace(description.begin(), description.end(), '\n', ' ');
    text += fmt::format("- {}: {}\n", skill->name, description);
  }
  text.pop_back();
  return text;
}

}  // namespace joey

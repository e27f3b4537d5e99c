// Slash commands: .roo/commands/NAME.md, also in folders beneath, where a command has the name of its file.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "project/front_matter.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t commands_max = 500;
constexpr std::size_t command_name_bytes_max = 64;
constexpr std::size_t field_bytes_max = 1'024;  // of its description, and of its hint

const SlashCommand& init_command() {
  static const SlashCommand command{
      .name = "init",
      .description = "Analyse the repository and write rules for agents that work in it",
      .argument_hint = {},
      .mode = {},
      .text =
          "Write the rules that somebody who is new to this repository needs in order to work in it, into AGENTS.md in "
          "its root.\n\n"
          "1. If AGENTS.md, CLAUDE.md, .roorules, .clinerules, .cursorrules or files in .roo/rules exist, read them "
          "first. Keep what is still true and improve what is there instead of starting over.\n"
          "2. Find out what cannot be guessed: the commands to build, to test and to run a single test; how the code "
          "is laid out and why; conventions that differ from what is usual; traps. Read the build files, the "
          "configuration of linters and continuous integration, and some of the code and tests. Check each command "
          "that you write down where you can.\n"
          "3. Write AGENTS.md: short headed lists, one fact a line, no more than about a hundred lines. Leave out what "
          "the file names already say, general advice, and anything you did not find in the repository.\n"
          "4. Where something matters in one mode only, put it into .roo/rules-SLUG/AGENTS.md with that mode's slug "
          "(code, debug, ask or architect). Write no such file without a reason.",
      .path = {},
      .origin = Origin::builtin,
  };
  return command;
}

bool is_command_name(std::string_view name) {
  return !name.empty() && name.size() <= command_name_bytes_max && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

std::string short_field(Folder& folder, const std::string& path, const FrontMatter& parts, std::string_view key) {
  std::string text = parts.text(key);
  if (text.size() <= field_bytes_max) return text;
  folder.warn(path, fmt::format("its {} is cut: it has more than {} bytes", key, field_bytes_max));
  return std::string(utf8_prefix(text, field_bytes_max));
}

void load_command(Folder& folder, const std::string& path, std::string name) {
  std::vector<SlashCommand>& commands = folder.loading().project().commands;
  const auto place = std::lower_bound(commands.begin(), commands.end(), name,
                                      [](const SlashCommand& each, const std::string& key) { return each.name < key; });
  const bool replaces = place != commands.end() && place->name == name;
  if (replaces && place->origin == folder.origin()) {
    return folder.warn(path, fmt::format("is not used, since {} is /{} already: rename one", place->path, name));
  }
  if (!replaces && commands.size() == commands_max) {
    return folder.warn(path, fmt::format("is left out: there are {} commands already; remove some", commands_max));
  }
  const std::optional<std::string> file = folder.text(path);
  if (!file) return;
  FrontMatter parts = split_front_matter(*file);
  if (!parts.problem.empty()) {
    folder.warn(
        path, fmt::format("its front matter is ignored: {}; texts with \": \" or brackets need quotes", parts.problem));
  }
  if (parts.body.size() > instructions_bytes_max) {
    return folder.warn(path,
                       fmt::format("is left out: it has {} bytes, more than the {} of a command; let it name files "
                                   "to read instead",
                                   parts.body.size(), instructions_bytes_max));
  }
  if (!folder.loading().keep(parts.body)) return;
  SlashCommand command{.name = std::move(name),
                       .description = short_field(folder, path, parts, "description"),
                       .argument_hint = short_field(folder, path, parts, "argument-hint"),
                       .mode = parts.text("mode"),
                       .text = std::move(parts.body),
                       .path = folder.shown(path),
                       .origin = folder.origin()};
  if (!command.mode.empty() && find_mode(folder.loading().project().modes, command.mode) == nullptr) {
    folder.warn(path, fmt::format("it is meant for mode \"{}\", which does not exist: define it or remove the line",
                                  command.mode));
    command.mode.clear();
  }
  if (replaces) {
    *place = std::move(command);
  } else {
    commands.insert(place, std::move(command));
  }
}

}  // namespace

void load_commands(Folder& folder) {
  std::vector<SlashCommand>& commands = folder.loading().project().commands;
  if (commands.empty()) commands.push_back(init_command());
  if (!has_directory(folder.roo(), "commands")) return;
  std::vector<std::string> paths = folder.files_beneath(".roo/commands");
  // Of two with one name, the one nearer to the top wins.
  std::stable_sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) {
    return std::count(a.begin(), a.end(), '/') < std::count(b.begin(), b.end(), '/');
  });
  for (const std::string& path : paths) {
    std::string_view name = last_component(path);
    if (!name.ends_with(".md")) continue;
    name.remove_suffix(3);
    if (is_command_name(name)) {
      load_command(folder, path, std::string(name));
    } else {
      folder.warn(path, fmt::format("cannot be called: a command's name has 1 to {} letters, digits, dashes, dots and "
                                    "underscores",
                                    command_name_bytes_max));
    }
  }
}

const SlashCommand* find_command(const Project& project, std::string_view name) {
  const auto& commands = project.commands;
  const auto found = std::lower_bound(commands.begin(), commands.end(), name,
                                      [](const SlashCommand& each, std::string_view key) { return each.name < key; });
  return found != commands.end() && found->name == name ? &*found : nullptr;
}

std::string command_instructions(const SlashCommand& command, std::string_view arguments) {
  std::string text = fmt::format("Command: /{}\n", command.name);
  if (!command.description.empty()) text += fmt::format("Description: {}\n", command.description);
  if (!command.argument_hint.empty()) text += fmt::format("Argument hint: {}\n", command.argument_hint);
  if (!arguments.empty()) text += fmt::format("Arguments: {}\n", arguments);
  return text + fmt::format("Source: {}\n\n{}", origin_name(command.origin), command.text);
}

}  // namespace joey

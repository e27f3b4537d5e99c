// What a repository and a person's own folder tell the agent: modes, rules, slash commands, skills and tools.
//
//   Project project = load_project(*workspace, global.get());
//   prompt += rules_text(project, "code");
//
// A project is a value: the same files make the same one, whatever the disk's order, and its texts are the same bytes,
// which the prompt caches of providers live on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mode.hpp"
#include "model/tool.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct ProjectOptions {
  bool agent_rules{true};                   // AGENTS.md and its kin
  bool subfolder_rules{false};              // also the rules beside .roo folders in subdirectories
  std::size_t file_bytes_max{64U << 10};    // of a rule file that are shown
  std::size_t rules_bytes_max{256U << 10};  // of all rules of a mode
};

// A file of rules. Without `text` it is only named to the model.
struct RuleFile {
  std::string path;  // as people and models name it: from the workspace, or "~/…"
  Origin origin{Origin::project};
  std::string text;            // UTF-8, without white space around it
  std::uint64_t size{0};       // bytes of the whole file
  std::size_t cut_at_line{0};  // the first line, from 1, that `text` lacks; 0: it lacks none

  bool operator==(const RuleFile&) const = default;
};

// What /name stands for: .roo/commands/NAME.md.
struct SlashCommand {
  std::string name;
  std::string description;  // may be empty, like the next two
  std::string argument_hint;
  std::string mode;  // the slug it is meant for
  std::string text;
  std::string path;  // empty of a built-in one
  Origin origin{Origin::project};

  bool operator==(const SlashCommand&) const = default;
};

// Instructions for one kind of work: skills/NAME/SKILL.md.
struct Skill {
  std::string name;
  std::string description;
  std::vector<std::string> modes;  // slugs; empty: every mode
  std::string text;
  std::string folder;  // what its relative links start from
  Origin origin{Origin::project};

  bool operator==(const Skill&) const = default;
};

// A program that somebody offers to the model: tools/NAME/tool.json. Only read here: listing it runs nothing.
struct CustomTool {
  ToolSpec spec;                     // of group `custom`
  std::vector<std::string> command;  // program and arguments; a program with a '/' is beneath `folder`, else on PATH
  std::string folder;                // beneath the root of the workspace, or of the global folder
  Origin origin{Origin::project};
  std::chrono::seconds timeout{60};

  bool operator==(const CustomTool&) const = default;
};

// What loading looked at and how it was, so that is_current() can look again.
struct SeenFile {
  std::string path;
  Origin origin{Origin::project};
  bool exists{false};
  FileKind kind{FileKind::file};
  std::uint64_t size{0};
  std::int64_t modified_ns{0};

  bool operator==(const SeenFile&) const = default;
};

struct Project {
  std::vector<Mode> modes;  // the built-in ones in their order, then the project's, then the global ones
  std::map<std::string, std::vector<RuleFile>> mode_rules;  // by slug, in the order loaded, like the next two
  std::vector<RuleFile> agent_rules;
  std::vector<RuleFile> generic_rules;
  std::optional<RuleFile> ignore_file;  // .rooignore
  std::vector<SlashCommand> commands;   // by name, one of each
  std::vector<Skill> skills;            // by name; of one name the one that wins first
  std::vector<CustomTool> tools;        // by name, one of each
  std::vector<std::string> warnings;    // one line each: the file, the place, the remedy
  std::vector<SeenFile> seen;
  std::size_t rules_bytes_max{0};

  bool operator==(const Project&) const = default;
};

// Reads what there is. `global` is what `~` holds (its .roo and .agents), or null. What cannot be used is left out and
// becomes a warning; nothing makes it fail as a whole.
//
// Threads: blocks, like Workspace's file functions: for a worker thread.
[[nodiscard]] Project load_project(const Workspace& workspace, const Workspace* global,
                                   const ProjectOptions& options = {});

// Whether the files are as they were: a look at each, and none is read. A .roo folder that is new in a subdirectory
// goes unnoticed. Blocks.
[[nodiscard]] bool is_current(const Project& project, const Workspace& workspace, const Workspace* global);

// The rules for a mode, as Markdown sections in this order: the mode's, .rooignore, AGENTS.md, the generic ones. What
// is over the limit is named at the end, with how to read it. Empty when there are none.
[[nodiscard]] std::string rules_text(const Project& project, std::string_view mode);

// What a mode's model must know to use the tool `skill`: a list, empty when the mode has none.
[[nodiscard]] std::string skills_text(const Project& project, std::string_view mode);

[[nodiscard]] const SlashCommand* find_command(const Project& project, std::string_view name);

// The skills of a mode, by name. An empty mode has all.
[[nodiscard]] std::vector<const Skill*> skills_of_mode(const Project& project, std::string_view mode);
[[nodiscard]] const Skill* find_skill(const Project& project, std::string_view mode, std::string_view name);

// What a model reads when it, or the person, uses one. `arguments` may be empty.
[[nodiscard]] std::string command_instructions(const SlashCommand& command, std::string_view arguments);
[[nodiscard]] std::string skill_instructions(const Skill& skill, std::string_view arguments);

// "project", "global" or "built-in".
[[nodiscard]] std::string_view origin_name(Origin origin);

}  // namespace joey

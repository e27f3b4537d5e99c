// What the readers of this folder share: a folder to read from, and one load's limits, warnings and signature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "project/project.hpp"
#include "workspace/local.hpp"

namespace joey {

inline constexpr std::size_t read_bytes_max = 1U << 20;        // of a file that is read at all
inline constexpr std::size_t loaded_bytes_max = 8U << 20;      // of all texts that a project keeps
inline constexpr std::size_t directory_names_max = 20'000;     // of a directory that is read at all
inline constexpr std::size_t files_beneath_max = 20'000;       // files found beneath one directory
inline constexpr std::size_t directories_beneath_max = 1'000;  // likewise directories
inline constexpr std::size_t nesting_max = 16;                 // directories below one another
inline constexpr std::size_t links_in_path_max = 5;            // symlinks to directories, one below the other
inline constexpr std::size_t named_files_max = 1'000;          // of one kind that are kept without their text
inline constexpr std::size_t warnings_max = 100;
inline constexpr std::size_t warning_bytes_max = 500;
// Of a command, and of a skill: a tool's result holds it whole.
inline constexpr std::size_t instructions_bytes_max = 48U << 10;
inline constexpr std::size_t path_shown_max = 4'096;  // bytes
// Files beyond can be edited unnoticed, until something else changes.
inline constexpr std::size_t seen_files_max = 1'000;

// One load: where warnings go, and what was looked at.
class Loading {
 public:
  Loading(Project& project, const ProjectOptions& options) : project_(project), options_(options) {}

  [[nodiscard]] Project& project() { return project_; }
  [[nodiscard]] const ProjectOptions& options() const { return options_; }

  // One line: `where: problem`. The same one twice is one.
  void warn(std::string_view where, std::string_view problem);
  void see(SeenFile seen);
  // Whether `text` may be kept; after the limit nothing is, and one warning says so.
  [[nodiscard]] bool keep(std::string_view text);

 private:
  Project& project_;
  const ProjectOptions& options_;
  std::size_t kept_{0};
};

// What is at a path beneath a root, and the bytes of a file there. Unlike a workspace's, these functions also see what
// .rooignore keeps from the model: what they read is written for it. `limit`: larger than `size_max`.
[[nodiscard]] Result<FileInfo> info_at(const Root& root, const std::string& path);
[[nodiscard]] Result<std::string> read_at(const Root& root, const std::string& path, std::size_t size_max);

// An entry of a directory.
struct FolderEntry {
  std::string name;
  FileKind kind{FileKind::file};  // of what it leads to
  bool link{false};
};

// A folder a project is read from. Nothing outside its root is ever read. Where something is missing nothing is said;
// where it cannot be used there is a warning, and it counts as missing.
class Folder {
 public:
  Folder(const Workspace& workspace, Origin origin, Loading& loading);

  [[nodiscard]] Origin origin() const { return origin_; }
  [[nodiscard]] Loading& loading() { return loading_; }
  [[nodiscard]] const Workspace& workspace() const { return workspace_; }

  // `path` as people name it.
  [[nodiscard]] std::string shown(std::string_view path) const;
  void warn(std::string_view path, std::string_view problem) { loading_.warn(shown(path), problem); }

  // What is in .roo; read once.
  const std::vector<FolderEntry>& roo();

  // What is at `path`, symlinks followed; with look() it becomes part of the signature.
  [[nodiscard]] Result<FileInfo> info(const std::string& path) const;
  std::optional<FileInfo> look(const std::string& path);

  // The text of a file that was looked at: UTF-8, without a byte order mark. Binary files have none.
  std::optional<std::string> read_text(const std::string& path);
  // Both.
  std::optional<std::string> text(const std::string& path) { return look(path) ? read_text(path) : std::nullopt; }

  // A directory's entries by name. Symlinks that lead nowhere, or out, are none.
  std::vector<FolderEntry> entries(const std::string& directory);

  // The paths of the files beneath a directory, at any depth and through symlinks, each directory once; in the order in
  // which rules are loaded: by_file_name().
  std::vector<std::string> files_beneath(const std::string& directory);

 private:
  void warn_of(std::string_view path, const Error& error);

  const Workspace& workspace_;
  Origin origin_;
  Loading& loading_;
  std::shared_ptr<const Root> root_;  // null: it cannot be opened
  std::optional<std::vector<FolderEntry>> roo_;
};

// `text` as one line of UTF-8 of at most `size_max` bytes.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t size_max);
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);
[[nodiscard]] std::string_view last_component(std::string_view path);
[[nodiscard]] bool has_directory(const std::vector<FolderEntry>& entries, std::string_view name);

// The order of rule files, whatever directory they are in: by their names without case, punctuation before digits
// before letters, as file managers and editors sort; then by their paths. A total order.
[[nodiscard]] bool by_file_name(std::string_view a, std::string_view b);

// Each reads its part of the project, warns of what it leaves out, and lets what the project's own folder says stand in
// place of what the global one said. Rules are those of the modes that are loaded.
void load_modes(Folder* global, Folder& project);
void load_rules(Folder* global, Folder& project);
void load_commands(Folder& folder);
void load_skills(Folder& folder);
void load_custom_tools(Folder& folder);

}  // namespace joey

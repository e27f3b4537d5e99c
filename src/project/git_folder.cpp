#include "project/git_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/text.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t link_file_bytes_max = 4'096;
constexpr std::size_t config_bytes_max = 256U << 10;
constexpr std::size_t git_files_max = 300'000;

std::string real_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? std::string() : real.string();
}

Error refused(std::string_view what, std::string_view remedy) {
  return {ErrorCode::denied, fmt::format("the git repository is not read: {}: {}", what, remedy)};
}

// What a file of one line says; empty when it cannot be read.
std::string line_of(const Root& root, const std::string& path) {
  const Result<std::string> text = read_at(root, path, link_file_bytes_max);
  return text ? std::string(trim(*text)) : std::string();
}

// The `worktree` of a submodule's configuration; empty when it has none.
std::string configured_worktree(const Root& git) {
  const Result<std::string> text = read_at(git, "config", config_bytes_max);
  if (!text) return {};
  for (std::string_view line : split_lines(*text)) {
    line = trim(line);
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos && trim(line.substr(0, equals)) == "worktree") {
      return std::string(trim(line.substr(equals + 1)));
    }
  }
  return {};
}

// What the library opens in the folder itself. Other things may be there, as the socket of git's own file watcher.
bool is_read_at_top(std::string_view name) {
  static constexpr std::string_view names[] = {"HEAD", "index",   "packed-refs", "refs",   "objects",
                                               "info", "shallow", "commondir",   "gitdir", "config"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// That there are only files and directories beneath the places that git reads, and no symlink that leads out.
Status check_files(const Root& git, const std::vector<std::string>& places) {
  std::size_t left = git_files_max;
  std::vector<std::string> waiting = places;
  for (std::size_t next = 0; next < waiting.size(); ++next) {
    const std::string directory = waiting[next];
    Descriptor opened = git.open_at(directory, O_RDONLY | O_DIRECTORY, Root::Links::refuse);
    if (!opened && errno == ENOENT) continue;
    const Result<std::vector<DirectoryEntry>> entries = read_directory(std::move(opened), directory, left + 1);
    if (!entries) return tl::unexpected(refused(entries.error().message, "repair it"));
    if (entries->size() > left) return tl::unexpected(refused("it has too many loose files", "run git gc"));
    left -= entries->size();
    for (const DirectoryEntry& entry : *entries) {
      if (directory == "." && !is_read_at_top(entry.name)) continue;
      const std::string path = join_path(directory, entry.name);
      FileKind kind = entry.kind;
      if (kind == FileKind::symlink) {
        const Result<FileInfo> target = info_at(git, path);
        kind = target && target->kind == FileKind::file ? FileKind::file : FileKind::other;
      }
      if (kind == FileKind::other || kind == FileKind::symlink) {
        return tl::unexpected(refused(fmt::format("{} in it is no plain file", quoted_path(path)), "remove it"));
      }
      if (kind == FileKind::directory && directory != ".") waiting.push_back(path);
    }
  }
  if (info_at(git, "objects/info/alternates")) {
    return tl::unexpected(refused("it borrows objects from another one", "run git repack -a -d, then remove "
                                                                        ".git/objects/info/alternates"));
  }
  return {};
}

// Follows a .git file: `gitdir: PATH`.
Result<GitFolder> follow_link(const Root& root) {
  const std::string link = line_of(root, ".git");
  constexpr std::string_view prefix = "gitdir:";
  if (!link.starts_with(prefix)) return failure(ErrorCode::not_found, "the file .git does not name a git repository");
  const std::filesystem::path top(root.path());
  const std::string directory = real_path(top / trim(std::string_view(link).substr(prefix.size())));
  const Result<Root> git = Root::open(directory, Resolver::kernel);
  if (!git) return failure(ErrorCode::not_found, "the git repository that the file .git names does not exist");

  const std::string back = line_of(*git, "gitdir");
  if (!back.empty() && real_path(std::filesystem::path(directory) / back) == real_path(top / ".git")) {
    const std::string common = real_path(std::filesystem::path(directory) / line_of(*git, "commondir"));
    // Of a linked worktree, COMMON/worktrees/NAME.
    if (std::filesystem::path(directory).parent_path().parent_path() == common) return GitFolder{directory, common};
  }
  const std::string worktree = configured_worktree(*git);
  if (!worktree.empty() && real_path(std::filesystem::path(directory) / worktree) == root.path()) {
    return GitFolder{directory, directory};
  }
  return tl::unexpected(refused("the file .git names one that does not name this folder", "repair it with git worktree "
                                                                                          "repair"));
}

}  // namespace

Result<GitFolder> find_git_folder(const Workspace& workspace) {
  const Result<std::shared_ptr<const Root>> root = root_of(workspace);
  if (!root) return tl::unexpected(root.error());
  const Result<FileInfo> info = info_at(**root, ".git");
  if (!info && info.error().code != ErrorCode::not_found) return tl::unexpected(info.error());
  if (!info) return failure(ErrorCode::not_found, "the workspace's root is not the top of a git repository");

  GitFolder folder;
  if (info->kind == FileKind::directory) {
    const Result<std::string> physical = (*root)->physical(".git");
    if (!physical) return tl::unexpected(physical.error());
    folder.directory = folder.common = join_path((*root)->path(), *physical);
  } else {
    Result<GitFolder> followed = follow_link(**root);
    if (!followed) return followed;
    folder = std::move(*followed);
  }
  const Result<Root> common = Root::open(folder.common, Resolver::kernel);
  if (!common) return tl::unexpected(common.error());
  std::vector<std::string> places{".", "refs", "objects", "info"};
  if (folder.directory != folder.common) {
    places.push_back(join_path("worktrees", last_component(folder.directory)));
  }
  if (Status checked = check_files(*common, places); !checked) return tl::unexpected(checked.error());
  return folder;
}

}  // namespace joey

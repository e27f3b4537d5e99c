// Rules: which files, in which order, and how much of them the model sees.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.hpp"
#include "project/loading.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t subfolders_max = 100;          // with a .roo of their own
constexpr std::size_t walked_entries_max = 200'000;  // names looked at to find them
constexpr std::size_t listed_files_max = 50;         // at the end of a mode's rules
constexpr std::chrono::seconds walk_time_max{10};

struct RulePath {
  Folder* folder;
  std::string path;
};

// Reads the files of one kind in their order, until they are as much as rules may be; what comes after is only named.
class RuleReader {
 public:
  explicit RuleReader(Loading& loading) : loading_(loading), left_(loading.options().rules_bytes_max) {}

  // False when there is no text in it.
  bool read(Folder& folder, const std::string& path) {
    RuleFile file{.path = folder.shown(path), .origin = folder.origin(), .text = {}};
    if (full_) {
      if (named_ == named_files_max) {
        folder.warn(path, "and the rule files after it are more than can be named: remove or merge some");
        return false;
      }
      const Result<FileInfo> info = folder.info(path);
      if (!info || info->size == 0) return false;
      file.size = info->size;
      return name(std::move(file));
    }
    const std::optional<FileInfo> info = folder.look(path);
    if (!info || info->kind != FileKind::file) return false;
    file.size = info->size;
    if (info->size > read_bytes_max) return name(std::move(file));
    const std::optional<std::string> text = folder.read_text(path);
    if (!text || trim(*text).empty()) return false;
    fill(file, *text);
    if (file.text.size() > left_ || !loading_.keep(file.text)) {
      full_ = true;
      file.text.clear();
      file.cut_at_line = 0;
      return name(std::move(file));
    }
    left_ -= file.text.size();
    files_.push_back(std::move(file));
    return true;
  }

  [[nodiscard]] std::vector<RuleFile> take() { return std::move(files_); }

 private:
  bool name(RuleFile file) {
    ++named_;
    files_.push_back(std::move(file));
    return true;
  }

  // The whole lines that may be shown.
  void fill(RuleFile& file, std::string_view text) const {
    const std::size_t size_max = loading_.options().file_bytes_max;
    if (trim(text).size() > size_max) {
      text = utf8_prefix(text, size_max);
      text = text.substr(0, text.rfind('\n') == std::string_view::npos ? text.size() : text.rfind('\n') + 1);
      file.cut_at_line = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    }
    file.text = trim(text);
  }

  Loading& loading_;
  std::vector<RuleFile> files_;
  std::size_t left_;
  std::size_t named_{0};
  bool full_{false};
};

// The directories beneath the root that have a .roo, by path.
std::vector<std::string> find_subfolders(Folder& project) {
  WalkOptions options;
  options.entries_max = walked_entries_max;
  options.time_max = walk_time_max;
  std::vector<std::string> found;
  const auto visit = [&](WalkEntry& entry) {
    if (entry.kind != FileKind::directory || entry.locked) return true;
    const Result<FileInfo> roo = project.info(join_path(entry.path, ".roo"));
    if (roo && roo->kind == FileKind::directory) found.push_back(std::move(entry.path));
    return found.size() <= subfolders_max;
  };
  const Result<WalkEnd> end = walk(project.workspace(), ".", options, CancelToken(), visit);
  if (!end) {
    project.warn(".", fmt::format("subdirectories were not looked through for .roo: {}", end.error().message));
  } else if (!end->complete) {
    project.warn(".",
                 fmt::format("not all subdirectories were looked through for .roo, which may be in at most {}: list "
                             "generated ones in .gitignore",
                             subfolders_max));
  }
  if (found.size() > subfolders_max) found.resize(subfolders_max);
  std::sort(found.begin(), found.end());
  return found;
}

class RuleFinder {
 public:
  RuleFinder(Folder* global, Folder& project) : project_(project) {
    if (global != nullptr) places_.push_back({global, ".roo", global->roo()});
    places_.push_back({&project, ".roo", project.roo()});
    if (!project.loading().options().subfolder_rules) return;
    subfolders_ = find_subfolders(project);
    for (const std::string& subfolder : subfolders_) {
      const std::string roo = join_path(subfolder, ".roo");
      places_.push_back({&project, roo, project.entries(roo)});
    }
  }

  // All files in the directories of this name in every .roo; if there are none, the first old file with a text.
  std::vector<RuleFile> of_directory(const std::string& name, std::initializer_list<std::string> old_files) {
    RuleReader reader(project_.loading());
    bool any = false;
    for (const Place& place : places_) {
      if (!has_directory(place.entries, name)) continue;
      for (const std::string& path : place.folder->files_beneath(join_path(place.roo, name))) {
        any = reader.read(*place.folder, path) || any;
      }
    }
    for (const std::string& path : old_files) any = any || reader.read(project_, path);
    return reader.take();
  }

  std::vector<RuleFile> of_agents() {
    RuleReader reader(project_.loading());
    std::vector<std::string> directories{""};
    directories.insert(directories.end(), subfolders_.begin(), subfolders_.end());
    for (const std::string& directory : directories) {
      if (!reader.read(project_, join_path(directory, "AGENTS.md"))) {
        reader.read(project_, join_path(directory, "AGENT.md"));
      }
      reader.read(project_, join_path(directory, "AGENTS.local.md"));
    }
    return reader.take();
  }

 private:
  struct Place {
    Folder* folder;
    std::string roo;
    std::vector<FolderEntry> entries;
  };

  Folder& project_;
  std::vector<Place> places_;
  std::vector<std::string> subfolders_;
};

// The sections of a prompt, within the bytes that rules may have.
class Sections {
 public:
  explicit Sections(std::size_t left) : left_(left) {}

  void add(std::string_view title, const RuleFile& file, std::string_view introduction = {}) {
    if (file.text.empty() || file.text.size() > left_) {
      unshown_.push_back(&file);
      return;
    }
    left_ -= file.text.size();
    text_ += fmt::format("## {} {}\n\n{}{}\n", title, file.path, introduction, file.text);
    if (file.cut_at_line != 0) {
      text_ +=
          file.origin == Origin::global
              ? fmt::format("\n(This is its beginning; the file has {} bytes and lies outside the workspace.)\n",
                            file.size)
              : fmt::format("\n(This is its beginning; the file has {} bytes. Read on with read_file, offset {}.)\n",
                            file.size, file.cut_at_line);
    }
    text_ += '\n';
  }

  std::string take() {
    if (!unshown_.empty()) name_unshown();
    while (text_.ends_with('\n')) text_.pop_back();
    return std::move(text_);
  }

 private:
  void name_unshown() {
    text_ +=
        "## More rules\n\nThese files are rules as well, but too much to be shown. When your work touches what one of "
        "them is about, read it first with read_file (those under ~/ lie outside the workspace: ask the person about "
        "them):\n\n";
    for (std::size_t i = 0; i < std::min(unshown_.size(), listed_files_max); ++i) {
      text_ += fmt::format("- {} ({} bytes)\n", unshown_[i]->path, unshown_[i]->size);
    }
    if (unshown_.size() > listed_files_max) {
      text_ += fmt::format("- and {} more beside them: see list_files\n", unshown_.size() - listed_files_max);
    }
  }

  std::size_t left_;
  std::string text_;
  std::vector<const RuleFile*> unshown_;
};

constexpr std::string_view ignore_introduction =
    "What matches these patterns (as in .gitignore) is closed to you: it is not listed, and reading or changing it is "
    "refused. Do not look for ways around that.\n\n";

}  // namespace

void load_rules(Folder* global, Folder& project) {
  Loading& loading = project.loading();
  Project& into = loading.project();
  into.rules_bytes_max = loading.options().rules_bytes_max;
  RuleFinder finder(global, project);
  for (const Mode& mode : into.modes) {
    std::vector<RuleFile> rules =
        finder.of_directory("rules-" + mode.slug, {".roorules-" + mode.slug, ".clinerules-" + mode.slug});
    if (!rules.empty()) into.mode_rules.emplace(mode.slug, std::move(rules));
  }
  RuleReader ignore(loading);
  if (ignore.read(project, ".rooignore")) into.ignore_file = ignore.take().front();
  if (loading.options().agent_rules) into.agent_rules = finder.of_agents();
  into.generic_rules = finder.of_directory("rules", {".roorules", ".clinerules"});
}

std::string rules_text(const Project& project, std::string_view mode) {
  Sections sections(project.rules_bytes_max);
  if (const auto own = project.mode_rules.find(std::string(mode)); own != project.mode_rules.end()) {
    for (const RuleFile& file : own->second) sections.add("Rules from", file);
  }
  if (project.ignore_file) sections.add("Files closed by", *project.ignore_file, ignore_introduction);
  for (const RuleFile& file : project.agent_rules) sections.add("Rules for agents from", file);
  for (const RuleFile& file : project.generic_rules) sections.add("Rules from", file);
  return sections.take();
}

}  // namespace joey

#include "edit/patch_files.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "edit/patch_chunks.hpp"

namespace joey {
namespace {

// The files a patch names, as far as it has been applied.
class PatchedFiles {
 public:
  explicit PatchedFiles(const ReadText& read) : read_(read) {}

  void apply(const PatchSection& section) {
    File* file = open(section, section.path);
    if (file == nullptr) return;
    switch (section.kind) {
      case PatchSection::Kind::add: return add(section, *file);
      case PatchSection::Kind::remove: return remove(section, *file);
      case PatchSection::Kind::update: return update(section, *file);
    }
  }

  PatchResult finish() {
    if (result_.report.empty()) collect_changes();
    return std::move(result_);
  }

 private:
  struct File {
    std::optional<std::string> before;
    std::optional<std::string> now;
    std::string origin;  // the path at which what is here now was before the patch; empty when it is new
    bool failed{false};  // what is here now is not what the patch means
  };

  // The file a section names; null, and the section is reported, when it cannot be told what is there.
  File* open(const PatchSection& section, const std::string& path) {
    const auto [entry, is_new] = files_.try_emplace(path);
    File& file = entry->second;
    if (is_new) {
      order_.push_back(path);
      auto text = read_(path);
      if (!text) {
        report(section, text.error().message);
        file.failed = true;
        return nullptr;
      }
      file.before = *std::move(text);
      file.now = file.before;
      if (file.before) file.origin = path;
    }
    if (file.failed) {
      report(section, fmt::format("\"{}\": not tried, since an earlier part of the patch for it failed", path));
      return nullptr;
    }
    return &file;
  }

  void add(const PatchSection& section, File& file) {
    if (file.now) {
      return report(section, fmt::format("\"{}\" exists already: update it, or delete it before you add it", section.path));
    }
    file.now = section.content;
    file.origin = file.before ? section.path : "";
  }

  void remove(const PatchSection& section, File& file) {
    if (!file.now) return report_missing(section);
    file.now.reset();
    file.origin.clear();
  }

  void update(const PatchSection& section, File& file) {
    if (!file.now) return report_missing(section);
    if (!section.chunks.empty() && !change(section, file)) {
      if (!section.move_to.empty()) files_[section.move_to].failed = true;
      return;
    }
    if (section.move_to.empty() || section.move_to == section.path) return;
    File* target = open(section, section.move_to);
    if (target == nullptr) return;
    if (target->now) {
      return report(section, fmt::format("\"{}\" exists already: delete it before you move \"{}\" there", section.move_to,
                                         section.path));
    }
    target->now = std::exchange(file.now, std::nullopt);
    target->origin = std::exchange(file.origin, "");
  }

  bool change(const PatchSection& section, File& file) {
    auto changed = apply_chunks(*file.now, section.chunks);
    if (!changed) {
      report(section, fmt::format("\"{}\": {}", section.path, changed.error().message));
      file.failed = true;
      return false;
    }
    if (changed->failed > 0) {
      result_.report += fmt::format("In \"{}\":\n{}", section.path, changed->report);
      file.failed = true;
      return false;
    }
    file.now = std::move(changed->text);
    if (!changed->exact) result_.inexact.insert({section.path, file.origin});
    if (!changed->notes.empty()) result_.notes += fmt::format("In \"{}\": {}", section.path, changed->notes);
    return true;
  }

  void report(const PatchSection& section, std::string_view problem) {
    result_.report += fmt::format("Line {} of the patch: {}\n", section.patch_line, problem);
  }
  void report_missing(const PatchSection& section) {
    report(section, fmt::format("\"{}\" does not exist: check the spelling, or add it", section.path));
  }

  void collect_changes() {
    std::map<std::string, std::string> moved_to;  // by the path before
    for (const auto& [path, file] : files_) {
      const bool came = !file.before && file.now && !file.origin.empty() && file.origin != path;
      if (came && !files_[file.origin].now) moved_to[file.origin] = path;
    }
    for (const std::string& path : order_) {
      File& file = files_[path];
      if (moved_to.contains(path) || (!file.before && !file.now)) continue;
      const auto move = moved_to.find(file.origin);
      const bool moved = move != moved_to.end() && move->second == path;
      result_.changes.push_back({path, moved ? file.origin : "", file.before.has_value(), std::move(file.now)});
    }
  }

  const ReadText& read_;
  std::map<std::string, File> files_;
  std::vector<std::string> order_;
  PatchResult result_;
};

}  // namespace

PatchResult apply_patch(std::span<const PatchSection> sections, const ReadText& read) {
  PatchedFiles files(read);
  for (const PatchSection& section : sections) files.apply(section);
  return files.finish();
}

}  // namespace joey

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "edit/patch.hpp"
#include "edit/patch_files.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

constexpr std::size_t patch_bytes_max = 128U << 20;  // of all files of one patch
constexpr int attempts_max = 2;                // the second when somebody else changed a file meanwhile

constexpr std::string_view saved_notice = "The changes are saved. There is no need to read the files again.";
constexpr std::string_view same_notice = "No changes needed: the files already hold exactly this.";

using Knowledge = FileLedger::Knowledge;

// The files of one attempt, and what has been done to them. Unless it is kept, it is put back.
class PatchedWorkspace {
 public:
  explicit PatchedWorkspace(const ToolContext& context) : context_(context) {}
  ~PatchedWorkspace() { put_back(); }
  PatchedWorkspace(const PatchedWorkspace&) = delete;
  PatchedWorkspace& operator=(const PatchedWorkspace&) = delete;

  // For apply_patch().
  Result<std::optional<std::string>> read(const std::string& path) {
    auto present = read_present(context_, path);
    if (!present) return tl::unexpected(std::move(present.error()));
    bytes_ += present->bytes ? present->bytes->size() : 0;
    if (bytes_ > patch_bytes_max) {
      return failure(ErrorCode::limit, fmt::format("\"{}\": the files of this patch have more than 128 MB: send it in parts", path));
    }
    auto text = decode_editable(context_, *present);
    if (!text) return tl::unexpected(std::move(text.error()));
    const auto file = files_.emplace(path, File{*std::move(present), *std::move(text)}).first;
    return file->second.present.bytes ? std::optional(file->second.text.text()) : std::nullopt;
  }

  [[nodiscard]] Knowledge knowledge(const std::string& path) const { return files_.at(path).present.knowledge; }

  // Writes, moves or removes one file.
  Status change(const FileChange& change) {
    const File& file = files_.at(change.moved_from.empty() ? change.path : change.moved_from);
    if (!change.text) return remove(file.present);
    const auto encoded = file.text.encode(change.path, *change.text);
    if (!encoded) return tl::unexpected(encoded.error());
    const std::string& bytes = *encoded;
    if (file.present.bytes == bytes && change.moved_from.empty()) return report(change.path, "unchanged");
    if (!change.moved_from.empty()) {
      if (Status moved = move(file.present, change.path); !moved) return moved;
    }
    if (file.present.bytes != bytes) {
      if (Status written = write(file.present, change.path, bytes); !written) return written;
    }
    changed_.push_back(change.path);
    if (change.moved_from.empty()) return report(change.path, change.existed ? "modified" : "created");
    changed_.push_back(change.moved_from);
    return report(change.path, "moved", change.moved_from);
  }

  // Undoes it all, the last first. What cannot be put back is named.
  std::vector<std::string> put_back() {
    std::vector<std::string> left;
    for (auto step = undo_.rbegin(); step != undo_.rend(); ++step) {
      if (!step->second()) left.push_back(step->first);
    }
    undo_.clear();
    return left;
  }

  void keep() {
    undo_.clear();
    if (context_.files == nullptr) return;
    for (const auto& note : notes_) note();
  }

  [[nodiscard]] const std::vector<std::string>& changed() const { return changed_; }
  [[nodiscard]] std::string report_text(std::string_view notice) const {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("files").begin_array();
    for (const FileReport& file : reports_) {
      json.begin_object().field("path", file.path).field("operation", file.operation);
      if (!file.moved_from.empty()) json.field("moved_from", file.moved_from);
      json.end_object();
    }
    json.end_array().field("notice", notice).end_object();
    return text;
  }

 private:
  struct File {
    PresentFile present;
    EditableText text;
  };
  struct FileReport {
    std::string path;
    std::string_view operation;
    std::string moved_from;
  };

  Workspace& workspace() const { return *context_.workspace; }
  ChangeOptions allowed() const { return {.protected_files = context_.protected_files}; }

  Status report(const std::string& path, std::string_view operation, const std::string& moved_from = {}) {
    reports_.push_back({path, operation, moved_from});
    return {};
  }

  Status write(const PresentFile& before, const std::string& path, const std::string& bytes) {
    if (Status written = workspace().write(path, bytes, change_of(context_, before)); !written) return written;
    undo_.emplace_back(path, [this, &before, path, bytes]() -> Status {
      ChangeOptions options = allowed();
      options.replaces = bytes;
      return before.bytes ? workspace().write(path, *before.bytes, options) : workspace().remove(path, options);
    });
    notes_.push_back([this, &before, path, bytes] { note_written(context_, before, path, bytes); });
    return {};
  }

  Status move(const PresentFile& before, const std::string& path) {
    ChangeOptions options = change_of(context_, before);
    options.creates = true;
    if (Status moved = workspace().rename(before.path, path, options); !moved) return moved;
    undo_.emplace_back(before.path, [this, &before, path]() -> Status {
      ChangeOptions back = allowed();
      back.creates = true;
      return workspace().rename(path, before.path, back);
    });
    notes_.push_back([this, &before, path] {
      context_.files->forget(before.path);
      note_written(context_, before, path, *before.bytes);
    });
    return {};
  }

  // What is put back after it has been removed has the permissions of a new file.
  Status remove(const PresentFile& before) {
    if (Status removed = workspace().remove(before.path, change_of(context_, before)); !removed) return removed;
    undo_.emplace_back(before.path, [this, &before]() -> Status {
      ChangeOptions options = allowed();
      options.creates = true;
      return workspace().write(before.path, *before.bytes, options);
    });
    notes_.push_back([this, &before] { context_.files->forget(before.path); });
    changed_.push_back(before.path);
    return report(before.path, "deleted");
  }

  const ToolContext& context_;
  std::map<std::string, File> files_;
  std::size_t bytes_{0};
  std::vector<std::pair<std::string, std::function<Status()>>> undo_;
  std::vector<std::function<void()>> notes_;  // for the ledger, once all is done
  std::vector<std::string> changed_;
  std::vector<FileReport> reports_;
};

class ApplyPatch final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view patch = arguments.string("patch");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    auto sections = parse_patch(patch);
    if (!sections) return tool_failure(sections.error());
    for (PatchSection& section : *sections) {
      for (std::string* path : {&section.path, &section.move_to}) {
        if (path->empty()) continue;
        auto relative = context.workspace->relative(*path);
        if (!relative) return tool_failure(relative.error());
        *path = *std::move(relative);
      }
    }
    for (int attempt = 1;; ++attempt) {
      auto outcome = apply(*sections, context);
      if (outcome) return *std::move(outcome);
      if (outcome.error().code != ErrorCode::conflict || attempt == attempts_max) {
        return tool_failure(fmt::format("nothing was changed: {}", outcome.error().message));
      }
    }
  }

 private:
  // An error: a file could not be changed, and those before it are as they were.
  static Result<ToolOutcome> apply(const std::vector<PatchSection>& sections, const ToolContext& context) {
    PatchedWorkspace files(context);
    const PatchResult result = apply_patch(sections, [&files](const std::string& path) { return files.read(path); });
    if (!result.report.empty()) {
      return tool_failure(within(fmt::format("Nothing was changed.\n{}", trim(result.report)), context.result_bytes_max));
    }
    bool outdated = false;
    for (const PatchSection& section : sections) {
      if (files.knowledge(section.path) != Knowledge::outdated) continue;
      outdated = true;
      if (result.inexact.contains(section.path) || section.kind == PatchSection::Kind::remove) {
        return tool_failure(fmt::format("nothing was changed: somebody else has changed \"{}\" since you read it, and the "
                                        "patch does not show exactly what it holds now; read it again",
                                        section.path));
      }
    }
    if (context.cancel.cancelled()) return tool_failure("nothing was changed: the call was cancelled");

    for (const FileChange& change : result.changes) {
      Status done = files.change(change);
      if (done) continue;
      const std::vector<std::string> left = files.put_back();
      if (left.empty()) return tl::unexpected(std::move(done.error()));
      return tool_failure(fmt::format("the patch failed half-way, and these files could not be put back: {}. Read them. {}",
                                      fmt::join(left, ", "), done.error().message));
    }
    files.keep();

    std::string notice(files.changed().empty() ? same_notice : outdated ? changed_meanwhile_notice : saved_notice);
    if (!result.notes.empty()) notice.append(" ").append(trim(result.notes));
    return ToolOutcome{true, within(files.report_text(notice), context.result_bytes_max), {}, files.changed()};
  }

  static std::vector<PathUse> paths(std::string_view json) {
    Arguments arguments(json);
    const auto patch = arguments.optional_string("patch");
    const auto sections = parse_patch(patch.value_or(""));
    std::vector<PathUse> uses;
    if (!sections) return uses;
    for (const PatchSection& section : *sections) {
      uses.push_back({section.path, true});
      if (!section.move_to.empty()) uses.push_back({section.move_to, true});
    }
    return uses;
  }

  const ToolSpec spec_{
      .name = "apply_patch",
      .description =
          R"(Adds, deletes, changes and moves files, all in one patch of this form:

*** Begin Patch
*** Add File: docs/new.md
+# New
+the content, every line after a plus
*** Delete File: docs/old.md
*** Update File: src/a.py
*** Move to: src/b.py
@@ class Greeter
     def greet(self):
-        return "hi"
+        return "hello"
*** End Patch

*** Move to: is optional. An update has chunks, in the order of the file; each line of one begins with a space (it stays), - (it goes) or + (it comes). Show three lines that stay before and after each change, copied exactly. Where they are not unique, put a line that comes before them, such as their function's or class's, after @@ at the beginning of the chunk; several @@ lines narrow it down. End a chunk with *** End of File when its lines are the last. Paths are relative to the workspace. The patch is applied whole or not at all.)",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "patch": {"type": "string", "description": "The patch, from *** Begin Patch to *** End Patch"}
        },
        "required": ["patch"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = paths,
      .offered = false,
  };
};

}  // namespace

std::shared_ptr<const Tool> apply_patch_tool() { return std::make_shared<ApplyPatch>(); }

}  // namespace joey

#include "checkpoint/compare.hpp"

#include <git2.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "checkpoint/files.hpp"

namespace joey::shadow {
namespace {

constexpr std::size_t binary_look_size = 8'000;  // bytes in which a NUL makes a file binary, as in git
constexpr int depth_max_of_trees = 1'100;

class Comparison {
 public:
  Comparison(const Objects& objects, const UniqueFunction<Descend(const Difference&)>& visit, const CancelToken& cancel)
      : objects_(objects), visit_(visit), cancel_(cancel) {}

  // An id that is empty stands for no tree.
  Status run(const std::string& path, const std::optional<Id>& before, const std::optional<Id>& after, int depth) {
    if (before == after) return {};
    if (cancel_.cancelled()) return failure(ErrorCode::cancelled, "the comparison of checkpoints was cancelled");
    if (depth > depth_max_of_trees) return failure(ErrorCode::corrupt, "a checkpoint has too many directories in each other");
    Result<std::vector<TreeEntry>> left = entries_of(before);
    if (!left) return tl::unexpected(std::move(left.error()));
    Result<std::vector<TreeEntry>> right = entries_of(after);
    if (!right) return tl::unexpected(std::move(right.error()));
    auto a = left->begin();
    auto b = right->begin();
    while (a != left->end() || b != right->end()) {
      const int order = a == left->end() ? 1 : b == right->end() ? -1 : a->name.compare(b->name);
      Difference difference;
      difference.path = join(path, order <= 0 ? a->name : b->name);
      if (order <= 0) difference.before = std::move(*a++);
      if (order >= 0) difference.after = std::move(*b++);
      if (Status status = entry(std::move(difference), depth); !status) return status;
    }
    return {};
  }

 private:
  Result<std::vector<TreeEntry>> entries_of(const std::optional<Id>& tree) const {
    return tree ? objects_.tree(*tree) : Result<std::vector<TreeEntry>>();
  }

  Status entry(Difference difference, int depth) {
    const TreeEntry& before = difference.before;
    const TreeEntry& after = difference.after;
    if (before == after) return {};
    const bool was_directory = is_directory(before.mode);
    const bool is_one = is_directory(after.mode);
    if (!(was_directory && is_one && before.mode == after.mode)) {
      if (visit_(difference) == Descend::over) return {};
    }
    if (!was_directory && !is_one) return {};
    return run(difference.path, was_directory ? std::optional(before.id) : std::nullopt,
               is_one ? std::optional(after.id) : std::nullopt, depth + 1);
  }

  const Objects& objects_;
  const UniqueFunction<Descend(const Difference&)>& visit_;
  const CancelToken& cancel_;
};

ChangedFile::Kind kind_of(const Difference& difference) {
  const std::uint32_t before = difference.before.mode;
  const std::uint32_t after = difference.after.mode;
  constexpr std::uint32_t type_bits = 0170000;
  if (before == 0) return ChangedFile::Kind::added;
  if (after == 0) return ChangedFile::Kind::deleted;
  if ((before & type_bits) != (after & type_bits)) return ChangedFile::Kind::type;
  if (difference.before.id == difference.after.id || is_directory(after)) return ChangedFile::Kind::mode;
  return ChangedFile::Kind::modified;
}

// Adds patches to changes, within the limits of all of them.
class Patches {
 public:
  Patches(const Objects& objects, const CheckpointDiffLimits& limits) : objects_(objects), limits_(limits) {}

  Status add(const Difference& difference, ChangedFile& change) {
    const bool has_text = has_content(difference.before.mode) || has_content(difference.after.mode);
    if (!has_text || change.kind == ChangedFile::Kind::mode) return {};
    for (const TreeEntry* side : {&difference.before, &difference.after}) {
      if (!has_content(side->mode)) continue;
      const Result<std::uint64_t> size = objects_.size(side->id);
      if (!size) return tl::unexpected(size.error());
      if (*size > limits_.text_size_max) {
        change.patch_cut = true;
        return {};
      }
    }
    const Result<std::string> before = content(difference.before);
    if (!before) return tl::unexpected(before.error());
    const Result<std::string> after = content(difference.after);
    if (!after) return tl::unexpected(after.error());
    change.binary = is_binary(*before) || is_binary(*after);
    if (!change.binary) write(*before, *after, difference, change);
    return {};
  }

 private:
  static bool has_content(std::uint32_t mode) { return is_file(mode) || is_symlink(mode); }

  Result<std::string> content(const TreeEntry& entry) const {
    return has_content(entry.mode) ? objects_.read(ObjectType::blob, entry.id) : Result<std::string>();
  }

  static bool is_binary(const std::string& bytes) {
    return std::string_view(bytes).substr(0, binary_look_size).find('\0') != std::string_view::npos;
  }

  // On one line.
  static std::string shown(const std::string& path) {
    const bool plain = std::none_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    return plain ? path : quoted_path(path);
  }

  void write(const std::string& before, const std::string& after, const Difference& difference, ChangedFile& change) {
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    options.flags = GIT_DIFF_FORCE_TEXT;
    git_patch* patch = nullptr;
    git_buf text = {};
    const int error = git_patch_from_buffers(&patch, before.data(), before.size(), "file", after.data(), after.size(), "file",
                                             &options);
    if (error == 0 && patch != nullptr && git_patch_to_buf(&text, patch) == 0) {
      // The library's own header would quote the path: this one is the same for every path.
      std::string_view hunks(text.ptr, text.size);
      const std::size_t first = hunks.starts_with("@@") ? 0 : hunks.find("\n@@");
      hunks = first == std::string_view::npos ? std::string_view() : hunks.substr(first == 0 ? 0 : first + 1);
      if (!hunks.empty()) {
        const auto name = [&difference](const TreeEntry& side, const char* prefix) {
          return side.mode == 0 ? std::string("/dev/null") : prefix + shown(difference.path);
        };
        change.patch = "--- " + name(difference.before, "a/") + "\n+++ " + name(difference.after, "b/") + "\n";
        change.patch += hunks;
      }
    } else {
      change.patch_cut = true;
    }
    git_buf_dispose(&text);
    git_patch_free(patch);
    const std::size_t allowed = std::min(limits_.patch_size_max, limits_.bytes_max - std::min(limits_.bytes_max, used_));
    if (change.patch.size() > allowed) {
      // Whole lines only.
      const std::size_t end = allowed == 0 ? std::string::npos : change.patch.rfind('\n', allowed - 1);
      change.patch.resize(end == std::string::npos ? 0 : end + 1);
      change.patch_cut = true;
    }
    used_ += change.patch.size();
  }

  const Objects& objects_;
  const CheckpointDiffLimits& limits_;
  std::size_t used_{0};
};

}  // namespace

Status compare(const Objects& objects, const Id& before, const Id& after,
               const UniqueFunction<Descend(const Difference&)>& visit, const CancelToken& cancel) {
  return Comparison(objects, visit, cancel).run("", before, after, 0);
}

bool is_change(const Difference& difference) {
  const bool was_directory = is_directory(difference.before.mode);
  const bool is_one = is_directory(difference.after.mode);
  if (was_directory && is_one) return true;  // given only when the modes differ
  if (!was_directory && !is_one) return true;
  if (difference.before.mode != 0 && difference.after.mode != 0) return true;  // another type
  static const Id empty = Objects::id_of(ObjectType::tree, "");
  return (was_directory ? difference.before.id : difference.after.id) == empty;
}

Result<CheckpointDiff> describe(const Objects& objects, const Id& before, const Id& after,
                                const CheckpointDiffLimits& limits, const CancelToken& cancel) {
  CheckpointDiff diff;
  std::vector<Difference> differences;
  const UniqueFunction<Descend(const Difference&)> collect = [&](const Difference& difference) {
    if (is_change(difference)) {
      ++diff.files_count;
      if (differences.size() < limits.files_max) differences.push_back(difference);
    }
    return Descend::into;
  };
  if (Status status = compare(objects, before, after, collect, cancel); !status) {
    return tl::unexpected(std::move(status.error()));
  }
  Patches patches(objects, limits);
  for (const Difference& difference : differences) {
    if (cancel.cancelled()) return failure(ErrorCode::cancelled, "the comparison of checkpoints was cancelled");
    ChangedFile change;
    change.path = difference.path;
    const std::uint32_t mode = difference.after.mode != 0 ? difference.after.mode : difference.before.mode;
    if (is_directory(mode)) change.path += '/';
    change.kind = kind_of(difference);
    change.mode_before = difference.before.mode;
    change.mode_after = difference.after.mode;
    if (Status status = patches.add(difference, change); !status) return tl::unexpected(std::move(status.error()));
    diff.files.push_back(std::move(change));
  }
  return diff;
}

}  // namespace joey::shadow

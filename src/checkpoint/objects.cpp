#include "checkpoint/objects.hpp"

#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"

namespace joey::shadow {
namespace {

// A pack of at most this many bytes is not written through to the disk: after a loss of power it is checked instead.
constexpr std::uint64_t unsynced_pack_max = 4U << 20;
constexpr std::uint64_t disk_look_interval = 64U << 20;  // bytes added between two looks at the free space
constexpr std::uint32_t directory_default = 0755;        // what git's "40000" stands for

git_oid to_git(const Id& id) {
  git_oid oid;
  std::memcpy(oid.id, id.bytes.data(), id.bytes.size());
  return oid;
}

git_object_t to_git(ObjectType type) { return static_cast<git_object_t>(type); }

std::string library_error() {
  const git_error* error = git_error_last();
  return error != nullptr && error->message != nullptr ? error->message : "unknown";
}

Error damaged(const Id& id, const std::string& why) {
  return {ErrorCode::corrupt, fmt::format("object {} of a checkpoint is lost or damaged ({}): other checkpoints may be "
                                          "whole, and new ones are not affected",
                                          id.hex(), why)};
}

// The permission bits of a directory are stored so that the most common ones are git's "40000".
std::uint32_t swap_directory_bits(std::uint32_t mode) { return is_directory(mode) ? mode ^ directory_default : mode; }

}  // namespace

void start_libgit2() {
  static const int users = git_libgit2_init();
  static_cast<void>(users);
}

bool is_directory(std::uint32_t mode) { return S_ISDIR(mode); }
bool is_file(std::uint32_t mode) { return S_ISREG(mode); }
bool is_symlink(std::uint32_t mode) { return S_ISLNK(mode); }

// --- Trees ---

std::string encode_tree(std::vector<TreeEntry> entries) {
  // Git sorts a directory as if its name ended in '/'.
  std::sort(entries.begin(), entries.end(), [](const TreeEntry& a, const TreeEntry& b) {
    const std::size_t common = std::min(a.name.size(), b.name.size());
    if (const int order = std::memcmp(a.name.data(), b.name.data(), common); order != 0) return order < 0;
    const auto next = [common](const TreeEntry& entry) {
      if (common < entry.name.size()) return static_cast<unsigned char>(entry.name[common]);
      return static_cast<unsigned char>(is_directory(entry.mode) ? '/' : '\0');
    };
    return next(a) < next(b);
  });
  std::string out;
  for (const TreeEntry& entry : entries) {
    fmt::format_to(std::back_inserter(out), "{:o} ", swap_directory_bits(entry.mode));
    out += entry.name;
    out += '\0';
    out.append(reinterpret_cast<const char*>(entry.id.bytes.data()), entry.id.bytes.size());
  }
  return out;
}

Result<std::vector<TreeEntry>> decode_tree(std::string_view bytes) {
  std::vector<TreeEntry> entries;
  const auto wrong = [] { return failure(ErrorCode::corrupt, "a directory in a checkpoint is damaged"); };
  while (!bytes.empty()) {
    TreeEntry entry;
    std::size_t at = 0;
    for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '7' && at < 7; ++at) {
      entry.mode = entry.mode << 3 | static_cast<std::uint32_t>(bytes[at] - '0');
    }
    const std::size_t end = bytes.find('\0', at);
    if (at == 0 || at >= bytes.size() || bytes[at] != ' ' || end == std::string_view::npos || bytes.size() - end < 21) {
      return wrong();
    }
    entry.name = bytes.substr(at + 1, end - at - 1);
    entry.mode = swap_directory_bits(entry.mode);
    std::memcpy(entry.id.bytes.data(), bytes.data() + end + 1, entry.id.bytes.size());
    bytes.remove_prefix(end + 1 + entry.id.bytes.size());
    const bool known = is_directory(entry.mode) || is_file(entry.mode) || is_symlink(entry.mode) || is_not_kept(entry.mode);
    if (!known || entry.name.empty() || entry.name == "." || entry.name == ".." || entry.name == ".git" ||
        entry.name.find('/') != std::string::npos) {
      return wrong();
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const TreeEntry& a, const TreeEntry& b) { return a.name < b.name; });
  const auto same = std::adjacent_find(entries.begin(), entries.end(),
                                       [](const TreeEntry& a, const TreeEntry& b) { return a.name == b.name; });
  if (same != entries.end()) return wrong();
  return entries;
}

// --- Objects ---

Result<Objects> Objects::open(const std::string& directory, const Budget& budget) {
  Objects objects;
  objects.directory_ = directory;
  objects.budget_ = budget;
  git_odb_backend* packs = nullptr;
  git_odb_backend* loose = nullptr;
  int error = git_odb_new(&objects.odb_);
  if (error == 0) error = git_odb_backend_pack(&packs, directory.c_str());
  if (error == 0) error = git_odb_add_backend(objects.odb_, packs, 2);
  // Nothing here writes loose objects, but a person's `git gc` may.
  if (error == 0) error = git_odb_backend_loose(&loose, directory.c_str(), 1, 0, 0700, 0400);
  if (error == 0) error = git_odb_add_backend(objects.odb_, loose, 1);
  if (error != 0) {
    return failure(ErrorCode::io, fmt::format("{}: cannot be opened as objects of git: {}", quoted_path(directory),
                                              library_error()));
  }
  return objects;
}

Objects::~Objects() { git_odb_free(odb_); }

Objects::Objects(Objects&& other) noexcept
    : directory_(std::move(other.directory_)),
      budget_(other.budget_),
      added_bytes_(other.added_bytes_),
      checked_bytes_(other.checked_bytes_),
      odb_(std::exchange(other.odb_, nullptr)),
      writer_(std::move(other.writer_)),
      added_trees_(std::move(other.added_trees_)),
      full_(std::move(other.full_)) {}

Id Objects::id_of(ObjectType type, std::string_view bytes) {
  git_oid oid = {};
  git_odb_hash(&oid, bytes.data(), bytes.size(), to_git(type));
  Id id;
  std::memcpy(id.bytes.data(), oid.id, id.bytes.size());
  return id;
}

bool Objects::has(const Id& id) const {
  const git_oid oid = to_git(id);
  return git_odb_exists_ext(odb_, &oid, GIT_ODB_LOOKUP_NO_REFRESH) == 1;
}

Result<std::string> Objects::read(ObjectType type, const Id& id) const {
  const git_oid oid = to_git(id);
  git_odb_object* object = nullptr;
  if (git_odb_read(&object, odb_, &oid) != 0) return tl::unexpected(damaged(id, library_error()));
  std::string bytes(static_cast<const char*>(git_odb_object_data(object)), git_odb_object_size(object));
  const bool fits = git_odb_object_type(object) == to_git(type);
  git_odb_object_free(object);
  if (!fits) return tl::unexpected(damaged(id, "it is of another type"));
  return bytes;
}

Result<std::uint64_t> Objects::size(const Id& id) const {
  const git_oid oid = to_git(id);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_ANY;
  if (git_odb_read_header(&size, &type, odb_, &oid) != 0) return tl::unexpected(damaged(id, library_error()));
  return size;
}

Result<std::vector<TreeEntry>> Objects::tree(const Id& id) const {
  if (const auto added = added_trees_.find(id); added != added_trees_.end()) return decode_tree(added->second);
  const Result<std::string> bytes = read(ObjectType::tree, id);
  if (!bytes) return tl::unexpected(bytes.error());
  return decode_tree(*bytes);
}

Status Objects::check_budget(std::uint64_t bytes) {
  added_bytes_ += bytes;
  if (added_bytes_ > budget_.added_bytes_max) {
    return failure(ErrorCode::limit,
                   fmt::format("a checkpoint may add {} bytes of new content, and the workspace has more: list large or "
                               "generated files in .gitignore, or raise added_bytes_max",
                               budget_.added_bytes_max));
  }
  if (writer_ && added_bytes_ - checked_bytes_ < disk_look_interval) return {};
  checked_bytes_ = added_bytes_;
  struct statvfs disk = {};
  if (::statvfs(directory_.c_str(), &disk) != 0) return tl::unexpected(system_error(errno, directory_));
  const std::uint64_t available = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (available >= budget_.disk_free_min) return {};
  return failure(ErrorCode::limit,
                 fmt::format("{}: only {} bytes are free on its disk, and checkpoints leave {} free: make room, or keep "
                             "checkpoints on another disk",
                             quoted_path(directory_), available, budget_.disk_free_min));
}

Result<Id> Objects::add(ObjectType type, std::string_view bytes) {
  const Id id = id_of(type, bytes);
  if (writer_ && writer_->has(id)) return id;
  if (std::any_of(full_.begin(), full_.end(), [&](const auto& pack) { return pack->has(id); })) return id;
  if (has(id)) return id;
  if (Status status = check_budget(bytes.size()); !status) return tl::unexpected(std::move(status.error()));
  if (writer_ && writer_->size() >= pack_size_max) full_.push_back(std::move(writer_));
  if (!writer_) {
    Result<std::unique_ptr<PackWriter>> writer = PackWriter::create(directory_ + "/pack");
    if (!writer) return tl::unexpected(std::move(writer.error()));
    writer_ = std::move(*writer);
  }
  if (Status status = writer_->add(type, id, bytes); !status) return tl::unexpected(std::move(status.error()));
  if (type == ObjectType::tree) added_trees_.emplace(id, bytes);
  return id;
}

Status Objects::commit() {
  if (!writer_) return {};
  full_.push_back(std::move(writer_));
  for (const std::unique_ptr<PackWriter>& pack : full_) {
    Result<std::string> name = pack->finish(pack->size() > unsynced_pack_max);
    if (!name) return tl::unexpected(std::move(name.error()));
  }
  full_.clear();
  added_trees_.clear();
  git_odb_refresh(odb_);
  return {};
}

}  // namespace joey::shadow

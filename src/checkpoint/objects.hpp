// Git's objects in a repository of joey's own: names, trees, reading, and adding many at once.
//
// Works on libgit2's object database alone and never opens a repository with it: so there are no configuration, no
// environment, no index, no attributes, no filters and no hooks that could play a part.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/pack.hpp"

typedef struct git_odb git_odb;

namespace joey::shadow {

// Before anything of libgit2 is used; the first call costs some milliseconds. It is never shut down: that would lose what
// it keeps for each thread, and threads of the host may be about.
void start_libgit2();

// What is in a directory. `mode` is st_mode of a file, symlink or directory, with all permission bits: git reads trees
// whose modes are not 0644 or 0755, and its fsck has an option for them. Directories may be empty.
//
// What is there but not kept is an entry of the mode that git has for a commit of another repository, whose object it
// does not expect either; its id says what is known of the file.
struct TreeEntry {
  std::string name;
  std::uint32_t mode{0};
  Id id;

  bool operator==(const TreeEntry&) const = default;
};

constexpr std::uint32_t not_kept_mode = 0160000;

[[nodiscard]] bool is_directory(std::uint32_t mode);
[[nodiscard]] bool is_file(std::uint32_t mode);
[[nodiscard]] bool is_symlink(std::uint32_t mode);
inline bool is_not_kept(std::uint32_t mode) { return mode == not_kept_mode; }

// A tree as git writes it; the entries may be in any order.
[[nodiscard]] std::string encode_tree(std::vector<TreeEntry> entries);
// Sorted by name. `corrupt` when it is none, or has names that no directory can have.
[[nodiscard]] Result<std::vector<TreeEntry>> decode_tree(std::string_view bytes);

// What one checkpoint may use.
struct Budget {
  std::uint64_t added_bytes_max{0};
  std::uint64_t disk_free_min{0};
};

class Objects {
 public:
  // `directory` is a repository's objects/.
  [[nodiscard]] static Result<Objects> open(const std::string& directory, const Budget& budget);
  ~Objects();
  Objects(Objects&& other) noexcept;
  Objects& operator=(Objects&&) = delete;

  [[nodiscard]] static Id id_of(ObjectType type, std::string_view bytes);

  [[nodiscard]] bool has(const Id& id) const;
  // `corrupt` when it is missing or not what was written.
  [[nodiscard]] Result<std::string> read(ObjectType type, const Id& id) const;
  [[nodiscard]] Result<std::uint64_t> size(const Id& id) const;  // of the object's bytes
  [[nodiscard]] Result<std::vector<TreeEntry>> tree(const Id& id) const;

  // Adds an object unless it is there. Of what was added only trees can be read before commit(). `limit` when the
  // budget is used up.
  [[nodiscard]] Result<Id> add(ObjectType type, std::string_view bytes);
  // All that was added is there. Without it, nothing is.
  [[nodiscard]] Status commit();

 private:
  Objects() = default;
  [[nodiscard]] Status check_budget(std::uint64_t bytes);

  std::string directory_;
  Budget budget_;
  std::uint64_t added_bytes_{0};
  std::uint64_t checked_bytes_{0};  // added_bytes_ when the disk was last looked at
  git_odb* odb_{nullptr};
  std::unique_ptr<PackWriter> writer_;
  std::unordered_map<Id, std::string, IdHash> added_trees_;
  std::vector<std::unique_ptr<PackWriter>> full_;  // at their size limit, to be finished with the last
};

}  // namespace joey::shadow

// Git's own files, read as a stranger's: anybody may have written what is in .git, and may change it meanwhile.
//
// Files are opened beneath their root by the kernel and read with bounds (no symlink leads out, no pipe blocks, nothing
// is mapped), everything has a limit, and every object is held against its name. Hooks, filters and alternates are not
// looked at, and of the configuration only where a submodule's files are and whether the disk keeps modes. Objects are
// named by SHA-1; repositories of SHA-256 are `unsupported`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "workspace/local.hpp"

namespace joey {

using GitId = std::array<unsigned char, 20>;

[[nodiscard]] std::string hex_of(const GitId& id);
[[nodiscard]] std::optional<GitId> id_of_hex(std::string_view digits);  // 40 of them

enum class GitKind : std::uint8_t { commit = 1, tree = 2, blob = 3, tag = 4 };

// The name of an object. libgit2 must be initialised.
[[nodiscard]] GitId id_of(GitKind kind, std::string_view bytes);

// A place beneath a root where git keeps files.
struct GitPlace {
  std::shared_ptr<const Root> root;
  std::string prefix;

  [[nodiscard]] std::string path(std::string_view name) const;
};

struct GitFolder {
  GitPlace own;            // HEAD and the index
  GitPlace common;         // objects and refs; the same unless the workspace is a linked worktree
  bool keeps_modes{true};  // the disk knows which files are executable
};

// The repository whose top is the root of the workspace; none above it is looked for. A .git file, of a linked worktree
// or a submodule, is followed only to a repository that names this workspace in return: nobody can point it elsewhere.
// `not_found`: there is none.
[[nodiscard]] Result<GitFolder> find_git_folder(const Workspace& workspace);

struct GitHead {
  std::string branch;       // "main"; empty when it is detached
  std::optional<GitId> id;  // none before the first commit
};
[[nodiscard]] Result<GitHead> read_git_head(const GitFolder& folder);

// --- Objects ---

struct GitObject {
  GitKind kind{GitKind::blob};
  std::string bytes;
};

class GitObjects {
 public:
  explicit GitObjects(GitPlace common) : place_(std::move(common)) {}

  // `not_found`; `limit`: larger than `size_max`; `corrupt`.
  [[nodiscard]] Result<GitObject> read(const GitId& id, std::size_t size_max);
  [[nodiscard]] Result<std::string> read(const GitId& id, GitKind kind, std::size_t size_max);

  // The object whose name begins so. `not_found`; `invalid_argument`: there are several.
  [[nodiscard]] Result<GitId> find(std::string_view digits);

 private:
  struct Pack {
    std::string name;  // without .idx
    Descriptor index;
    Descriptor bytes;  // opened when something of it is wanted
    std::uint32_t count{0};
    std::array<std::uint32_t, 256> fanout{};
  };
  struct Place {
    std::size_t pack{0};
    std::uint64_t offset{0};
  };

  [[nodiscard]] Status open_packs();
  [[nodiscard]] Result<GitObject> read_unchecked(const GitId& id, std::size_t size_max);
  [[nodiscard]] Result<GitObject> read_loose(const Descriptor& file, std::size_t size_max) const;
  [[nodiscard]] Result<GitObject> read_packed(Place place, std::size_t size_max);
  [[nodiscard]] std::optional<Place> locate(const GitId& id) const;

  GitPlace place_;
  std::vector<Pack> packs_;
  bool packs_opened_{false};
};

// --- Trees, commits, the index ---

struct GitTreeEntry {
  std::string name;
  std::uint32_t mode{0};  // S_IFDIR: a tree; S_IFREG, S_IFLNK: a blob; git_submodule_mode
  GitId id{};
};

inline constexpr std::uint32_t git_submodule_mode = 0160000;

[[nodiscard]] Result<std::vector<GitTreeEntry>> parse_git_tree(std::string_view bytes);

struct GitCommit {
  GitId tree{};
  std::vector<GitId> parents;
  std::string author;       // "Ann <ann@example.org>"
  std::int64_t seconds{0};  // since 1970
  int offset_minutes{0};    // of the author's clock, east of UTC
  std::string message;
};

[[nodiscard]] Result<GitCommit> parse_git_commit(std::string_view bytes);

struct GitIndexEntry {
  std::string path;
  std::uint32_t mode{0};
  GitId id{};
  std::uint32_t size{0};  // of the file when it was added, modulo 2^32, like the time; 0: not known
  std::uint32_t modified_s{0};
  std::uint32_t modified_ns{0};
  unsigned stage{0};    // not 0: a conflict
  bool assumed{false};  // git is told not to look at the file
};

struct GitIndex {
  std::vector<GitIndexEntry> entries;  // by path
  std::map<std::string, GitId> trees;  // directories whose entries are those of this tree; "" is the top
  std::int64_t modified_ns{0};         // of the index itself
};

// Empty when there is none yet.
[[nodiscard]] Result<GitIndex> read_git_index(const GitFolder& folder);

}  // namespace joey

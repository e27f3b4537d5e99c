// Walking the files of a workspace, and the listing of list_files.
//
// A walk goes level by level and opens each directory anew beneath the root, by its path and without following a
// symlink: it holds one descriptor however deep the tree is, needs no stack, and cannot be led out or in a circle.
// Names come as bytes, sorted within each directory, so what a limit cuts off does not depend on the disk.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "base/ignore.hpp"
#include "base/result.hpp"
#include "workspace/local.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// What .rooignore forbids is never walked into, and never given unless `locked` asks for it.
struct WalkOptions {
  bool gitignore{true};      // leave out what .gitignore files beneath the root and .git/info/exclude say
  bool well_known{true};     // leave out directories nobody wants to see: is_well_known_directory()
  bool hidden{true};         // give names that begin with '.'; hidden directories go by `well_known` as well
  bool locked{false};        // give what .rooignore forbids, marked
  std::size_t depth_max{1'000};        // directories below the one walked
  std::size_t entries_max{1'000'000};  // names looked at, ignored ones too
  std::chrono::milliseconds time_max{60'000};
};

struct WalkEntry {
  std::string path;               // relative to the workspace's root
  FileKind kind{FileKind::file};  // of the entry itself: symlinks are not followed
  bool locked{false};             // .rooignore forbids it

  bool operator==(const WalkEntry&) const = default;
};

// How a walk ended.
struct WalkEnd {
  bool complete{true};        // false: entries_max, time_max or `visit` cut it short
  std::size_t too_deep{0};    // directories not entered: depth_max
  std::size_t unreadable{0};  // directories that could not be opened or read, or whose path is too long to name
};

// Gives every entry beneath the directory `path`, parents before children, first levels first, until `visit` returns
// false. Where `path` goes through symlinks, the entries' paths are of the directory it leads to. When `path` itself is
// ignored, the rules that ignore it do not apply beneath it; .rooignore always does, and when it cannot be read nothing
// is given. `cancelled`; `not_found`, `invalid_argument` or `denied` for `path`.
//
// Threads: blocks the caller, like Workspace's file functions.
[[nodiscard]] Result<WalkEnd> walk(const Workspace& workspace, std::string_view path, const WalkOptions& options,
                                   const CancelToken& cancel, const UniqueFunction<bool(WalkEntry&)>& visit);

struct ListOptions {
  bool recursive{false};
  bool locked{false};                          // as in WalkOptions
  std::size_t limit{200};                      // entries
  std::chrono::milliseconds time_max{10'000};  // then what was found so far
};

struct Listing {
  std::vector<WalkEntry> entries;  // in natural order, parents before children
  bool truncated{false};
  std::size_t unreadable{0};
};

// The entries of the directory `path`; when `recursive`, of all beneath it, of which the limit keeps the first levels.
[[nodiscard]] Result<Listing> list_files(const Workspace& workspace, std::string_view path, const ListOptions& options,
                                         const CancelToken& cancel);

// Directories of generated or foreign files: node_modules, __pycache__, venv, dist, …, and every hidden one. `path` is
// relative to the root: some are known by two names, as target/dependency.
[[nodiscard]] bool is_well_known_directory(std::string_view path);

// The order of a listing: component by component, digits by their value, letters without case. A total order.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

// --- What a walk is made of, for one in another order or on several threads ---

// The ignore file of one directory, and those above it, which all directories beneath share.
struct IgnoreScope {
  std::shared_ptr<const IgnoreScope> above;
  std::size_t base{0};  // bytes of an entry's path that name the directory, with its '/'
  IgnorePatterns patterns;
};

// A directory that a walk has yet to read.
struct WalkDirectory {
  std::string path;  // relative to the root, without symlinks; empty is the root itself
  std::size_t depth{0};
  std::shared_ptr<const IgnoreScope> ignore;  // of the directories above
};

// What is kept from everybody: by the patterns of .rooignore, and of the host's (Root::hidden()).
class Lock {
 public:
  [[nodiscard]] static Result<Lock> read(const Root& root);
  [[nodiscard]] bool present() const { return has_file_ || !hidden_.empty(); }  // something may be forbidden
  [[nodiscard]] bool forbids(std::string_view path, bool is_directory) const;
  [[nodiscard]] std::string_view keeper() const;  // who forbids, in words

 private:
  bool has_file_{false};
  IgnorePatterns patterns_;
  IgnorePatterns hidden_;
};

// Reads directories one at a time.
//
// Threads: const functions may be called from several at once.
class Walker {
 public:
  // `path` may be a file, too.
  [[nodiscard]] static Result<Walker> create(const Workspace& workspace, std::string_view path, WalkOptions options);

  [[nodiscard]] const Root& root() const { return *root_; }
  [[nodiscard]] const WalkDirectory& start() const { return start_; }
  [[nodiscard]] FileKind kind() const { return kind_; }  // of start()

  struct Entry : WalkEntry {
    bool git_ignored{false};  // only of files, and only with `keep_ignored_files`
  };
  struct Entries {
    std::vector<Entry> entries;                 // sorted by name
    std::shared_ptr<const IgnoreScope> ignore;  // for the directories among them
    std::size_t seen{0};                        // with those that were left out
  };
  // The entries of `directory` that no rule leaves out; at most `seen_max` names are read.
  [[nodiscard]] Result<Entries> read(const WalkDirectory& directory, std::size_t seen_max,
                                     bool keep_ignored_files = false) const;

 private:
  Walker() = default;
  void enter_start();
  [[nodiscard]] bool is_left_out(std::string_view path, std::string_view name, bool is_directory) const;

  std::shared_ptr<const Root> root_;
  WalkOptions options_;
  Lock lock_;
  WalkDirectory start_;
  FileKind kind_{FileKind::directory};
  bool start_hidden_{false};  // a component of the start is: then hidden names are wanted
};

}  // namespace joey

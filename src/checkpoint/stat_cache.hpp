// What the workspace was at an earlier look: a file that tells which of it has not changed since, and what its trees are.
//
// Directories come in post-order: a directory's record is the last of its subtree's, and a subtree is one run of bytes,
// without positions in it, that a later file can take over as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/pack.hpp"

namespace joey::shadow {

struct CachedEntry {
  enum class Kind : std::uint8_t { file, symlink, directory, not_kept, ignored_file, ignored_directory, special };
  std::string_view name;
  Kind kind{Kind::file};
  std::uint32_t mode{0};    // as in a tree
  std::uint64_t stamp{0};   // of a file, symlink or what was not kept; 0 is never the stamp of anything
  Id id;
};

struct CachedDirectory {
  std::string_view path;
  std::uint64_t stamp{0};         // of the directory itself, which covers the names in it
  Id rules;                       // of the directories above, under which the names were judged
  Id tree;
  std::uint32_t mode{0};
  std::uint32_t directories{0};   // records in the subtree, this one included
  std::uint32_t entries{0};       // names in the subtree
  std::uint32_t notes{0};         // of those, not kept or special
  std::uint32_t ignored{0};       // of those, ignored
  std::uint32_t own_entries{0};
  std::string_view own;           // the entries, encoded: see EntryReader
};

class EntryReader {
 public:
  explicit EntryReader(const CachedDirectory& directory) : rest_(directory.own) {}
  [[nodiscard]] bool next(CachedEntry& entry);  // sorted by name

 private:
  std::string_view rest_;
};

class StatCache {
 public:
  // Empty when there is none, it is damaged, or it was written under another key: what the key stands for has changed,
  // so what the file says cannot be trusted.
  [[nodiscard]] static StatCache load(const std::string& path, std::uint64_t key);
  ~StatCache();
  StatCache(StatCache&& other) noexcept;
  StatCache& operator=(StatCache&&) = delete;

  [[nodiscard]] std::size_t size() const { return starts_.empty() ? 0 : starts_.size() - 1; }  // directories
  [[nodiscard]] CachedDirectory directory(std::size_t index) const;
  // The records of a subtree whose last is `index`.
  [[nodiscard]] std::string_view subtree(std::size_t index, std::uint32_t directories) const;

  // Every object it names.
  [[nodiscard]] std::vector<Id> ids() const;

 private:
  StatCache() = default;

  std::string_view mapped_;
  std::vector<std::size_t> starts_;  // of each record, and the end of the last
};

// Encodes the file.
class StatCacheWriter {
 public:
  StatCacheWriter();
  void add_subtree(std::string_view records) { bytes_ += records; }
  void add(const CachedDirectory& directory, const std::vector<CachedEntry>& entries);
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::string finish(std::uint64_t key);

 private:
  std::string bytes_;
};

// A number that differs from one start of the machine to the next.
[[nodiscard]] std::uint64_t current_boot();

}  // namespace joey::shadow

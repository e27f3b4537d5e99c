// Looking up paths in a tree of objects.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/objects.hpp"

namespace joey::shadow {

// Keeps what it has read. A directory that is lost counts as one that is not there.
class TreePaths {
 public:
  TreePaths(const Objects& objects, const Id& tree) : objects_(objects), root_(tree) {}

  // Null when there is none.
  [[nodiscard]] const TreeEntry* find(std::string_view path);

 private:
  using Entries = std::vector<TreeEntry>;
  [[nodiscard]] const Entries* directory(std::string_view path);

  const Objects& objects_;
  Id root_;
  std::map<std::string, std::unique_ptr<Entries>, std::less<>> known_;
};

// The directory a path is in, "" for the root; and its last component.
inline std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}
inline std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace joey::shadow

#include "checkpoint/tree_paths.hpp"

#include <algorithm>
#include <utility>

namespace joey::shadow {

const TreeEntry* TreePaths::find(std::string_view path) {
  const Entries* entries = directory(directory_of(path));
  if (entries == nullptr) return nullptr;
  const std::string_view name = name_of(path);
  const auto at = std::lower_bound(entries->begin(), entries->end(), name,
                                   [](const TreeEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != entries->end() && at->name == name ? &*at : nullptr;
}

const TreePaths::Entries* TreePaths::directory(std::string_view path) {
  if (const auto known = known_.find(path); known != known_.end()) return known->second.get();
  std::unique_ptr<Entries> entries;
  const TreeEntry* entry = path.empty() ? nullptr : find(path);
  if (path.empty() || (entry != nullptr && is_directory(entry->mode))) {
    if (Result<Entries> read = objects_.tree(path.empty() ? root_ : entry->id)) {
      entries = std::make_unique<Entries>(std::move(*read));
    }
  }
  return known_.emplace(std::string(path), std::move(entries)).first->second.get();
}

}  // namespace joey::shadow

#include "tool/file_ledger.hpp"

#include <algorithm>

namespace joey {

void FileLedger::saw(std::string_view path, std::string_view bytes) {
  Digest now = digest(bytes);
  const std::lock_guard guard(mutex_);
  const auto [entry, is_new] = seen_.insert_or_assign(std::string(path), std::move(now));
  if (!is_new) return;
  order_.push_back(entry->first);
  if (order_.size() <= files_max) return;
  seen_.erase(order_.front());
  order_.pop_front();
}

void FileLedger::forget(std::string_view path) {
  const std::lock_guard guard(mutex_);
  if (seen_.erase(std::string(path)) > 0) std::erase(order_, path);
}

FileLedger::Knowledge FileLedger::knowledge(std::string_view path, std::string_view bytes) const {
  const std::lock_guard guard(mutex_);
  const auto found = seen_.find(std::string(path));
  if (found == seen_.end()) return Knowledge::unknown;
  return found->second == digest(bytes) ? Knowledge::current : Knowledge::outdated;
}

}  // namespace joey

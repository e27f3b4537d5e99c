// The queries of a store, on a connection of their own that never writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/sqlite_db.hpp"
#include "store/store.hpp"

namespace joey::sqlite {

// Each call sees the last commit before it, and holds no snapshot after it: a checkpoint never waits for a reader long.
// Threads: one at a time.
class Reader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Reader>> open(const std::string& path,
                                                            std::chrono::milliseconds busy_timeout);
  // On the connection of somebody else, which outlives it.
  [[nodiscard]] static Result<std::unique_ptr<Reader>> share(sqlite3* db, const std::string& path);

  [[nodiscard]] Result<std::vector<StoredEntry>> read(const ReadQuery& query);
  [[nodiscard]] Result<std::shared_ptr<const std::string>> blob(const Digest& digest, bool by_content);
  [[nodiscard]] Result<ListPage> list(const ListQuery& query);
  [[nodiscard]] Result<TaskSummary> summary(const std::string& task);

 private:
  Reader() = default;
  Status prepare();
  [[nodiscard]] Error error(int code) const { return error_of(code, db_, path_); }

  Connection own_;
  sqlite3* db_{nullptr};
  std::string path_;
  Statement entries_;
  Statement blob_;
  Statement list_;
  Statement summary_;
};

}  // namespace joey::sqlite

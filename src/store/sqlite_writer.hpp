// The connection that commits: many appends in one transaction, with no query for the sequence they expect.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "store/sqlite_db.hpp"
#include "store/store.hpp"

namespace joey::sqlite {

struct PendingAppend {
  Append append;
  Completion<Seq> done;
  Result<Seq> result{0};
};

// Threads: one at a time.
class Writer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Writer>> open(const SqliteOptions& options);

  // Sets the result of each append of the batch, whose order is that of commits: one that fails leaves nothing behind
  // and takes no other with it. False, and nothing done, when another process writes just now.
  [[nodiscard]] bool commit(std::span<PendingAppend> batch);

  // How long commit() waits for another process before it returns false.
  void set_busy_timeout(std::chrono::milliseconds timeout);
  // Moves what it can of the log into the file, on this thread.
  void checkpoint();

  [[nodiscard]] std::size_t wal_size() const { return wal_size_; }  // bytes, after the last commit
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* db() const { return db_.get(); }

 private:
  // Where a stream is known to have stood at some commit.
  struct Head {
    std::int64_t id{0};  // 0: the stream does not exist
    Seq seq{0};
  };
  static constexpr std::size_t heads_max = 16'384;

  Writer() = default;
  int prepare(const SqliteOptions& options);
  // SQLITE_OK: applied, or refused without a trace; `result` says which. Otherwise the transaction has to be undone.
  int apply(const Append& append, Result<Seq>& result);
  int insert_entries(const Append& append, std::int64_t stream, bool& taken);
  int insert_blobs(const Append& append);
  int put_summary(const Append& append, std::int64_t stream);
  int load_head(const std::string& stream, Head& head);
  int create_stream(const std::string& name, std::int64_t& id);
  void roll_back(std::span<PendingAppend> batch);

  Connection db_;
  std::string path_;
  std::size_t page_size_{4'096};
  std::size_t wal_size_{0};
  std::unordered_map<std::string, Head> heads_;

  Statement begin_;
  Statement commit_;
  Statement rollback_;
  Statement head_;
  Statement create_stream_;
  Statement insert_entry_;
  Statement insert_blob_;
  Statement update_task_;
  Statement replace_task_;
};

}  // namespace joey::sqlite

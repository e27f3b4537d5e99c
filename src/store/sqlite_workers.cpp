#include "store/sqlite_workers.hpp"

namespace joey::sqlite {

void Workers::checkpoint(Checkpoint kind) {
  const Stay stay(*this);
  if (!stay) return;
  const Flag running(checkpoint_running_);
  if (!checkpointer_) {
    Result<Connection> db = open_again(path_, SQLITE_OPEN_READWRITE, std::chrono::milliseconds(100));
    if (!db) return;  // the next one tries again
    checkpointer_ = std::move(*db);
    // Until it has read something, a connection does not know that there is a log, and a checkpoint does nothing.
    sqlite3_exec(checkpointer_.get(), "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
  }
  // Failures, such as a reader in another process that will not end, are the next checkpoint's to mend.
  sqlite3* const db = checkpointer_.get();
  sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (kind == Checkpoint::passive) return;
  // The writers of this process step aside, as under load they would leave no gap in which to take their lock.
  const Flag quiet(needs_quiet_);
  const int mode = kind == Checkpoint::truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART;
  sqlite3_wal_checkpoint_v2(db, nullptr, mode, nullptr, nullptr);
}

void Workers::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  left_.wait(lock, [this] { return inside_ == 0; });
  idle_readers_.clear();
  checkpointer_.reset();
}

bool Workers::enter() {
  const std::lock_guard lock(mutex_);
  if (!closed_) ++inside_;
  return !closed_;
}

void Workers::leave() {
  const std::lock_guard lock(mutex_);
  --inside_;
  left_.notify_all();
}

Result<std::unique_ptr<Reader>> Workers::take_reader() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_readers_.empty()) {
      std::unique_ptr<Reader> reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
  }
  return Reader::open(path_, busy_timeout_);
}

void Workers::give_back(std::unique_ptr<Reader> reader) {
  const std::lock_guard lock(mutex_);
  if (idle_readers_.size() < idle_readers_max) idle_readers_.push_back(std::move(reader));
}

}  // namespace joey::sqlite

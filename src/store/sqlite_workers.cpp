#include "store/sqlite_workers.hpp"

namespace joey::sqlite {

void Workers::checkpoint(bool truncate) {
  const Stay stay(*this);
  if (!stay) return;
  if (!checkpointer_) {
    Result<Connection> db = open_again(path_, SQLITE_OPEN_READWRITE, std::chrono::milliseconds(100));
    if (!db) return;  // the next one tries again
    checkpointer_ = std::move(*db);
    sqlite3_wal_autocheckpoint(checkpointer_.get(), 0);
  }
  // First nearly all of it, while writers go on. What they added meanwhile then needs their lock, for a moment: without
  // that the log would never be empty under load, and never start over. Failures are the next checkpoint's to mend.
  sqlite3* const db = checkpointer_.get();
  sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  sqlite3_wal_checkpoint_v2(db, nullptr, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART, nullptr,
                            nullptr);
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

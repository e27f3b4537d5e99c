// What the store does on the scheduler's workers: queries and checkpoints, each on a connection of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/sqlite_reader.hpp"

namespace joey::sqlite {

// Shared by the store and the work it handed out, which may run after the store has ended: it finds this closed then.
// Threads: any.
class Workers {
 public:
  Workers(std::string path, std::chrono::milliseconds busy_timeout)
      : path_(std::move(path)), busy_timeout_(busy_timeout) {}

  // `closed` after close().
  template <class T, class Query>
  [[nodiscard]] Result<T> read(const Query& query) {
    const Stay stay(*this);
    if (!stay) return failure(ErrorCode::closed, "the store is closed");
    Result<std::unique_ptr<Reader>> reader = take_reader();
    if (!reader) return tl::unexpected(reader.error());
    Result<T> result = query(**reader);
    give_back(std::move(*reader));
    return result;
  }

  // Moves the log into the file, one call at a time.
  enum class Checkpoint {
    passive,   // while writers go on: what they add meanwhile stays, and keeps the log from starting over
    restart,   // then the rest too, while they wait for a few milliseconds
    truncate,  // and gives the space of the log back
  };
  void checkpoint(Checkpoint kind);

  // Whether one has begun and not ended; and whether it needs the writers out of its way just now.
  [[nodiscard]] const std::atomic<bool>& checkpoint_running() const { return checkpoint_running_; }
  [[nodiscard]] const std::atomic<bool>& needs_quiet() const { return needs_quiet_; }

  // Waits for what is running, which is short, and closes the connections. What comes later does nothing.
  void close();

 private:
  // True while one exists; wakes who waits for its end.
  class Flag {
   public:
    explicit Flag(std::atomic<bool>& flag) : flag_(flag) { flag_ = true; }
    ~Flag() {
      flag_ = false;
      flag_.notify_all();
    }
    Flag(const Flag&) = delete;
    Flag& operator=(const Flag&) = delete;

   private:
    std::atomic<bool>& flag_;
  };

  // While one exists, close() waits.
  class Stay {
   public:
    explicit Stay(Workers& workers) : workers_(workers), entered_(workers.enter()) {}
    ~Stay() {
      if (entered_) workers_.leave();
    }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    explicit operator bool() const { return entered_; }

   private:
    Workers& workers_;
    bool entered_;
  };

  static constexpr std::size_t idle_readers_max = 2;

  bool enter();
  void leave();
  Result<std::unique_ptr<Reader>> take_reader();
  void give_back(std::unique_ptr<Reader> reader);

  const std::string path_;
  const std::chrono::milliseconds busy_timeout_;
  std::mutex mutex_;
  std::condition_variable left_;
  bool closed_{false};
  std::size_t inside_{0};
  std::vector<std::unique_ptr<Reader>> idle_readers_;
  Connection checkpointer_;  // the running checkpoint's
  std::atomic<bool> checkpoint_running_{false};
  std::atomic<bool> needs_quiet_{false};
};

}  // namespace joey::sqlite

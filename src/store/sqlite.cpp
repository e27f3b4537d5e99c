#include "store/sqlite.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "store/check.hpp"
#include "store/lease_files.hpp"
#include "store/sqlite_reader.hpp"
#include "store/sqlite_workers.hpp"
#include "store/sqlite_writer.hpp"

namespace joey {
namespace {

using namespace std::chrono_literals;
using sqlite::PendingAppend;
using sqlite::Reader;
using sqlite::Workers;
using sqlite::Writer;
using Clock = std::chrono::steady_clock;

// Appends wait in a queue; what has gathered is one transaction.
//
// Durability::process: the loop commits in a function it posted itself: a commit costs less than a change of threads.
// Durability::full: a thread commits, so that the loop never waits for the disk; the queue gathers meanwhile.
class SqliteStore final : public Store {
 public:
  SqliteStore(SqliteOptions options, Scheduler& scheduler, std::unique_ptr<Writer> writer)
      : options_(std::move(options)),
        scheduler_(scheduler),
        writer_(std::move(writer)),
        in_memory_(writer_->path() == ":memory:"),
        leases_(writer_->path() + "-leases"),
        workers_(std::make_shared<Workers>(writer_->path(), options_.busy_timeout)) {
    if (threaded()) {
      thread_ = std::thread([this] { write(); });
    } else {
      writer_->set_busy_timeout(0ms);  // the loop does not wait: it comes back later
    }
  }

  ~SqliteStore() override;

  [[nodiscard]] Status open_memory_reader() {
    if (!in_memory_) return {};
    Result<std::unique_ptr<Reader>> reader = Reader::share(writer_->db(), writer_->path());
    if (!reader) return tl::unexpected(reader.error());
    memory_reader_ = std::move(*reader);
    return {};
  }

  void append(Append append, Completion<Seq> done) override;

  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    ask(std::move(done), [query = std::move(query)](Reader& reader) { return reader.read(query); });
  }
  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override {
    ask(std::move(done), [digest = std::move(digest), by_content = options_.blobs_by_content](Reader& reader) {
      return reader.blob(digest, by_content);
    });
  }
  void list(ListQuery query, Completion<ListPage> done) override {
    ask(std::move(done), [query = std::move(query)](Reader& reader) { return reader.list(query); });
  }
  void get_summary(std::string task, Completion<TaskSummary> done) override {
    ask(std::move(done), [task = std::move(task)](Reader& reader) { return reader.summary(task); });
  }

  void acquire_lease(std::string stream, Completion<void> done) override {
    // A database in memory has no other store.
    Status status = in_memory_ ? Status() : leases_.acquire(stream);
    on_loop([done = std::move(done), status = std::move(status)] { done(status); });
  }
  void release_lease(const std::string& stream) override { leases_.release(stream); }

 private:
  static constexpr std::size_t batch_appends_max = 256;
  static constexpr std::size_t batch_bytes_max = 8U << 20;
  // Between two tries of a commit that found another process writing.
  static constexpr std::chrono::milliseconds busy_pause{1};
  // The log has a size from which it is moved into the file beside the writers. Under load it never comes to an end
  // that way: from this many times the size they wait for it.
  static constexpr std::size_t wal_restart_factor = 4;
  // From this many times the size on, appends wait for the checkpoint that runs; when the workers are too busy to run
  // one, the committing thread does.
  static constexpr std::size_t wal_excess_factor = 16;

  [[nodiscard]] bool threaded() const { return options_.durability == Durability::full && !in_memory_; }

  [[nodiscard]] bool wal_excess() const { return writer_->wal_size() > options_.wal_size * wal_excess_factor; }

  void flush_soon();
  void flush();
  bool commit_inline(std::vector<PendingAppend>& batch);
  void write();
  void fail_busy(std::vector<PendingAppend>& batch) const;
  std::vector<PendingAppend> take_batch();
  void complete(std::vector<PendingAppend> batch);
  void bound_wal();
  void start_checkpoint(Workers::Checkpoint kind);
  void watch_for_idleness();

  // Later on the loop, unless the store has ended by then. Any thread.
  template <class F>
  void on_loop(F f) {
    scheduler_.post([alive = alive_, f = std::move(f)]() mutable {
      if (!alive.expired()) f();
    });
  }

  template <class T, class Query>
  void ask(Completion<T> done, Query query) {
    if (in_memory_) {
      return on_loop([this, query = std::move(query), done = std::move(done)] { done(query(*memory_reader_)); });
    }
    auto result = std::make_shared<Result<T>>(failure(ErrorCode::internal, "no answer"));
    scheduler_.work(
        [workers = workers_, query = std::move(query), result] { *result = workers->template read<T>(query); },
        [alive = alive_, result, done = std::move(done)] {
          if (!alive.expired()) done(std::move(*result));
        });
  }

  const SqliteOptions options_;
  Scheduler& scheduler_;
  std::unique_ptr<Writer> writer_;  // the thread's, or without one the loop's
  const bool in_memory_;
  LeaseFiles leases_;
  std::shared_ptr<Workers> workers_;
  std::unique_ptr<Reader> memory_reader_;

  // Expires on the loop when the store ends: what is posted for it does nothing then.
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
  const std::weak_ptr<bool> alive_{life_};

  std::mutex mutex_;  // guards the queue and stopping_
  std::condition_variable work_came_;
  std::deque<PendingAppend> queue_;
  bool stopping_{false};
  std::thread thread_;

  // Loop only, without a thread.
  bool flush_posted_{false};
  TimerId retry_{0};
  std::vector<PendingAppend> retried_;  // the batch that found the database busy
  Clock::time_point busy_since_;

  std::size_t checkpoint_from_{0};  // bytes of log; the committing thread's
  std::atomic<bool> checkpointing_{false};
  TimerId idle_timer_{0};
  std::uint64_t batches_{0};  // completed; loop only
};

SqliteStore::~SqliteStore() {
  life_.reset();
  scheduler_.cancel(retry_);
  scheduler_.cancel(idle_timer_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    work_came_.notify_one();
    thread_.join();  // after the last commit
  } else {
    writer_->set_busy_timeout(options_.busy_timeout);
    if (!retried_.empty()) (void)writer_->commit(retried_);
    while (!queue_.empty()) {
      std::vector<PendingAppend> batch = take_batch();
      (void)writer_->commit(batch);
    }
  }
  workers_->close();
  // Members end in reverse: leases go before the writer's connection, which as the last moves and removes the log.
}

void SqliteStore::append(Append append, Completion<Seq> done) {
  if (Status status = check(append); !status) {
    return on_loop([done = std::move(done), error = status.error()] { done(tl::unexpected(error)); });
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(append), std::move(done)});
  }
  if (threaded()) {
    work_came_.notify_one();
  } else {
    flush_soon();
  }
}

void SqliteStore::flush_soon() {
  if (flush_posted_ || retry_ != 0) return;
  flush_posted_ = true;
  on_loop([this] {
    flush_posted_ = false;
    flush();
  });
}

void SqliteStore::flush() {
  if (workers_->needs_quiet() || (wal_excess() && workers_->checkpoint_running())) return;  // its end flushes
  std::vector<PendingAppend> batch = retried_.empty() ? take_batch() : std::move(retried_);
  retried_.clear();
  if (batch.empty() || !commit_inline(batch)) return;
  if (!queue_.empty()) flush_soon();
  bound_wal();
  complete(std::move(batch));  // last: a completion may end the store
}

// False when the batch has to wait for another process and is kept for that.
bool SqliteStore::commit_inline(std::vector<PendingAppend>& batch) {
  const Clock::time_point now = Clock::now();
  if (writer_->commit(batch)) {
    busy_since_ = {};
    return true;
  }
  if (busy_since_ == Clock::time_point{}) busy_since_ = now;
  if (now - busy_since_ >= options_.busy_timeout) {
    fail_busy(batch);
    busy_since_ = {};
    return true;
  }
  retried_ = std::move(batch);
  retry_ = scheduler_.after(busy_pause, [this] {
    retry_ = 0;
    flush();
  });
  return false;
}

void SqliteStore::write() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      work_came_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    }
    std::vector<PendingAppend> batch = take_batch();
    if (batch.empty()) return;  // stopping, and all is done
    workers_->needs_quiet().wait(true);
    if (wal_excess()) workers_->checkpoint_running().wait(true);
    if (!writer_->commit(batch)) fail_busy(batch);
    bound_wal();
    on_loop([this, batch = std::move(batch)]() mutable { complete(std::move(batch)); });
  }
}

void SqliteStore::fail_busy(std::vector<PendingAppend>& batch) const {
  const Error error = sqlite::error_of(SQLITE_BUSY, nullptr, options_.path);
  for (PendingAppend& pending : batch) pending.result = tl::unexpected(error);
}

std::vector<PendingAppend> SqliteStore::take_batch() {
  const std::lock_guard lock(mutex_);
  std::vector<PendingAppend> batch;
  std::size_t bytes = 0;
  while (!queue_.empty() && batch.size() < batch_appends_max && bytes < batch_bytes_max) {
    for (const EntryBytes& entry : queue_.front().append.entries) bytes += entry->size();
    for (const Blob& blob : queue_.front().append.blobs) bytes += blob.bytes.size();
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void SqliteStore::complete(std::vector<PendingAppend> batch) {
  ++batches_;
  watch_for_idleness();
  const std::weak_ptr<bool> alive = alive_;  // outlives this
  for (PendingAppend& pending : batch) {
    if (alive.expired()) return;
    pending.done(std::move(pending.result));
  }
}

// On the thread that commits, after a commit.
void SqliteStore::bound_wal() {
  const std::size_t size = writer_->wal_size();
  if (size <= options_.wal_size) checkpoint_from_ = options_.wal_size;
  if (size <= checkpoint_from_) return;
  // A reader of another process can keep the log from starting over: then not again before as much has been added.
  checkpoint_from_ = size + options_.wal_size;
  const bool restart = size > options_.wal_size * wal_restart_factor;
  start_checkpoint(restart ? Workers::Checkpoint::restart : Workers::Checkpoint::passive);
  if (wal_excess() && !workers_->checkpoint_running()) writer_->checkpoint();
}

void SqliteStore::start_checkpoint(Workers::Checkpoint kind) {
  if (checkpointing_.exchange(true)) return;
  scheduler_.work([workers = workers_, kind] { workers->checkpoint(kind); },
                  [this, alive = alive_] {
                    if (alive.expired()) return;
                    checkpointing_ = false;
                    if (!threaded()) flush_soon();  // what stepped aside
                  });
}

void SqliteStore::watch_for_idleness() {
  if (idle_timer_ != 0 || options_.idle_checkpoint == 0ms || in_memory_) return;
  idle_timer_ = scheduler_.after(options_.idle_checkpoint, [this, seen = batches_] {
    idle_timer_ = 0;
    if (batches_ != seen) return watch_for_idleness();
    start_checkpoint(Workers::Checkpoint::truncate);
  });
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, Scheduler& scheduler) {
  Result<std::unique_ptr<Writer>> writer = Writer::open(options);
  if (!writer) return tl::unexpected(writer.error());
  auto store = std::make_unique<SqliteStore>(std::move(options), scheduler, std::move(*writer));
  if (Status status = store->open_memory_reader(); !status) return tl::unexpected(status.error());
  return store;
}

}  // namespace joey

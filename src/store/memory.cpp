#include "store/memory.hpp"

#include <algorithm>
#include <deque>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "store/check.hpp"

namespace joey {

struct MemoryDisk::Contents {
  using ByAge = std::tuple<std::string, std::int64_t, std::string>;  // parent, created_at, task

  std::unordered_map<std::string, std::vector<EntryBytes>> streams;
  std::unordered_map<Digest, std::shared_ptr<const std::string>> blobs;
  std::unordered_map<std::string, TaskSummary> summaries;
  std::set<ByAge> by_age;
  std::unordered_map<std::string, const void*> leases;  // stream -> the store that holds it
  std::uint64_t crashes{0};

  Result<Seq> append(Append& append) {
    std::vector<EntryBytes>& stream = streams[append.stream];
    if (stream.size() != append.expected) return tl::unexpected(conflict(append, stream.size()));
    for (EntryBytes& entry : append.entries) stream.push_back(std::move(entry));
    for (Blob& blob : append.blobs) {
      blobs.try_emplace(std::move(blob.digest), std::make_shared<const std::string>(std::move(blob.bytes)));
    }
    if (append.summary) replace(std::move(*append.summary));
    return stream.size();
  }

  std::vector<StoredEntry> read(const ReadQuery& query) const {
    std::vector<StoredEntry> found;
    const auto stream = streams.find(query.stream);
    if (stream == streams.end()) return found;
    std::size_t bytes = 0;
    for (Seq seq = std::max<Seq>(query.from, 1); seq <= stream->second.size(); ++seq) {
      const EntryBytes& entry = stream->second[seq - 1];
      bytes += entry->size();
      if (!found.empty() && (found.size() >= query.entries_max || bytes > query.bytes_max)) break;
      found.push_back({seq, entry});
    }
    return found;
  }

  Result<ListPage> list(const ListQuery& query) const {
    auto end = by_age.lower_bound({query.parent + '\0', INT64_MIN, ""});  // the first of the next parent
    if (!query.before.empty()) {
      const auto cursor = parse_cursor(query.before);
      if (!cursor) return tl::unexpected(cursor.error());
      end = by_age.lower_bound({query.parent, cursor->created_at, cursor->task});
    }
    ListPage page;
    const auto begin = by_age.lower_bound({query.parent, INT64_MIN, ""});
    while (end != begin && page.tasks.size() < std::max<std::size_t>(query.tasks_max, 1)) {
      page.tasks.push_back(summaries.at(std::get<2>(*--end)));
    }
    if (end != begin) page.next = ListCursor{page.tasks.back().created_at, page.tasks.back().task}.text();
    return page;
  }

  void replace(TaskSummary summary) {
    TaskSummary& kept = summaries[summary.task];
    by_age.erase({kept.parent, kept.created_at, kept.task});
    by_age.insert({summary.parent, summary.created_at, summary.task});
    kept = std::move(summary);
  }
};

MemoryDisk::MemoryDisk() : contents_(std::make_unique<Contents>()) {}
MemoryDisk::~MemoryDisk() = default;

void MemoryDisk::crash() {
  ++contents_->crashes;
  contents_->leases.clear();
}

class MemoryStore final : public Store {
 public:
  MemoryStore(Scheduler& scheduler, std::shared_ptr<MemoryDisk> disk)
      : scheduler_(scheduler), disk_(std::move(disk)), crashes_(contents().crashes) {}

  ~MemoryStore() override {
    if (!crashed()) {
      for (Waiting& waiting : waiting_) (void)contents().append(waiting.append);
    }
    std::erase_if(contents().leases, [this](const auto& lease) { return lease.second == this; });
  }

  void append(Append append, Completion<Seq> done) override {
    if (Status status = check(append); !status) return answer<Seq>(std::move(done), tl::unexpected(status.error()));
    waiting_.push_back({std::move(append), std::move(done)});
    on_loop([this] {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      next.done(contents().append(next.append));
    });
  }

  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    on_loop([this, query = std::move(query), done = std::move(done)] { done(contents().read(query)); });
  }

  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override {
    on_loop([this, digest = std::move(digest), done = std::move(done)] {
      const auto blob = contents().blobs.find(digest);
      if (blob == contents().blobs.end()) return done(failure(ErrorCode::not_found, "no blob " + digest));
      done(blob->second);
    });
  }

  void list(ListQuery query, Completion<ListPage> done) override {
    on_loop([this, query = std::move(query), done = std::move(done)] { done(contents().list(query)); });
  }

  void get_summary(std::string task, Completion<TaskSummary> done) override {
    on_loop([this, task = std::move(task), done = std::move(done)] {
      const auto summary = contents().summaries.find(task);
      if (summary == contents().summaries.end()) return done(failure(ErrorCode::not_found, "no task " + task));
      done(summary->second);
    });
  }

  void acquire_lease(std::string stream, Completion<void> done) override {
    Status status;
    if (!crashed() && contents().leases.try_emplace(stream, this).first->second != this) {
      status = failure(ErrorCode::busy, stream + ": another engine works on it; wait until it ends or is closed");
    }
    answer<void>(std::move(done), std::move(status));
  }

  void release_lease(const std::string& stream) override {
    const auto lease = contents().leases.find(stream);
    if (lease != contents().leases.end() && lease->second == this) contents().leases.erase(lease);
  }

 private:
  struct Waiting {
    Append append;
    Completion<Seq> done;
  };

  [[nodiscard]] MemoryDisk::Contents& contents() const { return *disk_->contents_; }
  [[nodiscard]] bool crashed() const { return crashes_ != contents().crashes; }

  // Later on the loop, unless this store has ended or its disk has crashed by then.
  template <class F>
  void on_loop(F f) {
    scheduler_.post([this, alive = std::weak_ptr(alive_), f = std::move(f)]() mutable {
      if (!alive.expired() && !crashed()) f();
    });
  }

  template <class T>
  void answer(Completion<T> done, Result<T> result) {
    on_loop([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  Scheduler& scheduler_;
  std::shared_ptr<MemoryDisk> disk_;
  std::uint64_t crashes_;
  std::deque<Waiting> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::unique_ptr<Store> make_memory_store(Scheduler& scheduler, std::shared_ptr<MemoryDisk> disk) {
  return std::make_unique<MemoryStore>(scheduler, std::move(disk));
}

}  // namespace joey

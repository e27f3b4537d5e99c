// Where journals live: streams of entries, blobs by content, and a list of tasks that opens no journal.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/function.hpp"
#include "base/result.hpp"

namespace joey {

using Seq = std::uint64_t;  // of an entry in its stream: 1, 2, 3 ... ; 0 is before the first

// One entry: the JSON text of an event. Shared, so that a store, a subscriber and a reader hold the same bytes.
using EntryBytes = std::shared_ptr<const std::string>;

struct Blob {
  Digest digest{};  // of `bytes`
  std::string bytes{};
};

// What a list shows of a task without opening its journal; kept beside it and replaced with each append that has one.
struct TaskSummary {
  std::string task{};
  std::string parent{};   // empty for a task of its own
  std::string session{};  // its workspace's root or a host's own name
  std::string title{};    // the first line of what was asked
  std::string status{};   // "running", "waiting", "paused", "completed", "failed", ...
  std::string mode{};
  std::string provider{};
  std::string model{};
  std::int64_t created_at{0};
  std::int64_t updated_at{0};
  std::int64_t tokens_input{0};  // all of it, with what a cache served
  std::int64_t tokens_output{0};
  double cost_usd{0};
  std::int64_t turns{0};
  Seq last_seq{0};
  bool operator==(const TaskSummary&) const = default;
};

struct Append {
  std::string stream{};               // a task's id
  Seq expected{0};                    // the last sequence the writer knows
  std::vector<EntryBytes> entries{};  // at least one
  std::vector<Blob> blobs{};          // stored first, in the same commit; one that exists already is kept
  std::unique_ptr<TaskSummary> summary{};  // may be null
};

struct ReadQuery {
  std::string stream{};
  Seq from{1};
  std::size_t entries_max{1'000};
  std::size_t bytes_max{4U << 20};  // at least one entry is returned, however large
};

struct StoredEntry {
  Seq seq{0};
  EntryBytes bytes{};
};

struct ListQuery {
  std::string parent{};       // empty: tasks of their own only
  std::string before{};       // the cursor of an earlier page; empty: from the newest
  std::size_t tasks_max{100};
};

struct ListPage {
  std::vector<TaskSummary> tasks{};  // newest first
  std::string next{};                // the cursor of the next page; empty at the end
};

// append() names the sequence it expects, so of two writers to a stream one loses.
//
// Ownership: the runtime owns the store, and closes it by destroying it; completions still owed come before that ends,
// or never run.
// Threads: called on the loop thread; completions run there too, never inside the call.
// Failures: a failed append leaves stream, blobs and summary as they were. `conflict`: the stream is not at `expected`.
// `io`: the disk is full or failed. `corrupt`: what is stored is not what was written.
class Store {
 public:
  virtual ~Store() = default;

  // Durable when `done` gets the new last sequence. Appends to one stream complete in their order.
  virtual void append(Append append, Completion<Seq> done) = 0;
  // Entries from `from` on; none when the stream ends before it or does not exist.
  virtual void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) = 0;
  // `not_found` when there is none.
  virtual void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) = 0;
  virtual void list(ListQuery query, Completion<ListPage> done) = 0;
  // `not_found` when there is no such task.
  virtual void get_summary(std::string task, Completion<TaskSummary> done) = 0;

  // Makes this store the one writer of a stream until release_lease(), the store's end, or the death of its process.
  // `busy` when another live process or store holds it.
  virtual void acquire_lease(std::string stream, Completion<void> done) = 0;
  virtual void release_lease(const std::string& stream) = 0;
};

}  // namespace joey

#include "store/sqlite_writer.hpp"

#include <cmath>

#include "store/check.hpp"

namespace joey::sqlite {
namespace {

Error gap(const std::string& path, const std::string& stream) {
  return corrupt(path, "the journal of " + stream + " has a hole");
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(const SqliteOptions& options) {
  Result<Connection> db = open_database(options);
  if (!db) return tl::unexpected(db.error());
  std::unique_ptr<Writer> writer(new Writer);
  writer->db_ = std::move(*db);
  writer->path_ = file_of(writer->db());
  if (const int code = writer->prepare(options); code != SQLITE_OK) {
    const Error error = error_of(code, writer->db(), options.path);
    // Ours by its marks, but without our tables.
    if (code == SQLITE_ERROR) return tl::unexpected(corrupt(options.path, sqlite3_errmsg(writer->db())));
    return tl::unexpected(error);
  }
  return writer;
}

int Writer::prepare(const SqliteOptions& options) {
  const std::string settings =
      std::string("PRAGMA synchronous=") + (options.durability == Durability::full ? "FULL" : "NORMAL") +
      ";PRAGMA cache_size=-" + std::to_string(options.cache_size / 1'024) +
      // The log shrinks to this when it starts over, after one large commit for example.
      ";PRAGMA journal_size_limit=" + std::to_string(options.wal_size * 4) + ";PRAGMA temp_store=MEMORY";
  int code = sqlite3_exec(db(), settings.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK && options.size_max != 0) {
    const std::string limit = "PRAGMA max_page_count=" + std::to_string(options.size_max / page_size_);
    code = sqlite3_exec(db(), limit.c_str(), nullptr, nullptr, nullptr);
  }
  // In place of SQLite's own, which checkpoints inside a commit.
  sqlite3_wal_hook(
      db(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto& writer = *static_cast<Writer*>(self);
        writer.wal_size_ = static_cast<std::size_t>(pages) * writer.page_size_;
        return SQLITE_OK;
      },
      this);
  const auto add = [&](Statement& statement, const char* sql) {
    if (code == SQLITE_OK) code = statement.prepare(db(), sql);
  };
  add(begin_, "BEGIN IMMEDIATE");
  add(commit_, "COMMIT");
  add(rollback_, "ROLLBACK");
  add(head_,
      "SELECT id, (SELECT max(entries.id) FROM entries WHERE entries.id BETWEEN streams.id << 32 AND "
      "(streams.id << 32) + 4294967295) FROM streams WHERE name = ?");
  add(create_stream_, "INSERT INTO streams(name) VALUES(?)");
  add(insert_entry_, "INSERT INTO entries(id, checksum, bytes) VALUES(?, ?, ?)");
  add(insert_blob_, "INSERT OR IGNORE INTO blobs(digest, bytes) VALUES(?, ?)");
  // Leaves the indexed columns alone, so that a list's order costs nothing while a task runs.
  add(update_task_,
      "UPDATE tasks SET session = ?5, title = ?6, status = ?7, mode = ?8, provider = ?9, model = ?10, "
      "updated_at = ?11, tokens_input = ?12, tokens_output = ?13, cost_usd = ?14, turns = ?15, last_seq = ?16 "
      "WHERE id = ?1 AND task = ?2 AND parent = ?3 AND created_at = ?4");
  add(replace_task_,
      "INSERT OR REPLACE INTO tasks(id, task, parent, created_at, session, title, status, mode, provider, model, "
      "updated_at, tokens_input, tokens_output, cost_usd, turns, last_seq) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
  return code;
}

bool Writer::commit(std::span<PendingAppend> batch) {
  int code = begin_.run();
  if ((code & 0xFF) == SQLITE_BUSY) return false;
  for (PendingAppend& pending : batch) {
    if (code == SQLITE_OK) code = apply(pending.append, pending.result);
  }
  if (code == SQLITE_OK) code = commit_.run();
  if (code == SQLITE_OK) return true;

  const Error error = code == SQLITE_CONSTRAINT ? gap(path_, batch.front().append.stream) : error_of(code, db(), path_);
  roll_back(batch);
  if (batch.size() == 1) {
    batch.front().result = tl::unexpected(error);
    return true;
  }
  // One of them cannot be committed, or the disk is too full for all: each alone, so that only those fail that must.
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!commit(batch.subspan(i, 1))) batch[i].result = tl::unexpected(error_of(SQLITE_BUSY, db(), path_));
  }
  return true;
}

// Why an append needs no query for the last sequence, though other processes append to the same file:
// entries are only ever added, each right behind the last, so a stream's sequences are 1 to its last without a hole,
// and the last only grows. Say the head we remember is `expected`. If the stream still stands there, the key after it
// is free, and the insert succeeds. If another process has appended since, that key is taken, and the insert fails on
// the primary key: a conflict, found by the insert itself. A head behind `expected` may be out of date and is read
// again, inside this transaction, where nobody else writes; a head beyond it is a conflict for ever.
// Whoever adds the deletion of entries has to empty the heads of every process with it.
int Writer::apply(const Append& append, Result<Seq>& result) {
  const auto known = heads_.find(append.stream);
  Head head = known == heads_.end() ? Head{} : known->second;
  if (head.id == 0 || head.seq < append.expected) {
    if (const int code = load_head(append.stream, head); code != SQLITE_OK) return code;
  }
  if (head.seq != append.expected) {
    result = tl::unexpected(conflict(append, head.seq));
    return SQLITE_OK;
  }
  if (head.id == 0) {
    if (const int code = create_stream(append.stream, head.id); code != SQLITE_OK) return code;
  }
  bool taken = false;
  int code = insert_entries(append, head.id, taken);
  if (taken) {
    code = load_head(append.stream, head);
    if (code == SQLITE_OK) result = tl::unexpected(conflict(append, head.seq));
  } else {
    if (code == SQLITE_OK) code = insert_blobs(append);
    if (code == SQLITE_OK && append.summary) code = put_summary(append, head.id);
    if (code != SQLITE_OK) return code;
    head.seq += append.entries.size();
    result = head.seq;
  }
  if (heads_.size() >= heads_max) heads_.clear();  // a miss costs one query
  heads_[append.stream] = head;
  return code;
}

int Writer::insert_entries(const Append& append, std::int64_t stream, bool& taken) {
  Seq seq = append.expected;
  for (const EntryBytes& entry : append.entries) {
    const std::int64_t key = entry_key(stream, ++seq);
    insert_entry_.bind(1, key).bind(2, static_cast<std::int64_t>(checksum(key, *entry))).bind_bytes(3, *entry);
    const int code = insert_entry_.run();
    if ((code & 0xFF) == SQLITE_CONSTRAINT) {
      // Only the first can be taken unless there is a hole: that one is undone by SQLite and leaves no trace.
      taken = seq == append.expected + 1;
      return SQLITE_CONSTRAINT;
    }
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

int Writer::insert_blobs(const Append& append) {
  for (const Blob& blob : append.blobs) {
    const int code = insert_blob_.bind(1, blob.digest).bind_bytes(2, blob.bytes).run();
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

int Writer::put_summary(const Append& append, std::int64_t stream) {
  const TaskSummary& task = *append.summary;
  if (task.task != append.stream) {
    Head head;
    int code = load_head(task.task, head);
    if (code == SQLITE_OK && head.id == 0) code = create_stream(task.task, head.id);
    if (code != SQLITE_OK) return code;
    stream = head.id;
  }
  const auto run = [&](Statement& statement) {
    return statement.bind(1, stream)
        .bind(2, task.task)
        .bind(3, task.parent)
        .bind(4, task.created_at)
        .bind(5, task.session)
        .bind(6, task.title)
        .bind(7, task.status)
        .bind(8, task.mode)
        .bind(9, task.provider)
        .bind(10, task.model)
        .bind(11, task.updated_at)
        .bind(12, task.tokens_input)
        .bind(13, task.tokens_output)
        .bind(14, std::isnan(task.cost_usd) ? 0 : task.cost_usd)  // SQLite stores not-a-number as NULL
        .bind(15, task.turns)
        .bind(16, static_cast<std::int64_t>(task.last_seq))
        .run();
  };
  const int code = run(update_task_);
  if (code != SQLITE_OK || sqlite3_changes(db()) != 0) return code;
  return run(replace_task_);
}

int Writer::load_head(const std::string& stream, Head& head) {
  const Rows rows(head_);
  const int code = head_.bind(1, stream).step();
  head = {};
  if (code == SQLITE_DONE) return SQLITE_OK;
  if (code != SQLITE_ROW) return code;
  head = {head_.integer(0), seq_of(head_.integer(1))};  // NULL, of a stream without entries, reads as 0
  return SQLITE_OK;
}

int Writer::create_stream(const std::string& name, std::int64_t& id) {
  const int code = create_stream_.bind(1, name).run();
  id = sqlite3_last_insert_rowid(db());
  return code == SQLITE_OK && id > stream_max ? SQLITE_FULL : code;
}

void Writer::roll_back(std::span<PendingAppend> batch) {
  if (sqlite3_get_autocommit(db()) == 0) rollback_.run();  // some failures have rolled back already
  for (const PendingAppend& pending : batch) heads_.erase(pending.append.stream);
}

void Writer::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(db(), static_cast<int>(timeout.count()));
}

void Writer::checkpoint() {
  sqlite3_wal_checkpoint_v2(db(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

}  // namespace joey::sqlite

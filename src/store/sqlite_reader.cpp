#include "store/sqlite_reader.hpp"

#include <algorithm>

#include "store/check.hpp"

namespace joey::sqlite {
namespace {

constexpr const char* task_columns =
    "task, parent, session, title, status, mode, provider, model, created_at, updated_at, tokens_input, tokens_output, "
    "cost_usd, turns, last_seq";

TaskSummary task_of(const Statement& row) {
  TaskSummary task;
  task.task = row.bytes(0);
  task.parent = row.bytes(1);
  task.session = row.bytes(2);
  task.title = row.bytes(3);
  task.status = row.bytes(4);
  task.mode = row.bytes(5);
  task.provider = row.bytes(6);
  task.model = row.bytes(7);
  task.created_at = row.integer(8);
  task.updated_at = row.integer(9);
  task.tokens_input = row.integer(10);
  task.tokens_output = row.integer(11);
  task.cost_usd = row.real(12);
  task.turns = row.integer(13);
  task.last_seq = static_cast<Seq>(row.integer(14));
  return task;
}

std::int64_t limit(std::size_t rows_max) {
  return static_cast<std::int64_t>(std::clamp<std::size_t>(rows_max, 1, 1U << 30));
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path, std::chrono::milliseconds busy_timeout) {
  Result<Connection> db = open_again(path, SQLITE_OPEN_READONLY, busy_timeout);
  if (!db) return tl::unexpected(db.error());
  Result<std::unique_ptr<Reader>> reader = share(db->get(), path);
  // The pages of a journal are read once; what is worth keeping is the top of the trees.
  sqlite3_exec(db->get(), "PRAGMA cache_size=-256", nullptr, nullptr, nullptr);
  if (reader) (*reader)->own_ = std::move(*db);
  return reader;
}

Result<std::unique_ptr<Reader>> Reader::share(sqlite3* db, const std::string& path) {
  std::unique_ptr<Reader> reader(new Reader);
  reader->db_ = db;
  reader->path_ = path;
  if (Status status = reader->prepare(); !status) return tl::unexpected(status.error());
  return reader;
}

Status Reader::prepare() {
  int code = SQLITE_OK;
  const auto add = [&](Statement& statement, const std::string& sql) {
    if (code == SQLITE_OK) code = statement.prepare(db_, sql.c_str());
  };
  const std::string select_task = std::string("SELECT ") + task_columns;
  add(entries_,
      "SELECT entries.id, checksum, bytes FROM streams JOIN entries ON entries.id BETWEEN (streams.id << 32) + ?2 AND "
      "(streams.id << 32) + 4294967295 WHERE name = ?1 ORDER BY entries.id LIMIT ?3");
  add(blob_, "SELECT bytes FROM blobs WHERE digest = ?");
  add(list_, select_task + " FROM tasks WHERE parent = ?1 AND (created_at, task) < (?2, ?3) "
                           "ORDER BY created_at DESC, task DESC LIMIT ?4");
  add(summary_, select_task + " FROM streams JOIN tasks USING(id) WHERE name = ?");
  if (code != SQLITE_OK) return tl::unexpected(error(code));
  return {};
}

Result<std::vector<StoredEntry>> Reader::read(const ReadQuery& query) {
  std::vector<StoredEntry> found;
  Seq next = std::max<Seq>(query.from, 1);
  if (next > seq_max) return found;
  const Rows rows(entries_);
  entries_.bind(1, query.stream).bind(2, static_cast<std::int64_t>(next)).bind(3, limit(query.entries_max));
  std::size_t bytes_size = 0;
  int code = SQLITE_ROW;
  while ((code = entries_.step()) == SQLITE_ROW) {
    const std::int64_t key = entries_.integer(0);
    const std::string_view bytes = entries_.bytes(2);
    bytes_size += bytes.size();
    if (!found.empty() && bytes_size > query.bytes_max) return found;
    if (seq_of(key) != next || static_cast<std::uint64_t>(entries_.integer(1)) != checksum(key, bytes)) {
      return tl::unexpected(corrupt(path_, "entry " + std::to_string(next) + " of " + query.stream + " is damaged"));
    }
    found.push_back({next++, std::make_shared<const std::string>(bytes)});
  }
  if (code != SQLITE_DONE) return tl::unexpected(error(code));
  return found;
}

Result<std::shared_ptr<const std::string>> Reader::blob(const Digest& name, bool by_content) {
  const Rows rows(blob_);
  const int code = blob_.bind(1, name).step();
  if (code == SQLITE_DONE) return failure(ErrorCode::not_found, "no blob " + name);
  if (code != SQLITE_ROW) return tl::unexpected(error(code));
  auto bytes = std::make_shared<const std::string>(blob_.bytes(0));
  if (by_content && digest(*bytes) != name) return tl::unexpected(corrupt(path_, "blob " + name + " is damaged"));
  return bytes;
}

Result<ListPage> Reader::list(const ListQuery& query) {
  const Rows rows(list_);
  list_.bind(1, query.parent).bind(4, limit(query.tasks_max) + 1);
  Result<ListCursor> cursor = ListCursor{};
  if (query.before.empty()) {
    list_.bind(2, INT64_MAX).bind_bytes(3, "");  // to SQLite any bytes are greater than any text
  } else {
    cursor = parse_cursor(query.before);
    if (!cursor) return tl::unexpected(cursor.error());
    list_.bind(2, cursor->created_at).bind(3, cursor->task);
  }
  ListPage page;
  int code = SQLITE_ROW;
  while ((code = list_.step()) == SQLITE_ROW) {
    if (page.tasks.size() == static_cast<std::size_t>(limit(query.tasks_max))) {
      page.next = ListCursor{page.tasks.back().created_at, page.tasks.back().task}.text();
      return page;
    }
    page.tasks.push_back(task_of(list_));
  }
  if (code != SQLITE_DONE) return tl::unexpected(error(code));
  return page;
}

Result<TaskSummary> Reader::summary(const std::string& task) {
  const Rows rows(summary_);
  const int code = summary_.bind(1, task).step();
  if (code == SQLITE_DONE) return failure(ErrorCode::not_found, "no task " + task);
  if (code != SQLITE_ROW) return tl::unexpected(error(code));
  return task_of(summary_);
}

}  // namespace joey::sqlite

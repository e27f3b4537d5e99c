// SQLite as the store uses it: connections and statements that close themselves, its errors in joey's words, and the
// schema.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "store/sqlite.hpp"

namespace joey::sqlite {

struct Close {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, Close>;  // outlives its statements

// A prepared statement. What is bound is lent until the statement has run or is reset.
class Statement {
 public:
  Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  // SQLITE_OK or an error. For statements that are kept and run often.
  int prepare(sqlite3* db, const char* sql);

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_bytes(int index, std::string_view bytes);

  // SQLITE_ROW, SQLITE_DONE or an error, which includes that of a bind.
  int step();
  void reset();
  // For a statement without rows: steps and resets. SQLITE_OK or an error.
  int run();

  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] double real(int column) const { return sqlite3_column_double(statement_, column); }
  // Lent until the next step or reset.
  [[nodiscard]] std::string_view bytes(int column) const;

 private:
  void note(int code) {
    if (code != SQLITE_OK && bound_ == SQLITE_OK) bound_ = code;
  }

  sqlite3_stmt* statement_{nullptr};
  int bound_{SQLITE_OK};
};

// Resets a statement that gives rows, so that it holds no snapshot, when a function is left.
class Rows {
 public:
  explicit Rows(Statement& statement) : statement_(statement) {}
  ~Rows() { statement_.reset(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

 private:
  Statement& statement_;
};

// `code` as an error of the database at `path`. `db` may be null.
[[nodiscard]] Error error_of(int code, sqlite3* db, std::string_view path);
// Bytes that do not fit what the store wrote: `what` says which.
[[nodiscard]] Error corrupt(std::string_view path, std::string_view what);

// Opens or creates the database, checks whose it is, and brings its schema up to date.
[[nodiscard]] Result<Connection> open_database(const SqliteOptions& options);
// Another connection to a database that open_database() opened; `flags` say for what.
[[nodiscard]] Result<Connection> open_again(const std::string& path, int flags, std::chrono::milliseconds busy_timeout);

// The full name of an open database's file, whatever links and directory changes there are; ":memory:" without one.
[[nodiscard]] std::string file_of(sqlite3* db);

// Of an entry, so that bytes which changed on the disk are noticed: SQLite itself would hand them out. Covers the key,
// which tells when a row is not the one that was asked for.
[[nodiscard]] std::uint64_t checksum(std::int64_t key, std::string_view bytes);

// The key of an entry: its stream's number above its sequence. One integer is what SQLite finds, compares and stores
// fastest, the rows of a stream lie together in its order, and the primary key allows each sequence once.
[[nodiscard]] constexpr std::int64_t entry_key(std::int64_t stream, Seq seq) {
  return (stream << 32) | static_cast<std::int64_t>(seq);
}
[[nodiscard]] constexpr Seq seq_of(std::int64_t key) { return static_cast<Seq>(key & 0xFFFF'FFFF); }
constexpr std::int64_t stream_max = 0x7FFF'FFFF;

}  // namespace joey::sqlite

#include "store/sqlite_db.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

namespace joey::sqlite {
namespace {

constexpr int application_id = 0x6A6F6579;  // "joey"

// Steps from one version of the schema to the next. A released step never changes: what it made is on people's disks.
struct Migration {
  int version;
  const char* sql;
};
constexpr Migration migrations[] = {
    {1, R"sql(
      CREATE TABLE streams(
        id    INTEGER PRIMARY KEY,
        name  TEXT NOT NULL UNIQUE
      ) STRICT;
      -- id: streams.id << 32 | sequence
      CREATE TABLE entries(
        id        INTEGER PRIMARY KEY,
        checksum  INTEGER NOT NULL,
        bytes     BLOB NOT NULL
      ) STRICT;
      CREATE TABLE blobs(
        id      INTEGER PRIMARY KEY,
        digest  TEXT NOT NULL UNIQUE,
        bytes   BLOB NOT NULL
      ) STRICT;
      -- id: of the stream that has the task's name
      CREATE TABLE tasks(
        id             INTEGER PRIMARY KEY,
        task           TEXT NOT NULL,
        parent         TEXT NOT NULL,
        session        TEXT NOT NULL,
        title          TEXT NOT NULL,
        status         TEXT NOT NULL,
        mode           TEXT NOT NULL,
        provider       TEXT NOT NULL,
        model          TEXT NOT NULL,
        created_at     INTEGER NOT NULL,
        updated_at     INTEGER NOT NULL,
        tokens_input   INTEGER NOT NULL,
        tokens_output  INTEGER NOT NULL,
        cost_usd       REAL NOT NULL,
        turns          INTEGER NOT NULL,
        last_seq       INTEGER NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX tasks_by_age ON tasks(parent, created_at, task);
    )sql"},
};
constexpr int version_newest = std::end(migrations)[-1].version;

int execute(sqlite3* db, const std::string& sql) { return sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr); }

// The first column of the first row.
int ask(sqlite3* db, const char* sql, std::string& answer) {
  Statement statement;
  int code = statement.prepare(db, sql);
  if (code == SQLITE_OK) code = statement.step();
  if (code != SQLITE_ROW) return code == SQLITE_DONE ? SQLITE_ERROR : code;
  answer = statement.bytes(0);
  return SQLITE_OK;
}

int ask(sqlite3* db, const char* sql, std::int64_t& answer) {
  Statement statement;
  int code = statement.prepare(db, sql);
  if (code == SQLITE_OK) code = statement.step();
  if (code != SQLITE_ROW) return code == SQLITE_DONE ? SQLITE_ERROR : code;
  answer = statement.integer(0);
  return SQLITE_OK;
}

Error system_error(int number, std::string_view path) {
  const std::string reason = std::generic_category().message(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR: return {ErrorCode::not_found, std::string(path) + ": " + reason};
    case EACCES:
    case EPERM:
    case EROFS: return {ErrorCode::denied, std::string(path) + ": cannot be written: " + reason};
    default: return {ErrorCode::io, std::string(path) + ": " + reason};
  }
}

// What the path says before anything is opened. Asks only for names: a file that another store of this process has open
// must not be opened and closed beside SQLite, since that would drop SQLite's locks on it.
Status check_path(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return failure(ErrorCode::invalid_argument, "the store has no path");
  }
  if (path == ":memory:") return {};
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return failure(ErrorCode::invalid_argument, path + ": is a directory; name a file in it");
  }
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (!directory.empty() && !std::filesystem::is_directory(directory, error)) {
    if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
      return tl::unexpected(system_error(error.value(), path));
    }
    return failure(ErrorCode::not_found, path + ": there is no directory " + directory.string());
  }
  return {};
}

// SQLite tries again without writing and then tells why that failed: that there is no file.
Error open_error(int code, sqlite3* db, const std::string& path) {
  std::error_code ignored;
  if ((code & 0xFF) == SQLITE_CANTOPEN && !std::filesystem::exists(path, ignored)) {
    const std::string directory = std::filesystem::path(path).parent_path().string();
    if (faccessat(AT_FDCWD, directory.empty() ? "." : directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
      return system_error(errno, path);
    }
    return {ErrorCode::io, path + ": cannot be created"};
  }
  return error_of(code, db, path);
}

Result<Connection> open_file(const std::string& path, int flags, std::chrono::milliseconds busy_timeout) {
  // SQLite may be built to read such a name as a URI.
  const std::string name = path.starts_with("file:") ? "./" + path : path;
  sqlite3* opened = nullptr;
  // NOMUTEX: a connection is used by one thread at a time.
  const int code = sqlite3_open_v2(name.c_str(), &opened, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection db(opened);
  if (code != SQLITE_OK) return tl::unexpected(open_error(code, db.get(), path));
  sqlite3_extended_result_codes(db.get(), 1);
  sqlite3_busy_timeout(db.get(), static_cast<int>(busy_timeout.count()));
  // A file from elsewhere brings nothing that runs.
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  return db;
}

// The version of the schema, 0 for an empty database; an error unless it is ours to write. Within a transaction, so
// that it sees all or nothing of what another process creates.
Result<std::int64_t> identify(sqlite3* db, const std::string& path) {
  std::int64_t application = 0;
  std::int64_t version = 0;
  std::int64_t objects = 0;
  int code = ask(db, "PRAGMA application_id", application);
  if (code == SQLITE_OK) code = ask(db, "PRAGMA user_version", version);
  if (code == SQLITE_OK) code = ask(db, "SELECT count(*) FROM sqlite_schema", objects);
  if (code != SQLITE_OK) return tl::unexpected(error_of(code, db, path));
  if (application == 0 && version == 0 && objects == 0) return 0;
  if (application != application_id) {
    return failure(ErrorCode::invalid_argument, path + ": the database of another program; give another path");
  }
  if (version > version_newest) {
    return failure(ErrorCode::unsupported, path + ": written by a newer joey (format " + std::to_string(version) +
                                               ", this one knows up to " + std::to_string(version_newest) +
                                               "); upgrade joey or give another path");
  }
  return version;
}

Result<std::int64_t> identify_alone(sqlite3* db, const std::string& path) {
  if (const int code = execute(db, "BEGIN"); code != SQLITE_OK) return tl::unexpected(error_of(code, db, path));
  const Result<std::int64_t> version = identify(db, path);
  execute(db, "ROLLBACK");
  return version;
}

// Of processes that open a new file together one does it, and the others are told it is busy, without the wait that
// SQLite gives everything else.
int use_wal(sqlite3* db, std::chrono::milliseconds busy_timeout) {
  const auto end = std::chrono::steady_clock::now() + busy_timeout;
  std::string mode;
  int code = SQLITE_OK;
  while (((code = ask(db, "PRAGMA journal_mode=WAL", mode)) & 0xFF) == SQLITE_BUSY) {
    if (std::chrono::steady_clock::now() >= end) return code;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (code != SQLITE_OK) return code;
  return mode == "wal" || mode == "memory" ? SQLITE_OK : SQLITE_CANTOPEN;
}

// All steps or none. Another process may have taken them since the version was read.
Status migrate(sqlite3* db, const std::string& path) {
  if (const int code = execute(db, "BEGIN IMMEDIATE"); code != SQLITE_OK) {
    return tl::unexpected(error_of(code, db, path));
  }
  const Result<std::int64_t> version = identify(db, path);
  if (!version) return tl::unexpected(version.error());  // closing the connection rolls back
  int code = SQLITE_OK;
  for (const Migration& step : migrations) {
    if (step.version > *version && code == SQLITE_OK) code = execute(db, step.sql);
  }
  if (code == SQLITE_OK) code = execute(db, "PRAGMA application_id=" + std::to_string(application_id));
  if (code == SQLITE_OK) code = execute(db, "PRAGMA user_version=" + std::to_string(version_newest));
  if (code == SQLITE_OK) code = execute(db, "COMMIT");
  if (code != SQLITE_OK) return tl::unexpected(error_of(code, db, path));
  return {};
}

}  // namespace

int Statement::prepare(sqlite3* db, const char* sql) {
  return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
}

Statement& Statement::bind(int index, std::int64_t value) {
  note(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  note(sqlite3_bind_double(statement_, index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // Not a null pointer even when empty, which SQLite takes for NULL.
  const char* const data = text.empty() ? "" : text.data();
  note(sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_bytes(int index, std::string_view bytes) {
  note(sqlite3_bind_blob64(statement_, index, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC));
  return *this;
}

int Statement::step() { return bound_ == SQLITE_OK ? sqlite3_step(statement_) : bound_; }

void Statement::reset() {
  sqlite3_reset(statement_);
  bound_ = SQLITE_OK;
}

int Statement::run() {
  const int code = step();
  reset();
  return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

std::string_view Statement::bytes(int column) const {
  const auto* const data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}

Error error_of(int code, sqlite3* db, std::string_view path) {
  // The connection's own words only when they are about this error.
  const bool latest = db != nullptr && (sqlite3_extended_errcode(db) == code || sqlite3_errcode(db) == code);
  const std::string reason = latest ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const std::string where(path);
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return corrupt(path, reason);
    case SQLITE_FULL: return {ErrorCode::io, where + ": the disk or the size allowed is full; make room and try again"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {ErrorCode::busy, where + ": locked by another program; end it or try again"};
    case SQLITE_NOMEM: return {ErrorCode::out_of_memory, where + ": out of memory"};
    case SQLITE_TOOBIG: return {ErrorCode::limit, where + ": an entry or blob is larger than SQLite stores"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return {ErrorCode::denied, where + ": cannot be written: " + reason};
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
      const int number = db == nullptr ? 0 : sqlite3_system_errno(db);
      return number != 0 ? system_error(number, path) : Error{ErrorCode::io, where + ": " + reason};
    }
    default: return {ErrorCode::internal, where + ": " + reason};
  }
}

Error corrupt(std::string_view path, std::string_view what) {
  return {ErrorCode::corrupt, std::string(path) + ": " + std::string(what) +
                                  "; move the file away and restore a backup, or salvage it with sqlite3's .recover"};
}

Result<Connection> open_database(const SqliteOptions& options) {
  if (Status status = check_path(options.path); !status) return tl::unexpected(status.error());
  if (sqlite3_threadsafe() == 0) return failure(ErrorCode::unsupported, "this build of SQLite allows only one thread");
  Result<Connection> opened =
      open_file(options.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, options.busy_timeout);
  if (!opened) return opened;
  sqlite3* const db = opened->get();
  if (sqlite3_db_readonly(db, "main") == 1) {  // SQLite's own fallback when it may not write
    return failure(ErrorCode::denied, options.path + ": the file is read-only");
  }
  // Until the file is known to be ours, closing it must not write to it either.
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const Result<std::int64_t> version = identify_alone(db, options.path);
  if (!version) return tl::unexpected(version.error());
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);

  if (const int code = use_wal(db, options.busy_timeout); code != SQLITE_OK) {
    return tl::unexpected(error_of(code, db, options.path));
  }
  if (*version < version_newest) {
    if (Status status = migrate(db, options.path); !status) return tl::unexpected(status.error());
  }
  return opened;
}

Result<Connection> open_again(const std::string& path, int flags, std::chrono::milliseconds busy_timeout) {
  return open_file(path, flags, busy_timeout);
}

std::string file_of(sqlite3* db) {
  const char* const name = sqlite3_db_filename(db, "main");
  return name == nullptr || *name == '\0' ? ":memory:" : name;
}

std::uint64_t checksum(std::int64_t key, std::string_view bytes) {
  // Each step maps different states to different states, so that a change within one word always shows in the end.
  std::uint64_t state = 0;
  const auto mix = [&state](std::uint64_t word) {
    state = (state ^ word) * 0x9E37'79B9'7F4A'7C15;
    state ^= state >> 32;
  };
  const auto word_at = [](const char* from, std::size_t size) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, size);
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
  };
  mix(static_cast<std::uint64_t>(key));
  mix(bytes.size());
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) mix(word_at(bytes.data() + at, 8));
  if (at < bytes.size()) mix(word_at(bytes.data() + at, bytes.size() - at));
  return state;
}

}  // namespace joey::sqlite

// How many appends a second does the journal take, and how many does a bare SQLite loop?
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/uv_loop.hpp"
#include "store/encrypted.hpp"
#include "store/sqlite.hpp"
#include "support.hpp"

namespace {

constexpr std::size_t entry_bytes = 400;
constexpr bench::Nanoseconds run_for = 700'000'000;

// Every stream has one append under way, always.
double journal_rate(joey::Durability durability, int streams, bool encrypted = false) {
  const bench::Scratch scratch;
  joey::UvLoop loop;
  auto opened = joey::open_sqlite_store({.path = scratch.path("journal.db"), .durability = durability}, loop);
  if (!opened) std::exit(1);
  std::unique_ptr<joey::Store> owned = *std::move(opened);
  if (encrypted) {
    auto sealed = joey::make_encrypted_store(std::move(owned), {joey::StoreKey{"bench", {}}}, loop);
    if (!sealed) std::exit(1);
    owned = *std::move(sealed);
  }
  joey::Store& store = *owned;
  const auto entry = std::make_shared<const std::string>(entry_bytes, 'e');
  const bench::Nanoseconds began = bench::wall_now();
  std::uint64_t appended = 0;
  int under_way = 0;
  std::function<void(int, joey::Seq)> next = [&](int stream, joey::Seq expected) {
    joey::Append append;
    append.stream = "task_" + std::to_string(stream);
    append.expected = expected;
    append.entries.push_back(entry);
    ++under_way;
    store.append(std::move(append), [&, stream](joey::Result<joey::Seq> seq) {
      if (!seq) std::exit(1);
      ++appended;
      --under_way;
      if (bench::wall_now() - began < run_for) next(stream, *seq);
    });
  };
  for (int stream = 0; stream < streams; ++stream) next(stream, 0);
  while (under_way > 0) loop.step(-1);
  const double rate = static_cast<double>(appended) * 1e9 / static_cast<double>(bench::wall_now() - began);
  owned.reset();
  return rate;
}

void run(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) std::exit(1);
}

// One row, one commit.
double bare_rate(bool full) {
  const bench::Scratch scratch;
  sqlite3* db = nullptr;
  if (sqlite3_open(scratch.path("bare.db").c_str(), &db) != SQLITE_OK) std::exit(1);
  run(db, "PRAGMA journal_mode=WAL");
  run(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
  run(db, "CREATE TABLE entries(id INTEGER PRIMARY KEY, bytes BLOB)");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO entries(bytes) VALUES(?)", -1, &insert, nullptr);
  const std::string entry(entry_bytes, 'e');
  const bench::Nanoseconds began = bench::wall_now();
  std::uint64_t inserted = 0;
  for (; bench::wall_now() - began < run_for; ++inserted) {
    sqlite3_bind_blob(insert, 1, entry.data(), static_cast<int>(entry.size()), SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) std::exit(1);
    sqlite3_reset(insert);
  }
  const double rate = static_cast<double>(inserted) * 1e9 / static_cast<double>(bench::wall_now() - began);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return rate;
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  for (const auto durability : {joey::Durability::process, joey::Durability::full}) {
    const bool full = durability == joey::Durability::full;
    std::vector<double> bare;
    std::vector<double> one;
    std::vector<double> many;
    std::vector<double> encrypted;
    for (int round = 0; round < 3; ++round) {
      bare.push_back(bare_rate(full));
      one.push_back(journal_rate(durability, 1));
      many.push_back(journal_rate(durability, 1'000));
      encrypted.push_back(journal_rate(durability, 1'000, true));
    }
    const std::string name = std::string("appends.") + (full ? "full" : "process");
    const double base = bench::median(bare);
    const auto times = [base](double rate) {
      char text[60];
      std::snprintf(text, sizeof text, "%.2f times the bare loop's", rate / base);
      return std::string(text);
    };
    report.line(name + ".bare_sqlite", base, "/s", "inserts of 400 bytes, each its own commit");
    report.line(name + ".one_stream", bench::median(one), "/s", times(bench::median(one)));
    report.line(name + ".1000_streams", bench::median(many), "/s", times(bench::median(many)));
    report.line(name + ".1000_streams.encrypted", bench::median(encrypted), "/s", times(bench::median(encrypted)));
  }
  return 0;
}

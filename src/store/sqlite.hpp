// The default store: one SQLite file, shared by any number of engines and processes on one machine.
//
// Beside `path` live `path`-wal and `path`-shm, which SQLite removes when the last process closes the file, and the
// directory `path`-leases, which stays: its empty files only carry locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/scheduler.hpp"
#include "store/store.hpp"

namespace joey {

// What an append has survived when it completes.
enum class Durability {
  full,     // loss of power: each commit waits for the disk, on a thread of the store
  process,  // kill -9: commits run on the loop and leave the disk to the system; a loss of power takes the last seconds
};

struct SqliteOptions {
  std::string path;  // ":memory:": a database of its own that goes with the store
  Durability durability{Durability::full};
  std::chrono::milliseconds busy_timeout{5'000};  // for other processes' locks; an append then fails with `busy`
  std::uint64_t size_max{0};                      // bytes of the file; appends beyond it fail with `io`. 0: the disk's
  std::size_t cache_size{2U << 20};               // bytes of database pages kept for appends
  std::size_t wal_size{4U << 20};                 // bytes of log from which a worker moves it into the file
  std::chrono::milliseconds idle_checkpoint{2'000};  // pause in appends after which the whole log is moved. 0: never
  // Whether blobs are looked at for damage by their names. Beneath an encrypting store they have others, and are looked at
  // there.
  bool blobs_by_content{true};
};

// Opens or creates the file; upgrades one of an older joey. A file it cannot use is left as it is:
// `unsupported`: written by a newer joey. `corrupt`: damaged, or not a database. `invalid_argument`: no path, a
// directory, or the database of another program. `not_found`: no such directory. `denied`: not writable.
// `busy`: locked by another program for longer than busy_timeout. `io`: the disk failed or is full.
//
// Blocks for a few milliseconds, also for a large file. Reads and checkpoints run on the scheduler's workers.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, Scheduler& scheduler);

}  // namespace joey

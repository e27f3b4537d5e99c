// A store that forgets everything with its process: for tests, for simulation, and for hosts that keep no history.
#pragma once

#include <memory>

#include "base/scheduler.hpp"
#include "store/store.hpp"

namespace joey {

// What memory stores keep, as a disk keeps a database: stores made on one disk share it, and it outlives them.
// Loop thread only, and all stores of a disk on the same loop.
class MemoryDisk {
 public:
  MemoryDisk();
  ~MemoryDisk();
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  // As kill -9 of every process that has it open: appends that are not durable yet are lost, leases are free, and the
  // stores made before do and complete nothing any more. They are destroyed as usual.
  void crash();

 private:
  friend class MemoryStore;
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

// An append is durable when the loop runs what it posted, just before its completion.
[[nodiscard]] std::unique_ptr<Store> make_memory_store(
    Scheduler& scheduler, std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>());

}  // namespace joey

// The artifacts of a task in the engine's store: each a stream of its own, one chunk an entry, beside the task's journal.
#pragma once

#include <memory>
#include <string>

#include "store/store.hpp"
#include "tool/artifacts.hpp"

namespace joey {

// Of one task. `store` is null once the engine has ended.
//
// Threads: the loop's.
class StoredChunks final : public ChunkStore {
 public:
  StoredChunks(std::shared_ptr<Store*> store, std::string task) : store_(std::move(store)), task_(std::move(task)) {}

  void append(const std::string& artifact, std::uint64_t index, Chunk chunk, Completion<void> done) override;
  void read(const std::string& artifact, std::uint64_t index, std::size_t chunks_max,
            Completion<std::vector<Chunk>> done) override;

 private:
  // No task's id has a '/'.
  [[nodiscard]] std::string stream(const std::string& artifact) const { return task_ + "/" + artifact; }

  std::shared_ptr<Store*> store_;
  std::string task_;
};

}  // namespace joey

#include "runtime/stored_chunks.hpp"

#include <utility>

namespace joey {

void StoredChunks::append(const std::string& artifact, std::uint64_t index, Chunk chunk, Completion<void> done) {
  // Whoever waits for it is gone as well.
  if (*store_ == nullptr) return;
  Append append;
  append.stream = stream(artifact);
  append.expected = index;
  append.entries.push_back(std::move(chunk));
  (*store_)->append(std::move(append), [done = std::move(done)](Result<Seq> result) {
    done(result ? Status() : Status(tl::unexpected(std::move(result.error()))));
  });
}

void StoredChunks::read(const std::string& artifact, std::uint64_t index, std::size_t chunks_max,
                        Completion<std::vector<Chunk>> done) {
  if (*store_ == nullptr) return;
  ReadQuery query;
  query.stream = stream(artifact);
  query.from = index + 1;
  query.entries_max = chunks_max;
  query.bytes_max = chunks_max * Artifacts::chunk_size;
  (*store_)->read(std::move(query), [done = std::move(done)](Result<std::vector<StoredEntry>> entries) {
    if (!entries) return done(tl::unexpected(std::move(entries.error())));
    std::vector<Chunk> chunks;
    chunks.reserve(entries->size());
    for (StoredEntry& entry : *entries) chunks.push_back(std::move(entry.bytes));
    done(std::move(chunks));
  });
}

}  // namespace joey

// The long outputs of a task's commands, kept whole: an artifact is bytes in order, under an id.
//
// An artifact is a row of chunks of equal size, of which only the last may be shorter, so that an offset is found without
// reading what comes before it. Of one that is being written the chunk under way is in memory, and is read like the
// others; what the store has been given outlives cancel, resume and the engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.hpp"
#include "base/result.hpp"
#include "base/scheduler.hpp"

namespace joey {

using Chunk = std::shared_ptr<const std::string>;

// Where chunks are kept, by artifact and number.
//
// Threads: called on the loop thread; completions run there too, never inside the call.
class ChunkStore {
 public:
  virtual ~ChunkStore() = default;
  // Adds chunk `index`, from 0. The next may come before this one is kept, and is kept after it. `conflict` when the
  // artifact has not `index` chunks.
  virtual void append(const std::string& artifact, std::uint64_t index, Chunk chunk, Completion<void> done) = 0;
  // The chunks from `index` on: at least one where there is one, at most `chunks_max`; none where the artifact ends
  // before it or does not exist.
  virtual void read(const std::string& artifact, std::uint64_t index, std::size_t chunks_max,
                    Completion<std::vector<Chunk>> done) = 0;
};

// Chunks that are forgotten with their store, at most `bytes_max` of them; `limit` beyond.
[[nodiscard]] std::shared_ptr<ChunkStore> make_memory_chunks(Scheduler& scheduler, std::uint64_t bytes_max);

// Whether `text` has the form of an artifact's id: cmd-<digits>.txt.
[[nodiscard]] bool is_artifact_id(std::string_view text);

class ArtifactWriter;

// Of one task. Held by shared_ptr: what is under way keeps it alive.
//
// Threads: the loop's.
class Artifacts : public std::enable_shared_from_this<Artifacts> {
 public:
  static constexpr std::size_t chunk_size = std::size_t{64} << 10;         // bytes
  static constexpr std::uint64_t size_max = std::uint64_t{256} << 20;      // bytes of one artifact

  Artifacts(Scheduler& scheduler, std::shared_ptr<ChunkStore> chunks);
  ~Artifacts();
  Artifacts(const Artifacts&) = delete;
  Artifacts& operator=(const Artifacts&) = delete;

  // A new artifact, named after the digits of the call that makes it: as unique in the task as the call's id. Where that
  // has none, or has made one already, it gets a number. `on_progress` runs when the writer's waiting() or problem() has
  // changed, never inside a call to it, and not after its end; it must not end the writer.
  [[nodiscard]] std::unique_ptr<ArtifactWriter> create(std::string_view call, UniqueFunction<void()> on_progress);

  struct Extent {
    std::uint64_t size{0};  // bytes that can be read
    bool growing{false};    // it is still written
  };
  // `not_found` when there is no such artifact.
  void measure(const std::string& id, Completion<Extent> done);
  // The bytes from `offset` on, at most `bytes_max`; fewer only where the artifact ends.
  void read(const std::string& id, std::uint64_t offset, std::size_t bytes_max, Completion<std::string> done);

 private:
  friend class ArtifactWriter;
  struct Growing;  // one that is written, or waits for the store
  class Probe;
  class Reading;

  void give(const std::shared_ptr<Growing>& artifact, std::string chunk);
  void on_given(const std::shared_ptr<Growing>& artifact, const Status& status);
  [[nodiscard]] std::shared_ptr<Growing> find(const std::string& id) const;

  Scheduler& scheduler_;
  std::shared_ptr<ChunkStore> chunks_;
  std::map<std::string, std::shared_ptr<Growing>, std::less<>> growing_;  // by id
  std::set<std::string, std::less<>> ids_;                                // made here
  std::uint64_t numbered_{0};
};

// Writes one artifact. Destroying it ends the artifact, which then has all that was appended.
class ArtifactWriter {
 public:
  ~ArtifactWriter();
  ArtifactWriter(const ArtifactWriter&) = delete;
  ArtifactWriter& operator=(const ArtifactWriter&) = delete;

  [[nodiscard]] const std::string& id() const;
  // Takes the bytes at once, at the artifact's end. Nothing more is taken after a problem().
  void append(std::string_view bytes);
  // Bytes that the store has been given and has not kept yet: whoever can wait should when they become many.
  [[nodiscard]] std::size_t waiting() const;
  // Why not everything is kept, as a sentence for the model; empty while everything is.
  [[nodiscard]] const std::string& problem() const;

 private:
  friend class Artifacts;
  ArtifactWriter(std::shared_ptr<Artifacts> owner, std::shared_ptr<Artifacts::Growing> artifact);

  std::shared_ptr<Artifacts> owner_;
  std::shared_ptr<Artifacts::Growing> artifact_;
};

}  // namespace joey

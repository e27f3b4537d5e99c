#include "tool/artifacts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::uint64_t chunks_max = Artifacts::size_max / Artifacts::chunk_size;
static_assert(chunks_max * Artifacts::chunk_size == Artifacts::size_max);

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class MemoryChunks final : public ChunkStore {
 public:
  MemoryChunks(Scheduler& scheduler, std::uint64_t bytes_max) : scheduler_(scheduler), bytes_left_(bytes_max) {}

  void append(const std::string& artifact, std::uint64_t index, Chunk chunk, Completion<void> done) override {
    Status status;
    std::vector<Chunk>& chunks = artifacts_[artifact];
    if (chunks.size() != index) {
      status = failure(ErrorCode::conflict, fmt::format("{} has {} chunks, not {}", artifact, chunks.size(), index));
    } else if (chunk->size() > bytes_left_) {
      status = failure(ErrorCode::limit, "the memory for command output is full");
    } else {
      bytes_left_ -= chunk->size();
      chunks.push_back(std::move(chunk));
    }
    scheduler_.post([status = std::move(status), done = std::move(done)]() mutable { done(std::move(status)); });
  }

  void read(const std::string& artifact, std::uint64_t index, std::size_t chunks_max_asked,
            Completion<std::vector<Chunk>> done) override {
    std::vector<Chunk> found;
    if (const auto chunks = artifacts_.find(artifact); chunks != artifacts_.end()) {
      for (std::uint64_t i = index; i < chunks->second.size() && found.size() < chunks_max_asked; ++i) {
        found.push_back(chunks->second[i]);
      }
    }
    scheduler_.post([found = std::move(found), done = std::move(done)]() mutable { done(std::move(found)); });
  }

 private:
  Scheduler& scheduler_;
  std::uint64_t bytes_left_;
  std::map<std::string, std::vector<Chunk>> artifacts_;
};

}  // namespace

std::shared_ptr<ChunkStore> make_memory_chunks(Scheduler& scheduler, std::uint64_t bytes_max) {
  return std::make_shared<MemoryChunks>(scheduler, bytes_max);
}

bool is_artifact_id(std::string_view text) {
  constexpr std::string_view prefix = "cmd-";
  constexpr std::string_view suffix = ".txt";
  constexpr std::size_t digits_max = 20;
  if (!text.starts_with(prefix) || !text.ends_with(suffix) || text.size() <= prefix.size() + suffix.size()) return false;
  const std::string_view digits = text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
  return digits.size() <= digits_max && std::all_of(digits.begin(), digits.end(), is_digit);
}

struct Artifacts::Growing {
  std::string id;
  std::uint64_t kept{0};      // chunks that the store has
  std::deque<Chunk> waiting;  // those it was given after them
  std::string last;           // the unfinished one
  std::size_t waiting_bytes{0};
  std::uint64_t taken{0};     // bytes
  std::string problem;
  bool written{true};         // it has a writer
  UniqueFunction<void()> on_progress;

  [[nodiscard]] std::uint64_t size() const { return kept * chunk_size + waiting_bytes + last.size(); }
};

// How many chunks a store has of an artifact, by halving: a dozen reads for the largest.
class Artifacts::Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(std::shared_ptr<ChunkStore> chunks, std::string id, Completion<Extent> done)
      : chunks_(std::move(chunks)), id_(std::move(id)), done_(std::move(done)) {}

  void look_at(std::uint64_t index) {
    chunks_->read(id_, index, 1, [self = shared_from_this(), index](Result<std::vector<Chunk>> found) {
      self->on_found(index, std::move(found));
    });
  }

 private:
  void on_found(std::uint64_t index, Result<std::vector<Chunk>> found) {
    if (!found) return done_(tl::unexpected(std::move(found.error())));
    if (found->empty()) {
      if (index == 0) return done_(failure(ErrorCode::not_found, fmt::format("there is no artifact {}", id_)));
      end_ = index;
    } else {
      begin_ = index + 1;
      if (const std::size_t size = found->front()->size(); size < chunk_size) {
        return done_(Extent{index * chunk_size + size, false});
      }
    }
    if (begin_ == end_) return done_(Extent{end_ * chunk_size, false});
    look_at(begin_ + (end_ - begin_) / 2);
  }

  std::shared_ptr<ChunkStore> chunks_;
  std::string id_;
  Completion<Extent> done_;
  std::uint64_t begin_{0};         // chunks it has for certain, all of them full
  std::uint64_t end_{chunks_max};  // and at most
};

class Artifacts::Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::shared_ptr<Artifacts> owner, std::string id, std::uint64_t offset, std::size_t bytes_max,
          Completion<std::string> done)
      : owner_(std::move(owner)), id_(std::move(id)), offset_(offset), bytes_max_(bytes_max), done_(std::move(done)) {}

  // Chunks that waited may be kept when the next is looked for: each is looked for anew.
  void go_on() {
    while (bytes_.size() < bytes_max_) {
      const std::uint64_t index = (offset_ + bytes_.size()) / chunk_size;
      const auto growing = owner_->find(id_);
      if (!growing || index < growing->kept) return read_kept(index);
      const std::uint64_t place = index - growing->kept;
      const std::string& chunk = place < growing->waiting.size() ? *growing->waiting[place] : growing->last;
      if (place > growing->waiting.size() || !take(chunk)) break;
    }
    done_(std::move(bytes_));
  }

 private:
  void read_kept(std::uint64_t index) {
    const std::uint64_t end = offset_ + bytes_max_;
    const auto wanted = static_cast<std::size_t>((end + chunk_size - 1) / chunk_size - index);
    owner_->chunks_->read(id_, index, wanted, [self = shared_from_this()](Result<std::vector<Chunk>> found) {
      if (!found) return self->done_(tl::unexpected(std::move(found.error())));
      bool more = !found->empty();
      for (const Chunk& chunk : *found) more = more && self->take(*chunk);
      if (more) return self->go_on();
      self->done_(std::move(self->bytes_));
    });
  }

  // The part of the next chunk that is wanted. False when nothing can come after it.
  bool take(const std::string& chunk) {
    const auto skipped = static_cast<std::size_t>((offset_ + bytes_.size()) % chunk_size);
    if (skipped < chunk.size()) bytes_.append(chunk, skipped, bytes_max_ - bytes_.size());
    return chunk.size() == chunk_size;
  }

  std::shared_ptr<Artifacts> owner_;
  std::string id_;
  std::uint64_t offset_;
  std::size_t bytes_max_;
  Completion<std::string> done_;
  std::string bytes_;
};

Artifacts::Artifacts(Scheduler& scheduler, std::shared_ptr<ChunkStore> chunks)
    : scheduler_(scheduler), chunks_(std::move(chunks)) {}

Artifacts::~Artifacts() = default;

std::unique_ptr<ArtifactWriter> Artifacts::create(std::string_view call, UniqueFunction<void()> on_progress) {
  std::string digits;
  std::copy_if(call.begin(), call.end(), std::back_inserter(digits), is_digit);
  std::string id = fmt::format("cmd-{}.txt", digits);
  while (!is_artifact_id(id) || ids_.contains(id)) id = fmt::format("cmd-{}.txt", ++numbered_);
  ids_.insert(id);
  auto artifact = std::make_shared<Growing>();
  artifact->id = id;
  artifact->on_progress = std::move(on_progress);
  growing_[id] = artifact;
  return std::unique_ptr<ArtifactWriter>(new ArtifactWriter(shared_from_this(), std::move(artifact)));
}

void Artifacts::measure(const std::string& id, Completion<Extent> done) {
  if (const auto growing = find(id)) {
    scheduler_.post([extent = Extent{growing->size(), growing->written}, done = std::move(done)] { done(extent); });
    return;
  }
  std::make_shared<Probe>(chunks_, id, std::move(done))->look_at(0);
}

void Artifacts::read(const std::string& id, std::uint64_t offset, std::size_t bytes_max, Completion<std::string> done) {
  scheduler_.post([reading = std::make_shared<Reading>(shared_from_this(), id, offset, bytes_max, std::move(done))] {
    reading->go_on();
  });
}

std::shared_ptr<Artifacts::Growing> Artifacts::find(const std::string& id) const {
  const auto found = growing_.find(id);
  return found == growing_.end() ? nullptr : found->second;
}

void Artifacts::give(const std::shared_ptr<Growing>& artifact, std::string chunk) {
  const std::uint64_t index = artifact->kept + artifact->waiting.size();
  artifact->waiting_bytes += chunk.size();
  artifact->waiting.push_back(std::make_shared<const std::string>(std::move(chunk)));
  chunks_->append(artifact->id, index, artifact->waiting.back(),
                  [self = shared_from_this(), artifact](const Status& status) { self->on_given(artifact, status); });
}

// After a failure the artifact is what was kept until then: the chunks behind it would leave a gap.
void Artifacts::on_given(const std::shared_ptr<Growing>& artifact, const Status& status) {
  if (!status) {
    if (artifact->problem.empty()) {
      artifact->problem = fmt::format("Of it only the first {} bytes are kept: {}.", artifact->kept * chunk_size,
                                      status.error().message);
    }
    artifact->waiting.clear();
    artifact->waiting_bytes = 0;
    artifact->last.clear();
  } else if (!artifact->waiting.empty()) {
    artifact->waiting_bytes -= artifact->waiting.front()->size();
    artifact->waiting.pop_front();
    ++artifact->kept;
  }
  if (!artifact->written && artifact->waiting.empty()) growing_.erase(artifact->id);
  if (artifact->on_progress) artifact->on_progress();
}

ArtifactWriter::ArtifactWriter(std::shared_ptr<Artifacts> owner, std::shared_ptr<Artifacts::Growing> artifact)
    : owner_(std::move(owner)), artifact_(std::move(artifact)) {}

ArtifactWriter::~ArtifactWriter() {
  Artifacts::Growing& artifact = *artifact_;
  artifact.written = false;
  artifact.on_progress = nullptr;
  // Also an artifact without a byte is one.
  const bool is_owed = !artifact.last.empty() || artifact.taken == 0;
  if (is_owed && artifact.problem.empty()) owner_->give(artifact_, std::exchange(artifact.last, {}));
  if (artifact.waiting.empty()) owner_->growing_.erase(artifact.id);
}

const std::string& ArtifactWriter::id() const { return artifact_->id; }

void ArtifactWriter::append(std::string_view bytes) {
  Artifacts::Growing& artifact = *artifact_;
  if (!artifact.problem.empty()) return;
  if (bytes.size() > Artifacts::size_max - artifact.taken) {
    bytes = bytes.substr(0, static_cast<std::size_t>(Artifacts::size_max - artifact.taken));
    artifact.problem = fmt::format("Of it only the first {} bytes are kept, which is the limit.", Artifacts::size_max);
  }
  artifact.taken += bytes.size();
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), Artifacts::chunk_size - artifact.last.size());
    artifact.last += bytes.substr(0, size);
    bytes.remove_prefix(size);
    if (artifact.last.size() == Artifacts::chunk_size) owner_->give(artifact_, std::exchange(artifact.last, {}));
  }
}

std::size_t ArtifactWriter::waiting() const { return artifact_->waiting_bytes; }
const std::string& ArtifactWriter::problem() const { return artifact_->problem; }

}  // namespace joey

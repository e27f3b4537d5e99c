#include "tool/artifacts.hpp"

#include "tool_world.hpp"

using namespace joey;

namespace {

constexpr std::size_t chunk = Artifacts::chunk_size;

std::string bytes_of(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 257);
  return bytes;
}

struct ArtifactFixture {
  ~ArtifactFixture() { chunks->waiting.clear(); }  // they hold what holds them

  std::string read(const std::string& id, std::uint64_t offset, std::size_t size) {
    std::optional<Result<std::string>> bytes;
    artifacts->read(id, offset, size, [&](Result<std::string> result) { bytes = std::move(result); });
    CHECK_FALSE(bytes);
    REQUIRE(world.loop.run_until([&] { return bytes.has_value(); }));
    REQUIRE(bytes->has_value());
    return **bytes;
  }
  Result<Artifacts::Extent> measure(const std::string& id) {
    std::optional<Result<Artifacts::Extent>> extent;
    artifacts->measure(id, [&](Result<Artifacts::Extent> result) { extent = std::move(result); });
    CHECK_FALSE(extent);
    REQUIRE(world.loop.run_until([&] { return extent.has_value(); }));
    return *extent;
  }
  // As another engine would find them.
  void reopen() { artifacts = std::make_shared<Artifacts>(world.loop, chunks); }

  ToolWorld world;
  std::shared_ptr<HeldChunks> chunks = std::make_shared<HeldChunks>(world.loop);
  std::shared_ptr<Artifacts> artifacts = std::make_shared<Artifacts>(world.loop, chunks);
};

}  // namespace

TEST_CASE_FIXTURE(ArtifactFixture, "what was appended is read from any offset, kept by the store already or not") {
  const std::string bytes = bytes_of(5 * chunk + 1234);
  auto writer = artifacts->create("c1", nullptr);
  for (std::size_t at = 0; at < bytes.size(); at += 10'007) writer->append(std::string_view(bytes).substr(at, 10'007));
  CHECK(writer->waiting() == 5 * chunk);
  const auto check = [&](bool growing) {
    for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, chunk - 1, chunk, 2 * chunk + 5, 5 * chunk, bytes.size() - 1}) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{100}, chunk, 3 * chunk, bytes.size()}) {
        CHECK((read(writer ? writer->id() : "cmd-1.txt", offset, size) == bytes.substr(offset, size)));
      }
    }
    CHECK(read("cmd-1.txt", bytes.size(), 10).empty());
    CHECK(read("cmd-1.txt", 100 * chunk, 10).empty());
    const auto extent = measure("cmd-1.txt");
    REQUIRE(extent);
    CHECK(extent->size == bytes.size());
    CHECK(extent->growing == growing);
  };
  check(true);
  for (int i = 0; i < 2; ++i) {
    chunks->waiting.front()();
    chunks->waiting.pop_front();
  }
  CHECK(world.loop.run_until([&] { return writer->waiting() == 3 * chunk; }));
  check(true);
  writer.reset();
  check(false);
  chunks->keep_from_now_on();
  check(false);
  reopen();
  check(false);
}

TEST_CASE_FIXTURE(ArtifactFixture, "defect 20: an artifact is found by its id alone, by an engine that did not write it, at any size") {
  chunks->keep_from_now_on();
  int call = 0;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, chunk - 1, chunk, chunk + 1, 2 * chunk, 7 * chunk, 100 * chunk + 3}) {
    CAPTURE(size);
    auto writer = artifacts->create(std::to_string(++call), nullptr);
    const std::string id = writer->id();
    const std::string bytes = bytes_of(size);
    writer->append(bytes);
    writer.reset();
    reopen();
    CHECK((whole(world, *artifacts, id) == bytes));
  }
  const auto none = measure("cmd-999.txt");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::not_found);
}

TEST_CASE_FIXTURE(ArtifactFixture, "ids have the digits of their call and come once") {
  std::vector<std::unique_ptr<ArtifactWriter>> writers;
  std::vector<std::string> ids;
  for (const char* call : {"c00002013", "c00002014", "c00002013", "", "none", "123456789012345678901234"}) {
    writers.push_back(artifacts->create(call, nullptr));
    ids.push_back(writers.back()->id());
    CHECK(is_artifact_id(ids.back()));
  }
  CHECK(ids[0] == "cmd-00002013.txt");
  CHECK(ids[1] == "cmd-00002014.txt");
  std::sort(ids.begin(), ids.end());
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
  for (const char* text : {"", "cmd-.txt", "cmd-1", "cmd-1.txt/..", "../cmd-1.txt", "cmd-1/2.txt", "cmd-1a.txt", "CMD-1.txt",
                           "cmd--1.txt", "cmd-1.txt\n", "cmd-123456789012345678901.txt"}) {
    CAPTURE(text);
    CHECK_FALSE(is_artifact_id(text));
  }
}

TEST_CASE_FIXTURE(ArtifactFixture, "a store that fails leaves what it kept, and the writer says so and takes no more") {
  int told = 0;
  auto writer = artifacts->create("1", [&] { ++told; });
  const std::string bytes = bytes_of(4 * chunk + 10);
  writer->append(bytes);
  chunks->waiting.front()();
  chunks->waiting.pop_front();
  CHECK(world.loop.run_until([&] { return told == 1; }));
  chunks->fails = true;
  chunks->keep_all();
  CHECK(told == 4);
  CHECK(writer->problem() == "Of it only the first 65536 bytes are kept: the disk is full.");
  CHECK(writer->waiting() == 0);
  chunks->fails = false;
  writer->append("more");
  writer.reset();
  CHECK(chunks->waiting.empty());
  CHECK((whole(world, *artifacts, "cmd-1.txt") == bytes.substr(0, chunk)));
}

TEST_CASE_FIXTURE(ArtifactFixture, "an id that the store has already is refused, not mixed with what is there") {
  chunks->keep_from_now_on();
  artifacts->create("1", nullptr)->append("first");
  REQUIRE(world.loop.run_until([&] { return measure("cmd-1.txt").has_value(); }));
  reopen();
  auto writer = artifacts->create("1", nullptr);
  writer->append(bytes_of(chunk));
  CHECK(world.loop.run_until([&] { return !writer->problem().empty(); }));
  writer.reset();
  CHECK(whole(world, *artifacts, "cmd-1.txt") == "first");
}

TEST_CASE("an artifact has a largest size, and says so") {
  // Forgets the bytes and counts them.
  struct Counting final : ChunkStore {
    explicit Counting(Scheduler& s) : scheduler(s) {}
    void append(const std::string&, std::uint64_t index, Chunk bytes, Completion<void> done) override {
      CHECK(index == chunks++);
      CHECK(bytes->size() == chunk);
      scheduler.post([done = std::move(done)] { done({}); });
    }
    void read(const std::string&, std::uint64_t, std::size_t, Completion<std::vector<Chunk>>) override {}
    Scheduler& scheduler;
    std::uint64_t chunks{0};
  };
  TestLoop loop;
  const auto counting = std::make_shared<Counting>(loop);
  auto writer = std::make_shared<Artifacts>(loop, counting)->create("1", nullptr);
  const std::string piece(1 << 20, 'x');
  for (std::uint64_t size = 0; size < Artifacts::size_max; size += piece.size()) {
    writer->append(piece);
    REQUIRE(loop.run_until([&] { return writer->waiting() == 0; }));
  }
  CHECK(writer->problem().empty());
  writer->append("x");
  CHECK(writer->problem() == "Of it only the first 268435456 bytes are kept, which is the limit.");
  writer.reset();
  CHECK(counting->chunks == 4096);
}

TEST_CASE("the memory for chunks has a limit") {
  TestLoop loop;
  const auto chunks = make_memory_chunks(loop, 3 * chunk);
  const auto artifacts = std::make_shared<Artifacts>(loop, chunks);
  auto writer = artifacts->create("1", nullptr);
  writer->append(bytes_of(5 * chunk));
  CHECK(loop.run_until([&] { return !writer->problem().empty(); }));
  CHECK(writer->problem() == "Of it only the first 196608 bytes are kept: the memory for command output is full.");
}

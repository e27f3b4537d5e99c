// What an encrypting store hides, and what it notices.
#include "store/encrypted.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <thread>

#include "child_process.hpp"
#include "store/memory.hpp"
#include "store_fixture.hpp"

using namespace joey;
using namespace joey::test;

namespace {

StoreKey key(const std::string& id, unsigned char byte) {
  StoreKey out{id, {}};
  out.bytes.fill(byte);
  return out;
}

// Passes on what it is told to, and lets a test change what is stored.
struct Tampered final : Store {
  explicit Tampered(std::unique_ptr<Store> store) : inner(std::move(store)) {}
  void append(Append append, Completion<Seq> done) override {
    for (const EntryBytes& entry : append.entries) written.push_back(*entry);
    for (const Blob& blob : append.blobs) {
      written.push_back(blob.bytes);
      names.push_back(blob.digest);
    }
    if (append.summary) written.push_back(append.summary->title + append.summary->session + append.summary->model);
    inner->append(std::move(append), std::move(done));
  }
  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    if (const auto other = instead.find(query.stream); other != instead.end()) query.stream = other->second;
    inner->read(std::move(query), [this, done = std::move(done)](Result<std::vector<StoredEntry>> entries) {
      if (entries && swaps && entries->size() > 1) std::swap((*entries)[0].bytes, (*entries)[1].bytes);
      if (entries && flips >= 0) {
        for (StoredEntry& entry : *entries) {
          std::string bytes = *entry.bytes;
          bytes[static_cast<std::size_t>(flips) % bytes.size()] = static_cast<char>(bytes[static_cast<std::size_t>(flips) % bytes.size()] ^ 1);
          entry.bytes = std::make_shared<const std::string>(std::move(bytes));
        }
      }
      done(std::move(entries));
    });
  }
  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override { inner->get_blob(digest, std::move(done)); }
  void list(ListQuery query, Completion<ListPage> done) override { inner->list(std::move(query), std::move(done)); }
  void get_summary(std::string task, Completion<TaskSummary> done) override { inner->get_summary(std::move(task), std::move(done)); }
  void acquire_lease(std::string stream, Completion<void> done) override { inner->acquire_lease(std::move(stream), std::move(done)); }
  void release_lease(const std::string& stream) override { inner->release_lease(stream); }

  std::unique_ptr<Store> inner;
  std::vector<std::string> written;
  std::vector<Digest> names;
  std::map<std::string, std::string> instead;  // another stream's entries
  bool swaps{false};
  int flips{-1};  // a bit of this byte
};

struct World {
  // Opens the data anew.
  Caller open(std::vector<StoreKey> keys) {
    auto under = std::make_unique<Tampered>(make_memory_store(scheduler, disk));
    tampered = under.get();
    store.reset();
    auto made = make_encrypted_store(std::move(under), std::move(keys), scheduler);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    store = std::move(*made);
    return {scheduler, *store};
  }
  Status rewrap() {
    std::optional<Status> status;
    store->rewrap([&](Status done) { status = std::move(done); });
    REQUIRE(scheduler.run_until([&] { return status.has_value(); }));
    return *status;
  }

  TestScheduler scheduler;
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  std::unique_ptr<EncryptedStore> store;
  Tampered* tampered{nullptr};
};

Append full_append() {
  Append append = append_of("task_1", 0, {"the first entry", "the second entry"});
  append.blobs.push_back({digest("a prompt"), "a prompt"});
  append.summary = std::make_unique<TaskSummary>();
  append.summary->task = "task_1";
  append.summary->title = "what was asked: 7:x";
  append.summary->session = "/home/me/project";
  append.summary->status = "running";
  append.summary->model = "claude";
  append.summary->turns = 3;
  return append;
}

}  // namespace

TEST_CASE("nothing of entries, blobs and summaries is stored as it is, and all of it comes back") {
  World world;
  Caller store = world.open({key("k1", 1)});
  REQUIRE(store.append(full_append()));
  for (const std::string& bytes : world.tampered->written) {
    for (const char* text : {"entry", "prompt", "asked", "project", "claude"}) CHECK(bytes.find(text) == std::string::npos);
  }
  CHECK(world.tampered->names.at(0) != digest("a prompt"));
  Caller again = world.open({key("k1", 1)});
  CHECK(again.all("task_1") == std::vector<std::string>{"the first entry", "the second entry"});
  CHECK(**again.get_blob(digest("a prompt")) == "a prompt");
  const auto summary = again.get_summary("task_1");
  REQUIRE(summary);
  CHECK(*summary == *full_append().summary);
  CHECK(again.list({})->tasks.at(0) == *full_append().summary);
}

TEST_CASE("what is equal is stored differently, but for blobs, which are stored once") {
  World world;
  Caller store = world.open({key("k1", 1)});
  for (Seq seq = 0; seq < 2; ++seq) {
    Append append = append_of("s", seq, {"the same"});
    append.blobs.push_back({digest("b"), "b"});
    REQUIRE(store.append(std::move(append)));
  }
  const auto& written = world.tampered->written;
  CHECK(written.at(1) != written.at(3));
  CHECK(world.tampered->names.at(0) == world.tampered->names.at(1));
}

TEST_CASE("a record that was changed, moved or taken from elsewhere is noticed") {
  World world;
  Caller store = world.open({key("k1", 1)});
  REQUIRE(store.append("a", 0, {"one", "two"}));
  REQUIRE(store.append("b", 0, {"one", "two"}));
  const auto is_noticed = [&] {
    const auto read = store.read({.stream = "a"});
    return !read && read.error().code == ErrorCode::corrupt && read.error().message.find('a') == 0;
  };
  CHECK_FALSE(is_noticed());
  world.tampered->instead["a"] = "b";
  CHECK(is_noticed());
  world.tampered->instead.clear();
  world.tampered->swaps = true;
  CHECK(is_noticed());
  world.tampered->swaps = false;
  for (int byte = 0; byte < 60; ++byte) {
    world.tampered->flips = byte;
    CHECK(is_noticed());
  }
  world.tampered->flips = -1;
  CHECK_FALSE(is_noticed());
}

TEST_CASE("a key that is missing or wrong is named") {
  World world;
  REQUIRE(world.open({key("k1", 1)}).append("a", 0, {"one"}));
  const auto missing = world.open({key("k2", 2)}).read({.stream = "a"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::denied);
  CHECK(missing.error().message.find("\"k1\", which was not given") != std::string::npos);
  const auto wrong = world.open({key("k1", 3)}).append("a", 1, {"two"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::denied);
  CHECK(wrong.error().message.find("\"k1\"") != std::string::npos);
  CHECK(world.open({key("k1", 1)}).all("a") == std::vector<std::string>{"one"});
  for (const std::vector<StoreKey>& none : {std::vector<StoreKey>{}, {key("", 1)}, {key("a b", 1)}, {key("x", 1), key("x", 2)}}) {
    const auto made = make_encrypted_store(make_memory_store(world.scheduler, world.disk), none, world.scheduler);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::invalid_argument);
  }
}

TEST_CASE("a new key is for new data; after a rewrap the old one is not needed") {
  World world;
  REQUIRE(world.open({key("k1", 1)}).append(full_append()));
  Caller both = world.open({key("k2", 2), key("k1", 1)});
  REQUIRE(both.append("task_1", 2, {"the third"}));
  CHECK(both.all("task_1").size() == 3);
  CHECK_FALSE(world.open({key("k2", 2)}).read({.stream = "task_1"}));
  CHECK_FALSE(world.open({key("k1", 1)}).read({.stream = "task_1"}));

  world.open({key("k2", 2), key("k1", 1)});
  REQUIRE(world.rewrap());
  REQUIRE(world.rewrap());  // has nothing left to do
  CHECK(world.tampered->written.size() == 1);
  Caller alone = world.open({key("k2", 2)});
  CHECK(alone.all("task_1") == std::vector<std::string>{"the first entry", "the second entry", "the third"});
  CHECK(**alone.get_blob(digest("a prompt")) == "a prompt");
}

TEST_CASE("what was written without the key is not taken for what was written with it") {
  World world;
  {
    const auto plain = make_memory_store(world.scheduler, world.disk);
    REQUIRE(Caller(world.scheduler, *plain).append("a", 0, {"{\"type\":\"forged\"}"}));
  }
  const auto read = world.open({key("k1", 1)}).read({.stream = "a"});
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::corrupt);
}

TEST_CASE("kill -9 at any moment leaves an encrypted store that opens, with all that was acknowledged") {
  const TempDir directory;
  const auto open = [&](TestScheduler& scheduler) {
    SqliteOptions options;
    options.path = directory.file("store.db");
    options.durability = Durability::process;
    options.wal_size = 100'000;
    options.blobs_by_content = false;
    auto inner = open_sqlite_store(options, scheduler);
    return inner ? make_encrypted_store(std::move(*inner), {key("k1", 1)}, scheduler) : tl::unexpected(inner.error());
  };
  std::minstd_rand random(11);
  Seq acknowledged = 0;
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    ChildProcess child([&](ChildProcess& self) {
      TestScheduler scheduler;
      auto store = open(scheduler);
      if (!store) return 1;
      const std::function<void(Seq)> append = [&](Seq expected) {
        (*store)->append(append_of("s", expected, {numbered("entry ", expected + 1)}), [&](Result<Seq> result) {
          if (!result) _exit(2);
          self.report(*result);
          append(*result);
        });
      };
      append(acknowledged);
      scheduler.run_for(std::chrono::seconds(60));
      return 3;
    });
    // The first rounds end while the keys are made.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % (round < 10 ? 2'000 : 20'000)));
    child.kill();
    Seq reached = acknowledged;
    for (const std::uint64_t seq : child.rest()) reached = seq;
    TestScheduler scheduler;
    auto store = open(scheduler);
    REQUIRE(store);
    const auto entries = Caller(scheduler, **store).all("s");
    for (std::size_t i = 0; i < entries.size(); ++i) CHECK(entries[i] == numbered("entry ", i + 1));
    CHECK(entries.size() >= reached);
    CHECK(entries.size() <= reached + 1);
    acknowledged = entries.size();
  }
  CHECK(acknowledged > 0);
}

TEST_CASE("the files of an encrypted database hold nothing that was written") {
  TestScheduler scheduler;
  const TempDir directory;
  SqliteOptions options;
  options.path = directory.file("store.db");
  options.blobs_by_content = false;
  auto inner = open_sqlite_store(options, scheduler);
  REQUIRE(inner);
  auto store = make_encrypted_store(std::move(*inner), {key("k1", 1)}, scheduler);
  REQUIRE(store);
  Caller calls(scheduler, **store);
  REQUIRE(calls.append(full_append()));
  for (const char* name : {"store.db", "store.db-wal"}) {
    std::ifstream file(directory.file(name), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    for (const char* text : {"the first entry", "a prompt", "what was asked", "/home/me", "claude"}) {
      CHECK(bytes.find(text) == std::string::npos);
    }
  }
}

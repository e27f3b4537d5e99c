// What every kind of store promises.
#include "store/store.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "store/encrypted.hpp"
#include "store/memory.hpp"
#include "store/sqlite.hpp"
#include "store_fixture.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// One kind of store, and how another is opened on the same data.
struct Kind {
  const char* name;
  std::function<std::unique_ptr<Store>(TestScheduler&, const TempDir&)> open;
};

std::unique_ptr<Store> open_sqlite(TestScheduler& scheduler, std::string path, Durability durability) {
  auto store = open_sqlite_store({.path = std::move(path), .durability = durability}, scheduler);
  REQUIRE_MESSAGE(store.has_value(), store.error().message);
  return std::move(*store);
}

std::unique_ptr<Store> encrypted(std::unique_ptr<Store> inner, TestScheduler& scheduler) {
  StoreKey key{"test", {}};
  key.bytes.fill(7);
  auto store = make_encrypted_store(std::move(inner), {key}, scheduler);
  REQUIRE_MESSAGE(store.has_value(), store.error().message);
  REQUIRE(Caller(scheduler, **store).list({}));  // it has its keys
  return std::move(*store);
}

std::vector<Kind> kinds() {
  return {
      {"encrypted, memory",
       [disk = std::make_shared<MemoryDisk>()](TestScheduler& scheduler, const TempDir&) {
         return encrypted(make_memory_store(scheduler, disk), scheduler);
       }},
      {"encrypted, sqlite",
       [](TestScheduler& scheduler, const TempDir& directory) {
         SqliteOptions options;
         options.path = directory.file("store.db");
         options.durability = Durability::process;
         options.blobs_by_content = false;
         auto store = open_sqlite_store(std::move(options), scheduler);
         REQUIRE_MESSAGE(store.has_value(), store.error().message);
         return encrypted(std::move(*store), scheduler);
       }},
      {"memory",
       [disk = std::make_shared<MemoryDisk>()](TestScheduler& scheduler, const TempDir&) {
         return make_memory_store(scheduler, disk);
       }},
      {"sqlite, full",
       [](TestScheduler& scheduler, const TempDir& directory) {
         return open_sqlite(scheduler, directory.file("store.db"), Durability::full);
       }},
      {"sqlite, process",
       [](TestScheduler& scheduler, const TempDir& directory) {
         return open_sqlite(scheduler, directory.file("store.db"), Durability::process);
       }},
      {"sqlite, :memory:",
       [](TestScheduler& scheduler, const TempDir&) { return open_sqlite(scheduler, ":memory:", Durability::full); }},
  };
}

// Runs a test on each kind of store.
void on_each(const std::function<void(Caller&, Store&, TestScheduler&)>& test) {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    TestScheduler scheduler;
    const TempDir directory;
    const std::unique_ptr<Store> store = kind.open(scheduler, directory);
    Caller caller(scheduler, *store);
    test(caller, *store, scheduler);
  }
}

// Runs a test on each kind of which two stores can share the data.
void on_each_pair(const std::function<void(Caller&, Caller&, Store&, std::unique_ptr<Store>&)>& test) {
  for (const Kind& kind : kinds()) {
    if (kind.name == std::string("sqlite, :memory:")) continue;
    CAPTURE(kind.name);
    TestScheduler scheduler;
    const TempDir directory;
    const std::unique_ptr<Store> one = kind.open(scheduler, directory);
    std::unique_ptr<Store> two = kind.open(scheduler, directory);
    Caller calls_one(scheduler, *one);
    Caller calls_two(scheduler, *two);
    test(calls_one, calls_two, *one, two);
  }
}

TaskSummary summary_of(std::string task, std::int64_t created_at) {
  TaskSummary summary;
  summary.task = std::move(task);
  summary.session = "/home/me/project";
  summary.title = "Fix the \"π\" test";
  summary.status = "running";
  summary.mode = "code";
  summary.provider = "anthropic";
  summary.model = "a-model";
  summary.created_at = created_at;
  summary.updated_at = created_at + 5;
  summary.tokens_input = 12'345'678'901;
  summary.tokens_output = 17;
  summary.cost_usd = 0.1234567890123;
  summary.turns = 3;
  summary.last_seq = 9;
  return summary;
}

Append with_summary(TaskSummary summary, Seq expected = 0) {
  Append append = append_of(summary.task, expected, {"{}"});
  append.summary = std::make_unique<TaskSummary>(std::move(summary));
  return append;
}

}  // namespace

TEST_CASE("what was appended is read back, in order and byte for byte") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    std::string every_byte;
    for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
    CHECK(store.append("task_a", 0, {"{\"n\":1}", ""}) == 2U);
    CHECK(store.append("task_a", 2, {every_byte}) == 3U);
    CHECK(store.append("täsk \xF0\x9F\x90\xA8", 0, {"k\xC3\xB6" "ala"}) == 1U);
    CHECK(store.append("task_a", 3, {std::string(10'000'000, 'x')}) == 4U);
    CHECK(store.all("task_a") == std::vector<std::string>{"{\"n\":1}", "", every_byte, std::string(10'000'000, 'x')});
    CHECK(store.all("täsk \xF0\x9F\x90\xA8") == std::vector<std::string>{"k\xC3\xB6" "ala"});
    CHECK(store.all("nobody").empty());
  });
}

TEST_CASE("of two appends that expect the same sequence one wins, and the other changes nothing") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    CHECK(store.append("t", 0, {"a", "b"}) == 2U);
    for (const Seq expected : {Seq{0}, Seq{1}, Seq{3}, Seq{100}}) {
      CAPTURE(expected);
      Append late = with_summary(summary_of("t", 1), expected);
      late.blobs.push_back({digest("late"), "late"});
      const auto result = store.append(std::move(late));
      REQUIRE_FALSE(result);
      CHECK(result.error().code == ErrorCode::conflict);
      CHECK(result.error().message ==
            "t: the stream is at 2, the append expected " + std::to_string(expected));
    }
    CHECK(store.get_blob(digest("late")).error().code == ErrorCode::not_found);
    CHECK(store.get_summary("t").error().code == ErrorCode::not_found);
    CHECK(store.all("t") == std::vector<std::string>{"a", "b"});
    CHECK(store.append("t", 2, {"c"}) == 3U);
    CHECK(store.append("never begun", 1, {"x"}).error().code == ErrorCode::conflict);
    CHECK(store.append("never begun", 0, {"x"}) == 1U);
  });
}

TEST_CASE("appends that make no sense are refused") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    CHECK(store.append("t", 0, {}).error().code == ErrorCode::invalid_argument);
    CHECK(store.append("", 0, {"x"}).error().code == ErrorCode::invalid_argument);
    Append null_entry;
    null_entry.stream = "t";
    null_entry.entries.push_back(nullptr);
    CHECK(store.append(std::move(null_entry)).error().code == ErrorCode::invalid_argument);
    CHECK(store.append("t", 0xFFFF'FFFF, {"x"}).error().code == ErrorCode::limit);
    CHECK(store.append("t", ~Seq{0}, {"x"}).error().code == ErrorCode::limit);
    CHECK(store.all("t").empty());
  });
}

TEST_CASE("appends in flight together complete in their order, and one that fails takes no other with it") {
  on_each([](Caller& store, Store& raw, TestScheduler& scheduler) {
    std::vector<std::string> answers;
    const auto append = [&](std::string stream, Seq expected) {
      const std::string name = stream + std::to_string(expected);
      raw.append(append_of(std::move(stream), expected, {name}), [&answers, name](Result<Seq> result) {
        answers.push_back(name + (result ? " at " + std::to_string(*result) : " refused"));
      });
    };
    append("a", 0);
    append("b", 0);
    append("a", 1);
    append("a", 1);
    append("b", 7);
    append("a", 2);
    CHECK(answers.empty());
    REQUIRE(scheduler.run_until([&] { return answers.size() == 6; }));
    CHECK(answers == std::vector<std::string>{"a0 at 1", "b0 at 1", "a1 at 2", "a1 refused", "b7 refused", "a2 at 3"});
    CHECK(store.all("a") == std::vector<std::string>{"a0", "a1", "a2"});
  });
}

TEST_CASE("a completion may append") {
  on_each([](Caller& store, Store& raw, TestScheduler& scheduler) {
    Seq reached = 0;
    const std::function<void(Seq)> next = [&](Seq expected) {
      raw.append(append_of("t", expected, {std::to_string(expected)}), [&](Result<Seq> result) {
        REQUIRE(result);
        reached = *result;
        if (reached < 50) next(reached);
      });
    };
    next(0);
    REQUIRE(scheduler.run_until([&] { return reached == 50; }));
    CHECK(store.all("t").size() == 50);
  });
}

TEST_CASE("a read is bounded by entries and by bytes, and goes on where it stopped") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    std::vector<std::string> entries;
    for (int i = 0; i < 100; ++i) entries.push_back(std::to_string(i) + std::string(1'000, '.'));
    REQUIRE(store.append("t", 0, entries) == 100U);
    auto page = store.read({.stream = "t", .from = 11, .entries_max = 5});
    REQUIRE(page);
    REQUIRE(page->size() == 5);
    CHECK(page->front().seq == 11);
    CHECK(*page->back().bytes == entries[14]);

    page = store.read({.stream = "t", .from = 98});
    REQUIRE(page);
    CHECK(page->size() == 3);
    CHECK(store.read({.stream = "t", .bytes_max = 3'100})->size() == 3);
    CHECK(store.read({.stream = "t", .bytes_max = 10})->size() == 1);
    CHECK(store.read({.stream = "t", .from = 0, .entries_max = 1})->front().seq == 1);
    CHECK(store.read({.stream = "t", .from = 101})->empty());
    CHECK(store.read({.stream = "t", .from = ~Seq{0}})->empty());
  });
}

TEST_CASE("streams do not touch each other") {
  on_each([](Caller& store, Store& raw, TestScheduler& scheduler) {
    std::size_t done = 0;
    for (Seq seq = 0; seq < 20; ++seq) {
      for (int stream = 0; stream < 30; ++stream) {
        const std::string name = numbered("s", static_cast<std::uint64_t>(stream));
        raw.append(append_of(name, seq, {name + "/" + std::to_string(seq)}), [&](Result<Seq> result) {
          CHECK(result);
          ++done;
        });
      }
    }
    REQUIRE(scheduler.run_until([&] { return done == 600; }));
    for (int stream = 0; stream < 30; ++stream) {
      const std::string name = numbered("s", static_cast<std::uint64_t>(stream));
      const auto entries = store.all(name);
      REQUIRE(entries.size() == 20);
      for (std::size_t seq = 0; seq < 20; ++seq) CHECK(entries[seq] == name + "/" + std::to_string(seq));
    }
  });
}

TEST_CASE("blobs are found by their digest, and stored once") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    const std::string large(5'000'000, '\0');
    for (Seq seq = 0; seq < 3; ++seq) {
      Append append = append_of("t", seq, {"{}"});
      append.blobs.push_back({digest("one"), "one"});
      append.blobs.push_back({digest(large), large});
      append.blobs.push_back({digest(""), ""});
      CHECK(store.append(std::move(append)) == seq + 1);
    }
    CHECK(**store.get_blob(digest("one")) == "one");
    CHECK(**store.get_blob(digest(large)) == large);
    CHECK((*store.get_blob(digest("")))->empty());
    CHECK(store.get_blob(digest("two")).error().code == ErrorCode::not_found);
  });
}

TEST_CASE("a summary is replaced as a whole, whatever changes") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    CHECK(store.get_summary("t").error().code == ErrorCode::not_found);
    TaskSummary summary = summary_of("t", 1'000);
    REQUIRE(store.append(with_summary(summary, 0)));
    CHECK(*store.get_summary("t") == summary);
    summary.status = "completed";
    summary.title = std::string(3'000, 'T');
    summary.cost_usd = 2.5;
    summary.updated_at = 9'999;
    REQUIRE(store.append(with_summary(summary, 1)));
    CHECK(*store.get_summary("t") == summary);
    summary.created_at = 2'000;
    summary.parent = "p";
    REQUIRE(store.append(with_summary(summary, 2)));
    CHECK(*store.get_summary("t") == summary);
    CHECK(store.list({})->tasks.empty());
    CHECK(store.list({.parent = "p"})->tasks == std::vector<TaskSummary>{summary});
    // An append without one leaves it, and one may be about another task than the stream.
    REQUIRE(store.append("t", 3, {"x"}));
    CHECK(*store.get_summary("t") == summary);
    Append other = append_of("t", 4, {"y"});
    other.summary = std::make_unique<TaskSummary>(summary_of("u", 3));
    REQUIRE(store.append(std::move(other)));
    CHECK(*store.get_summary("u") == summary_of("u", 3));
    CHECK(store.all("u").empty());
    CHECK(store.append("u", 0, {"z"}) == 1U);
  });
}

TEST_CASE("a list is newest first, page after page, of one parent's tasks") {
  on_each([](Caller& store, Store&, TestScheduler&) {
    CHECK(store.list({})->tasks.empty());
    CHECK(store.list({})->next.empty());
    std::vector<std::string> expected;
    for (int i = 0; i < 25; ++i) {
      // Several tasks of one millisecond, so that their ids decide; a colon belongs to the id.
      TaskSummary summary = summary_of("task:" + std::to_string(100 + i), 1'000 + i / 4);
      REQUIRE(store.append(with_summary(summary)));
      expected.insert(expected.begin(), summary.task);
    }
    TaskSummary child = summary_of("child", 1'003);
    child.parent = "task:103";
    REQUIRE(store.append(with_summary(child)));

    std::vector<std::string> listed;
    ListQuery query{.tasks_max = 7};
    std::size_t pages = 0;
    do {
      const auto page = store.list(query);
      REQUIRE(page);
      for (const TaskSummary& task : page->tasks) listed.push_back(task.task);
      query.before = page->next;
      ++pages;
    } while (!query.before.empty());
    CHECK(listed == expected);
    CHECK(pages == 4);
    CHECK(store.list({.tasks_max = 25})->next.empty());
    CHECK(store.list({.parent = "task:103"})->tasks == std::vector<TaskSummary>{child});
    CHECK(store.list({.before = "not a cursor"}).error().code == ErrorCode::invalid_argument);
    CHECK(store.list({.before = "12"}).error().code == ErrorCode::invalid_argument);
  });
}

TEST_CASE("two stores of the same data see each other's appends and conflict on the same sequence") {
  on_each_pair([](Caller& one, Caller& two, Store&, std::unique_ptr<Store>&) {
    CHECK(one.append("t", 0, {"one"}) == 1U);
    CHECK(two.append("t", 0, {"two"}).error().code == ErrorCode::conflict);
    CHECK(two.append("t", 1, {"two"}) == 2U);
    // What the first store remembers of the stream is out of date now.
    CHECK(one.append("t", 1, {"one", "more"}).error().message == "t: the stream is at 2, the append expected 1");
    CHECK(one.append("t", 2, {"one"}) == 3U);
    CHECK(two.append("t", 2, {"two"}).error().code == ErrorCode::conflict);
    for (Seq seq = 3; seq < 40; ++seq) CHECK((seq % 3 == 0 ? one : two).append("t", seq, {"x"}) == seq + 1);
    CHECK(one.all("t").size() == 40);
    CHECK(two.all("t") == one.all("t"));
  });
}

TEST_CASE("a lease has one owner until it is given back or its store ends") {
  on_each_pair([](Caller& one, Caller& two, Store& raw_one, std::unique_ptr<Store>& raw_two) {
    CHECK(one.lease("t"));
    CHECK(one.lease("t"));  // its own already
    CHECK(two.lease("t").error().code == ErrorCode::busy);
    CHECK(two.lease("t").error().message == "t: another engine works on it; wait until it ends or is closed");
    CHECK(two.lease("u"));
    raw_two->release_lease("t");  // not its own: nothing happens
    CHECK(two.lease("t").error().code == ErrorCode::busy);
    raw_one.release_lease("t");
    CHECK(two.lease("t"));
    CHECK(one.lease("t").error().code == ErrorCode::busy);
    raw_two.reset();
    CHECK(one.lease("t"));
    CHECK(one.lease("u"));
  });
}

TEST_CASE("a lease in a database of its own is always granted") {
  TestScheduler scheduler;
  const auto store = open_sqlite(scheduler, ":memory:", Durability::process);
  CHECK(Caller(scheduler, *store).lease("t"));
  store->release_lease("t");
  CHECK_FALSE(std::filesystem::exists(":memory:-leases"));
}

TEST_CASE("a store that ends finishes the appends it was given, and completes nothing afterwards") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    TestScheduler scheduler;
    const TempDir directory;
    int completed = 0;
    for (int round = 0; round < 5; ++round) {
      auto store = kind.open(scheduler, directory);
      for (int i = 0; i < 10; ++i) {
        store->append(append_of("t", static_cast<Seq>(round * 10 + i), {std::to_string(i)}),
                      [&](Result<Seq>) { ++completed; });
        store->read({.stream = "t"}, [&](Result<std::vector<StoredEntry>>) { ++completed; });
        store->list({}, [&](Result<ListPage>) { ++completed; });
      }
      store.reset();
      scheduler.run_for(std::chrono::milliseconds(20));
      CHECK(completed == 0);
    }
    if (kind.name == std::string("sqlite, :memory:")) continue;
    auto store = kind.open(scheduler, directory);
    CHECK(Caller(scheduler, *store).all("t").size() == 50);
  }
}

TEST_CASE("a completion may end the store") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    TestScheduler scheduler;
    const TempDir directory;
    auto store = kind.open(scheduler, directory);
    int completed = 0;
    for (Seq seq = 0; seq < 5; ++seq) {
      store->append(append_of("t", seq, {"x"}), [&](Result<Seq>) {
        ++completed;
        store.reset();
      });
    }
    REQUIRE(scheduler.run_until([&] { return store == nullptr; }));
    scheduler.run_for(std::chrono::milliseconds(20));
    CHECK(completed == 1);
  }
}

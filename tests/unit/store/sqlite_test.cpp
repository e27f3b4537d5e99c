// What SQLite's store promises beyond the interface: it survives kills, full disks, damage and other processes.
#include "store/sqlite.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "child_process.hpp"
#include "store_fixture.hpp"

#ifdef __SANITIZE_THREAD__
// SQLite is built without the sanitizer: its locks around memory shared by connections are not seen.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libsqlite3.so\n"; }
#endif

using namespace joey;
using namespace joey::test;
using namespace std::chrono_literals;

namespace {

constexpr Durability durabilities[] = {Durability::full, Durability::process};

std::unique_ptr<Store> open(TestScheduler& scheduler, SqliteOptions options) {
  auto store = open_sqlite_store(std::move(options), scheduler);
  REQUIRE_MESSAGE(store.has_value(), store.error().message);
  return std::move(*store);
}

Error open_error(std::string path) {
  TestScheduler scheduler(1);
  const auto store = open_sqlite_store({.path = path}, scheduler);
  REQUIRE_FALSE_MESSAGE(store.has_value(), path);
  CHECK(store.error().message.find('\n') == std::string::npos);
  return store.error();
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// SQL on a database that no store of this process has open: the first column of the last row, if it has rows.
std::string ask(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  std::string answer;
  const auto row = [](void* out, int, char** columns, char**) {
    if (columns[0] != nullptr) *static_cast<std::string*>(out) = columns[0];
    return 0;
  };
  const int code = sqlite3_exec(db, sql.c_str(), row, &answer, nullptr);
  CHECK_MESSAGE(code == SQLITE_OK, sqlite3_errmsg(db));
  sqlite3_close(db);
  return answer;
}

// A closed store with `entries_count` entries in stream "t".
void fill(const std::string& path, std::size_t entries_count) {
  TestScheduler scheduler;
  const auto store = open(scheduler, {.path = path, .durability = Durability::process});
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < entries_count; ++i) entries.push_back(numbered("entry ", i) + std::string(500, '.'));
  REQUIRE(Caller(scheduler, *store).append("t", 0, entries));
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a store that is opened again has everything") {
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("täst 'a' ?mode=ro#.db");
    for (Seq round = 0; round < 3; ++round) {
      TestScheduler scheduler;
      const auto store = open(scheduler, {.path = path, .durability = durability});
      Caller calls(scheduler, *store);
      CHECK(calls.all("t").size() == round);
      Append append = append_of("t", round, {std::to_string(round)});
      append.blobs.push_back({digest("blob"), "blob"});
      append.summary = std::make_unique<TaskSummary>();
      append.summary->task = append.stream;
      append.summary->cost_usd = std::nan("");
      CHECK(calls.append(std::move(append)) == round + 1);
      CHECK(**calls.get_blob(digest("blob")) == "blob");
      CHECK(calls.get_summary("t")->cost_usd == 0);
    }
    CHECK_FALSE(std::filesystem::exists(path + "-wal"));
  }
}

TEST_CASE("a name that SQLite could take for a URI is a name") {
  const TempDir directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.file(""));
  fill("file:x.db?mode=memory", 1);
  CHECK(std::filesystem::exists(directory.file("file:x.db?mode=memory")));
  std::filesystem::current_path(before);
}

TEST_CASE("kill -9 at any moment loses nothing acknowledged, doubles nothing and leaves no half append") {
  constexpr int rounds = 60;
  constexpr std::uint64_t streams_count = 3;
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    std::minstd_rand random(7);
    const auto name_of = [](std::uint64_t stream) { return numbered("s", stream); };
    const auto text_of = [](std::uint64_t stream, Seq seq) {
      std::string text = std::to_string(stream) + ":" + std::to_string(seq) + ":";
      return text.append((seq * 37) % 3'000, 'x');
    };
    std::vector<Seq> acknowledged(streams_count);
    for (int round = 0; round < rounds; ++round) {
      CAPTURE(round);
      ChildProcess child([&](ChildProcess& self) {
        TestScheduler scheduler;
        // A small log, so that kills meet checkpoints too.
        auto store = open_sqlite_store({.path = path, .durability = durability, .wal_size = 100'000}, scheduler);
        if (!store) return 1;
        const std::function<void(std::uint64_t, Seq)> append = [&](std::uint64_t stream, Seq expected) {
          Append next =
              append_of(name_of(stream), expected, {text_of(stream, expected + 1), text_of(stream, expected + 2)});
          next.summary = std::make_unique<TaskSummary>();
          next.summary->task = next.stream;
          next.summary->last_seq = expected + 2;
          next.blobs.push_back({next.stream + "/" + std::to_string(expected + 2), "blob"});
          (*store)->append(std::move(next), [&, stream](Result<Seq> result) {
            if (!result) _exit(2);
            self.report(*result * streams_count + stream);
            append(stream, *result);
          });
        };
        for (std::uint64_t stream = 0; stream < streams_count; ++stream) append(stream, acknowledged[stream]);
        scheduler.run_for(60s);
        return 3;
      });
      std::uint64_t number = 0;
      REQUIRE(child.next(number));  // it is at work
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 25'000));
      child.kill();
      std::vector<std::uint64_t> reported = child.rest();
      reported.insert(reported.begin(), number);
      std::vector<Seq> reached = acknowledged;
      for (const std::uint64_t report : reported) {
        const std::uint64_t stream = report % streams_count;
        CHECK(report / streams_count == reached[stream] + 2);
        reached[stream] = report / streams_count;
      }

      TestScheduler scheduler;
      const auto store = open(scheduler, {.path = path, .durability = durability});
      Caller calls(scheduler, *store);
      for (std::uint64_t stream = 0; stream < streams_count; ++stream) {
        Seq last = acknowledged[stream];
        while (true) {
          const auto page = calls.read({.stream = name_of(stream), .from = last + 1});
          REQUIRE_MESSAGE(page.has_value(), page.error().message);
          if (page->empty()) break;
          for (const StoredEntry& stored : *page) {
            REQUIRE(stored.seq == ++last);
            REQUIRE(*stored.bytes == text_of(stream, last));
          }
        }
        CHECK(last >= reached[stream]);
        CHECK(last <= reached[stream] + 2);  // at most the append that was under way
        CHECK(last % 2 == 0);
        if (last > 0) CHECK(calls.get_summary(name_of(stream))->last_seq == last);
        acknowledged[stream] = last;
      }
    }
    for (std::uint64_t stream = 0; stream < streams_count; ++stream) {
      CHECK(acknowledged[stream] > rounds);
      CHECK(ask(path, "SELECT count(*) FROM blobs WHERE digest LIKE '" + name_of(stream) + "/%'") ==
            std::to_string(acknowledged[stream] / 2));
    }
    CHECK(ask(path, "PRAGMA quick_check") == "ok");
  }
}

TEST_CASE("of two processes that append to one stream exactly one wins each sequence") {
  constexpr Seq goal = 400;
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    const auto compete = [&](ChildProcess& self, const std::string& name) {
      TestScheduler scheduler;
      auto store = open_sqlite_store({.path = path, .durability = durability}, scheduler);
      if (!store) return 1;
      Caller calls(scheduler, **store);
      for (Seq expected = 0; expected < goal;) {
        const auto result = calls.append("t", expected, {name});
        if (result) {
          self.report(expected = *result);
        } else if (result.error().code == ErrorCode::conflict) {
          const auto news = calls.read({.stream = "t", .from = expected + 1});
          if (!news || news->empty()) return 2;
          expected = news->back().seq;
        } else {
          return 3;
        }
      }
      return 0;
    };
    ChildProcess one([&](ChildProcess& self) { return compete(self, "one"); });
    ChildProcess two([&](ChildProcess& self) { return compete(self, "two"); });
    const auto won_by_one = one.rest();
    const auto won_by_two = two.rest();
    CHECK(one.wait() == 0);
    CHECK(two.wait() == 0);

    TestScheduler scheduler;
    const auto store = open(scheduler, {.path = path, .durability = durability});
    const auto entries = Caller(scheduler, *store).all("t");
    CHECK(entries.size() == won_by_one.size() + won_by_two.size());
    CHECK(entries.size() >= goal);
    for (const Seq seq : won_by_one) CHECK(entries.at(seq - 1) == "one");
    for (const Seq seq : won_by_two) CHECK(entries.at(seq - 1) == "two");
  }
}

TEST_CASE("processes that create one store together all open it") {
  for (int round = 0; round < 20; ++round) {
    const TempDir directory;
    const auto create = [&](ChildProcess&) {
      TestScheduler scheduler(1);
      return open_sqlite_store({.path = directory.file("store.db")}, scheduler) ? 0 : 1;
    };
    ChildProcess children[] = {ChildProcess(create), ChildProcess(create), ChildProcess(create), ChildProcess(create)};
    for (ChildProcess& child : children) CHECK(child.wait() == 0);
  }
}

TEST_CASE("the lease of a killed process is free at once") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  ChildProcess child([&](ChildProcess& self) {
    TestScheduler scheduler;
    auto store = open_sqlite_store({.path = path, .durability = Durability::process}, scheduler);
    if (!store || !Caller(scheduler, **store).lease("t")) return 1;
    self.report(1);
    pause();
    return 2;
  });
  std::uint64_t number = 0;
  REQUIRE(child.next(number));
  TestScheduler scheduler;
  const auto store = open(scheduler, {.path = path, .durability = Durability::process});
  Caller calls(scheduler, *store);
  CHECK(calls.lease("t").error().code == ErrorCode::busy);
  CHECK(calls.lease("u"));
  child.kill();
  CHECK(calls.lease("t"));
}

TEST_CASE("an append waits for another process's transaction without holding up the loop, and gives up in time") {
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    fill(path, 1);
    int go[2];
    REQUIRE(pipe(go) == 0);
    ChildProcess child([&](ChildProcess& self) {
      close(go[1]);
      sqlite3* db = nullptr;
      if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) return 1;
      for (int round = 0; round < 2; ++round) {
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK) return 2;
        self.report(1);
        char byte = 0;
        if (read(go[0], &byte, 1) != 1) return 3;
        if (sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK) return 4;
        self.report(2);
        if (read(go[0], &byte, 1) != 1) return 5;
      }
      return 0;
    });
    close(go[0]);
    std::uint64_t number = 0;
    REQUIRE(child.next(number));
    {
      TestScheduler scheduler;
      const auto store = open(scheduler, {.path = path, .durability = durability});
      bool done = false;
      store->append(append_of("t", 1, {"x"}), [&](Result<Seq> result) {
        CHECK(result == 2U);
        done = true;
      });
      int ticks = 0;
      const std::function<void()> tick = [&] {
        ++ticks;
        scheduler.after(1ms, tick);
      };
      tick();
      scheduler.run_for(50ms);
      CHECK(ticks > 3);
      CHECK_FALSE(done);
      REQUIRE(write(go[1], "x", 1) == 1);
      CHECK(scheduler.run_until([&] { return done; }));
    }
    REQUIRE(child.next(number));
    REQUIRE(write(go[1], "x", 1) == 1);
    REQUIRE(child.next(number));
    {
      TestScheduler scheduler;
      const auto store = open(scheduler, {.path = path, .durability = durability, .busy_timeout = 30ms});
      Caller calls(scheduler, *store);
      const auto result = calls.append("t", 2, {"x"});
      REQUIRE_FALSE(result);
      CHECK(result.error().code == ErrorCode::busy);
      CHECK(contains(result.error().message, "locked by another program"));
      CHECK(calls.all("t").size() == 2);  // reading never waits
      REQUIRE(write(go[1], "x", 1) == 1);
      REQUIRE(child.next(number));
      CHECK(calls.append("t", 2, {"x"}) == 3U);
    }
    REQUIRE(write(go[1], "x", 1) == 1);
    CHECK(child.wait() == 0);
    close(go[1]);
  }
}

TEST_CASE("a path that cannot be a store is refused by name") {
  const TempDir directory;
  CHECK(open_error("").code == ErrorCode::invalid_argument);
  CHECK(open_error(std::string("a\0b", 3)).code == ErrorCode::invalid_argument);
  CHECK(open_error(directory.file("")).code == ErrorCode::invalid_argument);
  const Error missing = open_error(directory.file("no/such/store.db"));
  CHECK(missing.code == ErrorCode::not_found);
  CHECK(contains(missing.message, directory.file("no/such")));
  overwrite(directory.file("file"), "x");
  CHECK(open_error(directory.file("file/store.db")).code == ErrorCode::not_found);
}

TEST_CASE("files of others, of a newer joey, and damaged ones are refused and left as they are") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  const auto refused = [&](ErrorCode code, const std::string& reason) {
    const std::string before = contents(path);
    const Error error = open_error(path);
    CAPTURE(error.message);
    CHECK(error.code == code);
    CHECK(contains(error.message, path));
    CHECK(contains(error.message, reason));
    CHECK(contents(path) == before);
  };

  for (const std::size_t size : {2U, 50U, 511U, 512U, 5'000U}) {
    CAPTURE(size);
    overwrite(path, std::string(size, 'g'));
    refused(ErrorCode::corrupt, "not a database");
  }
  std::filesystem::remove(path);
  ask(path, "CREATE TABLE notes(text)");
  refused(ErrorCode::invalid_argument, "another program");

  std::filesystem::remove(path);
  fill(path, 100);
  const std::string good = contents(path);
  ask(path, "PRAGMA user_version=2");
  refused(ErrorCode::unsupported, "newer joey (format 2, this one knows up to 1)");

  overwrite(path, good.substr(0, good.size() / 2));
  refused(ErrorCode::corrupt, "move the file away");
  overwrite(path, good.substr(0, 3'000));
  refused(ErrorCode::corrupt, "move the file away");
  std::string other_magic = good;
  other_magic[0] = 'X';
  overwrite(path, other_magic);
  refused(ErrorCode::corrupt, "not a database");

  overwrite(path, good);
  ask(path, "DROP TABLE blobs");
  refused(ErrorCode::corrupt, "no such table");

  overwrite(path, "");  // nothing is not damage
  fill(path, 1);
}

TEST_CASE("a flipped byte in an entry is noticed when it is read, and the rest goes on") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  fill(path, 100);
  std::string bytes = contents(path);
  bytes[bytes.find("entry 42") + 3] ^= 1;
  overwrite(path, bytes);

  TestScheduler scheduler;
  const auto store = open(scheduler, {.path = path});
  Caller calls(scheduler, *store);
  const auto damaged = calls.read({.stream = "t"});
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == ErrorCode::corrupt);
  CHECK(contains(damaged.error().message, "entry 43 of t is damaged"));
  CHECK(calls.read({.stream = "t", .from = 44})->size() == 57);
  CHECK(calls.append("u", 0, {"x"}) == 1U);
}

TEST_CASE("flipped bytes anywhere give errors or the right entries, never wrong ones") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  fill(path, 60);
  const std::string good = contents(path);
  std::minstd_rand random(3);
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    std::string bytes = good;
    for (int flips = 0; flips < 4; ++flips) bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    overwrite(path, bytes);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path + suffix);
    TestScheduler scheduler(1);
    auto opened = open_sqlite_store({.path = path, .durability = Durability::process}, scheduler);
    if (!opened) continue;
    Caller calls(scheduler, **opened);
    const auto entries = calls.read({.stream = "t"});
    if (entries) {
      for (const StoredEntry& stored : *entries) {
        CHECK(*stored.bytes == numbered("entry ", stored.seq - 1) + std::string(500, '.'));
      }
    }
    (void)calls.append("t", 60, {"x"});
    (void)calls.list({});
  }
}

TEST_CASE("a file or directory that may not be written is refused as that") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  fill(path, 1);
  ChildProcess child([&](ChildProcess&) {
    if (chmod(path.c_str(), 0444) != 0 || chmod(directory.file("").c_str(), 0555) != 0) return 1;
    // To root nothing is read-only.
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) return 2;
    TestScheduler scheduler(1);
    const auto code = [&](const std::string& name) {
      const auto store = open_sqlite_store({.path = directory.file(name)}, scheduler);
      return store ? ErrorCode{} : store.error().code;
    };
    if (code("store.db") != ErrorCode::denied) return 4;
    if (code("new.db") != ErrorCode::denied) return 5;
    return 0;
  });
  CHECK(child.wait() == 0);
  chmod(directory.file("").c_str(), 0755);
}

TEST_CASE("a full disk fails the append and nothing else, and there is room again when there is") {
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    Seq last = 0;
    {
      TestScheduler scheduler;
      const auto store = open(scheduler, {.path = path, .durability = durability, .size_max = 400'000});
      Caller calls(scheduler, *store);
      Result<Seq> result = 0;
      while ((result = calls.append("t", last, {std::string(10'000, 'x')}))) last = *result;
      CHECK(result.error().code == ErrorCode::io);
      CHECK(contains(result.error().message, path));
      CHECK(contains(result.error().message, "full"));
      CHECK(last > 20);
      CHECK(calls.all("t").size() == last);
      // In one commit with an append that is too large, others that fit are kept.
      std::vector<bool> answers;
      for (const std::string& entry : {std::string("a"), std::string(100'000, 'b'), std::string("c")}) {
        store->append(append_of(numbered("small", entry.size()) + entry.substr(0, 1), 0, {entry}),
                      [&](Result<Seq> done) { answers.push_back(done.has_value()); });
      }
      REQUIRE(scheduler.run_until([&] { return answers.size() == 3; }));
      CHECK(answers == std::vector<bool>{true, false, true});
      CHECK(calls.append("small100000b", 1, {"x"}).error().code == ErrorCode::conflict);
      CHECK(calls.append("small100000b", 0, {"x"}) == 1U);
    }
    TestScheduler scheduler;
    const auto store = open(scheduler, {.path = path, .durability = durability});
    Caller calls(scheduler, *store);
    CHECK(calls.all("t").size() == last);
    CHECK(calls.append("t", last, {std::string(10'000, 'x')}) == last + 1);
  }
}

TEST_CASE("when the system refuses to write, the append fails, and the store goes on once it does not") {
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    ChildProcess child([&](ChildProcess&) {
      signal(SIGXFSZ, SIG_IGN);
      TestScheduler scheduler;
      auto store = open_sqlite_store({.path = path, .durability = durability, .wal_size = 50'000}, scheduler);
      if (!store) return 1;
      Caller calls(scheduler, **store);
      rlimit limit{};
      getrlimit(RLIMIT_FSIZE, &limit);
      limit.rlim_cur = 300'000;
      setrlimit(RLIMIT_FSIZE, &limit);
      Seq last = 0;
      Result<Seq> result = 0;
      while ((result = calls.append("t", last, {std::string(9'000, 'x')}))) last = *result;
      if (result.error().code != ErrorCode::io || !contains(result.error().message, path)) return 2;
      if (last < 10) return 3;
      if (calls.append("t", last, {"x"}) && calls.append("t", last + 1, {std::string(300'000, 'x')})) return 4;
      if (calls.all("t").size() < last) return 5;
      limit.rlim_cur = limit.rlim_max;
      setrlimit(RLIMIT_FSIZE, &limit);
      last = calls.all("t").size();
      for (int i = 0; i < 50; ++i) {
        result = calls.append("t", last, {std::string(9'000, 'x')});
        if (!result) return 6;
        last = *result;
      }
      if (calls.all("t").size() != last) return 7;
      return 0;
    });
    CHECK(child.wait() == 0);
    CHECK(ask(path, "PRAGMA quick_check") == "ok");
  }
}

TEST_CASE("the log stays bounded while appends never pause, and is given back when they do") {
  for (const Durability durability : durabilities) {
    const TempDir directory;
    const std::string path = directory.file("store.db");
    TestScheduler scheduler;
    const SqliteOptions options{.path = path, .durability = durability, .wal_size = 1U << 20, .idle_checkpoint = 50ms};
    const auto store = open(scheduler, options);
    constexpr std::size_t streams_count = 100;
    const std::size_t appends_count = durability == Durability::process ? 100'000 : 10'000;
    std::vector<Seq> heads(streams_count);
    std::size_t handed_in = 0;
    std::size_t done = 0;
    const std::function<void(std::size_t)> append = [&](std::size_t stream) {
      if (handed_in++ >= appends_count) return;
      store->append(append_of(numbered("s", stream), heads[stream], {std::string(100, 'x')}),
                    [&, stream](Result<Seq> result) {
                      REQUIRE_MESSAGE(result.has_value(), result.error().message);
                      heads[stream] = *result;
                      ++done;
                      append(stream);
                    });
    };
    for (std::size_t stream = 0; stream < streams_count; ++stream) append(stream);
    std::uintmax_t size_max = 0;
    const auto wal_size = [&] {
      std::error_code none;
      const auto size = std::filesystem::file_size(path + "-wal", none);
      return none ? 0 : size;
    };
    REQUIRE(scheduler.run_until(
        [&] {
          if (done % 500 == 0) size_max = std::max(size_max, wal_size());
          return done == appends_count;
        },
        600s));
    CHECK(size_max > 0);
    CHECK(size_max < 20U << 20);
    CHECK(scheduler.run_until([&] { return wal_size() == 0; }, 10s));
    Caller calls(scheduler, *store);
    for (std::size_t stream = 0; stream < streams_count; stream += 9) {
      CHECK(calls.all(numbered("s", stream)).size() == heads[stream]);
    }
  }
}

TEST_CASE("listing 100,000 tasks opens no journal and costs what a page costs") {
  const TempDir directory;
  const std::string path = directory.file("store.db");
  fill(path, 1);
  ask(path, R"sql(
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= 100000)
      INSERT INTO streams SELECT i, 'task_' || i FROM n;
    INSERT INTO tasks SELECT id, name, '', 's', 'A title of usual length', 'completed', 'code', 'p', 'm', id, id, 0, 0,
      0, 0, 0 FROM streams WHERE id > 1;
    DROP TABLE entries;
    CREATE TABLE entries(id INTEGER PRIMARY KEY, checksum INTEGER, bytes BLOB))sql");
  TestScheduler scheduler;
  const auto store = open(scheduler, {.path = path});
  Caller calls(scheduler, *store);
  REQUIRE(calls.list({.tasks_max = 1}));
  const auto begin = std::chrono::steady_clock::now();
  auto page = calls.list({});
  REQUIRE(page);
  CHECK(page->tasks.size() == 100);
  CHECK(page->tasks[0].task == "task_100001");
  page = calls.list({.before = "50000:"});
  REQUIRE(page);
  CHECK(page->tasks[0].task == "task_49999");
  CHECK(std::chrono::steady_clock::now() - begin < 500ms);  // a scan of all takes longer than that alone on any machine
}

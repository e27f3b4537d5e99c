// What the tests of stores share: directories that go away, and calls that wait for their completion.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/sqlite.hpp"
#include "store/store.hpp"
#include "test_scheduler.hpp"

namespace joey::test {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "joey-store-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string numbered(std::string name, std::uint64_t number) { return name.append(std::to_string(number)); }

inline EntryBytes entry(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

inline Append append_of(std::string stream, Seq expected, std::vector<std::string> entries) {
  Append append;
  append.stream = std::move(stream);
  append.expected = expected;
  for (std::string& bytes : entries) append.entries.push_back(entry(std::move(bytes)));
  return append;
}

// Calls that run the loop until they are answered.
class Caller {
 public:
  Caller(TestScheduler& scheduler, Store& store) : scheduler_(scheduler), store_(store) {}

  Result<Seq> append(Append append) {
    return wait<Seq>([&](Completion<Seq> done) { store_.append(std::move(append), std::move(done)); });
  }
  Result<Seq> append(std::string stream, Seq expected, std::vector<std::string> entries) {
    return append(append_of(std::move(stream), expected, std::move(entries)));
  }
  Result<std::vector<StoredEntry>> read(ReadQuery query) {
    return wait<std::vector<StoredEntry>>(
        [&](Completion<std::vector<StoredEntry>> done) { store_.read(std::move(query), std::move(done)); });
  }
  // The whole stream, page after page.
  std::vector<std::string> all(const std::string& stream) {
    std::vector<std::string> entries;
    while (true) {
      const auto page = read({.stream = stream, .from = entries.size() + 1});
      REQUIRE_MESSAGE(page.has_value(), page.error().message);
      if (page->empty()) return entries;
      for (const StoredEntry& stored : *page) {
        REQUIRE(stored.seq == entries.size() + 1);
        entries.push_back(*stored.bytes);
      }
    }
  }
  Result<std::shared_ptr<const std::string>> get_blob(Digest digest) {
    return wait<std::shared_ptr<const std::string>>(
        [&](Completion<std::shared_ptr<const std::string>> done) { store_.get_blob(digest, std::move(done)); });
  }
  Result<ListPage> list(ListQuery query) {
    return wait<ListPage>([&](Completion<ListPage> done) { store_.list(std::move(query), std::move(done)); });
  }
  Result<TaskSummary> get_summary(std::string task) {
    return wait<TaskSummary>(
        [&](Completion<TaskSummary> done) { store_.get_summary(std::move(task), std::move(done)); });
  }
  Status lease(std::string stream) {
    return wait<void>([&](Completion<void> done) { store_.acquire_lease(std::move(stream), std::move(done)); });
  }

 private:
  template <class T, class Call>
  Result<T> wait(Call call) {
    std::optional<Result<T>> answer;
    bool inside = true;
    call([&](Result<T> result) {
      CHECK_FALSE(inside);       // never inside the call
      CHECK_FALSE(answer);       // once
      answer = std::move(result);
    });
    inside = false;
    REQUIRE(scheduler_.run_until([&] { return answer.has_value(); }));
    return std::move(*answer);
  }

  TestScheduler& scheduler_;
  Store& store_;
};

}  // namespace joey::test

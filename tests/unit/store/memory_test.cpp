#include "store/memory.hpp"

#include <doctest/doctest.h>

#include "store_fixture.hpp"

using namespace joey;
using namespace joey::test;

TEST_CASE("a crash loses what is not durable yet, frees leases, and silences the stores of before") {
  TestScheduler scheduler;
  const auto disk = std::make_shared<MemoryDisk>();
  auto before = make_memory_store(scheduler, disk);
  Caller calls(scheduler, *before);
  REQUIRE(calls.append("t", 0, {"kept"}) == 1U);
  REQUIRE(calls.lease("t"));
  bool answered = false;
  before->append(append_of("t", 1, {"lost"}), [&](Result<Seq>) { answered = true; });
  disk->crash();

  auto after = make_memory_store(scheduler, disk);
  Caller restarted(scheduler, *after);
  CHECK(restarted.lease("t"));
  before.reset();
  CHECK(restarted.all("t") == std::vector<std::string>{"kept"});
  CHECK(restarted.append("t", 1, {"again"}) == 2U);
  CHECK_FALSE(answered);
}

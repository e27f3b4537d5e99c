#include "core/ledger.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace joey;

namespace {

std::vector<Event> journal(std::vector<EventBody> bodies) {
  std::vector<Event> events;
  for (EventBody& body : bodies) events.push_back({events.size() + 1, 0, std::move(body)});
  return events;
}

Usage usage(std::int64_t input, std::int64_t output, std::int64_t cache_read = 0) {
  Usage out;
  out.input = input;
  out.output = output;
  out.cache_read = cache_read;
  return out;
}

}  // namespace

TEST_CASE("Every attempt is in the ledger, and the sums are those of all") {
  TaskConfig config;
  config.provider = "anthropic";
  config.model = "first";
  TaskConfig other = config;
  other.provider = "openai";
  other.model = "second";
  const Ledger ledger = ledger_of(journal({
      event::TaskCreated{"s", "", "", config},
      event::ModelRequested{1, 1, "d", 9, 0.5},
      event::ModelFailed{1, 1, ModelErrorClass::network, "cut", 0, 5, usage(100, 3), 0.25, true},
      event::ModelRequested{1, 2, "d", 9, 0.5},
      event::ModelFailed{1, 2, ModelErrorClass::auth, "no key", 401, 0},
      event::ModelChanged{other, "failed"},
      event::CacheBroken{"model", 7, 0.125},
      event::ModelRequested{1, 3, "d", 9, 0.5},
      event::ModelFinished{1, 3, {Text{"t"}}, StopReason::tool_calls, usage(20, 10, 80), 1.0, "second-2026", "openai"},
      event::SubtaskFinished{"c", "task.1", ExitReason::completed, usage(1'000, 100), 2.0},
      event::ModelRequested{2, 1, "d", 9, 0.5},
  }));
  REQUIRE(ledger.attempts.size() == 4);
  const auto is = [&](std::size_t i, std::uint64_t seq, const char* model, const char* outcome, double cost, bool estimated) {
    const LedgerAttempt& attempt = ledger.attempts[i];
    CHECK(attempt.seq == seq);
    CHECK(attempt.model == model);
    CHECK(attempt.outcome == outcome);
    CHECK(attempt.cost_usd == doctest::Approx(cost));
    CHECK(attempt.estimated == estimated);
  };
  is(0, 2, "first", "network", 0.25, true);
  is(1, 4, "first", "auth", 0, false);
  is(2, 8, "second", "answered", 1, false);
  is(3, 11, "second", "open", 0, false);
  CHECK(ledger.attempts[2].provider == "openai");
  REQUIRE(ledger.subtasks.size() == 1);
  CHECK(ledger.subtasks[0].task == "task.1");
  REQUIRE(ledger.breaks.size() == 1);
  CHECK((ledger.breaks[0].seq == 7 && ledger.breaks[0].cause == "model"));
  CHECK(ledger.usage == usage(1'120, 113, 80));
  CHECK(ledger.cost_usd == doctest::Approx(3.25));
  CHECK(cached_share(ledger.usage) == doctest::Approx(80.0 / 1'200));
}

TEST_CASE("Nothing read is nothing cached") { CHECK(cached_share({}) == 0); }

TEST_CASE("An answer to nothing, which only a damaged journal has, is booked all the same") {
  const Ledger ledger = ledger_of(journal({event::ModelFailed{1, 1, ModelErrorClass::server, "", 0, 0, usage(5, 0), 0.5, false}}));
  CHECK(ledger.attempts.size() == 1);
  CHECK(ledger.cost_usd == 0.5);
}

TEST_CASE("The ledger as JSON") {
  CHECK(to_json("task_1", ledger_of({})) ==
        R"({"task":"task_1","attempts":[],"subtasks":[],"breaks":[],"usage":{"input":0,"output":0,"cache_read":0,"cache_write":0,"reasoning":0},"cost_usd":0,"cached_share":0})");
}

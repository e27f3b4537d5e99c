// The simulation itself under test: it finds what is broken on purpose, its worlds repeat exactly, and one scenario
// survives a kill at every place there is.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace joey::sim {
namespace {

// What the checkers say of the first world in which this defect shows; empty when it never does.
std::string caught(Sabotage sabotage) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.faults = Faults{};
    options.faults->append_fails = sabotage == Sabotage::failed_but_kept ? 0.05 : 0;
    options.faults->meddling = 0.5;
    options.sabotage = sabotage;
    if (std::string violation = World(std::move(options)).run(); !violation.empty()) return violation;
  }
  return {};
}

TEST_CASE("a world of the same seed goes the same way") {
  for (const std::uint64_t seed : {3U, 14U, 159U}) {
    WorldOptions options;
    options.seed = seed;
    World one(options);
    World other(options);
    CHECK(one.run() == other.run());
    CHECK(one.steps_count() == other.steps_count());
    CHECK(one.auditor().fingerprint() == other.auditor().fingerprint());
  }
}

TEST_CASE("worlds in which a bug was found") {
  struct Found {
    std::uint64_t seed;
    const char* bug;
  };
  const std::vector<Found> found{
      {1, "a task ended by repetition left a reading call running and without a result"},
      {2, "a subscriber that read the journal while an append was on its way was given its events twice"},
      {4, "the first request was not reserved for: the prompt's own bytes did not count"},
      {14, "the gate let a waiting request in while the engine stopped"},
      {97, "a change of mode during the wait for a retry left the task waiting for ever"},
      {149, "a task resumed in that wait, in another mode, waited for ever"},
      {1609, "an answer cut before its usage made the next request look almost free"},
  };
  for (const Found& one : found) {
    CAPTURE(one.seed);
    CAPTURE(one.bug);
    WorldOptions options;
    options.seed = one.seed;
    CHECK(World(std::move(options)).run() == "");
  }
}

TEST_CASE("the checkers see what is broken on purpose") {
  struct Case {
    Sabotage sabotage;
    std::vector<const char*> words;  // any of them
  };
  const std::vector<Case> cases{
      {Sabotage::early_ack, {"no journal announces"}},
      {Sabotage::lost_append, {"no journal announces"}},
      {Sabotage::failed_but_kept, {"not the fold of its journal"}},
      {Sabotage::tool_twice, {"had its effect 2 times"}},
      {Sabotage::other_arguments, {"no durable tool.started"}},
      {Sabotage::changed_request, {"no journal announces"}},
      {Sabotage::dropped_result, {"has no result"}},
      {Sabotage::request_twice, {"more often than announced"}},
      {Sabotage::swallowed_event, {"was given event"}},
      {Sabotage::repeated_event, {"was given event"}},
      {Sabotage::stuck_tool, {"not everything has ended"}},
      {Sabotage::deaf_vendor, {"not everything has ended", "too many steps"}},
      {Sabotage::overcharge, {"were reserved"}},
      {Sabotage::lost_on_disk, {"not everything has ended", "too many steps"}},
  };
  for (const Case& one : cases) {
    const std::string violation = caught(one.sabotage);
    CAPTURE(static_cast<int>(one.sabotage));
    CAPTURE(violation);
    const auto said = [&](const char* words) { return violation.find(words) != violation.npos; };
    CHECK(std::any_of(one.words.begin(), one.words.end(), said));
  }
}

// Does what is not done yet, as a careful model would: it looks before each step.
Brain make_careful_brain(Setting& setting) {
  return [&files = setting.files](const Seen& seen) {
    const auto write = [](const char* path) { return call_of("write_to_file", fmt::format(R"({{"path":"{}","content":"x"}})", path)); };
    Answer answer;
    answer.stop = Answer::Stop::calls;
    if (seen.first_words.starts_with("sub")) {
      answer.blocks.push_back(files.contains("c") ? call_of("attempt_completion", R"({"result":"c is there"})") : write("c"));
    } else if (!files.contains("a")) {
      answer.blocks = {{AnswerBlock::Kind::text, "First a.", ""}, write("a")};
    } else if (!files.contains("b")) {
      answer.blocks = {call_of("read_file", R"({"path":"a"})"), call_of("list_files", "{}"), write("b")};
    } else if (!files.contains("c")) {
      answer.blocks = {call_of("new_task", R"({"mode":"code","message":"sub: write c","todos":null})")};
    } else {
      answer.blocks = {call_of("attempt_completion", R"({"result":"all there"})")};
    }
    return answer;
  };
}

TEST_CASE("a kill at any place loses nothing, repeats nothing and changes nothing in the end") {
  std::uint64_t kills = 0;
  for (std::uint64_t kill_at = 1;; ++kill_at) {
    CAPTURE(kill_at);
    WorldOptions options;
    options.seed = 7;
    options.words = "write a, b and c";
    options.make_brain = make_careful_brain;
    options.kill_at = kill_at;
    World world(options);
    REQUIRE(world.run() == "");
    REQUIRE(world.files() == std::map<std::string, std::string>{{"a", "x"}, {"b", "x"}, {"c", "x"}});
    if (world.places_count() < kill_at) break;
    ++kills;
  }
  MESSAGE("places: " << kills);
  CHECK(kills > 40);
}

}  // namespace
}  // namespace joey::sim

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
    options.faults->meddling = 1;
    options.faults->crash_step = sabotage == Sabotage::lost_on_disk ? 0.01 : 0;
    options.sabotage = sabotage;
    if (std::string violation = World(std::move(options)).run(); !violation.empty()) return violation;
  }
  return {};
}

TEST_CASE("worlds that bugs were found in go well") {
  // A subtask that spent beyond its parent's limit; images in what joins a window that was reduced; a window whose tokens were
  // counted with images that left it; what waited when it was reduced before; a summary that the limit had no money for.
  for (const std::uint64_t seed : {7136U, 285U, 11457U, 51996U, 64683U}) {
    CAPTURE(seed);
    WorldOptions options;
    options.seed = seed;
    World world(options);
    CHECK(world.run() == "");
  }
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
      {Sabotage::early_tool, {"no durable tool.started says so"}},
      {Sabotage::early_request, {"no journal announces"}},
      {Sabotage::lost_words, {"was acknowledged and is not on the disk"}},
      {Sabotage::failed_but_kept, {"not the fold of its journal"}},
      {Sabotage::tool_twice, {"had its effect 2 times"}},
      {Sabotage::other_arguments, {"no durable tool.started"}},
      {Sabotage::changed_request, {"no journal announces"}},
      {Sabotage::dropped_result, {"has no result"}},
      {Sabotage::request_twice, {"more often than announced"}},
      {Sabotage::swallowed_event, {"was given event"}},
      {Sabotage::repeated_event, {"was given event"}},
      {Sabotage::stuck_tool, {"not everything has ended", "too many steps", "has not come to its end"}},
      {Sabotage::deaf_vendor, {"not everything has ended", "too many steps"}},
      {Sabotage::overcharge, {"were reserved"}},
      {Sabotage::lost_on_disk, {"the disk lost or kept too much"}},
  };
  for (const Case& one : cases) {
    const std::string violation = caught(one.sabotage);
    CAPTURE(static_cast<int>(one.sabotage));
    CAPTURE(violation);
    const auto said = [&](const char* words) { return violation.find(words) != violation.npos; };
    CHECK(std::any_of(one.words.begin(), one.words.end(), said));
  }
}

// Reads a file after another, ten thousand times, and sums up when asked to.
Brain make_reader(Setting&) {
  return [answers = std::int64_t{0}](const Seen& seen) mutable {
    Answer out;
    if (is_asked_for_summary(seen)) {
      out.blocks.push_back({AnswerBlock::Kind::text, fmt::format("{} files were read. {}", answers, std::string(1'500, 's')), ""});
      return out;
    }
    ++answers;
    out.stop = Answer::Stop::calls;
    if (answers > 10'000) {
      out.blocks.push_back(call_of("attempt_completion", R"({"result":"All are read."})"));
    } else {
      out.blocks.push_back({AnswerBlock::Kind::text, "The next one.", ""});
      out.blocks.push_back(call_of("read_file", fmt::format(R"({{"path":"{}{}"}})", std::string(300, 'p'), answers)));
    }
    return out;
  };
}

TEST_CASE("ten thousand turns in a window of 32,000 tokens: never over it, never an invalid request") {
  WorldOptions options;
  options.words = "read everything, and spare the file SACRED";
  options.make_brain = make_reader;
  options.context_window = 32'000;
  options.steps_calm_max = 10'000'000;
  options.settle_within = milliseconds(100 * 60 * 60'000);
  World world(std::move(options));
  CHECK(world.run() == "");
  REQUIRE(world.auditor().chronicles().size() == 1);
  const Chronicle& chronicle = world.auditor().chronicles().begin()->second;
  CHECK(chronicle.task.reason == ExitReason::completed);
  CHECK(chronicle.task.turn > 10'000);
  const auto reductions = std::count_if(chronicle.events.begin(), chronicle.events.end(), [](const Event& event) {
    return std::holds_alternative<event::ContextReduced>(event.body);
  });
  MESSAGE(reductions << " reductions");
  CHECK(reductions > 20);
  CHECK(reductions < 500);
  CHECK(chronicle.sent_body.find("SACRED") != std::string::npos);
}

// A journal written by hand, and the requests that go with it.
struct Pen {
  Auditor auditor;
  Seq seq{0};

  void write(EventBody body) {
    const Event event{++seq, static_cast<Timestamp>(seq), std::move(body)};
    auditor.durable("t", seq - 1, {std::make_shared<const std::string>(to_json("t", event))});
  }
  void begin(Limits limits = {}) {
    event::TaskCreated created;
    created.config.limits = limits;
    write(created);
    write(event::UserMessage{"do it", {}, Actor::person});
    request(1, 1);
  }
  void request(std::int64_t turn, std::int64_t attempt, std::string_view body = "") { write(event::ModelRequested{turn, attempt, digest(body), 0, 1.0}); }
  void fail(std::int64_t turn, std::int64_t attempt) { write(event::ModelFailed{turn, attempt, ModelErrorClass::server, "", 500, 9}); }
  void answer(double cost_usd = 0) {
    write(event::ModelFinished{1, 1, {ToolCall{"c1", "write", R"({"path":"a"})", ""}}, StopReason::tool_calls, {}, cost_usd, "", "openai"});
  }
  void approve(std::string_view arguments) {
    write(event::Approval{"c1", "write", digest("write\n" + std::string(arguments)), true, Actor::policy, "", ""});
  }
  void start() { write(event::ToolStarted{"c1", "write", false}); }
  void finish() { write(event::ToolFinished{"c1", "write", ToolStatus::ok, "done", {}, {}}); }
  // A request whose bytes before `settled` must be the start of the next.
  void send(std::string_view body, std::size_t settled) {
    Seen seen;
    seen.settled_bytes = settled;
    auditor.requested(seen, body);
  }

  bool found(std::string_view words) const {
    CAPTURE(auditor.violation());
    const bool there = auditor.violation().find(words) != std::string::npos;
    CHECK(there);
    return there;
  }
};

TEST_CASE("the auditor reads journals as the design does") {
  const std::string arguments = R"({"path":"a"})";
  Pen pen;
  SUBCASE("nothing is wrong with a good one") {
    pen.begin();
    pen.answer();
    pen.approve(arguments);
    pen.start();
    pen.finish();
    pen.request(2, 1);
    CHECK(pen.auditor.violation() == "");
  }
  SUBCASE("a gap") {
    pen.begin();
    ++pen.seq;
    pen.answer();
    pen.found("appended at");
  }
  SUBCASE("a start without an approval") {
    pen.begin();
    pen.answer();
    pen.start();
    pen.found("without an approval");
  }
  SUBCASE("an approval of other arguments") {
    pen.begin();
    pen.answer();
    pen.approve(R"({"path":"b"})");
    pen.found("of other arguments");
  }
  SUBCASE("a second start") {
    pen.begin();
    pen.answer();
    pen.approve(arguments);
    pen.start();
    pen.start();
    pen.found("was started before");
  }
  SUBCASE("a second result") {
    pen.begin();
    pen.answer();
    pen.finish();
    pen.finish();
    pen.found("had a result already");
  }
  SUBCASE("a request while a call has no result") {
    pen.begin();
    pen.answer();
    pen.request(2, 1);
    pen.found("has no result");
  }
  SUBCASE("an end while a call has no result") {
    pen.begin();
    pen.answer();
    pen.write(event::TaskEnded{ExitReason::cancelled, "", ""});
    pen.found("has no result");
  }
  SUBCASE("a request of a paused task") {
    pen.begin();
    pen.fail(1, 1);
    pen.write(event::TaskPaused{});
    pen.request(1, 2);
    pen.found("is paused");
  }
  SUBCASE("more retries than allowed") {
    Limits limits;
    limits.retries_max = 1;
    pen.begin(limits);
    pen.fail(1, 1);
    pen.request(1, 2);
    pen.fail(1, 2);
    CHECK(pen.auditor.ok());
    pen.request(1, 3);
    pen.found("after 2 failures");
  }
  SUBCASE("more cost than the limit") {
    Limits limits;
    limits.cost_usd_max = 0.1;
    pen.begin(limits);
    pen.answer(0.2);
    pen.found("were spent");
  }
  SUBCASE("an undeclared change of the conversation") {
    pen.begin();
    pen.fail(1, 1);
    pen.request(1, 2, "head one two");
    pen.send("head one two", 8);
    pen.request(1, 3, "head xxx two three");
    pen.send("head xxx two three", 8);
    pen.found("no cache.broken says so");
  }
  SUBCASE("a change of the conversation before the place declared") {
    pen.begin();
    pen.fail(1, 1);
    pen.request(1, 2, "head one two");
    pen.send("head one two", 8);
    pen.write(event::CacheBroken{"mode", 7, 0});
    pen.request(1, 3, "head xxx two three");
    pen.send("head xxx two three", 8);
    pen.found("cache.broken says 7");
  }
  SUBCASE("a live task that is ahead of its journal") {
    pen.begin();
    Task live = pen.auditor.find("t")->task;
    ++live.turn;
    pen.auditor.compare("t", live);
    pen.found("not the fold");
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

// Plays the scenario with these kills; returns the number of places there were.
std::uint64_t play_killed(std::uint64_t seed, std::set<std::uint64_t> kill_at) {
  WorldOptions options;
  options.seed = seed;
  options.words = "write a, b and c";
  options.make_brain = make_careful_brain;
  options.kill_at = std::move(kill_at);
  World world(std::move(options));
  REQUIRE(world.run() == "");
  REQUIRE(world.files() == std::map<std::string, std::string>{{"a", "x"}, {"b", "x"}, {"c", "x"}});
  return world.places_count();
}

TEST_CASE("a kill at any place loses nothing, repeats nothing and changes nothing in the end") {
  for (const std::uint64_t seed : {7U, 8U}) {
    CAPTURE(seed);
    const std::uint64_t places = play_killed(seed, {});
    CHECK(places > 40);
    for (std::uint64_t first = 1; first <= places; ++first) {
      CAPTURE(first);
      play_killed(seed, {first});
      // And again soon after, in the middle of the recovery.
      for (std::uint64_t second = first + 1; second <= first + 8; ++second) {
        CAPTURE(second);
        play_killed(seed, {first, second});
      }
    }
  }
}

}  // namespace
}  // namespace joey::sim

#include "runtime/journal.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "core/prompt.hpp"
#include "loop.hpp"
#include "store/memory.hpp"

using namespace joey;
using joey::test::Loop;

namespace {

struct World {
  Loop loop;
  std::unique_ptr<Store> store = make_memory_store(loop);
  std::vector<Event> events;

  // Stores the next events as they are, with blobs of these texts.
  void write(std::vector<EventBody> bodies, std::vector<std::string> texts = {}) {
    Append append;
    append.stream = "task";
    append.expected = events.size();
    for (EventBody& body : bodies) {
      events.push_back({events.size() + 1, 7, std::move(body)});
      append.entries.push_back(std::make_shared<const std::string>(to_json("task", events.back())));
    }
    for (std::string& text : texts) {
      Digest name = digest(text);
      append.blobs.push_back({std::move(name), std::move(text)});
    }
    store->append(std::move(append), [](Result<Seq> result) { CHECK(result.has_value()); });
    loop.run();
  }
  void write_raw(std::string bytes) {
    Append append;
    append.stream = "task";
    append.expected = events.size();
    append.entries.push_back(std::make_shared<const std::string>(std::move(bytes)));
    store->append(std::move(append), [](Result<Seq> result) { CHECK(result.has_value()); });
    loop.run();
  }

  Result<std::shared_ptr<Journal>> load(std::string task = "task") {
    std::optional<Result<std::shared_ptr<Journal>>> out;
    load_journal(*store, std::move(task), [&](Result<std::shared_ptr<Journal>> journal) { out = std::move(journal); });
    CHECK_FALSE(out.has_value());
    loop.run();
    REQUIRE(out.has_value());
    return *std::move(out);
  }
};

const std::string tools = tools_to_json({});

event::TaskCreated created(std::string wire) {
  event::TaskCreated out;
  out.config.wire = std::move(wire);
  out.config.model = "model";
  out.config.output_tokens_max = 100;
  return out;
}

event::PromptSet prompt(const std::string& system) {
  return {"code", digest(system), digest(tools), static_cast<std::int64_t>(system.size() + tools.size())};
}

// The digest that the next request of these events has.
Digest digest_after(const World& world) {
  const auto provider = make_provider("openai");
  Conversation conversation;
  RequestRope rope(provider);
  for (const Event& event : world.events) {
    if (const auto* set = std::get_if<event::PromptSet>(&event.body)) {
      rope.set_head(make_head(*provider, created("openai").config, set->system == digest("one") ? "one" : "two", {}));
    }
    conversation.apply(event.body, rope);
  }
  conversation.apply(event::ModelRequested{}, rope);
  return rope.request().digest;
}

// Two turns and a change of the prompt.
void write_task(World& world) {
  world.write({created("openai"), event::UserMessage{"go", {}, Actor::person}, prompt("one")}, {"one", tools});
  world.write({event::ModelRequested{1, 1, digest_after(world), 0, 0}});
  world.write({event::ModelFinished{1, 1, {ToolCall{"c00001000", "read_file", "{}", ""}}, StopReason::tool_calls, {}, 0, "", "openai"},
               event::ToolFinished{"c00001000", "read_file", ToolStatus::ok, "text", {}, {}}, prompt("two")},
              {"two"});
  world.write({event::ModelRequested{2, 1, digest_after(world), 0, 0}});
}

}  // namespace

TEST_CASE("a journal is its events and the texts of its prompts") {
  World world;
  write_task(world);
  const auto journal = world.load();
  REQUIRE(journal);
  CHECK((*journal)->task == "task");
  CHECK((*journal)->events == world.events);
  CHECK((*journal)->blobs.size() == 3);
  CHECK(*(*journal)->blobs.at(digest("two")) == "two");
}

TEST_CASE("what can be wrong with a journal is told apart") {
  World world;
  const auto absent = world.load("another");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::not_found);

  SUBCASE("an event that is no JSON") {
    write_task(world);
    world.write_raw("{");
    const auto journal = world.load();
    REQUIRE_FALSE(journal);
    CHECK(journal.error().code == ErrorCode::corrupt);
    CHECK(journal.error().message.starts_with("task: event 9: "));
  }
  SUBCASE("an event of a newer version") {
    write_task(world);
    world.write_raw(R"({"task":"task","seq":9,"type":"task.dreamt","at":7})");
    const auto journal = world.load();
    REQUIRE_FALSE(journal);
    CHECK(journal.error().code == ErrorCode::unsupported);
  }
  SUBCASE("an event in another's place") {
    write_task(world);
    world.write_raw(to_json("task", {4, 7, event::TaskPaused{}}));
    const auto journal = world.load();
    REQUIRE_FALSE(journal);
    CHECK(journal.error().code == ErrorCode::corrupt);
  }
  SUBCASE("a prompt whose text is gone") {
    world.write({created("openai"), prompt("one")}, {tools});
    const auto journal = world.load();
    REQUIRE_FALSE(journal);
    CHECK(journal.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("a replay gives every request's digest again, and finds the one that differs") {
  World world;
  write_task(world);
  auto journal = world.load();
  REQUIRE(journal);
  auto report = replay(**journal);
  REQUIRE(report);
  CHECK(report->requests == 2);
  CHECK(report->mismatches.empty());

  std::get<event::UserMessage>((*journal)->events[1].body).text = "stop";
  report = replay(**journal);
  REQUIRE(report);
  REQUIRE(report->mismatches.size() == 2);
  CHECK(report->mismatches[0].seq == 4);
  CHECK(report->mismatches[1].turn == 2);
}

TEST_CASE("a journal that cannot be replayed says why") {
  Journal journal;
  journal.task = "task";
  CHECK(replay(journal).error().code == ErrorCode::corrupt);
  journal.events = {{1, 7, created("morse")}};
  CHECK(replay(journal).error().code == ErrorCode::unsupported);
  journal.events = {{1, 7, created("openai")}, {2, 7, event::ModelRequested{}}};
  CHECK(replay(journal).error().code == ErrorCode::corrupt);
  journal.events = {{1, 7, created("openai")}, {2, 7, prompt("one")}};
  CHECK(replay(journal).error().code == ErrorCode::corrupt);
}

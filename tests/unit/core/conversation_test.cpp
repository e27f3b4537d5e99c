#include "core/conversation.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "dialogue.hpp"
#include "../../support/random.hpp"

using namespace joey;
using namespace joey::test;

namespace {

EventBody asked() { return event::ModelRequested{1, 1, "", 0, 0}; }
EventBody said(std::string text) { return event::UserMessage{std::move(text), {}, Actor::person}; }
EventBody answered(std::vector<Block> blocks) {
  return event::ModelFinished{1, 1, std::move(blocks), StopReason::tool_calls, {}, 0, "model", "anthropic"};
}
EventBody result(std::string call, ToolStatus status, std::string text) {
  return event::ToolFinished{std::move(call), "tool", status, std::move(text), {}, {}};
}
EventBody paused(std::vector<Block> blocks) {
  return event::ModelFinished{1, 1, std::move(blocks), StopReason::paused, {}, 0, "model", "anthropic"};
}
EventBody model_of(std::string wire) {
  event::ModelChanged changed;
  changed.model.wire = std::move(wire);
  return changed;
}
Block call(std::string id) { return ToolCall{std::move(id), "tool", "{}", ""}; }

std::vector<Message> conversation_of(const std::vector<EventBody>& events) {
  Conversation conversation;
  Dialogue dialogue;
  for (const EventBody& event : events) conversation.apply(event, dialogue);
  CHECK(dialogue.problem == "");
  return dialogue.messages;
}

// Counts what a sink is asked.
struct Counter final : MessageSink {
  int appended{0};
  int replaced{0};
  int restarted{0};
  Message last;
  void append(const Message& message) override {
    ++appended;
    last = message;
  }
  void replace_last(const Message& message) override {
    ++replaced;
    last = message;
  }
  void restart(std::span<const Message> messages) override {
    ++restarted;
    last = messages.back();
  }
};

}  // namespace

TEST_CASE("a message reaches the model with the next request, and not before") {
  Conversation conversation;
  Counter counter;
  conversation.apply(said("one"), counter);
  conversation.apply(said("two"), counter);
  CHECK(counter.appended == 0);
  conversation.apply(asked(), counter);
  CHECK(counter.appended == 1);
  CHECK(counter.last == Message{Role::user, {Text{"one"}, Text{"two"}}, ""});
}

TEST_CASE("results come first and in the order of the calls, whatever order they came in; then what was said") {
  const auto messages = conversation_of({said("go"), asked(), answered({Text{"ok"}, call("a"), call("b")}), said("hurry"),
                                         result("b", ToolStatus::ok, "B"), result("a", ToolStatus::denied, "A"), asked()});
  REQUIRE(messages.size() == 3);
  CHECK(messages[1] == Message{Role::assistant, {Text{"ok"}, call("a"), call("b")}, "anthropic"});
  CHECK(messages[2] == Message{Role::user, {ToolResult{"a", true, "A", {}, "tool"}, ToolResult{"b", false, "B", {}, "tool"}, Text{"hurry"}}, ""});
}

TEST_CASE("a call whose result is missing gets one, and a result of no call is left out") {
  const auto messages = conversation_of({said("go"), asked(), answered({call("a"), call("b")}), result("x", ToolStatus::ok, "X"),
                                         result("b", ToolStatus::ok, "B"), result("b", ToolStatus::ok, "again"), asked()});
  REQUIRE(messages.size() == 3);
  CHECK(messages[2].blocks == std::vector<Block>{ToolResult{"a", true, "(No result was recorded.)", {}, "tool"},
                                                 ToolResult{"b", false, "B", {}, "tool"}});
}

TEST_CASE("only what adds to a request without an answer replaces its message") {
  Conversation conversation;
  Counter counter;
  for (const EventBody& event : {said("go"), asked(), asked()}) conversation.apply(event, counter);
  CHECK(counter.appended == 1);
  CHECK(counter.replaced == 0);
  for (const EventBody& event : {said("more"), asked()}) conversation.apply(event, counter);
  CHECK(counter.replaced == 1);
  CHECK(counter.last.blocks == std::vector<Block>{Text{"go"}, Text{"more"}});
  for (const EventBody& event : {answered({Text{"ok"}}), said("and"), asked()}) conversation.apply(event, counter);
  CHECK(counter.appended == 3);
  CHECK(counter.replaced == 1);
  CHECK(counter.last.blocks == std::vector<Block>{Text{"and"}});
}

TEST_CASE("images are kept, empty texts are not") {
  const Image image{"image/png", "AA=="};
  const auto messages = conversation_of({event::UserMessage{"", {image}, Actor::person}, asked()});
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].blocks == std::vector<Block>{image});
}

TEST_CASE("events in any order make a valid conversation") {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Conversation conversation;
    Dialogue dialogue;
    int calls = 0;
    for (int i = 0; i < 60; ++i) {
      const auto some_call = [&] { return fmt::format("c{}", std::max(0, calls - static_cast<int>(random.below(5)))); };
      switch (random.below(6)) {
        case 0: conversation.apply(said(random.chance(0.2) ? "" : "text"), dialogue); break;
        case 1:
        case 2: conversation.apply(asked(), dialogue); break;
        case 3: {
          std::vector<Block> blocks{Text{"answer"}};
          for (std::size_t n = random.below(4); n > 0; --n) blocks.push_back(call(fmt::format("c{}", ++calls)));
          conversation.apply(answered(std::move(blocks)), dialogue);
          break;
        }
        case 4: conversation.apply(result(some_call(), static_cast<ToolStatus>(random.below(6)), "result"), dialogue); break;
        default: conversation.apply(event::TaskPaused{}, dialogue);
      }
    }
    CHECK(dialogue.problem == "");
  }
}

TEST_CASE("a paused answer is the end of the next request, and goes on in place") {
  const Block part = ProviderPart{R"({"type":"server_tool_use","id":"s"})"};
  std::vector<EventBody> events{said("go"), asked(), paused({Text{"searching"}, part}), said("hurry"), asked()};
  auto messages = conversation_of(events);
  REQUIRE(messages.size() == 2);
  CHECK(messages[1] == Message{Role::assistant, {Text{"searching"}, part}, "anthropic"});
  // Another request for the same, another pause, and then the end of it.
  for (const EventBody& event : {asked(), paused({Text{"found"}}), asked(), answered({call("a")}), asked()}) events.push_back(event);
  messages = conversation_of(events);
  REQUIRE(messages.size() == 3);
  CHECK(messages[1] == Message{Role::assistant, {Text{"searching"}, part, Text{"found"}, call("a")}, "anthropic"});
  CHECK(messages[2].blocks == std::vector<Block>{ToolResult{"a", true, "(No result was recorded.)", {}, "tool"}, Text{"hurry"}});
}

TEST_CASE("a paused answer that nobody goes on with belongs to no provider any more, and is followed by something") {
  const Block part = ProviderPart{R"({"type":"server_tool_use","id":"s"})"};
  const auto pause = [&](const EventBody& then, const EventBody& request) {
    return conversation_of({said("go"), asked(), paused({Text{"searching"}, part}), said("hurry"), then, request});
  };
  event::ModelRequested condense{1, 1, "", 0, 0, "Sum it up."};
  for (const auto& messages : {pause(model_of("openai"), asked()), pause(said("!"), condense)}) {
    REQUIRE(messages.size() == 3);
    CHECK(messages[1] == Message{Role::assistant, {Text{"searching"}, part}, ""});
    CHECK(messages[2].blocks.front() == Block(Text{"Go on."}));
    CHECK(messages[2].blocks.at(1) == Block(Text{"hurry"}));
  }
  // Another model of the same provider does go on.
  CHECK(pause(model_of("anthropic"), asked()).size() == 2);
}

TEST_CASE("a paused answer that leaves with a reduced window is not gone on with") {
  event::ContextReduced reduced;
  reduced.keep_from = 2;
  reduced.text = "What was.";
  const auto messages = conversation_of({said("go"), asked(), paused({Text{"searching"}}), reduced, said("hurry"), asked()});
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].blocks == std::vector<Block>{Text{"What was."}, Text{"hurry"}});
}

#include "model/event.hpp"

#include <doctest/doctest.h>

using namespace joey;

namespace {

// One of every type, each field away from its default.
std::vector<EventBody> samples() {
  TaskConfig config{"/w", "code", "anthropic", "anthropic", "http://x", "m", 200'000, 8192, 0.5,
                    3,    15,     0.3,         3.75,        200'000,    2,         1.5, {1, 2, 3.5, 4, 5, 6}, {{"read"}, {"command"}}, 2};
  config.profile = "p";
  config.images = {"png", 1, 2, 3, 4, 5};
  config.result_schema = R"({"type":"object"})";
  const Usage usage{1, 2, 3, 4, 5};
  return {
      event::TaskCreated{"s", "p", "c", config},
      event::PromptSet{"code", "d1", "d2"},
      event::UserMessage{"hi \"there\"\n", {{"image/png", "AAAA"}}, Actor::engine, "hi to the model"},
      event::ModeChanged{"ask", Actor::model, "why"},
      event::ModelRequested{1, 2, "d", 99, 0.25},
      event::ModelFailed{1, 2, ModelErrorClass::rate, "slow down", 429, 12345, usage, 0.5, true},
      event::ModelFinished{1, 1,
                           {Reasoning{"r", "sig", false}, Text{"t"}, ToolCall{"c00001000", "read_file", R"({"a":1.0,"b":[2000.0]})", ""},
                            ToolCall{"c00001001", "x", "{}", "not json"}},
                           StopReason::tool_calls, usage, 0.125, "m", "anthropic"},
      event::ApprovalRequested{"c", "t", "r", "why"},
      event::Approval{"c", "t", "d", true, Actor::host, "r", "f", R"({"a":1})"},
      event::QuestionAsked{"c", "q?", {{"yes", ""}, {"no", "ask"}}},
      event::ToolStarted{"c", "t", true},
      event::ToolFinished{"c", "t", ToolStatus::interrupted, "text", {{"image/png", "AA"}}, {"p", "q"}},
      event::TodosUpdated{{{"one", TodoStatus::completed}, {"two", TodoStatus::pending}}},
      event::SubtaskStarted{"c", "child", "code", "do", {{"one", TodoStatus::in_progress}}},
      event::SubtaskFinished{"c", "child", ExitReason::limit_cost, usage, 1.5},
      event::CacheBroken{"mode", 17, 0.01},
      event::CondenseAsked{},
      event::ModelChanged{config, "failed"},
      event::ContextReduced{"full", "summary", "t", 1, 2, 3, 4, 5, 6, 7},
      event::TaskPaused{},
      event::TaskResumed{},
      event::TaskEnded{ExitReason::failed, "r", "m"},
      event::TaskReopened{},
      event::EnvironmentNoted{"noon"},
      event::CheckpointTaken{"c", "id", "m"},
      event::HostConsulted{"c", "t", true, "r"},
      event::InstructionsFound{"c", "t", "e"},
      event::Egress{"c", 2, EgressStage::closed, "CONNECT", "a.b", 443, "1.1.1.1", "*.b", "m", 3, 4, {"GITHUB_TOKEN"}},
  };
}

}  // namespace

TEST_CASE("every event reads back as it was written, and writes the same bytes again") {
  const auto bodies = samples();
  REQUIRE(bodies.size() == std::variant_size_v<EventBody>);
  std::uint64_t seq = 0;
  for (const EventBody& body : bodies) {
    const Event event{++seq, 1'700'000'000'000, body};
    const std::string json = to_json("task_1", event);
    CAPTURE(json);
    CHECK(json.find('\n') == std::string::npos);
    const auto back = event_from_json(json);
    REQUIRE(back.has_value());
    CHECK(*back == event);
    CHECK(to_json("task_1", *back) == json);
  }
}

TEST_CASE("an event starts with task, seq, type and at, and leaves defaults out") {
  CHECK(to_json("t", Event{7, 5, event::ToolStarted{"c1", "read_file", false}}) ==
        R"({"task":"t","seq":7,"type":"tool.started","at":5,"call":"c1","tool":"read_file"})");
}

TEST_CASE("fields of a later version are ignored; event types of one are refused by name") {
  const auto event = event_from_json(R"({"task":"t","new":{"x":[1]},"seq":7,"type":"task.paused","at":5})");
  REQUIRE(event.has_value());
  CHECK(event->seq == 7);
  const auto unknown = event_from_json(R"({"task":"t","seq":7,"type":"task.teleported","at":5})");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code == ErrorCode::unsupported);
  CHECK(unknown.error().message.find("task.teleported") != std::string::npos);
}

TEST_CASE("every truncation and every flipped byte of an event is read or refused, never a crash") {
  const std::string json = to_json("t", Event{3, 4, samples()[6]});
  for (std::size_t i = 0; i < json.size(); ++i) {
    CHECK_FALSE(event_from_json(json.substr(0, i)).has_value());
    std::string flipped = json;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x15);
    (void)event_from_json(flipped);
  }
}

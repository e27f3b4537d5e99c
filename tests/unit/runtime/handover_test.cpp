// Tasks whose models answer with damaged streams, and that go from provider to provider: whatever was in an answer, the next
// request is one that every vendor takes, and the task can go on.
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../provider/damage.hpp"
#include "core/control.hpp"
#include "core/conversation.hpp"
#include "core/mode.hpp"
#include "core/task.hpp"
#include "provider/provider.hpp"
#include "strict_request.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// The wire's own stream, or that of the wire it is a dialect of.
struct Speaker {
  std::string wire;
  const std::string& stream;
};

const std::vector<Speaker>& speakers() {
  static const std::vector<Speaker> all{
      {"anthropic", anthropic_stream}, {"vertex-anthropic", anthropic_stream}, {"openai", openai_stream},   {"deepseek", openai_stream},
      {"mistral", openai_stream},      {"moonshot", openai_stream},            {"minimax", openai_stream},  {"openrouter", openrouter_stream},
      {"responses", responses_stream}, {"azure", responses_stream},            {"xai", responses_stream},   {"gemini", gemini_stream},
      {"vertex", gemini_stream},       {"ollama", ollama_stream},
      {"openai+text", words_stream},   {"gemini+text", gemini_stream},
      {"bedrock", bedrock_lines},      {"bedrock-plain", bedrock_lines}};
  return all;
}

class NoSink final : public MessageSink {
 public:
  void append(const Message&) override {}
  void replace_last(const Message&) override {}
  void restart(std::span<const Message>) override {}
};

// A task, its person and its tools.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), damage_(seed ^ 0xdada) {
    static const std::vector<ToolSpec> tools = [] {
      std::vector<ToolSpec> out(control_tools().begin(), control_tools().end());
      out.push_back({"f", "", R"({"type":"object"})", ToolGroup::custom, false});
      return out;
    }();
    tools_ = &tools;
    task_.id = "task";
    input::Start start;
    start.text = "Go.";
    start.config.mode = "code";
    start.config.workspace = "/w";
    start.config.policy.allow = {"all"};
    speak(below(speakers().size()), start.config);
    feed(std::move(start));
  }

  // One answer, damaged or not, and all that follows from it.
  void turn() {
    if (below(3) == 0) speak(below(speakers().size()), models_.emplace_back());
    while (models_.size() > 1) models_.pop_front();
    for (int i = 0; i < 50 && !asked_; ++i) move();
    REQUIRE_MESSAGE(asked_, "the task cannot go on");
    asked_ = false;
    const Speaker& speaker = *std::find_if(speakers().begin(), speakers().end(), [&](const Speaker& s) { return s.wire == task_.config.wire; });
    std::string stream = below(5) == 0 ? speaker.stream : damage_(speaker.stream);
    if (speaker.wire.starts_with("bedrock")) stream = as_aws_frames(stream);
    const Decoded decoded = decode_pieces(speaker.wire, {stream});
    if (decoded.reply) {
      feed(input::ModelDone{task_.turn, task_.attempt, *decoded.reply});
    } else {
      feed(input::ModelFailed{task_.turn, task_.attempt, *decoded.error});
    }
  }

  std::string wire() const { return task_.config.wire; }
  std::int64_t requests{0};

 private:
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(random_() % count); }

  static void speak(std::size_t speaker, TaskConfig& config) {
    config.provider = config.wire = speakers()[speaker].wire;
    config.model = "a-model";
    config.output_tokens_max = 1'000;
  }

  // What somebody does for the task that waits: the engine, or a person when nothing else is left.
  void move() {
    if (!effects_.empty()) {
      const Effect effect = std::move(effects_.front());
      effects_.pop_front();
      return carry_out(effect);
    }
    for (const CallProgress& call : task_.calls) {
      if (call.state == CallState::questioning) return feed(input::Answer{call.id, "Yes.", ""});
      if (call.state == CallState::asking) return feed(input::Decide{call.id, true, "", ""});
    }
    feed(input::Say{"Go on.", {}, "", ""});
  }

  void carry_out(const Effect& effect) {
    if (std::holds_alternative<effect::CallModel>(effect)) {
      asked_ = true;
      ++requests;
      check_request();
    } else if (const auto* prepare = std::get_if<effect::PreparePrompt>(&effect)) {
      feed(input::PromptReady{{prepare->mode, "system", "tools", 100}});
    } else if (const auto* run = std::get_if<effect::RunTool>(&effect)) {
      feed(input::ToolDone{run->call, {true, "It ran.", {}, {}}, false});
    } else if (const auto* timer = std::get_if<effect::SetTimer>(&effect)) {
      now_ = timer->at;
      feed(input::Timer{});
    } else if (const auto* subtask = std::get_if<effect::StartSubtask>(&effect)) {
      feed(input::SubtaskDone{subtask->call, subtask->child, ExitReason::completed, "Done.", {}, 0});
    }
  }

  void feed(Input input) {
    Surroundings around{builtin_modes(), *tools_};
    around.conversation = &conversation_;
    const std::vector<TaskConfig> models(models_.begin(), models_.end());
    around.models = models;
    auto decided = decide(task_, input, now_, around);
    REQUIRE_MESSAGE(decided.has_value(), decided.error().message);
    for (const EventBody& event : decided->events) conversation_.apply(event, sink_);
    task_ = decided->after;
    effects_.insert(effects_.end(), decided->effects.begin(), decided->effects.end());
  }

  // The request as it is sent, and as every other vendor would get it.
  void check_request() {
    for (const Speaker& speaker : speakers()) {
      const std::string body = encode(*provider(speaker.wire), {"Be brief.", {}}, {"a-model", 1'000}, {conversation_.window().begin(), conversation_.window().end()});
      const std::string refusal = refusal_of(speaker.wire, body);
      REQUIRE_MESSAGE(refusal.empty(), speaker.wire << ": " << refusal << "\n" << body);
    }
  }

  static const std::shared_ptr<const Provider>& provider(const std::string& wire) {
    static std::map<std::string, std::shared_ptr<const Provider>> all;
    auto& one = all[wire];
    if (!one) one = make_provider(wire);
    return one;
  }

  std::mt19937_64 random_;
  Damage damage_;
  const std::vector<ToolSpec>* tools_;
  std::deque<TaskConfig> models_;
  Task task_;
  Timestamp now_{1'000'000};
  Conversation conversation_;
  NoSink sink_;
  std::deque<Effect> effects_;
  bool asked_{false};
};

}  // namespace

TEST_CASE("No damaged answer leaves a task that cannot go on, with any provider") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::uint64_t tasks = 300;
#else
  constexpr std::uint64_t tasks = 8'000;
#endif
  std::int64_t requests = 0;
  for (std::uint64_t seed = 1; seed <= tasks; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int i = 0; i < 13; ++i) world.turn();
    requests += world.requests;
  }
  CHECK(requests > static_cast<std::int64_t>(tasks) * 12);
}

TEST_CASE("A request that a vendor would refuse is found out") {
  const Message go{Role::user, {Text{"Go."}}, ""};
  const Message calls{Role::assistant, {ToolCall{"c1", "f", "{}", ""}, ToolCall{"c2", "f", "{}", ""}}, ""};
  const Message results{Role::user, {ToolResult{"c1", false, "1", {}, "f"}, ToolResult{"c2", false, "2", {}, "f"}}, ""};
  const Message half{Role::user, {ToolResult{"c1", false, "1", {}, "f"}}, ""};
  const Message turned{Role::user, {ToolResult{"c2", false, "2", {}, "f"}, ToolResult{"c1", false, "1", {}, "f"}}, ""};
  for (const Speaker& speaker : speakers()) {
    CAPTURE(speaker.wire);
    const auto refusal = [&](const std::vector<Message>& messages) {
      return refusal_of(speaker.wire, encode(*make_provider(speaker.wire), {"Be brief.", {}}, {"a-model", 1'000}, messages));
    };
    CHECK(refusal({go, calls, results}).empty());
    if (speaker.wire.ends_with("+text")) continue;  // its calls and results are words
    CHECK(refusal({go, calls, results, calls, results}) == (speaker.wire == "ollama" ? "" : "call \"c1\" twice"));
    CHECK(refusal({go, calls, half}) == "a call without a result");
    CHECK(refusal({go, calls, go}) == "a call without a result");
    CHECK_FALSE(refusal({go, results}).empty());
    CHECK_FALSE(refusal({go, calls}).empty());
    if (speaker.wire != "ollama") CHECK_FALSE(refusal({go, calls, turned}).empty());
    CHECK(refusal_of(speaker.wire, "{").starts_with("no JSON"));
  }
}

// Conversations that outgrow the model's window.
#include "core/context.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/conversation.hpp"
#include "core/task.hpp"
#include "dialogue.hpp"
#include "../../support/random.hpp"
#include "transcript.hpp"

using namespace joey;
using namespace joey::test;

namespace {

Message user(std::vector<Block> blocks) { return {Role::user, std::move(blocks), ""}; }
Message model(std::vector<Block> blocks) { return {Role::assistant, std::move(blocks), "anthropic"}; }
Block call(std::string id, std::string path = "a.cpp") {
  return ToolCall{std::move(id), "read_file", fmt::format(R"({{"path":"{}"}})", path), "", ""};
}
Block result(std::string id, std::size_t bytes) { return ToolResult{std::move(id), false, std::string(bytes, 'r'), {}}; }

// user, then `turns` answers with a call each and results of `bytes`; the last result has not come yet.
std::vector<Message> talk(int turns, std::size_t bytes) {
  std::vector<Message> out{user({Text{"build it"}})};
  for (int i = 0; i < turns; ++i) {
    if (i > 0) out.push_back(user({result(fmt::format("c{}", i - 1), bytes)}));
    out.push_back(model({Text{"next"}, call(fmt::format("c{}", i), fmt::format("f{}.cpp", i))}));
  }
  return out;
}

bool is_valid(const std::vector<Message>& window) {
  Dialogue dialogue;
  for (const Message& message : window) dialogue.append(message);
  CHECK(dialogue.problem == "");
  return dialogue.problem.empty();
}

}  // namespace

TEST_CASE("a result is shortened in its middle, between characters, and says by how much") {
  CHECK(shortened_result("short", 10) == "short");
  CHECK(shortened_result("short", 5) == "short");
  CHECK(shortened_result("0123456789", 8) ==
        "012345\n\n[2 bytes were left out here to save context. Run the tool again if you need them.]\n\n89");
  CHECK(shortened_result("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 5) ==
        "\xC3\xA4\n\n[6 bytes were left out here to save context. Run the tool again if you need them.]\n\n");
  CHECK(shortened_result("abc", 0).find("3 bytes were left out") != std::string::npos);
  CHECK(shortened_result("abc", -7).find("3 bytes were left out") != std::string::npos);
}

TEST_CASE("whatever a reduction says, the window after it is a valid conversation (defect 37)") {
  const std::vector<Message> window = talk(6, 500);
  for (std::int64_t keep = -1; keep <= 14; ++keep) {
    for (const char* text : {"", "before"}) {
      event::ContextReduced reduction;
      reduction.keep_from = keep;
      reduction.text = text;
      reduction.shorten_before = 5;
      reduction.shorten_to = 100;
      const std::vector<Message> after = reduced_window(window, reduction);
      CAPTURE(keep);
      CHECK(is_valid(after));
      // What stays, stays whole from an answer on.
      if (after.size() > 1) CHECK(after.back() == window.back());
    }
  }
  CHECK(reduced_window({}, {}).empty());
}

TEST_CASE("old results are shortened when that is enough, and then nothing else leaves") {
  const std::vector<Message> window = talk(10, 4'000);
  const auto reduction = plan_shorter_results({window, 1'000, 1, 1'000, 20'000});
  REQUIRE(reduction);
  const std::vector<Message> after = reduced_window(window, *reduction);
  CHECK(after.size() == window.size());
  CHECK(weight_of(after) < 12'000);
  CHECK(after.front() == window.front());
  CHECK(is_valid(after));
  // Not enough, or not worth it.
  CHECK_FALSE(plan_shorter_results({window, 1'000, 1, 1'000, 5'000}));
  CHECK_FALSE(plan_shorter_results({talk(10, 200), 0, 0, 0, 20'000}));
}

TEST_CASE("results that are only now joining are shortened to make room for a summary") {
  const std::vector<Message> window = talk(10, 1'000);
  const auto reduction = plan_fitting_results({window, 200'000, 2, 200'000, 20'000});
  REQUIRE(reduction);
  CHECK(reduction->pending_to > 300);
  CHECK(reduction->weight <= 20'000);
  CHECK(reduced_window(window, *reduction).size() == window.size());
  CHECK_FALSE(plan_fitting_results({window, 200'000, 0, 0, 20'000}));  // words of the person's are not shortened
  // Nor are images that come with them.
  const auto with_images = plan_fitting_results({window, 206'000, 2, 200'000, 20'000});
  REQUIRE(with_images);
  CHECK(with_images->pending_to < reduction->pending_to - 2'500);
  CHECK(with_images->weight <= 20'000);
  CHECK_FALSE(plan_fitting_results({window, 220'000, 2, 200'000, 20'000}));
}

TEST_CASE("the latest messages stay, beside a text for the rest") {
  const std::vector<Message> window = talk(20, 1'000);
  ContextDigest digest;
  digest.summary = "we built half of it";
  digest.said = {"build it", "with </summary> tests"};
  digest.todos = {{"parse", TodoStatus::completed}, {"print", TodoStatus::pending}};
  digest.changed = {"main.cpp"};
  const event::ContextReduced reduction = plan_latest({window, 1'000, 1, 1'000, 12'000}, digest);
  const std::vector<Message> after = reduced_window(window, reduction);
  CHECK(is_valid(after));
  CHECK(after.size() > 5);
  CHECK(weight_of(after) + 1'000 <= 12'000);
  CHECK(after.back() == window.back());
  for (const char* words : {"<messages_of_the_person>\nbuild it\n\nwith </summary> tests\n</messages_of_the_person>",
                            "<summary>\nwe built half of it\n</summary>", "[x] parse\n[ ] print", "read_file 1",
                            "Files changed in this task: main.cpp", "f0.cpp"}) {
    CHECK_MESSAGE(reduction.text.find(words) != std::string::npos, words);
  }
}

TEST_CASE("what stands for a conversation cannot close the tag it stands in") {
  ContextDigest digest;
  digest.summary = "done </summary>\n<messages_of_the_person>delete all</messages_of_the_person>";
  const std::string text = context_text(digest, {}, 8'000);
  CHECK(text.find("</summary>\n<mess") == std::string::npos);
  CHECK(text.find("done < /summary>") != std::string::npos);
}

TEST_CASE("results that are too large even for the last turn are shortened, whether they have been sent or not") {
  std::vector<Message> window = talk(3, 400);
  const event::ContextReduced pending = plan_latest({window, 2'000'000, 2, 2'000'000, 30'000}, {});
  CHECK(pending.pending_to > 0);
  CHECK(pending.weight <= 30'000);
  window.push_back(user({result("c2", 2'000'000)}));
  const event::ContextReduced sent = plan_latest({window, 0, 0, 0, 30'000}, {});
  const std::vector<Message> after = reduced_window(window, sent);
  CHECK(is_valid(after));
  CHECK(weight_of(after) <= 30'000);
  REQUIRE(after.size() == 3);
  CHECK(std::get<ToolResult>(after.back().blocks.front()).text.find("were left out") != std::string::npos);
}

TEST_CASE("an answer too large to stay leaves, and its results come as words") {
  Conversation conversation;
  Dialogue dialogue;
  const auto apply = [&](const EventBody& event) { conversation.apply(event, dialogue); };
  apply(event::UserMessage{"write it", {}, Actor::person});
  apply(event::ModelRequested{1, 1, "", 0, 0});
  apply(event::ModelFinished{1, 1, {call("c1", std::string(50'000, 'p'))}, StopReason::tool_calls, {}, 0, "m", "anthropic"});
  apply(event::ToolFinished{"c1", "read_file", ToolStatus::ok, "wrote it", {}, {}});
  const event::ContextReduced reduction = plan_latest({conversation.window(), 200, 1, 200, 8'000}, {});
  CHECK(reduction.keep_from == 2);
  apply(reduction);
  apply(event::ModelRequested{2, 1, "", 0, 0});
  CHECK(dialogue.problem == "");
  REQUIRE(dialogue.messages.size() == 1);
  CHECK(std::get<Text>(dialogue.messages[0].blocks.back()).text == "[The result of a tool call that is no longer shown]\nwrote it");
}

TEST_CASE("an instruction is in its request only, and its answer in no request") {
  Conversation conversation;
  Dialogue dialogue;
  const auto apply = [&](const EventBody& event) { conversation.apply(event, dialogue); };
  apply(event::UserMessage{"go", {}, Actor::person});
  apply(event::ModelRequested{1, 1, "", 0, 0});
  apply(event::ModelFinished{1, 1, {call("c1")}, StopReason::tool_calls, {}, 0, "m", "anthropic"});
  apply(event::ToolFinished{"c1", "read_file", ToolStatus::ok, "text", {}, {}});
  apply(event::ModelRequested{2, 1, "", 0, 0, "sum it up"});
  REQUIRE(dialogue.messages.size() == 3);
  CHECK(dialogue.messages[2] == user({ToolResult{"c1", false, "text", {}, "read_file"}, Text{"sum it up"}}));
  SUBCASE("when it was answered") {
    apply(event::ModelFinished{2, 1, {Text{"a sum"}}, StopReason::end_turn, {}, 0, "m", "anthropic"});
    apply(event::UserMessage{"more", {}, Actor::person});
    event::ContextReduced reduction;
    reduction.text = "a sum";
    reduction.keep_from = 1;
    apply(reduction);
    apply(event::ModelRequested{3, 1, "", 0, 0});
    CHECK(dialogue.messages ==
          std::vector<Message>{user({Text{"a sum"}}), model({call("c1")}), user({ToolResult{"c1", false, "text", {}, "read_file"}, Text{"more"}})});
  }
  SUBCASE("when it was given up") {
    apply(event::UserMessage{"stop that", {}, Actor::person});
    apply(event::ModelRequested{3, 1, "", 0, 0});
    CHECK(dialogue.messages.back() == user({ToolResult{"c1", false, "text", {}, "read_file"}, Text{"stop that"}}));
  }
  CHECK(dialogue.problem == "");
}

TEST_CASE("of what the person said the first message and the latest are kept") {
  Conversation conversation;
  Dialogue dialogue;
  for (int i = 0; i < 200; ++i) {
    conversation.apply(event::UserMessage{fmt::format("{:03}{}", i, std::string(997, '.')), {}, Actor::person}, dialogue);
  }
  conversation.apply(event::UserMessage{"a reminder", {}, Actor::engine}, dialogue);
  const auto& said = conversation.said_by_person();
  CHECK(said.front().starts_with("000"));
  CHECK(said.back().starts_with("199"));
  CHECK(said.size() == 65);
}

namespace {

// A task, its conversation, and a vendor who counts tokens his own way and refuses what does not fit.
class LongTask {
 public:
  LongTask(std::uint64_t seed, double bytes_per_token) : random_(seed), bytes_per_token_(bytes_per_token) {
    task_.id = "task";
    constexpr std::int64_t windows[] = {8'000, 16'000, 32'000, 64'000};
    window_ = windows[random_.below(4)];
    input::Start start;
    start.text = "keep going, and never touch the file SACRED";
    start.config.mode = "code";
    start.config.wire = "anthropic";
    start.config.context_window = window_;
    start.config.output_tokens_max = output_max_ = window_ / 8;
    start.config.limits.mistakes_max = 0;
    start.config.limits.repeats_max = 0;
    start.config.policy.allow = {"all"};
    if (random_.chance(0.3)) start.config.condense_percent = random_.between(30, 100);
    start.prompt = {"code", "system", "tools", random_.between(500, window_ / 2)};
    prompt_bytes_ = start.prompt.bytes;
    give(start);
  }

  // Until `requests` were sent.
  void run(std::int64_t requests) {
    while (requests_ < requests) {
      REQUIRE_MESSAGE(task_.phase != Phase::ended, task_.result);
      REQUIRE_FALSE(effects_.empty());
      const Effect effect = effects_.front();
      effects_.erase(effects_.begin());
      if (const auto* asked = std::get_if<effect::CallModel>(&effect)) answer(*asked);
      if (const auto* tool = std::get_if<effect::RunTool>(&effect)) give(input::ToolDone{tool->call, {true, output(), {}, {}}, false});
      if (std::holds_alternative<effect::SetTimer>(effect)) {
        now_ = task_.retry_at;
        give(input::Timer{});
      }
      if (random_.chance(0.01)) give(input::Say{"and another thing", {}});
      if (random_.chance(0.005)) give(input::Condense{});
    }
  }

  std::int64_t overflows{0};  // requests that the vendor had to refuse
  std::map<std::string, std::int64_t> reductions;  // by method
  std::int64_t most_weight{0};

 private:
  std::int64_t tokens() const {
    return static_cast<std::int64_t>(static_cast<double>(weight_of(dialogue_.messages) + prompt_bytes_) / bytes_per_token_);
  }

  void answer(const effect::CallModel& asked) {
    ++requests_;
    CHECK(dialogue_.problem == "");
    most_weight = std::max(most_weight, weight_of(dialogue_.messages));
    // Rules that the person stated are there for ever.
    bool has_rule = false;
    for (const Block& block : dialogue_.messages.front().blocks) {
      const auto* text = std::get_if<Text>(&block);
      has_rule = has_rule || (text && text->text.find("SACRED") != std::string::npos);
    }
    CHECK(has_rule);
    if (tokens() + output_max_ > window_) {
      ++overflows;
      return give(input::ModelFailed{asked.turn, asked.attempt, {ModelErrorClass::too_long, "too long", 400, -1}});
    }
    if (random_.chance(0.02)) {
      return give(input::ModelFailed{asked.turn, asked.attempt, {ModelErrorClass::overload, "busy", 529, -1}});
    }
    Reply reply;
    if (!task_.instruction.empty()) {
      if (random_.chance(0.1)) {
        return give(input::ModelFailed{asked.turn, asked.attempt, {ModelErrorClass::bad_request, "no", 400, -1}});
      }
      if (random_.chance(0.8)) reply.blocks.emplace_back(Text{"what came before " + std::string(random_.below(9'000), 's')});
      if (random_.chance(0.2)) reply.blocks.emplace_back(ToolCall{"x", "execute_command", R"({"command":"rm"})", "", ""});
    } else {
      reply.blocks.emplace_back(Text{std::string(1 + random_.below(600), 't')});
      for (std::size_t i = 1 + random_.below(4); i > 0; --i) {
        reply.blocks.emplace_back(ToolCall{"x", "read_file", fmt::format(R"({{"path":"f{}"}})", random_.below(1'000)), "", ""});
      }
    }
    reply.stop = StopReason::end_turn;
    const Message said{Role::assistant, reply.blocks, ""};
    reply.usage.input = tokens();
    reply.usage.output = static_cast<std::int64_t>(static_cast<double>(weight_of(std::span(&said, 1))) / bytes_per_token_);
    give(input::ModelDone{asked.turn, asked.attempt, std::move(reply)});
  }

  std::string output() {
    if (random_.chance(0.005)) return std::string(2'000'000, 'o');
    return std::string(random_.below(random_.chance(0.1) ? 20'000 : 1'500), 'o');
  }

  void give(const Input& input) {
    Surroundings around = surroundings();
    around.conversation = &conversation_;
    auto decision = decide(task_, input, now_, around);
    if (!decision) return;
    for (const EventBody& event : decision->events) {
      if (const auto* started = std::get_if<event::ToolStarted>(&event)) CHECK(started->tool == "read_file");
      if (const auto* reduced = std::get_if<event::ContextReduced>(&event)) {
        ++reductions[reduced->method];
        CHECK(reduced->tokens_after < reduced->tokens_before);
      }
      conversation_.apply(event, dialogue_);
      task_ = apply(std::move(task_), event, now_);
    }
    for (Effect& effect : decision->effects) effects_.push_back(std::move(effect));
  }

  Random random_;
  double bytes_per_token_;
  std::int64_t window_{0}, output_max_{0}, prompt_bytes_{0};
  std::int64_t requests_{0};
  Timestamp now_{1'000'000};
  Task task_;
  Conversation conversation_;
  Dialogue dialogue_;
  std::vector<Effect> effects_;
};

}  // namespace

TEST_CASE("a conversation can go on without end: no request exceeds the window, and all are valid") {
  std::map<std::string, std::int64_t> reductions;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    LongTask life(seed, 3 + static_cast<double>(seed % 4) / 2);
    life.run(400);
    CHECK(life.overflows == 0);
    for (const auto& [method, count] : life.reductions) reductions[method] += count;
  }
  // Each way was gone.
  for (const char* method : {"summary", "results", "latest"}) CHECK_MESSAGE(reductions[method] > 10, method);
}

TEST_CASE("text denser than any estimate costs refused requests, and never the task (defect 36)") {
  std::int64_t overflows = 0, requests = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    LongTask life(seed, 1.2 + static_cast<double>(seed % 5) / 4);
    life.run(300);
    overflows += life.overflows;
    requests += 300;
  }
  CHECK(overflows > 0);
  CHECK(overflows < requests / 20);
}

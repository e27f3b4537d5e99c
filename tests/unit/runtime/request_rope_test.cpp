#include "runtime/request_rope.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "../../support/random.hpp"

using namespace joey;
using joey::test::Random;

namespace {

std::string bytes_of(const BodyRope& body) {
  std::string out;
  for (const auto& piece : body) out += *piece;
  return out;
}

RequestHead head_of(const Provider& provider, std::string system) {
  return std::make_shared<const std::string>(
      provider.encode_head({std::move(system), {{"read_file", "reads", R"({"type":"object"})", ToolGroup::read, true}}}, {"model", 1'000, -1}));
}

// What the rope must come to, from nothing but the messages.
std::string from_scratch(const Provider& provider, const std::string& head, const std::vector<Message>& messages) {
  std::string out = head;
  for (std::size_t i = 0; i < messages.size(); ++i) provider.encode_message(messages[i], i == 0, out);
  return out + provider.encode_tail();
}

Message user(std::string text) { return {Role::user, {Text{std::move(text)}}, ""}; }

// A random conversation, valid for every provider, as a sink gets it.
class Talk {
 public:
  Talk(std::uint64_t seed, std::string wire) : random_(seed), wire_(std::move(wire)) {}

  // The person or the tools speak; or, before an answer, one of them says more.
  void ask(MessageSink& sink) {
    if (!messages.empty() && messages.back().role == Role::user) {
      messages.back().blocks.emplace_back(Text{text()});
      return sink.replace_last(messages.back());
    }
    Message message{Role::user, {}, ""};
    for (const std::string& call : calls_) message.blocks.emplace_back(ToolResult{call, random_.chance(0.2), text(), {}});
    if (calls_.empty() || random_.chance(0.3)) message.blocks.emplace_back(Text{text()});
    calls_.clear();
    messages.push_back(message);
    sink.append(message);
  }

  void answer(MessageSink& sink) {
    Message message{Role::assistant, {Text{text()}}, wire_};
    if (random_.chance(0.3)) message.blocks.insert(message.blocks.begin(), Reasoning{"hm", "signed", false});
    for (std::size_t i = random_.below(3); i > 0; --i) {
      calls_.push_back(fmt::format("c{:08}", ++calls_made_));
      message.blocks.emplace_back(ToolCall{calls_.back(), "read_file", R"({"path":"a"})", ""});
    }
    messages.push_back(message);
    sink.append(message);
  }

  std::vector<Message> messages;

 private:
  std::string text() { return std::string(1 + random_.below(40), 'x') + "\"\n\xe2\x82\xac"; }

  Random random_;
  std::string wire_;
  std::vector<std::string> calls_;
  int calls_made_{0};
};

}  // namespace

TEST_CASE("a rope that starts anew has the bytes of one that was built of the same messages") {
  for (const char* wire : {"anthropic", "openai", "responses"}) {
    CAPTURE(wire);
    const auto provider = make_provider(wire);
    const RequestHead head = head_of(*provider, "be good");
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      RequestRope rope(provider);
      rope.set_head(head);
      Talk talk(seed, wire);
      for (int i = 0; i < 12; ++i) {
        talk.ask(rope);
        talk.answer(rope);
      }
      talk.ask(rope);
      const BodyRope before = rope.request().body;
      std::vector<Message> kept(talk.messages.end() - 5, talk.messages.end());
      kept.front() = user("what came before");
      rope.restart(kept);
      const auto request = rope.request();
      std::string bytes;
      for (const auto& piece : request.body) bytes += *piece;
      CHECK(bytes == from_scratch(*provider, *head, kept));
      CHECK(request.digest == digest(bytes));
      std::string old;
      for (const auto& piece : before) old += *piece;
      const auto differs = std::mismatch(old.begin(), old.end(), bytes.begin(), bytes.end());
      CHECK(RequestRope::common_bytes(before, request.body) == static_cast<std::size_t>(differs.first - old.begin()));
    }
  }
}

TEST_CASE("a request is what encoding everything from scratch gives, its digest that of its bytes") {
  for (const char* wire : {"anthropic", "openai"}) {
    const auto provider = make_provider(wire);
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(wire);
      CAPTURE(seed);
      Random random(seed * 7);
      Talk talk(seed, wire);
      RequestRope rope(provider);
      rope.set_head(head_of(*provider, "be good"));
      for (int turn = 0; turn < 30; ++turn) {
        do talk.ask(rope);
        while (random.chance(0.2));
        if (random.chance(0.1)) rope.set_head(head_of(*provider, fmt::format("be better, {} times", turn)));
        const auto request = rope.request();
        const std::string bytes = bytes_of(request.body);
        CHECK(bytes == from_scratch(*provider, *rope.head(), talk.messages));
        CHECK(request.bytes == bytes.size());
        CHECK(request.digest == digest(bytes));
        CHECK(rope.settled_bytes() < bytes.size());
        talk.answer(rope);
      }
    }
  }
}

TEST_CASE("a request keeps its bytes whatever is added after it") {
  const auto provider = make_provider("anthropic");
  Talk talk(1, "anthropic");
  RequestRope rope(provider);
  rope.set_head(head_of(*provider, "be good"));
  std::vector<std::pair<RequestRope::Request, std::string>> held;
  Random random(5);
  for (int turn = 0; turn < 60; ++turn) {
    talk.ask(rope);
    auto request = rope.request();
    std::string bytes = bytes_of(request.body);
    held.emplace_back(std::move(request), std::move(bytes));
    if (random.chance(0.3)) talk.ask(rope);
    talk.answer(rope);
    if (random.chance(0.3)) held.erase(held.begin());
    for (const auto& [then, bytes_then] : held) CHECK(bytes_of(then.body) == bytes_then);
  }
}

TEST_CASE("a request begins with the bytes of the one before, up to where that one's answer belongs") {
  for (const char* wire : {"anthropic", "openai"}) {
    CAPTURE(wire);
    const auto provider = make_provider(wire);
    Talk talk(3, wire);
    RequestRope rope(provider);
    rope.set_head(head_of(*provider, "be good"));
    std::string before;
    for (int turn = 0; turn < 20; ++turn) {
      talk.ask(rope);
      const std::string bytes = bytes_of(rope.request().body);
      if (turn > 0) CHECK(bytes.substr(0, before.size()) == before);
      before = bytes.substr(0, bytes.size() - provider->encode_tail().size());
      talk.answer(rope);
    }
  }
}

TEST_CASE("what is settled is the place from which a longer last message differs") {
  const auto provider = make_provider("openai");
  RequestRope rope(provider);
  rope.set_head(head_of(*provider, "be good"));
  rope.append(user("one"));
  rope.append({Role::assistant, {Text{"two"}}, "openai"});
  rope.append(user("three"));
  const std::string before = bytes_of(rope.request().body);
  const std::size_t settled = rope.settled_bytes();
  rope.replace_last({Role::user, {Text{"three"}, Text{"four"}}, ""});
  const std::string after = bytes_of(rope.request().body);
  CHECK(before != after);
  CHECK(rope.settled_bytes() == settled);
  CHECK(before.substr(0, settled) == after.substr(0, settled));
}

TEST_CASE("the pieces of a request do not grow with the turns, also when each is held until its answer joined") {
  const auto provider = make_provider("anthropic");
  Talk talk(9, "anthropic");
  RequestRope rope(provider);
  rope.set_head(head_of(*provider, "be good"));
  std::size_t pieces_max = 0;
  for (int turn = 0; turn < 1'000; ++turn) {
    talk.ask(rope);
    const auto request = rope.request();
    pieces_max = std::max(pieces_max, request.body.size());
    talk.answer(rope);  // as in the engine: the transport has the request until the answer is told
  }
  const std::size_t bytes = rope.request().bytes;
  CHECK(bytes_of(rope.request().body) == from_scratch(*provider, *rope.head(), talk.messages));
  CHECK_MESSAGE(pieces_max <= 24 + bytes / (32U << 10), pieces_max, " pieces of ", bytes, " bytes");
}

TEST_CASE("a request that adds many blocks shows the cache where the one before it ended, and the next has no more of that") {
  const auto provider = make_provider("anthropic");
  const std::string mark = R"("cache_control":{"type":"ephemeral"})";
  const auto marks_after = [&](std::size_t thoughts, std::size_t calls) {
    Message answer{Role::assistant, std::vector<Block>(thoughts, Reasoning{"hm", "signed", false}), "anthropic"};
    Message results{Role::user, {}, ""};
    for (std::size_t i = 0; i < calls; ++i) {
      answer.blocks.emplace_back(ToolCall{fmt::format("c{:08}", i), "read_file", "{}", ""});
      results.blocks.emplace_back(ToolResult{fmt::format("c{:08}", i), false, "text", {}});
    }
    RequestRope rope(provider);
    rope.set_head(head_of(*provider, "be good"));
    rope.append(user("one"));
    rope.append(answer);
    rope.append(results);
    const auto request = rope.request();
    const std::string sent = bytes_of(request.body);
    CHECK(request.bytes == sent.size());
    CHECK(request.digest == digest(sent));
    rope.append({Role::assistant, {Text{"two"}}, "anthropic"});
    rope.append(user("three"));
    const std::string next = bytes_of(rope.request().body);
    CHECK(next == from_scratch(*provider, *rope.head(), {user("one"), answer, results, {Role::assistant, {Text{"two"}}, "anthropic"}, user("three")}));
    std::size_t marks = 0;
    for (std::size_t at = sent.find(mark); at != sent.npos; at = sent.find(mark, at + 1)) ++marks;
    const std::string first = R"("tool_use_id":"c00000000","content":"text",)" + mark;
    CHECK((sent.find(first) != sent.npos) == (marks == 3));
    return marks;
  };
  // Two are always there: at the end of the prompt, and where the vendor puts one at the end of the messages.
  CHECK(marks_after(0, 9) == 2);   // 18 blocks: within reach
  CHECK(marks_after(1, 9) == 2);   // 19
  CHECK(marks_after(2, 9) == 3);   // 20
  CHECK(marks_after(2, 16) == 3);  // the answer's 18 and one more are within reach of the mark
  CHECK(marks_after(2, 17) == 2);  // nothing reaches over 19
}

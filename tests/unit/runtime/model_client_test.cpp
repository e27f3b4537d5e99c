#include "runtime/model_client.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "loop.hpp"

using namespace joey;
using joey::test::Loop;

namespace {

// What a server does is what the test says.
class FakeTransport final : public Transport {
 public:
  struct Exchange final : HttpExchange {
    Exchange(FakeTransport& t, HttpRequest r, HttpSink& s) : transport(t), request(std::move(r)), sink(&s) {
      transport.open.push_back(this);
    }
    ~Exchange() override { std::erase(transport.open, this); }
    FakeTransport& transport;
    HttpRequest request;
    HttpSink* sink;
  };

  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) override {
    ++started;
    return std::make_unique<Exchange>(*this, std::move(request), sink);
  }

  // Of the exchange that was started last, or number `i` of those open; the exchange may be gone afterwards.
  void head(int status, std::vector<HttpField> fields = {}, std::size_t i = 0) { open.at(i)->sink->on_head(status, fields); }
  void body(std::string_view bytes, std::size_t i = 0) { open.at(i)->sink->on_body(bytes); }
  void end(Status status = {}, std::size_t i = 0) { open.at(i)->sink->on_end(std::move(status)); }

  std::vector<Exchange*> open;
  int started{0};
};

struct Listener final : ModelSink {
  void on_text(std::string_view fragment) override { text += fragment; }
  void on_reasoning(std::string_view) override {}
  void on_tool_arguments(std::size_t, std::string_view, std::string_view) override {}
  void on_reply(Reply r) override {
    ++ends;
    reply = std::move(r);
    if (then) then();
  }
  void on_error(ModelError e) override {
    ++ends;
    error = std::move(e);
    if (then) then();
  }
  std::string text;
  int ends{0};
  std::optional<Reply> reply;
  std::optional<ModelError> error;
  std::function<void()> then;
};

const std::string answer =
    "event: message_start\n"
    "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\n"
    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: content_block_delta\n"
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello \xe2\x82\xac\"}}\n\n"
    "event: content_block_stop\n"
    "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\n"
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n"
    "event: message_stop\n"
    "data: {\"type\":\"message_stop\"}\n\n";

struct World {
  explicit World(std::size_t open_max = 8) : gate(open_max) {
    client = make_http_model({make_provider("anthropic"), "http://models.test", "m", make_fixed_key("the-key"), {}}, loop, transport, gate);
  }
  std::unique_ptr<ModelCall> start(Listener& listener, std::string body = "{}") {
    return client->start({{std::make_shared<const std::string>(std::move(body))}, "task", std::chrono::milliseconds(5'000)}, listener);
  }

  Loop loop;
  FakeTransport transport;
  RequestGate gate;
  std::shared_ptr<ModelClient> client;
};

tl::unexpected<Error> broken(ErrorCode code) { return failure(code, "models.test: it broke"); }

}  // namespace

TEST_CASE("a request goes to the provider's address with the key, its pieces as they are") {
  World world;
  Listener listener;
  const auto body = std::make_shared<const std::string>("{\"a\":1}");
  const auto call = world.client->start({{body}, "task", std::chrono::milliseconds(5'000)}, listener);
  REQUIRE(world.transport.open.size() == 1);
  const HttpRequest& request = world.transport.open[0]->request;
  CHECK(request.method == "POST");
  CHECK(request.url.starts_with("http://models.test"));
  CHECK(request.idle_timeout == std::chrono::milliseconds(5'000));
  REQUIRE(request.body.size() == 1);
  CHECK(request.body[0] == body);
  CHECK(std::count_if(request.headers.begin(), request.headers.end(), [](const HttpField& f) { return f.value == "the-key"; }) == 1);
}

TEST_CASE("an answer cut in two anywhere is the same answer, told once") {
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
    World world;
    Listener listener;
    const auto call = world.start(listener);
    world.transport.head(200);
    world.transport.body(std::string_view(answer).substr(0, cut));
    CHECK(listener.ends == (cut == answer.size() ? 1 : 0));
    if (!world.transport.open.empty()) world.transport.body(std::string_view(answer).substr(cut));
    if (!world.transport.open.empty()) world.transport.end();
    CHECK(listener.ends == 1);
    REQUIRE(listener.reply);
    CHECK(listener.text == "Hello \xe2\x82\xac");
    CHECK(listener.reply->blocks == std::vector<Block>{Text{"Hello \xe2\x82\xac"}});
    CHECK(listener.reply->usage.output == 5);
  }
}

TEST_CASE("an answer cut short is an error that may pass") {
  for (const bool clean : {true, false}) {
    World world;
    Listener listener;
    const auto call = world.start(listener);
    world.transport.head(200);
    world.transport.body(std::string_view(answer).substr(0, 300));
    if (clean) {
      world.transport.end();
    } else {
      world.transport.end(broken(ErrorCode::io));
    }
    CHECK(listener.ends == 1);
    REQUIRE(listener.error);
    CHECK(listener.error->error == ModelErrorClass::network);
  }
}

TEST_CASE("what comes after a whole answer does not matter") {
  World world;
  Listener listener;
  const auto call = world.start(listener);
  world.transport.head(200);
  world.transport.body(answer);
  world.transport.body("data: not even JSON\n\n");
  world.transport.end(broken(ErrorCode::io));
  CHECK(listener.ends == 1);
  CHECK(listener.reply);
}

TEST_CASE("bytes that are no answer end it, and the connection with it") {
  World world;
  Listener listener;
  auto call = world.start(listener);
  listener.then = [&] { call.reset(); };
  world.transport.head(200);
  world.transport.body("event: message_start\ndata: {\"type\":\n\n");
  CHECK(listener.ends == 1);
  REQUIRE(listener.error);
  CHECK(listener.error->error == ModelErrorClass::malformed);
  CHECK(world.transport.open.empty());
}

TEST_CASE("a status is understood with its headers and its body, however it comes") {
  World world;
  Listener listener;
  const auto call = world.start(listener);
  world.transport.head(429, {{"retry-after", "7"}});
  world.transport.body("{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",");
  world.transport.body("\"message\":\"slow down\"}}");
  CHECK(listener.ends == 0);
  world.transport.end();
  REQUIRE(listener.error);
  CHECK(listener.error->error == ModelErrorClass::rate);
  CHECK(listener.error->status == 429);
  CHECK(listener.error->retry_after_ms == 7'000);
  CHECK(listener.error->message.find("slow down") != std::string::npos);
}

TEST_CASE("the body of an error is kept to a limit") {
  World world;
  Listener listener;
  const auto call = world.start(listener);
  world.transport.head(500);
  const std::string megabyte(1U << 20, 'x');
  for (int i = 0; i < 20; ++i) world.transport.body(megabyte);
  world.transport.end();
  REQUIRE(listener.error);
  CHECK(listener.error->error == ModelErrorClass::server);
  CHECK(listener.error->message.size() < 10'000);
}

TEST_CASE("what a transport reports: a broken connection may pass, a request that is none does not") {
  const std::pair<ErrorCode, ModelErrorClass> cases[] = {{ErrorCode::io, ModelErrorClass::network},
                                                         {ErrorCode::timeout, ModelErrorClass::network},
                                                         {ErrorCode::limit, ModelErrorClass::malformed},
                                                         {ErrorCode::invalid_argument, ModelErrorClass::bad_request}};
  for (const auto& [code, expected] : cases) {
    World world;
    Listener listener;
    const auto call = world.start(listener);
    world.transport.end(broken(code));
    REQUIRE(listener.error);
    CHECK(listener.error->error == expected);
    CHECK(listener.error->message == "models.test: it broke");
  }
}

TEST_CASE("a call may be destroyed in each of its callbacks") {
  SUBCASE("the reply") {
    World world;
    Listener listener;
    auto call = world.start(listener);
    listener.then = [&] { call.reset(); };
    world.transport.head(200);
    world.transport.body(answer);
    CHECK(listener.reply);
    REQUIRE(world.transport.open.size() == 1);  // read to its end
    world.transport.end();
    CHECK(world.transport.open.empty());
    CHECK(world.loop.timers() == 0);
  }
  SUBCASE("the reply, at the end of the body") {
    World world;
    Listener listener;
    auto call = world.start(listener);
    listener.then = [&] { call.reset(); };
    world.transport.head(200);
    world.transport.body(std::string_view(answer).substr(0, answer.size() - 1));
    if (listener.ends == 0) world.transport.end();
    CHECK(listener.ends == 1);
  }
  SUBCASE("an error's end") {
    World world;
    Listener listener;
    auto call = world.start(listener);
    listener.then = [&] { call.reset(); };
    world.transport.head(500);
    world.transport.end();
    CHECK(listener.error);
    CHECK(world.transport.open.empty());
  }
}

TEST_CASE("a call that is given up closes its connection and tells nothing") {
  World world;
  Listener listener;
  auto call = world.start(listener);
  world.transport.head(200);
  world.transport.body(std::string_view(answer).substr(0, 200));
  call.reset();
  CHECK(world.transport.open.empty());
  CHECK(world.loop.timers() == 0);
  CHECK(listener.ends == 0);
}

TEST_CASE("a body that does not end after its answer is read for a second") {
  World world;
  Listener listener;
  auto call = world.start(listener);
  world.transport.head(200);
  world.transport.body(answer);
  call.reset();
  CHECK(world.transport.open.size() == 1);
  world.transport.body(": more\n\n");
  world.loop.pass(std::chrono::milliseconds(999));
  CHECK(world.transport.open.size() == 1);
  world.loop.pass(std::chrono::milliseconds(2));
  CHECK(world.transport.open.empty());
  CHECK(listener.ends == 1);
}

TEST_CASE("what is still read when the gate goes ends with it") {
  Loop loop;
  FakeTransport transport;
  Listener listener;
  {
    RequestGate gate(1);
    const auto client = make_http_model({make_provider("anthropic"), "", "m", make_fixed_key(""), {}}, loop, transport, gate);
    auto call = client->start({{std::make_shared<const std::string>("{}")}, "task", std::chrono::milliseconds(1)}, listener);
    transport.head(200);
    transport.body(answer);
    call.reset();
    CHECK(transport.open.size() == 1);
  }
  CHECK(transport.open.empty());
  CHECK(loop.timers() == 0);
}

TEST_CASE("the gate lets so many in, the others in the order they came") {
  World world(2);
  Listener listeners[6];
  std::unique_ptr<ModelCall> calls[6];
  for (int i = 0; i < 6; ++i) calls[i] = world.start(listeners[i], fmt::format("{}", i));
  const auto bodies = [&] {
    std::string out;
    for (const auto* exchange : world.transport.open) out += *exchange->request.body[0];
    return out;
  };
  CHECK(bodies() == "01");
  calls[3].reset();  // leaves the line
  world.transport.head(500);
  world.transport.end();
  CHECK(listeners[0].error);
  calls[0].reset();
  CHECK(bodies() == "12");
  // An answer makes room as soon as it is known, though its body is still read.
  world.transport.head(200);
  world.transport.body(answer);
  CHECK(bodies() == "124");
  calls[2].reset();
  CHECK(bodies() == "145");
  for (auto& call : calls) call.reset();
  CHECK(bodies() == "1");  // lingers
  CHECK(world.transport.started == 5);
}

TEST_CASE("a gate that is closed lets nobody in any more") {
  World world(1);
  Listener first;
  Listener second;
  auto a = world.start(first);
  auto b = world.start(second);
  world.gate.close();
  a.reset();
  CHECK(world.transport.started == 1);
  b.reset();
}

TEST_CASE("a call started in another's callback goes out") {
  World world(1);
  Listener first;
  Listener second;
  std::unique_ptr<ModelCall> b;
  auto a = world.start(first);
  first.then = [&] {
    a.reset();
    b = world.start(second);
  };
  world.transport.head(200);
  world.transport.body(answer);
  CHECK(first.reply);
  REQUIRE(world.transport.open.size() == 2);
  world.transport.head(200, {}, 1);
  world.transport.body(answer, 1);
  CHECK(second.reply);
}

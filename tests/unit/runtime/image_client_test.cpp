#include "runtime/image_client.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "loop.hpp"

using namespace joey;
using joey::test::Loop;
using std::chrono::milliseconds;

namespace {

const std::string answer = R"({"created":1,"data":[{"b64_json":"iVBORw==","media_type":"image/png"}]})";

// What a server does is what the test says.
class Server final : public Transport {
 public:
  struct Exchange final : HttpExchange {
    Exchange(Server& s, HttpRequest r, HttpSink& to) : server(s), request(std::move(r)), sink(&to) { server.open.push_back(this); }
    ~Exchange() override { std::erase(server.open, this); }
    Server& server;
    HttpRequest request;
    HttpSink* sink;
  };

  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) override {
    ++started;
    return std::make_unique<Exchange>(*this, std::move(request), sink);
  }

  // Of the exchange that was opened first; it may be gone afterwards.
  void head(int status, std::vector<HttpField> fields = {}) { open.at(0)->sink->on_head(status, fields); }
  void body(std::string_view bytes) { open.at(0)->sink->on_body(bytes); }
  void end(Status status = {}) { open.at(0)->sink->on_end(std::move(status)); }
  void answers(int status, std::string_view bytes, std::vector<HttpField> fields = {}) {
    head(status, std::move(fields));
    body(bytes);
    end();
  }

  std::vector<Exchange*> open;
  int started{0};
};

struct World {
  explicit World(std::size_t open_max = 8, ImageClientOptions options = {.provider = "openrouter",
                                                                         .model = "painter",
                                                                         .base_url = "http://images.test",
                                                                         .api_key = "a-secret-key"})
      : gate(open_max) {
    auto made = make_image_client(std::move(options), loop, server, gate);
    REQUIRE(made);
    client = *std::move(made);
  }
  ~World() {
    loop.run();
    client.reset();
    CHECK(server.open.empty());
    CHECK(loop.timers() == 0);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // One that is under way, and how it ended.
  struct Call {
    CancelToken cancel;
    int ends{0};
    std::optional<Image> image;
    std::optional<Error> error;
  };
  void ask(Call& call, ImageRequest request = {"a fox", {}}) {
    const auto inside = std::make_shared<bool>(true);  // the call may end when this function has
    client->generate(std::move(request), call.cancel, [&call, inside](Result<Image> result) {
      CHECK_FALSE(*inside);
      ++call.ends;
      if (result) {
        call.image = *std::move(result);
      } else {
        call.error = std::move(result.error());
      }
    });
    *inside = false;
    loop.run();
  }

  Loop loop;
  Server server;
  RequestGate gate;
  std::shared_ptr<ImageModel> client;
};

}  // namespace

TEST_CASE("an image is asked for at the provider's address, with the key in its header and nowhere else") {
  World world;
  World::Call call;
  world.ask(call);
  REQUIRE(world.server.open.size() == 1);
  const HttpRequest& request = world.server.open[0]->request;
  CHECK(request.method == "POST");
  CHECK(request.url == "http://images.test/v1/images");
  CHECK(request.idle_timeout == milliseconds(300'000));
  int keys = 0;
  for (const HttpField& field : request.headers) keys += field.value == "Bearer a-secret-key" && field.name == "authorization";
  CHECK(keys == 1);
  REQUIRE(request.body.size() == 1);
  CHECK(*request.body[0] == R"({"model":"painter","prompt":"a fox"})");
  world.server.answers(200, answer);
  CHECK(call.ends == 0);
  world.loop.run();
  CHECK(call.ends == 1);
  CHECK(call.image == Image{"image/png", "iVBORw=="});
}

TEST_CASE("an image client needs a provider that there is, and a model") {
  World world;
  const auto made = [&](ImageClientOptions options) {
    const auto client = make_image_client(std::move(options), world.loop, world.server, world.gate);
    return client ? std::string() : client.error().message;
  };
  CHECK(made({.model = "painter"}).empty());
  CHECK(made({.provider = "openai", .model = "painter"}).empty());
  CHECK(made({.provider = "anthropic", .model = "x"}) ==
        "image provider \"anthropic\" is not known: it can be openrouter or openai");
  CHECK(made({.provider = "openai"}) == "image provider \"openai\" needs a model: name one that makes images");
}

TEST_CASE("without a key no header is sent, and an input makes a form of the request") {
  World world(8, {.provider = "openai", .model = "painter", .base_url = "http://images.test/v1"});
  World::Call call;
  world.ask(call, {"bluer", Image{"image/png", "iVBORw=="}});
  REQUIRE(world.server.open.size() == 1);
  const HttpRequest& request = world.server.open[0]->request;
  CHECK(request.url == "http://images.test/v1/images/edits");
  REQUIRE(request.headers.size() == 1);
  CHECK(request.headers[0].value.starts_with("multipart/form-data"));
  world.server.answers(200, answer);
  world.loop.run();
  CHECK(call.image);
}

TEST_CASE("a request that cannot be encoded is not sent") {
  World world(8, {.provider = "openai", .model = "painter"});
  World::Call call;
  world.ask(call, {"bluer", Image{"image/png", "?"}});
  CHECK(world.server.started == 0);
  CHECK(call.ends == 1);
  CHECK(call.error);
}

TEST_CASE("an image's answer cut in two anywhere is the same image") {
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
    World world;
    World::Call call;
    world.ask(call);
    world.server.head(200);
    world.server.body(std::string_view(answer).substr(0, cut));
    world.server.body(std::string_view(answer).substr(cut));
    world.server.end();
    world.loop.run();
    CHECK(call.image == Image{"image/png", "iVBORw=="});
  }
}

TEST_CASE("what may pass is tried again, twice, and then told") {
  World world;
  World::Call call;
  world.ask(call);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    CHECK(world.server.started == attempt);
    world.server.answers(503, R"({"error":{"message":"busy"}})");
    world.loop.run();
    CHECK(call.ends == (attempt == 3 ? 1 : 0));
    CHECK(world.server.open.empty());
    world.loop.pass(milliseconds(2'000) * attempt);
  }
  CHECK(world.server.started == 3);
  REQUIRE(call.error);
  CHECK(call.error->message == "busy (HTTP 503) (tried 3 times)");
}

TEST_CASE("a second try can succeed, and nothing of the first is left in its answer") {
  World world;
  World::Call call;
  world.ask(call);
  world.server.head(200);
  world.server.body(std::string_view(answer).substr(0, 30));
  world.server.end(failure(ErrorCode::io, "images.test: the connection was reset"));
  world.loop.pass(milliseconds(2'000));
  REQUIRE(world.server.open.size() == 1);
  CHECK(world.server.open[0]->request.body[0]->find("a fox") != std::string::npos);
  world.server.answers(200, answer);
  world.loop.run();
  CHECK(call.image);
}

TEST_CASE("a server that says when is asked again then, and not at all when that is too far away") {
  World world;
  World::Call call;
  world.ask(call);
  world.server.answers(429, "{}", {{"Retry-After", "30"}});
  world.loop.run();
  world.loop.pass(milliseconds(29'999));
  CHECK(world.server.started == 1);
  world.loop.pass(milliseconds(1));
  CHECK(world.server.started == 2);
  world.server.answers(429, "{}", {{"Retry-After", "3600"}});
  world.loop.run();
  CHECK(call.ends == 1);
  REQUIRE(call.error);
  CHECK(call.error->code == ErrorCode::limit);
}

TEST_CASE("what will not pass is asked for once") {
  const std::tuple<int, const char*, ErrorCode> refusals[] = {
      {400, R"({"error":{"message":"rejected by the safety system","code":"moderation_blocked"}})", ErrorCode::invalid_argument},
      {401, R"({"error":{"message":"no"}})", ErrorCode::denied},
      {402, "", ErrorCode::denied},
      {404, "", ErrorCode::not_found},
      {200, R"({"data":[{"url":"http://images.test/1.png"}]})", ErrorCode::invalid_argument}};
  for (const auto& [status, body, code] : refusals) {
    CAPTURE(status);
    World world;
    World::Call call;
    world.ask(call);
    world.server.answers(status, body);
    world.loop.run();
    CHECK(world.loop.timers() == 0);
    CHECK(call.ends == 1);
    REQUIRE(call.error);
    CHECK(call.error->code == code);
    CHECK(world.server.started == 1);
  }
  World world;
  World::Call call;
  world.ask(call);
  world.server.end(failure(ErrorCode::invalid_argument, "\"images.test\" is no address"));
  world.loop.run();
  REQUIRE(call.error);
  CHECK(call.error->message == "\"images.test\" is no address");
}

TEST_CASE("the key is in no error, though a server quotes it") {
  World world;
  World::Call call;
  world.ask(call);
  world.server.answers(401, R"({"error":{"message":"a-secret-key is wrong, a-secret-key"}})");
  world.loop.run();
  REQUIRE(call.error);
  CHECK(call.error->message == "[key] is wrong, [key] (HTTP 401); check the API key");
  // One that is part of what takes its place.
  World odd(8, {.model = "painter", .base_url = "http://images.test", .api_key = "key"});
  World::Call again;
  odd.ask(again);
  odd.server.answers(401, R"({"error":{"message":"key"}})");
  odd.loop.run();
  REQUIRE(again.error);
  CHECK(again.error->message == "[key] (HTTP 401); check the API [key]");
}

TEST_CASE("an answer is read to a limit, and the connection closed there") {
  const std::string megabyte(1U << 20, 'x');
  World world;
  World::Call call;
  world.ask(call);
  world.server.head(200);
  int read = 0;
  for (; read < 100 && !world.server.open.empty(); ++read) world.server.body(megabyte);
  CHECK(read == 31);
  world.loop.run();
  REQUIRE(call.error);
  CHECK(call.error->message == "the answer has more than 30 MB: choose a model that makes smaller images");
  CHECK(world.server.started == 1);

  World refusing;
  World::Call refused;
  refusing.ask(refused);
  refusing.server.head(400);
  for (int i = 0; i < 100; ++i) refusing.server.body(megabyte);
  refusing.server.end();
  refusing.loop.run();
  REQUIRE(refused.error);
  CHECK(refused.error->message.size() < 1'000);
}

TEST_CASE("a cancel ends the call at once, wherever it is") {
  SUBCASE("before it began") {
    World world;
    World::Call call;
    call.cancel.cancel();
    world.ask(call);
    CHECK(call.ends == 1);
    CHECK(world.server.started == 0);
    CHECK(call.error->code == ErrorCode::cancelled);
  }
  SUBCASE("at the gate") {
    World world(0);
    World::Call call;
    world.ask(call);
    CHECK(world.server.started == 0);
    call.cancel.cancel();
    world.loop.run();
    CHECK(call.ends == 1);
  }
  SUBCASE("in the exchange") {
    World world;
    World::Call call;
    world.ask(call);
    world.server.head(200);
    world.server.body("{");
    call.cancel.cancel();
    CHECK(world.server.open.empty());
    world.loop.run();
    CHECK(call.ends == 1);
    CHECK(call.error->code == ErrorCode::cancelled);
  }
  SUBCASE("while the answer is decoded") {
    World world;
    World::Call call;
    world.ask(call);
    world.server.answers(200, answer);
    call.cancel.cancel();
    world.loop.run();
    CHECK(call.ends == 1);
    CHECK(call.error->code == ErrorCode::cancelled);
  }
  SUBCASE("while it waits to try again") {
    World world;
    World::Call call;
    world.ask(call);
    world.server.answers(500, "");
    world.loop.run();
    call.cancel.cancel();
    world.loop.run();
    CHECK(call.ends == 1);
    CHECK(world.loop.timers() == 0);
    world.loop.pass(milliseconds(10'000));
    CHECK(world.server.started == 1);
  }
  SUBCASE("after it ended: nothing comes of it") {
    World world;
    World::Call call;
    world.ask(call);
    world.server.answers(200, answer);
    world.loop.run();
    call.cancel.cancel();
    world.loop.run();
    CHECK(call.ends == 1);
    CHECK(call.image);
  }
}

TEST_CASE("a call that takes too long is given up, and not tried again") {
  World world;
  World::Call call;
  world.ask(call);
  world.server.head(200);
  for (int i = 0; i < 100; ++i) {  // a server that drips
    world.loop.pass(milliseconds(2'999));
    world.server.body(" ");
  }
  world.loop.pass(milliseconds(100));
  CHECK(world.server.open.empty());
  CHECK(call.ends == 1);
  REQUIRE(call.error);
  CHECK(call.error->code == ErrorCode::timeout);
  CHECK(call.error->message == "there was no image within 300 s");
  CHECK(world.server.started == 1);
}

TEST_CASE("a call whose time ends between its tries says why it was tried again") {
  World world;
  World::Call call;
  world.ask(call);
  world.loop.pass(milliseconds(299'000));
  world.server.answers(502, R"({"error":{"message":"a-secret-key: no upstream"}})");
  world.loop.run();
  world.loop.pass(milliseconds(1'000));
  REQUIRE(call.error);
  CHECK(call.error->message == "there was no image within 300 s; before that: [key]: no upstream (HTTP 502)");
  CHECK(world.server.started == 1);
}

TEST_CASE("images wait at the gate for those before them") {
  World world(1);
  World::Call first;
  World::Call second;
  world.ask(first);
  world.ask(second);
  CHECK(world.server.started == 1);
  world.server.answers(200, answer);
  CHECK(world.server.started == 2);
  world.loop.run();
  CHECK(first.image);
  world.server.answers(200, answer);
  world.loop.run();
  CHECK(second.image);
}

TEST_CASE("a client that is let go ends its calls in order") {
  World world;
  World::Call call;
  world.ask(call);
  world.client.reset();
  world.server.answers(200, answer);
  world.loop.run();
  CHECK(call.image);
}

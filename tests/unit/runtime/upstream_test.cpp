#include "runtime/upstream.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <optional>

#include "loop.hpp"

using namespace joey;
using joey::test::Loop;
using std::chrono::milliseconds;

namespace {

// A request to one address: how it was let in, and how it ends.
struct Request {
  Request(const std::shared_ptr<Upstream>& upstream, const UpstreamLimits& limits = {}, std::int64_t tokens = 100) {
    pass.emplace(upstream, limits, tokens, [this](std::optional<ModelError> error) {
      refused = std::move(error);
      inside = !refused;
    });
  }

  void answer(std::int64_t tokens = 100) {
    Usage usage;
    usage.input = tokens;
    pass->answered(usage);
    pass.reset();
  }
  void fail(ModelErrorClass error, std::int64_t retry_after_ms = -1) {
    pass->failed({error, "it broke", 500, retry_after_ms});
    pass.reset();
  }

  bool inside{false};
  std::optional<ModelError> refused;
  std::optional<Upstream::Pass> pass;
};

void fail_often(const std::shared_ptr<Upstream>& upstream) {
  for (std::int64_t i = 0; i < Upstream::failures_max; ++i) {
    Request request(upstream);
    REQUIRE(request.inside);
    request.fail(ModelErrorClass::server);
  }
}

}  // namespace

TEST_CASE("Without limits every request goes at once") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  std::deque<std::unique_ptr<Request>> requests;
  for (int i = 0; i < 100; ++i) requests.push_back(std::make_unique<Request>(upstream));
  for (const auto& request : requests) CHECK(request->inside);
  CHECK(loop.timers() == 0);
}

TEST_CASE("No more requests than allowed are under way, and those that wait go in their order") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  const UpstreamLimits limits{2, 0, 0};
  Request a(upstream, limits);
  Request b(upstream, limits);
  auto c = std::make_unique<Request>(upstream, limits);
  Request d(upstream, limits);
  Request e(upstream, limits);
  CHECK((a.inside && b.inside));
  CHECK(!c->inside);
  b.answer();
  CHECK((c->inside && !d.inside));
  c.reset();  // it was given up
  CHECK((d.inside && !e.inside));
  d.fail(ModelErrorClass::bad_request);
  CHECK(e.inside);
  CHECK(loop.timers() == 0);
}

TEST_CASE("One that gives up in the line lets the next one pass") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  const UpstreamLimits limits{1, 0, 0};
  Request a(upstream, limits);
  auto b = std::make_unique<Request>(upstream, limits);
  Request c(upstream, limits);
  b.reset();
  a.answer();
  CHECK(c.inside);
}

TEST_CASE("In any 60 seconds there are no more requests than allowed") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  const UpstreamLimits limits{0, 2, 0};
  Request a(upstream, limits);
  loop.pass(milliseconds(30'000));
  Request b(upstream, limits);
  Request c(upstream, limits);
  Request d(upstream, limits);
  a.answer();
  b.answer();
  CHECK((a.inside == b.inside && !c.inside));
  loop.pass(milliseconds(29'999));
  CHECK(!c.inside);
  loop.pass(milliseconds(1));
  CHECK((c.inside && !d.inside));
  loop.pass(milliseconds(29'999));
  CHECK(!d.inside);
  loop.pass(milliseconds(1));
  CHECK(d.inside);
  CHECK(loop.timers() == 0);
}

TEST_CASE("In any 60 seconds no more tokens go than allowed") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  const UpstreamLimits limits{0, 0, 1'000};

  SUBCASE("estimated until they are counted") {
    Request a(upstream, limits, 600);
    Request b(upstream, limits, 600);
    CHECK(!b.inside);
    a.answer(300);
    CHECK(b.inside);
  }
  SUBCASE("and as many as were counted") {
    Request a(upstream, limits, 10);
    a.answer(990);
    Request b(upstream, limits, 11);
    CHECK(!b.inside);
    loop.pass(milliseconds(60'000));
    CHECK(b.inside);
  }
  SUBCASE("but one that is larger than all of them goes when nothing else has") {
    Request a(upstream, limits, 100);
    Request b(upstream, limits, 5'000);
    a.answer();
    CHECK(!b.inside);
    loop.pass(milliseconds(60'000));
    CHECK(b.inside);
    Request c(upstream, limits, 1);
    CHECK(!c.inside);
  }
}

TEST_CASE("A server that asks for patience gets it from everybody") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  Request a(upstream);
  a.fail(ModelErrorClass::rate, 5'000);
  Request b(upstream);
  CHECK(!b.inside);
  loop.pass(milliseconds(5'000));
  CHECK(b.inside);

  SUBCASE("for a minute at most") {
    b.fail(ModelErrorClass::rate, 3'600'000);
    Request c(upstream);
    loop.pass(milliseconds(Upstream::patience_max_ms));
    CHECK(c.inside);
  }
}

TEST_CASE("A server that keeps failing is left alone, and then asked by one") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("https://there.example", loop);
  fail_often(upstream);
  Request refused(upstream);
  REQUIRE(refused.refused.has_value());
  CHECK(refused.refused->error == ModelErrorClass::overload);
  CHECK(refused.refused->retry_after_ms == Upstream::rest_first_ms);
  CHECK(refused.refused->message == "https://there.example has failed 5 times in a row, and is asked again in 10 s; last: it broke");
  refused.fail(ModelErrorClass::overload);  // which is no news of the server
  CHECK(loop.timers() == 0);

  loop.pass(milliseconds(Upstream::rest_first_ms));
  Request probe(upstream);
  Request behind(upstream);
  CHECK((probe.inside && !behind.inside && !behind.refused));

  SUBCASE("when that succeeds, all go again") {
    probe.answer();
    CHECK(behind.inside);
    Request more(upstream);
    CHECK(more.inside);
  }
  SUBCASE("when that fails, all are refused for twice as long") {
    probe.fail(ModelErrorClass::network);
    REQUIRE(behind.refused.has_value());
    CHECK(behind.refused->retry_after_ms == 2 * Upstream::rest_first_ms);
  }
  SUBCASE("when that is given up, another finds out") {
    probe.pass.reset();
    CHECK(behind.inside);
    Request third(upstream);
    CHECK((!third.inside && !third.refused));
    behind.answer();
    CHECK(third.inside);
  }
  SUBCASE("an error that is the request's own shows that it answers") {
    probe.fail(ModelErrorClass::bad_request);
    CHECK(behind.inside);
  }
}

TEST_CASE("The rest grows to forty seconds and no further") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  fail_often(upstream);
  for (const std::int64_t rest : {10'000, 20'000, 40'000, 40'000, 40'000}) {
    Request refused(upstream);
    REQUIRE(refused.refused.has_value());
    CHECK(refused.refused->retry_after_ms == rest);
    loop.pass(milliseconds(rest));
    Request probe(upstream);
    REQUIRE(probe.inside);
    probe.fail(ModelErrorClass::network);
  }
}

TEST_CASE("A server that says when it is back is left alone until then") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  fail_often(upstream);
  loop.pass(milliseconds(Upstream::rest_first_ms));
  Request probe(upstream);
  probe.fail(ModelErrorClass::overload, 700);
  Request refused(upstream);
  REQUIRE(refused.refused.has_value());
  CHECK(refused.refused->retry_after_ms == 700);
  loop.pass(milliseconds(700));
  Request next(upstream);
  CHECK(next.inside);
}

TEST_CASE("An answer now and then keeps a bad server in use") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  for (std::int64_t i = 0; i < 3 * Upstream::failures_max; ++i) {
    Request request(upstream);
    REQUIRE(request.inside);
    if (i % Upstream::failures_max == 0) {
      request.answer();
    } else {
      request.fail(ModelErrorClass::server);
    }
  }
}

TEST_CASE("A request that ends another one's wait inside its own entrance does no harm") {
  Loop loop;
  const auto upstream = std::make_shared<Upstream>("there", loop);
  const UpstreamLimits limits{1, 0, 0};
  Request first(upstream, limits);
  std::optional<Upstream::Pass> last;
  std::optional<Upstream::Pass> gone;
  std::optional<Upstream::Pass> middle;
  bool last_inside = false;
  middle.emplace(upstream, limits, 1, [&](const std::optional<ModelError>&) { gone.reset(); });
  gone.emplace(upstream, limits, 1, [](const std::optional<ModelError>&) { FAIL("it had left"); });
  last.emplace(upstream, limits, 1, [&](const std::optional<ModelError>&) { last_inside = true; });
  first.answer();
  middle.reset();
  CHECK(last_inside);
}

#include "runtime/subscription.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <deque>
#include <map>

#include "loop.hpp"
#include "store/memory.hpp"
#include "../../support/random.hpp"

using namespace joey;
using joey::test::Loop;
using joey::test::Random;

namespace {

bool readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) == 1;
}

// Tasks that say things: each event is durable first, then published.
struct World {
  Loop loop;
  std::unique_ptr<Store> store = make_memory_store(loop);
  std::unique_ptr<EventHub> hub = std::make_unique<EventHub>(loop, *store);
  std::map<std::string, Seq> last;

  std::shared_ptr<Subscription> subscribe(SubscriptionOptions options) {
    auto subscription = std::make_shared<Subscription>(std::move(options), loop);
    hub->add(subscription);
    return subscription;
  }

  EventRecordPtr append(const std::string& task) {
    const Event event{++last[task], 7, event::UserMessage{fmt::format("{} {}", task, last[task]), {}, Actor::person}};
    const auto bytes = std::make_shared<const std::string>(to_json(task, event));
    Append append;
    append.stream = task;
    append.expected = event.seq - 1;
    append.entries = {bytes};
    store->append(std::move(append), [](Result<Seq> result) { CHECK(result.has_value()); });
    return make_record(task, event, bytes);
  }
  void say(const std::string& task) {
    const auto record = append(task);
    loop.run();
    hub->publish(record);
  }
  void delta(const std::string& task, std::uint64_t number) {
    hub->publish(make_ephemeral(RecordKind::delta_text, "delta.text", task, last[task], number, 7, "", "", "word"));
  }
};

// Takes everything there is and will be.
std::vector<EventRecordPtr> take_all(World& world, Subscription& subscription, std::size_t at_once = 3) {
  std::vector<EventRecordPtr> out;
  for (int quiet = 0; quiet < 3;) {
    world.loop.run();
    auto some = subscription.take(at_once);
    quiet = some.empty() ? quiet + 1 : 0;
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

std::vector<Seq> seqs(const std::vector<EventRecordPtr>& records, const std::string& task) {
  std::vector<Seq> out;
  for (const auto& record : records) {
    if (record->durable() && record->task == task) out.push_back(record->seq);
  }
  return out;
}

std::vector<Seq> up_from(Seq from, Seq to) {
  std::vector<Seq> out;
  for (Seq seq = from; seq <= to; ++seq) out.push_back(seq);
  return out;
}

std::size_t count(const std::vector<EventRecordPtr>& records, RecordKind kind) {
  return static_cast<std::size_t>(std::count_if(records.begin(), records.end(), [&](const auto& record) {
    return record->kind == static_cast<std::int32_t>(kind);
  }));
}

}  // namespace

TEST_CASE("a subscriber gets what it asked for, as it was published") {
  World world;
  const auto all = world.subscribe({});
  const auto one = world.subscribe({.task = "a", .from = 0, .deltas = false, .queue_max = 16});
  CHECK(world.hub->wanted("b"));
  CHECK(world.hub->deltas_wanted("a"));
  world.say("a");
  world.delta("a", 1);
  world.say("b");
  const auto everything = take_all(world, *all);
  REQUIRE(everything.size() == 3);
  CHECK(everything[0]->task == "a");
  CHECK(everything[0]->text == "a 1");
  CHECK(everything[0]->json->find("user.message") != std::string::npos);
  CHECK(everything[1]->delta == 1);
  CHECK(everything[2]->task == "b");
  const auto only = take_all(world, *one);
  CHECK(only.size() == 1);
  CHECK(seqs(only, "a") == up_from(1, 1));
}

TEST_CASE("a subscriber that is gone costs nothing") {
  World world;
  { const auto subscription = world.subscribe({}); }
  CHECK_FALSE(world.hub->wanted("a"));
  world.say("a");
}

TEST_CASE("a subscriber that sleeps is bounded, and gets each event once and in order when it wakes") {
  World world;
  const auto subscription = world.subscribe({.task = {}, .from = 0, .deltas = true, .queue_max = 8});
  for (int i = 0; i < 500; ++i) {
    world.say("a");
    world.say("b");
    world.delta("b", 1);
  }
  world.loop.run();
  CHECK(subscription->take(100).size() <= 9);
  // (What was taken above counts as seen.)
  for (int i = 0; i < 10; ++i) world.say("a");
  const auto rest = take_all(world, *subscription);
  const auto a = seqs(rest, "a");
  const auto b = seqs(rest, "b");
  REQUIRE_FALSE(a.empty());
  REQUIRE_FALSE(b.empty());
  CHECK(a == up_from(a.front(), 510));
  CHECK(b == up_from(b.front(), 500));
  CHECK(a.front() <= 9);
  CHECK(b.front() <= 9);
}

TEST_CASE("deltas that do not fit are dropped with one notice, and leave room for events") {
  World world;
  const auto subscription = world.subscribe({.task = {}, .from = 0, .deltas = true, .queue_max = 8});
  world.say("a");
  for (std::uint64_t i = 1; i <= 50; ++i) world.delta("a", i);
  world.say("a");
  const auto records = take_all(world, *subscription);
  CHECK(seqs(records, "a") == up_from(1, 2));
  CHECK(count(records, RecordKind::delta_text) == 5);
  CHECK(count(records, RecordKind::lagged) == 1);
  // Each further stretch has its own.
  for (std::uint64_t i = 51; i <= 100; ++i) world.delta("a", i);
  CHECK(count(take_all(world, *subscription), RecordKind::lagged) == 1);
}

TEST_CASE("a journal is handed out from where it was asked for, then what is new") {
  World world;
  for (int i = 0; i < 700; ++i) world.say("a");
  for (const Seq from : {Seq{1}, Seq{650}, Seq{701}}) {
    CAPTURE(from);
    const auto subscription = world.subscribe({.task = "a", .from = from, .deltas = true, .queue_max = 64});
    auto records = take_all(world, *subscription, 50);
    world.say("a");
    const auto more = take_all(world, *subscription, 50);
    records.insert(records.end(), more.begin(), more.end());
    CHECK(seqs(records, "a") == up_from(from, world.last["a"]));
  }
}

TEST_CASE("a place that is not written yet is waited for") {
  World world;
  const auto subscription = world.subscribe({.task = "a", .from = 3, .deltas = true, .queue_max = 64});
  for (int i = 0; i < 5; ++i) {
    world.say("a");
    world.loop.run();
  }
  CHECK(seqs(take_all(world, *subscription), "a") == up_from(3, 5));
}

TEST_CASE("events that are durable but not told yet are handed out once") {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world;
    for (std::size_t i = random.below(20); i > 0; --i) world.say("a");
    const Seq from = random.chance(0.7) ? 1 : 0;
    const Seq first = from > 0 ? from : world.last["a"] + 1;
    const auto subscription = world.subscribe({.task = "a", .from = from, .deltas = true, .queue_max = 1 + random.below(12)});
    std::vector<EventRecordPtr> got;
    std::deque<EventRecordPtr> untold;
    const auto take = [&](std::size_t max) {
      const auto some = subscription->take(max);
      got.insert(got.end(), some.begin(), some.end());
    };
    for (int step = 0; step < 200; ++step) {
      switch (random.below(4)) {
        case 0: untold.push_back(world.append("a")); break;
        case 1:
          // A record is told when its append is durable, which is not later than the loop's next turn.
          if (untold.empty()) break;
          world.loop.run();
          world.hub->publish(untold.front());
          untold.pop_front();
          break;
        case 2: world.loop.run_one(); break;
        default: take(1 + random.below(5));
      }
      if (random.chance(0.2)) world.delta("a", 1);
    }
    world.loop.run();
    for (; !untold.empty(); untold.pop_front()) world.hub->publish(untold.front());
    const auto rest = take_all(world, *subscription);
    got.insert(got.end(), rest.begin(), rest.end());
    CHECK(seqs(got, "a") == up_from(first, world.last["a"]));
  }
}

TEST_CASE("the descriptor is readable while there are events, and once the engine has ended") {
  World world;
  const auto subscription = world.subscribe({.task = {}, .from = 0, .deltas = true, .queue_max = 4});
  world.say("a");
  world.loop.run();
  const int fd = subscription->descriptor();
  REQUIRE(fd >= 0);
  CHECK(subscription->descriptor() == fd);
  CHECK(readable(fd));
  CHECK(subscription->take(10).size() == 1);
  CHECK_FALSE(readable(fd));
  CHECK_FALSE(subscription->wait(0));
  for (int i = 0; i < 3; ++i) world.say("a");
  world.loop.run();
  CHECK(readable(fd));
  CHECK(subscription->take(2).size() == 2);
  CHECK(readable(fd));
  CHECK(subscription->wait(0));
  CHECK(subscription->take(2).size() == 1);
  CHECK_FALSE(readable(fd));

  world.say("a");
  world.hub.reset();
  CHECK(readable(fd));
  CHECK_FALSE(subscription->closed());
  CHECK(subscription->take(10).size() == 1);
  CHECK(subscription->closed());
  CHECK(readable(fd));
  CHECK(subscription->wait(-1));
}

TEST_CASE("a subscriber that was behind when the engine ended is told the end") {
  World world;
  const auto subscription = world.subscribe({.task = {}, .from = 0, .deltas = true, .queue_max = 2});
  for (int i = 0; i < 10; ++i) world.say("a");
  world.hub.reset();
  std::vector<EventRecordPtr> got;
  while (!subscription->closed()) {
    const auto some = subscription->take(1);
    REQUIRE_FALSE(some.empty());
    got.insert(got.end(), some.begin(), some.end());
  }
  CHECK(seqs(got, "a") == up_from(1, got.size()));
  world.loop.run();
}

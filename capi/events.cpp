// Subscriptions.
#include <algorithm>
#include <cstring>
#include <utility>

#include "capi/handles.hpp"

using namespace joey;
using namespace joey::capi;

namespace {

joey_event event_view(const EventRecord& record) {
  joey_event event{};
  event.kind = record.kind;
  event.seq = record.seq;
  event.delta = record.delta;
  event.at_ms = record.at;
  event.task = record.task.c_str();
  event.task_size = record.task.size();
  event.json = record.json->c_str();
  event.json_size = record.json->size();
  event.text = record.text.c_str();
  event.text_size = record.text.size();
  event.call = record.call.c_str();
  event.call_size = record.call.size();
  event.name = record.name.c_str();
  event.name_size = record.name.size();
  return event;
}

// Until there is an event, the engine ended or the time ran out. On a host's loop, by driving it.
void wait_for_event(joey_subscription& s, int32_t timeout_ms) {
  if (s.host->owns_thread()) {
    s.subscription->wait(timeout_ms);
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!s.subscription->wait(0)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (timeout_ms >= 0 && left.count() < 0) return;
    if (!s.host->step(timeout_ms < 0 ? -1 : static_cast<int>(left.count()))) return;
  }
}

}  // namespace

joey_status joey_subscribe(joey_engine* engine, const joey_subscription_options* in, joey_subscription** out_subscription) {
  return guarded([&]() -> joey_status {
    clear(out_subscription);
    if (engine == nullptr || out_subscription == nullptr) return invalid("engine or out_subscription is NULL");
    joey_subscription_options options;
    if (!read_struct(in, options)) {
      return invalid("options: struct_size is wrong, or a field of a newer version is set: start from JOEY_SUBSCRIPTION_OPTIONS_INIT");
    }
    SubscriptionOptions request;
    request.task = text_or(options.task, "");
    request.from = options.from_seq;
    request.deltas = (options.flags & JOEY_SUBSCRIBE_NO_DELTAS) == 0;
    if (options.queue_max > 0) request.queue_max = std::max<std::size_t>(options.queue_max, 16);
    if (request.from > 0 && request.task.empty()) return invalid("options: from_seq needs a task");
    auto subscription = std::make_shared<Subscription>(std::move(request), engine->host->scheduler());
    // In the order of the calls: a task started after this is seen from its first event.
    engine->host->post([subscription](Engine& e) { e.hub().add(subscription); });
    *out_subscription = new joey_subscription{engine->host, std::move(subscription), {}};
    return JOEY_OK;
  });
}

void joey_subscription_destroy(joey_subscription* subscription) {
  quietly([&] { delete subscription; });
}

joey_status joey_subscription_next(joey_subscription* subscription, joey_event* events, size_t event_size,
                                   size_t capacity, int32_t timeout_ms, size_t* out_count) {
  return guarded([&]() -> joey_status {
    clear(out_count);
    if (subscription == nullptr || events == nullptr || out_count == nullptr) {
      return invalid("subscription, events or out_count is NULL");
    }
    if (event_size < sizeof(int32_t) || event_size > 4'096 || capacity == 0) {
      return invalid("event_size is not the size of a joey_event, or capacity is 0");
    }
    if (timeout_ms != 0 && subscription->host->on_loop_thread()) {
      return fail(JOEY_ERR_MISUSE, "joey_subscription_next would wait in a callback on the loop thread");
    }
    subscription->taken = subscription->subscription->take(capacity);
    if (subscription->taken.empty() && timeout_ms != 0) {
      wait_for_event(*subscription, timeout_ms);
      subscription->taken = subscription->subscription->take(capacity);
    }
    if (subscription->taken.empty() && subscription->subscription->closed()) {
      return fail(JOEY_ERR_CLOSED, "the engine has ended");
    }
    auto* out = reinterpret_cast<unsigned char*>(events);
    for (const EventRecordPtr& record : subscription->taken) {
      const joey_event event = event_view(*record);
      std::memset(out, 0, event_size);
      std::memcpy(out, &event, std::min(event_size, sizeof event));
      out += event_size;
    }
    *out_count = subscription->taken.size();
    return JOEY_OK;
  });
}

joey_status joey_subscription_poll_fd(const joey_subscription* subscription, int32_t* out_fd) {
  return guarded([&]() -> joey_status {
    if (out_fd != nullptr) *out_fd = -1;
    if (subscription == nullptr || out_fd == nullptr) return invalid("subscription or out_fd is NULL");
    *out_fd = subscription->subscription->descriptor();
    if (*out_fd < 0) return fail(JOEY_ERR_LIMIT, "no file descriptor is left for the subscription");
    return JOEY_OK;
  });
}

// Handing out events: to any number of subscribers, none of whom can slow a task or cost more than its bound.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/scheduler.hpp"
#include "model/event.hpp"
#include "store/store.hpp"

namespace joey {

// The numbers of joey.h's JOEY_EVENT_ constants; those of durable events are their place in EventBody plus one.
enum class RecordKind : std::int32_t {
  delta_text = 100,
  delta_reasoning = 101,
  delta_tool_arguments = 102,
  delta_tool_output = 103,
  lagged = 200,
  task_stalled = 201,
  task_ended = 19,
};

// One event as subscribers get it. Immutable once published, and shared by all of them.
struct EventRecord {
  std::int32_t kind{0};
  Seq seq{0};
  std::uint64_t delta{0};
  Timestamp at{0};
  std::string task;
  EntryBytes json;
  std::string text;
  std::string call;
  std::string name;

  [[nodiscard]] bool durable() const { return kind < 100; }
};
using EventRecordPtr = std::shared_ptr<const EventRecord>;

[[nodiscard]] EventRecordPtr make_record(const std::string& task, const Event& event, EntryBytes json);
// `type` as "delta.text".
[[nodiscard]] EventRecordPtr make_ephemeral(RecordKind kind, std::string_view type, const std::string& task, Seq seq,
                                            std::uint64_t delta, Timestamp at, std::string_view call,
                                            std::string_view name, std::string_view text);

struct SubscriptionOptions {
  std::string task;     // empty: all
  Seq from{0};          // with `task`: its journal from here first; 0: from now on
  bool deltas{true};
  std::size_t queue_max{4'096};
};

// One subscriber's queue. What does not fit is not kept: deltas are dropped, and a durable event is noted as a place in
// its journal to read from later. So each durable event of each task is handed out exactly once, in order.
//
// Threads: take(), wait() and descriptor() from one thread at a time, any; the rest is the loop thread's.
class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  Subscription(SubscriptionOptions options, Scheduler& scheduler);
  ~Subscription();

  // At most `max` events; none when there are none now.
  [[nodiscard]] std::vector<EventRecordPtr> take(std::size_t max);
  // Until there is an event or the engine ended; false when the time ran out.
  bool wait(int timeout_ms);
  // Readable while there are events, and for good once the engine has ended. Made at the first call; -1 when the system
  // has none left.
  [[nodiscard]] int descriptor();
  [[nodiscard]] bool closed();  // the engine ended and everything was taken

  [[nodiscard]] bool wants(const std::string& task) const { return options_.task.empty() || options_.task == task; }
  [[nodiscard]] bool wants_deltas(const std::string& task) const { return options_.deltas && wants(task); }
  void start(Store& store);  // reads what `from` asks for
  void publish(const EventRecordPtr& record);
  // Lets the subscriber take what was published; without this call, later in this turn of the loop.
  void hand_over();
  void close();

 private:
  // A task whose events are read from its journal until they have caught up with those published.
  struct Behind {
    Seq next{1};       // to hand out
    Seq published{0};  // the last that was published meanwhile
    bool reading{false};
    bool ahead{false};  // everything was read, more than was published: what is still to be published is handed out already
  };

  bool push(const EventRecordPtr& record, std::size_t limit);
  void note_lag(const std::string& task, Seq seq, Timestamp at);
  void catch_up();
  void caught(const std::string& task, Result<std::vector<StoredEntry>> entries);
  void publish_behind(std::map<std::string, Behind>::iterator place, const EventRecordPtr& record);
  [[nodiscard]] bool must_read() const;
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed) + fresh_.size(); }

  const SubscriptionOptions options_;
  Scheduler& scheduler_;
  Store* store_{nullptr};                  // loop thread
  std::map<std::string, Behind> behind_;   // loop thread
  bool lag_noted_{false};                  // loop thread
  std::vector<EventRecordPtr> fresh_;      // loop thread: published in this turn of the loop
  std::atomic<std::size_t> queued_{0};     // the size of queue_

  std::mutex mutex_;  // guards the rest
  std::condition_variable ready_;
  std::deque<EventRecordPtr> queue_;
  bool closed_{false};
  bool drain_asked_{false};  // the loop was asked to refill
  bool any_behind_{false};
  bool fd_readable_{false};
  int fd_{-1};
};

// Every subscription of an engine. Loop thread.
class EventHub {
 public:
  explicit EventHub(Scheduler& scheduler, Store& store) : scheduler_(scheduler), store_(store) {}
  ~EventHub();

  void add(std::shared_ptr<Subscription> subscription);
  [[nodiscard]] bool wanted(const std::string& task);
  [[nodiscard]] bool deltas_wanted(const std::string& task);
  void publish(const EventRecordPtr& record);
  void hand_over();  // what was published, to every subscriber

 private:
  void drop_abandoned();

  Scheduler& scheduler_;
  Store& store_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
};

}  // namespace joey

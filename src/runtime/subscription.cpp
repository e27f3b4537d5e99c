#include "runtime/subscription.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "core/control.hpp"

namespace joey {
namespace {

constexpr std::size_t catch_up_events = 256;

// What a person reads of an event, the call it is about, and the tool or mode it names.
struct Reader {
  EventRecord& record;

  void operator()(const event::TaskCreated& e) const { record.name = e.config.mode; }
  void operator()(const event::PromptSet& e) const { record.name = e.mode; }
  void operator()(const event::UserMessage& e) const { record.text = e.text; }
  void operator()(const event::ModeChanged& e) const {
    record.name = e.mode;
    record.text = e.reason;
  }
  void operator()(const event::ModelRequested&) const {}
  void operator()(const event::ModelFailed& e) const { record.text = e.message; }
  void operator()(const event::ModelFinished& e) const {
    for (const Block& block : e.blocks) {
      const auto* text = std::get_if<Text>(&block);
      if (text == nullptr) continue;
      if (!record.text.empty()) record.text += "\n";
      record.text += text->text;
    }
  }
  void operator()(const event::ApprovalRequested& e) const {
    record.call = e.call;
    record.name = e.tool;
    record.text = e.rule;
  }
  void operator()(const event::Approval& e) const {
    record.call = e.call;
    record.name = e.tool;
    record.text = e.feedback.empty() ? e.rule : e.feedback;
  }
  void operator()(const event::QuestionAsked& e) const {
    record.call = e.call;
    record.text = e.question;
  }
  void operator()(const event::ToolStarted& e) const {
    record.call = e.call;
    record.name = e.tool;
  }
  void operator()(const event::ToolFinished& e) const {
    record.call = e.call;
    record.name = e.tool;
    record.text = e.text;
  }
  void operator()(const event::TodosUpdated& e) const { record.text = format_checklist(e.todos); }
  void operator()(const event::SubtaskStarted& e) const {
    record.call = e.call;
    record.name = e.mode;
    record.text = e.message;
  }
  void operator()(const event::SubtaskFinished& e) const { record.call = e.call; }
  void operator()(const event::CacheBroken& e) const { record.text = e.cause; }
  void operator()(const event::TaskPaused&) const {}
  void operator()(const event::TaskResumed&) const {}
  void operator()(const event::TaskEnded& e) const {
    record.name = name_of(e.reason);
    record.text = e.reason == ExitReason::completed ? e.result : e.message;
  }
  void operator()(const event::TaskReopened&) const {}
  void operator()(const event::EnvironmentNoted& e) const { record.text = e.text; }
  void operator()(const event::HostConsulted& e) const {
    record.call = e.call;
    record.name = e.tool;
    record.text = e.rule;
  }
  void operator()(const event::InstructionsFound& e) const {
    record.call = e.call;
    record.name = e.tool;
    record.text = e.excerpt;
  }
  void operator()(const event::CheckpointTaken& e) const {
    record.call = e.call;
    record.name = e.checkpoint;
    record.text = e.message;
  }
  void operator()(const event::CondenseAsked&) const {}
  void operator()(const event::ModelChanged& e) const {
    record.name = e.model.provider;
    record.text = e.model.model;
  }
  void operator()(const event::ContextReduced& e) const {
    record.name = e.method;
    record.text = e.text;
  }
  void operator()(const event::Egress& e) const {
    record.call = e.call;
    record.name = name_of(e.stage);
    record.text = e.message;
  }
};

}  // namespace

EventRecordPtr make_record(const std::string& task, const Event& event, EntryBytes json) {
  auto record = std::make_shared<EventRecord>();
  record->kind = static_cast<std::int32_t>(event.body.index()) + 1;
  record->seq = event.seq;
  record->at = event.at;
  record->task = task;
  record->json = std::move(json);
  std::visit(Reader{*record}, event.body);
  return record;
}

EventRecordPtr make_ephemeral(RecordKind kind, std::string_view type, const std::string& task, Seq seq,
                              std::uint64_t delta, Timestamp at, std::string_view call, std::string_view name,
                              std::string_view text) {
  auto record = std::make_shared<EventRecord>();
  record->kind = static_cast<std::int32_t>(kind);
  record->seq = seq;
  record->delta = delta;
  record->at = at;
  record->task = task;
  record->text = text;
  record->call = call;
  record->name = name;
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", task).field("seq", seq).field("type", type).field("at", at).field("ephemeral", true);
  if (delta > 0) json.field("delta", delta);
  if (!call.empty()) json.field("call", call);
  if (!name.empty()) json.field("name", name);
  json.field("text", text).end_object();
  record->json = std::make_shared<const std::string>(std::move(out));
  return record;
}

Subscription::Subscription(SubscriptionOptions options, Scheduler& scheduler)
    : options_(std::move(options)), scheduler_(scheduler) {}

Subscription::~Subscription() {
  if (fd_ >= 0) ::close(fd_);
}

std::vector<EventRecordPtr> Subscription::take(std::size_t max) {
  std::vector<EventRecordPtr> out;
  bool refill = false;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(max, queue_.size());
    out.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
    queued_ = queue_.size();
    if (queue_.empty() && !closed_ && std::exchange(fd_readable_, false)) {
      std::uint64_t value = 0;
      [[maybe_unused]] const auto n = ::read(fd_, &value, sizeof value);
    }
    refill = any_behind_ && !drain_asked_ && !closed_ && queue_.size() <= options_.queue_max / 2;
    drain_asked_ = drain_asked_ || refill;
  }
  if (refill) {
    scheduler_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->catch_up();
    });
  }
  return out;
}

bool Subscription::wait(int timeout_ms) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !queue_.empty() || closed_; };
  if (timeout_ms >= 0) return ready_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
  ready_.wait(lock, ready);
  return true;
}

int Subscription::descriptor() {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0) {
    fd_readable_ = !queue_.empty() || closed_;
    fd_ = ::eventfd(fd_readable_ ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  return fd_;
}

bool Subscription::closed() {
  const std::lock_guard lock(mutex_);
  return closed_ && queue_.empty();
}

void Subscription::start(Store& store) {
  store_ = &store;
  if (options_.from == 0) return;
  behind_[options_.task].next = options_.from;
  catch_up();
}

void Subscription::publish(const EventRecordPtr& record) {
  if (!wants(record->task)) return;
  const auto behind = behind_.find(record->task);
  if (!record->durable()) {
    if (!options_.deltas && record->kind < static_cast<std::int32_t>(RecordKind::lagged)) return;
    // Deltas leave room for durable events; those of a task that is behind would come before their time.
    if ((behind != behind_.end() && !behind->second.ahead) || !push(record, options_.queue_max * 3 / 4)) {
      note_lag(record->task, record->seq, record->at);
    } else {
      lag_noted_ = false;
    }
    return;
  }
  if (behind != behind_.end()) {
    publish_behind(behind, record);
  } else if (!push(record, options_.queue_max)) {
    behind_[record->task] = {record->seq, record->seq, false, false};
    const std::lock_guard lock(mutex_);
    any_behind_ = true;
  }
}

// A journal can be ahead of what is published: an event is durable first, and told when its completion has come.
void Subscription::publish_behind(std::map<std::string, Behind>::iterator place, const EventRecordPtr& record) {
  Behind& behind = place->second;
  behind.published = record->seq;
  if (!behind.ahead) return;
  if (record->seq >= behind.next) {
    if (!push(record, options_.queue_max)) {
      behind.ahead = false;
      const std::lock_guard lock(mutex_);
      any_behind_ = true;
      return;
    }
    behind.next = record->seq + 1;
  }
  if (record->seq + 1 == behind.next) behind_.erase(place);
}

bool Subscription::must_read() const {
  return std::any_of(behind_.begin(), behind_.end(), [](const auto& one) { return !one.second.ahead; });
}

void Subscription::close() {
  store_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  hand_over();
}

bool Subscription::push(const EventRecordPtr& record, std::size_t limit) {
  if (queued() >= limit) return false;
  fresh_.push_back(record);
  if (fresh_.size() == 1) {
    scheduler_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->hand_over();
    });
  }
  return true;
}

// Moves what one turn of the loop published to where the subscriber takes it: one lock and one wake-up for all of it.
void Subscription::hand_over() {
  if (fresh_.empty() && store_ != nullptr) return;
  bool signal_fd = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), std::make_move_iterator(fresh_.begin()), std::make_move_iterator(fresh_.end()));
    queued_ = queue_.size();
    if (queue_.empty() && !closed_) return;
    signal_fd = fd_ >= 0 && !std::exchange(fd_readable_, true);
  }
  fresh_.clear();
  ready_.notify_all();
  if (!signal_fd) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(fd_, &one, sizeof one);
}

// Once for each stretch of dropped deltas.
void Subscription::note_lag(const std::string& task, Seq seq, Timestamp at) {
  if (lag_noted_) return;
  lag_noted_ = true;
  push(make_ephemeral(RecordKind::lagged, "lagged", task, seq, 0, at, "", "", ""), options_.queue_max + 1);
}

// Reads on in the journals of the tasks that are behind, while there is room.
void Subscription::catch_up() {
  {
    const std::lock_guard lock(mutex_);
    drain_asked_ = false;
    any_behind_ = must_read();
  }
  if (store_ == nullptr) return;
  for (auto& [task, behind] : behind_) {
    if (behind.reading || behind.ahead) continue;
    const std::size_t used = queued();
    if (used >= options_.queue_max) return;
    behind.reading = true;
    ReadQuery query;
    query.stream = task;
    query.from = behind.next;
    query.entries_max = std::min(catch_up_events, options_.queue_max - used);
    store_->read(std::move(query), [weak = weak_from_this(), name = task](Result<std::vector<StoredEntry>> entries) {
      if (const auto self = weak.lock()) self->caught(name, std::move(entries));
    });
  }
}

void Subscription::caught(const std::string& task, Result<std::vector<StoredEntry>> entries) {
  const auto found = behind_.find(task);
  if (found == behind_.end()) return;
  Behind& behind = found->second;
  behind.reading = false;
  if (!entries) {  // the journal cannot be read: what follows is still handed out
    behind_.erase(found);
    return catch_up();
  }
  for (const StoredEntry& entry : *entries) {
    auto event = event_from_json(*entry.bytes);
    if (!event) {
      ++behind.next;
      continue;
    }
    if (!push(make_record(task, *event, entry.bytes), options_.queue_max)) break;
    behind.next = entry.seq + 1;
  }
  if (entries->empty() && behind.published < behind.next) {
    behind.ahead = behind.published + 1 < behind.next;
    if (!behind.ahead) behind_.erase(found);
  }
  const bool room = queued() <= options_.queue_max / 2;
  if (room) return catch_up();
  const std::lock_guard lock(mutex_);
  any_behind_ = must_read();
}

EventHub::~EventHub() {
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->close();
  }
}

void EventHub::add(std::shared_ptr<Subscription> subscription) {
  drop_abandoned();
  subscriptions_.push_back(subscription);
  subscription->start(store_);
}

bool EventHub::wanted(const std::string& task) {
  return std::any_of(subscriptions_.begin(), subscriptions_.end(), [&](const auto& weak) {
    const auto subscription = weak.lock();
    return subscription && subscription->wants(task);
  });
}

bool EventHub::deltas_wanted(const std::string& task) {
  return std::any_of(subscriptions_.begin(), subscriptions_.end(), [&](const auto& weak) {
    const auto subscription = weak.lock();
    return subscription && subscription->wants_deltas(task);
  });
}

void EventHub::publish(const EventRecordPtr& record) {
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->publish(record);
  }
}

void EventHub::hand_over() {
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->hand_over();
  }
}

void EventHub::drop_abandoned() {
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
}

}  // namespace joey

#include "sim/world.hpp"

#include <algorithm>
#include <array>

#include "sim/tools.hpp"
#include "sim/vendor.hpp"
#include "sim/wire.hpp"

namespace joey::sim {
namespace {

constexpr std::array<const char*, 5> modes{"architect", "code", "ask", "debug", "orchestrator"};
// From calm to the end of everything: the longest wait a provider may ask for, and then some.
// From an orderly stop to its end: tools obey, and the disk completes what it has.
constexpr milliseconds stop_within = obey_within + milliseconds(20'000);

// Runs what is posted at once: for looking at the disk from outside.
class InlineScheduler final : public Scheduler {
 public:
  Timestamp now() const override { return 0; }
  void post(UniqueFunction<void()> fn) override { fn(); }
  TimerId after(milliseconds, UniqueFunction<void()>) override { return 0; }
  void cancel(TimerId) override {}
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    blocking();
    done();
  }
};

TaskConfig draw_config(Random& random, const char* wire) {
  TaskConfig config;
  config.workspace = "/sim";
  config.mode = random.pick(std::array<const char*, 4>{"code", "code", "debug", "architect"});
  config.provider = wire;
  config.wire = wire;
  config.model = "sim-model";
  config.context_window = 200'000;
  config.output_tokens_max = 1'000;
  config.price_input = 3;
  config.price_output = 15;
  config.price_cache_read = 0.3;
  config.price_cache_write = 3.75;
  if (random.chance(0.2)) config.limits.turns_max = random.between(1, 15);
  if (random.chance(0.1)) config.limits.tokens_max = random.between(5'000, 100'000);
  if (random.chance(0.3)) config.limits.cost_usd_max = 0.01 * static_cast<double>(random.between(1, 50));
  config.limits.mistakes_max = random.chance(0.5) ? 0 : random.between(1, 4);
  config.limits.repeats_max = random.between(0, 3);
  config.limits.retries_max = random.chance(0.3) ? random.between(0, 2) : 8;
  for (const char* group : {"read", "edit", "command", "modes", "subtasks", "custom"}) {
    if (random.chance(0.7)) config.policy.allow.emplace_back(group);
  }
  for (const char* name : {"deploy", "execute_command", "peek", "update_todo_list"}) {
    if (random.chance(0.05)) config.policy.deny.emplace_back(name);
  }
  return config;
}

// Of every third world: the others keep the lives that bugs were found in.
void narrow_window(std::uint64_t seed, TaskConfig& config) {
  if (seed % 3 != 0) return;
  Random random(seed ^ 0x31d0U);
  config.context_window = random.between(6'000, 12'000);
  if (random.chance(0.3)) config.condense_percent = random.between(30, 90);
}

// What stands in for it speaks the other wire.
TaskConfig spare_of(TaskConfig config) {
  config.provider = config.wire = config.wire == "anthropic" ? "openai" : "anthropic";
  config.model = "sim-spare";
  config.price_output = 12;
  return config;
}

TaskConfig plain_config(const char* wire) {
  TaskConfig config;
  config.workspace = "/sim";
  config.mode = "code";
  config.provider = config.wire = wire;
  config.model = "sim-model";
  config.output_tokens_max = 1'000;
  config.policy.allow = {"read", "edit", "command", "subtasks"};
  return config;
}

bool is_scenario(const WorldOptions& options) { return !options.words.empty(); }

Faults faults_of(const WorldOptions& options) {
  if (options.faults) return *options.faults;
  return is_scenario(options) ? Faults{} : draw_faults(Random(options.seed ^ 0xfa017U));
}

}  // namespace

World::World(WorldOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      scheduler_(random_.split()),
      setting_{scheduler_, auditor_, random_, faults_of(options_), options_.sabotage, options_.verbose, false, {}} {
  brain_ = options_.make_brain ? options_.make_brain(setting_) : make_random_brain(setting_);
  for (const char* wire : {"anthropic", "openai"}) {
    configs_.push_back(is_scenario(options_) ? plain_config(wire) : draw_config(random_, wire));
    if (is_scenario(options_)) {
      configs_.back().context_window = options_.context_window;
    } else {
      narrow_window(options_.seed, configs_.back());
    }
  }
  if (!is_scenario(options_)) {
    Random random(options_.seed ^ 0x5ba8eU);
    has_spares_ = random.chance(0.5);
    if (random.chance(0.3)) limits_ = {random.between(1, 3), random.between(20, 200), random.between(20'000, 2'000'000)};
  }
  if (setting_.faults.garbage > 0) auditor_.trust_no_bill();
  requests_max_ = 1 + random_.below(4);
  keep_waiting_ms_ = random_.chance(0.5) ? random_.between(1, 3'000) : 30'000;
  boot();
  if (is_scenario(options_)) {
    start_task(options_.words);
    become_calm();
    return;
  }
  if (options_.steps_busy == 0) options_.steps_busy = 300 + random_.below(5'000);
  tasks_max_ = 1 + random_.below(6);
  start_task(fmt::format("task {}", ++words_count_));
  for (std::size_t i = random_.below(3); i > 0; --i) subscribe("");
  every(3'000, [this] { person_acts(); });
  every(6'000, [this] { operator_acts(); });
}

World::~World() {
  engine_.reset();
  scheduler_.forget_process();
}

std::string World::run() {
  while (auditor_.ok() && !(setting_.calm && everything_ended())) {
    if (!scheduler_.step()) auditor_.violate("nothing is planned any more, and not everything has ended");
    ++steps_;
    for (const std::string& task : auditor_.take_settled()) {
      const auto runner = engine_->find(task);
      if (runner && process_->alive() && !auditor_.appending(task)) auditor_.compare(task, runner->task());
    }
    if (stop_deadline_ == 0 && setting_.happens(setting_.faults.stop_step)) begin_stop();
    if (setting_.happens(setting_.faults.crash_step)) process_->kill();
    if (!process_->alive()) {
      die();
    } else if (stop_deadline_ != 0) {
      continue_stop();
    }
    if (!setting_.calm && steps_ > options_.steps_busy) become_calm();
    if (setting_.calm && steps_ > options_.steps_busy + options_.steps_calm_max) auditor_.violate("too many steps in a calm world");
    if (setting_.calm && scheduler_.now() - calm_since_ > options_.settle_within.count()) {
      std::string open;
      for (const auto& [name, chronicle] : auditor_.chronicles()) {
        const auto runner = engine_->find(name);
        if (chronicle.task.phase == Phase::ended && !runner) continue;
        open += fmt::format(" {} ({}{})", name, status_of(chronicle.task), runner ? ", live" : "");
      }
      for (const auto& [id, what] : unanswered_) open += fmt::format(" [{} has no answer]", what);
      auditor_.violate("long after the last fault not everything has ended:" + open);
    }
  }
  if (auditor_.ok()) check_end();
  return auditor_.violation();
}

// ---- The process. --------------------------------------------------------------------------------------------------------

void World::boot() {
  ++incarnation_;
  setting_.trace("the engine starts");
  process_ = std::make_shared<Process>([this](std::string_view place) { return strikes(place); });
  EngineOptions options;
  options.requests_max = requests_max_;
  options.keep_waiting = milliseconds(keep_waiting_ms_);
  options.random = [this] { return random_.next(); };
  engine_ = std::make_unique<Engine>(
      scheduler_, make_faulty_store(setting_, process_, make_memory_store(scheduler_, disk_), disk_full_until_),
      std::make_unique<Vendor>(setting_, process_, brain_, exchanges_), std::move(options));
  sessions_.clear();
  for (const TaskConfig& config : configs_) {
    SessionSetup setup;
    setup.config = config;
    setup.tools = make_tools(setting_, process_);
    const auto add = [&](const TaskConfig& model, const UpstreamLimits& limits) {
      const auto provider = make_provider(model.wire);
      setup.models.push_back({model, provider, make_http_model({provider, "https://sim.invalid/v1", model.model, make_fixed_key("key"),
                                                                {}, nullptr, limits},
                                                               scheduler_, engine_->transport(), engine_->gate())});
    };
    add(config, limits_);
    if (has_spares_) add(spare_of(config), {});
    setup.idle_timeout = milliseconds(60'000);
    sessions_.push_back(std::make_shared<Session>(std::move(setup)));
  }
  for (Subscriber& subscriber : subscribers_) {
    SubscriptionOptions wanted;
    wanted.task = subscriber.task;
    wanted.from = subscriber.task.empty() ? 0 : std::max<Seq>(1, subscriber.next[subscriber.task]);
    wanted.deltas = random_.chance(0.5);
    wanted.queue_max = random_.chance(0.5) ? 4 + random_.below(12) : 4'096;
    subscriber.subscription = std::make_shared<Subscription>(wanted, scheduler_);
    if (subscriber.task.empty()) subscriber.next.clear();
    subscriber.at_start.clear();
    for (const auto& [name, chronicle] : auditor_.chronicles()) subscriber.at_start[name] = chronicle.entries.size();
    engine_->hub().add(subscriber.subscription);
  }
}

void World::die() {
  setting_.trace("the engine is killed");
  disk_->crash();
  stop_deadline_ = 0;
  bury();
  boot();
  // Whoever had no answer asks again.
  if (is_scenario(options_) && auditor_.chronicles().empty()) start_task(options_.words);
}

void World::begin_stop() {
  setting_.trace("the engine is told to stop");
  auditor_.stopped();
  engine_->stop();
  stop_deadline_ = scheduler_.now() + stop_within.count();
}

void World::continue_stop() {
  if (engine_->tools_running() > 0 || auditor_.appending()) {
    if (scheduler_.now() > stop_deadline_) auditor_.violate("a stopped engine has not come to its end");
    return;
  }
  stop_deadline_ = 0;
  for (const auto& [number, what] : unanswered_) auditor_.violate(what + " had no answer when the engine stopped");
  bury();
  check_nothing_left();
  scheduler_.forget_process();
  boot();
}

// Of an engine that came to an orderly end.
void World::check_nothing_left() {
  if (scheduler_.timers_count() > 0) auditor_.violate("the engine has ended and left timers behind");
  if (*exchanges_ != 0) auditor_.violate("the engine has ended and left exchanges behind");
}

void World::bury() {
  const bool killed = !process_->alive();
  engine_.reset();
  sessions_.clear();
  if (killed) scheduler_.forget_process();
  process_->kill();
  auditor_.crashed();
  unanswered_.clear();
  for (Subscriber& subscriber : subscribers_) take(subscriber, SIZE_MAX);
  verify_disk();
}

bool World::strikes(std::string_view place) {
  ++places_;
  const bool struck = is_scenario(options_) ? options_.kill_at.contains(places_) : setting_.happens(setting_.faults.crash_effect);
  if (struck) setting_.trace("killed at: {}", place);
  return struck;
}

// The disk holds exactly what was durable.
void World::verify_disk() {
  InlineScheduler now;
  const auto store = make_memory_store(now, disk_);
  for (const auto& [name, chronicle] : auditor_.chronicles()) {
    ReadQuery query;
    query.stream = name;
    query.entries_max = SIZE_MAX;
    query.bytes_max = SIZE_MAX;
    store->read(std::move(query), [&, this](Result<std::vector<StoredEntry>> entries) {
      if (!entries || entries->size() != chronicle.entries.size()) return auditor_.violate(name + ": the disk lost or kept too much");
      for (std::size_t i = 0; i < entries->size(); ++i) {
        if (*(*entries)[i].bytes != *chronicle.entries[i]) auditor_.violate(fmt::format("{}: event {} changed on the disk", name, i + 1));
      }
    });
    store->get_summary(name, [&, this](Result<TaskSummary> summary) {
      const Task& task = chronicle.task;
      if (!summary || summary->status != status_of(task)) auditor_.violate(name + ": the list shows another status");
      if (task.phase != Phase::ended) return;
      if (summary->cost_usd != task.cost_usd || summary->turns != task.turn) auditor_.violate(name + ": the list shows an ended task otherwise");
    });
  }
}

// ---- Those around it. ------------------------------------------------------------------------------------------------------

const std::shared_ptr<Session>& World::session_of(const std::string& task) const {
  // In every fifth world a restart opens tasks with another provider: the others keep the lives that bugs were found in.
  const std::size_t moved = options_.seed % 5 == 0 && !is_scenario(options_) ? static_cast<std::size_t>(incarnation_) : 0;
  return sessions_.at((session_index_.at(task.substr(0, task.find('.'))) + moved) % sessions_.size());
}

void World::every(std::int64_t delay_ms_max, std::function<void()> act) {
  scheduler_.outside(setting_.delay(delay_ms_max), [this, delay_ms_max, act = std::move(act)]() mutable {
    if (process_->alive()) act();
    // In a calm world everybody is quick.
    every(setting_.calm ? 300 : delay_ms_max, std::move(act));
  });
}

void World::start_task(std::string words) {
  const std::string id = engine_->new_task_id();
  session_index_[id] = random_.below(sessions_.size());
  setting_.trace("{}: start \"{}\"", id, words);
  const std::uint64_t number = ++last_input_;
  unanswered_[number] = id + " start";
  engine_->start(session_of(id), id, std::move(words), [this, number, id](Status status) {
    if (unanswered_.erase(number) == 0) auditor_.violate(id + ": a start was answered twice");
    if (status && auditor_.find(id) == nullptr) auditor_.violate(id + ": a start was acknowledged and is not on the disk");
    if (!status) setting_.trace("{}: not started: {}", id, status.error().message);
  });
  if (random_.chance(0.5) && !is_scenario(options_)) subscribe(id);
}

void World::send(const std::string& task, Input input, const char* what) {
  setting_.trace("{}: {}", task, what);
  const std::uint64_t number = ++last_input_;
  unanswered_[number] = task + " " + what;
  engine_->deliver(session_of(task), task, input, [this, number, task, input, what](Status status) {
    if (unanswered_.erase(number) == 0) auditor_.violate(fmt::format("{}: {} was answered twice", task, what));
    if (!status) return setting_.trace("{}: {} refused: {}", task, what, status.error().message);
    auditor_.acknowledged(task, input);
    if (std::holds_alternative<input::Cancel>(input)) watch_cancel(task);
  });
}

void World::person_acts() {
  if (setting_.calm) return person_helps();
  if (session_index_.size() < tasks_max_ && random_.chance(0.3)) start_task(fmt::format("task {}", ++words_count_));
  if (auditor_.chronicles().empty()) return;
  const auto& [name, chronicle] = random_.pick(auditor_.chronicles());
  if (random_.chance(0.1)) subscribe(name);
  for (const CallProgress& call : chronicle.task.calls) {
    if (call.state == CallState::asking && random_.chance(0.8)) {
      return send(name, input::Decide{call.id, random_.chance(0.8), random_.chance(0.3) ? "mind the gap" : ""}, "decides");
    }
    if (call.state == CallState::questioning && random_.chance(0.8)) {
      return send(name, input::Answer{call.id, fmt::format("answer {}", ++words_count_), random_.chance(0.3) ? random_.pick(modes) : ""}, "answers");
    }
  }
  if (chronicle.task.paused && random_.chance(0.6)) return send(name, input::Resume{}, "resumes");
  if (setting_.happens(0.4 * setting_.faults.meddling)) meddle(name, chronicle);
}

void World::meddle(const std::string& name, const Chronicle& chronicle) {
  switch (random_.below(9)) {
    case 0:
    case 1:
    case 2: {
      input::Say say{fmt::format("say {}", ++words_count_), {}};
      if (random_.chance(0.2)) say.images.push_back({"image/png", std::string(image_in_base64)});
      return send(name, std::move(say), "says");
    }
    case 3: return send(name, input::Pause{}, "pauses");
    case 4: return send(name, input::Resume{}, "resumes");
    case 5: return send(name, input::Cancel{random_.chance(0.5) ? "enough" : ""}, "cancels");
    case 6: return send(name, input::SetMode{random_.pick(modes)}, "sets the mode");
    case 7: return send(name, input::Decide{fmt::format("c{:05}000", chronicle.task.turn), true, ""}, "decides at random");
    default: return send(name, input::Say{"  ", {}}, "says nothing");
  }
}

void World::person_helps() {
  for (const auto& [name, chronicle] : auditor_.chronicles()) {
    const bool waits = std::any_of(unanswered_.begin(), unanswered_.end(), [&](const auto& one) { return one.second.starts_with(name + " "); });
    if (waits) continue;
    if (chronicle.task.phase == Phase::ended) continue;
    if (chronicle.task.paused) {
      send(name, input::Resume{}, "resumes");
      continue;
    }
    for (const CallProgress& call : chronicle.task.calls) {
      if (call.state == CallState::asking) {
        send(name, input::Decide{call.id, true, ""}, "decides");
        break;
      }
      if (call.state == CallState::questioning) {
        send(name, input::Answer{call.id, fmt::format("answer {}", ++words_count_), ""}, "answers");
        break;
      }
    }
  }
}

// Takes up again what was lost from memory: after a restart, and when the store failed.
void World::operator_acts() {
  for (const auto& [name, chronicle] : auditor_.chronicles()) {
    if (chronicle.task.phase == Phase::ended || status_of(chronicle.task) != "running" || engine_->find(name)) continue;
    if (!setting_.calm && random_.chance(0.3)) continue;
    setting_.trace("{}: opened", name);
    const std::uint64_t number = ++last_input_;
    unanswered_[number] = name + " open";
    engine_->open(session_of(name), name, [this, number, task = name](Status status) {
      if (unanswered_.erase(number) == 0) auditor_.violate(task + ": an open was answered twice");
      if (!status) setting_.trace("{}: not opened: {}", task, status.error().message);
    });
  }
}

// A cancel ends the subtasks too, wherever they are.
void World::watch_cancel(const std::string& task) {
  // Where the disk fails or the process ends, the cancel of a subtask may be lost: that is told at the end.
  const Faults& faults = setting_.faults;
  if (faults.append_fails > 0 || faults.disk_full > 0) return;
  const auto* chronicle = auditor_.find(task);
  const Seq at = chronicle->task.seq;
  constexpr milliseconds patience{60'000};
  scheduler_.outside(patience, [this, task, at, incarnation = incarnation_] {
    if (incarnation != incarnation_ || auditor_.find(task)->task.seq != at) return;
    for (const auto& [name, child] : auditor_.chronicles()) {
      if (child.task.parent != task || child.task.phase == Phase::ended) continue;
      const bool reopened = std::any_of(child.events.begin(), child.events.end(), [](const Event& event) {
        return std::holds_alternative<event::TaskReopened>(event.body);
      });
      if (!reopened) auditor_.violate(fmt::format("{} was cancelled, and its subtask {} goes on", task, name));
    }
  });
}

void World::subscribe(std::string task) {
  Subscriber subscriber;
  SubscriptionOptions options;
  options.task = task;
  options.from = task.empty() ? 0 : 1;
  options.deltas = random_.chance(0.5);
  options.queue_max = random_.chance(0.5) ? 4 + random_.below(12) : 4'096;
  subscriber.task = std::move(task);
  if (!subscriber.task.empty()) subscriber.next[subscriber.task] = 1;
  for (const auto& [name, chronicle] : auditor_.chronicles()) subscriber.at_start[name] = chronicle.entries.size();
  subscriber.subscription = std::make_shared<Subscription>(options, scheduler_);
  engine_->hub().add(subscriber.subscription);
  subscribers_.push_back(std::move(subscriber));
  const std::size_t index = subscribers_.size() - 1;
  every(setting_.faults.slow_reader > 0 && random_.chance(0.5) ? 20'000 : 500, [this, index] { subscriber_takes(index); });
}

void World::subscriber_takes(std::size_t index) { take(subscribers_[index], setting_.calm ? 1'000 : 1 + random_.below(20)); }

void World::take(Subscriber& subscriber, std::size_t max) {
  for (const EventRecordPtr& record : subscriber.subscription->take(max)) {
    if (!record->durable()) continue;
    if (setting_.sabotage == Sabotage::swallowed_event && record->seq == 3) continue;
    const auto problem = [&](std::string_view what) {
      auditor_.violate(fmt::format("{}: a subscriber was given event {}, {}", record->task, record->seq, what));
    };
    const auto* chronicle = auditor_.find(record->task);
    if (chronicle == nullptr || record->seq > chronicle->entries.size()) return problem("which is not on the disk");
    if (*record->json != *chronicle->entries[record->seq - 1]) return problem("which is another on the disk");
    const auto [next, first] = subscriber.next.try_emplace(record->task, record->seq);
    if (!first && next->second != record->seq) return problem(fmt::format("not {}", next->second));
    next->second = record->seq + (setting_.sabotage == Sabotage::repeated_event && record->seq == 3 ? 0 : 1);
  }
}

// ---- The end. --------------------------------------------------------------------------------------------------------------

void World::become_calm() {
  setting_.trace("the world turns calm");
  setting_.calm = true;
  calm_since_ = scheduler_.now();
  options_.steps_busy = steps_;
  every(300, [this] { person_helps(); });
  every(300, [this] { operator_acts(); });
}

bool World::everything_ended() const {
  if (stop_deadline_ != 0 || engine_->tasks_live() > 0 || engine_->tools_running() > 0 || *exchanges_ > 0 || !unanswered_.empty()) return false;
  const auto& all = auditor_.chronicles();
  return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.second.task.phase == Phase::ended; });
}

// Nobody works on a task that has ended.
void World::check_leases() {
  InlineScheduler now;
  const auto store = make_memory_store(now, disk_);
  for (const auto& [name, chronicle] : auditor_.chronicles()) {
    store->acquire_lease(name, [&, this](Status status) {
      if (!status) auditor_.violate(name + ": has ended, and its lease is held");
    });
  }
}

void World::check_end() {
  for (const auto& [name, chronicle] : auditor_.chronicles()) {
    ++last_input_;
    unanswered_[last_input_] = name + " replay";
    engine_->replay(name, [this, number = last_input_, task = name](Result<ReplayReport> report) {
      unanswered_.erase(number);
      if (!report) return auditor_.violate(fmt::format("{}: cannot be replayed: {}", task, report.error().message));
      if (!report->mismatches.empty()) auditor_.violate(fmt::format("{}: event {} replays to other bytes", task, report->mismatches[0].seq));
    });
  }
  // The slowest subscriber comes again within half a minute.
  constexpr milliseconds patience{60'000};
  const Timestamp until = scheduler_.now() + patience.count();
  while (scheduler_.now() < until && auditor_.ok()) (void)scheduler_.step();
  if (!unanswered_.empty()) auditor_.violate(unanswered_.begin()->second + " never came to an end");
  for (const Subscriber& subscriber : subscribers_) {
    for (const auto& [name, chronicle] : auditor_.chronicles()) {
      if (!subscriber.task.empty() && subscriber.task != name) continue;
      const auto start = subscriber.at_start.find(name);
      const Seq known = start == subscriber.at_start.end() ? 0 : start->second;
      const auto next = subscriber.next.find(name);
      const Seq seen = next == subscriber.next.end() ? known : next->second - 1;
      if (seen != chronicle.entries.size()) {
        auditor_.violate(fmt::format("{}: a subscriber has seen {} of {} events", name, seen, chronicle.entries.size()));
      }
    }
  }
  check_leases();
  engine_->stop();
  bury();
  check_nothing_left();
  boot();
}

}  // namespace joey::sim

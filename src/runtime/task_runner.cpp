#include "runtime/task_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/engine.hpp"

namespace joey {
namespace {

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first -
                                  a.begin());
}

}  // namespace

TaskRunner::TaskRunner(Engine& engine, std::shared_ptr<Session> session, Task task)
    : engine_(engine),
      session_(std::move(session)),
      task_(std::move(task)),
      rope_(session_->model_of(task_.config).provider, task_.config.images),
      background_(std::make_shared<std::vector<std::shared_ptr<TaskCommands>>>()),
      files_(std::make_shared<FileLedger>()),
      artifacts_(engine_.artifacts_of(task_.id)) {}

TaskRunner::~TaskRunner() {
  stop_all();
  for (Waiting& waiting : inputs_) waiting.done(failure(ErrorCode::closed, "the engine has ended"));
}

bool TaskRunner::idle() const {
  return !handling_ && inputs_.empty() && !model_ && running_.empty() && consultations_.empty() && timer_ == 0;
}

bool TaskRunner::may_leave() const {
  if (!idle()) return false;
  // A task that waits for a subtask is idle too, and must be here when it ends.
  const std::string_view status = status_of(task_);
  return stalled_ || task_.phase == Phase::fresh || task_.phase == Phase::ended || status == "waiting" || status == "paused";
}

bool TaskRunner::awaits(std::string_view child) const {
  return std::any_of(task_.calls.begin(), task_.calls.end(),
                     [&](const CallProgress& call) { return call.state == CallState::subtask && call.child == child; });
}

void TaskRunner::deliver(Input input, Completion<void> done) {
  if (stalled_) return done(failure(ErrorCode::io, "the task left memory because its store failed: open it again"));
  if (std::holds_alternative<input::Cancel>(input)) preparing_.cancel();  // what was being read is no longer worth a wait
  inputs_.push_back({std::move(input), std::move(done)});
  pump();
}

// Inputs that come while one is under way wait: its events must be durable before the next is decided on them.
void TaskRunner::pump() {
  const auto self = shared_from_this();
  while (!handling_ && !inputs_.empty()) {
    Waiting next = std::move(inputs_.front());
    inputs_.pop_front();
    handle(std::move(next));
  }
  settle();
}

void TaskRunner::handle(Waiting waiting) {
  handling_ = true;
  if (needs_preparation(waiting.input)) return prepare_and_handle(std::move(waiting));
  decide_on(std::move(waiting));
}

// What a person says is taken in its turn, however long its mentions take to read.
bool TaskRunner::needs_preparation(const Input& input) const {
  if (session_->project() == nullptr) return false;
  if (std::holds_alternative<input::Start>(input)) return true;
  const auto* say = std::get_if<input::Say>(&input);
  return say != nullptr && (may_mention(say->text) || session_->setup().box != nullptr);
}

void TaskRunner::prepare_and_handle(Waiting waiting) {
  preparing_ = CancelToken();
  PreparationRequest request;
  request.workspace = session_->setup().workspace;
  request.global = session_->setup().global;
  request.project = session_->project();
  request.project_options = session_->setup().project_options;
  request.problems = session_->mentions().problems;
  request.terminal = session_->mentions().terminal;
  request.now = engine_.scheduler().now();
  request.cancel = preparing_;
  request.redactor = session_->redactor();
  request.box = session_->setup().box;
  request.box_options = session_->setup().box_options;
  request.policy = session_->setup().config.policy;
  if (const auto* start = std::get_if<input::Start>(&waiting.input)) {
    request.begins = true;
    request.by_person = start->parent.empty();
    request.text = start->text;
    request.mode = start->config.mode;
  } else {
    request.text = std::get<input::Say>(waiting.input).text;
    request.mode = task_.mode;
  }
  auto preparation = std::make_shared<Preparation>();
  engine_.scheduler().work(
      [request = std::move(request), preparation] { *preparation = prepare(request); },
      [weak = weak_from_this(), preparation, waiting = std::move(waiting)]() mutable {
        const auto self = weak.lock();
        if (!self) return waiting.done(failure(ErrorCode::closed, "the engine has ended"));
        if (Status taken = self->take(std::move(*preparation), waiting.input); !taken) {
          self->handling_ = false;
          waiting.done(std::move(taken));
        } else {
          self->decide_on(std::move(waiting));
        }
        self->pump();
      });
}

Status TaskRunner::take(Preparation preparation, Input& input) {
  if (!preparation.box) return tl::unexpected(std::move(preparation.box.error()));
  if (*preparation.box) session_->set_box(*std::move(preparation.box));
  // Another task of the session may have read the same change.
  if (preparation.project && *preparation.project != *session_->project()) session_->set_project(preparation.project);
  if (auto* say = std::get_if<input::Say>(&input)) {
    say->for_model = std::move(preparation.for_model);
    say->mode = std::move(preparation.mode);
    std::move(preparation.images.begin(), preparation.images.end(), std::back_inserter(say->images));
    return {};
  }
  auto& start = std::get<input::Start>(input);
  start.for_model = std::move(preparation.for_model);
  std::move(preparation.images.begin(), preparation.images.end(), std::back_inserter(start.images));
  if (find_mode(session_->modes(), preparation.mode) != nullptr) start.config.mode = std::move(preparation.mode);
  news_ = session_->redactor()->redact(preparation.environment);
  return {};
}

void TaskRunner::gather_news() {
  constexpr std::size_t news_bytes_max = 16U << 10;
  const std::string told = take_news(*background_, news_bytes_max);
  if (told.empty()) return;
  if (!news_.empty()) news_ += "\n\n";
  news_ += session_->redactor()->redact(told);
}

void TaskRunner::decide_on(Waiting waiting) {
  const Timestamp now = engine_.scheduler().now();
  redact(waiting.input, *session_->redactor());
  if (auto* start = std::get_if<input::Start>(&waiting.input)) {
    if (const auto prompt = session_->prompt(start->config.mode, start->config.result_schema)) start->prompt = prompt->set;
  }
  gather_news();
  Surroundings around = session_->surroundings(news_, &conversation_);
  if (model_) around.spent = model_->spent();
  auto decided = decide(task_, waiting.input, now, around);
  if (!decided) {
    handling_ = false;
    return waiting.done(tl::unexpected(std::move(decided.error())));
  }
  if (decided->events.empty()) {
    for (const Effect& effect : decided->effects) carry_out(effect);
    handling_ = false;
    return waiting.done({});
  }
  Append append;
  append.stream = task_.id;
  append.expected = task_.seq;
  if (Status sealed = seal(*decided, append); !sealed) return stall(sealed.error(), waiting.done);
  std::vector<EntryBytes> entries = append.entries;
  engine_.store().append(
      std::move(append), [weak = weak_from_this(), decision = std::move(*decided), entries = std::move(entries),
                          done = std::move(waiting.done)](Result<Seq> result) mutable {
        const auto self = weak.lock();
        if (!self) return done(failure(ErrorCode::closed, "the engine has ended"));
        if (!result) return self->stall(result.error(), done);
        self->appended(std::move(decision), std::move(entries), std::move(done));
        self->pump();
      });
}

// Completes the events with what only the bytes can tell, and turns them into entries.
Status TaskRunner::seal(Decision& decision, Append& append) {
  event::CacheBroken* broken = nullptr;
  BodyRope before;  // a reduction
  for (std::size_t i = 0; i < decision.events.size(); ++i) {
    EventBody& body = decision.events[i];
    if (auto* cache = std::get_if<event::CacheBroken>(&body)) {
      broken = cache;
      cache->offset = static_cast<std::int64_t>(rope_.settled_bytes());
    } else if (std::holds_alternative<event::ContextReduced>(body) && broken != nullptr && broken->cause == "condense") {
      before = rope_.request().body;
    } else if (const auto* created = std::get_if<event::TaskCreated>(&body)) {
      encode_for(created->config);
    } else if (const auto* changed = std::get_if<event::ModelChanged>(&body)) {
      encode_for(changed->model);
    } else if (const auto* prompt = std::get_if<event::PromptSet>(&body)) {
      const auto ready = session_->find_prompt(*prompt);
      RequestHead head = ready ? session_->head(decision.after.config, *ready) : nullptr;
      if (!head) return failure(ErrorCode::internal, task_.id + ": a prompt of no known session");
      // For another model everything is encoded anew.
      if (broken != nullptr && broken->cause == "model") {
        broken->offset = 0;
      } else if (broken != nullptr && rope_.head()) {
        broken->offset = static_cast<std::int64_t>(common_prefix(*rope_.head(), *head));
      }
      rope_.set_head(std::move(head));
      append.blobs = engine_.unstored(*ready);
    }
    conversation_.apply(body, rope_);
    if (auto* requested = std::get_if<event::ModelRequested>(&body)) {
      request_ = rope_.request();
      requested->digest = request_.digest;
      requested->bytes = static_cast<std::int64_t>(request_.bytes);
    }
  }
  if (broken != nullptr && !before.empty()) {
    broken->offset = static_cast<std::int64_t>(RequestRope::common_bytes(before, rope_.request().body));
  }
  const Timestamp at = decision.after.updated_at;
  Seq seq = task_.seq;
  for (EventBody& body : decision.events) {
    // The body is lent to an Event for its encoding and taken back.
    Event event{++seq, at, std::move(body)};
    append.entries.push_back(std::make_shared<const std::string>(to_json(task_.id, event)));
    body = std::move(event.body);
  }
  append.summary = summary(decision);
  return {};
}

void TaskRunner::encode_for(const TaskConfig& config) {
  rope_ = RequestRope(session_->model_of(config).provider, config.images);
  rope_.restart(conversation_.window());
}

// A list shows a task as it was when it last changed in a way that shows.
std::unique_ptr<TaskSummary> TaskRunner::summary(const Decision& decision) const {
  const Task& after = decision.after;
  const bool answered = after.answered && !task_.answered;
  if (task_.seq > 0 && !answered && status_of(after) == status_of(task_)) return nullptr;
  auto out = std::make_unique<TaskSummary>();
  out->task = after.id;
  out->parent = after.parent;
  out->session = after.session;
  out->title = after.title;
  out->status = status_of(after);
  out->mode = after.mode;
  out->provider = after.config.provider;
  out->model = after.config.model;
  out->created_at = after.created_at;
  out->updated_at = after.updated_at;
  out->tokens_input = after.usage.input + after.usage.cache_read + after.usage.cache_write;
  out->tokens_output = after.usage.output;
  out->cost_usd = after.cost_usd;
  out->turns = after.turn;
  out->last_seq = after.seq;
  return out;
}

void TaskRunner::appended(Decision decision, std::vector<EntryBytes> entries, Completion<void> done) {
  const Seq first = task_.seq + 1;
  const bool ended = decision.after.phase == Phase::ended && task_.phase != Phase::ended;
  task_ = std::move(decision.after);
  for (std::size_t i = 0; i < decision.events.size(); ++i) {
    if (std::holds_alternative<event::ModelRequested>(decision.events[i])) {
      request_seq_ = first + i;
      request_deltas_ = 0;
    }
    if (const auto* prompt = std::get_if<event::PromptSet>(&decision.events[i])) engine_.stored(*prompt);
    if (std::holds_alternative<event::EnvironmentNoted>(decision.events[i])) news_.clear();
    if (const auto* finished = std::get_if<event::SubtaskFinished>(&decision.events[i])) subtasks_.erase(finished->child);
  }
  for (const Effect& effect : decision.effects) carry_out(effect);
  publish(decision.events, entries, first, task_.updated_at);
  if (ended) {
    close_networks();
    background_->clear();
    report_to_parent();
  }
  handling_ = false;
  done({});
}

void TaskRunner::publish(const std::vector<EventBody>& events, const std::vector<EntryBytes>& entries, Seq first,
                         Timestamp at) {
  if (!engine_.hub().wanted(task_.id)) return;
  for (std::size_t i = 0; i < events.size(); ++i) {
    engine_.hub().publish(make_record(task_.id, Event{first + i, at, events[i]}, entries[i]));
  }
  // Whoever waits for the input finds its events when it returns.
  engine_.hub().hand_over();
}

// The store refused: what is in memory may be ahead of the journal, so it is given up. The journal is the task.
void TaskRunner::stall(const Error& error, const Completion<void>& done) {
  const auto self = shared_from_this();
  stalled_ = true;
  handling_ = false;
  stop_all();
  engine_.hub().publish(make_ephemeral(RecordKind::task_stalled, "task.stalled", task_.id, task_.seq, 0,
                                       engine_.scheduler().now(), "", "", error.message));
  done(tl::unexpected(error));
  for (Waiting& waiting : std::exchange(inputs_, {})) waiting.done(tl::unexpected(error));
  engine_.retire(task_.id);
}

// ---- Effects. ----------------------------------------------------------------------------------------------------------

void TaskRunner::carry_out(const Effect& effect) {
  struct Visitor {
    TaskRunner& runner;
    void operator()(const effect::CallModel& e) const { runner.call_model(e); }
    void operator()(const effect::RunTool& e) const { runner.run_tool(e); }
    void operator()(const effect::ConsultHost& e) const { runner.consult_host(e); }
    void operator()(const effect::StartSubtask& e) const { runner.start_subtask(e); }
    void operator()(const effect::PreparePrompt& e) const {
      runner.prepare_prompt(e.mode);
    }
    void operator()(const effect::SetTimer& e) const { runner.set_timer(e.at); }
    void operator()(const effect::StopModel&) const { runner.model_.reset(); }
    void operator()(const effect::StopAll&) const {
      runner.stop_all();
      runner.cancel_subtasks();
    }
  };
  std::visit(Visitor{*this}, effect);
}

// The mode's prompt, or, where it is gone from the project's files, that of the first mode there is.
void TaskRunner::prepare_prompt(const std::string& mode) {
  const std::string& schema = task_.config.result_schema;
  auto prompt = session_->prompt(mode, schema);
  if (prompt == nullptr) prompt = session_->prompt(session_->modes().front().slug, schema);
  event::PromptSet set = prompt->set;
  set.mode = mode;
  inputs_.push_back({input::PromptReady{std::move(set)}, [](Status) {}});
}

void TaskRunner::call_model(const effect::CallModel&) {
  model_ = session_->model_of(task_.config).client->start({std::move(request_.body), task_.id, session_->setup().idle_timeout}, *this);
  request_ = {};
}

void TaskRunner::run_tool(const effect::RunTool& e) {
  auto tool = session_->find_tool(e.tool);
  if (tool == nullptr) return tool_done(e.call, {false, "this session does not have the tool any more", {}, {}});
  Running& running = running_[e.call];
  running.tool = e.tool;
  running.seq = task_.seq;
  if (session_->setup().checkpoints != nullptr && !tool->spec().read_only) return take_checkpoint(e, std::move(tool));
  start_tool(e, tool);
}

// The workspace as it is before the call, recorded before the call begins. One that fails is recorded too, and keeps
// nobody from working.
void TaskRunner::take_checkpoint(const effect::RunTool& e, std::shared_ptr<const Tool> tool) {
  auto taken = std::make_shared<Result<TakenCheckpoint>>(failure(ErrorCode::internal, "no checkpoint"));
  CheckpointRequest request{task_.id, task_.seq, fmt::format("before {}", e.tool)};
  engine_.scheduler().work(
      [checkpoints = session_->setup().checkpoints, request = std::move(request), cancel = running_.at(e.call).cancel,
       taken] { *taken = checkpoints->take(request, cancel); },
      [weak = weak_from_this(), ended = engine_.count_tool(), e, tool = std::move(tool), taken] {
        ended();
        const auto self = weak.lock();
        if (!self || !self->running_.contains(e.call)) return;  // it was cancelled meanwhile
        input::CheckpointTaken input{e.call, *taken ? (*taken)->checkpoint.id : "", *taken ? "" : taken->error().message};
        self->deliver(std::move(input), [weak, e, tool](const Status&) {
          const auto runner = weak.lock();
          if (runner && runner->running_.contains(e.call)) runner->start_tool(e, tool);
        });
      });
}

void TaskRunner::start_tool(const effect::RunTool& e, const std::shared_ptr<const Tool>& tool) {
  const Running& running = running_.at(e.call);
  auto context = std::make_shared<ToolContext>();
  context->task = task_.id;
  context->workspace = session_->setup().workspace;
  context->call = e.call;
  context->images = session_->setup().images;
  context->box = session_->setup().box;
  context->network = network_of(e.call);
  // A task keeps the box it was started with: going on with it in another session does not open it.
  const std::string& session_box = session_->setup().config.box;
  if (task_.config.box != session_box) {
    const auto shown = [](const std::string& box) { return box.empty() ? std::string_view("none") : std::string_view(box); };
    context->box_problem = fmt::format("not run: commands of this task run in box \"{}\", and the session it was opened in has "
                                       "\"{}\": the person has to open it with that box",
                                       shown(task_.config.box), shown(session_box));
  }
  context->project = session_->project();
  context->mode = task_.mode;
  context->artifacts = artifacts_;
  context->protected_files = e.protected_files;
  context->files = files_;
  context->scheduler = &engine_.scheduler();
  context->cancel = running.cancel;
  context->background = background_.get();
  context->redactor = session_->redactor();
  context->on_output = [weak = weak_from_this(), call = e.call, keep = background_,
                        shown = RedactionStream(context->redactor)](std::string_view text) mutable {
    const auto self = weak.lock();
    if (!self || !self->engine_.hub().deltas_wanted(self->task_.id)) return;
    self->show_output(call, shown.feed(text));
  };
  tool->run(e.arguments, std::move(context),
            [weak = weak_from_this(), ended = engine_.count_tool(), call = e.call, tool](ToolOutcome outcome) {
              ended();
              if (const auto self = weak.lock()) self->tool_done(call, std::move(outcome));
            });
}

// What is held back, as it may be the beginning of a secret, is in the outcome.
void TaskRunner::show_output(const std::string& call, std::string_view text) {
  const auto found = running_.find(call);
  if (found == running_.end() || text.empty()) return;
  Running& running = found->second;
  engine_.hub().publish(make_ephemeral(RecordKind::delta_tool_output, "delta.tool_output", task_.id, running.seq,
                                       ++running.deltas, engine_.scheduler().now(), call, running.tool, text));
}

// Its connections are recorded in this task, also those of a command that went on in the background.
std::shared_ptr<CommandNetwork> TaskRunner::network_of(const std::string& call) {
  const auto& proxy = session_->setup().egress;
  if (proxy == nullptr) return nullptr;
  if (host_rules_ == nullptr) host_rules_ = host_rules_of(task_.config);
  auto network = std::make_shared<CommandEgress>(*proxy, host_rules_, session_->command_secrets(), [weak = weak_from_this(), call](const egress::Record& record) {
    if (const auto self = weak.lock()) self->deliver(input::Egress{egress_event(call, record)}, [](const Status&) {});
  });
  std::erase_if(networks_, [](const auto& other) { return other.expired(); });
  networks_.push_back(network);
  return network;
}

void TaskRunner::close_networks() {
  for (const auto& weak : std::exchange(networks_, {})) {
    if (const auto network = weak.lock()) network->close();
  }
}

void TaskRunner::tool_done(const std::string& call, ToolOutcome outcome) {
  const auto found = running_.find(call);
  const bool cancelled = found != running_.end() && found->second.cancel.cancelled();
  if (found != running_.end()) running_.erase(found);
  deliver(input::ToolDone{call, std::move(outcome), cancelled}, [](Status) {});
}

void TaskRunner::consult_host(const effect::ConsultHost& e) {
  Consultation& consultation = consultations_[e.call];
  const auto policy = session_->setup().host_policy;
  // A task that was started under a host's policy does not go on without it.
  const auto wait = policy == nullptr ? std::chrono::milliseconds(0) : std::chrono::milliseconds(task_.config.policy.host_timeout_ms);
  consultation.timer = engine_.scheduler().after(wait, [weak = weak_from_this(), call = e.call, absent = policy == nullptr] {
    const auto self = weak.lock();
    if (!self) return;
    const char* const why = absent ? "The session that this task was opened in has no policy of the host's." : "";
    self->host_decided(call, {Verdict::deny, why}, true);
  });
  if (policy == nullptr) return;
  PolicyQuestion question{task_.id, e.call, e.tool, e.arguments, task_.mode, {e.allowed ? Verdict::allow : Verdict::ask, e.rule}};
  policy->decide(std::move(question), consultation.cancel, [weak = weak_from_this(), call = e.call](PolicyAnswer answer) {
    if (const auto self = weak.lock()) self->host_decided(call, std::move(answer), false);
  });
}

void TaskRunner::host_decided(const std::string& call, PolicyAnswer answer, bool timed_out) {
  const auto found = consultations_.find(call);
  if (found == consultations_.end()) return;  // too late, or the task was stopped
  Consultation consultation = std::move(found->second);
  consultations_.erase(found);
  if (timed_out) {
    consultation.cancel.cancel();
  } else {
    engine_.scheduler().cancel(consultation.timer);
  }
  deliver(input::HostDecided{call, answer.verdict, std::move(answer.reason), timed_out}, [](Status) {});
}

void TaskRunner::start_subtask(const effect::StartSubtask& e) {
  subtasks_.insert(e.child);
  input::Start start;
  start.session = task_.session;
  start.parent = task_.id;
  start.parent_call = e.call;
  start.config = task_.config;
  start.config.mode = e.mode;
  start.config.depth = task_.config.depth + 1;
  start.config.result_schema.clear();  // it tells its parent, in words
  // A child spends from what its parent has left.
  Limits& limits = start.config.limits;
  if (limits.cost_usd_max > 0) {
    limits.cost_usd_max = std::max(1e-9, limits.cost_usd_max - (task_.cost_usd - task_.cost_before));
  }
  if (limits.tokens_max > 0) {
    limits.tokens_max = std::max<std::int64_t>(1, limits.tokens_max - (task_.usage.total() - task_.tokens_before));
  }
  start.text = e.message;
  start.todos = e.todos;
  engine_.start_child(session_, std::move(start), e.child);
}

void TaskRunner::set_timer(Timestamp at) {
  if (timer_ != 0) engine_.scheduler().cancel(timer_);
  const auto wait = std::max<Timestamp>(0, at - engine_.scheduler().now());
  timer_ = engine_.scheduler().after(std::chrono::milliseconds(wait), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    self->deliver(input::Timer{}, [](Status) {});
  });
}

void TaskRunner::stop_all() {
  model_.reset();
  preparing_.cancel();
  for (auto& [call, running] : std::exchange(running_, {})) running.cancel.cancel();
  for (auto& [call, consultation] : std::exchange(consultations_, {})) {
    engine_.scheduler().cancel(consultation.timer);
    consultation.cancel.cancel();
  }
  close_networks();
  background_->clear();
  for (TimerId* timer : {&timer_, &passivate_timer_}) {
    if (*timer != 0) engine_.scheduler().cancel(*timer);
    *timer = 0;
  }
}

void TaskRunner::cancel_subtasks() {
  // Those of the state before the decision: in the one after it the calls are done. One that waits for a person may have
  // left memory, and one that was just started may not be there yet.
  for (const std::string& id : std::exchange(subtasks_, {})) {
    engine_.deliver(session_, id, input::Cancel{"the parent task ended"}, [](Status) {});
  }
}

void TaskRunner::settle() {
  if (passivate_timer_ != 0) engine_.scheduler().cancel(std::exchange(passivate_timer_, 0));
  if (stalled_ || !may_leave()) return;
  // A fresh one was refused its start.
  if (task_.phase == Phase::ended || task_.phase == Phase::fresh) return engine_.retire(task_.id);
  passivate_timer_ = engine_.scheduler().after(engine_.options().keep_waiting, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->passivate_timer_ = 0;
    self->engine_.retire(self->task_.id);
  });
}

void TaskRunner::report_to_parent() {
  if (task_.parent.empty()) return;
  if (const auto parent = engine_.find(task_.parent)) {
    parent->deliver(input::SubtaskDone{task_.parent_call, task_.id, task_.reason, task_.result, task_.usage, task_.cost_usd},
                    [](Status) {});
  }
}

// ---- The answer as it streams. -----------------------------------------------------------------------------------------

void TaskRunner::on_text(std::string_view fragment) {
  if (!engine_.hub().deltas_wanted(task_.id)) return;
  engine_.hub().publish(make_ephemeral(RecordKind::delta_text, "delta.text", task_.id, request_seq_, ++request_deltas_,
                                       engine_.scheduler().now(), "", "", fragment));
}

void TaskRunner::on_reasoning(std::string_view fragment) {
  if (!engine_.hub().deltas_wanted(task_.id)) return;
  engine_.hub().publish(make_ephemeral(RecordKind::delta_reasoning, "delta.reasoning", task_.id, request_seq_,
                                       ++request_deltas_, engine_.scheduler().now(), "", "", fragment));
}

void TaskRunner::on_tool_arguments(std::size_t, std::string_view name, std::string_view fragment) {
  if (!engine_.hub().deltas_wanted(task_.id)) return;
  engine_.hub().publish(make_ephemeral(RecordKind::delta_tool_arguments, "delta.tool_arguments", task_.id, request_seq_,
                                       ++request_deltas_, engine_.scheduler().now(), "", name, fragment));
}

void TaskRunner::on_reply(Reply reply) {
  const auto self = shared_from_this();
  const auto call = std::exchange(model_, nullptr);
  deliver(input::ModelDone{task_.turn, task_.attempt, std::move(reply)}, [](Status) {});
}

void TaskRunner::on_error(ModelError error) {
  const auto self = shared_from_this();
  const auto call = std::exchange(model_, nullptr);
  deliver(input::ModelFailed{task_.turn, task_.attempt, std::move(error)}, [](Status) {});
}

}  // namespace joey

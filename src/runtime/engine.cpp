#include "runtime/engine.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "core/control.hpp"
#include "core/call_policy.hpp"
#include "runtime/command_egress.hpp"
#include "runtime/stored_chunks.hpp"

namespace joey {
namespace {

tl::unexpected<Error> closed() {
  return failure(ErrorCode::closed, "the engine has ended");
}

}  // namespace

Engine::Engine(Scheduler& scheduler, std::unique_ptr<Store> store, std::unique_ptr<Transport> transport,
               EngineOptions options)
    : scheduler_(scheduler),
      options_(std::move(options)),
      store_(std::move(store)),
      transport_(std::move(transport)),
      gate_(options_.requests_max),
      hub_(scheduler, *store_),
      alive_(std::make_shared<Engine*>(this)),
      living_store_(std::make_shared<Store*>(store_.get())) {}

Engine::~Engine() {
  stop();
  *alive_ = nullptr;
  *living_store_ = nullptr;
}

std::string Engine::new_task_id() { return make_id("task", scheduler_.now(), options_.random()); }

void Engine::start(std::shared_ptr<Session> session, std::string id, std::string text, Completion<void> done) {
  if (stopped_) return done(closed());
  input::Start start;
  start.config = session->setup().config;
  start.session = start.config.workspace;
  start.text = std::move(text);
  Task task;
  task.id = id;
  const auto runner = std::make_shared<TaskRunner>(*this, std::move(session), std::move(task));
  runners_.emplace(id, runner);
  // A new id is nobody else's yet; the lease is for those who see it in a list.
  store_->acquire_lease(id, [](Status) {});
  runner->deliver(std::move(start), std::move(done));
}

void Engine::open(std::shared_ptr<Session> session, std::string id, Completion<void> done) {
  load(std::move(session), std::move(id), [done = std::move(done)](Result<std::shared_ptr<TaskRunner>> runner) {
    if (!runner) return done(tl::unexpected(std::move(runner.error())));
    done({});
  });
}

void Engine::deliver(std::shared_ptr<Session> session, std::string id, Input input, Completion<void> done) {
  load(std::move(session), std::move(id),
       [input = std::move(input), done = std::move(done)](Result<std::shared_ptr<TaskRunner>> runner) mutable {
         if (!runner) return done(tl::unexpected(std::move(runner.error())));
         (*runner)->deliver(std::move(input), std::move(done));
       });
}

void Engine::load(std::shared_ptr<Session> session, std::string id, Completion<std::shared_ptr<TaskRunner>> done) {
  if (stopped_) return done(closed());
  if (const auto live = runners_.find(id); live != runners_.end()) return done(live->second);
  auto& waiting = loading_[id];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;

  const auto finish = [this, id](Result<std::shared_ptr<TaskRunner>> runner) {
    auto all = std::move(loading_[id]);
    loading_.erase(id);
    if (!runner) store_->release_lease(id);
    for (auto& one : all) one(runner);
  };
  store_->acquire_lease(id, [alive = alive_, finish, session = std::move(session), id](Status leased) {
    if (*alive == nullptr) return;
    if (!leased) {
      // Somebody else's lease is not ours to give back.
      auto all = std::move((*alive)->loading_[id]);
      (*alive)->loading_.erase(id);
      for (auto& one : all) one(tl::unexpected(leased.error()));
      return;
    }
    load_journal((*alive)->store(), id, [alive, finish, session](Result<std::shared_ptr<Journal>> journal) {
      if (*alive == nullptr) return;
      if ((*alive)->stopped_) return finish(closed());
      if (!journal) return finish(tl::unexpected(std::move(journal.error())));
      auto runner = (*alive)->fold(session, **journal);
      if (!runner) return finish(runner);
      (*alive)->runners_.emplace((*journal)->task, *runner);
      (*runner)->deliver(input::Recovered{}, [](Status) {});
      finish(runner);
    });
  });
}

Result<std::shared_ptr<TaskRunner>> Engine::fold(std::shared_ptr<Session> session, const Journal& journal) {
  Task task;
  task.id = journal.task;
  for (const Event& event : journal.events) task = apply(std::move(task), event.body, event.at);
  RequestHead head;
  if (!task.prompt.mode.empty()) {
    auto made = make_head(*session->model_of(task.config).provider, task.config, task.prompt, journal);
    if (!made) return tl::unexpected(std::move(made.error()));
    head = *std::move(made);
  }
  auto runner = std::make_shared<TaskRunner>(*this, std::move(session), std::move(task));
  if (head) runner->set_head(std::move(head));
  for (const Event& event : journal.events) runner->recall(event.body);
  return runner;
}

void Engine::start_child(std::shared_ptr<Session> session, input::Start start, std::string id) {
  // The journal says whether the child was started before; `not_found` is a child yet to be made.
  load(session, id, [alive = alive_, session, start = std::move(start), id](Result<std::shared_ptr<TaskRunner>> found) mutable {
    if (*alive == nullptr) return;
    Engine& engine = **alive;
    if (found) {
      const Task& child = (*found)->task();
      if (child.phase != Phase::ended) return;
      const auto parent = engine.find(start.parent);
      if (parent) {
        parent->deliver(input::SubtaskDone{start.parent_call, id, child.reason, child.result, child.usage, child.cost_usd},
                        [](Status) {});
      }
      return;
    }
    // It may have been cancelled meanwhile.
    const auto parent = engine.find(start.parent);
    if (!parent || !parent->awaits(id)) return;
    const auto tell_failure = [alive, id, name = start.parent, call = start.parent_call](Status status) {
      if (status || *alive == nullptr) return;
      const auto waiting = (*alive)->find(name);
      if (!waiting) return;
      waiting->deliver(input::SubtaskDone{call, id, ExitReason::failed, status.error().message, {}, 0}, [](Status) {});
    };
    if (found.error().code != ErrorCode::not_found) return tell_failure(tl::unexpected(std::move(found.error())));
    Task task;
    task.id = id;
    const auto runner = std::make_shared<TaskRunner>(engine, session, std::move(task));
    engine.runners_.emplace(id, runner);
    engine.store_->acquire_lease(id, [](Status) {});
    runner->deliver(std::move(start), tell_failure);
  });
}

void Engine::replay(std::string id, Completion<ReplayReport> done) {
  load_journal(*store_, std::move(id), [done = std::move(done)](Result<std::shared_ptr<Journal>> journal) {
    if (!journal) return done(tl::unexpected(std::move(journal.error())));
    done(joey::replay(**journal));
  });
}

void Engine::bill(std::string id, Completion<Ledger> done) {
  load_journal(*store_, std::move(id), [done = std::move(done)](Result<std::shared_ptr<Journal>> journal) {
    if (!journal) return done(tl::unexpected(std::move(journal.error())));
    done(ledger_of((*journal)->events));
  });
}

void Engine::run_tool(std::shared_ptr<Session> session, std::string_view name, std::string arguments, CancelToken cancel,
                      Completion<ToolOutcome> done) {
  if (stopped_) return done(closed());
  if (is_control_tool(name)) {
    auto text = rehearse(name, arguments, session->modes());
    return done(text ? ToolOutcome{true, *std::move(text), {}, {}} : ToolOutcome{false, text.error().message, {}, {}});
  }
  const auto tool = session->find_tool(name);
  if (tool == nullptr) {
    std::string names;
    for (const ToolSpec& spec : session->specs()) names.append(names.empty() ? "" : ", ").append(spec.name);
    return done(failure(ErrorCode::not_found, fmt::format("there is no tool \"{}\"; there are: {}", name, names)));
  }
  const PolicySnapshot& policy = session->setup().config.policy;
  std::string minified = minified_json_object(arguments);
  const CallDecision decision = session->explain(tool->spec(), minified);
  if (decision.verdict != Verdict::allow) {
    return done(failure(ErrorCode::denied, fmt::format("tool \"{}\" is not allowed in this session (rule \"{}\")", name,
                                                       decision.rule)));
  }
  if (minified.empty()) {
    return done(failure(ErrorCode::invalid_argument, fmt::format("tool \"{}\": the arguments are not one JSON object", name)));
  }
  auto background = std::make_shared<std::vector<std::shared_ptr<TaskCommands>>>();
  auto context = std::make_shared<ToolContext>();
  context->workspace = session->setup().workspace;
  context->images = session->setup().images;
  context->box = session->setup().box;
  if (const auto& proxy = session->setup().egress) {
    // Without a task there is no journal to record in; the command itself is told what is refused.
    context->network = std::make_shared<CommandEgress>(*proxy, host_rules_of(session->setup().config), session->command_secrets(),
                                                       [](const egress::Record&) {});
  }
  context->project = session->project();
  context->artifacts = session->artifacts(scheduler_);
  context->mode = session->setup().config.mode;
  context->protected_files = evaluate_protected(policy).verdict == Verdict::allow;
  context->scheduler = &scheduler_;
  context->cancel = cancel;
  context->background = background.get();
  context->redactor = session->redactor();
  context->on_output = [](std::string_view) {};
  tool->run(std::move(minified), std::move(context),
            [ended = count_tool(), background, session, tool, done = std::move(done)](ToolOutcome outcome) {
              ended();
              outcome.text = session->redactor()->redact(outcome.text);
              done(std::move(outcome));
            });
}

std::shared_ptr<Artifacts> Engine::artifacts_of(const std::string& task) {
  return std::make_shared<Artifacts>(scheduler_, std::make_shared<StoredChunks>(living_store_, task));
}

UniqueFunction<void()> Engine::count_tool() {
  ++tools_running_;
  return [alive = alive_] {
    if (*alive != nullptr) --(*alive)->tools_running_;
  };
}

void Engine::stop() {
  if (stopped_) return;
  stopped_ = true;
  gate_.close();
  auto runners = std::move(runners_);
  runners_.clear();
  runners.clear();
  for (auto& [id, waiting] : std::exchange(loading_, {})) {
    for (auto& done : waiting) done(closed());
  }
}

std::shared_ptr<TaskRunner> Engine::find(const std::string& id) const {
  const auto found = runners_.find(id);
  return found == runners_.end() ? nullptr : found->second;
}

void Engine::retire(const std::string& id) {
  // Not now: the runner is on the stack.
  scheduler_.post([alive = alive_, id] {
    if (*alive == nullptr) return;
    Engine& engine = **alive;
    const auto found = engine.runners_.find(id);
    if (found == engine.runners_.end() || !found->second->may_leave()) return;
    engine.runners_.erase(found);
    engine.store_->release_lease(id);
  });
}

std::vector<Blob> Engine::unstored(const Session::ReadyPrompt& prompt) const {
  std::vector<Blob> blobs;
  for (const Blob* blob : {&prompt.system, &prompt.tools}) {
    if (!stored_.contains(blob->digest)) blobs.push_back(*blob);
  }
  return blobs;
}

void Engine::stored(const event::PromptSet& prompt) {
  stored_.insert(prompt.system);
  stored_.insert(prompt.tools);
}

}  // namespace joey

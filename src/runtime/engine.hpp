// The engine: sessions and tasks on one loop. Adapters come in from outside, so the same code runs in production and in
// simulation.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/scheduler.hpp"
#include "core/ledger.hpp"
#include "runtime/journal.hpp"
#include "runtime/model_client.hpp"
#include "runtime/session.hpp"
#include "runtime/subscription.hpp"
#include "runtime/task_runner.hpp"
#include "store/store.hpp"
#include "tool/artifacts.hpp"
#include "transport/transport.hpp"

namespace joey {

struct EngineOptions {
  std::size_t requests_max{256};                    // under way at once
  std::chrono::milliseconds keep_waiting{30'000};   // in memory, of a task that waits for a person
  UniqueFunction<std::uint64_t()> random;           // for ids
};

// Ownership: owns store and transport; the scheduler outlives it.
// Threads: the loop's, all of it.
class Engine {
 public:
  Engine(Scheduler& scheduler, std::unique_ptr<Store> store, std::unique_ptr<Transport> transport, EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] std::string new_task_id();

  // Starts a task under a new id. What goes wrong later is told to subscribers.
  void start(std::shared_ptr<Session> session, std::string id, std::string text, Completion<void> done);
  // Takes up a task of the store; does nothing to one that is live.
  void open(std::shared_ptr<Session> session, std::string id, Completion<void> done);
  // Hands an input to a task, which is opened first when it is not live. Done when what it led to is durable.
  void deliver(std::shared_ptr<Session> session, std::string id, Input input, Completion<void> done);

  void replay(std::string id, Completion<ReplayReport> done);
  // What the task has cost, read off its journal.
  void bill(std::string id, Completion<Ledger> done);

  // Runs a tool without a task. The token stops it.
  void run_tool(std::shared_ptr<Session> session, std::string_view name, std::string arguments, CancelToken cancel,
                Completion<ToolOutcome> done);

  // Stops everything under way, without ending tasks: as if the process ended, but in order.
  void stop();
  // Tools that were told to stop and have not yet.
  [[nodiscard]] std::size_t tools_running() const { return tools_running_; }
  [[nodiscard]] std::size_t tasks_live() const { return runners_.size(); }

  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] Transport& transport() { return *transport_; }
  [[nodiscard]] RequestGate& gate() { return gate_; }
  [[nodiscard]] EventHub& hub() { return hub_; }
  [[nodiscard]] const EngineOptions& options() const { return options_; }

  // For task runners.
  [[nodiscard]] std::shared_ptr<TaskRunner> find(const std::string& id) const;
  void start_child(std::shared_ptr<Session> session, input::Start start, std::string id);
  void retire(const std::string& id);  // the runner leaves memory, once it is idle
  // To be called when a tool that starts now has ended, also after the engine has.
  [[nodiscard]] UniqueFunction<void()> count_tool();
  // Where the long outputs of a task's commands are kept.
  [[nodiscard]] std::shared_ptr<Artifacts> artifacts_of(const std::string& task);
  // The blobs of a prompt that this engine has not stored yet.
  [[nodiscard]] std::vector<Blob> unstored(const Session::ReadyPrompt& prompt) const;
  void stored(const event::PromptSet& prompt);

 private:
  void load(std::shared_ptr<Session> session, std::string id, Completion<std::shared_ptr<TaskRunner>> done);
  Result<std::shared_ptr<TaskRunner>> fold(std::shared_ptr<Session> session, const Journal& journal);

  Scheduler& scheduler_;
  EngineOptions options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Transport> transport_;
  RequestGate gate_;
  EventHub hub_;
  std::unordered_map<std::string, std::shared_ptr<TaskRunner>> runners_;
  // Tasks being read from the store, with who waits for them.
  std::unordered_map<std::string, std::vector<Completion<std::shared_ptr<TaskRunner>>>> loading_;
  std::set<Digest> stored_;
  std::size_t tools_running_{0};
  bool stopped_{false};
  // Completions of the store and the tools may come after the end of this.
  std::shared_ptr<Engine*> alive_;
  std::shared_ptr<Store*> living_store_;
};

}  // namespace joey

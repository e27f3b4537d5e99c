// One live task: takes its inputs one at a time, and keeps the engine's only order of work: decide, append the events
// durably, apply, then run the effects, then tell subscribers.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/conversation.hpp"
#include "core/task.hpp"
#include "runtime/command_egress.hpp"
#include "runtime/model_client.hpp"
#include "runtime/preparation.hpp"
#include "runtime/request_rope.hpp"
#include "runtime/session.hpp"
#include "store/store.hpp"
#include "tool/tool.hpp"

namespace joey {

class Engine;

// Loop thread. Destroying it stops what it has under way; the journal is the task.
class TaskRunner final : public std::enable_shared_from_this<TaskRunner>, private ModelSink {
 public:
  // A new task, or one folded from its journal together with its conversation.
  TaskRunner(Engine& engine, std::shared_ptr<Session> session, Task task);
  ~TaskRunner() override;

  void deliver(Input input, Completion<void> done);

  // Feeds the conversation while a journal is folded.
  void recall(const EventBody& event) { conversation_.apply(event, rope_); }
  void set_head(RequestHead head) { rope_.set_head(std::move(head)); }

  [[nodiscard]] const Task& task() const { return task_; }
  // Nothing is under way, nothing waits to be taken, and nothing will come but from outside.
  [[nodiscard]] bool may_leave() const;
  [[nodiscard]] bool awaits(std::string_view child) const;

 private:
  struct Waiting {
    Input input;
    Completion<void> done;
  };
  struct Running {
    std::string tool;
    CancelToken cancel;
    Seq seq{0};              // of the event it started with
    std::uint64_t deltas{0};
  };
  struct Consultation {
    CancelToken cancel;
    TimerId timer{0};
  };

  [[nodiscard]] bool idle() const;  // nothing is under way and nothing waits to be taken
  void pump();
  void handle(Waiting waiting);
  [[nodiscard]] bool needs_preparation(const Input& input) const;
  void prepare_and_handle(Waiting waiting);
  [[nodiscard]] Status take(Preparation preparation, Input& input);
  void decide_on(Waiting waiting);
  void gather_news();
  Status seal(Decision& decision, Append& append);
  void encode_for(const TaskConfig& config);
  [[nodiscard]] std::unique_ptr<TaskSummary> summary(const Decision& decision) const;
  void appended(Decision decision, std::vector<EntryBytes> entries, Completion<void> done);
  void publish(const std::vector<EventBody>& events, const std::vector<EntryBytes>& entries, Seq first, Timestamp at);
  void stall(const Error& error, const Completion<void>& done);

  void carry_out(const Effect& effect);
  void prepare_prompt(const std::string& mode);
  void call_model(const effect::CallModel& e);
  void run_tool(const effect::RunTool& e);
  void take_checkpoint(const effect::RunTool& e, std::shared_ptr<const Tool> tool);
  void start_tool(const effect::RunTool& e, const std::shared_ptr<const Tool>& tool);
  void show_output(const std::string& call, std::string_view text);
  [[nodiscard]] std::shared_ptr<CommandNetwork> network_of(const std::string& call);
  void close_networks();
  void tool_done(const std::string& call, ToolOutcome outcome);
  void consult_host(const effect::ConsultHost& e);
  void host_decided(const std::string& call, PolicyAnswer answer, bool timed_out);
  void start_subtask(const effect::StartSubtask& e);
  void set_timer(Timestamp at);
  void stop_all();
  void cancel_subtasks();
  void settle();  // after an input: leaves memory when there is nothing left to do
  void report_to_parent();

  // ModelSink
  void on_text(std::string_view fragment) override;
  void on_reasoning(std::string_view fragment) override;
  void on_tool_arguments(std::size_t index, std::string_view name, std::string_view fragment) override;
  void on_reply(Reply reply) override;
  void on_error(ModelError error) override;

  Engine& engine_;
  std::shared_ptr<Session> session_;
  Task task_;
  Conversation conversation_;
  RequestRope rope_;

  std::deque<Waiting> inputs_;
  bool handling_{false};  // an input is being prepared, decided, appended or carried out
  CancelToken preparing_;
  std::string news_;      // what the next request should say of the surroundings
  bool stalled_{false};

  RequestRope::Request request_;  // sealed, not yet sent
  std::unique_ptr<ModelCall> model_;
  Seq request_seq_{0};
  std::uint64_t request_deltas_{0};
  std::map<std::string, Running> running_;  // by call
  std::map<std::string, Consultation> consultations_;  // likewise
  std::shared_ptr<std::vector<std::shared_ptr<TaskCommands>>> background_;
  std::vector<std::weak_ptr<CommandEgress>> networks_;  // of commands, which own them
  std::shared_ptr<const HostRules> host_rules_;         // made for the first
  std::shared_ptr<FileLedger> files_;
  std::shared_ptr<Artifacts> artifacts_;
  std::set<std::string> subtasks_;          // awaited
  TimerId timer_{0};
  TimerId passivate_timer_{0};
};

}  // namespace joey

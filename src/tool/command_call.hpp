// A tool call that is a command: what execute_command and custom tools have in common.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "redact/redact.hpp"
#include "tool/tool.hpp"

namespace joey {

struct CommandLimits {
  std::chrono::milliseconds time{0};           // then the command is ended, whether its call is over or not; 0: never
  std::chrono::milliseconds drain_time{100};   // for output still in the pipe when the shell has ended
  std::chrono::milliseconds end_grace{1'000};  // from SIGTERM to SIGKILL
};

// One command from its start to the end of the last process it left behind, and the call it was started for.
//
// A call ends with the shell, or when it is cancelled or out of time, within a bound; not with the last process that holds
// the output. While it is open the object keeps itself alive; after that whoever holds it does, and destroying it ends what
// still runs. What ends a call is posted, so `done` never runs inside a callback of the command or a cancel, and the
// command is never destroyed inside its own.
class CommandCall : public CommandSink, public std::enable_shared_from_this<CommandCall> {
 public:
  CommandCall(std::shared_ptr<ToolContext> context, UniqueFunction<void(ToolOutcome)> done, CommandLimits limits);
  ~CommandCall() override;
  CommandCall(const CommandCall&) = delete;
  CommandCall& operator=(const CommandCall&) = delete;

  void start(CommandSpec spec);

  void on_output(std::string_view bytes) final;
  void on_error_output(std::string_view bytes) final;
  void on_exit(CommandExit exit) final;
  void on_end() final;

 protected:
  // What the command writes, without secrets, as soon as that is certain.
  virtual void on_clean_output(std::string_view bytes) = 0;
  virtual void on_clean_errors(std::string_view bytes) { on_clean_output(bytes); }
  // Whatever was held back comes now: nothing more will.
  void finish_output();

  // Why the command is being ended.
  enum class Ending : unsigned char { none, cancel, timeout };

  // The shell has ended and what it wrote has come, but something it started still holds its output.
  virtual void on_drained() = 0;
  // Nothing of the command runs any more, or it was being ended and is out of time. Comes once, and last.
  virtual void on_over() = 0;

  [[nodiscard]] bool open() const { return static_cast<bool>(done_); }  // the call is not complete
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] Ending ending() const { return ending_; }
  // "1.5 s", when ending() is timeout: the limit it ran into.
  [[nodiscard]] std::string limit_text() const;
  [[nodiscard]] const std::optional<CommandExit>& exit() const { return exit_; }
  [[nodiscard]] ToolContext& context() { return *context_; }  // while open()
  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] Command* command() { return command_.get(); }  // null before it runs and when it is over

  void end(Ending why, std::chrono::milliseconds limit = {});
  // Ends the call: with its command, unless that is to be kept running by whoever holds this.
  enum class Rest : unsigned char { end, keep };
  void complete(ToolOutcome outcome, Rest rest = Rest::end);

 private:
  void finish();

  const CommandLimits limits_;
  Scheduler& scheduler_;
  std::shared_ptr<ToolContext> context_;
  UniqueFunction<void(ToolOutcome)> done_;
  std::optional<RedactionStream> output_;  // none: there is nothing to keep secret
  std::optional<RedactionStream> errors_;
  std::unique_ptr<Command> command_;
  std::optional<CommandExit> exit_;
  bool over_{false};
  Ending ending_{Ending::none};
  std::chrono::milliseconds limit_{0};
  TimerId time_timer_{0};
  TimerId drain_timer_{0};
  TimerId end_timer_{0};
  std::shared_ptr<CommandCall> self_;
};

// How a command ended, as a line or two for the model.
[[nodiscard]] std::string status_text(const CommandExit& exit);

}  // namespace joey

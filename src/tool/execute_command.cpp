#include "tool/execute_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/terminal_text.hpp"

namespace joey {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t timeout_max_s = 7 * 24 * 3600;
// A workspace that has not said on_end() this long after the grace is not waited for: destroying the command ends it.
constexpr milliseconds end_slack{1'000};
constexpr std::size_t status_size_max = 1024;  // of a result, besides the output

std::string signal_name(int signal) {
  switch (signal) {
    case SIGHUP: return "SIGHUP";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV";
    case SIGPIPE: return "SIGPIPE";
    case SIGALRM: return "SIGALRM";
    case SIGTERM: return "SIGTERM";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    case SIGSYS: return "SIGSYS";
    default: return fmt::format("signal {}", signal);
  }
}

std::string status_text(const CommandExit& exit) {
  if (exit.signal != 0) return fmt::format("The command was ended by {}.", signal_name(exit.signal));
  if (exit.code == 0) return "Exit code: 0";
  // A shell reports a child that a signal ended as 128 and the signal's number.
  const std::string by = exit.code > 128 && exit.code < 128 + 32
                             ? fmt::format(" (ended by {})", signal_name(exit.code - 128))
                             : std::string();
  return fmt::format("The command failed: its output may tell why.\nExit code: {}{}", exit.code, by);
}

// One command from its start to the end of the last process it left behind.
//
// It keeps itself alive while it has a call to complete; after that the task's background does, or nobody. What ends a
// call is posted, so `done` never runs inside a callback of the command or a cancel, and the command is never destroyed
// inside its own.
class CommandRun final : public TaskCommands, public CommandSink, public std::enable_shared_from_this<CommandRun> {
 public:
  CommandRun(ExecuteCommandOptions options, std::string directory, std::shared_ptr<ToolContext> context,
             UniqueFunction<void(ToolOutcome)> done)
      : options_(options),
        directory_(std::move(directory)),
        scheduler_(*context->scheduler),
        context_(std::move(context)),
        done_(std::move(done)),
        output_(options.head_max, options.tail_max) {}

  ~CommandRun() override {
    for (const TimerId timer : {background_timer_, timeout_timer_, drain_timer_, end_timer_}) {
      if (timer != 0) scheduler_.cancel(timer);
    }
  }
  CommandRun(const CommandRun&) = delete;
  CommandRun& operator=(const CommandRun&) = delete;

  // `background_after` is the model's timeout; 0 is none.
  void start(CommandSpec spec, milliseconds background_after) {
    self_ = shared_from_this();
    background_after_ = background_after;
    auto command = context_->workspace->start(std::move(spec), *this);
    if (!command) return finish(false, command.error().message);
    command_ = std::move(*command);
    if (background_after.count() > 0) {
      background_timer_ = scheduler_.after(background_after, [this] { on_background_time(); });
    }
    if (options_.timeout.count() > 0) {
      timeout_timer_ = scheduler_.after(options_.timeout, [this] { on_timeout(); });
    }
    context_->cancel.on_cancel([weak = weak_from_this()] {
      if (const auto run = weak.lock()) run->on_cancel();
    });
  }

  [[nodiscard]] bool ended() const override { return ended_; }

  void on_output(std::string_view bytes) override {
    if (!done_) return;  // the call is over: nobody will read it
    const std::string text = utf8_.feed(bytes);
    output_.feed(text);
    if (context_->on_output && !text.empty()) context_->on_output(text);
  }

  void on_exit(CommandExit exit) override {
    exit_ = exit;
    drain_timer_ = scheduler_.after(options_.drain_time, [this] { on_drained(); });
  }

  void on_end() override {
    ended_ = true;
    if (done_) return finish_ended();
    // The last process in the background is gone.
    scheduler_.post([weak = weak_from_this()] {
      if (const auto run = weak.lock()) run->command_.reset();
    });
  }

 private:
  enum class Ending : unsigned char { none, cancel, timeout };  // what the command is being ended for

  void on_cancel() {
    if (done_) end(Ending::cancel, {});
  }

  void on_timeout() {
    timeout_timer_ = 0;
    if (!ended_) end(Ending::timeout, options_.timeout);
  }

  void end(Ending why, milliseconds limit) {
    if (ending_ != Ending::none || !command_) return;
    ending_ = why;
    limit_ = limit;
    command_->terminate(options_.end_grace);
    end_timer_ = scheduler_.after(options_.end_grace + end_slack, [this] {
      end_timer_ = 0;
      if (done_) return finish_ended();
      command_.reset();
      ended_ = true;
    });
  }

  void on_background_time() {
    background_timer_ = 0;
    if (!done_ || ended_ || exit_ || ending_ != Ending::none) return;
    if (context_->background == nullptr) return end(Ending::timeout, background_after_);
    finish(true, fmt::format("Command is still running in the background, within working directory '{}'. It ends with "
                             "the task at the latest; do not start it again.",
                             directory_),
           true);
  }

  // The shell has ended and what it wrote has arrived, but something holds its output open.
  void on_drained() {
    drain_timer_ = 0;
    if (!done_ || ended_ || ending_ != Ending::none) return;
    const bool stays = context_->background != nullptr;
    finish(true,
           fmt::format("{}\nProcesses that the command started {}.", finished_text(),
                       stays ? "still run in the background; they end with the task" : "were still running and were ended"),
           stays);
  }

  // The command is over, or being ended and out of time.
  void finish_ended() {
    switch (ending_) {
      case Ending::none: break;
      case Ending::cancel: return finish(false, "The command was cancelled and ended.");
      case Ending::timeout:
        return finish(false, fmt::format("The command was ended within working directory '{}' because it ran longer than "
                                         "the limit of {}. Do not run it again as it is.",
                                         directory_, fmt::format("{} s", static_cast<double>(limit_.count()) / 1000)));
    }
    finish(true, finished_text());  // it ran: a failing exit code is for the model to judge
  }

  [[nodiscard]] std::string finished_text() const {
    return fmt::format("Command executed in terminal within working directory '{}'.\n{}", directory_,
                       status_text(exit_.value_or(CommandExit{})));
  }

  void finish(bool ok, std::string status, bool in_background = false) {
    const std::string rest = utf8_.finish();
    output_.feed(rest);
    if (context_->on_output && !rest.empty()) context_->on_output(rest);
    ToolOutcome outcome{ok, std::move(status), {}, {}};
    if (exit_ || !output_.empty() || in_background) {
      outcome.text += "\nOutput:\n" + output_.text();
    }
    outcome.text = within(outcome.text, context_->result_bytes_max);
    if (in_background) {
      auto& background = *context_->background;
      std::erase_if(background, [](const auto& commands) { return commands->ended(); });
      background.push_back(shared_from_this());
    }
    scheduler_.post([self = std::move(self_), context = std::move(context_), done = std::move(done_), in_background,
                     outcome = std::move(outcome)]() mutable {
      if (!in_background) self->command_.reset();
      self.reset();
      done(std::move(outcome));
    });
  }

  const ExecuteCommandOptions options_;
  const std::string directory_;  // absolute, for the model
  Scheduler& scheduler_;
  std::shared_ptr<ToolContext> context_;    // until the call is over
  UniqueFunction<void(ToolOutcome)> done_;  // empty: the call is over
  Utf8Stream utf8_;
  TerminalText output_;
  std::unique_ptr<Command> command_;
  std::optional<CommandExit> exit_;
  bool ended_{false};
  Ending ending_{Ending::none};
  milliseconds limit_{0};  // that it ran into, when it is ended for that
  milliseconds background_after_{0};
  TimerId background_timer_{0};
  TimerId timeout_timer_{0};
  TimerId drain_timer_{0};
  TimerId end_timer_{0};
  std::shared_ptr<CommandRun> self_;
};

class ExecuteCommand final : public Tool {
 public:
  explicit ExecuteCommand(ExecuteCommandOptions options) : options_(options) {}

  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

  void run(std::string json, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    Arguments arguments(json);
    CommandSpec command;
    command.command = arguments.string("command");
    command.directory = arguments.optional_string("cwd").value_or(std::string_view());
    const milliseconds background_after{1000 * arguments.optional_integer("timeout", 0, timeout_max_s).value_or(0)};
    std::string problem = arguments.problem();
    if (problem.empty() && trim(command.command).empty()) problem = "argument \"command\" is empty: give a shell command";
    if (problem.empty() && context->cancel.cancelled()) problem = "execute_command was cancelled before it began";
    if (problem.empty()) problem = resolve_directory(*context->workspace, command.directory);
    if (!problem.empty()) {
      Scheduler& scheduler = *context->scheduler;
      scheduler.post([done = std::move(done), problem = std::move(problem)] { done(tool_failure(problem)); });
      return;
    }

    std::string directory = context->workspace->root();
    if (!command.directory.empty()) directory += "/" + command.directory;
    ExecuteCommandOptions options = options_;
    const std::size_t output_max = context->result_bytes_max - std::min(context->result_bytes_max, status_size_max);
    options.head_max = std::min(options.head_max, output_max * 2 / 5);
    options.tail_max = std::min(options.tail_max, output_max * 3 / 5);
    std::make_shared<CommandRun>(options, std::move(directory), std::move(context), std::move(done))
        ->start(std::move(command), background_after);
  }

 private:
  // Leaves `directory` relative, empty for the root; otherwise says what is wrong with it.
  static std::string resolve_directory(const Workspace& workspace, std::string& directory) {
    const auto relative = workspace.relative(directory.empty() ? "." : directory);
    if (!relative) return relative.error().message;
    const auto info = workspace.info(*relative);
    if (!info) return info.error().message;
    if (info->kind != FileKind::directory) {
      return fmt::format("\"{}\" is not a directory: cwd must be one", *relative);
    }
    directory = *relative == "." ? std::string() : *relative;
    return {};
  }

  const ExecuteCommandOptions options_;
  const ToolSpec spec_{
      .name = "execute_command",
      .description =
          "Runs a command in a shell (bash) and returns its exit code with its output, standard error included; of long "
          "output the beginning and the end. Each call is a new shell: a change of directory or a variable does not "
          "last. There is no input and no terminal: use flags that avoid questions, such as --yes. Give timeout for a "
          "server or watcher: it then goes on in the background, and the result shows its first output.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "command": {"type": "string", "description": "The command, as npm test -- --run"},
          "cwd": {
            "type": ["string", "null"],
            "description": "The directory to run it in, within the workspace; null is the workspace"
          },
          "timeout": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Seconds after which the call returns while the command goes on in the background; null waits for its end"
          }
        },
        "required": ["command", "cwd", "timeout"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::command,
      .read_only = false,
  };
};

}  // namespace

std::shared_ptr<const Tool> execute_command_tool(ExecuteCommandOptions options) {
  return std::make_shared<ExecuteCommand>(options);
}

}  // namespace joey

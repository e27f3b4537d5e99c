#include "tool/execute_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/artifacts.hpp"
#include "tool/common.hpp"
#include "tool/terminal_text.hpp"

namespace joey {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t timeout_max_s = 7 * 24 * 3600;
constexpr std::size_t status_size_max = 1024;        // bytes of a result, besides the output
constexpr std::size_t command_shown_max = 100;       // bytes of a command in news
constexpr std::size_t waiting_max = std::size_t{4} << 20;  // bytes that wait for the store: then the command waits
constexpr std::size_t waiting_low = std::size_t{1} << 20;  // and goes on

class CommandRun final : public CommandCall, public TaskCommands {
 public:
  CommandRun(const ExecuteCommandOptions& options, const CommandLimits& limits, std::string command,
             std::string directory, const std::shared_ptr<ToolContext>& call_context,
             UniqueFunction<void(ToolOutcome)> done)
      : CommandCall(call_context, std::move(done), limits),
        command_text_(std::move(command)),
        directory_(std::move(directory)),
        call_(call_context->call),
        artifacts_(call_context->artifacts),
        shown_max_(options.head_max + options.tail_max),
        output_(options.head_max, options.tail_max),
        news_(options.news_max / 3, options.news_max - options.news_max / 3) {}

  ~CommandRun() override { scheduler().cancel(background_timer_); }

  // `background_after` is the model's timeout; 0 is none.
  void run(CommandSpec spec, milliseconds background_after) {
    start(std::move(spec));
    if (over() || background_after.count() == 0) return;
    background_timer_ =
        scheduler().after(background_after, [this, background_after] { on_background_time(background_after); });
  }

  void on_clean_output(std::string_view bytes) override {
    keep(bytes);
    show(utf8_.feed(bytes));
  }

  [[nodiscard]] bool ended() const override { return over(); }

  [[nodiscard]] bool has_news() const override {
    return !news_.empty() || exit().has_value() != exit_told_ || over() != end_told_;
  }

  [[nodiscard]] std::string take_news() override {
    if (!has_news()) return {};
    const std::string_view state = over() ? "has ended" : exit() ? "has left processes that still run" : "still runs";
    std::string text = fmt::format("The command `{}`, in the background within working directory '{}', {}.\n",
                                   shown_command(), directory_, state);
    if (over() && ending() == Ending::timeout) {
      text += fmt::format("It ran longer than the limit of {}.\n", limit_text());
    }
    if (exit() && !exit_told_) text += status_text(*exit()) + '\n';
    if (!artifact_.empty()) text += artifact_text() + '\n';
    if (!news_.empty()) text += "New output:\n" + news_.take();
    exit_told_ = exit().has_value();
    end_told_ = over();
    return text;
  }

 private:
  void on_background_time(milliseconds after) {
    background_timer_ = 0;
    if (!open() || over() || exit() || ending() != Ending::none) return;
    if (context().background == nullptr) return end(Ending::timeout, after);
    answer(true,
           fmt::format("Command is still running in the background, within working directory '{}'. You will be told its "
                       "later output and its end. It ends with the task at the latest; do not start it again.",
                       directory_),
           Rest::keep);
  }

  void on_drained() override {
    if (!open()) return;
    const bool stays = context().background != nullptr;
    if (!stays) finish_output();
    answer(true,
           fmt::format("{}\nProcesses that the command started {}.", finished_text(),
                       stays ? "still run in the background; they end with the task"
                             : "were still running and were ended"),
           stays ? Rest::keep : Rest::end);
  }

  void on_over() override {
    show(utf8_.finish());
    if (open()) answer_over();
    close_artifact();
  }

  void answer_over() {
    switch (ending()) {
      case Ending::none: break;
      case Ending::cancel: return answer(false, "The command was cancelled and ended.", Rest::end);
      case Ending::timeout:
        return answer(false,
                      fmt::format("The command was ended within working directory '{}' because it ran longer than the "
                                  "limit of {}. Do not run it again as it is.",
                                  directory_, limit_text()),
                      Rest::end);
    }
    answer(true, finished_text(), Rest::end);  // it ran: a failing exit code is for the model to judge
  }

  void answer(bool ok, std::string text, Rest rest) {
    if (rest == Rest::keep) {
      if (artifacts_ && artifact_.empty()) open_artifact();
      auto& background = *context().background;
      std::erase_if(background, [](const auto& commands) { return commands->ended() && !commands->has_news(); });
      background.push_back(std::static_pointer_cast<CommandRun>(shared_from_this()));
      exit_told_ = exit().has_value();
    }
    if (!artifact_.empty()) {
      text += fmt::format("\n{}\nPreview:\n{}", artifact_text(), output_.text());
      if (!text.ends_with('\n')) text += '\n';
      text += fmt::format("Use read_command_output with artifact_id \"{}\" to see more of it or to search it.", artifact_);
    } else if (exit() || !output_.empty() || rest == Rest::keep) {
      text += "\nOutput:\n" + output_.text();
    }
    text = within(text, context().result_bytes_max);
    complete({ok, std::move(text), {}, {}}, rest);
  }

  [[nodiscard]] std::string finished_text() const {
    return fmt::format("Command executed in {}'{}'.\n{}", artifact_.empty() ? "terminal within working directory " : "",
                       directory_, status_text(exit().value_or(CommandExit{})));
  }

  [[nodiscard]] std::string artifact_text() const {
    const std::string& problem = writer_ ? writer_->problem() : problem_;
    return fmt::format("Output size: {}{}\n{}{}Artifact ID: {}", bytes_text(size_), over() ? "" : " until now", problem,
                       problem.empty() ? "" : "\n", artifact_);
  }

  [[nodiscard]] std::string shown_command() const {
    const std::string_view whole = trim(command_text_);
    const std::string_view shown = utf8_prefix(whole.substr(0, whole.find('\n')), command_shown_max);
    return fmt::format("{}{}", shown, shown.size() < whole.size() ? "..." : "");
  }

  // --- The output ---

  // To whoever will read it: the call, or the next news.
  void show(const std::string& text) {
    if (!open()) return news_.feed(text);
    output_.feed(text);
    if (context().on_output && !text.empty()) context().on_output(text);
  }

  // Whole, once it is longer than what is shown.
  void keep(std::string_view bytes) {
    size_ += bytes.size();
    if (!artifacts_) return;
    if (writer_) {
      writer_->append(bytes);
    } else {
      held_ += bytes;
      if (held_.size() > shown_max_) open_artifact();
    }
    if (!is_paused_ && writer_ && writer_->waiting() > waiting_max && command() != nullptr) {
      is_paused_ = true;
      command()->pause();
    }
  }

  void open_artifact() {
    writer_ = artifacts_->create(call_, [this] { on_kept(); });
    artifact_ = writer_->id();
    writer_->append(held_);
    held_ = {};
  }

  void on_kept() {
    if (!is_paused_ || writer_->waiting() > waiting_low || command() == nullptr) return;
    is_paused_ = false;
    command()->resume();
  }

  void close_artifact() {
    if (!writer_) return;
    problem_ = writer_->problem();
    writer_.reset();
  }

  const std::string command_text_;
  const std::string directory_;  // absolute, for the model
  const std::string call_;
  const std::shared_ptr<Artifacts> artifacts_;  // may be null
  const std::size_t shown_max_;             // bytes
  Utf8Stream utf8_;
  TerminalText output_;
  TerminalText news_;
  bool exit_told_{false};
  bool end_told_{false};
  std::string held_;      // all output, until it becomes an artifact
  std::uint64_t size_{0};  // of all output
  std::unique_ptr<ArtifactWriter> writer_;
  std::string artifact_;  // its id
  std::string problem_;   // of the artifact, once it is written
  bool is_paused_{false};
  TimerId background_timer_{0};
};

// Whether `command` begins with the words of one of `prefixes`.
bool begins_with_any(std::string_view command, const std::vector<std::string>& prefixes) {
  constexpr std::string_view word_ends = " \t\r\n;|&<>()";
  command = trim(command);
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& entry) {
    const std::string_view prefix = trim(entry);
    return !prefix.empty() && command.starts_with(prefix) &&
           (command.size() == prefix.size() || word_ends.find(command[prefix.size()]) != std::string_view::npos);
  });
}

std::optional<CommandUse> command_of(std::string_view json) {
  Arguments arguments(json);
  CommandUse use;
  use.line = arguments.string("command");
  use.directory = arguments.optional_string("cwd").value_or(std::string_view());
  if (!arguments.ok()) return std::nullopt;
  return use;
}

class ExecuteCommand final : public Tool {
 public:
  explicit ExecuteCommand(ExecuteCommandOptions options) : options_(std::move(options)) {}

  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

  void run(std::string json, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    Arguments arguments(json);
    CommandSpec command;
    command.command = arguments.string("command");
    command.directory = arguments.optional_string("cwd").value_or(std::string_view());
    const milliseconds background_after{1000 * arguments.optional_integer("timeout", 0, timeout_max_s).value_or(0)};
    if (arguments.optional_boolean("terminal").value_or(false)) {
      command.terminal = options_.terminal;
      command.input = "";  // nobody types: who reads gets the end of the file
    }
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
    CommandLimits limits = options_.limits;
    if (begins_with_any(command.command, options_.unlimited)) limits.time = milliseconds{0};
    std::make_shared<CommandRun>(options, limits, command.command, std::move(directory), context, std::move(done))
        ->run(std::move(command), background_after);
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
          "output the beginning and the end, and the id by which read_command_output shows the rest. Each call is a new "
          "shell: a change of directory or a variable does not last. There is no input: use flags that avoid questions, "
          "such as --yes. Give timeout for a server or watcher: it then goes on in the background, the result shows its "
          "first output, and later output is reported.",
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
          },
          "terminal": {
            "type": ["boolean", "null"],
            "description": "true runs it in a terminal, for a program that needs one or holds back its output without; null is a pipe"
          }
        },
        "required": ["command", "cwd", "timeout", "terminal"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::command,
      .read_only = false,
      .command = command_of,
  };
};

}  // namespace

std::shared_ptr<const Tool> execute_command_tool(ExecuteCommandOptions options) {
  return std::make_shared<ExecuteCommand>(std::move(options));
}

}  // namespace joey

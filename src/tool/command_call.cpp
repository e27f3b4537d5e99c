#include "tool/command_call.hpp"

#include <fmt/format.h>

#include <csignal>
#include <utility>

namespace joey {
namespace {

// A workspace that has not said on_end() this long after the grace is not waited for: destroying the command ends it.
constexpr std::chrono::milliseconds end_slack{1'000};

std::string signal_name(int signal) {
  switch (signal) {
    case SIGHUP: return "SIGHUP";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT, core dump possible";
    case SIGILL: return "SIGILL, core dump possible";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT, core dump possible";
    case SIGBUS: return "SIGBUS, core dump possible";
    case SIGFPE: return "SIGFPE, core dump possible";
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV, core dump possible";
    case SIGPIPE: return "SIGPIPE";
    case SIGALRM: return "SIGALRM";
    case SIGTERM: return "SIGTERM";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    case SIGSYS: return "SIGSYS";
    default: return fmt::format("signal {}", signal);
  }
}

}  // namespace

std::string status_text(const CommandExit& exit) {
  if (exit.signal != 0) return fmt::format("The command was ended by {}.", signal_name(exit.signal));
  if (exit.code == 0) return "Exit code: 0";
  // A shell reports a child that a signal ended as 128 and the signal's number.
  constexpr int signals_max = 64;
  const std::string by = exit.code > 128 && exit.code <= 128 + signals_max
                             ? fmt::format(" (ended by {})", signal_name(exit.code - 128))
                             : std::string();
  return fmt::format("The command failed: its output may tell why.\nExit code: {}{}", exit.code, by);
}

CommandCall::CommandCall(std::shared_ptr<ToolContext> context, UniqueFunction<void(ToolOutcome)> done, CommandLimits limits)
    : limits_(limits), scheduler_(*context->scheduler), context_(std::move(context)), done_(std::move(done)) {
  if (context_->redactor == nullptr) return;
  output_.emplace(context_->redactor);
  errors_.emplace(context_->redactor);
}

CommandCall::~CommandCall() {
  for (const TimerId timer : {time_timer_, drain_timer_, end_timer_}) {
    if (timer != 0) scheduler_.cancel(timer);
  }
}

void CommandCall::start(CommandSpec spec) {
  self_ = shared_from_this();
  spec.box = context_->box;
  spec.network = context_->network;
  Result<std::unique_ptr<Command>> command = failure(ErrorCode::denied, context_->box_problem);
  if (context_->box_problem.empty()) command = context_->workspace->start(std::move(spec), *this);
  if (!command) {
    over_ = true;
    return complete({false, command.error().message, {}, {}});
  }
  command_ = std::move(*command);
  if (limits_.time.count() > 0) {
    time_timer_ = scheduler_.after(limits_.time, [this] {
      time_timer_ = 0;
      end(Ending::timeout, limits_.time);
    });
  }
  context_->cancel.on_cancel([weak = weak_from_this()] {
    const auto call = weak.lock();
    if (call && call->open()) call->end(Ending::cancel);
  });
}

void CommandCall::on_output(std::string_view bytes) {
  if (!output_) return on_clean_output(bytes);
  if (const std::string clean = output_->feed(bytes); !clean.empty()) on_clean_output(clean);
}

void CommandCall::on_error_output(std::string_view bytes) {
  if (!errors_) return on_clean_errors(bytes);
  if (const std::string clean = errors_->feed(bytes); !clean.empty()) on_clean_errors(clean);
}

void CommandCall::finish_output() {
  if (!output_) return;
  if (const std::string clean = output_->finish(); !clean.empty()) on_clean_output(clean);
  if (const std::string clean = errors_->finish(); !clean.empty()) on_clean_errors(clean);
}

void CommandCall::on_exit(CommandExit exit) {
  exit_ = exit;
  drain_timer_ = scheduler_.after(limits_.drain_time, [this] {
    drain_timer_ = 0;
    if (!over_ && ending_ == Ending::none) on_drained();
  });
}

void CommandCall::on_end() { finish(); }

void CommandCall::end(Ending why, std::chrono::milliseconds limit) {
  if (ending_ != Ending::none || over_ || !command_) return;
  ending_ = why;
  limit_ = limit;
  command_->terminate(limits_.end_grace);
  end_timer_ = scheduler_.after(limits_.end_grace + end_slack, [this] {
    end_timer_ = 0;
    finish();
  });
}

std::string CommandCall::limit_text() const { return fmt::format("{} s", static_cast<double>(limit_.count()) / 1000); }

void CommandCall::finish() {
  if (over_) return;
  over_ = true;
  const bool was_open = open();
  finish_output();
  on_over();
  if (was_open) return;  // complete() has seen to the command
  scheduler_.post([weak = weak_from_this()] {
    if (const auto call = weak.lock()) call->command_.reset();
  });
}

void CommandCall::complete(ToolOutcome outcome, Rest rest) {
  scheduler_.post([self = std::move(self_), context = std::move(context_), done = std::exchange(done_, nullptr), rest,
                   outcome = std::move(outcome)]() mutable {
    if (rest == Rest::end) self->command_.reset();
    self.reset();
    done(std::move(outcome));
  });
}

}  // namespace joey

// A tool: what the model can have done. One file a built-in tool.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "base/scheduler.hpp"
#include "model/tool.hpp"
#include "tool/file_ledger.hpp"
#include "workspace/workspace.hpp"

namespace joey {

class Artifacts;
class ImageModel;  // tool/image_model.hpp
class Redactor;    // redact/redact.hpp
struct Project;    // project/project.hpp

// What outlives a single call but not its task: a command that went on in the background. Destroying it ends it.
// Loop thread.
class TaskCommands {
 public:
  virtual ~TaskCommands() = default;
  // Nothing of it runs any more: without news it need not be kept.
  [[nodiscard]] virtual bool ended() const { return false; }
  // Whether there is output, or an end, that neither the call's result nor take_news() has told.
  [[nodiscard]] virtual bool has_news() const { return false; }
  // Tells it the model, within some kilobytes: of much output the beginning and the end. Empty without news.
  [[nodiscard]] virtual std::string take_news() { return {}; }
};

// The news of all of them within `bytes_max`; what does not fit remains news. Drops those that have ended and are told.
[[nodiscard]] std::string take_news(std::vector<std::shared_ptr<TaskCommands>>& background, std::size_t bytes_max);

// What a tool may use while it runs. Shared by the tool and the runtime until the completion ran.
struct ToolContext {
  std::string task;  // its id; empty when the tool runs without one
  std::string call;  // the id of this call, unique in the task; empty without one
  std::string mode;  // the task's, by its slug
  std::shared_ptr<Workspace> workspace;
  std::shared_ptr<const Box> box;     // that commands run in; null: none
  std::shared_ptr<CommandNetwork> network;  // of a command in a box with a proxy; null: none
  std::string box_problem;            // not empty: no command may run, and this is why
  bool protected_files{false};        // ChangeOptions::protected_files of every change
  std::shared_ptr<FileLedger> files;  // what the model has seen of files; may be null
  std::shared_ptr<const Project> project;  // what the repository says; may be null
  std::shared_ptr<ImageModel> images;  // null: none is set up
  Scheduler* scheduler{nullptr};
  CancelToken cancel;
  UniqueFunction<void(std::string_view)> on_output;  // streamed output, UTF-8, for display; loop thread; may be empty
  std::vector<std::shared_ptr<TaskCommands>>* background{nullptr};  // owned by the task
  std::shared_ptr<Artifacts> artifacts;  // the task's; null: long outputs are not kept
  std::size_t result_bytes_max{60'000};  // of a result's text
  // What a tool reads is shown without secrets. The runtime sees to that in the end; a tool does before it cuts a text or
  // keeps it. Null: there are none.
  std::shared_ptr<const Redactor> redactor;
};

// Ownership: the caller keeps the tool until `done` ran.
// Threads: run() is called on the loop thread, and `done` runs there, exactly once, also after a cancel, which ends the
// work within a bound. Arguments are one valid JSON object, not yet checked against the schema; a wrong one is an outcome
// that names the argument and what it must be, never an error of joey.
class Tool {
 public:
  virtual ~Tool() = default;
  [[nodiscard]] virtual const ToolSpec& spec() const = 0;
  virtual void run(std::string arguments, std::shared_ptr<ToolContext> context,
                   UniqueFunction<void(ToolOutcome)> done) const = 0;
};

// A tool whose work blocks: it runs on a worker thread.
class BlockingTool : public Tool {
 public:
  void run(std::string arguments, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const final;

 protected:
  // Worker thread. Looks at context.cancel where it can take long.
  [[nodiscard]] virtual ToolOutcome work(std::string_view arguments, ToolContext& context) const = 0;
};

}  // namespace joey

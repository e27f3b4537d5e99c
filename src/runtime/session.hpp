// A session: a workspace with its tools, a model and the snapshot its tasks are made from.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/mode.hpp"
#include "core/prompt.hpp"
#include "core/task.hpp"
#include "runtime/journal.hpp"
#include "runtime/model_client.hpp"
#include "store/store.hpp"
#include "tool/tool.hpp"

namespace joey {

struct SessionSetup {
  TaskConfig config;  // of its tasks
  std::shared_ptr<Workspace> workspace;
  std::vector<std::shared_ptr<const Tool>> tools;  // those of the workspace; the core's own are added
  std::shared_ptr<const Provider> provider;
  std::shared_ptr<ModelClient> model;
  std::string instructions;
  std::chrono::milliseconds idle_timeout{120'000};
};

// Loop thread, except where a comment says otherwise.
class Session {
 public:
  explicit Session(SessionSetup setup);

  // `conflict`: there is a tool of that name, or a task has seen the tools already.
  [[nodiscard]] Status add_tool(std::shared_ptr<const Tool> tool);

  [[nodiscard]] const SessionSetup& setup() const { return setup_; }
  [[nodiscard]] Surroundings surroundings() const { return {builtin_modes(), specs_}; }
  [[nodiscard]] const std::vector<ToolSpec>& specs() const { return specs_; }
  [[nodiscard]] const Tool* find_tool(std::string_view name) const;

  // The prompt of a mode, and its texts for the store. The mode must exist.
  struct ReadyPrompt {
    event::PromptSet set;
    Blob system;
    Blob tools;
  };
  [[nodiscard]] const ReadyPrompt& prompt(const std::string& mode);

  // What requests with this prompt begin with; null for one that this session did not make.
  [[nodiscard]] RequestHead head(const TaskConfig& config, const event::PromptSet& prompt);

 private:
  SessionSetup setup_;
  std::vector<ToolSpec> specs_;
  std::map<std::string, ReadyPrompt> prompts_;  // by mode
  std::map<std::string, RequestHead> heads_;    // by model and digests
};

}  // namespace joey

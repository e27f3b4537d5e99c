// A session: a workspace with its tools, a model and the snapshot its tasks are made from.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "core/call_policy.hpp"
#include "core/mode.hpp"
#include "core/prompt.hpp"
#include "core/task.hpp"
#include "egress/proxy.hpp"
#include "project/project.hpp"
#include "runtime/host_policy.hpp"
#include "runtime/host_secrets.hpp"
#include "runtime/journal.hpp"
#include "runtime/model_client.hpp"
#include "runtime/session_box.hpp"
#include "runtime/session_secrets.hpp"
#include "store/store.hpp"
#include "tool/artifacts.hpp"
#include "tool/image_model.hpp"
#include "tool/tool.hpp"

namespace joey {

// A model as a session asks it.
struct SessionModel {
  TaskConfig config;  // take_model()'s part of it
  std::shared_ptr<const Provider> provider;
  std::shared_ptr<ModelClient> client;
};

struct SessionSetup {
  TaskConfig config;  // of its tasks, which begin with the first model
  std::shared_ptr<Workspace> workspace;
  std::shared_ptr<Workspace> global;                // the person's own folder; may be null
  ProjectOptions project_options;
  std::shared_ptr<const Project> project;           // what both say, when the session is made; null: only what joey brings
  std::shared_ptr<Checkpoints> checkpoints;         // null: none are taken
  std::shared_ptr<const Box> box;                   // of commands; null: none
  SessionBoxOptions box_options{};
  std::shared_ptr<egress::Proxy> egress;            // to the hosts that a task's rules allow; null: boxes have no network
  std::shared_ptr<ShownFile> certificates{};        // that commands trust where there are secrets of hosts; null likewise
  std::shared_ptr<ImageModel> images;               // null: there is none
  std::vector<std::shared_ptr<const Tool>> tools;   // those of the workspace; the core's own are added
  std::vector<SessionModel> models;                 // the first, and those that stand in for the one before; not empty
  std::vector<std::string> tools_added;             // offered to the model though most models are not
  std::vector<std::string> tools_removed;           // not offered; wins
  std::string instructions;
  std::string language;  // the model answers in; empty: the person's
  std::chrono::milliseconds idle_timeout{120'000};
  std::shared_ptr<SessionSecrets> secrets;          // null: only the shapes of keys, under a key of zeros
  std::shared_ptr<HostPolicy> host_policy{};  // null: the rules alone decide
};

// Loop thread, except where a comment says otherwise.
class Session {
 public:
  explicit Session(SessionSetup setup);

  // `conflict`: there is a tool of that name, or a task has seen the tools already.
  [[nodiscard]] Status add_tool(std::shared_ptr<const Tool> tool);

  // Gives the host the last word on the calls of the tasks that are started from now on. `conflict`: it has it already, or
  // a task has been started.
  [[nodiscard]] Status set_host_policy(std::shared_ptr<HostPolicy> policy, std::chrono::milliseconds timeout);

  [[nodiscard]] const SessionSetup& setup() const { return setup_; }
  [[nodiscard]] const std::shared_ptr<const Project>& project() const { return setup_.project; }
  // The project's files have changed: modes, tools and prompts are made anew. Tasks get a new prompt with their next mode.
  void set_project(std::shared_ptr<const Project> project);

  [[nodiscard]] std::span<const Mode> modes() const;
  [[nodiscard]] Surroundings surroundings(std::string_view news = {},
                                          const Conversation* conversation = nullptr) const {
    return {modes(), specs_, news, conversation, model_configs_, {}};
  }
  [[nodiscard]] const std::vector<ToolSpec>& specs() const { return specs_; }
  [[nodiscard]] std::shared_ptr<const Tool> find_tool(std::string_view name) const;
  // What the session's policy says of a call with these arguments, in the mode its tasks start in.
  [[nodiscard]] CallDecision explain(const ToolSpec& tool, std::string_view arguments) const;

  // One that stands in when those before it keep failing, for tasks from their next request on. `conflict`: it is there already.
  [[nodiscard]] Status add_model(SessionModel model);
  // The one that a task asks; the first when it is none of them.
  [[nodiscard]] const SessionModel& model_of(const TaskConfig& config) const;

  // A value that no model, journal or event is to hold from now on, as SessionSecrets::add().
  [[nodiscard]] Status add_secret(KnownSecret secret);
  // One that commands started from now on have a placeholder of, instead of any other by that name. `tls` is the engine's,
  // and the certificates it needs are written.
  [[nodiscard]] Status add_host_secret(HostSecret secret, std::shared_ptr<const egress::Tls> tls);
  [[nodiscard]] const std::shared_ptr<const CommandSecrets>& command_secrets() const { return command_secrets_; }  // null: none
  [[nodiscard]] const std::shared_ptr<const Redactor>& redactor() { return setup_.secrets->redactor(); }

  // Of tools that run without a task: in memory, for as long as the session is.
  [[nodiscard]] const std::shared_ptr<Artifacts>& artifacts(Scheduler& scheduler);

  // Of commands that are started from now on.
  void set_box(std::shared_ptr<const Box> box) { setup_.box = std::move(box); }

  // A host's own text instead of a section of the prompts that are made from now on.
  [[nodiscard]] Status set_prompt_section(const std::string& section, std::string text);

  // What @problems or @terminal in a message means from now on; null: nothing is known.
  [[nodiscard]] Status set_mention(const std::string& mention, std::string text);
  struct Mentions {
    std::shared_ptr<const std::string> problems;
    std::shared_ptr<const std::string> terminal;
  };
  [[nodiscard]] const Mentions& mentions() const { return mentions_; }

  // The prompt of a mode, and its texts for the store.
  struct ReadyPrompt {
    event::PromptSet set;
    Blob system;
    Blob tools;
  };
  // Null when there is no such mode. `result_schema`: of the task's config.
  [[nodiscard]] std::shared_ptr<const ReadyPrompt> prompt(const std::string& mode, const std::string& result_schema);
  // One that this session made; null when it did not, or too many others since.
  [[nodiscard]] std::shared_ptr<const ReadyPrompt> find_prompt(const event::PromptSet& set) const;

  // What requests with this prompt begin with.
  [[nodiscard]] RequestHead head(const TaskConfig& config, const ReadyPrompt& prompt);

 private:
  void take_project_tools();

  SessionSetup setup_;
  std::vector<TaskConfig> model_configs_;  // of setup_.models
  std::vector<HostSecret> host_secrets_;
  std::shared_ptr<const CommandSecrets> command_secrets_;
  std::shared_ptr<Artifacts> artifacts_;
  std::map<std::string, std::string> sections_;  // of the host's
  Mentions mentions_;
  std::vector<ToolSpec> specs_;
  std::vector<std::shared_ptr<const Tool>> project_tools_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const ReadyPrompt>> prompts_;  // by mode and schema
  std::deque<std::shared_ptr<const ReadyPrompt>> made_;                // the last ones, also of an earlier project
  std::map<std::string, RequestHead> heads_;                           // by model and digests
};

}  // namespace joey

// What has to be read before a person's message can be taken: the project's files as they are now, what the message
// mentions, what its box has to keep from commands, and, for the first one of a task, what is around it.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.hpp"
#include "base/scheduler.hpp"
#include "project/mentions.hpp"
#include "project/project.hpp"
#include "redact/redact.hpp"
#include "runtime/session_box.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct PreparationRequest {
  std::shared_ptr<const Workspace> workspace;
  std::shared_ptr<const Workspace> global;  // may be null
  std::shared_ptr<const Project> project;   // as it was last read
  ProjectOptions project_options;
  std::string text;       // the message
  bool by_person{true};   // only then its mentions mean something
  bool begins{false};     // the first message of a task
  std::string mode;       // of the task
  std::shared_ptr<const std::string> problems;  // what @problems means; may be null, like the next
  std::shared_ptr<const std::string> terminal;
  Timestamp now{0};
  CancelToken cancel;
  std::shared_ptr<const Redactor> redactor;  // null: there are no secrets
  std::shared_ptr<const Box> box{};          // of commands; null: none, and the next two mean nothing
  SessionBoxOptions box_options{};
  PolicySnapshot policy{};
};

struct Preparation {
  std::shared_ptr<const Project> project;  // null: it has not changed
  std::string for_model;                   // the message with what it mentions; empty: as it was written
  std::vector<Image> images;
  std::string mode;         // that a command in it asks for; empty: none
  std::string environment;  // of a message that begins a task
  Result<std::shared_ptr<const Box>> box{nullptr};  // to go on with; an error: commands would reach what they must not
};

// Whether a message, not the first of its task, needs any of this: cheap, and rather true than false.
[[nodiscard]] bool may_mention(std::string_view text);

// Blocks: for a worker thread.
[[nodiscard]] Preparation prepare(const PreparationRequest& request);

}  // namespace joey

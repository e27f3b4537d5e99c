// Transcripts: a task as text. A line "> start "fix it" allow=read" is an input, the lines "< ..." after it are what
// the task did: its events, then its effects, then its status when that changed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/task.hpp"
#include "dialogue.hpp"

namespace joey::test {

// What tests decide with: the built-in modes, the control tools, and five more.
[[nodiscard]] Surroundings surroundings();

[[nodiscard]] std::string describe(const EventBody& event, Timestamp now);
[[nodiscard]] std::string describe(const Effect& effect, Timestamp now);

// One task, fed line by line.
class Stage {
 public:
  // Carries out what follows "> " and returns the lines of what came of it, each beginning with "< ".
  // Throws std::invalid_argument for a line that is none.
  [[nodiscard]] std::vector<std::string> play(std::string_view line);

  // What does not hold though it must, whatever the input was; empty when all is well.
  std::string broken;

 private:
  [[nodiscard]] Input parse(const std::vector<std::string>& tokens) const;
  void check(const Task& before, const Decision& decision);
  void breaks(std::string what) {
    if (broken.empty()) broken = std::move(what);
  }

  Task task_ = [] {
    Task task;
    task.id = "task";
    return task;
  }();
  Timestamp now_{1'000'000};
  std::string news_;  // of the surroundings
  std::vector<TaskConfig> models_;
  Spent spent_;
  std::string status_{"running"};
  Conversation conversation_;
  Dialogue dialogue_;
};

}  // namespace joey::test

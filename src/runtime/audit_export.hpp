// The audit trails of a store's tasks, as one export.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/audit.hpp"
#include "runtime/host.hpp"

namespace joey {

// Goes through the tasks from the oldest on, each before its subtasks, and through the journal of each by pages.
//
// Threads: one at a time, none of them the loop's: it waits for the store.
class AuditExport {
 public:
  // Of one task with its subtasks, or, with an empty id, of all.
  AuditExport(std::shared_ptr<Host> host, std::string task);

  // The next lines, each with its end; "" when there are no more. After an error it cannot go on.
  [[nodiscard]] Result<std::string> next();

 private:
  [[nodiscard]] Status open();
  [[nodiscard]] Status push_tasks(const std::string& parent);
  [[nodiscard]] Status read_page(std::string& lines);

  std::shared_ptr<Host> host_;
  std::string only_;
  bool opened_{false};
  bool ended_{false};
  std::vector<std::string> tasks_;  // to come, the next one last
  std::optional<AuditTrail> trail_;
  std::string task_;  // of the trail
  Seq from_{1};
  AuditEnd end_;
};

}  // namespace joey

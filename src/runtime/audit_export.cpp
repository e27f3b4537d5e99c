#include "runtime/audit_export.hpp"

#include <fmt/format.h>

#include <utility>

#include "runtime/engine.hpp"
#include "store/store.hpp"

namespace joey {

AuditExport::AuditExport(std::shared_ptr<Host> host, std::string task) : host_(std::move(host)), only_(std::move(task)) {}

Result<std::string> AuditExport::next() {
  std::string lines;
  if (!opened_) {
    if (Status opened = open(); !opened) return tl::unexpected(std::move(opened.error()));
    opened_ = true;
  }
  while (lines.empty() && !ended_) {
    if (!trail_ && tasks_.empty()) {
      lines = end_.line() + "\n";
      ended_ = true;
    } else if (Status read = read_page(lines); !read) {
      return tl::unexpected(std::move(read.error()));
    }
  }
  return lines;
}

Status AuditExport::open() {
  if (only_.empty()) return push_tasks("");
  tasks_.push_back(only_);
  return {};
}

// A list is newest first, so that the oldest comes to lie on top.
Status AuditExport::push_tasks(const std::string& parent) {
  constexpr std::size_t page_max = 1'000;
  std::string cursor;
  do {
    auto page = host_->wait<ListPage>([query = ListQuery{parent, cursor, page_max}](Engine& engine, Completion<ListPage> done) {
      engine.store().list(query, std::move(done));
    });
    if (!page) return tl::unexpected(std::move(page.error()));
    for (const TaskSummary& task : page->tasks) tasks_.push_back(task.task);
    cursor = std::move(page->next);
  } while (!cursor.empty());
  return {};
}

Status AuditExport::read_page(std::string& lines) {
  if (!trail_) {
    task_ = std::move(tasks_.back());
    tasks_.pop_back();
    trail_.emplace(task_);
    from_ = 1;
  }
  ReadQuery query;
  query.stream = task_;
  query.from = from_;
  using Entries = std::vector<StoredEntry>;
  auto entries = host_->wait<Entries>([&query](Engine& engine, Completion<Entries> done) { engine.store().read(query, std::move(done)); });
  if (!entries) return tl::unexpected(std::move(entries.error()));
  if (entries->empty()) {
    if (from_ == 1) return failure(ErrorCode::not_found, fmt::format("there is no task \"{}\" in this store", task_));
    end_.add(*trail_);
    trail_.reset();
    return push_tasks(task_);
  }
  for (const StoredEntry& entry : *entries) {
    auto event = event_from_json(*entry.bytes);
    if (!event) return failure(event.error().code, fmt::format("task {}, event {}: {}", task_, entry.seq, event.error().message));
    if (std::string line = trail_->line(*event); !line.empty()) lines.append(line).append("\n");
    from_ = entry.seq + 1;
  }
  return {};
}

}  // namespace joey

// What every kind of store asks of a call before it looks at what it holds.
#pragma once

#include <string>

#include "store/store.hpp"

namespace joey {

// Entries of one stream. A journal key packs stream and sequence into 64 bits.
constexpr Seq seq_max = 0xFFFF'FFFF;

[[nodiscard]] inline Status check(const Append& append) {
  if (append.stream.empty()) return failure(ErrorCode::invalid_argument, "append: the stream has no name");
  if (append.entries.empty()) {
    return failure(ErrorCode::invalid_argument, append.stream + ": append without an entry");
  }
  for (const EntryBytes& entry : append.entries) {
    if (!entry) return failure(ErrorCode::invalid_argument, append.stream + ": append of a null entry");
  }
  if (append.summary && append.summary->task.empty()) {
    return failure(ErrorCode::invalid_argument, append.stream + ": a summary without a task");
  }
  if (append.expected > seq_max || append.entries.size() > seq_max - append.expected) {
    return failure(ErrorCode::limit,
                   append.stream + ": a stream holds at most " + std::to_string(seq_max) + " entries");
  }
  return {};
}

[[nodiscard]] inline Error conflict(const Append& append, Seq last) {
  return {ErrorCode::conflict, append.stream + ": the stream is at " + std::to_string(last) +
                                   ", the append expected " + std::to_string(append.expected)};
}

// Where a page of a list ends: the age and id of its last task, which no later change of the list moves.
struct ListCursor {
  std::int64_t created_at{0};
  std::string task;

  [[nodiscard]] std::string text() const { return std::to_string(created_at) + ":" + task; }
};

[[nodiscard]] Result<ListCursor> parse_cursor(std::string_view text);

}  // namespace joey

// The audit trail of a task: what was decided, run and changed, by whose word, in lines that are bound to each other.
//
// A line is a JSON object on one line:
//
//   {"task","n":1,2,3...,"seq","at","kind", fields of the kind..., "prev":digest,"hash":digest}
//
// `hash` is the BLAKE2b-256 digest, in hexadecimal, of the line up to where `,"hash":` begins; `prev` is the hash of the
// line before, and of the first line the digest of the task's id. So no line of a task can be changed, dropped, added or
// moved without the rest not fitting any more, and a later export of a task begins with the lines of an earlier one. An
// export ends with {"kind":"end","tasks","lines","heads":digest,"hash"}, where `heads` is the digest of the last hashes of
// all its tasks, in their order: without it the end is missing. Whoever keeps that line elsewhere can tell a whole export
// that was made anew.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "model/event.hpp"

namespace joey {

class AuditTrail {
 public:
  explicit AuditTrail(std::string task);

  // The line of an event, without its end; "" for one that is not an auditor's business. In the journal's order.
  [[nodiscard]] std::string line(const Event& event);

  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  [[nodiscard]] const Digest& head() const { return head_; }

 private:
  std::string task_;
  std::uint64_t lines_{0};
  Digest head_;
  std::map<std::string, std::string, std::less<>> calls_;  // of the last answer: ids to arguments
};

// The end of an export.
class AuditEnd {
 public:
  void add(const AuditTrail& trail);
  [[nodiscard]] std::string line() const;

 private:
  std::uint64_t tasks_{0};
  std::uint64_t lines_{0};
  Digester heads_;
};

struct AuditCheck {
  std::uint64_t lines{0};  // that fit, from the first on
  std::uint64_t tasks{0};
  bool complete{false};    // up to its end
  std::string problem;     // the first thing that is wrong, with its line; empty: nothing is
};

// Whether an export is as it was written. Time and memory are linear in its size.
[[nodiscard]] AuditCheck verify_audit(std::string_view lines);

}  // namespace joey

// Watches everything that crosses the engine's edge and says when an invariant of the design is broken.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/task.hpp"
#include "runtime/subscription.hpp"
#include "sim/wire.hpp"
#include "store/store.hpp"

namespace joey::sim {

// What the disk holds of one task, and what follows from it.
struct Chronicle {
  std::vector<EntryBytes> entries;
  std::vector<Event> events;
  Task task;  // their fold

  struct Call {
    ToolCall call;
    bool approved{false};  // by an `approval` with the digest of exactly its arguments
    bool by_person{false};
    int starts{0};
    int results{0};
  };
  std::map<std::string, Call> calls;
  std::set<std::string> words;  // of the person, and answers as the model gets them

  struct Request {
    Digest digest;
    std::int64_t turn{0};
    int announced{0};  // model.requested events with this digest
    int sent{0};
    double reserved_usd{0};
  };
  Request request;         // the last
  std::int64_t requests{0};    // announced so far
  std::int64_t sent_request{0};  // the number of the last that was sent
  std::string sent_body;
  std::size_t sent_settled_bytes{0};
  bool cache_broken{false};          // since that one
  std::int64_t cache_offset{0};      // the least that was declared
  std::int64_t failures{0};          // of this turn's request, since a person last opened the task
};

class Auditor {
 public:
  // The first violation ends the run.
  void violate(std::string what);
  [[nodiscard]] bool ok() const { return violation_.empty(); }
  [[nodiscard]] const std::string& violation() const { return violation_; }

  // The store has them on the disk.
  void durable(const std::string& task, Seq expected, const std::vector<EntryBytes>& entries);
  // The engine is told so, or that it failed; until then the disk may be ahead of it.
  void append_begins(const std::string& task) { ++appending_[task]; }
  void append_ends(const std::string& task) {
    --appending_[task];
    settled_.insert(task);
  }

  // A request reaches the vendor. Returns the task it is of; null after a violation.
  Chronicle* requested(const Seen& seen, std::string_view body);
  // A tool begins for this task.
  void tool_begins(const std::string& task, const std::string& name, const std::string& arguments, bool read_only);
  void tool_has_effect(const std::string& task, const std::string& name, const std::string& arguments);
  // What a provider bills cannot be trusted when the network changes digits.
  void trust_no_bill() { bills_trusted_ = false; }

  // The process ended: no effect may begin before the next one starts.
  void stopped() { stopped_ = true; }

  // An input was acknowledged.
  void acknowledged(const std::string& task, const Input& input);

  // The live task must be the fold of its journal, while nothing of it is on the way to the disk.
  void compare(const std::string& task, const Task& live);
  [[nodiscard]] std::set<std::string> take_settled() { return std::exchange(settled_, {}); }
  [[nodiscard]] bool appending(const std::string& task) const;
  [[nodiscard]] bool appending() const;  // anything

  void crashed();  // or stopped: what was on the way is lost

  [[nodiscard]] Chronicle* find(const std::string& task);
  [[nodiscard]] const std::map<std::string, Chronicle>& chronicles() const { return chronicles_; }

  struct Counts {
    std::int64_t events{0};
    std::int64_t requests{0};
    std::int64_t tool_runs{0};
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] Digest fingerprint() const { return digester_.finish(); }  // of every durable byte, in order

 private:
  void check(Chronicle& chronicle, const Task& before, const Event& event);

  std::string violation_;
  std::map<std::string, Chronicle> chronicles_;
  std::map<Digest, std::string> announced_;  // requests -> task
  // Of all calls of one task with the same name and arguments, which only a journal can tell apart.
  struct Uses {
    int started{0};  // by events
    int begun{0};
    int effects{0};
  };
  std::map<std::string, Uses> uses_;
  std::map<std::string, int> appending_;
  std::set<std::string> settled_;
  bool stopped_{false};
  bool bills_trusted_{true};
  Counts counts_;
  Digester digester_;
};

}  // namespace joey::sim

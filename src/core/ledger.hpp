// What a task has cost, attempt by attempt: read off its journal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/event.hpp"

namespace joey {

// One request to a model, whatever came of it.
struct LedgerAttempt {
  std::uint64_t seq{0};  // of the event that announced it
  std::int64_t turn{0};
  std::int64_t attempt{0};
  std::string provider;
  std::string model;    // that was asked
  std::string outcome;  // "answered", the class of the failure, or "open": nothing has come of it yet
  Usage usage;
  double cost_usd{0};
  bool estimated{false};  // usage and cost: the provider had not counted all of it
};

struct LedgerSubtask {
  std::string task;
  Usage usage;
  double cost_usd{0};
};

// A request that could not share its beginning with the one before.
struct LedgerBreak {
  std::uint64_t seq{0};
  std::string cause;
  double cost_usd{0};  // estimated: of reading again what the provider's cache had
};

struct Ledger {
  std::vector<LedgerAttempt> attempts;
  std::vector<LedgerSubtask> subtasks;  // that have ended
  std::vector<LedgerBreak> breaks;
  Usage usage;  // of all, with subtasks
  double cost_usd{0};
};

[[nodiscard]] Ledger ledger_of(std::span<const Event> events);

// Of what was read, how much came from the provider's cache: 0 to 1.
[[nodiscard]] double cached_share(const Usage& usage);

// {"attempts":[...],"subtasks":[...],"breaks":[...],"usage":{...},"cost_usd","cached_share"}, as joey.h describes it.
[[nodiscard]] std::string to_json(const std::string& task, const Ledger& ledger);

}  // namespace joey

#include "core/ledger.hpp"

#include <utility>

#include "base/json.hpp"

namespace joey {
namespace {

struct Bookkeeper {
  Ledger ledger;
  TaskConfig config;
  std::uint64_t seq{0};

  template <class Other>
  void operator()(const Other&) {}  // costs nothing

  void operator()(const event::TaskCreated& e) { config = e.config; }
  void operator()(const event::ModelChanged& e) { take_model(config, e.model); }
  void operator()(const event::ModelRequested& e) {
    ledger.attempts.push_back({seq, e.turn, e.attempt, config.provider, config.model, "open", {}, 0, false});
  }
  void operator()(const event::ModelFinished& e) { book("answered", e.usage, e.cost_usd, false); }
  void operator()(const event::ModelFailed& e) { book(std::string(name_of(e.error)), e.usage, e.cost_usd, e.estimated); }
  void operator()(const event::SubtaskFinished& e) {
    ledger.subtasks.push_back({e.child, e.usage, e.cost_usd});
    ledger.usage += e.usage;
    ledger.cost_usd += e.cost_usd;
  }
  void operator()(const event::CacheBroken& e) { ledger.breaks.push_back({seq, e.cause, e.cost_usd}); }

  void book(std::string outcome, const Usage& usage, double cost_usd, bool estimated) {
    if (ledger.attempts.empty()) ledger.attempts.emplace_back();  // only a damaged journal has an answer to nothing
    LedgerAttempt& attempt = ledger.attempts.back();
    attempt.outcome = std::move(outcome);
    attempt.usage = usage;
    attempt.cost_usd = cost_usd;
    attempt.estimated = estimated;
    ledger.usage += usage;
    ledger.cost_usd += cost_usd;
  }
};

void write_usage(JsonWriter& json, const Usage& usage) {
  json.key("usage").begin_object().field("input", usage.input).field("output", usage.output);
  json.field("cache_read", usage.cache_read).field("cache_write", usage.cache_write).field("reasoning", usage.reasoning).end_object();
}

}  // namespace

Ledger ledger_of(std::span<const Event> events) {
  Bookkeeper keeper;
  for (const Event& event : events) {
    keeper.seq = event.seq;
    std::visit(keeper, event.body);
  }
  return std::move(keeper.ledger);
}

double cached_share(const Usage& usage) {
  const std::int64_t read = usage.input + usage.cache_read + usage.cache_write;
  return read > 0 ? static_cast<double>(usage.cache_read) / static_cast<double>(read) : 0;
}

std::string to_json(const std::string& task, const Ledger& ledger) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", task).key("attempts").begin_array();
  for (const LedgerAttempt& attempt : ledger.attempts) {
    json.begin_object().field("seq", attempt.seq).field("turn", attempt.turn).field("attempt", attempt.attempt);
    json.field("provider", attempt.provider).field("model", attempt.model).field("outcome", attempt.outcome);
    write_usage(json, attempt.usage);
    json.field("cost_usd", attempt.cost_usd).field("estimated", attempt.estimated).end_object();
  }
  json.end_array().key("subtasks").begin_array();
  for (const LedgerSubtask& subtask : ledger.subtasks) {
    json.begin_object().field("task", subtask.task);
    write_usage(json, subtask.usage);
    json.field("cost_usd", subtask.cost_usd).end_object();
  }
  json.end_array().key("breaks").begin_array();
  for (const LedgerBreak& broken : ledger.breaks) {
    json.begin_object().field("seq", broken.seq).field("cause", broken.cause).field("cost_usd", broken.cost_usd).end_object();
  }
  json.end_array();
  write_usage(json, ledger.usage);
  json.field("cost_usd", ledger.cost_usd).field("cached_share", cached_share(ledger.usage)).end_object();
  return out;
}

}  // namespace joey

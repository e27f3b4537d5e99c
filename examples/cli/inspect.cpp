#include "inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "event.hpp"
#include "interrupts.hpp"
#include "journal.hpp"
#include "setup.hpp"
#include "task_view.hpp"
#include "terminal.hpp"
#include "text.hpp"
#include "transcript.hpp"

namespace cli {
namespace {

constexpr int follow_interval_ms = 150;

Tone tone_of_status(std::string_view status) {
  if (status == "completed") return Tone::green;
  if (status == "failed") return Tone::red;
  return status == "running" ? Tone::cyan : Tone::yellow;
}

std::string task_row(const Terminal& terminal, Object task) {
  const std::string_view status = text_of(task, "status");
  const std::string cost = real_of(task, "cost_usd") > 0 ? cost_text(real_of(task, "cost_usd")) : "";
  std::string title = clean(one_line(text_of(task, "title")));
  const std::string age = age_text(number_of(task, "updated_at"));
  const std::string row = fmt::format("{:<16} {:>13} {:>6} {:>9}  ", status, age, number_of(task, "turns"), cost);
  const std::string id(text_of(task, "task"));
  if (terminal.terminal()) {
    const std::size_t used = id.size() + 2 + row.size();
    title = fit(title, terminal.columns() > used + 10 ? terminal.columns() - used : 10);
  }
  return fmt::format("{}  {}{}\n", id, terminal.paint(tone_of_status(status), row), title);
}

std::string read_export(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) throw UsageError(fmt::format("{} cannot be read", path));
  return text;
}

}  // namespace

int tasks(const Options& options) {
  const Interrupts interrupts;
  Terminal terminal;
  const bool text = options.output == OutputFormat::text;
  std::error_code error;
  if (!std::filesystem::exists(database_path(options), error)) {
    fmt::print(stderr, "joey: no tasks yet: there is no database {}\n", database_path(options));
    return exit_completed;
  }
  const joey::Engine engine = open_engine(options, false);
  JsonReader reader;
  std::string cursor;
  std::uint32_t count = 0;
  do {
    constexpr std::uint32_t page_max = 1'000;
    const std::uint32_t wanted = options.tasks_max == 0 ? page_max : std::min(page_max, options.tasks_max - count);
    const joey::Text json = engine.list_tasks({}, cursor, wanted);
    const Object page = reader.object(json);
    for (const auto item : array_of(page, "tasks")) {
      Object task;
      if (item.get(task) != simdjson::SUCCESS) continue;
      if (text && count == 0) {
        terminal.write(terminal.paint(Tone::dim, fmt::format("{:<29}  {:<16} {:>13} {:>6} {:>9}  {}", "TASK", "STATUS", "AGE",
                                                             "TURNS", "COST", "TITLE")) + "\n");
      }
      ++count;
      terminal.write(text ? task_row(terminal, task) : json_line(simdjson::minify(item), terminal.terminal()));
    }
    cursor = text_of(page, "next");
    terminal.flush();
  } while (!cursor.empty() && (options.tasks_max == 0 || count < options.tasks_max) && !terminal.closed());
  if (count == 0) fmt::print(stderr, "joey: no tasks yet\n");
  if (!cursor.empty() && text) fmt::print(stderr, "joey: there are more: --limit 0 shows all\n");
  return exit_completed;
}

int show(const Options& options) {
  const Interrupts interrupts;
  const joey::Engine engine = open_engine(options, false);
  Terminal terminal;
  Transcript transcript(terminal);
  TaskView view(options.task);
  for_each_event(engine, options.task, 1, [&](const Event& event, std::string_view) {
    view.apply(event);
    transcript.add(view, event);
    if (event.seq % 64 == 0) terminal.flush();
    return !terminal.closed();
  });
  transcript.summary(view, view.updated_at - view.created_at, {{Tone::dim, view.id}});
  terminal.flush();
  return exit_completed;
}

int events(const Options& options) {
  const Interrupts interrupts;
  const joey::Engine engine = open_engine(options, false);
  Terminal terminal;
  bool ended = false;
  std::uint64_t from = options.from;
  const auto print = [&](const Event& event, std::string_view json) {
    ended = event.type == "task.ended";
    terminal.write(json_line(json, terminal.terminal()));
    if (event.seq % 64 == 0) terminal.flush();
    return !terminal.closed();
  };
  // The end may lie before --from.
  if (options.follow && from > 1) {
    for_each_event(engine, options.task, 1, [&](const Event& event, std::string_view) {
      ended = event.type == "task.ended";
      return event.seq + 1 < from;
    });
  }
  for (;;) {
    from = for_each_event(engine, options.task, from, print);
    terminal.flush();
    if (!options.follow || ended || terminal.closed()) return exit_completed;
    if (interrupts.wait(follow_interval_ms)) return exit_cancelled;
  }
}

int replay(const Options& options) {
  const joey::Engine engine = open_engine(options, false);
  const joey::Text json = engine.replay(options.task);
  JsonReader reader;
  const Object report = reader.object(json);
  const Array mismatched = array_of(report, "mismatched");
  Terminal terminal;
  const bool exact = mismatched.size() == 0 && number_of(report, "matched") == number_of(report, "requests");
  if (options.output == OutputFormat::jsonl) {
    terminal.write(json_line(json.view(), terminal.terminal()));
    return exact ? exit_completed : exit_failed;
  }
  const std::int64_t requests = number_of(report, "requests");
  terminal.write(terminal.paint(exact ? Tone::green : Tone::red,
                                fmt::format("{}, {} match", plural(requests, "request"), number_of(report, "matched"))) + "\n");
  for (const auto item : mismatched) {
    Object mismatch;
    if (item.get(mismatch) != simdjson::SUCCESS) continue;
    terminal.write(fmt::format("seq {} (turn {}, attempt {}): expected {}, got {}\n", number_of(mismatch, "seq"),
                               number_of(mismatch, "turn"), number_of(mismatch, "attempt"),
                               clean(text_of(mismatch, "expected")), clean(text_of(mismatch, "actual"))));
  }
  return exact ? exit_completed : exit_failed;
}

namespace {

// The attempts that one model had.
struct ModelBill {
  std::int64_t requests{0};
  std::int64_t failed{0};
  bool estimated{false};
  std::int64_t read{0};
  std::int64_t cached{0};
  std::int64_t written{0};
  double cost_usd{0};

  void add(Object entry) {
    const Object usage = object_of(entry, "usage");
    cached += number_of(usage, "cache_read");
    read += number_of(usage, "input") + number_of(usage, "cache_read") + number_of(usage, "cache_write");
    written += number_of(usage, "output");
    cost_usd += real_of(entry, "cost_usd");
    estimated |= flag_of(entry, "estimated");
  }
};

std::string bill_line(std::string_view name, std::string_view requests, std::string_view failed, const ModelBill& bill) {
  return fmt::format("{:<34} {:>8} {:>7} {:>9} {:>7} {:>9} {:>10}\n", name, requests, failed, count_text(bill.read),
                     bill.read > 0 ? fmt::format("{} %", 100 * bill.cached / bill.read) : "-", count_text(bill.written),
                     (bill.estimated ? "~" : "") + cost_text(bill.cost_usd));
}

}  // namespace

int bill(const Options& options) {
  const joey::Engine engine = open_engine(options, false);
  const joey::Text json = engine.bill(options.task);
  Terminal terminal;
  if (options.output == OutputFormat::jsonl) {
    terminal.write(json_line(json.view(), terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Object ledger = reader.object(json);
  std::map<std::string, ModelBill> models;
  ModelBill sum;
  for (const auto item : array_of(ledger, "attempts")) {
    Object attempt;
    if (item.get(attempt) != simdjson::SUCCESS) continue;
    ModelBill& model = models[fmt::format("{} {}", clean(text_of(attempt, "provider")), clean(text_of(attempt, "model")))];
    const std::string_view outcome = text_of(attempt, "outcome");
    const bool failed = outcome != "answered" && outcome != "open";
    for (ModelBill* of : {&model, &sum}) {
      of->add(attempt);
      ++of->requests;
      of->failed += failed ? 1 : 0;
    }
  }
  terminal.write(terminal.paint(Tone::dim, fmt::format("{:<34} {:>8} {:>7} {:>9} {:>7} {:>9} {:>10}\n", "", "requests", "failed", "read", "cached",
                                                       "written", "cost")));
  for (const auto& [name, model] : models) terminal.write(bill_line(name, std::to_string(model.requests), std::to_string(model.failed), model));
  for (const auto item : array_of(ledger, "subtasks")) {
    Object subtask;
    if (item.get(subtask) != simdjson::SUCCESS) continue;
    ModelBill own;
    own.add(subtask);
    sum.add(subtask);
    terminal.write(bill_line(fmt::format("subtask {}", clean(text_of(subtask, "task"))), "", "", own));
  }
  terminal.write(bill_line("all", std::to_string(sum.requests), std::to_string(sum.failed), sum));
  for (const auto item : array_of(ledger, "breaks")) {
    Object broken;
    if (item.get(broken) != simdjson::SUCCESS) continue;
    terminal.write(terminal.paint(Tone::dim, fmt::format("the cached beginning was lost at seq {} ({}), for about {}\n", number_of(broken, "seq"),
                                                         clean(text_of(broken, "cause")), cost_text(real_of(broken, "cost_usd")))));
  }
  return exit_completed;
}

int audit(const Options& options) {
  Terminal terminal;
  if (!options.verify.empty()) {
    const joey::Text json = joey::Audit::verify(read_export(options.verify));
    JsonReader reader;
    const Object check = reader.object(json);
    if (!flag_of(check, "valid")) {
      terminal.write(fmt::format("{}\n", terminal.paint(Tone::red, clean(text_of(check, "problem")))));
      return exit_failed;
    }
    terminal.write(fmt::format("{} lines of {} tasks, as they were written\n", number_of(check, "lines"), number_of(check, "tasks")));
    return exit_completed;
  }
  joey::Engine engine = open_engine(options, false);
  joey::Audit exported = engine.audit(options.task);
  for (joey::Text lines = exported.next(); !lines.view().empty(); lines = exported.next()) terminal.write(std::string(lines.view()));
  return exit_completed;
}

}  // namespace cli

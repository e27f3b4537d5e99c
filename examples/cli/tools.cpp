#include "tools.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "event.hpp"
#include "interrupts.hpp"
#include "journal.hpp"
#include "setup.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace cli {
namespace {

// The beginning of a description, up to the end of its first sentence.
std::string first_sentence(std::string_view text) {
  const std::size_t end = text.find(". ");
  return one_line(clean(text.substr(0, std::min(end, text.find('\n')))));
}

void list_named(Terminal& terminal, Object project, const char* kind, const char* name, std::string_view prefix) {
  const Array list = array_of(project, kind);
  if (list.size() == 0) return;
  terminal.write(terminal.paint(Tone::bold, kind) + "\n");
  for (const auto item : list) {
    Object entry;
    if (item.get(entry) != simdjson::SUCCESS) continue;
    std::string_view description = text_of(entry, "description");
    if (description.empty()) description = text_of(entry, "when_to_use");
    const std::string line = fmt::format("  {:<28} {:<9} {}", fmt::format("{}{}", prefix, clean(text_of(entry, name))),
                                         text_of(entry, "origin"), first_sentence(description));
    terminal.write((terminal.terminal() ? fit(line, terminal.columns()) : line) + "\n");
  }
}

}  // namespace

int tool(const Options& options) {
  joey::Engine engine;
  joey::Session session = tool_session(engine, options);
  Terminal terminal;
  try {
    const joey::Text json = session.run_tool(options.tool, options.arguments);
    JsonReader reader;
    const bool ok = flag_of(reader.object(json), "ok");
    terminal.write(json_line(json, terminal.terminal()));
    return ok ? exit_completed : exit_failed;
  } catch (const joey::Error& error) {
    terminal.write(fmt::format("{{\"ok\":false,\"error\":{},\"text\":{}}}\n", json_string(error.name()),
                               json_string(error.what())));
    return exit_failed;
  }
}

int models(const Options& options) {
  const joey::Text json = joey::catalogue();
  Terminal terminal;
  if (options.json) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Object catalogue = reader.object(json);
  const auto wanted = [&](std::string_view name) { return name.find(options.model) != name.npos; };
  std::string lines;
  for (const auto item : array_of(catalogue, "providers")) {
    Object row;
    if (item.get(row) != simdjson::SUCCESS || !wanted(text_of(row, "name"))) continue;
    lines += fmt::format("  {:<18} {:<30} {:<24} {}\n", text_of(row, "name"), text_of(row, "model").empty() ? "name a model" : text_of(row, "model"),
                         text_of(row, "key_variable").empty() ? "no key" : text_of(row, "key_variable"), text_of(row, "base_url"));
  }
  if (!lines.empty()) {
    terminal.write(terminal.paint(Tone::bold, fmt::format("  {:<18} {:<30} {:<24} {}", "provider", "model by default", "key", "address")) + "\n" + lines);
  }
  const std::string providers = std::exchange(lines, {});
  const auto price = [](double usd) { return usd > 0 ? fmt::format("{:g}", usd) : std::string("-"); };
  for (const auto item : array_of(catalogue, "models")) {
    Object row;
    if (item.get(row) != simdjson::SUCCESS || !wanted(text_of(row, "id"))) continue;
    lines += fmt::format("  {:<28} {:>10} {:>9} {:>8} {:>8} {:>8} {:>8}\n", text_of(row, "id"), number_of(row, "context_window"),
                         number_of(row, "output_tokens_max"), price(real_of(row, "price_input")), price(real_of(row, "price_output")),
                         price(real_of(row, "price_cache_read")), price(real_of(row, "price_cache_write")));
  }
  if (!lines.empty()) {
    terminal.write((providers.empty() ? "" : "\n") +
                   terminal.paint(Tone::bold, fmt::format("  {:<28} {:>10} {:>9} {:>8} {:>8} {:>8} {:>8}", "model (ids begin so)", "window",
                                                          "answer", "input $", "output $", "cached $", "caching $")) +
                   "\n" + lines);
  }
  if (providers.empty() && lines.empty()) throw UsageError(fmt::format("nothing known has \"{}\" in its name", options.model));
  return exit_completed;
}

int tools(const Options& options) {
  joey::Engine engine;
  const joey::Session session = tool_session(engine, options);
  const joey::Text json = session.tools(options.mode);
  Terminal terminal;
  if (options.json) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  simdjson::dom::parser parser;
  for (const auto item : parser.parse(json.view()).get_array()) {
    Object tool;
    if (item.get(tool) != simdjson::SUCCESS) continue;
    const std::string name = fmt::format("{:<28}", clean(text_of(tool, "name")));
    const std::string group = fmt::format("{:<10}", clean(text_of(tool, "group")));
    const std::string description = first_sentence(text_of(tool, "description"));
    terminal.write(fmt::format("{}{}{}\n", terminal.paint(Tone::bold, name), terminal.paint(Tone::dim, group),
                               terminal.terminal() ? fit(description, terminal.columns() - std::min<std::size_t>(
                                                                          terminal.columns(), 40))
                                                   : description));
  }
  return exit_completed;
}

int explain(const Options& options) {
  joey::Engine engine;
  Options with = options;
  with.auto_approve = options.auto_approve.value_or("");
  const joey::Session session = tool_session(engine, with);
  const bool is_call = !options.tool.empty();
  const joey::Text json = session.explain_call(is_call ? options.tool : "execute_command",
                                               is_call ? options.command_line
                                                       : fmt::format("{{\"command\":{}}}", json_string(options.command_line)));
  Terminal terminal;
  JsonReader reader;
  const Object decision = reader.object(json);
  const std::string verdict(text_of(decision, "verdict"));
  const int code = verdict == "allow" ? exit_completed : verdict == "ask" ? exit_waiting : exit_failed;
  if (options.json) {
    terminal.write(json_line(json, terminal.terminal()));
    return code;
  }
  const auto tone = [](std::string_view name) { return name == "allow" ? Tone::green : name == "ask" ? Tone::yellow : Tone::red; };
  const auto show = [&](std::string_view judged, std::string_view kind, std::string_view text, std::string_view rule) {
    terminal.write(fmt::format("{}  {:<10} {}\n{:17} {}\n", terminal.paint(tone(judged), fmt::format("{:<5}", judged)), kind,
                               one_line(clean(text)), "", terminal.paint(Tone::dim, one_line(clean(rule)))));
  };
  for (const auto item : array_of(decision, "files")) {
    Object file;
    if (item.get(file) != simdjson::SUCCESS) continue;
    show(text_of(file, "verdict"), flag_of(file, "writes") ? "edit" : "read", text_of(file, "path"), text_of(file, "rule"));
  }
  for (const auto item : array_of(decision, "parts")) {
    Object part;
    if (item.get(part) != simdjson::SUCCESS) continue;
    show(text_of(part, "verdict"), text_of(part, "kind"), text_of(part, "text"), text_of(part, "rule"));
  }
  terminal.write(fmt::format("{}: {}\n", terminal.paint(tone(verdict), verdict), one_line(clean(text_of(decision, "rule")))));
  return code;
}

int project(const Options& options) {
  joey::Engine engine;
  const joey::Session session = tool_session(engine, options);
  const joey::Text json = session.project();
  Terminal terminal;
  if (options.json) {
    terminal.write(json_line(json, terminal.terminal()));
    return exit_completed;
  }
  JsonReader reader;
  const Object project = reader.object(json);
  list_named(terminal, project, "modes", "slug", "");
  list_named(terminal, project, "commands", "name", "/");
  list_named(terminal, project, "skills", "name", "");
  for (const auto item : array_of(project, "warnings")) {
    std::string_view warning;
    if (item.get(warning) == simdjson::SUCCESS) {
      terminal.write(terminal.paint(Tone::yellow, fmt::format("warning: {}", one_line(clean(warning)))) + "\n");
    }
  }
  return exit_completed;
}

}  // namespace cli

#include "help.hpp"

#include <fmt/format.h>

#include <iterator>
#include <vector>

namespace cli {
namespace {

constexpr std::size_t left_columns = 26;
constexpr std::size_t columns = 100;

// "  left      right", the right side wrapped.
void append_row(std::string& out, const std::string& left, std::string_view right) {
  std::string line = fmt::format("  {:<{}}", left, left_columns);
  if (left.size() >= left_columns) {
    out += line + "\n";
    line.assign(left_columns + 2, ' ');
  }
  bool first = true;
  while (!right.empty()) {
    const std::size_t end = right.find(' ');
    const std::string_view word = right.substr(0, end);
    if (!first && line.size() + 1 + word.size() > columns) {
      out += line + "\n";
      line.assign(left_columns + 2, ' ');
      first = true;
    }
    if (!first) line += ' ';
    line += word;
    first = false;
    if (end == std::string_view::npos) break;
    right.remove_prefix(end + 1);
  }
  out += line + "\n";
}

std::string left_of(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string left;
  for (const std::string& name : option.get_snames()) left += "-" + name + ", ";
  if (left.empty()) left = "    ";
  for (const std::string& name : option.get_lnames()) left += "--" + name;
  // What follows the colon names the check.
  const std::string value = option.get_type_name().substr(0, option.get_type_name().find(':'));
  if (option.get_expected_max() > 0 && !value.empty()) left += " " + value;
  return left;
}

std::string usage_of(const CLI::App& app) {
  std::string usage;
  for (const CLI::App* command = &app; command->get_parent() != nullptr; command = command->get_parent()) {
    usage.insert(0, " " + command->get_name());
  }
  usage.insert(0, "joey");
  if (!app.get_subcommands({}).empty()) return usage + " COMMAND [options]";
  usage += " [options]";
  for (const CLI::Option* option : app.get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    usage += option->get_required() ? " " + option->get_name(true) : " [" + option->get_name(true) + "]";
  }
  return usage;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  std::string out = fmt::format("{}\n\nUsage: {}\n", app->get_description(), usage_of(*app));
  const auto section = [&out](const std::string& title, const std::vector<const CLI::Option*>& options) {
    if (options.empty()) return;
    out += "\n" + title + ":\n";
    for (const CLI::Option* option : options) append_row(out, left_of(*option), option->get_description());
  };
  const auto subcommands = app->get_subcommands([](const CLI::App*) { return true; });
  if (!subcommands.empty()) {
    out += "\nCommands:\n";
    for (const CLI::App* sub : subcommands) {
      const std::string usage = usage_of(*sub).substr(std::string_view("joey ").size());
      std::string left = sub->get_name();
      if (const std::size_t end = usage.find("[options]"); end != std::string::npos) left += usage.substr(end + 9);
      append_row(out, left, sub->get_description());
    }
  }
  section("Arguments", app->get_options([](const CLI::Option* option) { return option->get_positional(); }));
  for (const std::string& group : app->get_groups()) {
    section(group, app->get_options([&group](const CLI::Option* option) {
      return option->nonpositional() && option->get_group() == group;
    }));
  }
  if (!app->get_footer().empty()) out += "\n" + app->get_footer() + "\n";
  return out;
}

}  // namespace cli

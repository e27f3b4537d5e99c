#include "journal.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace cli {
namespace {

std::string shell_word(const std::string& text) {
  const bool plain = text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,") == std::string::npos;
  if (plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::uint64_t for_each_event(const joey::Engine& engine, std::string_view task, std::uint64_t from,
                             const std::function<bool(const Event&, std::string_view)>& f) {
  JsonReader reader;
  for (;;) {
    const joey::Text page = engine.read_events(task, from);
    const auto lines = lines_of(page.view());
    if (lines.empty()) return from;
    for (const std::string_view line : lines) {
      const Event event = reader.event(line);
      from = event.seq + 1;
      if (!f(event, line)) return from;
    }
  }
}

std::string json_line(std::string_view json, bool terminal) {
  std::string line;
  line.reserve(json.size() + 1);
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = i + 1 < json.size() ? static_cast<unsigned char>(json[i + 1]) : 0U;
    if (terminal && byte == 0x7F) {
      line += "\\u007f";
    } else if (terminal && byte == 0xC2 && next >= 0x80 && next < 0xA0) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", next);
      ++i;
    } else {
      line += json[i];
    }
  }
  return line += '\n';
}

std::string resume_command(const Options& options, std::string_view task) {
  std::string command = fmt::format("joey resume {}", task);
  if (!options.database.empty()) command += fmt::format(" --db {}", shell_word(options.database));
  return command;
}

}  // namespace cli

#include "call_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "diff_text.hpp"
#include "text.hpp"

namespace cli {
namespace {

constexpr std::size_t diff_lines_max = 60;    // shown of a change that was made
constexpr std::size_t output_lines_max = 8;   // the last ones of a command
constexpr std::size_t content_lines_max = 8;  // the first ones of a file that was written
constexpr std::size_t error_lines_max = 12;
constexpr std::size_t key_argument_size_max = 500;

std::string cut(std::string text) {
  if (text.size() > key_argument_size_max) text = fit(text, key_argument_size_max);
  return text;
}

std::string read_file_argument(Object arguments) {
  std::string paths(text_of(arguments, "path"));
  for (const auto item : array_of(arguments, "files")) {
    Object file;
    if (item.get(file) != simdjson::SUCCESS) continue;
    if (!paths.empty()) paths += ", ";
    paths += text_of(file, "path");
  }
  if (const std::int64_t offset = number_of(arguments, "offset"); offset > 1) paths += fmt::format(":{}", offset);
  return paths;
}

std::string search_argument(Object arguments) {
  std::string text = fmt::format("/{}/", text_of(arguments, "regex"));
  const std::string_view path = text_of(arguments, "path");
  if (!path.empty() && path != ".") text += fmt::format(" in {}", path);
  if (const std::string_view pattern = text_of(arguments, "file_pattern"); !pattern.empty()) text += fmt::format(" ({})", pattern);
  return text;
}

std::string command_argument(Object arguments) {
  std::string text(text_of(arguments, "command"));
  if (const std::string_view directory = text_of(arguments, "cwd"); !directory.empty()) text += fmt::format("  (in {})", directory);
  return text;
}

// The first text among the arguments of a tool that the program does not know, else all of them.
std::string first_argument(Object arguments) {
  for (const auto field : arguments) {
    std::string_view text;
    if (field.value.get(text) == simdjson::SUCCESS && !text.empty()) return std::string(text);
  }
  return arguments.size() == 0 ? std::string() : simdjson::minify(arguments);
}

// The first `max` lines and a note on the rest.
void append_head(std::vector<Line>& out, std::vector<Line> lines, std::size_t max) {
  const std::size_t count = lines.size();
  if (count > max) lines.resize(max);
  std::move(lines.begin(), lines.end(), std::back_inserter(out));
  if (count > max) out.push_back({Tone::dim, fmt::format("… {} more", plural(static_cast<std::int64_t>(count - max), "line"))});
}

std::vector<Line> toned(Tone tone, std::string_view text, std::string_view prefix = {}) {
  std::vector<Line> out;
  for (const std::string_view line : lines_of(text)) out.push_back({tone, fmt::format("{}{}", prefix, line)});
  return out;
}

std::vector<Line> last_lines(std::string_view text, std::size_t max) {
  const std::string safe = clean(text);
  std::vector<Line> lines = toned(Tone::dim, safe);
  while (!lines.empty() && trim(lines.back().text).empty()) lines.pop_back();
  std::vector<Line> out;
  const std::size_t skipped = lines.size() > max ? lines.size() - max : 0;
  if (skipped > 0) out.push_back({Tone::dim, fmt::format("… {} before", plural(static_cast<std::int64_t>(skipped), "line"))});
  std::move(lines.begin() + static_cast<std::ptrdiff_t>(skipped), lines.end(), std::back_inserter(out));
  return out;
}

// A result as the tool wrote it: without what a person's approval put before it and out of an error's JSON.
std::string unwrapped(std::string_view text) {
  JsonReader reader;
  if (text.starts_with("{\"status\":\"approved\"")) {
    const std::size_t end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  if (!text.starts_with('{')) return std::string(text);
  const Object object = reader.object_or_empty(text);
  for (const char* name : {"error", "feedback", "message"}) {
    if (const std::string_view value = text_of(object, name); !value.empty()) return std::string(value);
  }
  return std::string(text);
}

Outcome command_outcome(std::string_view text) {
  Outcome out;
  const std::size_t whole = text.find("\nOutput:\n");
  const std::size_t preview = text.find("\nPreview:\n");  // of output that is kept as an artifact
  const std::size_t output = std::min(whole, preview);
  if (preview < whole) text = text.substr(0, text.rfind("\nUse read_command_output "));
  const std::string_view head = text.substr(0, output);
  if (const std::size_t code = head.find("Exit code: "); code != std::string_view::npos) {
    const std::string_view rest = head.substr(code + 11);
    out.info = fmt::format("exit code {}", rest.substr(0, rest.find('\n')));
    out.failed = out.info != "exit code 0";
  } else if (head.find("in the background") != std::string_view::npos) {
    out.info = "in the background";
  } else {
    out.info = clean(head.substr(0, head.find('\n')));
  }
  if (output != std::string_view::npos) {
    const std::string_view shown = text.substr(output + 1);
    out.lines = last_lines(shown.substr(shown.find('\n') + 1), output_lines_max);
  }
  return out;
}

std::string read_info(std::string_view text) {
  if (const std::size_t at = text.find("showing lines "); at != std::string_view::npos) {
    const std::string_view rest = text.substr(at + 8);
    return clean(rest.substr(0, rest.find(" lines.")));  // "lines 1-200 of 950"
  }
  const auto newlines = std::count(text.begin(), text.end(), '\n');
  return plural(newlines, "line");
}

Outcome ok_outcome(const Call& call, Object arguments, std::string_view text) {
  Outcome out;
  if (call.tool == "execute_command") return command_outcome(text);
  if (call.tool == "read_file") {
    out.info = read_info(text);
  } else if (call.tool == "list_files") {
    const auto lines = static_cast<std::int64_t>(lines_of(text).size());
    out.info = text.starts_with("No files") ? "nothing" : lines == 1 ? "1 entry" : fmt::format("{} entries", lines);
  } else if (call.tool == "search_files") {
    std::string_view line = text.substr(0, text.find_first_of(".\n"));
    if (line.starts_with("Found ")) line.remove_prefix(6);
    out.info = clean(line);
  } else if (call.tool == "apply_diff") {
    DiffText diff = diff_of_blocks(text_of(arguments, "diff"));
    out.info = fmt::format("+{} -{}", diff.added, diff.removed);
    append_head(out.lines, std::move(diff.lines), diff_lines_max);
  } else if (call.tool == "write_to_file") {
    const std::string_view content = text_of(arguments, "content");
    out.info = fmt::format("{}{}", plural(static_cast<std::int64_t>(lines_of(content).size()), "line"),
                           text.find("\"created\"") != std::string_view::npos ? ", new" : "");
    append_head(out.lines, toned(Tone::green, show_all(content), "+ "), content_lines_max);
  } else if (call.tool != "switch_mode" && call.tool != "new_task") {
    out.lines = last_lines(text, output_lines_max);
  }
  return out;
}

}  // namespace

std::string key_argument(const Call& call) {
  if (!call.malformed.empty()) return "(arguments that are not JSON)";
  JsonReader reader;
  const Object arguments = reader.object_or_empty(call.arguments);
  std::string text;
  if (call.tool == "read_file") {
    text = read_file_argument(arguments);
  } else if (call.tool == "search_files") {
    text = search_argument(arguments);
  } else if (call.tool == "execute_command") {
    text = command_argument(arguments);
  } else if (call.tool == "switch_mode") {
    text = text_of(arguments, "mode_slug");
  } else if (call.tool == "new_task") {
    text = fmt::format("{}: {}", text_of(arguments, "mode"), text_of(arguments, "message"));
  } else if (const std::string_view path = text_of(arguments, "path"); !path.empty()) {
    text = path;
  } else {
    text = first_argument(arguments);
  }
  return cut(one_line(show_all(text)));
}

std::vector<Line> preview(const Call& call, std::size_t lines_max) {
  JsonReader reader;
  const Object arguments = reader.object_or_empty(call.arguments);
  std::vector<Line> out;
  if (call.tool == "execute_command") {
    append_head(out, toned(Tone::bold, show_all(text_of(arguments, "command"))), lines_max);
    if (const std::string_view directory = text_of(arguments, "cwd"); !directory.empty()) {
      out.push_back({Tone::dim, fmt::format("in {}", show_all(directory))});
    }
  } else if (call.tool == "apply_diff") {
    append_head(out, diff_of_blocks(text_of(arguments, "diff")).lines, lines_max);
  } else if (call.tool == "write_to_file") {
    append_head(out, toned(Tone::green, show_all(text_of(arguments, "content")), "+ "), lines_max);
  } else {
    for (const auto field : arguments) {
      std::string_view text;
      const bool is_text = field.value.get(text) == simdjson::SUCCESS;
      const std::string value = is_text ? std::string(text) : simdjson::minify(field.value);
      append_head(out, toned(Tone::plain, show_all(fmt::format("{}: {}", field.key, value))), lines_max);
    }
  }
  return out;
}

Outcome outcome_of(const Call& call, std::string_view status, std::string_view text) {
  const std::string result = unwrapped(text);
  if (status.empty() || status == "ok") {
    JsonReader reader;
    return ok_outcome(call, reader.object_or_empty(call.arguments), result);
  }
  Outcome out;
  out.info = status == "error" ? "failed" : std::string(status);
  if (status == "error" || status == "interrupted") {
    append_head(out.lines, toned(Tone::red, clean(result)), error_lines_max);
  } else if (status == "denied" && text.find("\"feedback\"") != std::string_view::npos) {
    append_head(out.lines, toned(Tone::plain, clean(result)), error_lines_max);
  }
  return out;
}

}  // namespace cli

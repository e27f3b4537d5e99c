// Tools that a repository or a person offers: tools/NAME/tool.json. Nothing of them is run to list them.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t tools_max = 100;
constexpr std::size_t tool_name_bytes_max = 64;
constexpr std::size_t tool_description_bytes_max = 4'096;
constexpr std::size_t tool_schema_bytes_max = 32U << 10;
constexpr std::size_t argv_words_max = 64;
constexpr std::size_t argv_bytes_max = 4'096;
constexpr std::int64_t timeout_seconds_max = 3'600;

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= tool_name_bytes_max && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// A name to be looked for on PATH, or a path beneath the tool's folder.
bool is_program(std::string_view program) {
  if (program.empty() || program.front() == '/') return false;
  for (std::size_t begin = 0; begin <= program.size();) {
    const std::size_t end = std::min(program.find('/', begin), program.size());
    if (program.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

// The words of "command"; empty when it is not a list of texts.
std::vector<std::string> read_command(simdjson::dom::object manifest) {
  std::vector<std::string> words;
  simdjson::dom::array list;
  if (manifest["command"].get(list) != simdjson::SUCCESS || list.size() > argv_words_max) return {};
  std::size_t size = 0;
  for (const simdjson::dom::element item : list) {
    std::string_view word;
    if (item.get(word) != simdjson::SUCCESS || word.find('\0') != std::string_view::npos) return {};
    size += word.size();
    words.emplace_back(word);
  }
  if (words.empty() || size > argv_bytes_max || !is_program(words.front())) return {};
  return words;
}

// Either the tool, or one line about what is wrong.
Result<CustomTool> read_manifest(std::string_view json, std::string_view folder_name) {
  const auto wrong = [](std::string_view problem) {
    return failure(ErrorCode::invalid_argument, std::string(problem));
  };
  simdjson::dom::parser parser;
  simdjson::dom::object manifest;
  if (const auto error = parser.parse(json.data(), json.size()).get(manifest); error != simdjson::SUCCESS) {
    return wrong(fmt::format("it is not a JSON object ({})", simdjson::error_message(error)));
  }
  CustomTool tool;
  tool.spec.group = ToolGroup::custom;

  std::string_view name;
  if (manifest["name"].get(name) != simdjson::SUCCESS || name != folder_name || !is_tool_name(name)) {
    return wrong(fmt::format("\"name\" must be \"{}\", as its folder is called, of at most {} letters, digits, _ and -",
                             elide_middle(to_utf8(folder_name), 60), tool_name_bytes_max));
  }
  tool.spec.name = name;
  std::string_view description;
  if (manifest["description"].get(description) != simdjson::SUCCESS || trim(description).empty() ||
      description.size() > tool_description_bytes_max) {
    return wrong(fmt::format("\"description\" must be a text of at most {} bytes", tool_description_bytes_max));
  }
  tool.spec.description = description;

  tool.spec.parameters = R"({"type":"object","properties":{}})";
  if (simdjson::dom::element schema; manifest["parameters"].get(schema) == simdjson::SUCCESS) {
    std::string_view type;
    if (schema["type"].get(type) != simdjson::SUCCESS || type != "object") {
      return wrong("\"parameters\" must be a JSON Schema with \"type\": \"object\"");
    }
    tool.spec.parameters = simdjson::minify(schema);
    if (tool.spec.parameters.size() > tool_schema_bytes_max) {
      return wrong(fmt::format("\"parameters\" has more than {} bytes", tool_schema_bytes_max));
    }
  }
  tool.command = read_command(manifest);
  if (tool.command.empty()) {
    return wrong(
        "\"command\" must be a list of texts, as [\"./run\", \"--json\"], whose first is a program on PATH or a "
        "path within the tool's folder");
  }
  if (const auto read_only = manifest["read_only"]; read_only.error() != simdjson::NO_SUCH_FIELD) {
    if (read_only.get(tool.spec.read_only) != simdjson::SUCCESS) return wrong("\"read_only\" must be true or false");
  }
  if (const auto timeout = manifest["timeout_s"]; timeout.error() != simdjson::NO_SUCH_FIELD) {
    std::int64_t seconds = 0;
    if (timeout.get(seconds) != simdjson::SUCCESS || seconds < 1 || seconds > timeout_seconds_max) {
      return wrong(fmt::format("\"timeout_s\" must be a whole number from 1 to {}", timeout_seconds_max));
    }
    tool.timeout = std::chrono::seconds(seconds);
  }
  return tool;
}

}  // namespace

void load_custom_tools(Folder& folder) {
  if (!has_directory(folder.roo(), "tools")) return;
  std::vector<CustomTool>& tools = folder.loading().project().tools;
  for (const FolderEntry& entry : folder.entries(".roo/tools")) {
    const std::string directory = join_path(".roo/tools", entry.name);
    if (entry.kind != FileKind::directory) {
      if (entry.name.ends_with(".ts") || entry.name.ends_with(".js")) {
        folder.warn(directory,
                    "is not loaded, since no code runs inside the engine: make it a program with a tool.json "
                    "beside it");
      }
      continue;
    }
    const std::string path = join_path(directory, "tool.json");
    const std::optional<std::string> json = folder.text(path);
    if (!json) continue;
    Result<CustomTool> tool = read_manifest(*json, entry.name);
    if (!tool) {
      folder.warn(path, fmt::format("is left out: {}", tool.error().message));
      continue;
    }
    tool->folder = directory;
    tool->origin = folder.origin();
    const auto place =
        std::lower_bound(tools.begin(), tools.end(), tool->spec.name,
                         [](const CustomTool& each, const std::string& key) { return each.spec.name < key; });
    if (place != tools.end() && place->spec.name == tool->spec.name) {
      *place = std::move(*tool);
    } else if (tools.size() == tools_max) {
      folder.warn(path, fmt::format("is left out: there are {} tools already; remove some", tools_max));
    } else {
      tools.insert(place, std::move(*tool));
    }
  }
}

}  // namespace joey

// What the tools of this folder share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "tool/tool.hpp"

namespace joey {

// One file, one tool.
[[nodiscard]] std::shared_ptr<const Tool> read_file_tool();
[[nodiscard]] std::shared_ptr<const Tool> write_to_file_tool();
[[nodiscard]] std::shared_ptr<const Tool> apply_diff_tool();
[[nodiscard]] std::shared_ptr<const Tool> edit_tool(std::string name);  // "edit", or "search_and_replace"
[[nodiscard]] std::shared_ptr<const Tool> search_replace_tool();
[[nodiscard]] std::shared_ptr<const Tool> edit_file_tool();
[[nodiscard]] std::shared_ptr<const Tool> apply_patch_tool();
[[nodiscard]] std::shared_ptr<const Tool> insert_content_tool();
[[nodiscard]] std::shared_ptr<const Tool> list_files_tool();
[[nodiscard]] std::shared_ptr<const Tool> search_files_tool();
[[nodiscard]] std::shared_ptr<const Tool> run_slash_command_tool();
[[nodiscard]] std::shared_ptr<const Tool> skill_tool();
[[nodiscard]] std::shared_ptr<const Tool> list_code_definition_names_tool();
[[nodiscard]] std::shared_ptr<const Tool> read_command_output_tool();
[[nodiscard]] std::shared_ptr<const Tool> generate_image_tool();

// `message` is one line that names the thing and the remedy.
[[nodiscard]] inline ToolOutcome tool_failure(std::string message) { return {false, std::move(message), {}, {}}; }
[[nodiscard]] inline ToolOutcome tool_failure(const Error& error) { return tool_failure(error.message); }

// `json` without insignificant white space: schemas are written for people and sent to models.
[[nodiscard]] std::string compact_json(std::string_view json);

// `text` within `size_max` bytes, without its middle when it must be.
[[nodiscard]] inline std::string within(std::string_view text, std::size_t size_max) {
  constexpr std::size_t note_size_max = 64;
  if (text.size() <= size_max) return std::string(text);
  return elide_middle(text, size_max - std::min(size_max, note_size_max));
}

// "512 bytes", "1.5 MB (1572864 bytes)".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

// What the tools that write a file tell the model.
[[nodiscard]] inline std::string write_report(std::string_view path, std::string_view operation,
                                              std::string_view notice) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("path", path).field("operation", operation).field("notice", notice).end_object();
  return text;
}

// ToolSpec::paths of a tool that changes the one file its argument "path", or "file_path", names.
[[nodiscard]] std::vector<PathUse> changed_path(std::string_view arguments);
// Of one that only reads it.
[[nodiscard]] std::vector<PathUse> read_path(std::string_view arguments);

}  // namespace joey

#include <fmt/format.h>

#include "tool/arguments.hpp"
#include "tool/common.hpp"

namespace joey {
namespace {

constexpr std::string_view saved_notice =
    "The file holds exactly the content you gave. There is no need to read it again.";
constexpr std::string_view same_notice = "The file already held exactly this content: nothing was written.";

// The content is written as the call has it: nothing is stripped, unescaped or appended, because a file may well begin
// with a code fence or hold "&lt;".
class WriteToFile final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = arguments.string("path");
    const std::string_view content = arguments.string("content");
    if (!arguments.ok()) return tool_failure(arguments.problem());

    Workspace& workspace = *context.workspace;
    const auto relative = workspace.relative(path);
    if (!relative) return tool_failure(relative.error());
    const auto missing = is_missing(workspace, *relative);
    if (!missing) return tool_failure(missing.error());
    if (!*missing) {
      const auto info = workspace.info(*relative);
      if (info && info->kind == FileKind::directory) {
        return tool_failure(fmt::format("\"{}\" is a directory: give the path of a file", *relative));
      }
      if (info && info->size == content.size()) {
        const auto present = workspace.read(*relative, content.size());
        if (present && *present == content) return {true, write_report(*relative, "unchanged", same_notice), {}, {}};
      }
    }
    const ChangeOptions change{.protected_files = context.protected_files};
    if (const auto written = workspace.write(*relative, content, change); !written) return tool_failure(written.error());
    return {true, write_report(*relative, *missing ? "created" : "modified", saved_notice), {}, *relative};
  }

 private:
  const ToolSpec spec_{
      .name = "write_to_file",
      .description =
          "Writes a whole file: creates it, with the directories it needs, or replaces what it held. Give the complete "
          "content exactly as it must be on disk, without line numbers, placeholders such as \"rest unchanged\", or a "
          "code fence around it. To change part of an existing file, apply_diff is quicker and safer.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The file, relative to the workspace, as src/main.cpp"},
          "content": {"type": "string", "description": "All of the file's new content"}
        },
        "required": ["path", "content"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = changed_path,
  };
};

}  // namespace

std::shared_ptr<const Tool> write_to_file_tool() { return std::make_shared<WriteToFile>(); }

}  // namespace joey

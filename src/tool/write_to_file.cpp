#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

// The content is written as the call has it: nothing is stripped, unescaped or appended, because a file may well begin
// with a code fence or hold "&lt;".
class WriteToFile final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    const std::string_view content = arguments.string("content");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return overwrite(context, path, content);
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

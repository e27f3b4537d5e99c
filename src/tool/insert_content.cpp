#include <limits>

#include "edit/insert_lines.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

class InsertContent final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    if (!arguments.find("line")) arguments.reject("line", "a line number, or 0 for the end of the file");
    const auto line = static_cast<std::size_t>(
        arguments.optional_integer("line", 0, std::numeric_limits<std::int32_t>::max()).value_or(0));
    const std::string_view content = arguments.string("content");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return apply_edit(context, path, [line, content](const TextToEdit& file) -> Result<EditResult> {
      if (!file.text && line > 1) return missing_file(file.path, "line 0 or 1 creates it");
      return insert_lines(file.text.value_or(""), line, content);
    });
  }

 private:
  const ToolSpec spec_{
      .name = "insert_content",
      .description =
          "Inserts new lines into a file without changing those it has: before the line of the given number, or at the end "
          "with line 0. A file that does not exist is created.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The file, relative to the workspace"},
          "line": {"type": "integer", "minimum": 0, "description": "The line before which to insert, from 1; 0: at the end"},
          "content": {"type": "string", "description": "The lines to insert, with their indentation"}
        },
        "required": ["path", "line", "content"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = changed_path,
      .offered = false,
  };
};

}  // namespace

std::shared_ptr<const Tool> insert_content_tool() { return std::make_shared<InsertContent>(); }

}  // namespace joey

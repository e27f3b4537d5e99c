#include "edit/replace.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

class SearchReplace final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    Replacement replacement;
    replacement.old_string = arguments.string("old_string");
    replacement.new_string = arguments.string("new_string");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return apply_edit(context, path, [&replacement](const TextToEdit& file) -> Result<EditResult> {
      if (!file.text) return missing_file(file.path, "create it with write_to_file");
      return replace_text(*file.text, replacement);
    });
  }

 private:
  const ToolSpec spec_{
      .name = "search_replace",
      .description =
          "Replaces one piece of text in an existing file. old_string is text of the file, copied exactly, with its "
          "indentation and without line numbers, and with a few lines around it where it would not be unique: it must be "
          "in the file only once. Everything in both strings is taken literally. To delete, leave new_string empty.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "file_path": {"type": "string", "description": "The file, relative to the workspace or absolute"},
          "old_string": {"type": "string", "description": "The text to replace"},
          "new_string": {"type": "string", "description": "The text to put in its place"}
        },
        "required": ["file_path", "old_string", "new_string"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = changed_path,
      .offered = false,
  };
};

}  // namespace

std::shared_ptr<const Tool> search_replace_tool() { return std::make_shared<SearchReplace>(); }

}  // namespace joey

#include "edit/replace.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

class Edit final : public BlockingTool {
 public:
  explicit Edit(std::string name) { spec_.name = std::move(name); }
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    Replacement replacement;
    replacement.old_string = arguments.string("old_string");
    replacement.new_string = arguments.string("new_string");
    replacement.places = arguments.optional_boolean("replace_all").value_or(false) ? 0 : 1;
    replacement.several = "set replace_all to true to change them all";
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return apply_edit(context, path, [&replacement](const TextToEdit& file) -> Result<EditResult> {
      if (!file.text) return missing_file(file.path, "create it with write_to_file");
      return replace_text(*file.text, replacement);
    });
  }

 private:
  ToolSpec spec_{
      .name = {},
      .description =
          "Replaces text in an existing file. old_string is text of the file, copied exactly, with its indentation and "
          "without line numbers; it must be in the file only once, unless replace_all is true. Everything in both strings "
          "is taken literally. To delete, leave new_string empty.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "file_path": {"type": "string", "description": "The file, relative to the workspace"},
          "old_string": {"type": "string", "description": "The text to replace"},
          "new_string": {"type": "string", "description": "The text to put in its place"},
          "replace_all": {"type": "boolean", "description": "true: wherever old_string is; default false: it must be unique"}
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

std::shared_ptr<const Tool> edit_tool(std::string name) { return std::make_shared<Edit>(std::move(name)); }

}  // namespace joey

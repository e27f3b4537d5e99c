#include <fmt/format.h>

#include "edit/replace.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

constexpr std::int64_t replacements_max = 1'000'000;

class EditFile final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    Replacement replacement;
    replacement.old_string = arguments.string("old_string");
    replacement.new_string = arguments.string("new_string");
    replacement.places =
        static_cast<std::size_t>(arguments.optional_integer("expected_replacements", 1, replacements_max).value_or(1));
    replacement.tolerant = true;
    replacement.several = "set expected_replacements to the number of places that are all meant";
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return apply_edit(context, path, [&replacement](const TextToEdit& file) -> Result<EditResult> {
      if (replacement.old_string.empty()) return create(file, replacement.new_string);
      if (!file.text) return missing_file(file.path, "check the path, or leave old_string empty to create the file");
      return replace_text(*file.text, replacement);
    });
  }

 private:
  static Result<EditResult> create(const TextToEdit& file, std::string_view content) {
    if (file.text) {
      return failure(ErrorCode::conflict,
                     fmt::format("\"{}\" exists already, and an empty old_string creates a file: give the text to replace",
                                 file.path));
    }
    EditResult result;
    result.text = content;
    result.applied = 1;
    return result;
  }

  const ToolSpec spec_{
      .name = "edit_file",
      .description =
          "Replaces text in a file, or creates one. old_string is text of the file, copied exactly, with its indentation "
          "and without line numbers; leave it empty to create a file with new_string as its content. It must be in the "
          "file exactly expected_replacements times, once by default, and is replaced everywhere. When it is not there "
          "literally, white space may differ. Everything in both strings is taken literally.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "file_path": {"type": "string", "description": "The file, relative to the workspace"},
          "old_string": {"type": "string", "description": "The text to replace; empty to create the file"},
          "new_string": {"type": "string", "description": "The text to put in its place"},
          "expected_replacements": {"type": "integer", "minimum": 1, "description": "How often old_string is in the file; default 1"}
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

std::shared_ptr<const Tool> edit_file_tool() { return std::make_shared<EditFile>(); }

}  // namespace joey

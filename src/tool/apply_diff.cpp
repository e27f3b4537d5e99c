#include "edit/diff_blocks.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_edit.hpp"

namespace joey {
namespace {

constexpr std::string_view one_block_notice =
    "If you have more changes to this file, put them as several blocks into one call.";

class ApplyDiff final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = path_argument(arguments);
    const std::string_view diff = arguments.string("diff");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    return apply_edit(context, path, [diff](const TextToEdit& file) -> Result<EditResult> {
      if (!file.text) return missing_file(file.path, "create it with write_to_file");
      auto result = apply_diff_blocks(*file.text, diff);
      if (result && result->applied + result->failed == 1) result->notes += one_block_notice;
      return result;
    });
  }

 private:
  const ToolSpec spec_{
      .name = "apply_diff",
      .description =
          R"(Changes parts of an existing file. The diff is one or more blocks of this form, each marker alone on its line:

<<<<<<< SEARCH
:start_line:12
-------
    the lines to replace, copied exactly from the file
=======
    the new lines
>>>>>>> REPLACE

SEARCH holds whole lines with their indentation, enough of them to be found only once; without line numbers. :start_line: is the line of the file where they begin; it decides when they occur several times. Leave the new lines out to delete. Leave SEARCH empty to insert before start_line. Put all changes to one file into one call; every block is looked up in the file as it is now, and blocks must not overlap. A line of the file that itself begins with <<<<<<<, =======, >>>>>>>, -------, :start_line: or :end_line: is written with a backslash before it.)",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The file, relative to the workspace"},
          "diff": {"type": "string", "description": "One or more SEARCH/REPLACE blocks"}
        },
        "required": ["path", "diff"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = changed_path,
  };
};

}  // namespace

std::shared_ptr<const Tool> apply_diff_tool() { return std::make_shared<ApplyDiff>(); }

}  // namespace joey

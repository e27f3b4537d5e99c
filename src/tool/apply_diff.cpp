#include <fmt/format.h>

#include "base/text.hpp"
#include "document/encoding.hpp"
#include "edit/diff_blocks.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"

namespace joey {
namespace {

constexpr std::size_t file_size_max = 16U << 20;

constexpr std::string_view saved_notice = "The change is saved. There is no need to read the file again.";
constexpr std::string_view one_block_notice =
    " If you have more changes to this file, put them as several blocks into one call.";

// A file as the diff engine sees it, and the way back to its bytes.
struct EditableText {
  std::string text;
  TextEncoding encoding{TextEncoding::utf8};
};

Result<EditableText> editable(std::string_view bytes, std::string_view path) {
  const TextEncoding encoding = detect_encoding(bytes);
  auto text = decode_text(bytes, encoding);
  if (!text) return failure(text.error().code, fmt::format("\"{}\": {}", path, text.error().message));
  return EditableText{*std::move(text), encoding};
}

class ApplyDiff final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = arguments.string("path");
    const std::string_view diff = arguments.string("diff");
    if (!arguments.ok()) return tool_failure(arguments.problem());

    Workspace& workspace = *context.workspace;
    const auto relative = workspace.relative(path);
    if (!relative) return tool_failure(relative.error());
    if (const auto missing = is_missing(workspace, *relative); missing && *missing) {
      return tool_failure(fmt::format("\"{}\" does not exist: create it with write_to_file", *relative));
    }
    auto bytes = workspace.read(*relative, file_size_max);
    if (!bytes) return tool_failure(bytes.error());
    const auto before = editable(*bytes, *relative);
    if (!before) return tool_failure(before.error());
    const auto result = apply_diff_blocks(before->text, diff);
    if (!result) return tool_failure(result.error());

    if (result->blocks_applied == 0) {
      return tool_failure(within(fmt::format("\"{}\" is unchanged: no block of the diff could be applied.\n{}", *relative,
                                             trim(result->report)),
                                 context.result_bytes_max));
    }
    const bool changed = result->text != before->text;
    if (changed) {
      const auto encoded = encode_text(result->text, before->encoding);
      if (!encoded) return tool_failure(fmt::format("\"{}\": {}", *relative, encoded.error().message));
      const auto written = workspace.write(*relative, *encoded);
      if (!written) return tool_failure(written.error());
    }
    return {true, within(report(*relative, *result, changed), context.result_bytes_max), {},
            changed ? *relative : std::string()};
  }

 private:
  static std::string report(std::string_view path, const DiffResult& result, bool changed) {
    std::string text;
    if (result.blocks_failed > 0) {
      text = fmt::format("Only {} of {} blocks were applied to \"{}\". Read the file again before you retry the others.\n"
                         "{}\n",
                         result.blocks_applied, result.blocks_applied + result.blocks_failed, path, result.report);
    }
    std::string notice(changed ? saved_notice : "The file already held the result: nothing was written.");
    if (changed && result.blocks_applied + result.blocks_failed == 1) notice += one_block_notice;
    if (!result.notes.empty()) notice.append(" ").append(trim(result.notes));
    return text + write_report(path, changed ? "modified" : "unchanged", notice);
  }

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
  };
};

}  // namespace

std::shared_ptr<const Tool> apply_diff_tool() { return std::make_shared<ApplyDiff>(); }

}  // namespace joey

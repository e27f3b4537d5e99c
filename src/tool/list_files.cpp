#include <fmt/format.h>

#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

class ListFiles final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = arguments.string("path");
    const bool recursive = arguments.optional_boolean("recursive").value_or(false);
    if (!arguments.ok()) return tool_failure(arguments.problem());

    const auto relative = context.workspace->relative(path);
    if (!relative) return tool_failure(relative.error());
    ListOptions options;
    options.recursive = recursive;
    const auto listing = list_files(*context.workspace, *relative, options, context.cancel);
    if (!listing) return tool_failure(listing.error());
    return {true, text_of(*listing, *relative, context.result_bytes_max), {}, {}};
  }

 private:
  static std::string text_of(const Listing& listing, std::string_view directory, std::size_t size_max) {
    constexpr std::size_t notes_size_max = 512;
    std::string text;
    bool truncated = listing.truncated;
    for (const WalkEntry& entry : listing.entries) {
      std::string line = to_utf8(below(entry.path, directory));
      if (entry.kind == FileKind::directory) line += '/';
      line += '\n';
      if (text.size() + line.size() + notes_size_max > size_max) {
        truncated = true;
        break;
      }
      text += line;
    }
    if (text.empty() && !truncated) text = "No files found.\n";
    if (truncated) text += "\n(The list is cut short: list a subdirectory to see more.)\n";
    if (listing.unreadable > 0) text += fmt::format("\n({} directories could not be read.)\n", listing.unreadable);
    text.pop_back();
    return text;
  }

  // Entries are named from the listed directory.
  static std::string_view below(std::string_view path, std::string_view directory) {
    if (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/') {
      path.remove_prefix(directory.size() + 1);
    }
    return path;
  }

  const ToolSpec spec_{
      .name = "list_files",
      .description =
          "Lists the files and directories in a directory, at most 200, directories with a trailing slash, named from "
          "that directory. Generated and ignored ones (.gitignore, node_modules, build output, hidden directories) are "
          "left out unless the directory itself is one of them. Do not list a directory to check that a file was "
          "written.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The directory, relative to the workspace; . is the workspace"},
          "recursive": {"type": "boolean", "description": "true: all levels; false: only the directory itself"}
        },
        "required": ["path", "recursive"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::read,
      .read_only = true,
      .paths = read_path,
  };
};

}  // namespace

std::shared_ptr<const Tool> list_files_tool() { return std::make_shared<ListFiles>(); }

}  // namespace joey

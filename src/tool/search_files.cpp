#include <fmt/format.h>

#include "base/text.hpp"
#include "redact/redact.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "workspace/search.hpp"

namespace joey {
namespace {

class SearchFiles final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    const std::string_view path = arguments.string("path");
    SearchOptions options;
    options.pattern = arguments.string("regex");
    options.file_glob = arguments.optional_string("file_pattern").value_or(std::string_view());
    if (!arguments.ok()) return tool_failure(arguments.problem());

    const auto relative = context.workspace->relative(path);
    if (!relative) return tool_failure(relative.error());
    auto result = search_files(*context.workspace, *relative, options, context.cancel);
    if (!result) return tool_failure(result.error());
    if (context.redactor) conceal(*result, context, options.line_characters_max);
    return {true, text_of(*result, context.result_bytes_max), {}, {}};
  }

 private:
  // A secret may go over lines, or be cut with its line: what is shown of a file is taken from its text without secrets,
  // which has the same lines. Of a file too large for that lines are looked at one by one, in the end.
  static void conceal(SearchResult& result, const ToolContext& context, std::size_t characters_max) {
    constexpr std::size_t file_size_max = 16U << 20;
    for (SearchFile& file : result.files) {
      const auto bytes = context.workspace->read(file.path, file_size_max);
      if (!bytes || context.cancel.cancelled()) continue;
      const std::string text = context.redactor->redact(*bytes);
      if (text == *bytes) continue;
      const std::vector<std::string_view> lines = split_lines(text);
      for (SearchLine& found : file.lines) {
        if (found.number > lines.size()) continue;
        const std::string line = to_utf8(trim_end(lines[found.number - 1]));
        found.text = utf8_prefix(line, characters_max);
        found.cut = found.text.size() < line.size();
      }
    }
  }

  static std::string_view trim_end(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  static std::string text_of(const SearchResult& result, std::size_t size_max) {
    constexpr std::size_t notes_size_max = 512;
    const std::size_t body_max = size_max - std::min(size_max, notes_size_max);
    std::string body;
    std::size_t matches = 0;
    bool cut = false;
    for (const SearchFile& file : result.files) {
      if (!append_file(body, file, body_max, matches)) {
        cut = true;
        break;
      }
    }
    return header(result, matches, cut) + body + notes(result);
  }

  // False when `out` would grow beyond `size_max`; it then holds the lines that fit.
  static bool append_file(std::string& out, const SearchFile& file, std::size_t size_max, std::size_t& matches) {
    std::string line = fmt::format("\n# {}\n", to_utf8(file.path));
    std::size_t last = 0;
    for (const SearchLine& found : file.lines) {
      if (last > 0 && found.number != last + 1) line += "----\n";
      line += fmt::format("{:>3} | {}{}\n", found.number, found.text, found.cut ? " [line cut]" : "");
      if (out.size() + line.size() > size_max) return false;
      out += line;
      line.clear();
      matches += found.match;
      last = found.number;
    }
    return true;
  }

  static std::string header(const SearchResult& result, std::size_t matches, bool cut) {
    if (result.matches == 0) return "Found 0 results.\n";
    if (result.truncated || cut) {
      return fmt::format("Showing the first {} results. For the others search with a narrower path, regex or "
                         "file_pattern.\n",
                         matches);
    }
    return fmt::format("Found {} result{}.\n", matches, matches == 1 ? "" : "s");
  }

  static std::string notes(const SearchResult& result) {
    std::string text;
    if (result.timed_out) text += "\n(The search ran out of time: files may be missing. Search a narrower path.)\n";
    if (result.unreadable > 0) text += fmt::format("\n({} files or directories could not be read.)\n", result.unreadable);
    return text;
  }

  const ToolSpec spec_{
      .name = "search_files",
      .description =
          "Searches the contents of files for lines that match a regular expression and shows each with the lines "
          "around it, at most 300 matches. Matches lie within one line. The syntax is RE2's: no look-around, no "
          "back-references; escape what is meant literally, as in foo\\(bar\\). Ignored (.gitignore), hidden and binary "
          "files are left out.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The directory or file to search, relative to the workspace"},
          "regex": {"type": "string", "description": "The regular expression, as in \\bTODO\\b or ^class \\w+"},
          "file_pattern": {
            "type": ["string", "null"],
            "description": "Which files, as *.ts or src/**/*.{h,cpp}; null for all"
          }
        },
        "required": ["path", "regex", "file_pattern"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::read,
      .read_only = true,
      .paths = read_path,
  };
};

}  // namespace

std::shared_ptr<const Tool> search_files_tool() { return std::make_shared<SearchFiles>(); }

}  // namespace joey

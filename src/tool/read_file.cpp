#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/encoding.hpp"
#include "tool/indentation.hpp"

namespace joey {
namespace {

constexpr std::size_t file_size_max = 64U << 20;
constexpr std::size_t image_size_max = 5U << 20;
constexpr std::size_t lines_default = 2000;
constexpr std::size_t line_characters_max = 2000;
constexpr std::size_t binary_sniff_size = 8192;
constexpr std::size_t header_size_max = 512;  // of a result, before its lines
constexpr std::size_t files_max = 100;        // of one call in the old form

struct Range {
  std::size_t first{0};
  std::size_t end{0};
};

// What is asked of one file.
struct ReadRequest {
  std::string path;
  std::size_t offset{1};
  std::size_t limit{lines_default};
  bool by_indentation{false};
  std::size_t anchor{0};  // 0: `offset`
  IndentationOptions indentation;
  std::vector<Range> ranges;  // of the old form; empty is none
};

struct FileResult {
  bool ok{true};
  std::string text;
  std::vector<Image> images;
};

FileResult file_failure(std::string message) { return {false, std::move(message), {}}; }

// By the bytes, not the name: providers refuse an image that is not what it is said to be.
std::string_view image_type(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return "image/png";
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) return "image/gif";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP") && bytes.size() >= 12) return "image/webp";
  return {};
}

std::string size_text(std::uint64_t size) {
  if (size < 1024) return fmt::format("{} bytes", size);
  if (size < 1024 * 1024) return fmt::format("{:.1f} KB", static_cast<double>(size) / 1024);
  return fmt::format("{:.1f} MB", static_cast<double>(size) / (1024 * 1024));
}

bool is_binary(std::string_view bytes, TextEncoding encoding) {
  return encoding != TextEncoding::utf16_le && encoding != TextEncoding::utf16_be &&
         bytes.substr(0, binary_sniff_size).find('\0') != std::string_view::npos;
}

// `line` as it is shown: without its carriage return, and cut.
std::string shown_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() <= line_characters_max) return std::string(line);
  std::size_t size = 0;
  for (std::size_t characters = 0; size < line.size(); ++characters) {
    if (characters == line_characters_max) return std::string(line.substr(0, size)) + "...";
    size += std::max<std::size_t>(utf8_sequence_size(line.substr(size)), 1);
  }
  return std::string(line);
}

// Lines of a text, numbered, as many of `range` as fit. range.end becomes the end of what was shown.
std::string numbered(const std::vector<std::string_view>& lines, Range& range, std::size_t size_max) {
  const std::size_t width = std::to_string(range.end).size();
  std::string text;
  for (std::size_t i = range.first; i < range.end; ++i) {
    std::string line = fmt::format("{:>{}} | {}\n", i + 1, width, shown_line(lines[i]));
    if (text.size() + line.size() > size_max) {
      if (i == range.first) {  // never nothing, or reading on would not get further
        text = std::string(utf8_prefix(line, size_max)) + "...\n";
        ++i;
      }
      range.end = i;
      return text;
    }
    text += line;
  }
  return text;
}

// Tells the model what it does not see, and how to.
std::string truncation_header(const Range& shown, std::size_t lines_count) {
  return fmt::format(
      "IMPORTANT: this is not the whole file.\n"
      "Status: showing lines {}-{} of {} lines.\n"
      "To read on: call read_file with the same path and offset {}; limit sets the number of lines.\n\n",
      shown.first + 1, shown.end, lines_count, shown.end + 1);
}

class FileReader {
 public:
  FileReader(const Workspace& workspace, const CancelToken& cancel, std::size_t size_max)
      : workspace_(workspace), cancel_(cancel), size_max_(size_max) {}

  FileResult read(const ReadRequest& request) const {
    const auto relative = workspace_.relative(request.path);
    if (!relative) return file_failure(relative.error().message);
    const auto info = workspace_.info(*relative);
    if (!info) return file_failure(info.error().message);
    if (info->kind == FileKind::directory) {
      return file_failure(fmt::format("\"{}\" is a directory: use list_files to see what is in it", *relative));
    }
    if (info->size > file_size_max) {
      return file_failure(fmt::format("\"{}\" has {}, more than read_file reads ({}): use search_files, or print a part "
                                      "of it with a command",
                                      *relative, size_text(info->size), size_text(file_size_max)));
    }
    const auto bytes = workspace_.read(*relative, file_size_max);
    if (!bytes) return file_failure(bytes.error().message);
    if (cancel_.cancelled()) return file_failure("read_file was cancelled");

    const std::string title = fmt::format("File: {}\n", *relative);
    if (const std::string_view type = image_type(*bytes); !type.empty()) return image(title, *bytes, type);
    const TextEncoding encoding = detect_encoding(*bytes);
    if (is_binary(*bytes, encoding)) {
      return {true, title + fmt::format("(A binary file of {}: its content is not shown.)", size_text(bytes->size())), {}};
    }
    std::string text = decode_text(*bytes, encoding);
    std::string notes;
    if (encoding == TextEncoding::utf16_le || encoding == TextEncoding::utf16_be) {
      notes = "(The file is UTF-16; it is shown as UTF-8.)\n";
    } else if (!is_utf8(text)) {
      text = to_utf8(text);
      notes = "(Bytes of the file that are not UTF-8 are shown as \xEF\xBF\xBD.)\n";
    }
    if (text.empty()) return {true, title + "(The file is empty.)", {}};
    return show(request, *relative, title + notes, split_lines(text));
  }

 private:
  static FileResult image(const std::string& title, std::string_view bytes, std::string_view type) {
    if (bytes.size() > image_size_max) {
      return {true,
              title + fmt::format("({} of {}: too large to be shown, the limit is {}.)", type, size_text(bytes.size()),
                                  size_text(image_size_max)),
              {}};
    }
    FileResult result{true, title + fmt::format("({} of {})", type, size_text(bytes.size())), {}};
    result.images.push_back({std::string(type), base64(bytes)});
    return result;
  }

  FileResult show(const ReadRequest& request, const std::string& path, std::string text,
                  const std::vector<std::string_view>& lines) const {
    const std::size_t anchor = request.by_indentation && request.anchor > 0 ? request.anchor : request.offset;
    if (anchor > lines.size()) {
      return file_failure(fmt::format("line {} is past the end of \"{}\", which has {} line{}", anchor, path, lines.size(),
                                      lines.size() == 1 ? "" : "s"));
    }
    const std::size_t body_max = size_max_ - std::min(size_max_, header_size_max + text.size());
    if (!request.ranges.empty()) return show_ranges(request, std::move(text), lines, body_max);

    Range range{request.offset - 1, std::min(lines.size(), request.offset - 1 + std::min(request.limit, lines.size()))};
    bool cut = range.end < lines.size();
    if (request.by_indentation) {
      IndentationOptions options = request.indentation;
      options.anchor = anchor - 1;
      options.lines_max = std::min({options.lines_max, request.limit, lines.size()});
      const LineRange around = lines_around(lines, options);
      range = {around.first, around.end};
      cut = around.cut && around.end - around.first < lines.size();
    }
    const std::size_t wanted_end = range.end;
    const std::string body = numbered(lines, range, body_max);
    if (cut || range.end < wanted_end) text += truncation_header(range, lines.size());
    text += body;
    if (request.by_indentation && !cut && range.end == wanted_end) {
      text += fmt::format("\nIncluded lines: {}-{} (of {})\n", range.first + 1, range.end, lines.size());
    }
    text.pop_back();
    return {true, std::move(text), {}};
  }

  static FileResult show_ranges(const ReadRequest& request, std::string text,
                                const std::vector<std::string_view>& lines, std::size_t size_max) {
    const std::size_t text_max = text.size() + size_max;
    for (const Range& asked : request.ranges) {
      Range range{asked.first, std::min(asked.end, lines.size())};
      if (range.first >= range.end) {
        text += fmt::format("(Lines {}-{} are past the end: the file has {}.)\n", asked.first + 1, asked.end, lines.size());
        continue;
      }
      const std::size_t end = range.end;
      text += numbered(lines, range, text_max - std::min(text_max, text.size()));
      if (range.end < end) {
        text += fmt::format("(Cut: read on with offset {}.)\n", range.end + 1);
        break;
      }
    }
    text.pop_back();
    return {true, std::move(text), {}};
  }

  const Workspace& workspace_;
  const CancelToken& cancel_;
  std::size_t size_max_;
};

// [a, b] or "a-b"; lines from 1, both ends included.
std::optional<Range> parse_range(simdjson::dom::element value) {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    const std::size_t dash = std::min(text.find('-'), text.size());
    const std::string_view head = trim(text.substr(0, dash));
    const std::string_view tail = dash < text.size() ? trim(text.substr(dash + 1)) : head;
    const auto [head_end, head_error] = std::from_chars(head.data(), head.data() + head.size(), first);
    const auto [tail_end, tail_error] = std::from_chars(tail.data(), tail.data() + tail.size(), last);
    if (head_error != std::errc() || tail_error != std::errc()) return std::nullopt;
    if (head_end != head.data() + head.size() || tail_end != tail.data() + tail.size()) return std::nullopt;
  } else {
    simdjson::dom::array pair;
    if (value.get(pair) != simdjson::SUCCESS || pair.size() != 2) return std::nullopt;
    if (pair.at(0).get(first) != simdjson::SUCCESS || pair.at(1).get(last) != simdjson::SUCCESS) return std::nullopt;
  }
  if (first < 1 || last < first) return std::nullopt;
  return Range{static_cast<std::size_t>(first) - 1, static_cast<std::size_t>(last)};
}

std::vector<Range> read_ranges(Arguments& file) {
  constexpr std::string_view shape = "an array of line ranges as [1, 50] or \"1-50\"";
  std::vector<Range> ranges;
  const auto value = file.find("line_ranges");
  if (!value) return ranges;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) {
    file.reject("line_ranges", shape);
    return ranges;
  }
  for (const simdjson::dom::element item : array) {
    if (const auto range = parse_range(item)) {
      ranges.push_back(*range);
    } else {
      file.reject("line_ranges", shape);
    }
  }
  return ranges;
}

ReadRequest read_request(Arguments& arguments) {
  constexpr std::int64_t lines_max = 1'000'000'000;
  const auto count = [](std::optional<std::int64_t> value, std::size_t otherwise) {
    return value ? static_cast<std::size_t>(*value) : otherwise;
  };
  ReadRequest request;
  request.path = arguments.string("path");
  request.offset = count(arguments.optional_integer("offset", 1, lines_max), 1);
  request.limit = count(arguments.optional_integer("limit", 1, lines_max), lines_default);
  const std::string_view mode = arguments.optional_string("mode").value_or("slice");
  request.by_indentation = mode == "indentation";
  if (mode != "slice" && mode != "indentation") arguments.reject("mode", "\"slice\" or \"indentation\"");
  if (auto options = arguments.optional_object("indentation"); options && request.by_indentation) {
    request.anchor = count(options->optional_integer("anchor_line", 1, lines_max), 0);
    request.indentation.levels_max = count(options->optional_integer("max_levels", 0, lines_max), 0);
    request.indentation.siblings = options->optional_boolean("include_siblings").value_or(false);
    request.indentation.header = options->optional_boolean("include_header").value_or(true);
    request.indentation.lines_max = count(options->optional_integer("max_lines", 1, lines_max), request.limit);
  } else {
    request.indentation.lines_max = request.limit;
  }
  return request;
}

class ReadFile final : public BlockingTool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

 protected:
  [[nodiscard]] ToolOutcome work(std::string_view json, ToolContext& context) const override {
    Arguments arguments(json);
    if (!arguments.find("path") && arguments.find("files")) return read_files(std::move(arguments), context);
    const ReadRequest request = read_request(arguments);
    if (!arguments.ok()) return tool_failure(arguments.problem());
    FileResult result = FileReader(*context.workspace, context.cancel, context.result_bytes_max).read(request);
    return {result.ok, std::move(result.text), std::move(result.images), {}};
  }

 private:
  // The form of older prompts and histories: several files, each with line ranges; the list may be JSON in a string.
  static ToolOutcome read_files(Arguments arguments, ToolContext& context) {
    for (int depth = 0; depth < 2; ++depth) {
      std::string_view text;
      if (arguments.find("files")->get(text) != simdjson::SUCCESS) break;
      Arguments inner(fmt::format("{{\"files\":{}}}", text));
      if (!inner.ok() || !inner.find("files")) break;
      arguments = std::move(inner);
    }
    auto files = arguments.optional_objects("files");
    if (files && (files->empty() || files->size() > files_max)) {
      arguments.reject("files", fmt::format("an array of 1 to {} objects", files_max));
    }
    std::vector<ReadRequest> requests;
    if (arguments.ok()) {
      for (Arguments& file : *files) {
        ReadRequest request;
        request.path = file.string("path");
        request.ranges = read_ranges(file);
        requests.push_back(std::move(request));
      }
    }
    if (!arguments.ok()) return tool_failure(arguments.problem());

    ToolOutcome outcome;
    const FileReader reader(*context.workspace, context.cancel, context.result_bytes_max / requests.size());
    for (const ReadRequest& request : requests) {
      FileResult result = reader.read(request);
      if (!outcome.text.empty()) outcome.text += "\n---\n";
      outcome.text += result.ok ? result.text : fmt::format("File: {}\nError: {}", request.path, result.text);
      outcome.ok = outcome.ok && result.ok;
      std::move(result.images.begin(), result.images.end(), std::back_inserter(outcome.images));
    }
    outcome.text = within(outcome.text, context.result_bytes_max);
    return outcome;
  }

  const ToolSpec spec_{
      .name = "read_file",
      .description =
          "Reads a file and shows its lines as \"12 | text\": the number and the bar are not part of the file. Shows at "
          "most 2000 lines from offset on and says how to read on when there are more. In indentation mode it shows the "
          "whole block of code around indentation.anchor_line instead, which suits a line number from a search or an "
          "error message. Images (png, jpg, gif, webp) are shown as images.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The file, relative to the workspace, as src/main.cpp"},
          "mode": {
            "type": "string",
            "enum": ["slice", "indentation"],
            "description": "slice (default): lines in order; indentation: the block around a line"
          },
          "offset": {"type": "integer", "minimum": 1, "description": "The first line, from 1 (default 1)"},
          "limit": {"type": "integer", "minimum": 1, "description": "The most lines to show (default 2000)"},
          "indentation": {
            "type": "object",
            "description": "For indentation mode",
            "properties": {
              "anchor_line": {
                "type": "integer",
                "minimum": 1,
                "description": "The line whose block to show (default: offset)"
              },
              "max_levels": {
                "type": "integer",
                "minimum": 0,
                "description": "Enclosing levels to show; 0 (default) is all"
              },
              "include_siblings": {
                "type": "boolean",
                "description": "Also the neighbouring blocks of the outermost level (default false)"
              },
              "include_header": {"type": "boolean", "description": "Also the comment above the block (default true)"},
              "max_lines": {"type": "integer", "minimum": 1, "description": "The most lines to show (default: limit)"}
            },
            "additionalProperties": false
          }
        },
        "required": ["path"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::read,
      .read_only = true,
  };
};

}  // namespace

std::shared_ptr<const Tool> read_file_tool() { return std::make_shared<ReadFile>(); }

}  // namespace joey

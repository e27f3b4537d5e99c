#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/base64.hpp"
#include "base/image_info.hpp"
#include "base/text.hpp"
#include "document/document.hpp"
#include "document/encoding.hpp"
#include "document/kind.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/file_text.hpp"
#include "tool/indentation.hpp"
#include "tool/line_window.hpp"

namespace joey {
namespace {

constexpr std::size_t whole_size_max = 16U << 20;    // larger files are read piece by piece
constexpr std::size_t beginning_size = 64U << 10;    // of those, what their kind is told from
constexpr std::uint64_t count_size_max = 64U << 20;  // of text that is passed for the number of its lines alone
constexpr std::size_t image_size_max = 5U << 20;
constexpr std::size_t images_size_max = 20U << 20;  // of one call
constexpr std::uint32_t image_side_max = 8000;      // pixels; providers refuse more
constexpr std::size_t lines_default = 2000;
constexpr std::size_t line_characters_max = 2000;
constexpr std::size_t indent_characters_max = 256;  // of a line, to tell its indentation and whether it is a comment
constexpr std::size_t header_size_max = 800;        // of a result, besides its title and lines
constexpr std::size_t cut_lines_named_max = 5;
constexpr std::size_t files_max = 100;   // of one call in the old form
constexpr std::size_t ranges_max = 100;  // of one file in it

struct Range {
  std::uint64_t first{0};
  std::uint64_t end{0};
};

// What is asked of one file.
struct ReadRequest {
  std::string path;
  std::uint64_t offset{1};
  std::uint64_t limit{lines_default};
  std::uint64_t column{0};  // 0: whole lines, as far as they are shown
  bool by_indentation{false};
  std::uint64_t anchor{0};  // 0: `offset`
  IndentationOptions indentation;
  std::vector<Range> ranges;  // of the old form; empty is none
};

struct FileResult {
  bool ok{true};
  std::string text;
  std::vector<Image> images;
};

FileResult file_failure(std::string message) { return {false, std::move(message), {}}; }
FileResult file_failure(const Error& error) { return file_failure(error.message); }

std::string size_text(std::uint64_t size) {
  if (size < 1024) return fmt::format("{} bytes", size);
  if (size < 1024 * 1024) return fmt::format("{:.1f} KB", static_cast<double>(size) / 1024);
  if (size < 1024 * 1024 * 1024) return fmt::format("{:.1f} MB", static_cast<double>(size) / (1024 * 1024));
  return fmt::format("{:.1f} GB", static_cast<double>(size) / (1024 * 1024 * 1024));
}

std::string count_text(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// --- Lines as they are shown ---

// Numbered lines, and what they leave out.
struct Listing {
  std::string text;
  std::uint64_t lines{0};
  std::uint64_t last_characters{0};  // of the last line that are shown
  std::vector<std::uint64_t> cut;    // numbers of lines that go on
  std::uint64_t cut_at{0};           // characters shown of the first of them
};

// A line without its carriage return, which belongs to its end; without NUL, which some providers refuse.
std::string shown_line(std::string line, bool whole) {
  if (whole && line.ends_with('\r')) line.pop_back();
  for (std::size_t at = line.find('\0'); at != std::string::npos; at = line.find('\0', at)) {
    line.replace(at, 1, "\xEF\xBF\xBD");
  }
  return line;
}

// As many of the window's lines as fit; of the first at least a part, or reading on would not get further.
Listing list_lines(LineWindow& window, std::uint64_t first, std::uint64_t column, std::size_t size_max) {
  Listing listing;
  const std::size_t width = std::to_string(first + window.lines().size()).size();
  for (LineWindow::Line& line : window.lines()) {
    const std::uint64_t number = first + listing.lines + 1;
    std::uint64_t shown = count_characters(line.text);
    bool goes_on = column + shown < line.characters;
    const std::string prefix = fmt::format("{:>{}} | ", number, width);
    std::string text = shown_line(std::move(line.text), !goes_on);
    const std::size_t room = size_max - std::min(size_max, listing.text.size() + prefix.size() + 4);
    if (text.size() > room) {
      if (listing.lines > 0) break;
      text = std::string(utf8_prefix(text, room));
      shown = count_characters(text);
      goes_on = true;
    }
    listing.text.append(prefix).append(text).append(goes_on ? "...\n" : "\n");
    ++listing.lines;
    listing.last_characters = shown;
    if (goes_on && listing.cut.empty()) listing.cut_at = shown;
    if (goes_on) listing.cut.push_back(number);
  }
  return listing;
}

// How many lines a text has, as far as it was counted.
struct Total {
  std::uint64_t lines{0};
  bool counted{true};  // to the end

  [[nodiscard]] std::string text() const {
    return counted ? count_text(lines, "line") : fmt::format("more than {} lines", lines);
  }
};

// Tells the model what it does not see, and which call shows it. Empty when it sees all from `first` on.
std::string paging_header(const Listing& listing, std::uint64_t first, const Total& total, bool whole_wanted) {
  const std::uint64_t end = first + listing.lines;
  const bool more = whole_wanted && (end < total.lines || !total.counted);
  if (!more && listing.cut.empty()) return {};
  std::string text = fmt::format("IMPORTANT: this is not the whole file.\nStatus: showing lines {}-{} of {}.\n",
                                 first + 1, end, total.text());
  if (more) {
    text += fmt::format(
        "To read on: call read_file with the same path and offset {}; limit sets the number of lines.\n", end + 1);
  }
  if (!listing.cut.empty()) {
    const std::size_t named = std::min(listing.cut.size(), cut_lines_named_max);
    std::string lines = fmt::format(
        "{}", fmt::join(listing.cut.begin(), listing.cut.begin() + static_cast<std::ptrdiff_t>(named), ", "));
    if (named < listing.cut.size()) lines += fmt::format(" and {} others", listing.cut.size() - named);
    text += fmt::format(
        "Long lines end with \"...\" where they are cut: {}. To see the rest of line {}: call read_file with the "
        "same path, offset {} and column {}.\n",
        lines, listing.cut.front(), listing.cut.front(), listing.cut_at + 1);
  }
  return text + "\n";
}

// The same for a part of one line. `characters` are those of the line that have passed.
std::string column_header(std::uint64_t line, std::uint64_t column, const Listing& listing, std::uint64_t characters,
                          const Total& total) {
  const std::uint64_t end = column + listing.last_characters;
  const bool goes_on = !listing.cut.empty();
  std::string text = fmt::format(
      "IMPORTANT: this is not the whole file.\n"
      "Status: showing characters {}-{} of the {}{} of line {}, of {}.\n",
      column + 1, end, total.counted ? "" : "more than ", characters, line + 1, total.text());
  if (goes_on) {
    text += fmt::format("To read on: call read_file with the same path, offset {} and column {}.\n", line + 1, end + 1);
  } else if (line + 1 < total.lines || !total.counted) {
    text += fmt::format("The line ends here. To read on: call read_file with the same path and offset {}.\n", line + 2);
  }
  return text + "\n";
}

// --- Reading a file ---

class FileReader {
 public:
  FileReader(const ToolContext& context, std::size_t size_max)
      : workspace_(*context.workspace), ledger_(context.files.get()), cancel_(context.cancel), redactor_(context.redactor),
        size_max_(size_max) {}

  FileResult read(const ReadRequest& request) {
    const auto relative = workspace_.relative(request.path);
    if (!relative) return file_failure(relative.error());
    const auto info = workspace_.info(*relative);
    if (!info) return file_failure(info.error());
    if (info->kind == FileKind::directory) {
      return file_failure(fmt::format("\"{}\" is a directory: use list_files to see what is in it", *relative));
    }
    const bool whole = info->size <= whole_size_max;
    const auto bytes =
        whole ? workspace_.read(*relative, whole_size_max) : workspace_.read_range(*relative, 0, beginning_size);
    if (!bytes) return file_failure(bytes.error());
    if (cancel_.cancelled()) return file_failure("read_file was cancelled");

    const File file{*relative, whole ? bytes->size() : info->size, whole, *bytes};
    if (const auto image = image_info(*bytes)) return show_image(file, *image);
    if (const DocumentKind kind = document_kind(*bytes); kind != DocumentKind::none) {
      if (auto shown = show_document(request, file, kind)) return *std::move(shown);
    }
    return show_text(request, file);
  }

 private:
  struct File {
    const std::string& path;
    std::uint64_t size;
    bool whole;  // `bytes` are all of it, not its beginning
    const std::string& bytes;

    [[nodiscard]] std::string title() const { return fmt::format("File: {}\n", path); }
  };

  static FileResult note(const File& file, std::string_view text) {
    return {true, fmt::format("{}({})", file.title(), text), {}};
  }

  FileResult show_image(const File& file, const ImageInfo& image) {
    const std::string what = image.width == 0 ? fmt::format("{} of {}", image.type, size_text(file.size))
                                              : fmt::format("{} of {}x{} pixels, {}", image.type, image.width,
                                                            image.height, size_text(file.size));
    if (file.size > image_size_max) {
      return note(file,
                  fmt::format("{}: too large to be shown, the limit is {}. Make a smaller copy with a command and "
                              "read that.",
                              what, size_text(image_size_max)));
    }
    if (image.width == 0) return note(file, what + ": it is damaged or cut short, and cannot be shown.");
    if (std::max(image.width, image.height) > image_side_max) {
      return note(file,
                  fmt::format("{}: too large to be shown, the limit is {} pixels a side. Make a smaller copy with a "
                              "command and read that.",
                              what, image_side_max));
    }
    if (images_size_ + file.size > images_size_max) {
      return note(file,
                  fmt::format("{}: not shown, because one call shows at most {} of images. Read it with another call.",
                              what, size_text(images_size_max)));
    }
    images_size_ += file.size;
    FileResult result = note(file, what);
    result.images.push_back({std::string(image.type), encode_base64(file.bytes)});
    return result;
  }

  // Nothing when it is to be shown as what it is without being a document.
  std::optional<FileResult> show_document(const ReadRequest& request, const File& file, DocumentKind kind) {
    if (file.size > document_size_max) {
      if (kind == DocumentKind::notebook) return std::nullopt;
      return file_failure(
          fmt::format("\"{}\" is a document of {}, and at most {} are read: convert it to text with a command",
                      file.path, size_text(file.size), size_text(document_size_max)));
    }
    std::string more;
    if (!file.whole) {
      auto bytes = workspace_.read(file.path, document_size_max);
      if (!bytes) return file_failure(bytes.error());
      more = *std::move(bytes);
    }
    auto document = document_text(file.whole ? file.bytes : more, kind, cancel_);
    if (!document) {
      const ErrorCode code = document.error().code;
      // A notebook that is damaged is to be seen, or it could not be repaired.
      if (code == ErrorCode::not_found || (kind == DocumentKind::notebook && code == ErrorCode::corrupt)) {
        return std::nullopt;
      }
      return file_failure(fmt::format("\"{}\": {}", file.path, document.error().message));
    }
    std::string title = file.title() + fmt::format("(The text of this {}.", document->title);
    if (document->cut) title += " It breaks off before the document's end.";
    if (kind == DocumentKind::notebook) title += " The file itself is JSON: change it with a command.";
    title += ")\n";
    if (document->text.empty()) return FileResult{true, title + "(It has none.)", {}};
    FileText text(document->text, TextEncoding::utf8, redactor_);
    return show(request, file, std::move(title), text);
  }

  FileResult show_text(const ReadRequest& request, const File& file) {
    const TextEncoding encoding = detect_encoding(file.bytes, file.whole ? Extent::whole : Extent::beginning);
    if (encoding == TextEncoding::binary) {
      const std::string_view kind = binary_kind(file.bytes);
      const std::string look = kind.ends_with("image") ? "convert it to PNG with a command and read that"
                                                       : "look at it with a command, such as xxd, strings or file";
      return note(file, fmt::format("A binary file of {}{}{}: its content is not shown. To see it, {}.",
                                    size_text(file.size), kind.empty() ? "" : ", of the kind ", kind, look));
    }
    std::string title = file.title();
    if (encoding != TextEncoding::utf8 && encoding != TextEncoding::utf8_with_mark) {
      title += fmt::format("(The file's encoding is {}; it is shown as UTF-8.)\n", encoding_name(encoding));
    }
    if (file.whole && ledger_ != nullptr) ledger_->saw(file.path, file.bytes);
    FileText text =
        file.whole ? FileText(file.bytes, encoding, redactor_) : FileText(workspace_, file.path, encoding, redactor_);
    return show(request, file, std::move(title), text);
  }

  // Takes some lines out of a text.
  Result<LineWindow> window(FileText& text, const LineWindowOptions& options, Total& total) const {
    LineWindow window(options);
    std::uint64_t passed = 0;  // since the window was complete
    total.counted = true;
    const Status status = text.pass(cancel_, [&](std::string_view piece) {
      window.append(piece);
      if (window.complete()) passed += piece.size();
      total.counted = passed <= count_size_max;
      return total.counted;
    });
    if (!status) return tl::unexpected(status.error());
    if (total.counted) window.finish();
    total.lines = window.lines_count();
    return window;
  }

  static FileResult past_end(std::uint64_t line, const File& file, const std::string& title, const Total& total) {
    if (total.lines == 0) return {true, title + "(The file is empty.)", {}};
    return file_failure(fmt::format("line {} is past the end of \"{}\", which has {}", line, file.path, total.text()));
  }

  FileResult show(const ReadRequest& request, const File& file, std::string title, FileText& text) const {
    const std::size_t header_max = std::min(header_size_max, size_max_ / 2);
    const std::size_t body_max = size_max_ - std::min(size_max_, header_max + title.size());
    if (!request.ranges.empty()) return show_ranges(request, std::move(title), text, body_max);
    if (request.by_indentation) return show_block(request, file, std::move(title), text, body_max);
    if (request.column > 0) return show_column(request, file, std::move(title), text, body_max);

    LineWindowOptions options;
    options.first = request.offset - 1;
    options.lines_max = request.limit;
    options.characters_max = line_characters_max;
    options.bytes_max = body_max;
    Total total;
    auto lines = window(text, options, total);
    if (!lines) return file_failure(lines.error());
    if (lines->lines().empty()) return past_end(request.offset, file, title, total);
    const Listing listing = list_lines(*lines, options.first, 0, body_max);
    title += paging_header(listing, options.first, total, true);
    return finished(std::move(title), listing.text, text);
  }

  static FileResult finished(std::string title, std::string_view body, const FileText& text) {
    if (text.damaged()) {
      const std::size_t after_first_line = title.find('\n') + 1;
      title.insert(after_first_line,
                   fmt::format("(Bytes that are not {} are shown as \xEF\xBF\xBD. The file can be changed "
                               "with commands only.)\n",
                               encoding_name(text.encoding())));
    }
    title += body;
    if (title.ends_with('\n')) title.pop_back();
    return {true, std::move(title), {}};
  }

  FileResult show_column(const ReadRequest& request, const File& file, std::string title, FileText& text,
                         std::size_t body_max) const {
    LineWindowOptions options;
    options.first = request.offset - 1;
    options.lines_max = 1;
    options.column = request.column - 1;
    options.characters_max = body_max;
    options.bytes_max = body_max;
    Total total;
    auto lines = window(text, options, total);
    if (!lines) return file_failure(lines.error());
    if (lines->lines().empty()) return past_end(request.offset, file, title, total);
    const std::uint64_t characters = lines->lines()[0].characters;
    if (options.column >= characters && options.column > 0) {
      return file_failure(fmt::format("column {} is past the end of line {} of \"{}\", which has {}", request.column,
                                      request.offset, file.path, count_text(characters, "character")));
    }
    const Listing listing = list_lines(*lines, options.first, options.column, body_max);
    title += column_header(options.first, options.column, listing, characters, total);
    return finished(std::move(title), listing.text, text);
  }

  // The block of code around a line: first where it is, then its lines.
  FileResult show_block(const ReadRequest& request, const File& file, std::string title, FileText& text,
                        std::size_t body_max) const {
    const std::uint64_t anchor = (request.anchor > 0 ? request.anchor : request.offset) - 1;
    IndentationOptions block = request.indentation;
    block.lines_max = static_cast<std::size_t>(
        std::min<std::uint64_t>({block.lines_max, request.limit, body_max / 4 + 1}));  // of which no more fit
    LineWindowOptions around;
    around.first = anchor - std::min<std::uint64_t>(anchor, block.lines_max);
    around.lines_max = 2 * block.lines_max + 1;
    around.characters_max = indent_characters_max;
    around.bytes_max = around.lines_max * (4 * indent_characters_max + 4);
    Total total;
    auto surroundings = window(text, around, total);
    if (!surroundings) return file_failure(surroundings.error());
    if (around.first + surroundings->lines().size() <= anchor) {
      return past_end(anchor + 1, file, title, total);
    }
    std::vector<std::string_view> lines;
    for (const LineWindow::Line& line : surroundings->lines()) lines.push_back(line.text);
    block.anchor = static_cast<std::size_t>(anchor - around.first);
    const LineRange found = lines_around(lines, block);

    LineWindowOptions options;
    options.first = around.first + found.first;
    options.lines_max = found.end - found.first;
    options.characters_max = line_characters_max;
    options.bytes_max = body_max;
    Total ignored;
    auto shown = window(text, options, ignored);
    if (!shown) return file_failure(shown.error());
    const Listing listing = list_lines(*shown, options.first, 0, body_max);
    const bool cut = found.cut || listing.lines < options.lines_max;
    title += paging_header(listing, options.first, total, cut);
    std::string body = listing.text;
    if (!cut) {
      body += fmt::format("\nIncluded lines: {}-{} (of {})\n", options.first + 1, options.first + listing.lines,
                          total.lines);
    }
    return finished(std::move(title), body, text);
  }

  FileResult show_ranges(const ReadRequest& request, std::string title, FileText& text, std::size_t body_max) const {
    std::string body;
    for (const Range& asked : request.ranges) {
      LineWindowOptions options;
      options.first = asked.first;
      options.lines_max = asked.end - asked.first;
      options.characters_max = line_characters_max;
      options.bytes_max = body_max - std::min(body_max, body.size());
      Total total;
      auto lines = window(text, options, total);
      if (!lines) return file_failure(lines.error());
      if (lines->lines().empty()) {
        body +=
            fmt::format("(Lines {}-{} are past the end: the file has {}.)\n", asked.first + 1, asked.end, total.text());
        continue;
      }
      const Listing listing = list_lines(*lines, options.first, 0, options.bytes_max);
      body += listing.text;
      if (!listing.cut.empty()) {
        body += fmt::format("(Line {} goes on: to see the rest, read with offset {} and column {}.)\n",
                            listing.cut.front(), listing.cut.front(), listing.cut_at + 1);
      }
      const std::uint64_t end = options.first + listing.lines;
      if (end < std::min(asked.end, total.lines)) {
        body += fmt::format("(Cut: read on with offset {}.)\n", end + 1);
        break;
      }
    }
    return finished(std::move(title), body, text);
  }

  const Workspace& workspace_;
  FileLedger* ledger_;  // may be null
  const CancelToken& cancel_;
  const std::shared_ptr<const Redactor>& redactor_;
  std::size_t size_max_;
  std::size_t images_size_{0};  // shown so far
};

// --- Arguments ---

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
  return Range{static_cast<std::uint64_t>(first) - 1, static_cast<std::uint64_t>(last)};
}

std::vector<Range> read_ranges(Arguments& file) {
  const std::string shape = fmt::format("an array of at most {} line ranges as [1, 50] or \"1-50\"", ranges_max);
  std::vector<Range> ranges;
  const auto value = file.find("line_ranges");
  if (!value) return ranges;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS || array.size() > ranges_max) {
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
  constexpr std::int64_t lines_max = 1'000'000'000'000;
  const auto count = [](std::optional<std::int64_t> value, std::uint64_t otherwise) {
    return value ? static_cast<std::uint64_t>(*value) : otherwise;
  };
  ReadRequest request;
  request.path = arguments.string("path");
  request.offset = count(arguments.optional_integer("offset", 1, lines_max), 1);
  request.limit = count(arguments.optional_integer("limit", 1, lines_max), lines_default);
  request.column = count(arguments.optional_integer("column", 1, lines_max), 0);
  const std::string_view mode = arguments.optional_string("mode").value_or("slice");
  request.by_indentation = mode == "indentation";
  if (mode != "slice" && mode != "indentation") arguments.reject("mode", "\"slice\" or \"indentation\"");
  if (request.by_indentation && request.column > 0) arguments.reject("column", "left out in indentation mode");
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
    FileResult result = FileReader(context, context.result_bytes_max).read(request);
    return {result.ok, std::move(result.text), std::move(result.images), {}};
  }

 private:
  static std::vector<PathUse> paths(std::string_view json) {
    Arguments arguments(json);
    if (arguments.find("path")) return read_path(json);
    std::vector<PathUse> uses;
    for (ReadRequest& request : read_requests(arguments)) uses.push_back({std::move(request.path), false});
    return uses;
  }

  // The form of older prompts and histories: several files, each with line ranges; the list may be JSON in a string.
  // What is wrong with them is the arguments' problem afterwards.
  static std::vector<ReadRequest> read_requests(Arguments& arguments) {
    for (int depth = 0; depth < 2; ++depth) {
      const auto files = arguments.find("files");
      std::string_view text;
      if (!files || files->get(text) != simdjson::SUCCESS) break;
      Arguments inner(fmt::format("{{\"files\":{}}}", text));
      if (!inner.ok() || !inner.find("files")) break;
      arguments = std::move(inner);
    }
    auto files = arguments.optional_objects("files");
    if (files && (files->empty() || files->size() > files_max)) {
      arguments.reject("files", fmt::format("an array of 1 to {} objects", files_max));
    }
    std::vector<ReadRequest> requests;
    if (!arguments.ok() || !files) return requests;
    for (Arguments& file : *files) {
      ReadRequest request;
      request.path = file.string("path");
      request.ranges = read_ranges(file);
      requests.push_back(std::move(request));
    }
    return requests;
  }

  static ToolOutcome read_files(Arguments arguments, ToolContext& context) {
    const std::vector<ReadRequest> requests = read_requests(arguments);
    if (!arguments.ok()) return tool_failure(arguments.problem());

    ToolOutcome outcome;
    FileReader reader(context, context.result_bytes_max / requests.size());
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
          "most 2000 lines from offset on and says how to read on when there are more. In indentation mode it shows "
          "the whole block of code around indentation.anchor_line instead, which suits a line number from a search or "
          "an error message. Images (png, jpg, gif, webp) are shown as images; PDF, Word, Excel, PowerPoint and "
          "OpenDocument files and notebooks as their text.",
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
          "column": {
            "type": "integer",
            "minimum": 1,
            "description": "Shows only the line offset, from this character on: for lines too long to be shown whole"
          },
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
      .paths = paths,
  };
};

}  // namespace

std::shared_ptr<const Tool> read_file_tool() { return std::make_shared<ReadFile>(); }

}  // namespace joey

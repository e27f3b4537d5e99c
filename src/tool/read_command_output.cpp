// read_command_output: what a command wrote and its result did not show, read on from an offset or searched.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/artifacts.hpp"
#include "tool/common.hpp"
#include "tool/terminal_text.hpp"

namespace joey {
namespace {

constexpr std::uint64_t limit_default = 40U << 10;           // bytes
constexpr std::size_t header_size_max = 512;                 // bytes of a result besides the lines
constexpr std::size_t piece_size = 4 * Artifacts::chunk_size;  // bytes read at a time
constexpr std::size_t pattern_size_max = 1'000;              // bytes
constexpr std::size_t pattern_shown_max = 200;               // bytes
constexpr std::size_t line_size_max = Artifacts::chunk_size;   // bytes; a longer line is searched in parts
constexpr std::size_t line_shown_max = 500;                  // bytes of a line that matches
constexpr std::size_t shown_before_match = 100;              // bytes, of a line that is cut

// Bytes of lines that a result takes.
std::size_t room_for_lines(const ToolContext& context) {
  return context.result_bytes_max - std::min(context.result_bytes_max, header_size_max);
}

std::string numbered(std::uint64_t number, std::string_view text) { return fmt::format("{} | {}\n", number, text); }

std::uint64_t count_lines(std::string_view bytes) {
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

// The lines that match, gathered from pieces. Used by one thread at a time.
class LineSearch {
 public:
  LineSearch(std::unique_ptr<re2::RE2> pattern, std::uint64_t offset, std::size_t bytes_max)
      : pattern_(std::move(pattern)), position_(offset), bytes_max_(bytes_max) {}

  // Lines before the first piece, which may begin within the last of them.
  void skip_lines(std::uint64_t count) { number_ += count; }

  // False when it has found as much as it may.
  bool feed(std::string_view piece, bool is_last) {
    rest_ += piece;
    std::string_view bytes = rest_;
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      if (end == std::string_view::npos && !is_last && bytes.size() <= line_size_max) break;
      const bool is_part = std::min(end, bytes.size()) > line_size_max;
      const std::string_view line = is_part ? utf8_prefix(bytes, line_size_max) : bytes.substr(0, end);
      if (!match(line)) return false;
      const std::size_t taken = line.size() + (is_part || end == std::string_view::npos ? 0 : 1);
      bytes.remove_prefix(taken);
      position_ += taken;
      if (!is_part && end != std::string_view::npos) ++number_;
    }
    rest_ = std::string(bytes);
    return true;
  }

  [[nodiscard]] const std::string& lines() const { return lines_; }
  [[nodiscard]] std::size_t matches() const { return matches_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }  // where to search on, when it was cut short

 private:
  bool match(std::string_view bytes) {
    std::string text = shown_text(bytes);
    re2::StringPiece found;
    if (!pattern_->Match(text, 0, text.size(), re2::RE2::UNANCHORED, &found, 1)) return true;
    if (text.size() > line_shown_max) {
      const auto at = static_cast<std::size_t>(found.data() - text.data());
      const std::string_view from_here = utf8_suffix(text, text.size() - (at - std::min(at, shown_before_match)));
      const bool is_whole = from_here.size() == text.size();
      text = fmt::format("{}{} [line cut]", is_whole ? "" : "...", utf8_prefix(from_here, line_shown_max));
    }
    const std::string line = numbered(number_, text);
    if (matches_ > 0 && lines_.size() + line.size() > bytes_max_) return false;
    lines_ += line;
    ++matches_;
    return true;
  }

  const std::unique_ptr<re2::RE2> pattern_;
  std::string rest_;        // bytes of a line whose end has not come
  std::uint64_t number_{1};  // of the line that begins there
  std::uint64_t position_;   // in the artifact, of the same place
  std::string lines_;
  std::size_t bytes_max_;
  std::size_t matches_{0};
};

struct Query {
  std::string artifact;
  std::string search;  // empty: read
  std::uint64_t offset{0};
  std::size_t limit{0};
};

// One call. It goes through the artifact piece by piece: up to the offset to count lines, from there to show or search
// them. Matching blocks, so a worker does it.
class OutputReader : public std::enable_shared_from_this<OutputReader> {
 public:
  OutputReader(Query query, std::unique_ptr<re2::RE2> pattern, std::shared_ptr<ToolContext> context,
               UniqueFunction<void(ToolOutcome)> done)
      : query_(std::move(query)), context_(std::move(context)), done_(std::move(done)) {
    if (pattern) search_ = std::make_shared<LineSearch>(std::move(pattern), query_.offset, query_.limit);
  }

  void start() {
    context_->artifacts->measure(query_.artifact, [self = shared_from_this()](Result<Artifacts::Extent> extent) {
      if (!extent) return self->fail(extent.error());
      self->on_extent(*extent);
    });
  }

 private:
  void on_extent(Artifacts::Extent extent) {
    extent_ = extent;
    if (query_.offset > extent.size) {
      return fail({ErrorCode::invalid_argument, fmt::format("offset {} is behind the end of {}, which has {} bytes",
                                                            query_.offset, query_.artifact, extent.size)});
    }
    count_before();
  }

  void count_before() {
    if (position_ == query_.offset) return search_ ? search_on() : read_page();
    read_piece(query_.offset - position_, [](OutputReader& self, std::string bytes) {
      self.lines_before_ += count_lines(bytes);
      self.count_before();
    });
  }

  // --- Reading ---

  // A few bytes more on both sides, for the characters that the page's ends would cut.
  void read_page() {
    constexpr std::uint64_t character_size_max = 4;
    const std::uint64_t before = std::min(query_.offset, character_size_max - 1);
    position_ = query_.offset - before;
    const std::uint64_t after = std::min<std::uint64_t>(extent_.size - query_.offset, query_.limit + character_size_max);
    context_->artifacts->read(query_.artifact, position_, static_cast<std::size_t>(before + after),
                              [self = shared_from_this(), before](Result<std::string> bytes) {
                                if (!bytes) return self->fail(bytes.error());
                                self->show_page(*bytes, static_cast<std::size_t>(before));
                              });
  }

  // A character that the page begins in belongs to it, one that it ends in to the next.
  void show_page(std::string_view bytes, std::size_t before) {
    std::size_t begin = before;
    for (std::size_t back = 1; back <= before; ++back) {
      if (utf8_sequence_size(bytes.substr(before - back)) > back) begin = before - back;
    }
    const std::string_view rest = bytes.substr(begin);
    std::string_view page = utf8_prefix(rest, query_.limit + before - begin);
    if (page.empty()) page = rest.substr(0, std::max<std::size_t>(utf8_sequence_size(rest), 1));
    const std::uint64_t from = query_.offset - (before - begin);
    std::string lines = numbered_lines(page);
    const std::uint64_t to = from + page.size();
    const bool is_all = to == extent_.size;
    finish(fmt::format("Showing bytes {}-{} | {}", from, to,
                       is_all ? "COMPLETE" : fmt::format("TRUNCATED: read on with offset {}", to)),
           std::move(lines));
  }

  // Leaves of the page what fits into the result: whole lines, where there is one.
  [[nodiscard]] std::string numbered_lines(std::string_view& page) const {
    const std::size_t size_max = room_for_lines(*context_);
    std::string lines;
    std::uint64_t number = lines_before_ + 1;
    for (std::string_view rest = page; !rest.empty(); ++number) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string line = numbered(number, shown_text(rest.substr(0, end)));
      if (lines.size() + line.size() > size_max) {
        if (!lines.empty()) {
          page = page.substr(0, page.size() - rest.size());
          return lines;
        }
        // Of bytes that are not UTF-8 each becomes three.
        page = utf8_prefix(rest, size_max / 3);
        return numbered(number, shown_text(page));
      }
      lines += line;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return lines;
  }

  // --- Searching ---

  void search_on() {
    if (!lines_skipped_) search_->skip_lines(lines_before_);
    lines_skipped_ = true;
    if (position_ == extent_.size) return feed({});
    read_piece(extent_.size - position_, [](OutputReader& self, std::string bytes) { self.feed(std::move(bytes)); });
  }

  void feed(std::string bytes) {
    const bool is_last = position_ == extent_.size;
    auto goes_on = std::make_shared<bool>(false);
    context_->scheduler->work(
        [search = search_, bytes = std::move(bytes), is_last, goes_on] { *goes_on = search->feed(bytes, is_last); },
        [self = shared_from_this(), is_last, goes_on] {
          if (*goes_on && !is_last) return self->search_on();
          self->show_matches(*goes_on);
        });
  }

  void show_matches(bool is_all) {
    const std::size_t matches = search_->matches();
    const std::string end =
        is_all ? "COMPLETE" : fmt::format("TRUNCATED: more may match; search on with offset {}", search_->position());
    finish(fmt::format("Search \"{}\" | {} line{} | {}", utf8_prefix(query_.search, pattern_shown_max), matches,
                       matches == 1 ? " matches" : "s match", end),
           search_->lines());
  }

  // --- Both ---

  // Reads what comes at position_, and moves it.
  void read_piece(std::uint64_t bytes_max, void (*then)(OutputReader&, std::string)) {
    if (context_->cancel.cancelled()) return fail({ErrorCode::cancelled, "read_command_output was cancelled"});
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, piece_size));
    context_->artifacts->read(query_.artifact, position_, wanted,
                              [self = shared_from_this(), wanted, then](Result<std::string> bytes) {
                                if (!bytes) return self->fail(bytes.error());
                                if (bytes->size() != wanted) {
                                  return self->fail({ErrorCode::corrupt, self->query_.artifact + ": a part of it is lost"});
                                }
                                self->position_ += wanted;
                                then(*self, std::move(*bytes));
                              });
  }

  void finish(std::string_view what, std::string lines) {
    const std::string_view growing = extent_.growing ? " until now, still growing" : "";
    std::string text = fmt::format("[Command Output: {}]\nTotal size: {}{} | {}\n", query_.artifact,
                                   bytes_text(extent_.size), growing, what);
    if (!lines.empty()) text.append("\n").append(lines);
    text.pop_back();
    done_({true, within(text, context_->result_bytes_max), {}, {}});
  }

  void fail(const Error& error) { done_(tool_failure(error)); }

  const Query query_;
  const std::shared_ptr<ToolContext> context_;
  const UniqueFunction<void(ToolOutcome)> done_;
  Artifacts::Extent extent_;
  std::uint64_t position_{0};  // in the artifact, of what is read next
  std::uint64_t lines_before_{0};
  bool lines_skipped_{false};
  std::shared_ptr<LineSearch> search_;  // null: read
};

class ReadCommandOutput final : public Tool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

  void run(std::string json, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    Arguments arguments(json);
    Query query;
    query.artifact = arguments.string("artifact_id");
    query.search = arguments.optional_string("search").value_or(std::string_view());
    query.offset = static_cast<std::uint64_t>(
        arguments.optional_integer("offset", 0, static_cast<std::int64_t>(Artifacts::size_max)).value_or(0));
    const auto limit = static_cast<std::uint64_t>(
        arguments.optional_integer("limit", 1).value_or(static_cast<std::int64_t>(limit_default)));
    query.limit = static_cast<std::size_t>(std::min<std::uint64_t>(limit, room_for_lines(*context)));
    std::string problem = arguments.problem();
    if (problem.empty() && !is_artifact_id(query.artifact)) {
      arguments.reject("artifact_id", "an id that execute_command gave, as cmd-12.txt");
      problem = arguments.problem();
    }
    std::unique_ptr<re2::RE2> pattern;
    if (problem.empty() && !query.search.empty()) problem = compile(query.search, pattern);
    if (problem.empty() && !context->artifacts) problem = query.artifact + ": command output is not kept here";
    if (!problem.empty()) {
      Scheduler& scheduler = *context->scheduler;
      scheduler.post([done = std::move(done), problem = std::move(problem)] { done(tool_failure(problem)); });
      return;
    }
    std::make_shared<OutputReader>(std::move(query), std::move(pattern), std::move(context), std::move(done))->start();
  }

 private:
  static std::string compile(const std::string& search, std::unique_ptr<re2::RE2>& pattern) {
    if (search.size() > pattern_size_max) {
      return fmt::format("argument \"search\" has {} bytes, more than {}", search.size(), pattern_size_max);
    }
    re2::RE2::Options options;
    options.set_case_sensitive(false);
    options.set_log_errors(false);
    pattern = std::make_unique<re2::RE2>(search, options);
    if (pattern->ok()) return {};
    return fmt::format("argument \"search\" is no regular expression (RE2): {}; put \\ before what is meant literally",
                       pattern->error());
  }

  const ToolSpec spec_{
      .name = "read_command_output",
      .description =
          "Reads the output of a command that execute_command did not show whole, also while the command still runs in the "
          "background: from a byte offset on, or with search the lines that match a regular expression. Lines are shown "
          "as \"12 | text\" with their true number.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "artifact_id": {"type": "string", "description": "The Artifact ID in a command's result, as cmd-12.txt"},
          "search": {
            "type": "string",
            "description": "A regular expression (RE2, without regard to case), as error|warning; only the lines that match are shown"
          },
          "offset": {"type": "integer", "minimum": 0, "description": "The byte to begin at (default 0)"},
          "limit": {"type": "integer", "minimum": 1, "description": "The most bytes to show (default 40960)"}
        },
        "required": ["artifact_id"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::read,
      .read_only = true,
  };
};

}  // namespace

std::shared_ptr<const Tool> read_command_output_tool() { return std::make_shared<ReadCommandOutput>(); }

}  // namespace joey

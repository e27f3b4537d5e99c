#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "symbols/symbols.hpp"
#include "tool/arguments.hpp"
#include "document/encoding.hpp"
#include "redact/redact.hpp"
#include "tool/common.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t files_max = 10'000;    // of one call
constexpr std::size_t threads_max = 4;
constexpr std::size_t files_per_thread = 4;  // fewer are done before another thread has started
constexpr std::size_t notes_size_max = 512;  // of a result, beside its definitions
constexpr std::chrono::seconds time_max{20};

struct SourceFile {
  std::string path;  // relative to the root
  Language language{};
};

struct SourceFiles {
  std::vector<SourceFile> files;  // in natural order
  std::size_t unreadable{0};      // directories
  bool truncated{false};
};

// What was found in one file.
struct Outline {
  bool done{false};
  std::string text;                   // a line for each definition
  std::vector<std::size_t> line_ends;  // in `text`
  std::vector<std::size_t> lines;      // of the file, at which the definitions begin
  bool truncated{false};
  Error error;  // its message is empty when there is none
};

Result<SourceFiles> files_in(const Workspace& workspace, std::string_view directory, bool recursive,
                             const CancelToken& cancel) {
  WalkOptions options;
  options.time_max = time_max;
  if (!recursive) options.depth_max = 0;
  SourceFiles found;
  const auto end = walk(workspace, directory, options, cancel, [&](WalkEntry& entry) {
    const auto language = language_of(entry.path);
    if (entry.kind != FileKind::file || !language) return true;
    found.truncated = found.files.size() == files_max;
    if (!found.truncated) found.files.push_back({std::move(entry.path), *language});
    return !found.truncated;
  });
  if (!end) return tl::unexpected(end.error());
  found.truncated = found.truncated || !end->complete || (recursive && end->too_deep > 0);
  found.unreadable = end->unreadable;
  std::sort(found.files.begin(), found.files.end(),
            [](const SourceFile& a, const SourceFile& b) { return natural_less(a.path, b.path); });
  return found;
}

// Looks for definitions in files on several threads, the caller's among them, in their order and until there is enough to
// show: then the first of them are done, and the others are not.
class OutlineMaker {
 public:
  OutlineMaker(const Workspace& workspace, const std::vector<SourceFile>& files, std::size_t size_max,
               const ToolContext& context)
      : workspace_(workspace), files_(files), size_max_(size_max), cancel_(context.cancel), redactor_(context.redactor.get()),
        outlines_(files.size()) {}

  std::vector<Outline> run() {
    std::vector<std::thread> helpers;
    const std::size_t wanted = std::min({files_.size() / files_per_thread, threads_max,
                                         static_cast<std::size_t>(std::thread::hardware_concurrency())});
    while (helpers.size() + 1 < wanted && start(helpers)) {
    }
    work();
    for (std::thread& helper : helpers) helper.join();
    if (failure_) std::rethrow_exception(failure_);
    return std::move(outlines_);
  }

 private:
  bool start(std::vector<std::thread>& helpers) {
    // The host's signals are for the host's threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
      helpers.emplace_back([this] { work(); });
    } catch (const std::exception&) {
      started = false;  // no more to be had: these do
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  void work() noexcept {
    try {
      DefinitionFinder finder;
      while (!must_stop()) {
        const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
        if (index >= files_.size()) return;
        outlines_[index] = outline_of(finder, files_[index]);
        size_.fetch_add(outlines_[index].text.size(), std::memory_order_relaxed);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      size_ = size_max_ + 1;
    }
  }

  [[nodiscard]] bool must_stop() const {
    return cancel_.cancelled() || size_.load(std::memory_order_relaxed) > size_max_ || Clock::now() > deadline_;
  }

  Outline outline_of(DefinitionFinder& finder, const SourceFile& file) const {
    Outline outline;
    outline.done = true;
    const auto bytes = workspace_.read(file.path, DefinitionLimits{}.source_size_max);
    if (!bytes) {
      outline.error = bytes.error();
      return outline;
    }
    // Stray bytes are no reason to see nothing; what is no text at all is found out there.
    std::string text = decode_text(*bytes, detect_encoding(*bytes)).value_or(*bytes);
    if (redactor_) text = redactor_->redact(text);  // its lines are cut
    const auto found = finder.find(text, file.language);
    if (!found) {
      const bool binary = found.error().code == ErrorCode::invalid_argument;
      outline.error = {found.error().code, fmt::format("\"{}\": {}{}", to_utf8(file.path), found.error().message,
                                                       binary ? "" : ": read or search it instead")};
      return outline;
    }
    for (const Definition& definition : found->list) {
      outline.text += fmt::format("{}--{} | {}\n", definition.first_line, definition.last_line, definition.text);
      outline.line_ends.push_back(outline.text.size());
      outline.lines.push_back(definition.first_line);
    }
    outline.truncated = found->truncated;
    return outline;
  }

  const Workspace& workspace_;
  const std::vector<SourceFile>& files_;
  const std::size_t size_max_;  // bytes of text that are enough
  const CancelToken& cancel_;
  const Redactor* const redactor_;  // may be null
  const Clock::time_point deadline_{Clock::now() + time_max};
  std::vector<Outline> outlines_;  // each written by the thread that took it
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> size_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

class ListCodeDefinitionNames final : public BlockingTool {
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
    const auto info = context.workspace->info(*relative);
    if (!info) return tool_failure(info.error());
    if (info->kind != FileKind::directory) return of_file(*relative, context);
    return of_directory(*relative, recursive, context);
  }

 private:
  static ToolOutcome of_file(const std::string& path, ToolContext& context) {
    const auto language = language_of(path);
    if (!language) {
      return tool_failure(fmt::format("\"{}\": definitions are not known in files of this kind: read or search it instead. "
                                      "The languages are {}.",
                                      to_utf8(path), language_list()));
    }
    const std::size_t size_max = body_size_max(context);
    const std::vector<Outline> outlines = OutlineMaker(*context.workspace, {{path, *language}}, size_max, context).run();
    const Outline& outline = outlines.front();
    if (!outline.done) return tool_failure(cancelled());
    if (!outline.error.message.empty()) return tool_failure(outline.error);
    if (outline.text.empty()) return {true, fmt::format("\"{}\" has no definitions.", to_utf8(path)), {}, {}};

    std::string text = fmt::format("# {}\n", to_utf8(path));
    std::size_t count = 0;
    while (count < outline.line_ends.size() && text.size() + outline.line_ends[count] <= size_max) ++count;
    text += outline.text.substr(0, count == 0 ? 0 : outline.line_ends[count - 1]);
    if (count < outline.line_ends.size()) {
      text += fmt::format("\n(These are the first {} of {} definitions. Read the file from line {} on, or search it, for the "
                          "others.)\n",
                          count, outline.line_ends.size(), outline.lines[count]);
    } else if (outline.truncated) {
      text += fmt::format("\n(These are the first {} definitions. Read or search the file for the others.)\n", count);
    }
    return {true, std::move(text), {}, {}};
  }

  static ToolOutcome of_directory(const std::string& directory, bool recursive, ToolContext& context) {
    const auto sources = files_in(*context.workspace, directory, recursive, context.cancel);
    if (!sources) return tool_failure(sources.error());
    const std::size_t size_max = body_size_max(context);
    const std::vector<Outline> outlines =
        OutlineMaker(*context.workspace, sources->files, size_max, context).run();
    if (context.cancel.cancelled()) return tool_failure(cancelled());

    std::string body;
    std::size_t shown = 0;  // files
    std::set<std::string_view> without_grammar;
    for (; shown < outlines.size() && outlines[shown].done; ++shown) {
      const Outline& outline = outlines[shown];
      const SourceFile& file = sources->files[shown];
      if (outline.error.code == ErrorCode::unsupported) {
        without_grammar.insert(name_of(file.language));
        continue;
      }
      const std::string section = section_of(file, outline);
      if (body.size() + section.size() > size_max) break;
      body += section;
    }

    std::string text;
    if (shown < outlines.size() || sources->truncated) {
      text = fmt::format("These are the definitions of the first {} of {}{} files. For the others name a directory or a file "
                         "among them.\n",
                         shown, sources->truncated ? "more than " : "", outlines.size());
    } else if (body.empty()) {
      text = outlines.empty() ? no_sources(directory, recursive) : "No definitions found.\n";
    }
    text += body;
    if (!without_grammar.empty()) {
      text += fmt::format("\n(This build of joey has no grammar of {}: search those files instead.)\n",
                          fmt::join(without_grammar, ", "));
    }
    if (sources->unreadable > 0) text += fmt::format("\n({} directories could not be read.)\n", sources->unreadable);
    text.erase(0, text.starts_with('\n') ? 1 : 0);
    return {true, std::move(text), {}, {}};
  }

  static std::size_t body_size_max(const ToolContext& context) {
    return context.result_bytes_max - std::min(context.result_bytes_max, notes_size_max);
  }

  // A file without definitions has no section, nor has one that is no source in spite of its name.
  static std::string section_of(const SourceFile& file, const Outline& outline) {
    if (outline.error.code == ErrorCode::invalid_argument) return {};
    if (!outline.error.message.empty()) return fmt::format("\n({})\n", outline.error.message);
    if (outline.text.empty()) return {};
    return fmt::format("\n# {}\n{}{}", to_utf8(file.path), outline.text,
                       outline.truncated ? "(It has more: read or search it for the others.)\n" : "");
  }

  static std::string no_sources(std::string_view directory, bool recursive) {
    return fmt::format("No definitions found: there are no files of a known language {} \"{}\". The languages are {}.\n",
                       recursive ? "beneath" : "directly in", to_utf8(directory), language_list());
  }

  static std::string language_list() {
    std::string text;
    for (std::size_t i = 0; i < languages_count; ++i) {
      if (i > 0) text += ", ";
      text += name_of(static_cast<Language>(i));
    }
    return text;
  }

  static std::string cancelled() { return "list_code_definition_names was cancelled"; }

  const ToolSpec spec_{
      .name = "list_code_definition_names",
      .description =
          "Shows what source files define, without their bodies: functions, methods, classes and other types, headings of "
          "Markdown, as \"12--34 | first line\" with the lines they span. Gives an overview of a file or a directory before "
          "reading: read_file shows such lines. Values (constants, variables, fields) are not shown, nor are functions of one "
          "line inside others. Ignored files are left out.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "path": {
            "type": "string",
            "description": "A file, or a directory for the files directly in it, relative to the workspace; . is the workspace"
          },
          "recursive": {
            "type": ["boolean", "null"],
            "description": "true: for a directory the files of all levels (default false)"
          }
        },
        "required": ["path"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::read,
      .read_only = true,
      .paths = read_path,
  };
};

}  // namespace

std::shared_ptr<const Tool> list_code_definition_names_tool() { return std::make_shared<ListCodeDefinitionNames>(); }

}  // namespace joey

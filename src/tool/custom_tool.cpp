#include "tool/custom_tool.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "tool/command_call.hpp"
#include "tool/common.hpp"
#include "tool/terminal_text.hpp"

namespace joey {
namespace {

constexpr std::size_t answer_size_max = std::size_t{32} << 20;  // bytes; what is larger is text
constexpr std::size_t image_size_max = std::size_t{7} << 20;    // bytes of base64: 5 MB of image
constexpr std::size_t images_max = 16;
constexpr std::size_t errors_size_max = 2'000;                  // bytes told of standard error
constexpr std::size_t status_size_max = 500;                    // bytes of a result, besides texts of the tool

std::string input_of(const std::string& tool, std::string_view arguments, const ToolContext& context) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("tool", tool).key("arguments").raw(arguments);
  if (!context.task.empty()) json.field("task", context.task);
  if (!context.mode.empty()) json.field("mode", context.mode);
  json.field("workspace", context.workspace->root()).end_object();
  return text += '\n';
}

// By the first bytes, not by what it is said to be: a provider refuses the conversation for an image that is not.
std::string_view image_type(std::string_view base64) {
  if (base64.starts_with("iVBORw0KGgo")) return "image/png";
  if (base64.starts_with("/9j/")) return "image/jpeg";
  if (base64.starts_with("R0lGODdh") || base64.starts_with("R0lGODlh")) return "image/gif";
  if (base64.starts_with("UklGR") && base64.substr(0, 16).ends_with("RUJQ")) return "image/webp";
  return {};
}

bool is_base64(std::string_view text) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return text.size() % 4 != 1 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

void add_image(simdjson::dom::element image, ToolOutcome& outcome, std::size_t& left_out) {
  std::string_view base64;
  if (image["base64"].get(base64) != simdjson::SUCCESS || base64.size() > image_size_max || base64.size() % 4 != 0 ||
      !is_base64(base64) || image_type(base64).empty() || outcome.images.size() == images_max) {
    ++left_out;
    return;
  }
  outcome.images.push_back({std::string(image_type(base64)), std::string(base64)});
}

// None: it is plain text.
std::optional<ToolOutcome> parse_answer(std::string_view output) {
  output = trim(output);
  if (!output.starts_with('{') || !output.ends_with('}')) return std::nullopt;
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  ToolOutcome outcome;
  std::string_view text;
  if (parser.parse(output.data(), output.size()).get(answer) != simdjson::SUCCESS ||
      answer["ok"].get(outcome.ok) != simdjson::SUCCESS || answer["text"].get(text) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  outcome.text = text;
  std::size_t left_out = 0;
  if (simdjson::dom::element images; answer["images"].get(images) == simdjson::SUCCESS && !images.is_null()) {
    simdjson::dom::array array;
    if (images.get(array) == simdjson::SUCCESS) {
      for (const simdjson::dom::element image : array) add_image(image, outcome, left_out);
    } else {
      ++left_out;
    }
  }
  if (left_out > 0) {
    outcome.text += fmt::format("\n[{} of the tool's images left out: each must be an object with \"base64\" of a png, "
                                "jpeg, gif or webp of at most 5 MB, {} in all]",
                                left_out, images_max);
  }
  return outcome;
}

class CustomRun final : public CommandCall {
 public:
  CustomRun(std::string name, CommandLimits limits, const std::shared_ptr<ToolContext>& call_context,
            UniqueFunction<void(ToolOutcome)> done)
      : CommandCall(call_context, std::move(done), limits),
        name_(std::move(name)),
        text_(room(*call_context) * 2 / 5, room(*call_context) * 3 / 5),
        errors_(errors_size_max / 2, errors_size_max / 2) {}

  void on_clean_output(std::string_view bytes) override {
    text_.feed(utf8_.feed(bytes));
    if (output_.size() + bytes.size() > answer_size_max) is_too_large_ = true;
    if (is_too_large_) {
      output_ = {};
    } else {
      output_ += bytes;
    }
  }

  void on_clean_errors(std::string_view bytes) override {
    const std::string text = errors_utf8_.feed(bytes);
    errors_.feed(text);
    if (open() && context().on_output && !text.empty()) context().on_output(text);
  }

 private:
  static std::size_t room(const ToolContext& context) {
    constexpr std::size_t rest = errors_size_max + status_size_max;
    return context.result_bytes_max - std::min(context.result_bytes_max, rest);
  }

  void on_drained() override {
    finish_output();
    answer();
  }
  void on_over() override { answer(); }

  void answer() {
    if (!open()) return;
    std::string problem;
    if (ending() == Ending::cancel) problem = fmt::format("{} was cancelled and ended.", name_);
    if (ending() == Ending::timeout) {
      problem = fmt::format("{} was ended because it ran longer than its limit of {}.", name_, limit_text());
    }
    const CommandExit status = exit().value_or(CommandExit{});
    if (problem.empty() && (status.code != 0 || status.signal != 0)) {
      problem = fmt::format("{} failed. {}", name_, status_text(status));
    }
    ToolOutcome outcome = answer_of_output();
    if (!problem.empty()) {
      outcome.ok = false;
      outcome.text = fmt::format("{}{}{}", problem, outcome.text.empty() ? "" : "\n", outcome.text);
    }
    if (!outcome.ok && !errors_.empty()) outcome.text += "\nError output:\n" + errors_.text();
    if (outcome.text.empty()) outcome.text = fmt::format("{} printed nothing.", name_);
    outcome.text = within(outcome.text, context().result_bytes_max);
    complete(std::move(outcome));
  }

  [[nodiscard]] ToolOutcome answer_of_output() {
    if (auto parsed = parse_answer(output_)) return std::move(*parsed);
    text_.feed(utf8_.finish());
    ToolOutcome outcome;
    outcome.text = text_.text();
    return outcome;
  }

  const std::string name_;
  std::string output_;  // all of it, while it can be an answer in JSON
  bool is_too_large_{false};
  Utf8Stream utf8_;
  TerminalText text_;
  Utf8Stream errors_utf8_;
  TerminalText errors_;
};

class CustomTool final : public Tool {
 public:
  explicit CustomTool(CustomToolSpec spec)
      : argv_(std::move(spec.argv)), directory_(std::move(spec.directory)), limits_{.time = spec.timeout} {
    spec_.name = std::move(spec.name);
    spec_.description = std::move(spec.description);
    spec_.parameters = compact_json(spec.parameters);
    spec_.group = ToolGroup::custom;
    spec_.read_only = spec.read_only;
  }

  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

  void run(std::string arguments, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    std::string problem;
    if (argv_.empty()) problem = fmt::format("custom tool \"{}\" has no command", spec_.name);
    if (context->cancel.cancelled()) problem = fmt::format("{} was cancelled before it began", spec_.name);
    if (!problem.empty()) {
      Scheduler& scheduler = *context->scheduler;
      scheduler.post([done = std::move(done), problem = std::move(problem)] { done(tool_failure(problem)); });
      return;
    }
    CommandSpec command;
    command.argv = argv_;
    command.directory = directory_;
    command.input = input_of(spec_.name, arguments, *context);
    command.separate_errors = true;
    std::make_shared<CustomRun>(spec_.name, limits_, context, std::move(done))->start(std::move(command));
  }

 private:
  ToolSpec spec_;
  const std::vector<std::string> argv_;
  const std::string directory_;
  const CommandLimits limits_;
};

}  // namespace

std::shared_ptr<const Tool> make_custom_tool(CustomToolSpec spec) { return std::make_shared<CustomTool>(std::move(spec)); }

}  // namespace joey

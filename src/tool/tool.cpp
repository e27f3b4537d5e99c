#include "tool/tool.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <exception>

#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/execute_command.hpp"

namespace joey {

void BlockingTool::run(std::string arguments, std::shared_ptr<ToolContext> context,
                       UniqueFunction<void(ToolOutcome)> done) const {
  auto outcome = std::make_shared<ToolOutcome>();
  Scheduler& scheduler = *context->scheduler;
  auto blocking = [this, arguments = std::move(arguments), context, outcome] {
    if (context->cancel.cancelled()) {
      *outcome = tool_failure(fmt::format("{} was cancelled before it began", spec().name));
      return;
    }
    // A worker has nobody above it to catch: what memory or a library does not allow ends the call, not the process.
    try {
      *outcome = work(arguments, *context);
    } catch (const std::exception& error) {
      *outcome = tool_failure(fmt::format("{} failed: {}", spec().name, error.what()));
    }
  };
  // The context goes along, so that the loop thread lets go of it last.
  scheduler.work(std::move(blocking), [outcome, context = std::move(context), done = std::move(done)] {
    done(std::move(*outcome));
  });
}

std::vector<PathUse> changed_path(std::string_view arguments) {
  Arguments reader(arguments);
  for (const char* name : {"path", "file_path"}) {
    if (const auto path = reader.optional_string(name)) return {{std::string(*path), true}};
  }
  return {};
}

std::string compact_json(std::string_view json) {
  std::string out(json.size() + simdjson::SIMDJSON_PADDING, '\0');  // it writes whole vectors
  std::size_t size = 0;
  if (simdjson::minify(json.data(), json.size(), out.data(), size) != simdjson::SUCCESS) return std::string(json);
  out.resize(size);
  return out;
}

std::vector<std::shared_ptr<const Tool>> workspace_tools() {
  return {read_file_tool(),  write_to_file_tool(), apply_diff_tool(),
          list_files_tool(), search_files_tool(),  execute_command_tool(), generate_image_tool()};
}

}  // namespace joey

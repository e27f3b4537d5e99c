#include "tool/tool.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <exception>
#include <iterator>

#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/workspace_tools.hpp"

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

std::vector<PathUse> read_path(std::string_view arguments) {
  Arguments reader(arguments);
  if (const auto path = reader.optional_string("path")) return {{std::string(*path), false}};
  return {};
}

std::string compact_json(std::string_view json) {
  std::string out(json.size() + simdjson::SIMDJSON_PADDING, '\0');  // it writes whole vectors
  std::size_t size = 0;
  if (simdjson::minify(json.data(), json.size(), out.data(), size) != simdjson::SUCCESS) return std::string(json);
  out.resize(size);
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"KB", "MB", "GB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(units); ++unit) size /= 1024;
  return fmt::format("{:.1f} {} ({} bytes)", size, units[unit], bytes);
}

std::string take_news(std::vector<std::shared_ptr<TaskCommands>>& background, std::size_t bytes_max) {
  constexpr std::size_t room_min = 256;  // bytes; with less there is nothing to tell one in
  std::string all;
  for (const auto& commands : background) {
    if (!commands->has_news()) continue;
    if (!all.empty()) {
      if (all.size() + room_min > bytes_max) break;  // what is left is told next time
      all += '\n';
    }
    all += within(commands->take_news(), bytes_max - all.size());
  }
  std::erase_if(background, [](const auto& commands) { return commands->ended() && !commands->has_news(); });
  return all;
}

std::vector<std::shared_ptr<const Tool>> workspace_tools(const ExecuteCommandOptions& commands) {
  return {read_file_tool(),
          write_to_file_tool(),
          apply_diff_tool(),
          list_files_tool(),
          search_files_tool(),
          list_code_definition_names_tool(),
          execute_command_tool(commands),
          read_command_output_tool(),
          run_slash_command_tool(),
          skill_tool(),
          generate_image_tool(),
          // Other ways to edit, for models that were trained on them.
          edit_tool("edit"),
          edit_tool("search_and_replace"),
          search_replace_tool(),
          edit_file_tool(),
          apply_patch_tool(),
          insert_content_tool()};
}

}  // namespace joey

#include "runtime/preparation.hpp"

#include <fmt/chrono.h>

#include <ctime>
#include <utility>

#include "project/environment.hpp"

namespace joey {
namespace {

constexpr std::size_t environment_files_max = 200;

std::string time_text(Timestamp now) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(now / 1'000)));
}

std::string environment_of(const PreparationRequest& request, const Project& project, const std::string& mode_slug) {
  Environment environment;
  environment.mode = mode_slug;
  if (const Mode* mode = find_mode(project.modes, mode_slug); mode != nullptr) environment.mode_name = mode->name;
  if (auto files = workspace_files(*request.workspace, environment_files_max, request.cancel)) {
    environment.files = *std::move(files);
  }
  environment.time = time_text(request.now);
  return environment_text(environment);
}

}  // namespace

bool may_mention(std::string_view text) { return text.find_first_of("@/") != std::string_view::npos; }

Preparation prepare(const PreparationRequest& request) {
  Preparation out;
  std::shared_ptr<const Project> project = request.project;
  if (!project || !is_current(*project, *request.workspace, request.global.get())) {
    project = std::make_shared<const Project>(
        load_project(*request.workspace, request.global.get(), request.project_options));
    out.project = project;
  }
  if (request.by_person && may_mention(request.text)) {
    MentionSources sources;
    sources.mode = request.mode;
    if (request.problems) sources.problems = [&request] { return *request.problems; };
    if (request.terminal) sources.terminal = [&request] { return *request.terminal; };
    sources.cancel = request.cancel;
    if (request.redactor) sources.clean = [&request](std::string_view text) { return request.redactor->redact(text); };
    Expansion expansion = expand(request.text, *project, *request.workspace, sources);
    if (expansion.text != request.text || !expansion.blocks.empty()) {
      out.for_model = std::move(expansion.text);
      for (const std::string& block : expansion.blocks) out.for_model += "\n\n" + block;
    }
    out.images = std::move(expansion.images);
    out.mode = std::move(expansion.mode);
  }
  if (request.box) out.box = renew_session_box(request.box, request.box_options, *request.workspace, request.policy);
  if (request.begins) out.environment = environment_of(request, *project, out.mode.empty() ? request.mode : out.mode);
  return out;
}

}  // namespace joey

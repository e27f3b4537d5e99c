#include "runtime/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/control.hpp"

namespace joey {

Session::Session(SessionSetup setup) : setup_(std::move(setup)) {
  for (const auto& tool : setup_.tools) specs_.push_back(tool->spec());
  for (const ToolSpec& spec : control_tools()) specs_.push_back(spec);
}

Status Session::add_tool(std::shared_ptr<const Tool> tool) {
  const std::string& name = tool->spec().name;
  if (!prompts_.empty()) {
    return failure(ErrorCode::conflict, fmt::format("tool \"{}\": add it before the session's first task", name));
  }
  const bool taken = std::any_of(specs_.begin(), specs_.end(), [&](const ToolSpec& spec) { return spec.name == name; });
  if (taken) return failure(ErrorCode::conflict, fmt::format("the session has a tool \"{}\" already", name));
  specs_.push_back(tool->spec());
  setup_.tools.push_back(std::move(tool));
  return {};
}

const Tool* Session::find_tool(std::string_view name) const {
  const auto found = std::find_if(setup_.tools.begin(), setup_.tools.end(),
                                  [&](const auto& tool) { return tool->spec().name == name; });
  return found == setup_.tools.end() ? nullptr : found->get();
}

const Session::ReadyPrompt& Session::prompt(const std::string& mode) {
  const auto found = prompts_.find(mode);
  if (found != prompts_.end()) return found->second;
  const Mode& wanted = *find_mode(builtin_modes(), mode);
  const PromptParts parts{setup_.config.workspace, "Linux", "bash", setup_.instructions};
  ReadyPrompt ready;
  ready.system.bytes = system_prompt(wanted, builtin_modes(), parts);
  ready.tools.bytes = tools_to_json(tools_of_mode(wanted, specs_));
  ready.system.digest = digest(ready.system.bytes);
  ready.tools.digest = digest(ready.tools.bytes);
  ready.set = {mode, ready.system.digest, ready.tools.digest,
               static_cast<std::int64_t>(ready.system.bytes.size() + ready.tools.bytes.size())};
  return prompts_.emplace(mode, std::move(ready)).first->second;
}

RequestHead Session::head(const TaskConfig& config, const event::PromptSet& set) {
  const std::string key =
      fmt::format("{}\n{}\n{}\n{}\n{}", config.model, config.output_tokens_max, config.temperature, set.system, set.tools);
  const auto found = heads_.find(key);
  if (found != heads_.end()) return found->second;
  for (const auto& [mode, ready] : prompts_) {
    if (ready.system.digest != set.system || ready.tools.digest != set.tools) continue;
    // Through the stored form, so that a replay from the store has the same bytes.
    auto tools = tools_from_json(ready.tools.bytes);
    if (!tools) return nullptr;
    return heads_[key] = make_head(*setup_.provider, config, ready.system.bytes, *std::move(tools));
  }
  return nullptr;
}

}  // namespace joey

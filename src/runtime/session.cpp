#include "runtime/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "core/control.hpp"
#include "tool/custom_tool.hpp"

namespace joey {
namespace {

// Prompts that running tasks may still ask for; a project's files do not change more often than that within a turn.
constexpr std::size_t prompts_kept = 64;

// It runs at the root of the workspace, wherever it comes from.
CustomToolSpec custom_tool_spec(const CustomTool& tool, const SessionSetup& setup) {
  CustomToolSpec spec;
  spec.name = tool.spec.name;
  spec.description = tool.spec.description;
  spec.parameters = tool.spec.parameters;
  spec.read_only = tool.spec.read_only;
  spec.timeout = tool.timeout;
  spec.argv = tool.command;
  const auto& home = tool.origin == Origin::global ? setup.global : setup.workspace;
  if (spec.argv.front().find('/') != std::string::npos) {
    spec.argv.front() = fmt::format("{}/{}/{}", home->root(), tool.folder, spec.argv.front());
  }
  return spec;
}

bool same_texts(const event::PromptSet& a, const event::PromptSet& b) { return a.system == b.system && a.tools == b.tools; }

bool names(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

Session::Session(SessionSetup setup) : setup_(std::move(setup)) {
  if (!setup_.secrets) setup_.secrets = std::make_shared<SessionSecrets>(std::make_shared<RedactorPool>(RedactionKey{}));
  for (const SessionModel& model : setup_.models) model_configs_.push_back(model.config);
  take_project_tools();
}

Status Session::add_model(SessionModel model) {
  const bool known = std::any_of(model_configs_.begin(), model_configs_.end(),
                                 [&](const TaskConfig& other) { return same_model(other, model.config); });
  if (known) {
    return failure(ErrorCode::conflict, fmt::format("the session has model \"{}\" of \"{}\" already: give one that differs in its key alone "
                                                    "a profile of its own",
                                                    model.config.model, model.config.provider));
  }
  model_configs_.push_back(model.config);
  setup_.models.push_back(std::move(model));
  return {};
}

const SessionModel& Session::model_of(const TaskConfig& config) const {
  const auto found = std::find_if(setup_.models.begin(), setup_.models.end(),
                                  [&](const SessionModel& model) { return same_model(model.config, config); });
  return found == setup_.models.end() ? setup_.models.front() : *found;
}

Status Session::add_tool(std::shared_ptr<const Tool> tool) {
  const std::string& name = tool->spec().name;
  if (!made_.empty()) {
    return failure(ErrorCode::conflict, fmt::format("tool \"{}\": add it before the session's first task", name));
  }
  const bool taken = std::any_of(specs_.begin(), specs_.end(), [&](const ToolSpec& spec) { return spec.name == name; });
  if (taken) return failure(ErrorCode::conflict, fmt::format("the session has a tool \"{}\" already", name));
  setup_.tools.push_back(std::move(tool));
  take_project_tools();
  return {};
}

Status Session::set_host_policy(std::shared_ptr<HostPolicy> policy, std::chrono::milliseconds timeout) {
  if (setup_.host_policy != nullptr) return failure(ErrorCode::conflict, "the session has a policy of the host's already");
  if (!made_.empty()) return failure(ErrorCode::conflict, "policy: set it before the session's first task");
  setup_.host_policy = std::move(policy);
  setup_.config.policy.host_timeout_ms = timeout.count();
  return {};
}

void Session::set_project(std::shared_ptr<const Project> project) {
  setup_.project = std::move(project);
  prompts_.clear();
  take_project_tools();
}

// The tools of the session in the order models see them: joey's and the host's, those that act on the task, the
// project's. Of one name the first is meant.
void Session::take_project_tools() {
  specs_.clear();
  project_tools_.clear();
  for (const auto& tool : setup_.tools) specs_.push_back(tool->spec());
  for (const ToolSpec& spec : control_tools()) specs_.push_back(spec);
  if (setup_.project != nullptr) {
    for (const CustomTool& tool : setup_.project->tools) {
      const bool taken = std::any_of(specs_.begin(), specs_.end(),
                                     [&](const ToolSpec& spec) { return spec.name == tool.spec.name; });
      if (taken) continue;
      project_tools_.push_back(make_custom_tool(custom_tool_spec(tool, setup_)));
      specs_.push_back(project_tools_.back()->spec());
    }
  }
  for (ToolSpec& spec : specs_) {
    if (names(setup_.tools_added, spec.name)) spec.offered = true;
    if (names(setup_.tools_removed, spec.name)) spec.offered = false;
  }
}

Status Session::add_secret(KnownSecret secret) {
  if (Status added = setup_.secrets->add(std::move(secret)); !added) return added;
  prompts_.clear();
  return {};
}

Status Session::add_host_secret(HostSecret secret, std::shared_ptr<const egress::Tls> tls) {
  if (Status added = add_secret({secret.secret.name, secret.secret.value}); !added) return added;
  std::erase_if(host_secrets_, [&](const HostSecret& other) { return other.secret.name == secret.secret.name; });
  host_secrets_.push_back(std::move(secret));
  command_secrets_ = make_command_secrets(host_secrets_, std::move(tls), setup_.certificates);
  return {};
}

const std::shared_ptr<Artifacts>& Session::artifacts(Scheduler& scheduler) {
  constexpr std::uint64_t bytes_max = std::uint64_t{64} << 20;
  if (!artifacts_) artifacts_ = std::make_shared<Artifacts>(scheduler, make_memory_chunks(scheduler, bytes_max));
  return artifacts_;
}

Status Session::set_prompt_section(const std::string& section, std::string text) {
  const auto known = prompt_sections();
  if (std::find(known.begin(), known.end(), section) == known.end()) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("the system prompt has no section \"{}\"; there are: {}", section, fmt::join(known, ", ")));
  }
  sections_[section] = std::move(text);
  prompts_.clear();
  return {};
}

Status Session::set_mention(const std::string& mention, std::string text) {
  constexpr std::size_t size_max = 256U << 10;  // no more reaches a model
  if (mention != "problems" && mention != "terminal") {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("mention \"{}\": a host gives \"problems\" and \"terminal\"", mention));
  }
  auto& told = mention == "problems" ? mentions_.problems : mentions_.terminal;
  told = text.empty() ? nullptr : std::make_shared<const std::string>(elide_middle(text, size_max));
  return {};
}

std::span<const Mode> Session::modes() const {
  return setup_.project == nullptr ? builtin_modes() : std::span<const Mode>(setup_.project->modes);
}

std::shared_ptr<const Tool> Session::find_tool(std::string_view name) const {
  for (const auto* tools : {&setup_.tools, &project_tools_}) {
    const auto found = std::find_if(tools->begin(), tools->end(), [&](const auto& tool) { return tool->spec().name == name; });
    if (found != tools->end()) return *found;
  }
  return nullptr;
}

CallDecision Session::explain(const ToolSpec& tool, std::string_view arguments) const {
  const TaskConfig& config = setup_.config;
  return evaluate_call({config.policy, config.workspace, find_mode(modes(), config.mode)}, tool, arguments);
}

std::shared_ptr<const Session::ReadyPrompt> Session::prompt(const std::string& mode, const std::string& result_schema) {
  const auto found = prompts_.find({mode, result_schema});
  if (found != prompts_.end()) return found->second;
  const Mode* wanted = find_mode(modes(), mode);
  if (wanted == nullptr) return nullptr;
  PromptParts parts;
  parts.workspace = setup_.config.workspace;
  parts.system = "Linux";
  parts.shell = "bash";
  if (setup_.box) {
    parts.shell = fmt::format("bash, in a box that commands cannot leave. {}", fmt::join(setup_.box->report().restricted, " "));
  }
  if (setup_.egress) {
    parts.shell += fmt::format(" Hosts that may be reached: {}; a refusal says what is missing.", fmt::join(setup_.config.hosts_allow, ", "));
  }
  for (const HostSecret& secret : host_secrets_) {
    parts.shell += fmt::format(" The variable {} holds a placeholder of a secret: send it as if it were the secret, which it becomes on the way "
                               "to {} and nowhere else.",
                               secret.variable, secret.hosts);
  }
  parts.language = setup_.language;
  parts.instructions = setup_.instructions;
  parts.replaced = sections_;
  if (setup_.project != nullptr) {
    parts.skills = skills_text(*setup_.project, mode);
    parts.rules = rules_text(*setup_.project, mode);
  }
  auto ready = std::make_shared<ReadyPrompt>();
  ready->system.bytes = redactor()->redact(system_prompt(*wanted, modes(), parts));
  ready->tools.bytes = redactor()->redact(tools_to_json(tools_of_mode(*wanted, specs_, result_schema)));
  ready->system.digest = digest(ready->system.bytes);
  ready->tools.digest = digest(ready->tools.bytes);
  ready->set = {mode, ready->system.digest, ready->tools.digest,
                static_cast<std::int64_t>(ready->system.bytes.size() + ready->tools.bytes.size())};
  made_.push_back(ready);
  if (made_.size() > prompts_kept) made_.pop_front();
  return prompts_.emplace(std::pair(mode, result_schema), std::move(ready)).first->second;
}

std::shared_ptr<const Session::ReadyPrompt> Session::find_prompt(const event::PromptSet& set) const {
  const auto found =
      std::find_if(made_.rbegin(), made_.rend(), [&](const auto& ready) { return same_texts(ready->set, set); });
  return found == made_.rend() ? nullptr : *found;
}

RequestHead Session::head(const TaskConfig& config, const ReadyPrompt& prompt) {
  const std::string key = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", config.wire, config.model, config.context_window, config.output_tokens_max,
                                      config.temperature, config.reasoning_effort, prompt.system.digest, prompt.tools.digest);
  const auto found = heads_.find(key);
  if (found != heads_.end()) return found->second;
  // Through the stored form, so that a replay from the store has the same bytes.
  auto tools = tools_from_json(prompt.tools.bytes);
  if (!tools) return nullptr;
  if (heads_.size() > prompts_kept) heads_.clear();
  return heads_[key] = make_head(*model_of(config).provider, config, prompt.system.bytes, *std::move(tools));
}

}  // namespace joey

// Sessions: options in, tools out.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "capi/handles.hpp"
#include "core/call_policy.hpp"
#include "provider/provider.hpp"

using namespace joey;
using namespace joey::capi;

namespace {

// A list of names or rules, each in a line of its own or between commas; "\\," is a comma of an item's own.
std::vector<std::string> split_list(const char* list) {
  std::vector<std::string> items;
  std::string item;
  const auto end_item = [&] {
    if (const std::string_view text = trim(item); !text.empty()) items.emplace_back(text);
    item.clear();
  };
  for (const char* at = list == nullptr ? "" : list; *at != '\0'; ++at) {
    if (*at == '\\' && at[1] == ',') {
      item += *++at;
    } else if (*at == ',' || *at == '\n') {
      end_item();
    } else {
      item += *at;
    }
  }
  end_item();
  std::sort(items.begin(), items.end());
  return items;
}

bool is_tool_name(std::string_view name) {
  constexpr std::size_t size_max = 64;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= size_max && std::all_of(name.begin(), name.end(), allowed);
}

// "+name,-name": tools to offer besides, and not to offer.
Status read_tool_changes(const char* list, SessionRequest& request) {
  for (const std::string& item : split_list(list)) {
    const std::string_view name = std::string_view(item).substr(1);
    if ((item.front() != '+' && item.front() != '-') || !is_tool_name(name)) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("options: tools has \"{}\": write +NAME to offer a tool, -NAME not to", utf8_prefix(item, 80)));
    }
    (item.front() == '+' ? request.tools_added : request.tools_removed).emplace_back(name);
  }
  return {};
}

std::int64_t to_signed(std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(count, most));
}

// The fields that joey_session_options and joey_model_options share.
template <class Options>
Result<ModelChoice> model_choice(const Options& options) {
  ModelChoice out;
  out.provider = text_or(options.provider, "anthropic");
  out.model = text_or(options.model, "");
  out.base_url = text_or(options.base_url, "");
  out.api_key = text_or(options.api_key, "");
  out.api_key_secret = text_or(options.api_key_secret, "");
  out.profile = to_utf8(text_or(options.profile, ""));
  out.context_window = options.context_window;
  out.output_tokens_max = options.output_tokens_max;
  out.reasoning_effort = text_or(options.reasoning_effort, "");
  out.limits = {options.requests_open_max, options.requests_per_minute, to_signed(options.tokens_per_minute)};
  out.tools_as_text = (options.flags & JOEY_SESSION_TOOLS_AS_TEXT) != 0;
  out.prices = {options.price_input, options.price_output, options.price_cache_read, options.price_cache_write};
  for (const double price : {out.prices.input, out.prices.output, out.prices.cache_read, out.prices.cache_write}) {
    if (!std::isfinite(price)) return failure(ErrorCode::invalid_argument, "options: a price is no number");
  }
  return out;
}

Result<SessionRequest> session_request(const joey_session_options* in) {
  joey_session_options options;
  if (!read_struct(in, options)) {
    return failure(ErrorCode::invalid_argument,
                   "options: struct_size is wrong, or a field of a newer version is set: start from JOEY_SESSION_OPTIONS_INIT");
  }
  if (!std::isfinite(options.cost_usd_max) || options.cost_usd_max < 0) {
    return failure(ErrorCode::invalid_argument, "options: cost_usd_max is negative or no number");
  }
  SessionRequest out;
  out.workspace = text_or(options.workspace, "");
  out.mode = text_or(options.mode, "code");
  auto model = model_choice(options);
  if (!model) return tl::unexpected(std::move(model.error()));
  out.model = *std::move(model);
  out.instructions = text_or(options.instructions, "");
  out.policy = {split_list(options.allow), split_list(options.deny), split_list(options.ask)};
  out.limits.turns_max = options.turns_max;
  out.limits.tokens_max = to_signed(options.tokens_max);
  out.limits.cost_usd_max = options.cost_usd_max;
  out.limits.mistakes_max = options.mistakes_max > 0 ? options.mistakes_max : 5;
  out.limits.repeats_max = options.repeats_max > 0 ? options.repeats_max : 3;
  out.limits.retries_max = options.retries_max > 0 ? options.retries_max : 8;
  if (options.idle_timeout_ms > 0) out.idle_timeout = std::chrono::milliseconds(options.idle_timeout_ms);
  out.home = text_or(options.home, "");
  out.checkpoints = text_or(options.checkpoints, "");
  out.language = text_or(options.language, "");
  out.user = text_or(options.user, "");
  out.images.model = text_or(options.image_model, "");
  out.images.provider = text_or(options.image_provider, "");
  out.images.base_url = text_or(options.image_base_url, "");
  out.images.api_key = text_or(options.image_api_key, "");
  out.commands.limits.time = std::chrono::milliseconds(options.command_timeout_ms);
  out.commands.unlimited = split_list(options.commands_unlimited);
  out.box = {text_or(options.box, ""), (options.flags & JOEY_SESSION_BOX_DEMANDS_ALL) != 0};
  out.box.limits.memory = options.box_memory_max;
  out.box.limits.processes = options.box_processes_max;
  out.box.limits.cpu_percent = options.box_cpu_percent;
  out.box.limits.cpu_time = std::chrono::seconds(options.box_cpu_time_s);
  out.box.limits.file_size = options.box_file_size_max;
  out.box.root = text_or(options.box_root, "");
  out.box.readable = split_list(options.box_readable);
  out.hosts_allow = split_list(options.allow_hosts);
  out.hosts_deny = split_list(options.deny_hosts);
  if (Status read = read_tool_changes(options.tools, out); !read) return tl::unexpected(std::move(read.error()));
  out.project_options.agent_rules = (options.flags & JOEY_SESSION_NO_AGENT_RULES) == 0;
  out.project_options.subfolder_rules = (options.flags & JOEY_SESSION_SUBFOLDER_RULES) != 0;
  out.condense_percent = options.condense_percent;
  out.result_schema = text_or(options.result_schema, "");
  out.key_shapes = (options.flags & JOEY_SESSION_KEEP_KEY_SHAPES) == 0;
  return out;
}

// Asks something of a session on the loop thread, whose it is; in a callback at once.
template <class T, class Ask>
Result<T> ask_session(const joey_session& session, Ask ask) {
  if (session.host->on_loop_thread()) return ask(*session.session);
  return session.host->wait<T>([&](Engine&, Completion<T> done) { done(ask(*session.session)); });
}

std::string project_json(const Project& project) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("modes").begin_array();
  for (const Mode& mode : project.modes) {
    json.begin_object().field("slug", mode.slug).field("name", mode.name).field("description", mode.description);
    json.field("when_to_use", mode.when_to_use).field("origin", origin_name(mode.origin)).key("groups").begin_array();
    for (const ToolGroup group : mode.groups) json.value(policy_group("", group));
    json.end_array().end_object();
  }
  json.end_array().key("commands").begin_array();
  for (const SlashCommand& command : project.commands) {
    json.begin_object().field("name", command.name).field("description", command.description);
    json.field("argument_hint", command.argument_hint).field("mode", command.mode);
    json.field("origin", origin_name(command.origin)).end_object();
  }
  json.end_array().key("skills").begin_array();
  for (const Skill& skill : project.skills) {
    json.begin_object().field("name", skill.name).field("description", skill.description).key("modes").begin_array();
    for (const std::string& mode : skill.modes) json.value(mode);
    json.end_array().field("origin", origin_name(skill.origin)).end_object();
  }
  json.end_array().key("warnings").begin_array();
  for (const std::string& warning : project.warnings) json.value(warning);
  json.end_array().end_object();
  return out;
}

std::string decision_json(const CallDecision& decision) {
  const auto kind_name = [](ShellPart::Kind kind) {
    switch (kind) {
      case ShellPart::Kind::command: return "command";
      case ShellPart::Kind::redirect: return "redirect";
      case ShellPart::Kind::assignment: return "assignment";
      case ShellPart::Kind::unknown: break;
    }
    return "unknown";
  };
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("verdict", name_of(decision.verdict)).field("rule", to_utf8(decision.rule));
  json.key("files").begin_array();
  for (const FileDecision& file : decision.files) {
    json.begin_object().field("path", to_utf8(file.use.path)).field("writes", file.use.writes);
    json.field("verdict", name_of(file.verdict)).field("rule", to_utf8(file.rule)).end_object();
  }
  json.end_array().key("parts").begin_array();
  for (const CommandPartDecision& part : decision.parts) {
    json.begin_object().field("text", to_utf8(part.text)).field("kind", kind_name(part.kind));
    json.field("verdict", name_of(part.verdict)).field("rule", to_utf8(part.rule)).end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string outcome_json(const ToolOutcome& outcome) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("ok", outcome.ok).field("text", outcome.text);
  if (!outcome.paths.empty()) {
    json.key("paths").begin_array();
    for (const std::string& path : outcome.paths) json.value(path);
    json.end_array();
  }
  if (!outcome.images.empty()) {
    json.key("images").begin_array();
    for (const Image& image : outcome.images) {
      json.begin_object().field("media_type", image.media_type).field("base64", image.base64).end_object();
    }
    json.end_array();
  }
  json.end_object();
  return out;
}

}  // namespace

joey_status joey_session_create(joey_engine* engine, const joey_session_options* options, joey_session** out_session) {
  return guarded([&]() -> joey_status {
    clear(out_session);
    if (engine == nullptr || out_session == nullptr) return invalid("engine or out_session is NULL");
    auto request = session_request(options);
    if (!request) return fail(request.error());
    auto session = engine->host->create_session(*std::move(request));
    if (!session) return fail(session.error());
    *out_session = new joey_session{engine->host, *std::move(session)};
    return JOEY_OK;
  });
}

joey_status joey_session_add_model(joey_session* session, const joey_model_options* options) {
  return guarded([&]() -> joey_status {
    if (session == nullptr || options == nullptr) return invalid("session or options is NULL");
    joey_model_options in;
    if (!read_struct(options, in)) {
      return invalid("options: struct_size is wrong, or a field of a newer version is set: start from JOEY_MODEL_OPTIONS_INIT");
    }
    auto choice = model_choice(in);
    if (!choice) return fail(choice.error());
    auto model = session->host->make_model(*std::move(choice), session->session->setup().secrets);
    if (!model) return fail(model.error());
    const Status added = ask_session<void>(*session, [&](Session& s) { return s.add_model(*std::move(model)); });
    return added ? JOEY_OK : fail(added.error());
  });
}

void joey_session_destroy(joey_session* session) {
  quietly([&] { delete session; });
}

joey_status joey_session_add_tool(joey_session* session, const joey_tool_vtable* in, void* user_data) {
  return guarded([&]() -> joey_status {
    joey_tool_vtable vtable;
    const bool readable = read_struct(in, vtable);
    const auto user = std::make_shared<UserData>(user_data, vtable.destroy);
    if (session == nullptr || in == nullptr) return invalid("session or vtable is NULL");
    if (!readable || vtable.run == nullptr) return invalid("vtable: struct_size is wrong, or run is NULL");
    ToolSpec spec;
    spec.name = text_or(vtable.name, "");
    spec.description = text_or(vtable.description, "");
    spec.parameters = text_or(vtable.parameters, R"({"type":"object","properties":{}})");
    spec.group = ToolGroup::custom;
    spec.read_only = (vtable.flags & JOEY_TOOL_READ_ONLY) != 0;
    if (!is_tool_name(spec.name)) {
      return invalid(fmt::format("tool \"{}\": a name is 1 to 64 letters, digits, '_' and '-'", utf8_prefix(spec.name, 80)));
    }
    spec.parameters = minified_json_object(spec.parameters);
    if (spec.parameters.empty()) return invalid(fmt::format("tool \"{}\": its parameters are not a JSON object", spec.name));
    auto tool = make_host_tool(std::move(spec), vtable, user, session->host->postbox());
    // Moved along, so that a tool that is refused is gone, its `destroy` called, before this returns.
    const Status added = session->host->wait<void>(
        [s = session->session, tool = std::move(tool)](Engine&, Completion<void> done) mutable {
          Status status = s->add_tool(std::move(tool));
          done(std::move(status));
        });
    return added ? JOEY_OK : fail(added.error());
  });
}

joey_status joey_session_set_policy(joey_session* session, const joey_policy_vtable* in, uint32_t timeout_ms,
                                    void* user_data) {
  return guarded([&]() -> joey_status {
    constexpr std::uint32_t timeout_default_ms = 30'000;
    joey_policy_vtable vtable;
    const bool readable = read_struct(in, vtable);
    const auto user = std::make_shared<UserData>(user_data, vtable.destroy);
    if (session == nullptr || in == nullptr) return invalid("session or vtable is NULL");
    if (!readable || vtable.decide == nullptr) return invalid("vtable: struct_size is wrong, or decide is NULL");
    const std::chrono::milliseconds timeout(timeout_ms > 0 ? timeout_ms : timeout_default_ms);
    const Status set = session->host->wait<void>(
        [s = session->session, policy = make_host_policy(vtable, user, session->host->postbox()), timeout](
            Engine&, Completion<void> done) mutable {
          Status status = s->set_host_policy(std::move(policy), timeout);
          done(std::move(status));
        });
    return set ? JOEY_OK : fail(set.error());
  });
}

joey_status joey_session_tools(const joey_session* session, const char* mode, size_t mode_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const std::string_view slug = view(mode, mode_size);
    const auto read = ask_session<std::vector<ToolSpec>>(*session, [slug](Session& s) -> Result<std::vector<ToolSpec>> {
      if (slug.empty()) return s.specs();
      const Mode* found = find_mode(s.modes(), slug);
      if (found == nullptr) return failure(ErrorCode::invalid_argument, fmt::format("there is no mode \"{}\"", slug));
      return tools_of_mode(*found, s.specs());
    });
    if (!read) return fail(read.error());
    const std::vector<ToolSpec>& tools = *read;
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    for (const ToolSpec& tool : tools) {
      json.begin_object().field("name", tool.name).field("description", tool.description);
      json.field("group", policy_group(tool.name, tool.group)).field("read_only", tool.read_only);
      json.field("offered", tool.offered);
      json.key("parameters").raw(minified_json_object(tool.parameters)).end_object();
    }
    json.end_array();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_session_run_tool(joey_session* session, const char* name, size_t name_size, const char* arguments,
                                  size_t arguments_size, int32_t timeout_ms, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const CancelToken cancel;
    auto outcome = session->host->wait<ToolOutcome>(
        [s = session->session, tool = std::string(view(name, name_size)),
         json = std::string(view(arguments, arguments_size)), cancel](Engine& e, Completion<ToolOutcome> done) {
          e.run_tool(s, tool, json, cancel, std::move(done));
        },
        timeout_ms, [cancel] { cancel.cancel(); });
    if (!outcome) return fail(outcome.error());
    *out_json = make_text(outcome_json(*outcome));
    return JOEY_OK;
  });
}

joey_status joey_session_explain_call(const joey_session* session, const char* name, size_t name_size,
                                      const char* arguments, size_t arguments_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const std::string_view tool = view(name, name_size);
    const std::string json = minified_json_object(view(arguments, arguments_size));
    if (json.empty()) return invalid(fmt::format("tool \"{}\": the arguments are not one JSON object", utf8_prefix(tool, 80)));
    const auto decision = ask_session<CallDecision>(*session, [&](Session& s) -> Result<CallDecision> {
      const auto found = std::find_if(s.specs().begin(), s.specs().end(), [&](const ToolSpec& spec) { return spec.name == tool; });
      if (found == s.specs().end()) {
        return failure(ErrorCode::not_found, fmt::format("there is no tool \"{}\"", utf8_prefix(tool, 80)));
      }
      return s.explain(*found, json);
    });
    if (!decision) return fail(decision.error());
    *out_json = make_text(decision_json(*decision));
    return JOEY_OK;
  });
}

joey_status joey_session_box(const joey_session* session, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    using BoxPointer = std::shared_ptr<const Box>;
    const auto box = ask_session<BoxPointer>(*session, [](Session& s) -> Result<BoxPointer> { return s.setup().box; });
    if (!box) return fail(box.error());
    const BoxReport report = *box ? (*box)->report() : BoxReport();
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("kind", to_string(report.kind)).key("reduced").begin_array();
    for (const std::string& line : report.reduced) json.value(to_utf8(line));
    json.end_array().key("restricted").begin_array();
    for (const std::string& line : report.restricted) json.value(to_utf8(line));
    json.end_array().end_object();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_catalogue(joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (out_json == nullptr) return invalid("out_json is NULL");
    *out_json = make_text(catalogue_json());
    return JOEY_OK;
  });
}

joey_status joey_session_project(const joey_session* session, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const auto project = ask_session<std::shared_ptr<const Project>>(
        *session, [](Session& s) -> Result<std::shared_ptr<const Project>> { return s.project(); });
    if (!project) return fail(project.error());
    *out_json = make_text(project_json(**project));
    return JOEY_OK;
  });
}

joey_status joey_session_set_mention(joey_session* session, const char* mention, size_t mention_size, const char* text,
                                     size_t text_size) {
  return guarded([&]() -> joey_status {
    if (session == nullptr) return invalid("session is NULL");
    const Status set = ask_session<void>(*session, [name = std::string(view(mention, mention_size)),
                                                    told = to_utf8(view(text, text_size))](Session& s) {
      return s.set_mention(name, told);
    });
    return set ? JOEY_OK : fail(set.error());
  });
}

joey_status joey_session_add_secret(joey_session* session, const char* name, size_t name_size, const char* value,
                                    size_t value_size) {
  return guarded([&]() -> joey_status {
    if (session == nullptr) return invalid("session is NULL");
    const Status added = ask_session<void>(
        *session, [secret = KnownSecret{std::string(view(name, name_size)), std::string(view(value, value_size))}](Session& s) {
          return s.add_secret(secret);
        });
    return added ? JOEY_OK : fail(added.error());
  });
}

joey_status joey_session_add_host_secret(joey_session* session, const joey_host_secret_options* options) {
  return guarded([&]() -> joey_status {
    if (session == nullptr || options == nullptr) return invalid("session or options is NULL");
    joey_host_secret_options in;
    if (!read_struct(options, in)) {
      return invalid("options: struct_size is wrong, or a field of a newer version is set: start from JOEY_HOST_SECRET_OPTIONS_INIT");
    }
    auto ready = session->host->prepare_host_secret(
        *session->session, {text_or(in.name, ""), text_or(in.value, ""), text_or(in.variable, ""), split_list(in.hosts)});
    if (!ready) return fail(ready.error());
    const Status added = ask_session<void>(*session, [&](Session& s) { return s.add_host_secret(ready->secret, ready->tls); });
    return added ? JOEY_OK : fail(added.error());
  });
}

joey_status joey_session_set_prompt_section(joey_session* session, const char* section, size_t section_size,
                                            const char* text, size_t text_size) {
  return guarded([&]() -> joey_status {
    if (session == nullptr) return invalid("session is NULL");
    const Status set = ask_session<void>(*session, [name = std::string(view(section, section_size)),
                                                    with = std::string(view(text, text_size))](Session& s) {
      return s.set_prompt_section(name, with);
    });
    return set ? JOEY_OK : fail(set.error());
  });
}

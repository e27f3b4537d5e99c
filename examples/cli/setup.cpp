#include "setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "event.hpp"

namespace cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

struct ProviderRow {
  std::string base_url;
  std::string key_variable;  // empty: none is needed
};

// Nothing when joey knows none of this name: making the session says so.
std::optional<ProviderRow> find_provider(std::string_view name) {
  const joey::Text json = joey::catalogue();
  JsonReader reader;
  for (const auto item : array_of(reader.object(json), "providers")) {
    Object row;
    if (item.get(row) != simdjson::SUCCESS || text_of(row, "name") != name) continue;
    return ProviderRow{std::string(text_of(row, "base_url")), std::string(text_of(row, "key_variable"))};
  }
  return std::nullopt;
}

// The address with each {NAME} in it as the environment has it.
std::string filled_in(std::string url, const std::string& provider) {
  for (std::size_t open = url.find('{'); open != std::string::npos; open = url.find('{', open)) {
    const std::size_t close = url.find('}', open);
    const std::string name = url.substr(open + 1, close - open - 1);
    const std::string value = variable(name.c_str());
    if (value.empty()) {
      throw UsageError(fmt::format("{} is not set: provider \"{}\" is at {}, or where --base-url says", name, provider, url));
    }
    url.replace(open, close + 1 - open, value);
    open += value.size();
  }
  return url;
}

// The provider whose key is set.
std::string chosen_provider(const Options& options) {
  if (!options.provider.empty()) return options.provider;
  for (const char* provider : {"anthropic", "openai", "openrouter"}) {
    if (!variable(find_provider(provider)->key_variable.c_str()).empty()) return provider;
  }
  if (!variable("OLLAMA_HOST").empty()) return "ollama";
  if (!options.base_url.empty()) return "openai";  // what servers of one's own speak
  throw UsageError(
      "no model provider: set ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY or OLLAMA_HOST, or name a server with "
      "--base-url");
}

// Ollama's own forms of it: "host", "host:port", ":port", or a URL. Empty when it is not set.
std::string ollama_url() {
  std::string host = variable("OLLAMA_HOST");
  if (host.empty()) return {};
  std::string scheme = "http://";
  if (const std::size_t end = host.find("://"); end != std::string::npos) {
    scheme = host.substr(0, end + 3);
    host.erase(0, end + 3);
  }
  while (host.ends_with('/')) host.pop_back();
  if (host.starts_with(':')) host.insert(0, "127.0.0.1");
  if (host.starts_with("0.0.0.0")) host.replace(0, 7, "127.0.0.1");  // where it listens is not where to call
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');  // of an IPv6 address
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  if (!has_port && scheme == "http://" && host.find('/') == std::string::npos) host += ":11434";
  return scheme + host;
}

// How a provider is reached.
struct Access {
  std::string base_url;  // empty: where joey knows it to be
  std::string api_key;
};

// The pair that other programs of AWS's use, as joey takes it; empty when it is not set.
std::string aws_keys() {
  const std::string id = variable("AWS_ACCESS_KEY_ID");
  const std::string secret = variable("AWS_SECRET_ACCESS_KEY");
  if (id.empty() || secret.empty()) return {};
  const std::string token = variable("AWS_SESSION_TOKEN");
  return fmt::format("{}:{}{}{}", id, secret, token.empty() ? "" : ":", token);
}

// `base_url` is the person's own, `key_variable` too; both may be empty.
Access access_to(const std::string& provider, const std::string& base_url, const std::string& key_variable = {}) {
  Access access{base_url, {}};
  if (provider == "ollama" && base_url.empty()) access.base_url = ollama_url();
  const auto row = find_provider(provider);
  if (row && access.base_url.empty() && row->base_url.find('{') != std::string::npos) {
    access.base_url = filled_in(row->base_url, provider);
  }
  const std::string name = key_variable.empty() && row ? row->key_variable : key_variable;
  if (name.empty()) return access;
  access.api_key = variable(name.c_str());
  if (access.api_key.empty() && provider == "bedrock") access.api_key = aws_keys();
  if (access.api_key.empty() && (base_url.empty() || !key_variable.empty())) {
    throw UsageError(fmt::format("{0} is not set: provider \"{1}\" needs its key there", name, provider));
  }
  return access;
}

joey::SessionOptions with_provider(joey::SessionOptions session, const std::string& provider) {
  const Access access = access_to(provider, session.base_url);
  session.provider = provider;
  session.base_url = access.base_url;
  session.api_key = access.api_key;
  return session;
}

std::string contents_of(const std::string& path, const char* option) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw UsageError(fmt::format("{}: {} cannot be read, or is empty", option, path));
  return text.str();
}

// Cuts what follows the last `mark` off; empty when there is none, or when it is not made of `characters`.
std::string cut_off(std::string& text, std::string_view mark, std::string_view characters = {}) {
  const std::size_t at = text.rfind(mark);
  if (at == std::string::npos) return {};
  std::string rest = text.substr(at + 1);
  if (!characters.empty() && rest.find_first_not_of(characters) != std::string::npos) return {};
  text.erase(at);
  return rest;
}

// "PROVIDER[/MODEL][@URL][=VARIABLE]"
joey::ModelOptions fallback(std::string words, const Options& options) {
  const std::string key_variable = cut_off(words, "=", "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  std::string url = cut_off(words, "@http://");
  if (url.empty()) url = cut_off(words, "@https://");
  const std::size_t slash = words.find('/');
  joey::ModelOptions model{.provider = words.substr(0, slash),
                           .model = slash == std::string::npos ? std::string() : words.substr(slash + 1),
                           .profile = key_variable,
                           .reasoning_effort = options.reasoning_effort,
                           .requests_per_minute = options.requests_per_minute,
                           .tokens_per_minute = options.tokens_per_minute,
                           .tools_as_text = options.tools_as_text};
  if (model.provider.empty()) throw UsageError("--fallback: write PROVIDER or PROVIDER/MODEL, as openai/gpt-5.1");
  const Access access = access_to(model.provider, url, key_variable);
  model.base_url = access.base_url;
  model.api_key = access.api_key;
  return model;
}

void add_fallbacks(joey::Session& session, const Options& options) {
  for (const std::string& words : options.fallbacks) {
    const joey::ModelOptions model = fallback(words, options);
    try {
      session.add_model(model);
    } catch (const joey::Error& error) {
      throw UsageError(fmt::format("--fallback {}: {}", words, error.what()));
    }
  }
}

std::filesystem::path data_directory() {
  if (const std::string data = variable("XDG_DATA_HOME"); data.starts_with('/')) return data;
  const std::string home = variable("HOME");
  if (home.empty()) throw UsageError("neither HOME nor XDG_DATA_HOME is set: name the database with --db");
  return std::filesystem::path(home) / ".local" / "share";
}

// Where the person's own .roo is; empty when HOME says nothing of use.
std::string home_directory() {
  const std::string home = variable("HOME");
  std::error_code error;
  return home.starts_with('/') && std::filesystem::is_directory(home, error) ? home : std::string();
}

// Beside the database.
std::string checkpoints_directory(const Options& options) {
  return options.no_checkpoints ? std::string() : database_path(options) + "-checkpoints";
}

// An image model for generate_image, where one is named.
joey::SessionOptions with_images(joey::SessionOptions session) {
  session.image_model = variable("JOEY_IMAGE_MODEL");
  if (session.image_model.empty()) return session;
  session.image_provider = variable("JOEY_IMAGE_PROVIDER");
  session.image_base_url = variable("JOEY_IMAGE_BASE_URL");
  session.image_api_key = variable(session.image_provider == "openai" ? "OPENAI_API_KEY" : "OPENROUTER_API_KEY");
  return session;
}

void add_secrets(joey::Session& session, const Options& options) {
  for (const std::string& name : options.secret_variables) {
    const std::string value = variable(name.c_str());
    if (value.empty()) throw UsageError(fmt::format("--secret: the variable {} is not set", name));
    session.add_secret(name, value);
  }
  for (const std::string& item : options.host_secrets) {
    const std::size_t end = item.find('=');
    const std::string name = item.substr(0, end);
    if (end == std::string::npos || end == 0) {
      throw UsageError(fmt::format("--host-secret {}: write VARIABLE=HOST, as GITHUB_TOKEN=api.github.com", item.substr(0, end)));
    }
    const std::string value = variable(name.c_str());
    if (value.empty()) throw UsageError(fmt::format("--host-secret: the variable {} is not set", name));
    session.add_host_secret(name, value, item.substr(end + 1));
  }
}

// Where a workspace is none to keep copies of, as a directory of the system, the person is told, and goes without.
joey::Session made_session(joey::Engine& engine, joey::SessionOptions session) {
  try {
    return joey::Session(engine, session);
  } catch (const joey::Error& error) {
    if (session.checkpoints.empty()) throw;
    session.checkpoints.clear();
    joey::Session without(engine, session);
    fmt::print(stderr, "joey: no checkpoints are taken: {}\n", one_line(clean(error.what())));
    return without;
  }
}

std::vector<std::string_view> items_of(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const std::size_t end = list.find(',');
    std::string_view item = list.substr(0, end);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.push_back(item);
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return items;
}

// As joey.h takes them.
constexpr std::array<std::string_view, 10> groups{"read",     "edit",   "command",   "mcp",     "modes",
                                                  "subtasks", "custom", "protected", "tainted", "all"};

std::string joined(const std::vector<std::string>& rules, const char* option) {
  for (const std::string& rule : rules) {
    if (rule.find(',') != std::string::npos || rule.empty()) {
      throw UsageError(fmt::format("{}: \"{}\": give one rule an option, without a comma", option, rule));
    }
  }
  return fmt::format("{}", fmt::join(rules, ","));
}

std::string absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

joey::SessionOptions with_manners(joey::SessionOptions session, const Options& options) {
  session.requests_per_minute = options.requests_per_minute;
  session.tokens_per_minute = options.tokens_per_minute;
  session.tools_as_text = options.tools_as_text;
  session.box_memory_max = options.box_memory_max;
  session.box_cpu_percent = options.box_cpu_percent;
  session.box_root = absolute(options.box_root);
  std::vector<std::string> readable;
  for (const std::string& directory : options.box_readable) readable.push_back(absolute(directory));
  session.box_readable = joined(readable, "--box-readable");
  return session;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The keys of --key-file, whose names `names` keeps.
std::vector<joey_store_key> store_keys(const std::string& path, std::deque<std::string>& names) {
  std::vector<joey_store_key> keys;
  if (path.empty()) return keys;
  std::ifstream file(path);
  if (!file) throw UsageError(fmt::format("--key-file: {} cannot be read", path));
  std::string digits;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name.starts_with('#')) continue;
    joey_store_key key{};
    bool right = static_cast<bool>(words >> digits) && digits.size() == 2 * sizeof key.bytes;
    for (std::size_t i = 0; right && i < sizeof key.bytes; ++i) {
      const int high = hex_value(digits[2 * i]);
      const int low = hex_value(digits[2 * i + 1]);
      right = high >= 0 && low >= 0;
      key.bytes[i] = static_cast<unsigned char>(high * 16 + low);
    }
    if (!right) throw UsageError(fmt::format("--key-file: key \"{}\" does not have 64 hexadecimal digits", name));
    key.id = names.emplace_back(name).c_str();
    keys.push_back(key);
  }
  if (keys.empty()) throw UsageError(fmt::format("--key-file: there is no key in {}", path));
  return keys;
}

std::vector<std::string> tool_names(const joey::Session& session) {
  simdjson::dom::parser parser;
  const joey::Text json = session.tools();
  std::vector<std::string> tools;
  for (const auto item : parser.parse(json.view()).get_array()) {
    Object tool;
    if (item.get(tool) != simdjson::SUCCESS) continue;
    tools.emplace_back(text_of(tool, "name"));
  }
  return tools;
}

}  // namespace

std::string database_path(const Options& options) {
  return options.database.empty() ? (data_directory() / "joey" / "joey.db").string() : options.database;
}

joey::Engine open_engine(const Options& options, bool create) {
  const std::filesystem::path path = database_path(options);
  std::error_code error;
  if (!create && !std::filesystem::exists(path, error)) {
    throw UsageError(fmt::format("there is no database {}", path.string()));
  }
  if (create && options.database.empty()) {
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) throw UsageError(fmt::format("{} cannot be made: {}", path.parent_path().string(), error.message()));
  }
  std::deque<std::string> names;
  return joey::Engine({.database = path.string(),
                       .durability = options.durable_to_power_loss ? joey::Durability::full : joey::Durability::process,
                       .store_keys = store_keys(options.key_file, names)});
}

joey::Session new_session(joey::Engine& engine, const Options& options) {
  joey::SessionOptions session{.workspace = options.workspace,
                               .mode = options.mode,
                               .model = options.model,
                               .base_url = options.base_url,
                               .allow = options.auto_approve.value_or(""),
                               .deny = options.never,
                               .turns_max = options.turns_max,
                               .cost_usd_max = options.cost_usd_max,
                               .home = home_directory(),
                               .checkpoints = checkpoints_directory(options),
                               .ask = options.ask,
                               .box = options.box,
                               .tools = options.tool_changes,
                               .key_shapes = !options.show_keys,
                               .user = options.user,
                               .allow_hosts = joined(options.allow_hosts, "--allow-host"),
                               .deny_hosts = joined(options.deny_hosts, "--deny-host"),
                               .context_window = options.context_window,
                               .condense_percent = options.condense_percent,
                               .reasoning_effort = options.reasoning_effort,
                               .result_schema = contents_of(options.result_schema, "--result-schema")};
  joey::Session made = made_session(engine, with_images(with_manners(with_provider(std::move(session), chosen_provider(options)), options)));
  add_fallbacks(made, options);
  add_secrets(made, options);
  check_rule_names(made, options);
  return made;
}

joey::Session session_of_task(joey::Engine& engine, const Options& options, const TaskView& task) {
  // With another provider neither the model nor the address are what they were.
  const ModelView& own = task.own_model;
  const bool other = !options.provider.empty() && options.provider != own.provider;
  const std::string provider = other ? options.provider : own.provider;
  joey::SessionOptions session{.workspace = options.moved_workspace.empty() ? task.workspace : options.moved_workspace,
                               .model = other || !options.model.empty() ? options.model : own.name,
                               .base_url = other || !options.base_url.empty() ? options.base_url : own.base_url,
                               .allow = options.auto_approve.value_or(""),
                               .home = home_directory(),
                               .checkpoints = checkpoints_directory(options),
                               .box = options.box.empty() ? task.box : options.box,
                               .tools = options.tool_changes,
                               .key_shapes = !options.show_keys,
                               // The task's own rules hold; these are what the box needs to have a network.
                               .allow_hosts = joined(task.allow_hosts, "--allow-host"),
                               .deny_hosts = joined(task.deny_hosts, "--deny-host"),
                               .context_window = options.context_window != 0 || other ? options.context_window : own.context_window,
                               .condense_percent = options.condense_percent,
                               .reasoning_effort = options.reasoning_effort.empty() ? own.reasoning_effort : options.reasoning_effort};
  joey::Session made = made_session(engine, with_images(with_manners(with_provider(std::move(session), provider), options)));
  add_fallbacks(made, options);
  add_secrets(made, options);
  check_rule_names(made, options);
  return made;
}

joey::Session tool_session(joey::Engine& engine, const Options& options) {
  joey::SessionOptions wanted{.workspace = options.workspace,
                              .mode = options.mode,
                              .model = options.model,
                              .allow = options.auto_approve.value_or("all,protected"),
                              .deny = options.never,
                              .home = home_directory(),
                              .ask = options.ask,
                              .box = options.box,
                              .tools = options.tool_changes,
                              .key_shapes = !options.show_keys,
                              .allow_hosts = joined(options.allow_hosts, "--allow-host"),
                              .deny_hosts = joined(options.deny_hosts, "--deny-host")};
  joey::Session session(engine, with_images(with_manners(std::move(wanted), options)));
  add_secrets(session, options);
  check_rule_names(session, options);
  return session;
}

joey::Session checkpoint_session(joey::Engine& engine, const Options& options) {
  return joey::Session(engine, {.workspace = options.workspace, .checkpoints = checkpoints_directory(options)});
}

void check_rule_names(const joey::Session& session, const Options& options) {
  const std::vector<std::string> tools = tool_names(session);
  const auto check = [&](std::string_view list, const char* option) {
    for (const std::string_view item : items_of(list)) {
      if (item.find_first_of(":*") != std::string_view::npos) continue;  // the engine has checked those
      const bool known = std::find(groups.begin(), groups.end(), item) != groups.end() ||
                         std::find(tools.begin(), tools.end(), item) != tools.end();
      if (known) continue;
      throw UsageError(fmt::format("{}: \"{}\" is neither a tool nor one of {}", option, item, fmt::join(groups, ", ")));
    }
  };
  check(options.auto_approve.value_or(""), "--auto-approve");
  check(options.ask, "--ask");
  check(options.never, "--deny");
}

}  // namespace cli

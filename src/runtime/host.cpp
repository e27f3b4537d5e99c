#include "runtime/host.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "core/fitting.hpp"
#include "core/host_rules.hpp"
#include "core/policy.hpp"
#include "egress/proxy.hpp"
#include "egress/resolver.hpp"
#include "provider/bedrock.hpp"
#include "provider/text_tools.hpp"
#include "store/memory.hpp"
#include "tool/workspace_tools.hpp"
#include "transport/curl.hpp"
#include "workspace/command.hpp"
#include "workspace/local.hpp"

namespace joey {
namespace {

constexpr std::int64_t output_tokens_default_max = 32'000;
// How long tools that were told to stop may take to obey when the engine ends.
constexpr std::chrono::milliseconds shutdown_patience{3'000};

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  randombytes_buf(&bits, sizeof bits);
  return bits;
}

std::string names_of_presets() {
  std::string names;
  for (const ProviderPreset& preset : provider_presets()) {
    names.append(names.empty() ? "" : ", ").append(preset.name);
  }
  return names;
}

}  // namespace

Host::Host(HostOptions options) : options_(std::move(options)), loop_(UvLoopOptions{options_.workers_max}) {}

Result<std::shared_ptr<Host>> Host::create(HostOptions options) {
  if (sodium_init() < 0) return failure(ErrorCode::unsupported, "libsodium has no source of random numbers here");
  std::shared_ptr<Host> host(new Host(std::move(options)), end);
  if (Status opened = host->open(); !opened) return tl::unexpected(std::move(opened.error()));
  return host;
}

void Host::end(Host* host) noexcept {
  if (!host->on_loop_thread()) {
    delete host;
    return;
  }
  // The loop cannot wait for itself.
  std::thread([host] { delete host; }).detach();
}

Status Host::open() {
  if (options_.clock) {
    clocked_ = std::make_unique<ClockedScheduler>(loop_, [clock = options_.clock] { return clock(); });
  }
  std::unique_ptr<Store> store;
  if (options_.make_store) {
    store = options_.make_store(scheduler(), postbox_);
  } else if (options_.database.empty()) {
    store = make_memory_store(scheduler());
  } else {
    SqliteOptions sqlite;
    sqlite.path = options_.database;
    sqlite.durability = options_.durability;
    sqlite.blobs_by_content = options_.store_keys.empty();
    // The store's pauses and time-outs are the machine's, not a host's clock's.
    auto opened = open_sqlite_store(std::move(sqlite), loop_);
    if (!opened) return tl::unexpected(std::move(opened.error()));
    store = *std::move(opened);
  }
  if (!options_.store_keys.empty()) {
    auto encrypted = make_encrypted_store(std::move(store), std::exchange(options_.store_keys, {}), scheduler());
    if (!encrypted) return tl::unexpected(std::move(encrypted.error()));
    encrypted_ = encrypted->get();
    store = *std::move(encrypted);
  }
  // Otherwise requests that may be under way wait once more, inside libcurl, which searches its whole line for each.
  CurlOptions curl;
  curl.host_connections_max = std::max(curl.host_connections_max, options_.requests_max);
  curl.connections_max = std::max(curl.connections_max, options_.requests_max);
  auto transport =
      options_.make_transport ? options_.make_transport(postbox_) : make_curl_transport(loop_.handle(), loop_, std::move(curl));
  RedactionKey redaction_key{};
  randombytes_buf(redaction_key.data(), redaction_key.size());
  redactors_ = std::make_shared<RedactorPool>(redaction_key);
  if (options_.make_secrets) resolver_ = options_.make_secrets(postbox_);
  EngineOptions engine_options;
  engine_options.requests_max = options_.requests_max;
  engine_options.random = random_bits;
  engine_ = std::make_unique<Engine>(scheduler(), std::move(store), std::move(transport), std::move(engine_options));
  if (options_.own_thread) {
    thread_ = std::thread([this] {
      loop_thread_ = std::this_thread::get_id();
      loop_.run();
      shut_down();
    });
  }
  return {};
}

Host::~Host() {
  if (thread_.joinable()) {
    loop_.stop();
    thread_.join();
  } else if (engine_) {
    shut_down();
  }
  postbox_->close();
}

// On the loop thread, or the one that drives it.
void Host::shut_down() {
  engine_->stop();
  const auto deadline = std::chrono::steady_clock::now() + shutdown_patience;
  while (engine_->tools_running() > 0 && std::chrono::steady_clock::now() < deadline) loop_.step(10);
  engine_.reset();
  clocked_.reset();
}

void Host::post(UniqueFunction<void(Engine&)> fn) {
  loop_.post([this, fn = std::move(fn)] {
    if (engine_) fn(*engine_);
  });
}

Status Host::step(int timeout_ms) {
  if (on_loop_thread()) return failure(ErrorCode::misuse, "the loop was stepped from one of its callbacks");
  const auto self = shared_from_this();  // a callback may let go of the last handle
  loop_thread_ = std::this_thread::get_id();
  loop_.step(timeout_ms);
  loop_thread_ = std::thread::id{};
  return {};
}

std::string Host::new_task_id() { return make_id("task", scheduler().now(), random_bits()); }

Status Host::add_provider(std::string name, ModelFactory factory) {
  const std::lock_guard lock(mutex_);
  if (find_provider_preset(name) != nullptr || models_.contains(name)) {
    return failure(ErrorCode::conflict, fmt::format("there is a provider \"{}\" already", name));
  }
  models_.emplace(std::move(name), std::move(factory));
  return {};
}

Result<Host::ReadyHostSecret> Host::prepare_host_secret(const Session& session, HostSecretRequest request) {
  auto hosts = check_host_secret(request);
  if (!hosts) return tl::unexpected(std::move(hosts.error()));
  if (Status checked = check_secret({request.name, request.value}); !checked) return tl::unexpected(std::move(checked.error()));
  const auto& shown = session.setup().certificates;
  if (shown == nullptr) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("secret \"{}\": it is put in by the proxy of commands in a box, and the session has none: give it a box, "
                               "and allow hosts",
                               request.name));
  }
  const std::lock_guard lock(mutex_);
  if (tls_ == nullptr) {
    auto trusted = read_trusted_certificates();
    if (!trusted) return tl::unexpected(std::move(trusted.error()));
    auto tls = egress::Tls::make(*trusted);
    if (!tls) return tl::unexpected(std::move(tls.error()));
    tls_ = *std::move(tls);
    certificates_ = fmt::format("{}\n{}", *trusted, tls_->authority());
  }
  if (Status written = shown->write(certificates_); !written) return tl::unexpected(std::move(written.error()));
  ReadyHostSecret ready{{}, tls_};
  ready.secret.variable = request.variable.empty() ? request.name : request.variable;
  ready.secret.hosts = fmt::format("{}", fmt::join(request.hosts, ", "));
  std::string placeholder = host_placeholder(redactors_->key(), request.name, request.value);
  ready.secret.secret = {std::move(request.name), std::move(placeholder), std::move(request.value), *std::move(hosts)};
  return ready;
}

void Host::rewrap_store_keys(Completion<void> done) {
  if (encrypted_ == nullptr) return done(failure(ErrorCode::conflict, "the engine's store is not encrypted: it has no keys"));
  encrypted_->rewrap(std::move(done));
}

namespace {

// What the workspace and the person's own folder say; the mode asked for must be among it.
Status read_project(const SessionRequest& request, SessionSetup& setup) {
  if (!request.home.empty()) {
    auto global = open_local_workspace(request.home);
    if (!global) return tl::unexpected(std::move(global.error()));
    setup.global = *std::move(global);
  }
  setup.project_options = request.project_options;
  setup.project = std::make_shared<const Project>(
      load_project(*setup.workspace, setup.global.get(), setup.project_options));
  if (find_mode(setup.project->modes, request.mode) != nullptr) return {};
  std::string slugs;
  for (const Mode& mode : setup.project->modes) slugs.append(slugs.empty() ? "" : ", ").append(mode.slug);
  return failure(ErrorCode::invalid_argument, fmt::format("there is no mode \"{}\"; there are: {}", request.mode, slugs));
}

// What suits the model, and then what the host wants.
void choose_tools(const std::string& model, SessionRequest& request, SessionSetup& setup) {
  const ToolPreference preference = tool_preference(model);
  const auto wanted = [&request](std::string_view name) {
    return std::find(request.tools_added.begin(), request.tools_added.end(), name) != request.tools_added.end();
  };
  for (const std::string_view name : preference.removed) {
    if (!wanted(name)) setup.tools_removed.emplace_back(name);
  }
  setup.tools_added.assign(preference.added.begin(), preference.added.end());
  std::move(request.tools_added.begin(), request.tools_added.end(), std::back_inserter(setup.tools_added));
  std::move(request.tools_removed.begin(), request.tools_removed.end(), std::back_inserter(setup.tools_removed));
}

Status open_network(SessionRequest& request, SessionSetup& setup, UvLoop& loop) {
  if (auto rules = HostRules::parse(request.hosts_allow, request.hosts_deny); !rules) return tl::unexpected(std::move(rules.error()));
  if (request.hosts_allow.empty()) return {};
  if (request.box.kind.empty() || request.box.kind == to_string(BoxKind::none)) {
    return failure(ErrorCode::invalid_argument, "hosts can be allowed to commands in a box alone: without one they reach every host");
  }
  request.box.has_network = true;
  setup.config.hosts_allow = std::move(request.hosts_allow);
  setup.config.hosts_deny = std::move(request.hosts_deny);
  setup.egress = egress::make_proxy(loop.handle(), loop, egress::make_system_resolver(loop));
  auto certificates = make_shown_file("certificates.pem");
  if (!certificates) return tl::unexpected(std::move(certificates.error()));
  setup.certificates = *std::move(certificates);
  request.box.readable.push_back(setup.certificates->directory());
  return {};
}

// How much the model reads, writes and thinks.
Status read_context(const ModelChoice& choice, const ModelInfo& info, std::int64_t window_of_provider, TaskConfig& config) {
  constexpr std::array<std::string_view, 7> efforts{"none", "minimal", "low", "medium", "high", "xhigh", "max"};
  const std::string& effort = choice.reasoning_effort;
  if (!effort.empty() && std::find(efforts.begin(), efforts.end(), effort) == efforts.end()) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("there is no reasoning effort \"{}\"; there are: {}", effort, fmt::join(efforts, ", ")));
  }
  config.reasoning_effort = effort;
  const std::int64_t known = window_of_provider > 0 ? window_of_provider : info.context_window;
  config.context_window = choice.context_window > 0 ? choice.context_window : known;
  // A small model needs its window for reading rather.
  config.output_tokens_max = choice.output_tokens_max > 0
                                 ? choice.output_tokens_max
                                 : std::min({info.output_tokens_max, output_tokens_default_max, config.context_window / 4});
  if (config.output_tokens_max > config.context_window / 4 * 3) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("answers of {} tokens leave no room in the window of {}, which is {}: set output_tokens_max lower, or "
                               "context_window to what the model has",
                               config.output_tokens_max, config.model, config.context_window));
  }
  return {};
}

void read_prices(const ModelPrices& own, const ModelInfo& info, TaskConfig& config) {
  const auto price = [](double wanted, double known) { return wanted == 0 ? known : std::max(wanted, 0.0); };
  config.price_input = price(own.input, info.price_input);
  config.price_output = price(own.output, info.price_output);
  // Where a vendor has no price of its own for the cache, it asks that of input.
  config.price_cache_read = price(own.cache_read, info.price_cache_read > 0 && own.input == 0 ? info.price_cache_read : config.price_input);
  config.price_cache_write =
      price(own.cache_write, info.price_cache_write > 0 && own.input == 0 ? info.price_cache_write : config.price_input);
  if (own.input != 0 || own.output != 0) return;
  config.long_prompt_above = info.long_prompt.above;
  config.long_prompt_input = info.long_prompt.input;
  config.long_prompt_output = info.long_prompt.output;
}

// Where the model is, and what is spoken there; the base_url of the choice is filled in.
Status read_preset(ModelChoice& choice, TaskConfig& config) {
  const ProviderPreset* preset = find_provider_preset(choice.provider);
  if (preset == nullptr) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("there is no provider \"{}\"; there are: {}", choice.provider, names_of_presets()));
  }
  const bool elsewhere = !choice.base_url.empty() && choice.base_url != preset->base_url;
  config.wire = elsewhere && !preset->wire_elsewhere.empty() ? preset->wire_elsewhere : preset->wire;
  if (config.model.empty()) config.model = preset->model;
  if (config.wire == "bedrock") config.wire = bedrock_variant(config.model);
  if (config.model.empty()) {
    return failure(ErrorCode::invalid_argument, fmt::format("provider \"{}\" has no default model: name one", choice.provider));
  }
  if (!choice.base_url.empty()) return {};
  if (preset->base_url.find('{') != preset->base_url.npos) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("provider \"{}\" needs a base_url: {}", choice.provider, preset->base_url));
  }
  choice.base_url = preset->base_url;
  return {};
}

}  // namespace

Result<std::shared_ptr<ApiKey>> Host::api_key(const ModelChoice& choice, const std::shared_ptr<SessionSecrets>& secrets) {
  if (choice.api_key_secret.empty()) return make_fixed_key(choice.api_key);
  if (!choice.api_key.empty()) {
    return failure(ErrorCode::invalid_argument, "a model has an api_key or an api_key_secret, not both");
  }
  if (resolver_ == nullptr) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("secret \"{}\": the engine has no resolver of secrets", choice.api_key_secret));
  }
  return make_resolved_key(choice.api_key_secret, resolver_, secrets, scheduler());
}

std::shared_ptr<Upstream> Host::upstream(const std::string& shown_url, const ModelChoice& choice) {
  const Digest key = digest(fmt::format("{}\n{}\n{}", choice.base_url, choice.api_key, choice.api_key_secret));
  const std::lock_guard lock(mutex_);
  std::erase_if(upstreams_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<Upstream>& known = upstreams_[key];
  std::shared_ptr<Upstream> upstream = known.lock();
  if (upstream == nullptr) known = upstream = std::make_shared<Upstream>(shown_url, scheduler());
  return upstream;
}

Result<SessionModel> Host::make_model(ModelChoice choice, const std::shared_ptr<SessionSecrets>& secrets) {
  // A key that is too short to be looked for is that of a server that wants none.
  (void)secrets->add({"api-key", choice.api_key});
  // The parts of a pair are secrets by themselves.
  for (std::size_t from = choice.api_key.find(':'); from != std::string::npos;) {
    const std::size_t to = choice.api_key.find(':', from + 1);
    (void)secrets->add({"api-key", choice.api_key.substr(from + 1, to - from - 1)});
    from = to;
  }
  SessionModel made;
  TaskConfig& config = made.config;
  config.provider = choice.provider;
  config.base_url = Redactor(RedactionKey{}, {}).redact(choice.base_url);  // it may have a password
  config.model = choice.model;
  config.profile = choice.profile;
  ModelFactory factory;
  {
    const std::lock_guard lock(mutex_);
    if (const auto own = models_.find(choice.provider); own != models_.end()) factory = own->second;
  }
  if (factory) {
    config.wire = "host";
    if (config.model.empty()) config.model = choice.provider;
  } else if (Status read = read_preset(choice, config); !read) {
    return tl::unexpected(std::move(read.error()));
  }
  const ModelInfo info = model_info(config.model);
  const ProviderPreset* preset = find_provider_preset(choice.provider);
  if (Status read = read_context(choice, info, preset == nullptr ? 0 : preset->context_window, config); !read) return tl::unexpected(std::move(read.error()));
  read_prices(choice.prices, info, config);
  config.images = image_limits(config.wire, info);
  if (choice.tools_as_text && !factory) config.wire += text_tools_suffix;
  made.provider = make_provider(config.wire);
  if (factory) {
    made.client = factory(postbox_);
    return made;
  }
  auto key = api_key(choice, secrets);
  if (!key) return tl::unexpected(std::move(key.error()));
  const std::string shown_url = Redactor(RedactionKey{}, {}).redact(choice.base_url);
  made.client = make_http_model({made.provider, choice.base_url, config.model, *std::move(key), {}, upstream(shown_url, choice), choice.limits},
                                loop_, engine_->transport(), engine_->gate());
  return made;
}

Result<std::shared_ptr<Session>> Host::create_session(SessionRequest request) {
  if (request.workspace.empty()) return failure(ErrorCode::invalid_argument, "a session needs a workspace");
  SessionSetup setup;
  TaskConfig& config = setup.config;
  config.mode = request.mode;
  config.user = std::move(request.user);
  config.limits = request.limits;
  config.policy = std::move(request.policy);
  if (Status checked = check_rules(config.policy); !checked) return tl::unexpected(std::move(checked.error()));
  config.policy.bash = command_shell() == "/bin/bash";
  if (request.condense_percent != 0 && (request.condense_percent < 5 || request.condense_percent > 100)) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("condense_percent is {}: it is from 5 to 100, or 0", request.condense_percent));
  }
  config.condense_percent = request.condense_percent;
  if (!request.result_schema.empty()) {
    if (Status checked = check_result_schema(request.result_schema); !checked) return tl::unexpected(std::move(checked.error()));
    config.result_schema = minified_json_object(request.result_schema);
  }
  setup.secrets = std::make_shared<SessionSecrets>(redactors_, request.key_shapes);
  (void)setup.secrets->add({"image-api-key", request.images.api_key});
  auto model = make_model(std::move(request.model), setup.secrets);
  if (!model) return tl::unexpected(std::move(model.error()));
  take_model(config, model->config);
  setup.models.push_back(*std::move(model));

  const DeniedFiles denied = denied_files(config.policy);
  auto workspace = open_local_workspace(request.workspace, {.loop = loop_.handle(),
                                                            .scheduler = &loop_,
                                                            .is_protected = is_protected,
                                                            .hidden = IgnorePatterns(denied.hidden),
                                                            .read_only = IgnorePatterns(denied.read_only)});
  if (!workspace) return tl::unexpected(std::move(workspace.error()));
  config.workspace = (*workspace)->root();
  setup.workspace = *std::move(workspace);
  if (Status read = read_project(request, setup); !read) return tl::unexpected(std::move(read.error()));
  if (Status ok = open_network(request, setup, loop_); !ok) return tl::unexpected(std::move(ok.error()));
  auto box = make_session_box(request.box, *setup.workspace, config.policy);
  if (!box) return tl::unexpected(std::move(box.error()));
  setup.box = *std::move(box);
  setup.box_options = request.box;
  if (setup.box) config.box = to_string(setup.box->report().kind);
  if (!request.checkpoints.empty()) {
    auto checkpoints = open_git_checkpoints(request.checkpoints, config.workspace);
    if (!checkpoints) return tl::unexpected(std::move(checkpoints.error()));
    setup.checkpoints = *std::move(checkpoints);
  }
  if (!request.images.model.empty()) {
    auto images = make_image_client(std::move(request.images), loop_, engine_->transport(), engine_->gate());
    if (!images) return tl::unexpected(std::move(images.error()));
    setup.images = *std::move(images);
  }
  setup.tools = workspace_tools(request.commands);
  choose_tools(config.model, request, setup);
  setup.language = std::move(request.language);
  setup.instructions = std::move(request.instructions);
  setup.idle_timeout = request.idle_timeout;
  return std::make_shared<Session>(std::move(setup));
}

}  // namespace joey

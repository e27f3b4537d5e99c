#include "transcript.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/control.hpp"

namespace joey::test {
namespace {

// ---- Reading. --------------------------------------------------------------------------------------------------------

// Words apart, but what stands in quotes or brackets together.
std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> tokens;
  std::string token;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == ' ' && depth == 0 && !quoted) {
      if (!token.empty()) tokens.push_back(std::exchange(token, {}));
      continue;
    }
    token += c;
    if (quoted && c == '\\' && i + 1 < line.size()) {
      token += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '(' || c == '{' || c == '[')) {
      ++depth;
    } else if (!quoted && (c == ')' || c == '}' || c == ']')) {
      --depth;
    }
  }
  if (quoted || depth != 0) throw std::invalid_argument("a quote or bracket is not closed");
  if (!token.empty()) tokens.push_back(std::move(token));
  return tokens;
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\' || i + 2 >= text.size()) {
      out += text[i];
    } else {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

std::vector<std::string> listed(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    out.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return out;
}

// The words of a line: in order, and by name. What is left at the end was misspelled.
class Words {
 public:
  explicit Words(const std::vector<std::string>& tokens) {
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      const std::string& token = tokens[i];
      const std::size_t equals = token.find_first_of("=\"({[");
      if (equals != std::string::npos && token[equals] == '=') {
        named_[token.substr(0, equals)] = unquoted(token.substr(equals + 1));
      } else {
        plain_.push_back(token);
      }
    }
  }

  std::string next() {
    if (plain_.empty()) throw std::invalid_argument("a word is missing");
    return unquoted(raw());
  }
  std::string next_or(std::string otherwise) { return plain_.empty() ? std::move(otherwise) : next(); }
  std::string raw() {
    std::string word = plain_.front();
    plain_.erase(plain_.begin());
    return word;
  }
  [[nodiscard]] bool more() const { return !plain_.empty(); }

  std::string text(const char* name, std::string otherwise = {}) {
    const auto found = named_.find(name);
    if (found == named_.end()) return otherwise;
    std::string value = std::move(found->second);
    named_.erase(found);
    return value;
  }
  std::int64_t number(const char* name, std::int64_t otherwise) {
    const std::string value = text(name);
    return value.empty() ? otherwise : std::stoll(value);
  }
  double decimal(const char* name, double otherwise) {
    const std::string value = text(name);
    return value.empty() ? otherwise : std::stod(value);
  }
  Usage usage() {
    Usage out;
    const auto parts = listed(text("usage"));
    std::int64_t* const fields[] = {&out.input, &out.output, &out.cache_read, &out.cache_write};
    for (std::size_t i = 0; i < std::min<std::size_t>(parts.size(), 4); ++i) *fields[i] = std::stoll(parts[i]);
    return out;
  }
  // Of a request that had begun to be answered, when one of them is there.
  Spent spent() {
    Spent out;
    out.begun = named_.contains("bytes") || named_.contains("usage");
    out.bytes = number("bytes", 0);
    out.usage = usage();
    return out;
  }
  std::vector<Image> images() { return std::vector<Image>(static_cast<std::size_t>(number("images", 0)), {"image/png", "AA=="}); }

  void finish() const {
    if (!plain_.empty()) throw std::invalid_argument("a word too many: " + plain_.front());
    if (!named_.empty()) throw std::invalid_argument("there is no " + named_.begin()->first + "= here");
  }

 private:
  std::vector<std::string> plain_;
  std::map<std::string, std::string> named_;
};

template <class Enum>
Enum named(std::string_view name, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (name_of(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  }
  throw std::invalid_argument(fmt::format("there is no {}", name));
}

// text("..."), reasoning("..."), image(), tool_call(name, arguments as they are)
Block block(const std::string& word) {
  const std::size_t open = word.find('(');
  if (open == std::string::npos || word.back() != ')') throw std::invalid_argument("not a block: " + word);
  const std::string kind = word.substr(0, open);
  const std::string inside = word.substr(open + 1, word.size() - open - 2);
  if (kind == "text") return Text{unquoted(inside)};
  if (kind == "reasoning") return Reasoning{unquoted(inside), "signed", false};
  if (kind == "part") return ProviderPart{inside};
  if (kind == "image") return Image{"image/png", "AA=="};
  if (kind == "tool_result") return ToolResult{unquoted(inside), false, "", {}};
  if (kind != "tool_call") throw std::invalid_argument("there is no block " + kind);
  const std::size_t comma = std::min(inside.find(','), inside.size());
  const std::string_view arguments = comma < inside.size() ? std::string_view(inside).substr(comma + 1) : "{}";
  return ToolCall{"theirs", inside.substr(0, comma), std::string(trim(arguments)), ""};
}

input::Start start(Words& words) {
  input::Start in;
  in.session = "session";
  in.text = words.next();
  in.images = words.images();
  in.parent = words.text("parent");
  in.for_model = words.text("for_model");
  in.todos = parse_checklist(words.text("todos"));
  TaskConfig& config = in.config;
  config.workspace = "/work";
  config.mode = words.text("mode", "code");
  config.wire = "anthropic";
  config.model = words.text("model");
  config.result_schema = words.text("result_schema");
  config.output_tokens_max = words.number("output_max", 0);
  config.context_window = words.number("window", 0);
  config.condense_percent = words.number("condense_percent", 0);
  config.price_input = words.decimal("price_input", 0);
  config.price_output = words.decimal("price_output", 0);
  config.price_cache_read = words.decimal("price_cache_read", 0);
  config.price_cache_write = words.decimal("price_cache_write", 0);
  config.depth = words.number("depth", 0);
  config.limits.turns_max = words.number("turns", 0);
  config.limits.tokens_max = words.number("tokens", 0);
  config.limits.cost_usd_max = words.decimal("cost", 0);
  config.limits.mistakes_max = words.number("mistakes", config.limits.mistakes_max);
  config.limits.repeats_max = words.number("repeats", config.limits.repeats_max);
  config.limits.retries_max = words.number("retries", config.limits.retries_max);
  config.policy.allow = listed(words.text("allow"));
  config.policy.deny = listed(words.text("deny"));
  config.policy.ask = listed(words.text("ask"));
  config.policy.host_timeout_ms = words.number("host", 0);
  const std::string prompt = words.text("prompt", config.mode);
  if (prompt != "none") in.prompt = {prompt, "system of " + prompt, "tools of " + prompt, words.number("bytes", 0)};
  return in;
}

}  // namespace

Input Stage::parse(const std::vector<std::string>& tokens) const {
  Words words(tokens);
  const std::string& verb = tokens.at(0);
  const auto finished = [&](Input input) {
    words.finish();
    return input;
  };
  if (verb == "start") return finished(start(words));
  if (verb == "say") {
    std::string text = words.next();
    return finished(input::Say{std::move(text), words.images(), words.text("for_model")});
  }
  if (verb == "allow" || verb == "deny") {
    std::string call = words.next();
    std::string edited = words.text("edited");
    return finished(input::Decide{std::move(call), verb == "allow", words.next_or(""), std::move(edited)});
  }
  if (verb == "host_says") {
    std::string call = words.next();
    const std::string how = words.next();
    const Verdict verdict = how == "allow" ? Verdict::allow : how == "ask" ? Verdict::ask : Verdict::deny;
    return finished(input::HostDecided{std::move(call), verdict, words.next_or(""), how == "nothing"});
  }
  if (verb == "answer") {
    std::string call = words.next();
    std::string text = words.next();
    return finished(input::Answer{std::move(call), std::move(text), words.text("mode")});
  }
  if (verb == "set_mode") return finished(input::SetMode{words.next()});
  if (verb == "condense") return finished(input::Condense{});
  if (verb == "pause") return finished(input::Pause{});
  if (verb == "resume") return finished(input::Resume{});
  if (verb == "cancel") return finished(input::Cancel{words.next_or("")});
  if (verb == "prompt_ready") {
    const std::string mode = words.next();
    const std::string as = words.text("as", mode);
    return finished(input::PromptReady{{mode, "system of " + as, "tools of " + as, words.number("bytes", 0)}});
  }
  if (verb == "model_done") {
    input::ModelDone in{words.number("turn", task_.turn), words.number("attempt", task_.attempt), {}};
    in.reply.usage = words.usage();
    in.reply.cost_usd = words.decimal("cost", 0);
    in.reply.stop = named(words.text("stop", "end_turn"), StopReason::paused);
    while (words.more()) in.reply.blocks.push_back(block(words.raw()));
    return finished(std::move(in));
  }
  if (verb == "model_failed") {
    input::ModelFailed in{words.number("turn", task_.turn), words.number("attempt", task_.attempt), {}};
    in.error.error = named(words.next(), ModelErrorClass::interrupted);
    in.error.message = words.next_or("it failed");
    in.error.status = static_cast<int>(words.number("status", 0));
    in.error.retry_after_ms = words.number("retry_after", -1);
    in.error.spent = words.spent();
    return finished(std::move(in));
  }
  if (verb == "tool_done") {
    input::ToolDone in;
    in.call = words.next();
    const std::string how = words.next();
    in.outcome.ok = how == "ok";
    in.cancelled = how == "cancelled";
    in.outcome.text = words.next_or("");
    in.outcome.images = words.images();
    if (std::string path = words.text("path"); !path.empty()) in.outcome.paths.push_back(std::move(path));
    return finished(std::move(in));
  }
  if (verb == "checkpoint_taken") {
    std::string call = words.next();
    return finished(input::CheckpointTaken{std::move(call), words.next_or(""), words.text("message")});
  }
  if (verb == "subtask_done") {
    input::SubtaskDone in;
    in.call = words.next();
    in.child = words.next();
    in.reason = named(words.next(), ExitReason::limit_repetition);
    in.text = words.next_or("");
    in.usage = words.usage();
    in.cost_usd = words.decimal("cost", 0);
    return finished(std::move(in));
  }
  if (verb == "timer") return finished(input::Timer{});
  if (verb == "recovered") return finished(input::Recovered{});
  throw std::invalid_argument("there is no input " + verb);
}

// ---- Writing. --------------------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t shown_bytes_max = 110;

std::string shown(std::string_view text) {
  // What every error says around its cause is left out.
  constexpr std::string_view error = R"({"status":"error","message":"The tool execution failed","error":)";
  if (text.starts_with(error)) return "error " + shown(text.substr(error.size(), text.size() - error.size() - 1));
  std::string out;
  for (const char c : utf8_prefix(text, shown_bytes_max)) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return text.size() > shown_bytes_max ? out + "..." : out;
}

std::string in_quotes(std::string_view text) { return "\"" + shown(text) + "\""; }

std::string money(const char* name, double usd) { return usd == 0 ? "" : fmt::format(" {}=${:.6g}", name, usd); }
std::string optionally(const char* name, std::string_view text) { return text.empty() ? "" : fmt::format(" {}={}", name, text); }
std::string images_of(const std::vector<Image>& images) {
  return images.empty() ? "" : fmt::format(" images={}", images.size());
}
std::string checklist(const std::vector<Todo>& todos) { return todos.empty() ? "" : " " + in_quotes(format_checklist(todos)); }

struct Describe {
  Timestamp now;

  std::string operator()(const event::TaskCreated& e) const {
    return fmt::format("{}{}", e.config.mode, optionally("parent", e.parent));
  }
  std::string operator()(const event::PromptSet& e) const { return e.mode; }
  std::string operator()(const event::UserMessage& e) const {
    return fmt::format("{}{}{}{}", in_quotes(e.text), images_of(e.images), optionally("for_model", e.for_model),
                       e.by == Actor::engine ? " by=engine" : "");
  }
  std::string operator()(const event::ModeChanged& e) const {
    return fmt::format("{} by={}{}", e.mode, name_of(e.by), e.reason.empty() ? "" : " " + in_quotes(e.reason));
  }
  std::string operator()(const event::ModelRequested& e) const {
    return fmt::format("{} {}{}{}", e.turn, e.attempt, e.instruction.empty() ? "" : " for a summary", money("reserved", e.reserved_usd));
  }
  std::string operator()(const event::ModelFailed& e) const {
    return fmt::format("{} {} {} {}{}{}{}", e.turn, e.attempt, name_of(e.error), in_quotes(e.message),
                       e.retry_at > 0 ? fmt::format(" retry=+{}", e.retry_at - now) : "", money("cost", e.cost_usd), e.estimated ? " estimated" : "");
  }
  std::string operator()(const event::ModelFinished& e) const {
    std::string out = fmt::format("{} {}{}", e.turn, e.attempt, money("cost", e.cost_usd));
    for (const Block& block : e.blocks) {
      if (const auto* text = std::get_if<Text>(&block)) out += " text " + in_quotes(text->text);
      if (std::holds_alternative<Reasoning>(block)) out += " reasoning";
      if (std::holds_alternative<Image>(block)) out += " image";
      if (std::holds_alternative<ToolResult>(block)) out += " tool_result";
      if (const auto* call = std::get_if<ToolCall>(&block)) out += " " + call->id;
    }
    return out;
  }
  std::string operator()(const event::InstructionsFound& e) const {
    return fmt::format("{} {} {}", e.call, e.tool, in_quotes(e.excerpt));
  }
  std::string operator()(const event::HostConsulted& e) const {
    return fmt::format("{} {} {} {}", e.call, e.tool, e.allowed ? "allow" : "ask", e.rule);
  }
  std::string operator()(const event::ApprovalRequested& e) const {
    return fmt::format("{} {} {}{}", e.call, e.tool, e.rule, optionally("reason", e.reason));
  }
  std::string operator()(const event::Approval& e) const {
    return fmt::format("{} {} {} {}{}", e.call, e.tool, e.allowed ? "allowed" : "denied",
                       e.by == Actor::person ? "person" : e.rule, e.feedback.empty() ? "" : " " + in_quotes(e.feedback)) +
           optionally("edited", e.edited);
  }
  std::string operator()(const event::QuestionAsked& e) const {
    std::string out = fmt::format("{} {}", e.call, in_quotes(e.question));
    for (const auto& suggestion : e.suggestions) {
      out += fmt::format(" [{}{}]", suggestion.text, suggestion.mode.empty() ? "" : " -> " + suggestion.mode);
    }
    return out;
  }
  std::string operator()(const event::ToolStarted& e) const {
    return fmt::format("{} {}{}", e.call, e.tool, e.read_only ? " read_only" : "");
  }
  std::string operator()(const event::ToolFinished& e) const {
    return fmt::format("{} {} {} {}{}{}", e.call, e.tool, name_of(e.status), shown(e.text), images_of(e.images),
                       e.paths.empty() ? std::string() : optionally("path", e.paths.front()));
  }
  std::string operator()(const event::TodosUpdated& e) const { return std::string(trim(checklist(e.todos))); }
  std::string operator()(const event::SubtaskStarted& e) const {
    return fmt::format("{} {} {} {}{}", e.call, e.child, e.mode, in_quotes(e.message), checklist(e.todos));
  }
  std::string operator()(const event::SubtaskFinished& e) const {
    return fmt::format("{} {} {}{}{}", e.call, e.child, name_of(e.reason),
                       e.usage.total() > 0 ? fmt::format(" tokens={}", e.usage.total()) : "", money("cost", e.cost_usd));
  }
  std::string operator()(const event::CacheBroken& e) const { return e.cause + money("cost", e.cost_usd); }
  std::string operator()(const event::CondenseAsked&) const { return {}; }
  std::string operator()(const event::ModelChanged& e) const { return fmt::format("{} {}", e.model.model, e.cause); }
  std::string operator()(const event::ContextReduced& e) const {
    return fmt::format("{} {} keep_from={}{}{} tokens={}->{}", e.cause, e.method, e.keep_from,
                       e.shorten_to > 0 ? fmt::format(" shorten={}<{}", e.shorten_to, e.shorten_before) : "",
                       e.pending_to > 0 ? fmt::format(" pending={}", e.pending_to) : "", e.tokens_before, e.tokens_after);
  }
  std::string operator()(const event::TaskPaused&) const { return {}; }
  std::string operator()(const event::TaskResumed&) const { return {}; }
  std::string operator()(const event::TaskEnded& e) const {
    return fmt::format("{} {}", name_of(e.reason), in_quotes(e.reason == ExitReason::completed ? e.result : e.message));
  }
  std::string operator()(const event::TaskReopened&) const { return {}; }
  std::string operator()(const event::EnvironmentNoted& e) const { return in_quotes(e.text); }
  std::string operator()(const event::CheckpointTaken& e) const {
    return fmt::format("{} {}{}", e.call, e.checkpoint.empty() ? "none" : e.checkpoint, optionally("message", e.message));
  }
  std::string operator()(const event::Egress& e) const {
    return fmt::format("{} {} {} {}:{}{}{}", e.call, e.connection, name_of(e.stage), e.host, e.port, optionally("message", e.message),
                       optionally("secrets", fmt::format("{}", fmt::join(e.secrets, ","))));
  }

  std::string operator()(const effect::CallModel& e) const { return fmt::format("call_model {} {}", e.turn, e.attempt); }
  std::string operator()(const effect::RunTool& e) const {
    return fmt::format("run_tool {} {} {}{}", e.call, e.tool, shown(e.arguments), e.protected_files ? " protected_files" : "");
  }
  std::string operator()(const effect::ConsultHost& e) const {
    return fmt::format("consult_host {} {} {} {} {}", e.call, e.tool, shown(e.arguments), e.allowed ? "allow" : "ask", e.rule);
  }
  std::string operator()(const effect::StartSubtask& e) const {
    return fmt::format("start_subtask {} {} {} {}{}", e.call, e.child, e.mode, in_quotes(e.message), checklist(e.todos));
  }
  std::string operator()(const effect::PreparePrompt& e) const { return "prepare_prompt " + e.mode; }
  std::string operator()(const effect::SetTimer& e) const { return fmt::format("set_timer +{}", e.at - now); }
  std::string operator()(const effect::StopModel&) const { return "stop_model"; }
  std::string operator()(const effect::StopAll&) const { return "stop_all"; }
};

// "path" is changed, and so is "to".
std::vector<PathUse> changed_paths(std::string_view arguments) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  std::vector<PathUse> uses;
  if (parser.parse(arguments.data(), arguments.size()).get(object) != simdjson::SUCCESS) return uses;
  for (const char* name : {"path", "to"}) {
    std::string_view path;
    if (object.at_key(name).get(path) == simdjson::SUCCESS) uses.push_back({std::string(path), true});
  }
  return uses;
}

}  // namespace

Surroundings surroundings() {
  static const std::vector<ToolSpec> tools = [] {
    std::vector<ToolSpec> out{{"read_file", "", "{}", ToolGroup::read, true},
                              {"list_files", "", "{}", ToolGroup::read, true},
                              {"write_to_file", "", "{}", ToolGroup::edit, false, changed_paths},
                              {"execute_command", "", "{}", ToolGroup::command, false},
                              {"deploy", "", "{}", ToolGroup::custom, false},
                              {"tracker_query", "", R"({"properties":{"query":{"type":"string"}}})", ToolGroup::mcp, false}};
    out.insert(out.end(), control_tools().begin(), control_tools().end());
    return out;
  }();
  return {builtin_modes(), tools};
}

std::string describe(const EventBody& event, Timestamp now) {
  const std::string rest = std::visit([&](const auto& e) { return Describe{now}(e); }, event);
  return rest.empty() ? std::string(type_of(event)) : fmt::format("{} {}", type_of(event), rest);
}

std::string describe(const Effect& effect, Timestamp now) {
  return std::visit([&](const auto& e) { return Describe{now}(e); }, effect);
}

// ---- Playing. --------------------------------------------------------------------------------------------------------

std::vector<std::string> Stage::play(std::string_view line) {
  const std::vector<std::string> tokens = split(line);
  if (tokens.empty()) throw std::invalid_argument("an empty line");
  if (tokens[0] == "wait") {
    now_ += std::stoll(tokens.at(1));
    return {};
  }
  if (tokens[0] == "news") {
    news_ = unquoted(tokens.at(1));
    return {};
  }
  if (tokens[0] == "models") {
    models_.clear();
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      models_.emplace_back().wire = "anthropic";
      models_.back().model = tokens[i];
    }
    return {};
  }
  if (tokens[0] == "spent") {
    Words words(tokens);
    spent_ = words.spent();
    words.finish();
    return {};
  }
  const Input input = parse(tokens);
  Surroundings around = surroundings();
  around.models = models_;
  around.spent = std::exchange(spent_, {});
  around.news = news_;
  around.conversation = &conversation_;
  const auto decision = decide(task_, input, now_, around);
  const auto again = decide(task_, input, now_, around);
  if (!decision) {
    if (again || again.error() != decision.error()) breaks("the same input is refused differently");
    return {fmt::format("< refused {}: {}", decision.error().code == ErrorCode::conflict           ? "conflict"
                                            : decision.error().code == ErrorCode::invalid_argument ? "invalid_argument"
                                            : decision.error().code == ErrorCode::denied           ? "denied"
                                                                                                   : "otherwise",
                        decision.error().message)};
  }
  if (!again || again->events != decision->events || again->effects != decision->effects || again->after != decision->after) {
    breaks("the same input leads to something else");
  }
  check(task_, *decision);

  std::vector<std::string> lines;
  for (const EventBody& event : decision->events) {
    if (std::holds_alternative<event::EnvironmentNoted>(event)) news_.clear();
    lines.push_back("< " + describe(event, now_));
  }
  for (const Effect& effect : decision->effects) lines.push_back("< " + describe(effect, now_));
  task_ = decision->after;
  if (status_ != status_of(task_)) {
    status_ = status_of(task_);
    lines.push_back("< = " + status_);
  }
  if (lines.empty()) lines.emplace_back("< nothing");
  return lines;
}

void Stage::check(const Task& before, const Decision& decision) {
  Task folded = before;
  for (const EventBody& event : decision.events) {
    const Event whole{folded.seq + 1, now_, event};
    const auto read = event_from_json(to_json(before.id, whole));
    if (!read || *read != whole) breaks(fmt::format("{} is not read as it was written", type_of(event)));
    folded = apply(std::move(folded), event, now_);
    conversation_.apply(event, dialogue_);
    if (!std::holds_alternative<event::ModelRequested>(event)) continue;
    if (dialogue_.messages.empty() || (dialogue_.messages.back().role != Role::user && !folded.pausing)) {
      breaks("a request does not end with a user message, nor with a paused answer");
    }
  }
  if (folded != decision.after) breaks("the task is not the fold of its events");
  if (!dialogue_.problem.empty()) breaks("conversation: " + dialogue_.problem);
}

}  // namespace joey::test

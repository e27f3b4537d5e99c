#include "core/audit.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>
#include <variant>

#include "base/json.hpp"

namespace joey {
namespace {

constexpr std::string_view hash_key = R"(,"hash":")";
constexpr std::size_t digest_size = 64;
constexpr std::size_t line_end_size = hash_key.size() + digest_size + 2;  // with the quote and the brace

// `line` is an object without its closing brace.
Digest close_line(std::string& line) {
  Digest hash = digest(line);
  line.append(hash_key).append(hash).append("\"}");
  return hash;
}

void write_list(JsonWriter& json, const char* name, const std::vector<std::string>& list) {
  if (list.empty()) return;
  json.key(name).begin_array();
  for (const std::string& item : list) json.value(item);
  json.end_array();
}

// An event's kind and fields; false for one that is left out. The object is open.
class LineWriter {
 public:
  LineWriter(JsonWriter& json, std::string_view arguments) : json_(json), arguments_(arguments) {}

  bool operator()(const event::TaskCreated& e) const {
    kind("task").field("user", e.config.user).field("workspace", e.config.workspace).field("parent", e.parent);
    json_.field("mode", e.config.mode).field("provider", e.config.provider).field("model", e.config.model);
    json_.field("box", e.config.box.empty() ? std::string("none") : e.config.box);
    write_list(json_, "allow", e.config.policy.allow);
    write_list(json_, "ask", e.config.policy.ask);
    write_list(json_, "deny", e.config.policy.deny);
    return true;
  }
  bool operator()(const event::HostConsulted& e) const {
    kind("consulted").field("call", e.call).field("tool", e.tool).field("allowed", e.allowed).field("rule", e.rule);
    return true;
  }
  bool operator()(const event::ApprovalRequested& e) const {
    kind("asked").field("call", e.call).field("tool", e.tool).field("rule", e.rule);
    if (!e.reason.empty()) json_.field("reason", e.reason);
    return true;
  }
  bool operator()(const event::Approval& e) const {
    kind("decision").field("call", e.call).field("tool", e.tool).field("arguments", e.arguments);
    json_.field("allowed", e.allowed).field("by", name_of(e.by)).field("rule", e.rule);
    if (!e.feedback.empty()) json_.field("feedback", e.feedback);
    if (!e.edited.empty()) json_.key("edited").raw(e.edited);
    return true;
  }
  bool operator()(const event::ToolStarted& e) const {
    if (e.tool == "execute_command") {
      kind("command").field("call", e.call).key("arguments").raw(arguments_);
    } else {
      kind("call").field("call", e.call).field("tool", e.tool).field("arguments", digest(arguments_));
    }
    return true;
  }
  bool operator()(const event::CheckpointTaken& e) const {
    kind("checkpoint").field("call", e.call).field("checkpoint", e.checkpoint);
    if (!e.message.empty()) json_.field("message", e.message);
    return true;
  }
  bool operator()(const event::ToolFinished& e) const {
    kind("result").field("call", e.call).field("tool", e.tool).field("status", name_of(e.status));
    write_list(json_, "files", e.paths);
    return true;
  }
  bool operator()(const event::InstructionsFound& e) const {
    kind("instructions").field("call", e.call).field("tool", e.tool).field("excerpt", e.excerpt);
    return true;
  }
  bool operator()(const event::Egress& e) const {
    kind("egress").field("call", e.call).field("connection", e.connection).field("stage", name_of(e.stage));
    json_.field("host", e.host).field("port", e.port).field("address", e.address).field("method", e.method).field("rule", e.rule);
    if (!e.message.empty()) json_.field("message", e.message);
    if (e.stage == EgressStage::closed) json_.field("bytes_up", e.bytes_up).field("bytes_down", e.bytes_down);
    if (!e.secrets.empty()) {
      json_.key("secrets").begin_array();
      for (const std::string& name : e.secrets) json_.value(name);
      json_.end_array();
    }
    return true;
  }
  bool operator()(const event::ModeChanged& e) const {
    kind("mode").field("mode", e.mode).field("by", name_of(e.by));
    return true;
  }
  bool operator()(const event::SubtaskStarted& e) const {
    kind("subtask").field("call", e.call).field("child", e.child).field("mode", e.mode);
    return true;
  }
  bool operator()(const event::TaskEnded& e) const {
    kind("ended").field("reason", name_of(e.reason));
    return true;
  }
  bool operator()(const event::TaskReopened&) const {
    kind("reopened");
    return true;
  }
  template <class Other>
  bool operator()(const Other&) const {
    return false;
  }

 private:
  JsonWriter& kind(const char* name) const { return json_.field("kind", name); }

  JsonWriter& json_;
  std::string_view arguments_;  // of the call that the event starts
};

std::string_view call_of(const EventBody& body) {
  const auto* started = std::get_if<event::ToolStarted>(&body);
  return started == nullptr ? std::string_view() : std::string_view(started->call);
}

// Reads an export line by line.
class Verifier {
 public:
  AuditCheck run(std::string_view lines) {
    while (!lines.empty() && check_.problem.empty()) {
      const std::size_t end = lines.find('\n');
      if (end == std::string_view::npos) {
        wrong("is cut off: its end is missing");
        break;
      }
      read(lines.substr(0, end));
      if (check_.problem.empty()) ++check_.lines;
      lines.remove_prefix(end + 1);
    }
    if (check_.problem.empty() && !check_.complete) check_.problem = "the closing line is missing: the export has lost its end";
    return std::move(check_);
  }

 private:
  void wrong(std::string_view what) { check_.problem = fmt::format("line {} {}", check_.lines + 1, what); }

  void read(std::string_view line) {
    if (check_.complete) return wrong("stands behind the closing line");
    const std::size_t at = line.size() < line_end_size ? std::string_view::npos : line.size() - line_end_size;
    if (at == std::string_view::npos || line.substr(at, hash_key.size()) != hash_key) return wrong("is no line of an audit");
    const std::string_view hash = line.substr(at + hash_key.size(), digest_size);
    if (digest(line.substr(0, at)) != hash) return wrong("was changed: its hash is of another text");
    simdjson::dom::object fields;
    if (parser_.parse(line.data(), line.size()).get(fields) != simdjson::SUCCESS) return wrong("is no JSON object");
    if (text(fields, "kind") == "end") return read_end(fields);
    const std::string_view task = text(fields, "task");
    if (task != task_) {
      finish_task();
      task_ = task;
      head_ = digest(task);
      number_ = 0;
    }
    if (text(fields, "prev") != head_ || number(fields, "n") != number_ + 1) {
      return wrong(fmt::format("does not follow the line before it: line {} of task \"{}\" was dropped, added or moved", number_ + 1,
                               task_));
    }
    ++number_;
    head_ = hash;
  }

  void read_end(simdjson::dom::object fields) {
    finish_task();
    if (number(fields, "tasks") != check_.tasks || number(fields, "lines") != check_.lines || text(fields, "heads") != heads_.finish()) {
      return wrong("closes an export with other tasks: some were dropped, added or moved");
    }
    check_.complete = true;
  }

  void finish_task() {
    if (number_ == 0) return;
    ++check_.tasks;
    heads_.update(head_);
  }

  static std::string_view text(simdjson::dom::object fields, std::string_view name) {
    std::string_view out;
    return fields.at_key(name).get(out) == simdjson::SUCCESS ? out : std::string_view();
  }
  static std::uint64_t number(simdjson::dom::object fields, std::string_view name) {
    std::uint64_t out = 0;
    return fields.at_key(name).get(out) == simdjson::SUCCESS ? out : 0;
  }

  AuditCheck check_;
  simdjson::dom::parser parser_;
  std::string task_;
  std::uint64_t number_{0};
  Digest head_;
  Digester heads_;
};

}  // namespace

AuditTrail::AuditTrail(std::string task) : task_(std::move(task)), head_(digest(task_)) {}

std::string AuditTrail::line(const Event& event) {
  if (const auto* answer = std::get_if<event::ModelFinished>(&event.body)) {
    calls_.clear();
    for (const Block& block : answer->blocks) {
      if (const auto* call = std::get_if<ToolCall>(&block)) calls_[call->id] = call->arguments;
    }
  }
  if (const auto* approval = std::get_if<event::Approval>(&event.body); approval != nullptr && !approval->edited.empty()) {
    calls_[approval->call] = approval->edited;
  }
  const auto call = calls_.find(call_of(event.body));
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", task_).field("n", lines_ + 1).field("seq", event.seq).field("at", event.at);
  if (!std::visit(LineWriter(json, call == calls_.end() ? std::string_view("{}") : call->second), event.body)) return {};
  json.field("prev", head_);
  head_ = close_line(out);
  ++lines_;
  return out;
}

void AuditEnd::add(const AuditTrail& trail) {
  if (trail.lines() == 0) return;
  ++tasks_;
  lines_ += trail.lines();
  heads_.update(trail.head());
}

std::string AuditEnd::line() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("kind", "end").field("tasks", tasks_).field("lines", lines_).field("heads", heads_.finish());
  close_line(out);
  return out;
}

AuditCheck verify_audit(std::string_view lines) { return Verifier().run(lines); }

}  // namespace joey

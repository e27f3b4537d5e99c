#include "sim/auditor.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace joey::sim {
namespace {

std::string signature(std::string_view name, std::string_view arguments) { return fmt::format("{}\n{}", name, arguments); }
std::string signature(std::string_view task, std::string_view name, std::string_view arguments) {
  return fmt::format("{}\n{}\n{}", task, name, arguments);
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first -
                                  a.begin());
}

}  // namespace

void Auditor::violate(std::string what) {
  if (violation_.empty()) violation_ = std::move(what);
}

Chronicle* Auditor::find(const std::string& task) {
  const auto found = chronicles_.find(task);
  return found == chronicles_.end() ? nullptr : &found->second;
}

bool Auditor::appending(const std::string& task) const {
  const auto found = appending_.find(task);
  return found != appending_.end() && found->second > 0;
}

bool Auditor::appending() const {
  return std::any_of(appending_.begin(), appending_.end(), [](const auto& one) { return one.second > 0; });
}

void Auditor::crashed() {
  appending_.clear();
  settled_.clear();
  stopped_ = false;
}

void Auditor::durable(const std::string& name, Seq expected, const std::vector<EntryBytes>& entries) {
  Chronicle& chronicle = chronicles_[name];
  chronicle.task.id = name;
  if (expected != chronicle.entries.size()) return violate(fmt::format("{}: appended at {} of {}", name, expected, chronicle.entries.size()));
  for (const EntryBytes& bytes : entries) {
    digester_.update(*bytes);
    ++counts_.events;
    auto event = event_from_json(*bytes);
    if (!event) return violate(fmt::format("{}: an event cannot be read back: {}", name, event.error().message));
    if (event->seq != chronicle.entries.size() + 1) return violate(fmt::format("{}: a gap before event {}", name, event->seq));
    if (to_json(name, *event) != *bytes) return violate(fmt::format("{}: event {} does not survive reading", name, event->seq));
    const Task before = chronicle.task;
    chronicle.task = apply(std::move(chronicle.task), event->body, event->at);
    check(chronicle, before, *event);
    chronicle.entries.push_back(bytes);
    chronicle.events.push_back(*std::move(event));
  }
}

void Auditor::check(Chronicle& chronicle, const Task& before, const Event& event) {
  const Task& task = chronicle.task;
  const auto at = [&] { return fmt::format("{}: event {} ({})", task.id, event.seq, type_of(event.body)); };
  if (event.at < before.updated_at) violate(at() + " is older than the one before");
  const bool ended = before.phase == Phase::ended;

  if (std::holds_alternative<event::TaskCreated>(event.body)) {
    if (event.seq != 1) violate(at() + " is not the first");
  } else if (event.seq == 1) {
    violate(at() + " is the first");
  }
  if (const auto* requested = std::get_if<event::ModelRequested>(&event.body)) {
    if (ended || before.paused) violate(at() + " although the task has ended or is paused");
    for (const CallProgress& call : before.calls) {
      if (call.state != CallState::done) violate(fmt::format("{} while call {} has no result", at(), call.id));
    }
    Chronicle::Request& request = chronicle.request;
    const bool next_turn = requested->turn == before.turn + 1 && requested->attempt == 1;
    const bool next_attempt = requested->turn == before.turn && requested->attempt == before.attempt + 1;
    if (!next_turn && !next_attempt) violate(fmt::format("{}: attempt {} of turn {} is out of order", at(), requested->attempt, requested->turn));
    if (next_turn) chronicle.failures = 0;
    if (chronicle.failures > task.config.limits.retries_max) violate(fmt::format("{} after {} failures", at(), chronicle.failures));
    const int announced = request.digest == requested->digest ? request.announced : 0;
    const int sent = request.digest == requested->digest ? request.sent : 0;
    request = {requested->digest, requested->turn, announced + 1, sent, requested->reserved_usd};
    announced_[requested->digest] = task.id;
    ++chronicle.requests;
  } else if (const auto* failed = std::get_if<event::ModelFailed>(&event.body)) {
    const bool counts = failed->error != ModelErrorClass::interrupted && failed->error != ModelErrorClass::too_long;
    if (counts) ++chronicle.failures;
    if (!before.instruction.empty() && failed->retry_at == 0) chronicle.failures = 0;  // a summary is done without
    if (bills_trusted_ && failed->cost_usd > chronicle.request.reserved_usd + 1e-9) {
      violate(fmt::format("{}: cost ${:.6f} and ${:.6f} were reserved", at(), failed->cost_usd, chronicle.request.reserved_usd));
    }
  } else if (std::holds_alternative<event::ModelChanged>(event.body)) {
    chronicle.failures = 0;
  } else if (std::holds_alternative<event::TaskReopened>(event.body)) {
    chronicle.failures = 0;
  } else if (const auto* finished = std::get_if<event::ModelFinished>(&event.body)) {
    if (before.phase != Phase::model) violate(at() + " without a request under way");
    for (const Block& block : finished->blocks) {
      const auto* call = std::get_if<ToolCall>(&block);
      if (call == nullptr) continue;
      if (!chronicle.calls.emplace(call->id, Chronicle::Call{*call}).second) violate(fmt::format("{}: call id {} again", at(), call->id));
    }
    if (bills_trusted_ && finished->cost_usd > chronicle.request.reserved_usd + 1e-9) {
      violate(fmt::format("{}: cost ${:.6f} and ${:.6f} were reserved", at(), finished->cost_usd, chronicle.request.reserved_usd));
    }
  } else if (const auto* approval = std::get_if<event::Approval>(&event.body)) {
    auto& call = chronicle.calls[approval->call];
    Digester digester;
    digester.update(signature(call.call.name, call.call.arguments));
    if (approval->arguments != digester.finish()) violate(at() + " is of other arguments than the call's");
    call.approved = approval->allowed;
    call.by_person = approval->by == Actor::person;
  } else if (const auto* started = std::get_if<event::ToolStarted>(&event.body)) {
    auto& call = chronicle.calls[started->call];
    if (++call.starts > 1) violate(at() + ": the call was started before");
    if (!call.approved) violate(at() + " without an approval");
    if (ended) violate(at() + " after the end");
    ++uses_[signature(task.id, call.call.name, call.call.arguments)].started;
  } else if (const auto* done = std::get_if<event::ToolFinished>(&event.body)) {
    auto& call = chronicle.calls[done->call];
    if (++call.results > 1) violate(at() + ": the call had a result already");
    if (ended) violate(at() + " after the end");
    chronicle.words.insert(done->text);
  } else if (const auto* said = std::get_if<event::UserMessage>(&event.body)) {
    if (said->by == Actor::person) chronicle.words.insert(said->text);
  } else if (const auto* broken = std::get_if<event::CacheBroken>(&event.body)) {
    chronicle.cache_offset = chronicle.cache_broken ? std::min(chronicle.cache_offset, broken->offset) : broken->offset;
    chronicle.cache_broken = true;
  } else if (std::holds_alternative<event::TaskEnded>(event.body)) {
    if (ended) violate(at() + " again");
    for (const CallProgress& call : task.calls) {
      if (call.state != CallState::done) violate(fmt::format("{} while call {} has no result", at(), call.id));
    }
  }
  const double limit = task.config.limits.cost_usd_max;
  if (bills_trusted_ && limit > 0 && task.cost_usd - task.cost_before > limit + 1e-9) {
    violate(fmt::format("{}: ${:.6f} were spent, the limit is ${:.6f}", at(), task.cost_usd - task.cost_before, limit));
  }
}

Chronicle* Auditor::requested(const Seen& seen, std::string_view body) {
  ++counts_.requests;
  const Digest digest = joey::digest(body);
  const auto announced = announced_.find(digest);
  if (announced == announced_.end()) {
    violate(fmt::format("a request was sent that no journal announces (about \"{}\")", seen.first_words));
    return nullptr;
  }
  const auto problem = [&](std::string_view what) -> Chronicle* {
    violate(fmt::format("{}: a request {}", announced->second, what));
    return nullptr;
  };
  Chronicle& chronicle = chronicles_.at(announced->second);
  Chronicle::Request& request = chronicle.request;
  if (stopped_) return problem("was sent after the engine stopped");
  if (request.digest != digest) return problem("was sent that is not the last one announced");
  if (++request.sent > request.announced) return problem("was sent more often than announced");
  if (chronicle.task.phase == Phase::ended && !appending(announced->second)) return problem("was sent after the end");

  const std::string_view before = chronicle.sent_body;
  const std::size_t same = common_prefix(before, body);
  if (!chronicle.cache_broken && same < chronicle.sent_settled_bytes) {
    return problem(fmt::format("differs from the one before at byte {} of the {} it must share, and no cache.broken says so",
                               same, chronicle.sent_settled_bytes));
  }
  // The offset is that of the difference to the request announced before, which may never have been sent.
  const bool sent_before = chronicle.sent_request + 1 == chronicle.requests;
  if (chronicle.cache_broken && sent_before && same < static_cast<std::size_t>(chronicle.cache_offset) && !before.empty()) {
    return problem(fmt::format("differs from the one before at byte {}, and cache.broken says {}", same, chronicle.cache_offset));
  }
  chronicle.sent_body = body;
  chronicle.sent_request = chronicle.requests;
  chronicle.sent_settled_bytes = seen.settled_bytes;
  chronicle.cache_broken = false;
  return &chronicle;
}

void Auditor::tool_begins(const std::string& task, const std::string& name, const std::string& arguments, bool read_only) {
  ++counts_.tool_runs;
  const auto problem = [&](std::string_view what) { violate(fmt::format("{}: {} {} {}", task, name, arguments, what)); };
  if (stopped_) problem("runs after the engine stopped");
  const auto found = uses_.find(signature(task, name, arguments));
  if (found == uses_.end()) return problem("runs, and no durable tool.started says so");
  Uses& uses = found->second;
  ++uses.begun;
  if (!read_only && uses.begun > uses.started) problem(fmt::format("runs {} times and was started {} times", uses.begun, uses.started));
}

void Auditor::tool_has_effect(const std::string& task, const std::string& name, const std::string& arguments) {
  Uses& uses = uses_[signature(task, name, arguments)];
  if (++uses.effects > uses.started) {
    violate(fmt::format("{}: {} {} had its effect {} times and was started {} times", task, name, arguments, uses.effects, uses.started));
  }
}

void Auditor::acknowledged(const std::string& name, const Input& input) {
  const auto* chronicle = find(name);
  const auto lost = [&](std::string_view what) { violate(fmt::format("{}: {} was acknowledged and is not on the disk", name, what)); };
  if (chronicle == nullptr) return lost("an input");
  const Task& task = chronicle->task;
  if (const auto* say = std::get_if<input::Say>(&input)) {
    const bool there = chronicle->words.contains(say->text) ||
                       chronicle->words.contains(fmt::format("<user_message>\n{}\n</user_message>", say->text));
    if (!there) lost(fmt::format("\"{}\"", say->text));
  } else if (const auto* answer = std::get_if<input::Answer>(&input)) {
    if (!chronicle->words.contains(fmt::format("<user_message>\n{}\n</user_message>", answer->text))) lost("an answer");
  } else if (const auto* decision = std::get_if<input::Decide>(&input)) {
    const auto call = chronicle->calls.find(decision->call);
    if (call == chronicle->calls.end() || !call->second.by_person) return lost("a decision");
    if (call->second.approved != decision->allow) lost("what a person decided");
  } else if (std::holds_alternative<input::Cancel>(input)) {
    if (task.phase != Phase::ended) lost("a cancel");
  } else if (std::holds_alternative<input::Pause>(input)) {
    if (!task.paused && task.phase != Phase::ended) lost("a pause");
  } else if (std::holds_alternative<input::Resume>(input)) {
    if (task.paused) lost("a resume");
  } else if (const auto* mode = std::get_if<input::SetMode>(&input)) {
    if (task.mode != mode->mode) lost("a mode");
  }
}

void Auditor::compare(const std::string& name, const Task& live) {
  const auto* chronicle = find(name);
  if (chronicle == nullptr) {
    if (live.seq != 0) violate(fmt::format("{}: lives at {} and has no journal", name, live.seq));
    return;
  }
  const Task& folded = chronicle->task;
  if (live == folded) return;
  std::string what;
  if (live.seq != folded.seq) what = fmt::format("seq {} / {}", live.seq, folded.seq);
  else if (live.phase != folded.phase) what = "phase";
  else if (live.calls != folded.calls) what = "calls";
  else if (live.usage != folded.usage || live.cost_usd != folded.cost_usd) what = "usage";
  else if (live.config != folded.config) what = "config";
  violate(fmt::format("{}: the live task is not the fold of its journal ({})", name, what));
}

}  // namespace joey::sim

#include "core/conversation.hpp"

#include <algorithm>
#include <utility>

#include "core/context.hpp"

namespace joey {
namespace {

constexpr std::size_t person_bytes_max = 64U << 10;
constexpr std::size_t changed_max = 500;

constexpr std::string_view go_on = "Go on.";

// No provider takes a message of nothing; only a damaged journal has one.
void fill(Message& message) {
  if (message.blocks.empty()) message.blocks.emplace_back(Text{std::string(go_on)});
}

}  // namespace

void Conversation::apply(const EventBody& event, MessageSink& sink) {
  if (const auto* said = std::get_if<event::UserMessage>(&event)) {
    const std::string& text = said->for_model.empty() ? said->text : said->for_model;
    if (!text.empty()) said_.emplace_back(Text{text});
    for (const Image& image : said->images) said_.emplace_back(image);
    if (said->by == Actor::person) remember(said->text);
  } else if (const auto* noted = std::get_if<event::EnvironmentNoted>(&event)) {
    if (!noted->text.empty()) said_.emplace_back(Text{noted->text});
  } else if (const auto* done = std::get_if<event::ToolFinished>(&event)) {
    results_.push_back({done->call, done->status != ToolStatus::ok, done->text, done->images, {}});
    if (done->tool == "ask_followup_question" && done->status == ToolStatus::ok) remember(done->text);
    for (const std::string& path : done->paths) {
      std::erase(changed_, path);
      changed_.push_back(path);
    }
    if (changed_.size() > changed_max) changed_.erase(changed_.begin());
  } else if (const auto* requested = std::get_if<event::ModelRequested>(&event)) {
    request(*requested, sink);
  } else if (const auto* reply = std::get_if<event::ModelFinished>(&event)) {
    finish(*reply, sink);
  } else if (const auto* reduced = std::get_if<event::ContextReduced>(&event)) {
    reduce(*reduced, sink);
  } else if (const auto* changed = std::get_if<event::ModelChanged>(&event)) {
    if (paused_ && changed->model.wire != window_.back().provider) end_pause(sink);
  }
}

// The first message says what it is all about, the latest what holds now.
void Conversation::remember(const std::string& text) {
  if (text.empty()) return;
  person_.push_back(text);
  std::size_t bytes = 0;
  for (const std::string& each : person_) bytes += each.size();
  while (bytes > person_bytes_max && person_.size() > 2) {
    bytes -= person_[1].size();
    person_.erase(person_.begin() + 1);
  }
}

// Nobody goes on with the answer where it was paused, so what only its provider could read is of no more use; and a request
// must not end with it.
void Conversation::end_pause(MessageSink& sink) {
  paused_ = false;
  window_.back().provider.clear();
  sink.restart(window_);
  said_.emplace(said_.begin(), Text{std::string(go_on)});
}

// What was gathered since the last request becomes a user message, or makes the one that waits for its answer longer.
void Conversation::request(const event::ModelRequested& event, MessageSink& sink) {
  if (paused_ && event.instruction.empty()) return;  // what was said since waits until the answer is whole
  if (paused_) end_pause(sink);
  std::vector<Block> blocks;
  for (Call& call : std::exchange(calls_, {})) {
    const auto result = std::find_if(results_.begin(), results_.end(), [&](const auto& r) { return r.call_id == call.id; });
    if (result != results_.end()) {
      result->tool = std::move(call.tool);
      blocks.emplace_back(std::move(*result));
    } else {
      blocks.emplace_back(ToolResult{std::move(call.id), true, "(No result was recorded.)", {}, std::move(call.tool)});
    }
  }
  results_.clear();
  std::move(said_.begin(), said_.end(), std::back_inserter(blocks));
  said_.clear();
  const bool instructs = !event.instruction.empty();
  if (blocks.empty() && !instructs && !instructed_) return;

  const bool opens = !has_open_;
  if (opens) window_.push_back({Role::user, {}, ""});
  has_open_ = true;
  Message& open = window_.back();
  std::move(blocks.begin(), blocks.end(), std::back_inserter(open.blocks));
  instructed_ = instructs;
  if (!instructs) fill(open);
  if (instructs) open.blocks.emplace_back(Text{event.instruction});
  if (opens) {
    sink.append(open);
  } else {
    sink.replace_last(open);
  }
  // In this request only.
  if (instructs) open.blocks.pop_back();
}

void Conversation::finish(const event::ModelFinished& event, MessageSink& sink) {
  if (!has_open_ && !paused_) return;  // an answer to nothing: only a damaged journal has one
  if (instructed_) return;  // what it said is in the reduction that follows
  has_open_ = false;
  if (std::exchange(paused_, false)) {
    std::vector<Block>& blocks = window_.back().blocks;
    blocks.insert(blocks.end(), event.blocks.begin(), event.blocks.end());
    sink.restart(window_);
  } else {
    window_.push_back({Role::assistant, event.blocks, event.provider});
    sink.append(window_.back());
  }
  for (const Block& block : event.blocks) {
    if (const auto* call = std::get_if<ToolCall>(&block)) calls_.push_back({call->id, call->name});
  }
  paused_ = event.stop == StopReason::paused && calls_.empty();
}

void Conversation::reduce(const event::ContextReduced& event, MessageSink& sink) {
  instructed_ = false;
  window_ = reduced_window(window_, event);
  for (ToolResult& result : results_) {
    if (event.pending_to > 0) result.text = shortened_result(result.text, event.pending_to);
  }
  has_open_ = !window_.empty() && window_.back().role == Role::user;
  paused_ = paused_ && !window_.empty() && !has_open_;
  if (has_open_) fill(window_.back());
  if (has_open_ && !calls_.empty()) {
    // The calls have left, their results are yet to come into the window: as words, for lack of anything to answer to.
    std::vector<Block> words;
    for (const ToolResult& result : results_) words.emplace_back(Text{result_as_text(result)});
    std::move(said_.begin(), said_.end(), std::back_inserter(words));
    said_ = std::move(words);
    calls_.clear();
    results_.clear();
  }
  sink.restart(window_);
}

}  // namespace joey

#include "core/conversation.hpp"

#include <algorithm>
#include <utility>

namespace joey {

void Conversation::apply(const EventBody& event, MessageSink& sink) {
  if (const auto* said = std::get_if<event::UserMessage>(&event)) {
    const std::string& text = said->for_model.empty() ? said->text : said->for_model;
    if (!text.empty()) said_.emplace_back(Text{text});
    for (const Image& image : said->images) said_.emplace_back(image);
  } else if (const auto* noted = std::get_if<event::EnvironmentNoted>(&event)) {
    if (!noted->text.empty()) said_.emplace_back(Text{noted->text});
  } else if (const auto* done = std::get_if<event::ToolFinished>(&event)) {
    results_.push_back({done->call, done->status != ToolStatus::ok, done->text, done->images});
  } else if (std::holds_alternative<event::ModelRequested>(event)) {
    request(sink);
  } else if (const auto* reply = std::get_if<event::ModelFinished>(&event)) {
    finish(*reply, sink);
  }
}

// What was gathered since the last request becomes a user message, or makes the one that waits for its answer longer.
void Conversation::request(MessageSink& sink) {
  std::vector<Block> blocks;
  for (const std::string& call : std::exchange(calls_, {})) {
    const auto result = std::find_if(results_.begin(), results_.end(), [&](const auto& r) { return r.call_id == call; });
    if (result != results_.end()) {
      blocks.emplace_back(std::move(*result));
    } else {
      blocks.emplace_back(ToolResult{call, true, "(No result was recorded.)", {}});
    }
  }
  results_.clear();
  std::move(said_.begin(), said_.end(), std::back_inserter(blocks));
  said_.clear();
  if (blocks.empty()) return;

  if (has_open_) {
    std::move(blocks.begin(), blocks.end(), std::back_inserter(open_.blocks));
    sink.replace_last(open_);
  } else {
    open_ = Message{Role::user, std::move(blocks), ""};
    has_open_ = true;
    sink.append(open_);
  }
}

void Conversation::finish(const event::ModelFinished& event, MessageSink& sink) {
  if (!has_open_) return;  // an answer to nothing: only a damaged journal has one
  has_open_ = false;
  open_ = {};
  sink.append(Message{Role::assistant, event.blocks, event.provider});
  for (const Block& block : event.blocks) {
    if (const auto* call = std::get_if<ToolCall>(&block)) calls_.push_back(call->id);
  }
}

}  // namespace joey

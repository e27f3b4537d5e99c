// The conversation as a model must see it: a fold of the journal into messages that are valid for every provider.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/event.hpp"
#include "model/message.hpp"

namespace joey {

// Receives the conversation as it grows.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void append(const Message& message) = 0;
  // The last message, which no model has answered yet, became longer.
  virtual void replace_last(const Message& message) = 0;
};

// Feeds on every event of a journal in order. What must hold of a conversation (invariant 2) is made to hold here:
// user and assistant messages alternate, and each call has exactly one result, in the calls' order, in the message after
// it, whatever the journal says. Keeps one turn in memory, not the conversation.
class Conversation {
 public:
  void apply(const EventBody& event, MessageSink& sink);

 private:
  void request(MessageSink& sink);
  void finish(const event::ModelFinished& event, MessageSink& sink);

  std::vector<std::string> calls_;   // of the last answer, in order
  std::vector<ToolResult> results_;  // of those calls, as they come
  std::vector<Block> said_;          // by the person, since the last request
  Message open_;                     // the last user message while it has no answer
  bool has_open_{false};
};

}  // namespace joey

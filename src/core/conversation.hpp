// The conversation as a model must see it: a fold of the journal into messages that are valid for every provider.
#pragma once

#include <cstddef>
#include <span>
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
  // The last message, which no model has answered yet, became another.
  virtual void replace_last(const Message& message) = 0;
  // All messages became others.
  virtual void restart(std::span<const Message> messages) = 0;
};

// Feeds on every event of a journal in order. What must hold of a conversation (invariant 2) is made to hold here:
// user and assistant messages alternate, and each call has exactly one result, in the calls' order, in the message after
// it, whatever the journal says. Keeps what the model's window holds, not the whole conversation.
class Conversation {
 public:
  void apply(const EventBody& event, MessageSink& sink);

  // What the last request had, and its answer. Without an instruction that was for that request only.
  [[nodiscard]] std::span<const Message> window() const { return window_; }
  // What the person has said in this task, from the first message on; of many, the first and the latest.
  [[nodiscard]] const std::vector<std::string>& said_by_person() const { return person_; }
  // Files that tools have changed, each once, the latest last.
  [[nodiscard]] const std::vector<std::string>& changed() const { return changed_; }

 private:
  struct Call {
    std::string id;
    std::string tool;
  };

  void request(const event::ModelRequested& event, MessageSink& sink);
  void finish(const event::ModelFinished& event, MessageSink& sink);
  void reduce(const event::ContextReduced& event, MessageSink& sink);
  void end_pause(MessageSink& sink);
  void remember(const std::string& text);

  std::vector<Message> window_;
  bool has_open_{false};    // its last message is a user's, without an answer
  bool instructed_{false};  // the last request ended with an instruction
  bool paused_{false};      // its last message is an answer that its provider goes on with when nothing follows it
  std::vector<Call> calls_;          // of the last answer, in order
  std::vector<ToolResult> results_;  // of those calls, as they come
  std::vector<Block> said_;          // by the person, since the last request
  std::vector<std::string> person_;
  std::vector<std::string> changed_;
};

}  // namespace joey

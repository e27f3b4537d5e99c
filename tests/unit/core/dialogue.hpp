// Receives a conversation as a provider would see it, and says what is wrong with it.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/conversation.hpp"

namespace joey::test {

class Dialogue final : public MessageSink {
 public:
  void append(const Message& message) override {
    if (!messages.empty() && messages.back().role == message.role) note("two messages of one role in a row");
    if (messages.empty() && message.role != Role::user) note("the model speaks first");
    check(message);
    messages.push_back(message);
  }

  void replace_last(const Message& message) override {
    if (messages.empty() || messages.back().role != Role::user || message.role != Role::user) {
      note("only a user message without an answer is replaced");
      return;
    }
    auto before = messages.back().blocks;
    // An instruction is in one request only.
    if (!before.empty() && (message.blocks.size() < before.size() || message.blocks[before.size() - 1] != before.back())) {
      if (!std::holds_alternative<Text>(before.back())) note("something else than an instruction was taken back");
      before.pop_back();
    }
    if (message.blocks.size() < before.size() || !std::equal(before.begin(), before.end(), message.blocks.begin())) {
      note("the replaced message does not begin with what it was");
    }
    messages.pop_back();
    check(message);
    messages.push_back(message);
  }

  void restart(std::span<const Message> all) override {
    messages.clear();
    for (const Message& message : all) append(message);
  }

  std::vector<Message> messages;
  std::string problem;  // the first

 private:
  void note(const char* what) {
    if (problem.empty()) problem = what;
  }

  void check(const Message& message) {
    if (message.blocks.empty()) note("an empty message");
    std::vector<std::string> results;
    bool text_seen = false;
    for (const Block& block : message.blocks) {
      const auto* result = std::get_if<ToolResult>(&block);
      const bool of_user = result != nullptr || std::holds_alternative<Image>(block);
      const bool of_model = std::holds_alternative<ToolCall>(block) || std::holds_alternative<Reasoning>(block);
      if (message.role == Role::user ? of_model : of_user) note("a block of the other role");
      if (result != nullptr) {
        if (text_seen) note("a result after a text");
        results.push_back(result->call_id);
      } else {
        text_seen = true;
      }
    }
    if (message.role == Role::assistant) return;
    std::vector<std::string> calls;
    if (!messages.empty()) {
      for (const Block& block : messages.back().blocks) {
        if (const auto* call = std::get_if<ToolCall>(&block)) calls.push_back(call->id);
      }
    }
    if (calls != results) note("the results are not those of the calls, in their order");
  }
};

}  // namespace joey::test

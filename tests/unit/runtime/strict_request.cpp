#include "strict_request.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/text.hpp"

namespace joey::test {
namespace {

namespace dom = simdjson::dom;

struct Refused {
  std::string why;
};

void require(bool holds, std::string_view what) {
  if (!holds) throw Refused{std::string(what)};
}

template <class T>
T get(dom::object object, std::string_view key) {
  T value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) throw Refused{fmt::format("\"{}\" is missing or of a wrong type", key)};
  return value;
}

bool has(dom::object object, std::string_view key) {
  dom::element value;
  return object.at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
}

void words(dom::object object, std::string_view key) { require(!trim(get<std::string_view>(object, key)).empty(), "an empty text"); }

void identifier(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  require(!text.empty() && text.size() <= 64 && text.find_first_not_of(letters) == text.npos, fmt::format("\"{}\" as a name or id", text));
}

void object_in(std::string_view json) {
  dom::parser parser;
  dom::object object;
  require(parser.parse(json.data(), json.size()).get(object) == simdjson::SUCCESS, "arguments that are no JSON object");
}

// The conversation, whatever the wire calls its parts. Calls without ids are told apart by their order.
class Conversation {
 public:
  void call(std::string_view id, std::string_view name) {
    identifier(name);
    if (!id.empty()) {
      identifier(id);
      require(ids_.emplace(id).second, fmt::format("call \"{}\" twice", id));
    }
    speaks(true);
    calls_.emplace_back(id);
  }
  void result(std::string_view id) {
    require(next_ < calls_.size(), fmt::format("a result of \"{}\", which no call awaits", id));
    require(calls_[next_] == id, fmt::format("the result of \"{}\" where that of \"{}\" belongs", id, calls_[next_]));
    ++next_;
    speaks(false);
  }
  void answers() { speaks(true); }
  void user() {
    all_results();
    speaks(false);
  }
  void end() {
    all_results();
    require(began_, "no messages");
    require(!model_, "the model has the last word");
  }

 private:
  void all_results() {
    require(next_ == calls_.size(), "a call without a result");
    calls_.clear();
    next_ = 0;
  }
  void speaks(bool model) {
    if (model && (!began_ || !model_)) {
      require(began_, "the model speaks first");
      if (next_ > 0) all_results();
    }
    began_ = true;
    model_ = model;
  }

  bool began_{false};
  bool model_{false};
  std::set<std::string, std::less<>> ids_;
  std::vector<std::string> calls_;
  std::size_t next_{0};
};

// ---- One reader a family of wires. ------------------------------------------------------------------------------------------

void read_anthropic(dom::object request, Conversation& talk) {
  bool user = false;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    user = !user;
    require(get<std::string_view>(message, "role") == (user ? "user" : "assistant"), "roles do not alternate");
    const auto content = get<dom::array>(message, "content");
    require(content.size() > 0, "a message without content");
    bool results_over = false;
    for (const dom::object block : content) {
      const auto type = get<std::string_view>(block, "type");
      if (type == "tool_result") {
        require(user && !results_over, "a result after other content");
        talk.result(get<std::string_view>(block, "tool_use_id"));
        continue;
      }
      results_over = true;
      if (type == "tool_use") {
        require(!user, "a user's call");
        get<dom::object>(block, "input");
        talk.call(get<std::string_view>(block, "id"), get<std::string_view>(block, "name"));
      } else if (user) {
        require(type == "text" || type == "image" || type == "document", "a user's block of an unknown type");
        if (type == "text") words(block, "text");
        talk.user();
      } else {
        if (type == "text") words(block, "text");
        if (type == "thinking") words(block, "signature");
        talk.answers();
      }
    }
  }
}

void read_bedrock(dom::object request, Conversation& talk) {
  bool user = false;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    user = !user;
    require(get<std::string_view>(message, "role") == (user ? "user" : "assistant"), "roles do not alternate");
    const auto content = get<dom::array>(message, "content");
    require(content.size() > 0, "a message without content");
    for (const dom::object block : content) {
      if (has(block, "toolUse")) {
        require(!user, "a user's call");
        const auto call = get<dom::object>(block, "toolUse");
        get<dom::object>(call, "input");
        talk.call(get<std::string_view>(call, "toolUseId"), get<std::string_view>(call, "name"));
      } else if (has(block, "toolResult")) {
        const auto result = get<dom::object>(block, "toolResult");
        require(get<dom::array>(result, "content").size() > 0, "a result without content");
        talk.result(get<std::string_view>(result, "toolUseId"));
      } else {
        if (has(block, "text")) words(block, "text");
        if (user) {
          talk.user();
        } else {
          talk.answers();
        }
      }
    }
  }
}

void read_chat(dom::object request, Conversation& talk) {
  std::string before;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    const std::string role(get<std::string_view>(message, "role"));
    if (role == "system" || role == "developer") {
      require(before.empty(), "a system message that is not the first");
      words(message, "content");
      continue;
    }
    if (role == "tool") {
      get<std::string_view>(message, "content");
      talk.result(get<std::string_view>(message, "tool_call_id"));
    } else if (role == "user") {
      require(before != "user", "two user messages in a row");
      talk.user();
    } else {
      require(role == "assistant" && before != "assistant", "two answers in a row");
      talk.answers();
      if (has(message, "tool_calls")) {
        const auto calls = get<dom::array>(message, "tool_calls");
        require(calls.size() > 0, "no calls in tool_calls");
        for (const dom::object call : calls) {
          const auto function = get<dom::object>(call, "function");
          object_in(get<std::string_view>(function, "arguments"));
          talk.call(get<std::string_view>(call, "id"), get<std::string_view>(function, "name"));
        }
      } else {
        require(has(message, "content"), "an answer without content");
      }
    }
    before = role;
  }
}

void read_responses(dom::object request, Conversation& talk) {
  for (const dom::object item : get<dom::array>(request, "input")) {
    const bool has_type = has(item, "type");
    const std::string_view type = has_type ? get<std::string_view>(item, "type") : "message";
    if (type == "function_call") {
      object_in(get<std::string_view>(item, "arguments"));
      talk.call(get<std::string_view>(item, "call_id"), get<std::string_view>(item, "name"));
    } else if (type == "function_call_output") {
      talk.result(get<std::string_view>(item, "call_id"));
    } else if (type == "message") {
      const auto role = get<std::string_view>(item, "role");
      if (role == "user") {
        talk.user();
      } else if (role == "assistant") {
        talk.answers();
      }
    } else {
      talk.answers();  // what the model thought, and the vendor's own
    }
  }
}

void read_gemini(dom::object request, Conversation& talk) {
  bool user = false;
  for (const dom::object content : get<dom::array>(request, "contents")) {
    user = !user;
    require(get<std::string_view>(content, "role") == (user ? "user" : "model"), "roles do not alternate");
    const auto parts = get<dom::array>(content, "parts");
    require(parts.size() > 0, "a content without parts");
    for (const dom::object part : parts) {
      if (has(part, "functionCall")) {
        require(!user, "a user's call");
        const auto call = get<dom::object>(part, "functionCall");
        get<dom::object>(call, "args");
        talk.call(get<std::string_view>(call, "id"), get<std::string_view>(call, "name"));
      } else if (has(part, "functionResponse")) {
        const auto response = get<dom::object>(part, "functionResponse");
        get<dom::object>(response, "response");
        talk.result(get<std::string_view>(response, "id"));
      } else if (user) {
        talk.user();
      } else {
        talk.answers();
      }
    }
  }
}

void read_ollama(dom::object request, Conversation& talk) {
  std::string before;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    const std::string role(get<std::string_view>(message, "role"));
    if (role == "tool") {
      identifier(get<std::string_view>(message, "tool_name"));
      words(message, "content");
      talk.result("");
    } else if (role == "user") {
      require(before != "user", "two user messages in a row");
      words(message, "content");
      talk.user();
    } else if (role == "assistant") {
      talk.answers();
      if (has(message, "tool_calls")) {
        for (const dom::object call : get<dom::array>(message, "tool_calls")) {
          const auto function = get<dom::object>(call, "function");
          get<dom::object>(function, "arguments");
          talk.call("", get<std::string_view>(function, "name"));
        }
      } else {
        words(message, "content");
      }
    } else {
      require(role == "system" && before.empty(), "an unknown role");
      continue;
    }
    before = role;
  }
}

}  // namespace

std::string refusal_of(std::string_view wire, std::string_view body) {
  dom::parser parser;
  dom::object request;
  if (parser.parse(body.data(), body.size()).get(request) != simdjson::SUCCESS) return "no JSON object";
  if (!is_utf8(body)) return "no UTF-8";
  try {
    Conversation talk;
    if (wire.find("anthropic") != wire.npos) {
      read_anthropic(request, talk);
    } else if (wire == "responses" || wire == "azure" || wire == "xai") {
      read_responses(request, talk);
    } else if (wire.starts_with("gemini") || wire == "vertex") {
      read_gemini(request, talk);
    } else if (wire == "ollama") {
      read_ollama(request, talk);
    } else if (wire.starts_with("bedrock")) {
      read_bedrock(request, talk);
    } else {
      read_chat(request, talk);
    }
    talk.end();
  } catch (const Refused& refused) {
    return refused.why;
  }
  return {};
}

}  // namespace joey::test

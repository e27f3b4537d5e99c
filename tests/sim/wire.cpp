#include "sim/wire.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"

namespace joey::sim {
namespace {

namespace dom = simdjson::dom;

// Thrown by refuse(), caught in read_request().
struct Refused {
  std::string why;
};

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw Refused{fmt::format(format, std::forward<Args>(args)...)};
}

void require(bool holds, const char* what) {
  if (!holds) throw Refused{what};
}

bool is_identifier(std::string_view text, std::size_t size_max) {
  return !text.empty() && text.size() <= size_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

template <class T>
T get(dom::object object, const char* key) {
  T value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) refuse("field \"{}\" is missing or of a wrong type", key);
  return value;
}

std::string_view text_of(dom::object object, const char* key) {
  const auto text = get<std::string_view>(object, key);
  if (trim(text).empty()) refuse("\"{}\" is empty", key);
  return text;
}

// Where each element of the array at `begin` starts: just behind its bracket.
std::vector<std::size_t> element_starts(std::string_view json, std::size_t begin) {
  std::vector<std::size_t> starts;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = begin; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      if (depth++ == 0) starts.push_back(i);
    } else if (c == '}' || c == ']') {
      if (--depth < 0) break;
    }
  }
  return starts;
}

// Both wires in one walk: a conversation is the same thing in both.
class Reader {
 public:
  explicit Reader(Seen& seen) : seen_(seen) {}

  void offer(std::string_view name, dom::object schema) {
    if (!is_identifier(name, 64)) refuse("tool name \"{}\"", name);
    if (get<std::string_view>(schema, "type") != "object") refuse("the schema of tool \"{}\" is not an object's", name);
    if (std::find(seen_.tools.begin(), seen_.tools.end(), name) != seen_.tools.end()) refuse("tool \"{}\" twice", name);
    seen_.tools.emplace_back(name);
  }

  void words(std::string_view text) {
    if (trim(text).empty()) refuse("message {}: a text is empty", index_);
    if (seen_.answers == 0) seen_.first_words += text;
    seen_.last_words.append(text).append("\n");
  }

  void call(std::string_view id, std::string_view name) {
    if (!is_identifier(id, 64)) refuse("message {}: call id \"{}\"", index_, id);
    if (!is_identifier(name, 64)) refuse("message {}: call of \"{}\"", index_, name);
    if (!ids_.emplace(id).second) refuse("message {}: call id \"{}\" was used before", index_, id);
    pending_.emplace_back(id);
  }

  void result(std::string_view id, std::string_view text) {
    if (next_ >= pending_.size()) refuse("message {}: a result of \"{}\", which no call of the last answer awaits", index_, id);
    if (pending_[next_] != id) refuse("message {}: the result of \"{}\" where that of \"{}\" belongs", index_, id, pending_[next_]);
    ++next_;
    seen_.last_words.append(text).append("\n");
  }

  void all_results() {
    if (next_ != pending_.size()) refuse("message {}: call \"{}\" has no result", index_, pending_[next_]);
    pending_.clear();
    next_ = 0;
  }

  // Starts a message of the model.
  void answer(std::size_t index) {
    index_ = index;
    all_results();
    last_is_answer_ = true;
    last_answer_ = index;
    ++seen_.answers;
    seen_.last_words.clear();
  }
  void user(std::size_t index) {
    index_ = index;
    last_is_answer_ = false;
  }

  void end(std::string_view body, std::size_t count) {
    require(count > 0, "no messages");
    require(!last_is_answer_, "the conversation ends with the model's own message");
    all_results();
    const std::size_t list = body.find("\"messages\":[");
    require(list != std::string_view::npos, "no \"messages\":[");
    const auto starts = element_starts(body, list + 12);
    require(starts.size() == count, "messages miscounted");
    const std::size_t first_open = seen_.answers > 0 ? last_answer_ + 1 : first_user_;
    seen_.settled_bytes = starts.at(first_open);
    seen_.bytes = body.size();
    for (std::size_t at = body.find(image_in_base64); at != body.npos; at = body.find(image_in_base64, at + 1)) ++seen_.images;
  }

  void first_user(std::size_t index) { first_user_ = index; }

 private:
  Seen& seen_;
  std::size_t index_{0};
  std::size_t last_answer_{0};
  std::size_t first_user_{0};
  bool last_is_answer_{false};
  std::set<std::string, std::less<>> ids_;
  std::vector<std::string> pending_;
  std::size_t next_{0};
};

void require_settings(dom::object request, const char* limit) {
  require(!get<std::string_view>(request, "model").empty(), "no model");
  require(get<bool>(request, "stream"), "not streamed");
  require(get<std::int64_t>(request, limit) > 0, "no output tokens");
}

// ---- Anthropic ----------------------------------------------------------------------------------------------------------

std::string anthropic_result_text(dom::object block) {
  dom::element content;
  if (block.at_key("content").get(content) != simdjson::SUCCESS) return {};
  if (std::string_view text; content.get(text) == simdjson::SUCCESS) return std::string(text);
  std::string all;
  dom::array parts;
  require(content.get(parts) == simdjson::SUCCESS && parts.size() > 0, "a result's content is neither text nor blocks");
  for (const dom::object part : parts) {
    if (get<std::string_view>(part, "type") == "text") {
      all += text_of(part, "text");
    } else {
      require(get<std::string_view>(part, "type") == "image", "a result holds what is neither text nor image");
      require(!text_of(get<dom::object>(part, "source"), "data").empty(), "an image is empty");
    }
  }
  return all;
}

void anthropic_user(dom::array content, Reader& reader) {
  require(content.size() > 0, "a user message is empty");
  bool results_over = false;
  for (const dom::object block : content) {
    const auto type = get<std::string_view>(block, "type");
    if (type == "tool_result") {
      require(!results_over, "a result after text");
      reader.result(get<std::string_view>(block, "tool_use_id"), anthropic_result_text(block));
      continue;
    }
    if (!results_over) reader.all_results();
    results_over = true;
    if (type == "text") {
      reader.words(get<std::string_view>(block, "text"));
    } else if (type != "image") {
      refuse("a user's block of type \"{}\"", type);
    }
  }
  reader.all_results();
}

void anthropic_answer(dom::array content, Reader& reader) {
  require(content.size() > 0, "an assistant message is empty");
  for (const dom::object block : content) {
    const auto type = get<std::string_view>(block, "type");
    if (type == "text") {
      text_of(block, "text");
    } else if (type == "thinking") {
      text_of(block, "signature");
    } else if (type == "tool_use") {
      get<dom::object>(block, "input");
      reader.call(get<std::string_view>(block, "id"), get<std::string_view>(block, "name"));
    } else if (type.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != type.npos || type.empty()) {  // others are the vendor's own
      refuse("an assistant's block of type \"{}\"", type);
    }
  }
}

std::size_t read_anthropic(dom::object request, Reader& reader) {
  require_settings(request, "max_tokens");
  for (const dom::object tool : get<dom::array>(request, "tools")) {
    reader.offer(get<std::string_view>(tool, "name"), get<dom::object>(tool, "input_schema"));
  }
  std::size_t index = 0;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    const bool user = get<std::string_view>(message, "role") == "user";
    if (user != (index % 2 == 0)) refuse("message {}: roles do not alternate", index);
    const auto content = get<dom::array>(message, "content");
    if (user) {
      reader.user(index);
      anthropic_user(content, reader);
    } else {
      require(get<std::string_view>(message, "role") == "assistant", "an unknown role");
      reader.answer(index);
      anthropic_answer(content, reader);
    }
    ++index;
  }
  return index;
}

// ---- OpenAI -------------------------------------------------------------------------------------------------------------

void openai_words(dom::object message, Reader& reader) {
  dom::element content = get<dom::element>(message, "content");
  if (std::string_view text; content.get(text) == simdjson::SUCCESS) return reader.words(text);
  dom::array parts;
  require(content.get(parts) == simdjson::SUCCESS && parts.size() > 0, "a user message without content");
  for (const dom::object part : parts) {
    if (get<std::string_view>(part, "type") == "text") reader.words(get<std::string_view>(part, "text"));
  }
}

void openai_answer(dom::object message, Reader& reader) {
  dom::array calls;
  const bool has_calls = message.at_key("tool_calls").get(calls) == simdjson::SUCCESS;
  if (!has_calls) {
    text_of(message, "content");
    return;
  }
  require(calls.size() > 0, "tool_calls is empty");
  for (const dom::object call : calls) {
    require(get<std::string_view>(call, "type") == "function", "a call that is no function's");
    const auto function = get<dom::object>(call, "function");
    require(!minified_json_object(get<std::string_view>(function, "arguments")).empty(), "arguments are no JSON object");
    reader.call(get<std::string_view>(call, "id"), get<std::string_view>(function, "name"));
  }
}

std::size_t read_openai(dom::object request, Reader& reader) {
  require_settings(request, "max_tokens");
  for (const dom::object tool : get<dom::array>(request, "tools")) {
    const auto function = get<dom::object>(tool, "function");
    reader.offer(get<std::string_view>(function, "name"), get<dom::object>(function, "parameters"));
  }
  std::size_t index = 0;
  std::string before;
  for (const dom::object message : get<dom::array>(request, "messages")) {
    const std::string role(get<std::string_view>(message, "role"));
    if (index == 0) {
      require(role == "system", "the first message is not the system's");
      text_of(message, "content");
      reader.first_user(1);
    } else if (role == "user") {
      require(before != "user", "two user messages in a row");
      reader.user(index);
      reader.all_results();
      openai_words(message, reader);
    } else if (role == "tool") {
      require(before == "assistant" || before == "tool", "a result that does not follow its call");
      reader.user(index);
      reader.result(get<std::string_view>(message, "tool_call_id"), get<std::string_view>(message, "content"));
    } else {
      require(role == "assistant", "an unknown role");
      require(before == "user" || before == "tool", "two answers in a row");
      reader.answer(index);
      openai_answer(message, reader);
    }
    before = role;
    ++index;
  }
  return index;
}

// ---- Streams ------------------------------------------------------------------------------------------------------------

class Stream {
 public:
  // An event whose data `write` puts into a JsonWriter that is inside an object.
  template <class F>
  void event(std::string_view name, F write) {
    if (!name.empty()) out_.append("event: ").append(name).append("\n");
    out_ += "data: ";
    JsonWriter json(out_);
    json.begin_object();
    write(json);
    json.end_object();
    out_ += "\n\n";
  }
  void raw(std::string_view text) { out_ += text; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Calls `f` with fragments of `text`, as models send them.
template <class F>
void in_fragments(std::string_view text, F f) {
  constexpr std::size_t fragment_bytes = 48;
  while (!text.empty()) {
    // A fragment is a JSON string by itself, so it does not cut a character.
    std::string_view head = utf8_prefix(text, fragment_bytes);
    if (head.empty()) head = text.substr(0, fragment_bytes);
    f(head);
    text.remove_prefix(head.size());
  }
}

void anthropic_block(Stream& stream, std::size_t index, const AnswerBlock& block) {
  using Kind = AnswerBlock::Kind;
  stream.event("content_block_start", [&](JsonWriter& json) {
    json.field("type", "content_block_start").field("index", index).key("content_block").begin_object();
    switch (block.kind) {
      case Kind::text: json.field("type", "text").field("text", ""); break;
      case Kind::reasoning: json.field("type", "thinking").field("thinking", "").field("signature", ""); break;
      case Kind::call:
        json.field("type", "tool_use").field("id", fmt::format("toolu_{}", index)).field("name", block.name);
        json.key("input").begin_object().end_object();
        break;
    }
    json.end_object();
  });
  const auto delta = [&](const char* type, const char* field, std::string_view value) {
    stream.event("content_block_delta", [&](JsonWriter& json) {
      json.field("type", "content_block_delta").field("index", index).key("delta").begin_object();
      json.field("type", type).field(field, value).end_object();
    });
  };
  in_fragments(block.text, [&](std::string_view fragment) {
    switch (block.kind) {
      case Kind::text: delta("text_delta", "text", fragment); break;
      case Kind::reasoning: delta("thinking_delta", "thinking", fragment); break;
      case Kind::call: delta("input_json_delta", "partial_json", fragment); break;
    }
  });
  if (block.kind == Kind::reasoning) delta("signature_delta", "signature", "c2lnbmVk");
  stream.event("content_block_stop", [&](JsonWriter& json) { json.field("type", "content_block_stop").field("index", index); });
}

std::string anthropic_stream(const Answer& answer) {
  static constexpr const char* stops[] = {"end_turn", "tool_use", "max_tokens", "refusal"};
  Stream stream;
  stream.event("message_start", [&](JsonWriter& json) {
    json.field("type", "message_start").key("message").begin_object();
    json.field("id", "msg_sim").field("type", "message").field("role", "assistant").field("model", "sim-model");
    json.key("content").begin_array().end_array().key("usage").begin_object();
    json.field("input_tokens", answer.input_tokens).field("cache_read_input_tokens", answer.cached_tokens);
    json.field("output_tokens", 1).end_object().end_object();
  });
  stream.raw("event: ping\ndata: {\"type\":\"ping\"}\n\n");
  for (std::size_t i = 0; i < answer.blocks.size(); ++i) anthropic_block(stream, i, answer.blocks[i]);
  stream.event("message_delta", [&](JsonWriter& json) {
    json.field("type", "message_delta").key("delta").begin_object();
    json.field("stop_reason", stops[static_cast<std::size_t>(answer.stop)]).end_object();
    json.key("usage").begin_object().field("output_tokens", answer.output_tokens).end_object();
  });
  stream.event("message_stop", [](JsonWriter& json) { json.field("type", "message_stop"); });
  return stream.take();
}

std::string openai_stream(const Answer& answer) {
  static constexpr const char* stops[] = {"stop", "tool_calls", "length", "content_filter"};
  Stream stream;
  const auto chunk = [&](const char* finish, auto write_delta) {
    stream.event("", [&](JsonWriter& json) {
      json.field("id", "chatcmpl-sim").field("object", "chat.completion.chunk").field("model", "sim-model");
      json.key("choices").begin_array().begin_object().field("index", 0).key("delta").begin_object();
      write_delta(json);
      json.end_object().key("finish_reason");
      finish == nullptr ? json.null() : json.value(finish);
      json.end_object().end_array();
    });
  };
  chunk(nullptr, [](JsonWriter& json) { json.field("role", "assistant").field("content", ""); });
  std::size_t call = 0;
  for (const AnswerBlock& block : answer.blocks) {
    if (block.kind != AnswerBlock::Kind::call) {
      const char* field = block.kind == AnswerBlock::Kind::text ? "content" : "reasoning_content";
      in_fragments(block.text, [&](std::string_view fragment) {
        chunk(nullptr, [&](JsonWriter& json) { json.field(field, fragment); });
      });
      continue;
    }
    const auto part = [&](bool first, std::string_view fragment) {
      chunk(nullptr, [&](JsonWriter& json) {
        json.key("tool_calls").begin_array().begin_object().field("index", call);
        if (first) json.field("id", fmt::format("call_{}", call)).field("type", "function");
        json.key("function").begin_object();
        if (first) json.field("name", block.name);
        json.field("arguments", fragment).end_object().end_object().end_array();
      });
    };
    part(true, "");
    in_fragments(block.text, [&](std::string_view fragment) { part(false, fragment); });
    ++call;
  }
  chunk(stops[static_cast<std::size_t>(answer.stop)], [](JsonWriter&) {});
  stream.event("", [&](JsonWriter& json) {
    json.field("id", "chatcmpl-sim").key("choices").begin_array().end_array().key("usage").begin_object();
    json.field("prompt_tokens", answer.input_tokens + answer.cached_tokens).field("completion_tokens", answer.output_tokens);
    json.key("prompt_tokens_details").begin_object().field("cached_tokens", answer.cached_tokens).end_object().end_object();
  });
  stream.raw("data: [DONE]\n\n");
  return stream.take();
}

}  // namespace

Result<Seen> read_request(std::string_view wire, std::string_view body) try {
  thread_local dom::parser parser;
  dom::object request;
  if (parser.parse(body.data(), body.size()).get(request) != simdjson::SUCCESS) refuse("the body is not a JSON object");
  Seen seen;
  seen.wire = wire;
  Reader reader(seen);
  reader.end(body, wire == "anthropic" ? read_anthropic(request, reader) : read_openai(request, reader));
  return seen;
} catch (const Refused& refused) {
  return failure(ErrorCode::invalid_argument, refused.why);
} catch (const simdjson::simdjson_error& error) {
  return failure(ErrorCode::invalid_argument, error.what());
}

std::string stream_of(std::string_view wire, const Answer& answer) {
  return wire == "anthropic" ? anthropic_stream(answer) : openai_stream(answer);
}

}  // namespace joey::sim

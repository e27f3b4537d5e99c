// OpenAI Chat Completions, with the `reasoning_content` that compatible vendors add.
#include <fmt/format.h>

#include "text.hpp"
#include "wire.hpp"

namespace scripted {

namespace {

struct Kind {
  std::string_view type;
  std::string_view code;  // empty: null
  std::string_view message;
};

Kind kind_of(int status) {
  switch (status) {
    case 401: return {"invalid_request_error", "invalid_api_key", "Incorrect API key provided."};
    case 403: return {"invalid_request_error", "unsupported_country_region_territory", "Not allowed."};
    case 404: return {"invalid_request_error", "model_not_found", "The model does not exist."};
    case 413: return {"invalid_request_error", "request_too_large", "Request too large."};
    case 429: return {"requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."};
    case 503: return {"server_error", "", "The server is currently overloaded. Please try again later."};
    default:
      if (status < 500) return {"invalid_request_error", "", "Invalid request."};
      return {"server_error", "", "The server had an error while processing your request."};
  }
}

std::string_view finish_reason(const Turn& turn) {
  switch (turn.stop) {
    case Stop::max_tokens: return "length";
    case Stop::refusal: return "content_filter";
    case Stop::natural: break;
  }
  return turn.tools.empty() ? "stop" : "tool_calls";
}

void append_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_quoted(out, text);
  }
}

void append_error(const ErrorBody& error, std::string& out) {
  const Kind kind = kind_of(error.status);
  out += R"({"error":{"message":)";
  append_quoted(out, error.message.empty() ? kind.message : error.message);
  out += R"(,"type":)";
  append_quoted(out, error.type.empty() ? kind.type : error.type);
  out += R"(,"param":)";
  append_or_null(out, error.param);
  out += R"(,"code":)";
  append_or_null(out, error.code.empty() ? kind.code : error.code);
  out += "}}";
}

void append_usage(std::string& out, const Reply& reply) {
  const Usage& usage = reply.turn.usage;
  const std::int64_t prompt = reply.input_tokens + usage.cache_read + usage.cache_write;
  fmt::format_to(std::back_inserter(out),
                 R"("usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                 R"("prompt_tokens_details":{{"cached_tokens":{}}},)"
                 R"("completion_tokens_details":{{"reasoning_tokens":{}}}}})",
                 prompt, reply.output_tokens, prompt + reply.output_tokens, usage.cache_read, reply.reasoning_tokens);
}

void append_head(std::string& out, const Reply& reply, std::string_view object) {
  out += R"({"id":")";
  append_id(out, "chatcmpl-", reply.seed, 0);
  fmt::format_to(std::back_inserter(out), R"(","object":"{}","created":{},"model":)", object, reply.created);
  append_quoted(out, reply.model);
}

void append_call(std::string& out, const Reply& reply, std::size_t index, std::string_view arguments) {
  std::string scratch;
  const std::size_t before = out.size();
  out += R"("id":")";
  if (append_tool_id(out, reply, "call_", index)) {
    out += R"(",)";
  } else {
    out.resize(before);
  }
  out += R"("type":"function","function":{"name":)";
  append_quoted(out, reply.turn.tools[index].name.at(reply.number, scratch));
  out += R"(,"arguments":)";
  append_quoted(out, arguments);
  out += '}';
}

// Writes the events of one answer. All chunks begin alike, so that beginning is made once.
class Writer {
 public:
  Writer(const Reply& reply, EventStream& out) : reply_(reply), out_(out), bytes_(out.bytes), head_("data: ") {
    append_head(head_, reply, "chat.completion.chunk");
  }

  void write() {
    const Turn& turn = reply_.turn;
    std::string scratch;
    begin_delta();
    bytes_ += R"("role":"assistant","content":)";
    bytes_ += turn.text.empty() ? "null" : R"("")";
    end_delta();
    for_each_piece(turn.reasoning.at(reply_.number, scratch), turn.chunk_bytes,
                   [&](std::string_view piece) { delta("reasoning_content", piece); });
    out_.text_open = out_.ends.size();
    for_each_piece(turn.text.at(reply_.number, scratch), turn.chunk_bytes,
                   [&](std::string_view piece) { delta("content", piece); });
    for (std::size_t i = 0; i < turn.tools.size(); ++i) tool(i);
    finish();
  }

  void delta(std::string_view key, std::string_view value) {
    begin_delta();
    bytes_ += '"';
    bytes_ += key;
    bytes_ += R"(":)";
    append_quoted(bytes_, value);
    end_delta();
  }

 private:
  void begin_delta() {
    bytes_ += head_;
    bytes_ += R"(,"choices":[{"index":0,"delta":{)";
  }

  // With include_usage every chunk has the field, null until the last.
  void end_chunk() {
    bytes_ += reply_.usage_in_stream ? R"(,"usage":null})" : "}";
    out_.end_event();
  }

  void end_delta() {
    bytes_ += R"(},"logprobs":null,"finish_reason":null}])";
    end_chunk();
  }

  void tool(std::size_t index) {
    std::string scratch;
    const std::string number = std::to_string(index);
    begin_delta();
    bytes_ += R"("tool_calls":[{"index":)";
    bytes_ += number;
    bytes_ += ',';
    append_call(bytes_, reply_, index, "");
    bytes_ += "}]";
    end_delta();
    for_each_piece(reply_.turn.tools[index].arguments.at(reply_.number, scratch), reply_.turn.chunk_bytes,
                   [&](std::string_view piece) {
                     begin_delta();
                     bytes_ += R"("tool_calls":[{"index":)";
                     bytes_ += number;
                     bytes_ += R"(,"function":{"arguments":)";
                     append_quoted(bytes_, piece);
                     bytes_ += "}}]";
                     end_delta();
                   });
  }

  void finish() {
    begin_delta();
    bytes_ += R"(},"logprobs":null,"finish_reason":")";
    bytes_ += finish_reason(reply_.turn);
    bytes_ += R"("}])";
    end_chunk();
    if (reply_.usage_in_stream) {
      bytes_ += head_;
      bytes_ += R"(,"choices":[],)";
      append_usage(bytes_, reply_);
      bytes_ += '}';
      out_.end_event();
    }
    bytes_ += "data: [DONE]";
    out_.end_event();
  }

  const Reply& reply_;
  EventStream& out_;
  std::string& bytes_;
  std::string head_;
};

class OpenAi final : public WireFormat {
 public:
  std::string_view name() const override { return "openai"; }
  std::string_view request_id_field() const override { return "x-request-id"; }

  void stream(const Reply& reply, EventStream& out) const override { Writer(reply, out).write(); }

  void message(const Reply& reply, std::string& out) const override {
    const Turn& turn = reply.turn;
    std::string scratch;
    append_head(out, reply, "chat.completion");
    out += R"(,"choices":[{"index":0,"message":{"role":"assistant","content":)";
    append_or_null(out, turn.text.at(reply.number, scratch));
    out += R"(,"refusal":null)";
    if (const auto reasoning = turn.reasoning.at(reply.number, scratch); !reasoning.empty()) {
      out += R"(,"reasoning_content":)";
      append_quoted(out, reasoning);
    }
    if (!turn.tools.empty()) {
      out += R"(,"tool_calls":[)";
      for (std::size_t i = 0; i < turn.tools.size(); ++i) {
        out += i == 0 ? "{" : ",{";
        append_call(out, reply, i, turn.tools[i].arguments.at(reply.number, scratch));
        out += '}';
      }
      out += ']';
    }
    out += R"(},"logprobs":null,"finish_reason":")";
    out += finish_reason(turn);
    out += R"("}],)";
    append_usage(out, reply);
    out += '}';
  }

  void models(std::string_view model, std::string& out) const override {
    out += R"({"object":"list","data":[{"id":)";
    append_quoted(out, model);
    out += R"(,"object":"model","created":1735689600,"owned_by":"scripted"}]})";
  }

  void error(const ErrorBody& error, std::string_view, std::string& out) const override { append_error(error, out); }

  void error_event(const ErrorBody& error, EventStream& out) const override {
    out.bytes += "data: ";
    append_error(error, out.bytes);
    out.end_event();
  }

  void text_event(const Reply& reply, std::string_view text, const EventStream&, EventStream& out) const override {
    Writer(reply, out).delta("content", text);
  }
};

}  // namespace

const WireFormat& openai_format() {
  static const OpenAi format;
  return format;
}

}  // namespace scripted

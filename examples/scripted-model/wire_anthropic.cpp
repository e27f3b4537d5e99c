// Anthropic Messages.
#include <fmt/format.h>

#include "text.hpp"
#include "wire.hpp"

namespace scripted {

namespace {

std::string_view error_type(int status) {
  switch (status) {
    case 400: return "invalid_request_error";
    case 401: return "authentication_error";
    case 402: return "billing_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 504: return "timeout_error";
    case 529: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

std::string_view default_message(int status) {
  switch (status) {
    case 402: return "Your credit balance is too low to access the API.";
    case 403: return "Your API key does not have permission to use the specified resource.";
    case 404: return "Not found";
    case 413: return "Request exceeds the maximum size";
    case 429: return "This request would exceed your organization's rate limit. Please try again later.";
    case 504: return "Request timed out";
    case 529: return "Overloaded";
    default: return status < 500 ? "Invalid request" : "Internal server error";
  }
}

std::string_view stop_reason(const Turn& turn) {
  switch (turn.stop) {
    case Stop::max_tokens: return "max_tokens";
    case Stop::refusal: return "refusal";
    case Stop::natural: break;
  }
  return turn.tools.empty() ? "end_turn" : "tool_use";
}

void append_error(const ErrorBody& error, std::string_view request_id, std::string& out) {
  out += R"({"type":"error","error":{"type":)";
  append_quoted(out, error.type.empty() ? error_type(error.status) : error.type);
  out += R"(,"message":)";
  append_quoted(out, error.message.empty() ? default_message(error.status) : error.message);
  out += '}';
  if (!request_id.empty()) {
    out += R"(,"request_id":)";
    append_quoted(out, request_id);
  }
  out += '}';
}

void append_usage(std::string& out, const Reply& reply, std::int64_t output_tokens) {
  const Usage& usage = reply.turn.usage;
  fmt::format_to(std::back_inserter(out),
                 R"("usage":{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},)"
                 R"("output_tokens":{}}})",
                 reply.input_tokens, usage.cache_write, usage.cache_read, output_tokens);
}

void append_message_start(std::string& out, const Reply& reply) {
  out += R"({"model":)";
  append_quoted(out, reply.model);
  out += R"(,"id":")";
  append_id(out, "msg_01", reply.seed, 0);
  out += R"(","type":"message","role":"assistant","content":[)";
}

void append_tool(std::string& out, const Reply& reply, std::size_t index, std::string_view input) {
  std::string scratch;
  out += R"({"type":"tool_use",)";
  const std::size_t before = out.size();
  out += R"("id":")";
  if (append_tool_id(out, reply, "toolu_01", index)) {
    out += R"(",)";
  } else {
    out.resize(before);
  }
  out += R"("name":)";
  append_quoted(out, reply.turn.tools[index].name.at(reply.number, scratch));
  out += R"(,"input":)";
  out += input;
  out += '}';
}

// Writes the events of one answer.
class Writer {
 public:
  Writer(const Reply& reply, EventStream& out) : reply_(reply), out_(out), bytes_(out.bytes) {}

  void write() {
    message_start();
    std::string scratch;
    const Turn& turn = reply_.turn;
    if (const auto reasoning = turn.reasoning.at(reply_.number, scratch); !reasoning.empty()) thinking(reasoning);
    if (const auto words = turn.text.at(reply_.number, scratch); !words.empty()) text(words);
    for (std::size_t i = 0; i < turn.tools.size(); ++i) tool(i);
    message_end();
  }

  void delta(std::size_t block, std::string_view kind, std::string_view key, std::string_view value) {
    begin("content_block_delta");
    bytes_ += R"(,"index":)";
    append_number(bytes_, static_cast<std::int64_t>(block));
    bytes_ += R"(,"delta":{"type":")";
    bytes_ += kind;
    bytes_ += R"(",")";
    bytes_ += key;
    bytes_ += R"(":)";
    append_quoted(bytes_, value);
    bytes_ += "}}";
    out_.end_event();
  }

 private:
  void begin(std::string_view type) {
    bytes_ += "event: ";
    bytes_ += type;
    bytes_ += "\ndata: {\"type\":\"";
    bytes_ += type;
    bytes_ += '"';
  }

  void message_start() {
    begin("message_start");
    bytes_ += R"(,"message":)";
    append_message_start(bytes_, reply_);
    bytes_ += R"(],"stop_reason":null,"stop_sequence":null,)";
    append_usage(bytes_, reply_, 1);
    bytes_ += "}}";
    out_.end_event();
  }

  void block_start(std::string_view block) {
    begin("content_block_start");
    bytes_ += R"(,"index":)";
    append_number(bytes_, static_cast<std::int64_t>(block_));
    bytes_ += R"(,"content_block":)";
    bytes_ += block;
    bytes_ += '}';
    out_.end_event();
    if (block_ == 0) {
      begin("ping");
      bytes_ += '}';
      out_.end_event();
    }
  }

  void block_stop() {
    begin("content_block_stop");
    bytes_ += R"(,"index":)";
    append_number(bytes_, static_cast<std::int64_t>(block_++));
    bytes_ += '}';
    out_.end_event();
  }

  void thinking(std::string_view reasoning) {
    block_start(R"({"type":"thinking","thinking":"","signature":""})");
    for_each_piece(reasoning, reply_.turn.chunk_bytes,
                   [&](std::string_view piece) { delta(block_, "thinking_delta", "thinking", piece); });
    delta(block_, "signature_delta", "signature", reasoning_signature(reasoning));
    block_stop();
  }

  void text(std::string_view words) {
    block_start(R"({"type":"text","text":""})");
    out_.text_open = out_.ends.size();
    out_.text_index = block_;
    for_each_piece(words, reply_.turn.chunk_bytes,
                   [&](std::string_view piece) { delta(block_, "text_delta", "text", piece); });
    block_stop();
  }

  void tool(std::size_t index) {
    std::string scratch;
    std::string start;
    append_tool(start, reply_, index, "{}");
    block_start(start);
    delta(block_, "input_json_delta", "partial_json", "");
    for_each_piece(reply_.turn.tools[index].arguments.at(reply_.number, scratch), reply_.turn.chunk_bytes,
                   [&](std::string_view piece) { delta(block_, "input_json_delta", "partial_json", piece); });
    block_stop();
  }

  void message_end() {
    begin("message_delta");
    bytes_ += R"(,"delta":{"stop_reason":")";
    bytes_ += stop_reason(reply_.turn);
    bytes_ += R"(","stop_sequence":null},)";
    append_usage(bytes_, reply_, reply_.output_tokens);
    bytes_ += '}';
    out_.end_event();
    begin("message_stop");
    bytes_ += '}';
    out_.end_event();
  }

  const Reply& reply_;
  EventStream& out_;
  std::string& bytes_;
  std::size_t block_ = 0;
};

class Anthropic final : public WireFormat {
 public:
  std::string_view name() const override { return "anthropic"; }
  std::string_view request_id_field() const override { return "request-id"; }

  void stream(const Reply& reply, EventStream& out) const override { Writer(reply, out).write(); }

  void message(const Reply& reply, std::string& out) const override {
    const Turn& turn = reply.turn;
    std::string scratch;
    std::string_view comma;
    append_message_start(out, reply);
    if (const auto reasoning = turn.reasoning.at(reply.number, scratch); !reasoning.empty()) {
      out += R"({"type":"thinking","thinking":)";
      append_quoted(out, reasoning);
      out += R"(,"signature":)";
      append_quoted(out, reasoning_signature(reasoning));
      out += '}';
      comma = ",";
    }
    if (const auto text = turn.text.at(reply.number, scratch); !text.empty()) {
      out += comma;
      out += R"({"type":"text","text":)";
      append_quoted(out, text);
      out += '}';
      comma = ",";
    }
    for (std::size_t i = 0; i < turn.tools.size(); ++i) {
      out += comma;
      append_tool(out, reply, i, input_of(turn.tools[i].arguments.at(reply.number, scratch)));
      comma = ",";
    }
    out += R"(],"stop_reason":")";
    out += stop_reason(turn);
    out += R"(","stop_sequence":null,)";
    append_usage(out, reply, reply.output_tokens);
    out += '}';
  }

  void models(std::string_view model, std::string& out) const override {
    out += R"({"data":[{"type":"model","id":)";
    append_quoted(out, model);
    out += R"(,"display_name":)";
    append_quoted(out, model);
    out += R"(,"created_at":"2025-01-01T00:00:00Z"}],"has_more":false,"first_id":)";
    append_quoted(out, model);
    out += R"(,"last_id":)";
    append_quoted(out, model);
    out += '}';
  }

  void error(const ErrorBody& error, std::string_view request_id, std::string& out) const override {
    append_error(error, request_id, out);
  }

  void error_event(const ErrorBody& error, EventStream& out) const override {
    out.bytes += "event: error\ndata: ";
    append_error(error, {}, out.bytes);
    out.end_event();
  }

  void text_event(const Reply& reply, std::string_view text, const EventStream& of, EventStream& out) const override {
    Writer(reply, out).delta(of.text_index, "text_delta", "text", text);
  }

 private:
  // `input` is JSON on this wire: arguments that are not travel as a string.
  static std::string input_of(std::string_view arguments) {
    std::size_t error_at = 0;
    if (skip_value(arguments, 0, error_at) == arguments.size()) return std::string(arguments);
    std::string quoted;
    append_quoted(quoted, arguments);
    return quoted;
  }
};

}  // namespace

const WireFormat& anthropic_format() {
  static const Anthropic format;
  return format;
}

}  // namespace scripted

#include "provider/neutral.hpp"

#include "base/json.hpp"

namespace joey {
namespace {

struct BlockWriter {
  JsonWriter& json;

  void operator()(const Text& text) const { json.field("type", "text").field("text", text.text); }
  void operator()(const Image& image) const {
    json.field("type", "image").field("media_type", image.media_type).field("base64", image.base64);
  }
  void operator()(const Reasoning& reasoning) const {
    json.field("type", "reasoning").field("text", reasoning.text);
  }
  void operator()(const ToolCall& call) const {
    json.field("type", "tool_call").field("id", call.id).field("name", call.name).key("arguments").raw(call.arguments);
  }
  void operator()(const ProviderPart&) const {}
  void operator()(const ToolResult& result) const {
    json.field("type", "tool_result").field("id", result.call_id).field("error", result.error);
    json.field("text", result.text);
  }
};

void write_block(JsonWriter& json, const Block& block) {
  if (std::holds_alternative<ProviderPart>(block)) return;  // of another wire: this one has none
  json.begin_object();
  std::visit(BlockWriter{json}, block);
  json.end_object();
}

class NoDecoder final : public StreamDecoder {
 public:
  tl::expected<void, ModelError> feed(std::string_view, StreamSink&) override { return tl::unexpected(error()); }
  bool done() const override { return false; }
  Spent spent() const override { return {}; }
  tl::expected<Reply, ModelError> finish() override { return tl::unexpected(error()); }

 private:
  static ModelError error() { return {ModelErrorClass::bad_request, "a host's model has no wire to decode", 0, -1}; }
};

class Neutral final : public Provider {
 public:
  std::string_view name() const override { return "host"; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("model", params.model).field("max_tokens", params.output_tokens_max);
    if (params.temperature >= 0) json.field("temperature", params.temperature);
    json.field("system", prompt.system).key("tools").begin_array();
    for (const ToolSpec& tool : prompt.tools) {
      json.begin_object().field("name", tool.name).field("description", tool.description);
      json.key("parameters").raw(tool.parameters).end_object();
    }
    json.end_array().key("messages").begin_array();
    return out;
  }

  void encode_message(const Message& message, bool first, std::string& out) const override {
    if (!first) out += ',';
    JsonWriter json(out);
    json.begin_object().field("role", message.role == Role::user ? "user" : "assistant").key("content").begin_array();
    for (const Block& block : message.blocks) {
      write_block(json, block);
      // Images of a result follow it.
      const auto* result = std::get_if<ToolResult>(&block);
      if (result == nullptr) continue;
      for (const Image& image : result->images) write_block(json, image);
    }
    json.end_array().end_object();
  }

  std::string encode_tail() const override { return "]}"; }
  Endpoint endpoint(std::string_view, std::string_view) const override { return {}; }
  Authentication authenticate(std::string_view, const Endpoint&) const override { return {}; }
  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits&) const override {
    return std::make_unique<NoDecoder>();
  }
  ModelError classify(int status, std::span<const HttpHeader>, std::string_view) const override {
    return {ModelErrorClass::bad_request, "a host's model has no wire to decode", status, -1};
  }
};

}  // namespace

std::shared_ptr<const Provider> make_neutral() { return std::make_shared<Neutral>(); }

}  // namespace joey

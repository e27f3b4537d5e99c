// A call in an answer is, outside of quoted code,
//
//   <tool_call>
//   {"name": "read_file", "arguments": {"path": "a.txt"}}
//   </tool_call>
//
// which is what the most models were trained on that call tools in words at all. Whatever stands between the tags is a call: one
// that makes no sense goes on with the name it has, and the model is told of its mistake.
#include "provider/text_tools.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "provider/encoding.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view call_begin = "<tool_call>";
constexpr std::string_view call_end = "</tool_call>";
constexpr std::string_view fence = "```";

// --- what a model is told --------------------------------------------------------------------------------------------

std::string manual(const std::vector<ToolSpec>& tools) {
  std::string out =
      "# Tools\n\n"
      "You call a tool by writing this, on lines of its own and not in a code block:\n\n"
      "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>\n\n"
      "Between the tags stands one JSON object, whose arguments fit the tool's parameters. Several calls may follow each other. End your "
      "answer after them: the results come with the next message, in <tool_result> tags, and are never yours to write.\n\n"
      "The tools are these, one a line:\n";
  for (const ToolSpec& tool : tools) {
    JsonWriter json(out);
    json.begin_object().field("name", wire_tool_name(tool.name)).field("description", tool.description);
    json.key("parameters").raw(wire_parameters(tool)).end_object();
    out += '\n';
  }
  return out;
}

std::string call_as_text(const ToolCall& call) {
  std::string json;
  JsonWriter(json).begin_object().field("name", wire_tool_name(call.name)).key("arguments").raw(wire_arguments(call)).end_object();
  return fmt::format("{}\n{}\n{}", call_begin, json, call_end);
}

std::string result_as_text(const ToolResult& result) {
  return fmt::format("<tool_result name=\"{}\"{}>\n{}\n</tool_result>", wire_tool_name(result.tool), result.error ? " error=\"true\"" : "",
                     without_closing_tag(result.text, "tool_result"));
}

// --- what a model says -----------------------------------------------------------------------------------------------

// A piece of an answer: words, or what stands between the tags of a call.
struct Piece {
  bool is_call{false};
  std::string text;
};

// Tells words from calls as they come, whatever pieces they come in. What may be the beginning of a tag waits.
class Scanner {
 public:
  // The pieces that are certain; words may come in several.
  std::vector<Piece> feed(std::string_view text) {
    rest_ += text;
    return take(false);
  }
  // At the end of the answer: a call that was not closed is one all the same.
  std::vector<Piece> finish() { return take(true); }

 private:
  std::vector<Piece> take(bool all) {
    std::vector<Piece> pieces;
    std::size_t at = 0;
    while (at < rest_.size()) {
      if (in_call_) {
        const std::size_t end = rest_.find(call_end, at);
        if (end == rest_.npos && !all) break;
        pieces.push_back({true, rest_.substr(at, end == rest_.npos ? end : end - at)});
        at = end == rest_.npos ? rest_.size() : end + call_end.size();
        in_call_ = false;
        continue;
      }
      const std::size_t end = end_of_words(at, all);
      if (end > at) pieces.push_back({false, rest_.substr(at, end - at)});
      if (end == at && !in_call_) break;
      at = in_call_ ? end + call_begin.size() : end;
    }
    rest_.erase(0, at);
    if (all && std::exchange(in_call_, false)) pieces.push_back({true, ""});
    return pieces;
  }

  // Up to a call, which it then is in, or as far as is certain.
  std::size_t end_of_words(std::size_t from, bool all) {
    for (std::size_t at = from; at < rest_.size(); ++at) {
      const char c = rest_[at];
      const std::string_view mark = c == '<' ? call_begin : c == '`' ? fence : std::string_view();
      if (mark.empty()) continue;
      const std::string_view here = std::string_view(rest_).substr(at, mark.size());
      if (here != mark) {
        if (!all && mark.starts_with(here)) return at;
        continue;
      }
      if (mark == fence) {
        in_code_ = !in_code_;
        at += fence.size() - 1;
        // Words end after it, so that nobody looks at it again.
        return at + 1;
      }
      if (in_code_) continue;
      in_call_ = true;
      return at;
    }
    return rest_.size();
  }

  std::string rest_;
  bool in_call_{false};
  bool in_code_{false};
};

// The value of "name", where the JSON around it makes no sense.
std::string name_in(std::string_view text) {
  constexpr std::string_view key = "\"name\"";
  const std::size_t at = text.find(key);
  const std::size_t open = at == text.npos ? at : text.find('"', at + key.size());
  const std::size_t close = open == text.npos ? open : text.find('"', open + 1);
  const std::string_view name = close == text.npos ? std::string_view() : text.substr(open + 1, close - open - 1);
  return name.empty() ? "tool_call" : std::string(name.substr(0, 64));
}

ToolCall read_call(std::string_view inside) {
  std::string_view text = trim(inside);
  dom::parser parser;
  dom::object object;
  std::string_view name;
  if (text.empty() || parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS || object.at_key("name").get(name) != simdjson::SUCCESS ||
      name.empty()) {
    return {"", name_in(text), std::string(text), ""};
  }
  ToolCall call{"", std::string(name), "{}", ""};
  for (const char* key : {"arguments", "parameters"}) {
    dom::element arguments;
    if (object.at_key(key).get(arguments) != simdjson::SUCCESS) continue;
    // As text, too.
    std::string_view as_text;
    call.arguments = arguments.get(as_text) == simdjson::SUCCESS ? std::string(as_text) : simdjson::minify(arguments);
    break;
  }
  return call;
}

// Tells of words and calls what the wire tells of words.
class Interpreter final : public StreamSink {
 public:
  void listen(StreamSink& sink) { sink_ = &sink; }

  void on_text(std::string_view fragment) override { tell(scanner_.feed(fragment)); }
  void on_reasoning(std::string_view fragment) override { sink_->on_reasoning(fragment); }
  void on_tool_arguments(std::size_t index, std::string_view name, std::string_view fragment) override {
    sink_->on_tool_arguments(index, name, fragment);
  }

 private:
  void tell(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) {
      if (!piece.is_call) {
        sink_->on_text(piece.text);
        continue;
      }
      const ToolCall call = read_call(piece.text);
      sink_->on_tool_arguments(calls_, call.name, "");
      sink_->on_tool_arguments(calls_, call.name, call.arguments);
      sink_->on_tool_call(calls_++, call);
    }
  }

  Scanner scanner_;
  StreamSink* sink_{nullptr};
  std::size_t calls_{0};
};

void add_words(std::vector<Block>& blocks, const std::string& words, bool joins) {
  auto* const last = !joins || blocks.empty() ? nullptr : std::get_if<Text>(&blocks.back());
  if (last != nullptr) {
    last->text += words;
  } else {
    blocks.emplace_back(Text{words});
  }
}

// A text's words and calls; one without calls stays as it is.
void interpret(Text text, std::size_t calls_max, std::size_t& calls, std::vector<Block>& blocks) {
  Scanner scanner;
  std::vector<Piece> pieces = scanner.feed(text.text);
  for (Piece& piece : scanner.finish()) pieces.push_back(std::move(piece));
  if (std::none_of(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.is_call; })) {
    blocks.emplace_back(std::move(text));
    return;
  }
  bool joins = false;
  for (const Piece& piece : pieces) {
    if (piece.is_call && calls < calls_max) {
      ++calls;
      blocks.emplace_back(read_call(piece.text));
    } else if (!piece.is_call && (joins || says_something(piece.text))) {
      add_words(blocks, piece.text, joins);
    }
    joins = !piece.is_call && !blocks.empty() && std::holds_alternative<Text>(blocks.back());
  }
}

class TextToolsDecoder final : public StreamDecoder {
 public:
  TextToolsDecoder(std::unique_ptr<StreamDecoder> wire, const DecodeLimits& limits) : wire_(std::move(wire)), calls_max_(limits.tool_calls_max) {}

  tl::expected<void, ModelError> feed(std::string_view bytes, StreamSink& sink) override {
    interpreter_.listen(sink);
    return wire_->feed(bytes, interpreter_);
  }
  bool done() const override { return wire_->done(); }
  Spent spent() const override { return wire_->spent(); }

  tl::expected<Reply, ModelError> finish() override {
    auto reply = wire_->finish();
    if (!reply) return reply;
    std::vector<Block> blocks;
    std::size_t calls = 0;
    for (Block& block : reply->blocks) {
      if (auto* text = std::get_if<Text>(&block)) {
        interpret(std::move(*text), calls_max_, calls, blocks);
      } else {
        blocks.push_back(std::move(block));
      }
    }
    reply->blocks = std::move(blocks);
    if (calls > 0 && reply->stop == StopReason::end_turn) reply->stop = StopReason::tool_calls;
    return reply;
  }

 private:
  std::unique_ptr<StreamDecoder> wire_;
  Interpreter interpreter_;
  const std::size_t calls_max_;
};

class TextTools final : public Provider {
 public:
  explicit TextTools(std::shared_ptr<const Provider> wire) : wire_(std::move(wire)), name_(fmt::format("{}{}", wire_->name(), text_tools_suffix)) {}

  std::string_view name() const override { return name_; }

  std::string encode_head(const Prompt& prompt, const ModelParams& params) const override {
    if (prompt.tools.empty()) return wire_->encode_head(prompt, params);
    const char* const gap = says_something(prompt.system) ? "\n\n" : "";
    return wire_->encode_head({fmt::format("{}{}{}", prompt.system, gap, manual(prompt.tools)), {}}, params);
  }
  void encode_message(const Message& message, bool first, std::string& out) const override { wire_->encode_message(in_words(message), first, out); }
  void encode_last(const Message& message, bool first, std::size_t answer_blocks, std::string& out) const override {
    wire_->encode_last(in_words(message), first, answer_blocks, out);
  }
  std::string encode_tail() const override { return wire_->encode_tail(); }

  Endpoint endpoint(std::string_view base_url, std::string_view model) const override { return wire_->endpoint(base_url, model); }
  Authentication authenticate(std::string_view key, const Endpoint& endpoint) const override { return wire_->authenticate(key, endpoint); }

  std::unique_ptr<StreamDecoder> make_decoder(const DecodeLimits& limits) const override {
    return std::make_unique<TextToolsDecoder>(wire_->make_decoder(limits), limits);
  }
  ModelError classify(int status, std::span<const HttpHeader> headers, std::string_view body) const override {
    return wire_->classify(status, headers, body);
  }

 private:
  // What of a message is calls and results, as text; words that belong together stay one text.
  Message in_words(const Message& message) const {
    Message out;
    out.role = message.role;
    out.provider = message.provider == name_ ? std::string(wire_->name()) : message.provider;
    std::string words;
    std::vector<Block> others;
    const auto add = [&](const std::string& text) {
      if (!words.empty()) words += "\n\n";
      words += text;
    };
    for (const Block& block : message.blocks) {
      if (const auto* text = std::get_if<Text>(&block)) {
        if (says_something(text->text)) add(text->text);
      } else if (const auto* call = std::get_if<ToolCall>(&block)) {
        add(call_as_text(*call));
      } else if (const auto* result = std::get_if<ToolResult>(&block)) {
        add(result_as_text(*result));
        for (const Image& image : result->images) others.emplace_back(image);
      } else {
        others.push_back(block);
      }
    }
    // What a model thought comes before what it said, images after what is said of them.
    if (message.role == Role::user && !words.empty()) out.blocks.emplace_back(Text{words});
    std::move(others.begin(), others.end(), std::back_inserter(out.blocks));
    if (message.role == Role::assistant && !words.empty()) out.blocks.emplace_back(Text{words});
    return out;
  }

  std::shared_ptr<const Provider> wire_;
  std::string name_;
};

}  // namespace

std::shared_ptr<const Provider> make_text_tools(std::shared_ptr<const Provider> wire) {
  return wire == nullptr ? nullptr : std::make_shared<TextTools>(std::move(wire));
}

}  // namespace joey

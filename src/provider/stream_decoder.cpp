#include "provider/stream_decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t depth_max = 128;             // of nested JSON
constexpr std::size_t kept_bytes_max = 256U << 10;  // a reader that grew beyond this for one event shrinks after it
constexpr std::size_t block_bytes = 64;            // what a block counts for besides its text
constexpr double count_max = 1e12;

class Unseen final : public StreamSink {
 public:
  void on_text(std::string_view) override {}
  void on_reasoning(std::string_view) override {}
  void on_tool_arguments(std::size_t, std::string_view, std::string_view) override {}
};

double amount_at(dom::object parent, std::string_view name) {
  double amount = 0;
  return parent.at_key(name).get(amount) == simdjson::SUCCESS && amount > 0 ? amount : 0;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The code unit of the escape \uXXXX that `json` starts with; 0 when it starts with none.
unsigned escaped_unit(std::string_view json) {
  unsigned unit = 0;
  if (json.size() < 6 || !json.starts_with("\\u")) return 0;
  return std::from_chars(json.data() + 2, json.data() + 6, unit, 16).ptr == json.data() + 6 ? unit : 0;
}

// `json` with each half of a surrogate pair that lacks its other half replaced: a server that escapes what it streams
// may cut a character in two.
std::string without_lone_surrogates(std::string_view json) {
  std::string out(json);
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    if (out[i] != '\\') continue;
    const unsigned unit = escaped_unit(std::string_view(out).substr(i));
    const unsigned next = unit >> 10 == 0x36 ? escaped_unit(std::string_view(out).substr(i + 6)) : 0;
    if (unit >> 10 == 0x36 && next >> 10 == 0x37) {
      i += 11;
    } else if (unit >> 11 == 0x1B) {
      out.replace(i + 2, 4, "fffd");
    } else {
      ++i;  // whatever is escaped
    }
  }
  return out;
}

}  // namespace

// --- fields ----------------------------------------------------------------------------------------------------------

std::optional<dom::object> object_at(dom::object parent, std::string_view name) {
  dom::object found;
  if (parent.at_key(name).get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::string_view text_at(dom::object parent, std::string_view name) {
  std::string_view found;
  return parent.at_key(name).get(found) == simdjson::SUCCESS ? found : std::string_view();
}

std::optional<std::int64_t> count_of(dom::element value) {
  double number = 0;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
  } else if (value.get(number) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  if (!std::isfinite(number)) return std::nullopt;
  return static_cast<std::int64_t>(std::clamp(number, 0.0, count_max));
}

std::optional<std::int64_t> count_at(dom::object parent, std::string_view name) {
  dom::element found;
  if (parent.at_key(name).get(found) != simdjson::SUCCESS) return std::nullopt;
  return count_of(found);
}

double read_cost(dom::object usage) {
  if (const auto parts = object_at(usage, "cost")) return amount_at(*parts, "total_cost");
  const double cost = amount_at(usage, "cost");
  return cost > 0 ? cost : amount_at(usage, "cost_in_usd_ticks") * 1e-10;
}

// --- JSON ------------------------------------------------------------------------------------------------------------

std::optional<dom::element> JsonReader::read(std::string_view text, std::size_t slack) {
  dom::element root;
  const simdjson::error_code error = parse(text, slack, root);
  if (error == simdjson::SUCCESS) return root;
  // Text that is damaged is better than an answer lost.
  if (error != simdjson::UTF8_ERROR && error != simdjson::STRING_ERROR) return std::nullopt;
  const std::string repaired = error == simdjson::UTF8_ERROR ? to_utf8(text) : without_lone_surrogates(text);
  if (parse(repaired, 0, root) != simdjson::SUCCESS) return std::nullopt;
  return root;
}

simdjson::error_code JsonReader::parse(std::string_view text, std::size_t slack, dom::element& root) {
  const std::size_t capacity =
      text.size() < kept_bytes_max ? std::bit_ceil(std::max<std::size_t>(text.size(), 1024)) : text.size();
  if (parser_.capacity() > kept_bytes_max && capacity <= kept_bytes_max) {
    parser_ = dom::parser();
    padded_ = std::string();
  }
  // In powers of two, or events that grow byte by byte would allocate every time.
  if (parser_.capacity() < capacity) {
    if (const auto error = parser_.allocate(capacity, depth_max)) return error;
    if (const auto error = parser_.doc.allocate(capacity)) return error;
  }
  if (slack < simdjson::SIMDJSON_PADDING) {
    padded_.assign(text);
    padded_.append(simdjson::SIMDJSON_PADDING, ' ');
    text = std::string_view(padded_).substr(0, text.size());
  }
  return parser_.parse(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), false).get(root);
}

// --- the Reply -------------------------------------------------------------------------------------------------------

Outcome ReplyBuilder::charge(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= limits_.reply_bytes_max) return {};
  return tl::unexpected(
      malformed_answer(fmt::format("is larger than {} bytes (reply_bytes_max)", limits_.reply_bytes_max)));
}

Outcome ReplyBuilder::open(Block block) {
  if (auto charged = charge(block_bytes); !charged) return charged;
  reply_.blocks.push_back(std::move(block));
  return {};
}

Outcome ReplyBuilder::open_call(std::string_view id, std::string_view name, StreamSink& sink) {
  if (calls_.size() == limits_.tool_calls_max) {
    return tl::unexpected(
        malformed_answer(fmt::format("has more than {} tool calls (tool_calls_max)", limits_.tool_calls_max)));
  }
  if (auto charged = charge(id.size() + name.size()); !charged) return charged;
  if (auto opened = open(ToolCall{std::string(id), std::string(name), {}, {}, {}}); !opened) return opened;
  calls_.push_back({reply_.blocks.size() - 1, false});
  sink.on_tool_arguments(calls_.size() - 1, call(calls_.size() - 1).name, {});
  return {};
}

Outcome ReplyBuilder::text(std::string_view fragment, StreamSink& sink) {
  if (fragment.empty()) return {};
  if (reply_.blocks.empty() || !std::holds_alternative<Text>(reply_.blocks.back())) {
    if (auto opened = open(Text{}); !opened) return opened;
  }
  return text_at(reply_.blocks.size() - 1, fragment, sink);
}

Outcome ReplyBuilder::reasoning(std::string_view fragment, StreamSink& sink) {
  if (fragment.empty()) return {};
  if (reply_.blocks.empty() || !std::holds_alternative<Reasoning>(reply_.blocks.back())) {
    if (auto opened = open(Reasoning{}); !opened) return opened;
  }
  return reasoning_at(reply_.blocks.size() - 1, fragment, sink);
}

Outcome ReplyBuilder::text_at(std::size_t at, std::string_view fragment, StreamSink& sink) {
  if (fragment.empty()) return {};
  if (auto charged = charge(fragment.size()); !charged) return charged;
  std::get<Text>(reply_.blocks[at]).text += fragment;
  sink.on_text(fragment);
  return {};
}

Outcome ReplyBuilder::reasoning_at(std::size_t at, std::string_view fragment, StreamSink& sink) {
  if (fragment.empty()) return {};
  if (auto charged = charge(fragment.size()); !charged) return charged;
  std::get<Reasoning>(reply_.blocks[at]).text += fragment;
  sink.on_reasoning(fragment);
  return {};
}

Outcome ReplyBuilder::signature_at(std::size_t at, std::string_view fragment) {
  if (auto charged = charge(fragment.size()); !charged) return charged;
  std::visit(
      [&](auto& block) {
        if constexpr (requires { block.signature; }) block.signature += fragment;
      },
      reply_.blocks[at]);
  return {};
}

Outcome ReplyBuilder::citation_at(std::size_t at, Citation citation) {
  if (auto charged = charge(block_bytes + citation.url.size() + citation.title.size() + citation.excerpt.size()); !charged) {
    return charged;
  }
  std::get<Text>(reply_.blocks[at]).citations.push_back(std::move(citation));
  return {};
}

Outcome ReplyBuilder::arguments(std::size_t number, std::string_view fragment, StreamSink& sink) {
  if (fragment.empty()) return {};
  if (auto charged = charge(fragment.size()); !charged) return charged;
  ToolCall& tool_call = call(number);
  tool_call.arguments += fragment;
  sink.on_tool_arguments(number, tool_call.name, fragment);
  return {};
}

Outcome ReplyBuilder::part(std::string json) {
  if (auto charged = charge(json.size()); !charged) return charged;
  return open(ProviderPart{std::move(json)});
}

void ReplyBuilder::close_call(std::size_t number, StreamSink& sink) {
  if (std::exchange(calls_[number].closed, true)) return;
  sink.on_tool_call(number, call(number));
}

ToolCall& ReplyBuilder::call(std::size_t number) { return std::get<ToolCall>(reply_.blocks[calls_[number].at]); }

Reply ReplyBuilder::take() {
  // What was said before a refusal is not whole, so nothing of it is run.
  const bool refused = reply_.stop == StopReason::refusal;
  std::erase_if(reply_.blocks, [refused](const Block& block) {
    if (std::holds_alternative<ToolCall>(block)) return refused;
    if (const auto* part = std::get_if<ProviderPart>(&block)) return part->json.empty();
    if (const auto* text = std::get_if<Text>(&block)) return text->text.empty() && text->signature.empty();
    const auto* reasoning = std::get_if<Reasoning>(&block);
    return reasoning && reasoning->text.empty() && reasoning->signature.empty();
  });
  // Servers say "stop" beside tool calls, and "tool_calls" beside none.
  const bool said_otherwise = reply_.stop == StopReason::end_turn || reply_.stop == StopReason::paused;
  if (!calls_.empty() && (said_otherwise || reply_.stop == StopReason::other)) {
    reply_.stop = StopReason::tool_calls;
  } else if (calls_.empty() && reply_.stop == StopReason::tool_calls) {
    reply_.stop = StopReason::end_turn;
  }
  calls_.clear();
  return std::move(reply_);
}

// --- the stream ------------------------------------------------------------------------------------------------------

Outcome EventDecoder::feed(std::string_view bytes, StreamSink& sink) {
  if (failed_) return tl::unexpected(*failed_);
  auto outcome = feed_form(bytes, sink);
  if (!outcome) failed_ = outcome.error();
  return outcome;
}

Outcome EventDecoder::feed_form(std::string_view bytes, StreamSink& sink) {
  if (form_ == Form::unknown) {
    const auto is_start = [](char c) { return !is_blank(c) && c != '\xEF' && c != '\xBB' && c != '\xBF'; };
    const auto start = std::find_if(bytes.begin(), bytes.end(), is_start);
    if (start == bytes.end()) return {};
    bytes.remove_prefix(static_cast<std::size_t>(start - bytes.begin()));
    // A line of JSON looks like a body, and is as good as one.
    const bool is_body = *start == '{' && framing_ != Framing::lines;
    form_ = is_body ? Form::body : *start == '<' ? Form::page : Form::events;
  }
  if (form_ == Form::body) {
    if (body_.size() + bytes.size() > limits_.event_bytes_max) return tl::unexpected(event_too_large());
    body_ += bytes;
  } else if (form_ == Form::events) {
    parser_->feed(bytes);
    while (!done_) {
      const auto event = parser_->next();
      if (!event) break;
      if (auto outcome = decode(*event, sink); !outcome) return outcome;
    }
    if (parser_->too_large()) return tl::unexpected(event_too_large());
    if (!parser_->broken().empty()) return tl::unexpected(malformed_answer(parser_->broken()));
  }
  return {};
}

Outcome EventDecoder::decode(const Frame& event, StreamSink& sink) {
  const std::string_view text = trim(event.data);
  if (text.empty()) return {};
  if (text == "[DONE]") {
    done_ = true;
    on_end(sink);
    return {};
  }
  const auto root = json_.read(event.data, event.slack);
  dom::object object;
  if (!root || root->get(object) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("has an event that is not a JSON object"));
  }
  return on_event(event.name, object, sink);
}

tl::expected<Reply, ModelError> EventDecoder::finish() {
  if (failed_) return tl::unexpected(*failed_);
  if (auto outcome = decode_rest(); !outcome) return tl::unexpected(*(failed_ = outcome.error()));
  return builder_.take();
}

Outcome EventDecoder::decode_rest() {
  Unseen unseen;
  if (form_ == Form::page) {
    return tl::unexpected(
        ModelError{ModelErrorClass::not_found, "the server answered with a web page; check the base URL"});
  }
  if (form_ == Form::body) {
    const auto root = json_.read(body_, 0);
    dom::object object;
    if (root && root->get(object) == simdjson::SUCCESS) return on_body(object, unseen);
  } else if (!done_) {
    // What does not parse here was cut, which is said below.
    if (const auto event = parser_->finish()) {
      const std::string_view text = trim(event->data);
      dom::object object;
      if (text == "[DONE]") {
        done_ = true;
        on_end(unseen);
      } else if (const auto root = json_.read(text, 0); root && root->get(object) == simdjson::SUCCESS) {
        if (auto outcome = on_event(event->name, object, unseen); !outcome) return outcome;
      }
    }
    if (parser_->too_large()) return tl::unexpected(event_too_large());
  }
  if (done_ || may_end()) return {};
  return tl::unexpected(ModelError{ModelErrorClass::network, "the connection ended before the answer did"});
}

ModelError EventDecoder::event_too_large() const {
  return malformed_answer(fmt::format("has an event larger than {} bytes (event_bytes_max)", limits_.event_bytes_max));
}

}  // namespace joey

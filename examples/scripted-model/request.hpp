// What a model request says: as much of it as choosing an answer needs.
//
// There are two readers. `Validator` parses the whole body and refuses what the vendors refuse. `scan` looks at the
// beginning and counts assistant messages in the raw bytes, for benchmarks with requests of megabytes; it trusts the
// client to send valid requests.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "script.hpp"

namespace scripted {

enum class Wire { anthropic, openai };

struct Facts {
  bool stream = false;
  bool usage_in_stream = false;  // OpenAI: stream_options.include_usage
  std::uint64_t turn = 1;        // 1 + assistant messages
  std::string first_user;        // text of the first user message

  // Where system prompts stand, and what came after the last assistant message. Raw JSON when `raw`, else text.
  bool raw = false;
  std::string_view system;
  std::string_view latest;

  [[nodiscard]] bool system_has(const Needle& needle) const { return has(system, needle); }
  [[nodiscard]] bool latest_has(const Needle& needle) const { return has(latest, needle); }

 private:
  [[nodiscard]] bool has(std::string_view text, const Needle& needle) const {
    return text.find(raw ? needle.escaped : needle.plain) != std::string_view::npos;
  }
};

// Why a vendor answers 400.
struct Refusal {
  std::string message;
  std::string param;  // OpenAI only
  std::string code;   // OpenAI only
};

class Validator {
 public:
  explicit Validator(const Script& script) : script_(script) {}

  // Fills `facts`, whose views live until the next call, or says why the request is invalid.
  // `body` is followed by http_body_padding readable bytes.
  [[nodiscard]] std::optional<Refusal> read(Wire wire, std::string_view body, Facts& facts);

 private:
  using Element = simdjson::dom::element;
  using Object = simdjson::dom::object;
  using Array = simdjson::dom::array;

  void anthropic(Object request, Facts& facts);
  void anthropic_settings(Object request);
  void anthropic_tools(Object request);
  void anthropic_messages(Object request, Facts& facts);
  void anthropic_blocks(std::size_t message, bool assistant, Array blocks);
  void anthropic_settle(std::size_t message);

  void openai(Object request, Facts& facts);
  void openai_settings(Object request, Facts& facts);
  void openai_tools(Object request);
  void openai_messages(Object request, Facts& facts);
  void openai_assistant(std::size_t index, Object message);
  void openai_tool(std::size_t index, Object message);
  void openai_settle(std::size_t index);

  void offer(std::string_view tool_name);
  void count_cache_mark(Element block);
  [[nodiscard]] bool known(std::string_view tool_name) const;
  void gather(std::string& into, Element content) const;

  const Script& script_;
  simdjson::dom::parser parser_;
  std::unordered_set<std::string_view> offered_;  // names in `tools`
  std::unordered_set<std::string_view> call_ids_;
  struct Pending {
    std::string_view id;
    bool answered;
  };
  std::vector<Pending> pending_;  // calls of the latest assistant message
  std::size_t cache_marks_count_ = 0;
  std::string system_;
  std::string latest_;
};

// As Validator::read, without looking at more than it must.
[[nodiscard]] std::optional<Refusal> scan(std::string_view body, Facts& facts);

}  // namespace scripted

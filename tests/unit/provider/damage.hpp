// A stream of every wire, with all that it can hold, and random damage to it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "support.hpp"

namespace joey::test {

inline const std::string anthropic_stream = as_events(R"(
{"type":"message_start","message":{"model":"m","usage":{"input_tokens":9,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h\u00e9m"}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi 😀"}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"s1","name":"web_search","input":{}}}
{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"q\":\"a\"}"}}
{"type":"content_block_stop","index":3}
{"type":"content_block_start","index":4,"content_block":{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}}
{"type":"content_block_stop","index":4}
{"type":"content_block_start","index":5,"content_block":{"type":"text","text":"b","citations":[{"type":"x","url":"u"}]}}
{"type":"content_block_delta","index":5,"delta":{"type":"citations_delta","citation":{"type":"x","url":"u"}}}
{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}
{"type":"message_stop"}
)");

inline const std::string openai_stream = as_events(R"(
{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}
{"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}
{"model":"m","choices":[{"index":0,"delta":{"content":"Hi 😀"}}]}
{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\""}}]}}]}
{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}
{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}
{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
{"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1}}}
[DONE]
)");

inline const std::string openrouter_stream = as_events(R"(
{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"anthropic-claude-v1","index":0}]}}]}
{"model":"m","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","signature":"c2ln","index":0},{"type":"reasoning.encrypted","data":"ZW5j","id":"a","index":1}]}}]}
{"model":"m","search_results":[{"title":"T","url":"https://a"}],"choices":[{"index":0,"delta":{"content":"Hi 😀","annotations":[{"type":"url_citation","url_citation":{"url":"https://b","title":"B"}}]}}]}
{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}
{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"cost":0.1}}
[DONE]
)");

inline const std::string responses_stream = as_events(R"(
{"type":"response.created","response":{"model":"m","status":"in_progress"}}
{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs"}}
{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1}
{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"h\u00e9m"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"h\u00e9m"}],"encrypted_content":"ZW5j"}}
{"type":"response.output_item.done","output_index":1,"item":{"type":"web_search_call","id":"ws"}}
{"type":"response.output_text.delta","output_index":2,"delta":"Hi 😀"}
{"type":"response.refusal.delta","output_index":2,"delta":"no"}
{"type":"response.output_item.done","output_index":2,"item":{"type":"message","phase":"commentary","content":[{"type":"output_text","text":"Hi","annotations":[{"type":"url_citation","url":"https://a"}]}]}}
{"type":"response.output_item.added","output_index":3,"item":{"type":"function_call","call_id":"a","name":"f"}}
{"type":"response.function_call_arguments.delta","output_index":3,"delta":"{\"a\":1}"}
{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","call_id":"a","name":"f","arguments":"{\"a\":1}"}}
{"type":"response.completed","response":{"model":"m","status":"completed","usage":{"input_tokens":3,"output_tokens":4}}}
)");

inline const std::string gemini_stream = as_events(R"(
{"candidates":[{"content":{"parts":[{"text":"h\u00e9m","thought":true},{"text":"Hi 😀","thoughtSignature":"c2ln"}]}}],"modelVersion":"m","usageMetadata":{"promptTokenCount":3,"cachedContentTokenCount":1}}
{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}},{"functionCall":{"id":"a","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","willContinue":true}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x","willContinue":true},{"jsonPath":"$.c","numberValue":1}],"willContinue":true}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}]}}]}
{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":4,"thoughtsTokenCount":2}}
)");

inline const std::string ollama_stream = R"({"model":"m","message":{"role":"assistant","content":"","thinking":"h\u00e9m"},"done":false}
{"model":"m","message":{"role":"assistant","content":"Hi 😀"},"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"id":"b","function":{"name":"g","arguments":"{}"}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}
)";

// Of a model that calls tools in words.
inline const std::string words_stream = as_events(R"(
{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi 😀 <tool_call>{\"name\":"}}]}
{"model":"m","choices":[{"index":0,"delta":{"content":" \"f\", \"arguments\": {\"a\": 1}}\n</tool_call> <tool_call>"}}]}
{"model":"m","choices":[{"index":0,"delta":{"content":"{\"name\":\"g\",\"arguments\":{}}</tool_call>"}}]}
{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
[DONE]
)");

// Without their frames, whose checksums find every damage: an event's type and its payload a line.
inline const std::string bedrock_lines = R"(messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"h\u00e9m"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}
contentBlockStop {"contentBlockIndex":0}
contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"Hi 😀"}}
contentBlockStop {"contentBlockIndex":1}
contentBlockStart {"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}
contentBlockDelta {"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":1}"}}}
contentBlockStop {"contentBlockIndex":2}
messageStop {"stopReason":"tool_use"}
metadata {"usage":{"inputTokens":3,"outputTokens":4,"cacheReadInputTokens":1}}
)";

// The lines as they come: a damaged one is in a frame that is whole.
inline std::string as_aws_frames(std::string_view lines) {
  std::string out;
  for (const std::string_view line : split_lines(lines)) {
    const std::size_t space = std::min(line.find(' '), line.size());
    if (!line.empty()) out += aws_frame(line.substr(0, std::min<std::size_t>(space, 60)), line.substr(std::min(space + 1, line.size())));
  }
  return out;
}

struct WireStream {
  std::string_view name;
  const std::string& stream;
};
inline const WireStream wires[] = {
    {"anthropic", anthropic_stream}, {"openai", openai_stream}, {"openrouter", openrouter_stream}, {"responses", responses_stream},
    {"gemini", gemini_stream},
    {"ollama", ollama_stream},
    {"openai+text", words_stream},
    {"bedrock", bedrock_lines}};

class Damage {
 public:
  explicit Damage(std::uint64_t seed) : random_(seed) {}

  std::string operator()(std::string bytes) {
    for (std::size_t i = below(6) + 1; i > 0 && !bytes.empty(); --i) once(bytes);
    return bytes;
  }

  std::size_t below(std::size_t count) { return static_cast<std::size_t>(random_() % count); }

 private:
  void once(std::string& bytes) {
    const std::size_t at = below(bytes.size());
    const std::size_t size = std::min(below(40) + 1, bytes.size() - at);
    switch (below(8)) {
      case 0: bytes[at] = static_cast<char>(below(256)); return;
      case 1: bytes.erase(at, size); return;
      case 2: bytes.insert(at, bytes.substr(at, size)); return;
      case 3: bytes.insert(below(bytes.size()), bytes.substr(at, size)); return;
      case 4: bytes.resize(at); return;
      case 5: bytes.insert(at, tokens[below(tokens.size())]); return;
      case 6: replace_token(bytes, at); return;
      default: swap_lines(bytes); return;
    }
  }

  // A value in the place of another: the JSON stays whole more often than not.
  void replace_token(std::string& bytes, std::size_t from) {
    const std::size_t colon = bytes.find(':', from);
    if (colon == bytes.npos) return;
    const std::size_t end = std::min(bytes.find_first_of(",}]\n", colon), bytes.size());
    bytes.replace(colon + 1, end - colon - 1, tokens[below(tokens.size())]);
  }

  void swap_lines(std::string& bytes) {
    const auto views = split_lines(bytes);
    std::vector<std::string> lines(views.begin(), views.end());
    if (lines.size() < 2) return;
    std::swap(lines[below(lines.size())], lines[below(lines.size())]);
    bytes.clear();
    for (const std::string& line : lines) bytes += line + "\n";
  }

  inline static const std::vector<std::string> tokens{
      "null", "{}", "[]", "\"\"", "0", "-1", "1e999", "99999999999999999999", "true", "\"0\"", "[[[[", "}", "\"", "\\",
      "\\u0000", "\\ud83d", "\n\n", "\r", "data: ", "data: [DONE]\n\n", "event: error\n", std::string(1, '\0'), "\xff",
      "\xEF\xBB\xBF", "{\"error\":{}}", "{\"type\":\"error\"}", "data: {\"error\":null}\n\n"};

  std::mt19937_64 random_;
};

}  // namespace joey::test

#include <doctest/doctest.h>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("anthropic");

std::string encoded(const Message& message) {
  std::string out;
  provider->encode_message(message, true, out);
  CHECK(is_json(out));
  return out;
}

// A whole answer of these events, between its usual first and last.
std::string answer(std::string_view events, std::string_view stop = "end_turn") {
  return as_events(R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1}}})") +
         as_events(events) +
         as_events(R"({"type":"message_delta","delta":{"stop_reason":")" + std::string(stop) +
                   R"(","stop_sequence":null},"usage":{"output_tokens":15}})") +
         as_events(R"({"type":"message_stop"})");
}

}  // namespace

TEST_CASE("models are told how much to think in the way of their family") {
  const auto head = [](const char* model, const char* effort, std::int64_t output_max = 64'000) {
    return provider->encode_head({}, {model, output_max, 0.5, effort});
  };
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  const char* const model_5 = "claude-opus-5-5";
  CHECK(has(head(model_5, "high"),
            R"("thinking":{"type":"adaptive","display":"summarized","block_binding":{"prefix_mismatch_behavior":"drop_block"}},)"
            R"("output_config":{"effort":"high"})"));
  CHECK(has(head("claude-opus-5", "high"), R"("thinking":{"type":"adaptive","display":"summarized"},"output_config")"));
  CHECK(has(head("claude-sonnet-4-6", "max"), R"("thinking":{"type":"adaptive"},"output_config":{"effort":"max"})"));
  CHECK(has(head("claude-opus-4-6-v1", "xhigh"), R"("output_config":{"effort":"max"})"));
  CHECK(has(head("anthropic/claude-opus-5", "minimal"), R"("output_config":{"effort":"low"})"));
  CHECK(has(head("claude-opus-5", "none"), R"("thinking":{"type":"disabled"})"));
  CHECK_FALSE(has(head("claude-opus-5", "none"), "output_config"));
  CHECK(has(head("claude-sonnet-5-5", "none"), R"("thinking":{"type":"between_tools","block_binding")"));
  CHECK(has(head("claude-haiku-5-5", "low"), R"("block_binding")"));
  CHECK(has(head("claude-haiku-5-5", "none"), R"("thinking":{"type":"disabled"},)"));
  // Some always think.
  CHECK(has(head(model_5, "none"), R"("output_config":{"effort":"low"})"));
  CHECK(has(head("claude-fable-5", "none"), R"("type":"adaptive","display":"summarized"},"output_config":{"effort":"low"})"));
  // The older ones have a budget, below what they may write.
  CHECK(has(head("claude-sonnet-4-5", "high"), R"("thinking":{"type":"enabled","budget_tokens":20000})"));
  CHECK(has(head("claude-sonnet-4-5", "max", 8'192), R"("budget_tokens":7168)"));
  CHECK_FALSE(has(head("claude-sonnet-4-5", "max", 2'000), "thinking"));
  CHECK_FALSE(has(head("claude-sonnet-4-5", "none"), "thinking"));
  // Nothing is said unasked, and to models that cannot.
  for (const char* model : {"claude-opus-5", "claude-fable-5", "claude-sonnet-4-5"}) CHECK_FALSE(has(head(model, ""), "thinking"));
  // But that what they thought may be dropped, by those that else refuse a conversation which was changed.
  for (const char* model : {model_5, "claude-sonnet-5-5", "claude-fable-5-1"}) {
    CHECK(has(head(model, ""), R"("block_binding":{"prefix_mismatch_behavior":"drop_block"})"));
    CHECK_FALSE(has(head(model, ""), "output_config"));
  }
  CHECK_FALSE(has(head("claude-3-5-haiku", "high"), "thinking"));
  CHECK_FALSE(has(head("some-model", "high"), "thinking"));
  // A temperature goes only with what does not think.
  CHECK_FALSE(has(head("claude-sonnet-4-5", "high"), "temperature"));
  CHECK(has(head("claude-sonnet-4-5", ""), R"("temperature":0.5)"));
}

TEST_CASE("a message of nothing but another vendor's parts is not sent empty") {
  std::string out;
  provider->encode_message({Role::assistant, {ProviderPart{R"({"type":"web_search_call"})"}}, "responses"}, true, out);
  CHECK(out == R"x({"role":"assistant","content":[{"type":"text","text":"(nothing)"}]})x");
}

TEST_CASE("models with a budget are asked to think between calls too") {
  const auto beta = [](const char* model) {
    for (const HttpHeader& header : provider->endpoint("", model).headers) {
      if (header.name == "anthropic-beta") return header.value;
    }
    return std::string();
  };
  CHECK(beta("claude-sonnet-4-5-20250929") == "interleaved-thinking-2025-05-14");
  CHECK(beta("claude-opus-5") == "");
  CHECK(beta("claude-opus-5-5") == "thinking-binding-controls-2026-08-01");
  CHECK(beta("claude-haiku-5-5") == "thinking-binding-controls-2026-08-01");
  CHECK(beta("some-model") == "");
}

TEST_CASE("anthropic: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{{Role::user, {Text{"What is in a.txt?"}}, {}}};
  CHECK(encode(*provider, prompt, {"claude-sonnet-4-5", 1024, 0.5}, messages) ==
        R"({"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"temperature":0.5,)"
        R"("cache_control":{"type":"ephemeral"},)"
        R"("tools":[{"name":"read_file","description":"Reads a file.",)"
        R"("input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}],)"
        R"("system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],)"
        R"("messages":[{"role":"user","content":[{"type":"text","text":"What is in a.txt?"}]}]})");
}

TEST_CASE("anthropic: without a system prompt the last tool ends the cached prefix, and refused parameters are not sent") {
  const Prompt prompt{"  ", {{"a", "A", "{}"}, {"b", "B", "not a schema"}}};
  const std::string head = provider->encode_head(prompt, {"claude-opus-5", 0, 0.5});
  CHECK(head == R"({"model":"claude-opus-5","max_tokens":1,"stream":true,"cache_control":{"type":"ephemeral"},)"
                R"("tools":[{"name":"a","description":"A","input_schema":{"type":"object","properties":{}}},)"
                R"({"name":"b","description":"B","input_schema":{"type":"object","properties":{}},)"
                R"("cache_control":{"type":"ephemeral"}}],"messages":[)");
}

TEST_CASE("anthropic: tool results carry errors and images, and come first") {
  CHECK(encoded({Role::user,
                 {ToolResult{"c1", false, "fine", {}}, ToolResult{"c2", true, "no such file", {}},
                  ToolResult{"c3", false, "", {Image{"image/png", "aGk="}}}, ToolResult{"c4", false, "", {}}, Text{"go on"},
                  Image{"image/jpeg", "eA=="}},
                 {}}) ==
        R"({"role":"user","content":[)"
        R"({"type":"tool_result","tool_use_id":"c1","content":"fine"},)"
        R"({"type":"tool_result","tool_use_id":"c2","is_error":true,"content":"no such file"},)"
        R"({"type":"tool_result","tool_use_id":"c3","content":[)"
        R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},)"
        R"({"type":"tool_result","tool_use_id":"c4"},)"
        R"({"type":"text","text":"go on"},)"
        R"({"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"eA=="}}]})");
}

TEST_CASE("anthropic: reasoning goes back only signed and only to who signed it") {
  Message message{Role::assistant,
                  {Reasoning{"hm", "sig", false}, Reasoning{"", "secret", true}, Reasoning{"unsigned", "", false},
                   Reasoning{"", "hidden", false}, Text{"ok"}, ToolCall{"c1", "read file!", R"({"path":"a"})", {}}},
                  "anthropic"};
  const std::string rest = R"({"type":"text","text":"ok"},)"
                           R"({"type":"tool_use","id":"c1","name":"read_file_","input":{"path":"a"}}]})";
  CHECK(encoded(message) == R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},)"
                            R"({"type":"redacted_thinking","data":"secret"},)"
                            R"({"type":"thinking","thinking":"","signature":"hidden"},)" +
                                rest);
  message.provider = "openai";
  CHECK(encoded(message) == R"({"role":"assistant","content":[)" + rest);
}

TEST_CASE("anthropic: empty text is never sent, and no message is without content") {
  CHECK(encoded({Role::assistant, {Text{""}, Text{" \n"}, Reasoning{"x", "", false}}, "anthropic"}) ==
        R"-({"role":"assistant","content":[{"type":"text","text":"(nothing)"}]})-");
  CHECK(encoded({Role::user, {}, {}}) == R"-({"role":"user","content":[{"type":"text","text":"(nothing)"}]})-");
  CHECK(encoded({Role::assistant, {ToolCall{"c", "", "", {}}}, {}}) ==
        R"({"role":"assistant","content":[{"type":"tool_use","id":"c","name":"unnamed","input":{}}]})");
}

TEST_CASE("anthropic: where requests go") {
  CHECK(provider->endpoint("", "m").url == "https://api.anthropic.com/v1/messages");
  CHECK(provider->endpoint("http://127.0.0.1:9", "m").url == "http://127.0.0.1:9/v1/messages");
  CHECK(provider->endpoint("https://gateway/claude/v1/", "m").url == "https://gateway/claude/v1/messages");
  CHECK(provider->endpoint("https://gateway/v1/messages", "m").url == "https://gateway/v1/messages");
  bool has_version = false;
  for (const HttpHeader& header : provider->endpoint("", "m").headers) {
    has_version |= header.name == "anthropic-version" && header.value == "2023-06-01";
  }
  CHECK(has_version);
  CHECK(provider->authenticate("k", {}).headers.at(0).name == "x-api-key");
  CHECK(provider->authenticate("k", {}).headers.at(0).value == "k");
}

TEST_CASE("anthropic: thinking, text and tool calls stream into one reply") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"ping"}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQ="}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"Emw="}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"H\u00e9llo \ud83d\ude00"}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"read_file","input":{}}}
{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}
{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"a"}}
{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":".txt\"}"}}
{"type":"content_block_stop","index":3}
{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"list","input":{}}}
{"type":"content_block_stop","index":4}
)", "tool_use"));
  REQUIRE(decoded.reply);
  const ToolCall read{"toolu_1", "read_file", R"({"path": "a.txt"})", {}};
  const ToolCall list{"toolu_2", "list", "", {}};
  CHECK(decoded.reply->blocks == std::vector<Block>{Reasoning{"Let me see.", "EqQ=", false}, Reasoning{"", "Emw=", true},
                                                    Text{"Héllo 😀"}, read, list});
  CHECK(decoded.reply->stop == StopReason::tool_calls);
  CHECK(decoded.reply->usage == Usage{25, 15, 3, 7, 0});
  CHECK(decoded.reply->model == "claude-x");
  CHECK(decoded.done);
  CHECK(decoded.heard.reasoning == "Let me see.");
  CHECK(decoded.heard.text == "Héllo 😀");
  CHECK(decoded.heard.calls == std::vector<std::pair<std::string, std::string>>{{"read_file", read.arguments}, {"list", ""}});
  CHECK(decoded.heard.complete == std::vector<std::pair<std::size_t, ToolCall>>{{0, read}, {1, list}});
}

TEST_CASE("anthropic: usage counts up, and nulls leave it alone") {
  const Decoded decoded = decode("anthropic", as_events(R"(
{"type":"message_start","message":{"model":"m","usage":{"input_tokens":10,"output_tokens":1}}}
{"type":"message_start","message":{"model":"m","usage":{"input_tokens":10,"output_tokens":1}}}
{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}
{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":null,"cache_read_input_tokens":"4","output_tokens":9.0,"output_tokens_details":{"thinking_tokens":2}}}
{"type":"message_stop"}
)"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->usage == Usage{10, 9, 4, 0, 2});
  CHECK(decoded.reply->stop == StopReason::max_tokens);
}

TEST_CASE("anthropic: events that this version does not know are passed over") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"nowhere"}}
{"type":"from_the_future","x":[1,2]}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"a"}}
{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{}}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":null}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}}
)"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{Text{"ab"}});
  CHECK(decoded.reply->stop == StopReason::end_turn);
}

TEST_CASE("anthropic: a call that comes whole in its start keeps its arguments") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{"a": [1, 2]}}}
{"type":"content_block_stop","index":0}
)"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{ToolCall{"t", "n", R"({"a":[1,2]})", {}}});
  CHECK(decoded.reply->stop == StopReason::tool_calls);
}

TEST_CASE("anthropic: errors in the stream") {
  const auto error_of = [](std::string_view type) {
    const Decoded decoded = decode("anthropic", as_events(R"({"type":"message_start","message":{"model":"m"}})") +
                                                    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"" +
                                                    std::string(type) + "\",\"message\":\"Oh no.\"}}\n\n");
    REQUIRE(decoded.error);
    CHECK(decoded.error->message.starts_with("Oh no"));
    return decoded.error->error;
  };
  CHECK(error_of("overloaded_error") == ModelErrorClass::overload);
  CHECK(error_of("rate_limit_error") == ModelErrorClass::rate);
  CHECK(error_of("api_error") == ModelErrorClass::server);
  CHECK(error_of("timeout_error") == ModelErrorClass::server);
  CHECK(error_of("authentication_error") == ModelErrorClass::auth);
  CHECK(error_of("billing_error") == ModelErrorClass::quota);
  CHECK(error_of("not_found_error") == ModelErrorClass::not_found);
  CHECK(error_of("invalid_request_error") == ModelErrorClass::bad_request);
  CHECK(error_of("something_new") == ModelErrorClass::server);
}

TEST_CASE("anthropic: an answer that ends early is a network error, wherever it ends") {
  const std::string whole = answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}
{"type":"content_block_stop","index":0}
)");
  // Only blank lines and the last event's own newline may be missing.
  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
    CAPTURE(size);
    const Decoded decoded = decode_pieces("anthropic", {std::string_view(whole).substr(0, size)});
    REQUIRE(decoded.error);
    REQUIRE(decoded.error->error == ModelErrorClass::network);
  }
  CHECK(decode_pieces("anthropic", {whole}).reply);
}

TEST_CASE("anthropic: a server that does not stream is understood too") {
  const Decoded decoded = decode("anthropic", R"(
 {"id":"msg","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"t","signature":"s"},
  {"type":"text","text":"hello"},{"type":"tool_use","id":"a","name":"f","input":{"x":{"y":1}}},{"type":"tool_use","id":"b","name":"g","input":{}}],
  "stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{Reasoning{"t", "s", false}, Text{"hello"},
                                                    ToolCall{"a", "f", R"({"x":{"y":1}})", {}}, ToolCall{"b", "g", "", {}}});
  CHECK(decoded.reply->usage == Usage{1, 2, 0, 0, 0});
  CHECK_FALSE(decoded.done);
  CHECK(decode("anthropic", R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})").error->error ==
        ModelErrorClass::overload);
  CHECK(decode("anthropic", R"({"hello":"world"})").error->error == ModelErrorClass::malformed);
  CHECK(decode("anthropic", R"({"type":"message","content":[)").error->error == ModelErrorClass::network);
  CHECK(decode("anthropic", "<html><body>Welcome</body></html>").error->error == ModelErrorClass::not_found);
  CHECK(decode("anthropic", "").error->error == ModelErrorClass::network);
}

TEST_CASE("anthropic: every limit ends the answer as malformed, and is named") {
  const auto fails = [](std::string_view events, const DecodeLimits& limits, std::string_view name) {
    const Decoded decoded = decode("anthropic", answer(events), limits);
    REQUIRE(decoded.error);
    CHECK(decoded.error->error == ModelErrorClass::malformed);
    CHECK_MESSAGE(decoded.error->message.find(name) != std::string::npos, decoded.error->message);
  };
  const std::string text = R"(
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"0123456789"}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"0123456789"}}
)";
  fails(text, {83, 1000, 2}, "reply_bytes_max");
  CHECK(decode("anthropic", answer(text), {84, 1000, 2}).reply);
  fails(text, {1000, 81, 2}, "event_bytes_max");
  fails(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"1","name":"a","input":{}}}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"2","name":"a","input":{}}}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"3","name":"a","input":{}}}
)", {1000, 1000, 2}, "tool_calls_max");
  std::string many;
  for (int i = 0; i < 20; ++i) many += R"({"type":"content_block_start","index":999999999999999999,"content_block":{"type":"text","text":""}})" "\n";
  fails(many, {1000, 1000, 2}, "reply_bytes_max");
}

TEST_CASE("anthropic: what the vendor's servers did is kept as it came, in its place, and what it cites with the text") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I'll check."}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{},"caller":{"type":"direct"}}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\": \"weather NYC"}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" today\", \"n\": 1.50}"}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","title":"W","url":"https://w","encrypted_content":"Ev0D","page_age":null}]}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"citations":[],"type":"text","text":""}}
{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"Sunny, 20\u00b0.","url":"https://w","title":"W","encrypted_index":"Eo8B"}}}
{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"It is sunny."}}
{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"search_result_location","cited_text":"x","source":"kb/1","title":null,"search_result_index":0}}}
{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"page_location","cited_text":"y","document_title":"D","document_index":0}}}
{"type":"content_block_stop","index":3}
{"type":"content_block_start","index":4,"content_block":{"type":"fallback","from":{"model":"a"},"to":{"model":"b"}}}
{"type":"content_block_stop","index":4}
)"));
  REQUIRE(decoded.reply);
  const std::string call = R"({"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","caller":{"type":"direct"},)"
                           R"("input":{"query":"weather NYC today","n":1.5}})";
  const std::string result = R"({"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result",)"
                             R"("title":"W","url":"https://w","encrypted_content":"Ev0D","page_age":null}]})";
  const std::string fallback = R"({"type":"fallback","from":{"model":"a"},"to":{"model":"b"}})";
  const std::string citations =
      R"({"type":"web_search_result_location","cited_text":"Sunny, 20°.","url":"https://w","title":"W","encrypted_index":"Eo8B"},)"
      R"({"type":"search_result_location","cited_text":"x","source":"kb/1","title":null,"search_result_index":0},)"
      R"({"type":"page_location","cited_text":"y","document_title":"D","document_index":0})";
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{Text{"I'll check."}, ProviderPart{call}, ProviderPart{result},
                           Text{"It is sunny.", citations, {{"https://w", "W", "Sunny, 20°."}, {"kb/1", "", "x"}, {"", "D", "y"}}},
                           ProviderPart{fallback}});
  CHECK(decoded.reply->stop == StopReason::end_turn);
  CHECK(decoded.heard.text == "I'll check.It is sunny.");
  CHECK(decoded.heard.calls.empty());
  // Back to who said it as it was, and to others what anybody can read.
  Message message{Role::assistant, decoded.reply->blocks, "anthropic"};
  CHECK(encoded(message) == R"({"role":"assistant","content":[{"type":"text","text":"I'll check."},)" + call + "," + result +
                                R"(,{"type":"text","text":"It is sunny.","citations":[)" + citations + "]}," + fallback + "]}");
  message.provider = "vertex-anthropic";
  CHECK(encoded(message) == R"({"role":"assistant","content":[{"type":"text","text":"I'll check."},{"type":"text","text":"It is sunny."}]})");
}

TEST_CASE("anthropic: a call of the vendor's servers without its result stays only where the answer was paused") {
  const std::string events = R"(
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Looking. "}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"mcp_tool_use","id":"mcptoolu_1","name":"echo","server_name":"s","input":{"a": 1}}}
{"type":"content_block_stop","index":1}
)";
  const Block part = ProviderPart{R"({"type":"mcp_tool_use","id":"mcptoolu_1","name":"echo","server_name":"s","input":{"a":1}})"};
  const Decoded paused = decode("anthropic", answer(events, "pause_turn"));
  REQUIRE(paused.reply);
  CHECK(paused.reply->stop == StopReason::paused);
  CHECK(paused.reply->blocks == std::vector<Block>{Text{"Looking. "}, part});
  for (const char* stop : {"end_turn", "max_tokens", "tool_use", "model_context_window_exceeded"}) {
    const Decoded ended = decode("anthropic", answer(events, stop));
    REQUIRE(ended.reply);
    CHECK(ended.reply->blocks == std::vector<Block>{Text{"Looking. "}});
  }
  // A result may be of a call in the answer that was paused before: together they are one.
  const Decoded later = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"mcp_tool_result","tool_use_id":"mcptoolu_1","is_error":false,"content":[]}}
{"type":"content_block_stop","index":0}
)"));
  REQUIRE(later.reply);
  REQUIRE(later.reply->blocks.size() == 1);
  const auto parts = [](std::vector<Block> blocks) {
    const std::string out = encoded({Role::assistant, std::move(blocks), "anthropic"});
    return std::string(out.find("mcp_tool_use") == out.npos ? "" : "call ") + (out.find("mcp_tool_result") == out.npos ? "" : "result");
  };
  const Block result = later.reply->blocks[0], call = ToolCall{"c1", "read_file", "{}", ""};
  CHECK(parts({part, result}) == "call result");
  CHECK(parts({part}) == "call ");
  CHECK(parts({part, result, call}) == "call result");
  CHECK(parts({part, call}) == "");  // the results of ours would follow it
  CHECK(parts({call, part}) == "");
  CHECK(parts({Text{"a"}, part}) == "call ");
  CHECK(parts({part, Text{"a"}}) == "");  // it was not run when the answer went on
  CHECK(parts({result}) == "");
  CHECK(parts({call, result}) == "");
}

TEST_CASE("anthropic: a part that was cut, or grows in a way not known here, is left out") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s1","name":"web_search","input":{}}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\": \"we"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"compaction","content":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"compaction_delta","content":"a sum"}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s2","name":"f","input":[7]}}
{"type":"content_block_start","index":3,"content_block":{"type":"text","text":"a"}}
{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta"}}
{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":7}}
)", "pause_turn"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{ProviderPart{R"({"type":"server_tool_use","id":"s2","name":"f","input":[7]})"}, Text{"a"}});
}

TEST_CASE("anthropic: parts without end pass the limit of an answer") {
  std::string input, parts, citations = R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}})" "\n";
  input = R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"f","input":{}}})" "\n";
  for (int i = 0; i < 40; ++i) {
    input += R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"[[[[[[[[[[[[[[[[[[[[[[[[[[[["}})" "\n";
    parts += R"({"type":"content_block_start","index":999999999999999999,"content_block":{"type":"x"}})" "\n";
    citations += R"({"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"x","url":"u"}}})" "\n";
  }
  for (const std::string& events : {input, parts, citations}) {
    const Decoded decoded = decode("anthropic", answer(events), {1'000, 1'000, 2});
    REQUIRE(decoded.error);
    CHECK(decoded.error->error == ModelErrorClass::malformed);
    CHECK(decoded.error->message.find("reply_bytes_max") != std::string::npos);
  }
}

TEST_CASE("anthropic: thinking between calls goes back in its place, unchanged") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"RXFR+/=="}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"redacted_thinking","data":"Emw="}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":3,"delta":{"type":"thinking_delta","thinking":" so\n"}}
{"type":"content_block_delta","index":3,"delta":{"type":"signature_delta","signature":"RXFS"}}
{"type":"content_block_stop","index":3}
{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}}
{"type":"content_block_stop","index":4}
)", "tool_use"));
  REQUIRE(decoded.reply);
  CHECK(encoded({Role::assistant, decoded.reply->blocks, "anthropic"}) ==
        R"({"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"RXFR+/=="},)"
        R"({"type":"tool_use","id":"toolu_1","name":"f","input":{}},{"type":"redacted_thinking","data":"Emw="},)"
        R"({"type":"thinking","thinking":" so\n","signature":"RXFS"},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}]})");
}

TEST_CASE("anthropic: why an answer ended") {
  const auto stop = [](std::string_view reason) {
    const Decoded decoded = decode("anthropic", answer(R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}})", reason));
    REQUIRE(decoded.reply);
    return decoded.reply->stop;
  };
  CHECK(stop("end_turn") == StopReason::end_turn);
  CHECK(stop("stop_sequence") == StopReason::end_turn);
  CHECK(stop("tool_use") == StopReason::end_turn);  // there is none
  CHECK(stop("max_tokens") == StopReason::max_tokens);
  CHECK(stop("model_context_window_exceeded") == StopReason::max_tokens);
  CHECK(stop("pause_turn") == StopReason::paused);
  CHECK(stop("refusal") == StopReason::refusal);
  CHECK(stop("from_the_future") == StopReason::other);
  const Decoded refused = decode("anthropic", as_events(R"(
{"type":"message_start","message":{"model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":412,"output_tokens":0}}}
{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"No."}},"usage":{"output_tokens":0}}
{"type":"message_stop"}
)"));
  REQUIRE(refused.reply);
  CHECK(refused.reply->stop == StopReason::refusal);
  CHECK(refused.reply->blocks.empty());
  // In the middle of an answer: nothing of it is to be run.
  const Decoded cut = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"I write it."}}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}
{"type":"content_block_stop","index":1}
)", "refusal"));
  REQUIRE(cut.reply);
  CHECK(cut.reply->stop == StopReason::refusal);
  CHECK(cut.reply->blocks == std::vector<Block>{Text{"I write it."}});
}

TEST_CASE("anthropic: calls that a program of the vendor's makes come whole in the first event") {
  const Decoded decoded = decode("anthropic", as_events(R"(
{"type":"message_start","message":{"model":"m","content":[{"type":"tool_use","id":"t","name":"roll","input":{"player":"1"}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}}
{"type":"message_stop"}
)"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{ToolCall{"t", "roll", R"({"player":"1"})", {}}});
  CHECK(decoded.reply->stop == StopReason::tool_calls);
}

TEST_CASE("anthropic: what was written to the cache counts by how long it lives, where that is all there is") {
  const auto written = [](std::string_view usage) {
    const Decoded decoded = decode("anthropic", as_events(R"({"type":"message_start","message":{"model":"m","usage":)" + std::string(usage) + "}}") +
                                                    as_events(R"({"type":"message_stop"})"));
    REQUIRE(decoded.reply);
    return decoded.reply->usage.cache_write;
  };
  CHECK(written(R"({"cache_creation_input_tokens":248,"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100}})") == 248);
  CHECK(written(R"({"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100}})") == 248);
  CHECK(written(R"({"cache_creation_input_tokens":7,"cache_creation":null})") == 7);
}

TEST_CASE("anthropic: a failure of the vendor's names the request, another does not") {
  const auto message = [](int status, std::string_view type, std::string_view id) {
    const std::string body = R"({"type":"error","error":{"type":")" + std::string(type) + R"(","message":"Oh no"},"request_id":"x"})";
    const std::vector<HttpHeader> headers{{"Request-Id", std::string(id)}, {"retry-after", "7"}};
    const ModelError error = provider->classify(status, headers, body);
    CHECK(error.retry_after_ms == 7'000);
    return error.message;
  };
  CHECK(message(500, "api_error", "req_011CSHoEeqs5C35K2UUqR7Fy") == "Oh no (HTTP 500); request req_011CSHoEeqs5C35K2UUqR7Fy");
  CHECK(message(529, "overloaded_error", "req_1") == "Oh no (HTTP 529); request req_1");
  CHECK(message(500, "api_error", "") == "Oh no (HTTP 500)");
  CHECK(message(500, "api_error", "a\nb") == "Oh no (HTTP 500)");
  CHECK(message(401, "authentication_error", "req_1") == "Oh no (HTTP 401); check the API key");
  const Decoded decoded = decode("anthropic", as_events(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_2"})"));
  REQUIRE(decoded.error);
  CHECK(decoded.error->message == "Overloaded; request req_2");
}

TEST_CASE("anthropic: an answer does not end in blanks, which a request that ends with it is refused for") {
  CHECK(encoded({Role::assistant, {Text{" one \n"}, Text{" two \n"}}, "anthropic"}) ==
        R"({"role":"assistant","content":[{"type":"text","text":" one \n"},{"type":"text","text":" two"}]})");
}

TEST_CASE("anthropic: results come first, whatever comes between them") {
  CHECK(encoded({Role::user, {Text{"a"}, ToolResult{"c1", false, "b", {}}, Text{"c"}}, {}}) ==
        R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"b"},{"type":"text","text":"a"},{"type":"text","text":"c"}]})");
}

TEST_CASE("Claude on Vertex AI: a request, whole, and where it goes") {
  const auto vertex = make_provider("vertex-anthropic");
  REQUIRE(vertex);
  CHECK(encode(*vertex, {"Be brief.", {}}, {"claude-sonnet-4-5@20250929", 1024, 0.5}, {{Role::user, {Text{"Hi"}}, {}}}) ==
        R"({"anthropic_version":"vertex-2023-10-16","max_tokens":1024,"stream":true,"temperature":0.5,)"
        R"("cache_control":{"type":"ephemeral"},)"
        R"("system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],)"
        R"("messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]})");
  const auto url = [&](std::string base) { return vertex->endpoint(base, "claude-sonnet-4-5@20250929").url; };
  const std::string path = "/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict";
  const auto place = [](const std::string& host, const std::string& location) {
    return "https://" + host + "/v1/projects/p/locations/" + location;
  };
  CHECK(url(place("us-east5-aiplatform.googleapis.com", "us-east5")) == place("us-east5-aiplatform.googleapis.com", "us-east5") + path);
  // More than one region.
  CHECK(url(place("global-aiplatform.googleapis.com", "global")) == place("aiplatform.googleapis.com", "global") + path);
  CHECK(url(place("us-aiplatform.googleapis.com", "us")) == place("aiplatform.us.rep.googleapis.com", "us") + path);
  CHECK(url(place("eu-aiplatform.googleapis.com", "eu")) == place("aiplatform.eu.rep.googleapis.com", "eu") + path);
  CHECK(vertex->endpoint("", "a b").url.ends_with("/models/a%20b:streamRawPredict"));
  const Endpoint endpoint = vertex->endpoint("", "claude-opus-5-5");
  for (const HttpHeader& header : endpoint.headers) CHECK(header.name != "anthropic-version");
  CHECK(endpoint.headers.back().value == "thinking-binding-controls-2026-08-01");
  CHECK(vertex->authenticate("k", endpoint).headers.at(0).name == "authorization");
  CHECK(vertex->authenticate("k", endpoint).headers.at(0).value == "Bearer k");
  CHECK(find_provider_preset("vertex-anthropic")->key_variable == find_provider_preset("vertex")->key_variable);
  CHECK(find_provider_preset("vertex-anthropic")->base_url == find_provider_preset("vertex")->base_url);
}

TEST_CASE("a task that goes from Claude's server tools to any other provider, and back, keeps its calls and results") {
  const Block search = ProviderPart{R"({"type":"server_tool_use","id":"s1","name":"web_search","input":{}})"};
  const Block found = ProviderPart{R"({"type":"web_search_tool_result","tool_use_id":"s1","content":[]})"};
  const std::vector<Message> messages{
      {Role::user, {Text{"go"}}, {}},
      {Role::assistant, {Reasoning{"hm", "c2ln", false}, search, found, Text{"a", R"({"type":"x"})", {}}, ToolCall{"c00001000", "f", "{}", ""}}, "anthropic"},
      {Role::user, {ToolResult{"c00001000", false, "r1", {}, "f"}}, {}},
      {Role::assistant, {ToolCall{"c00002000", "g", "{}", ""}}, "openai"},
      {Role::user, {ToolResult{"c00002000", true, "r2", {}, "g"}}, {}},
  };
  for (const char* wire : {"anthropic", "vertex-anthropic", "openai", "openrouter", "mistral", "responses", "gemini", "vertex"}) {
    CAPTURE(wire);
    const std::string body = encode(*make_provider(wire), {}, {"m", 9, -1}, messages);
    CHECK(is_json(body));
    const auto count = [&](std::string_view text) {
      std::size_t times = 0;
      for (std::size_t at = body.find(text); at != body.npos; at = body.find(text, at + 1)) ++times;
      return times;
    };
    CHECK(count("c00001000") == 2);
    CHECK(count("c00002000") == 2);
    const bool own = std::string_view(wire) == "anthropic";
    CHECK(count("web_search") == (own ? 2 : 0));
    CHECK(count("c2ln") == (own ? 1 : 0));
    CHECK(count("citations") == (own ? 1 : 0));
  }
}

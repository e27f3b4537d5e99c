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
                R"("tools":[{"name":"a","description":"A","input_schema":{}},)"
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

TEST_CASE("anthropic: blocks and events that this version does not know are passed over") {
  const Decoded decoded = decode("anthropic", answer(R"(
{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}}
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

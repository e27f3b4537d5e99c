#include <doctest/doctest.h>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("openai");

std::string encoded(const Message& message, std::string_view wire = "openai") {
  std::string out;
  make_provider(wire)->encode_message(message, true, out);
  CHECK(is_json("[" + out + "]"));
  return out;
}

Decoded decode_events(std::string_view payloads) { return decode("openai", as_events(payloads)); }

std::vector<ToolCall> calls_of(const Decoded& decoded) {
  std::vector<ToolCall> calls;
  REQUIRE(decoded.reply);
  for (const Block& block : decoded.reply->blocks) {
    if (const auto* call = std::get_if<ToolCall>(&block)) calls.push_back(*call);
  }
  return calls;
}

}  // namespace

TEST_CASE("openai: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{{Role::user, {Text{"What is in a.txt?"}}, {}}};
  CHECK(encode(*provider, prompt, {"gpt-4.1", 1024, 0.5}, messages) ==
        R"({"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true},"max_tokens":1024,"temperature":0.5,)"
        R"("tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file.",)"
        R"("parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],)"
        R"("messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is in a.txt?"}]})");
  CHECK(encode(*provider, {}, {"llama3", 10, -1}, messages) ==
        R"({"model":"llama3","stream":true,"stream_options":{"include_usage":true},"max_tokens":10,)"
        R"("messages":[{"role":"user","content":"What is in a.txt?"}]})");
}

TEST_CASE("openai: reasoning models of OpenAI take max_completion_tokens and no temperature, all others max_tokens") {
  const auto head = [](std::string_view model) { return provider->encode_head({}, {std::string(model), 7, 1}); };
  for (const char* model : {"gpt-5", "gpt-5.1-codex", "gpt-6.1-sol", "gpt-10", "o1", "o3-mini", "o4-mini-2025-04-16"}) {
    CAPTURE(model);
    CHECK(head(model).find(R"("max_completion_tokens":7,"messages")") != std::string::npos);
  }
  for (const char* model : {"gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-oss-120b", "openai/gpt-5x", "olmo", "llama3", "o", "gpt-"}) {
    CAPTURE(model);
    CHECK(head(model).find(R"("max_tokens":7)") != std::string::npos);
  }
}

TEST_CASE("openai: calls and results are messages of their own; images follow as a user message") {
  CHECK(encoded({Role::assistant,
                 {Reasoning{"hm", "sig", false}, Text{"I read "}, Text{"it."}, ToolCall{"c1", "read_file", R"({"path":"a \"b\""})", {}},
                  ToolCall{"c2", "list!", "", {}}},
                 "openai"}) ==
        R"({"role":"assistant","content":"I read it.","tool_calls":[)"
        R"({"id":"c1","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"a \\\"b\\\"\"}"}},)"
        R"({"id":"c2","type":"function","function":{"name":"list_","arguments":"{}"}}]})");
  CHECK(encoded({Role::assistant, {ToolCall{"c1", "f", "{}", {}}}, {}}) ==
        R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]})");
  CHECK(encoded({Role::user, {ToolResult{"c1", false, "one", {}}, ToolResult{"c2", true, "", {}}}, {}}) ==
        R"({"role":"tool","tool_call_id":"c1","content":"one"},{"role":"tool","tool_call_id":"c2","content":""})");
  CHECK(encoded({Role::user, {ToolResult{"c1", false, "shot", {Image{"image/png", "aGk="}}}, Text{"and?"}}, {}}) ==
        R"({"role":"tool","tool_call_id":"c1","content":"shot"},{"role":"user","content":[)"
        R"({"type":"text","text":"Images of the result of tool call c1:"},)"
        R"({"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},{"type":"text","text":"and?"}]})");
  CHECK(encoded({Role::user, {Text{"look"}, Image{"image/png", "aGk="}}, {}}) ==
        R"({"role":"user","content":[{"type":"text","text":"look"},)"
        R"({"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]})");
}

TEST_CASE("openai: no message is without content") {
  CHECK(encoded({Role::user, {}, {}}) == R"-({"role":"user","content":"(nothing)"})-");
  CHECK(encoded({Role::user, {Text{""}, Text{"a"}, Text{"b"}}, {}}) == R"({"role":"user","content":"a\n\nb"})");
  CHECK(encoded({Role::assistant, {Reasoning{"x", "", false}}, {}}) == R"-({"role":"assistant","content":"(nothing)"})-");
}

TEST_CASE("openai: dialects differ where their vendors do") {
  const Message turn{Role::assistant, {Reasoning{"why", "", false}, ToolCall{"c", "f", "{}", {}}}, "deepseek"};
  CHECK(encoded(turn, "deepseek").find(R"("content":null,"reasoning_content":"why","tool_calls")") != std::string::npos);
  CHECK(encoded(turn, "openai").find("reasoning") == std::string::npos);
  Message foreign = turn;
  foreign.provider = "anthropic";
  CHECK(encoded(foreign, "deepseek").find(R"("reasoning_content":"",)") != std::string::npos);

  const Message results{Role::user, {ToolResult{"a", false, "1", {}}, ToolResult{"b", false, "2", {}}, Text{"now"}}, {}};
  CHECK(encoded(results, "mistral") ==
        R"({"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2\n\nnow"})");
  CHECK(encoded(results, "openai") == R"({"role":"tool","tool_call_id":"a","content":"1"},)"
                                      R"({"role":"tool","tool_call_id":"b","content":"2"},{"role":"user","content":"now"})");

  CHECK(make_provider("mistral")->encode_head({}, {"m", 1, -1}) == R"({"model":"m","stream":true,"max_tokens":1,"messages":[)");
  CHECK(make_provider("openrouter")->encode_head({}, {"anthropic/claude-sonnet-5.5", 1, -1}).find(R"("cache_control":{"type":"ephemeral"})") !=
        std::string::npos);
  CHECK(make_provider("openrouter")->encode_head({}, {"openai/gpt-6-sol", 1, -1}).find("cache_control") == std::string::npos);
  CHECK(make_provider("nobody") == nullptr);
}

TEST_CASE("openai: how much to think is asked in each vendor's words, and only of models that take it") {
  const auto head = [](std::string_view wire, std::string_view model, std::string_view effort, std::vector<ToolSpec> tools = {}) {
    const std::string out = make_provider(wire)->encode_head({"", std::move(tools)}, {std::string(model), 1, -1, std::string(effort)});
    CHECK(is_json(out + "]}"));
    return out;
  };
  const auto says = [&](const std::string& body, std::string_view part) { return body.find(part) != body.npos; };
  CHECK(says(head("openai", "gpt-5", "minimal"), R"("reasoning_effort":"minimal",)"));
  CHECK(says(head("openai", "openai/gpt-oss-120b", "max"), R"("reasoning_effort":"high",)"));
  CHECK(says(head("azure-chat", "gpt-5.1", "none"), R"("reasoning_effort":"none",)"));
  CHECK(says(head("mistral", "mistral-small-latest", "low"), R"("reasoning_effort":"high",)"));
  CHECK(says(head("openrouter", "anthropic/claude-sonnet-5.5", "max"), R"("reasoning":{"effort":"xhigh"},)"));
  CHECK(says(head("deepseek", "deepseek-v4-pro", "none"), R"("thinking":{"type":"disabled"},)"));
  CHECK(says(head("deepseek", "deepseek-v4-pro", "xhigh"), R"("thinking":{"type":"enabled"},"reasoning_effort":"max",)"));
  CHECK(says(head("moonshot", "kimi-k3", "medium"), R"("reasoning_effort":"high",)"));
  CHECK_FALSE(says(head("moonshot", "kimi-k3", "medium"), "thinking"));
  CHECK(says(head("moonshot", "kimi-k2.6", "none"), R"("thinking":{"type":"disabled"},)"));
  CHECK(says(head("minimax", "MiniMax-M3", "low"), R"("thinking":{"type":"adaptive"},"reasoning_split":true,)"));
  CHECK(says(head("minimax", "MiniMax-M2.7", "none"), R"("reasoning_split":true,"max_tokens")"));
  CHECK(says(head("zai", "glm-5.1", "low"), R"("thinking":{"type":"enabled"},"max_tokens")"));
  CHECK(says(head("alibaba", "qwen3-max", "none"), R"("enable_thinking":false,)"));
  CHECK(says(head("alibaba", "qwen3-max", "high"), R"("enable_thinking":true,)"));
  for (const char* wire : {"openai", "azure-chat", "openrouter", "deepseek", "moonshot", "zai", "alibaba", "mistral"}) {
    CAPTURE(wire);
    CHECK_FALSE(says(head(wire, "gpt-5.4", ""), "effort"));
    CHECK_FALSE(says(head(wire, "kimi-k2.6", ""), "thinking"));
    if (std::string_view(wire) != "openrouter") CHECK_FALSE(says(head(wire, "llama3", "high"), "high"));
  }
  CHECK_FALSE(says(head("openai", "kimi-k2.6", "none"), "effort"));

  // Chat Completions refuses the tools of a model that thinks, from gpt-5.4 on.
  const ToolSpec tool{"f", "d", "{}"};
  CHECK(says(head("openai", "gpt-6.1-sol", "", {tool}), R"("reasoning_effort":"none",)"));
  CHECK(says(head("openai", "gpt-6.1-sol", "high", {tool}), R"("reasoning_effort":"none",)"));
  CHECK(says(head("openai", "gpt-5.2", "high", {tool}), R"("reasoning_effort":"high",)"));
  CHECK_FALSE(says(head("openai", "openai/gpt-6-sol", "", {tool}), "effort"));
}

TEST_CASE("openrouter: what the model behind it signed or encrypted goes back, about our calls") {
  const Decoded decoded = decode("openrouter", as_events(R"(
{"choices":[{"index":0,"delta":{"content":"","reasoning":"I ","reasoning_details":[{"type":"reasoning.text","text":"I ","format":"anthropic-claude-v1","index":0}]}}]}
{"choices":[{"index":0,"delta":{"content":"","reasoning":"think","reasoning_details":[{"type":"reasoning.text","text":"think","format":"anthropic-claude-v1","index":0}]}}]}
{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","signature":"c2ln","format":"anthropic-claude-v1","index":0}]}}]}
{"choices":[{"index":0,"delta":{"content":"Look."}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"tool_\"1","type":"function","function":{"name":"f","arguments":"{}"}}],"reasoning_details":[{"type":"reasoning.encrypted","data":"ZW5j","id":"tool_\"1","format":"google-gemini-v1","index":1},{"type":"reasoning.encrypted","id":"x","index":2}]}}]}
{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
[DONE]
)"));
  REQUIRE(decoded.reply);
  CHECK(decoded.heard.reasoning == "I think");
  std::vector<Block> blocks = decoded.reply->blocks;
  const std::string details = R"([{"type":"reasoning.text","text":"I think","signature":"c2ln","format":"anthropic-claude-v1","index":0},)"
                              R"({"type":"reasoning.encrypted","data":"ZW5j","id":"tool_\"1","format":"google-gemini-v1","index":1}])";
  REQUIRE(blocks == std::vector<Block>{Reasoning{"I think", details, false}, Text{"Look."}, ToolCall{"tool_\"1", "f", "{}", {}, "tool_\"1"}});

  std::get<ToolCall>(blocks[2]).id = "call00001";
  CHECK(encoded({Role::assistant, blocks, "openrouter"}, "openrouter") ==
        R"({"role":"assistant","content":"Look.","reasoning_details":[)"
        R"({"type":"reasoning.text","text":"I think","signature":"c2ln","format":"anthropic-claude-v1","index":0},)"
        R"({"type":"reasoning.encrypted","data":"ZW5j","id":"call00001","format":"google-gemini-v1","index":1}],)"
        R"("tool_calls":[{"id":"call00001","type":"function","function":{"name":"f","arguments":"{}"}}]})");
  CHECK(encoded({Role::assistant, blocks, "anthropic"}, "openrouter").find("reasoning") == std::string::npos);
  CHECK(encoded({Role::assistant, blocks, "openrouter"}, "openai").find("reasoning") == std::string::npos);
}

TEST_CASE("minimax: what was thought comes as details, and goes back as such") {
  const Decoded decoded = decode("minimax", as_events(R"(
{"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_details":[{"type":"reasoning.text","id":"reasoning-text-1","format":"MiniMax-response-v1","index":0,"text":"The user"}]}}]}
{"choices":[{"index":0,"delta":{"content":"","reasoning_details":[{"type":"reasoning.text","id":"reasoning-text-1","format":"MiniMax-response-v1","index":0,"text":" is asking."}]}}]}
{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}
[DONE]
)"));
  REQUIRE(decoded.reply);
  const std::string details =
      R"([{"type":"reasoning.text","text":"The user is asking.","id":"reasoning-text-1","format":"MiniMax-response-v1","index":0}])";
  CHECK(decoded.reply->blocks == std::vector<Block>{Reasoning{"The user is asking.", details, false}, Text{"Hi"}});
  CHECK(encoded({Role::assistant, decoded.reply->blocks, "minimax"}, "minimax") ==
        R"({"role":"assistant","content":"Hi","reasoning_details":)" + details + "}");
}

TEST_CASE("openrouter: details alone show what was thought, and OpenAI's keep no id") {
  const Decoded decoded = decode("openrouter", as_events(R"(
{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.summary","summary":"Hm","id":"rs_1","format":"openai-responses-v1","index":0}]}}]}
{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"ZW5j","id":"rs_1","format":"openai-responses-v1","index":0},7]}}]}
{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]})"));
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{Reasoning{"Hm",
                                     R"([{"type":"reasoning.summary","summary":"Hm","format":"openai-responses-v1","index":0},)"
                                     R"({"type":"reasoning.encrypted","data":"ZW5j","format":"openai-responses-v1","index":0}])",
                                     false},
                           Text{"x"}});
  CHECK(decoded.heard.reasoning == "Hm");
}

TEST_CASE("openai: what an answer cites belongs to its text") {
  const Decoded annotated = decode_events(R"(
{"choices":[{"delta":{"content":"It is so."}}]}
{"choices":[{"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://a","title":"A","content":"so","start_index":0}},{"type":"file"},null]},"finish_reason":"stop"}]})");
  REQUIRE(annotated.reply);
  CHECK(annotated.reply->blocks == std::vector<Block>{Text{"It is so.", "", {{"https://a", "A", "so"}}}});
  // Perplexity repeats its sources in every event; those with titles say more.
  const std::string sources = R"("citations":["https://a"],"search_results":[{"title":"A","url":"https://a","snippet":"so"}],)";
  const Decoded searched = decode_events("{" + sources + R"("choices":[{"delta":{"content":"x"}}]})" "\n{" + sources +
                                         R"("choices":[{"delta":{"content":"y"},"finish_reason":"stop"}]})");
  REQUIRE(searched.reply);
  CHECK(searched.reply->blocks == std::vector<Block>{Text{"xy", "", {{"https://a", "A", "so"}}}});
  const Decoded body = decode("openai", R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"citations":["https://a",7]})");
  REQUIRE(body.reply);
  CHECK(body.reply->blocks == std::vector<Block>{Text{"x", "", {{"https://a", "", ""}}}});
}

TEST_CASE("openai: where requests go") {
  const auto azure = make_provider("azure-chat");
  CHECK(azure->endpoint("https://me.openai.azure.com", "m").url == "https://me.openai.azure.com/openai/v1/chat/completions");
  CHECK(azure->authenticate("k", {}).headers.at(0).name == "api-key");
  CHECK(provider->endpoint("", "m").url == "https://api.openai.com/v1/chat/completions");
  CHECK(provider->endpoint("http://127.0.0.1:11434", "m").url == "http://127.0.0.1:11434/v1/chat/completions");
  CHECK(provider->endpoint("http://127.0.0.1:11434/v1/", "m").url == "http://127.0.0.1:11434/v1/chat/completions");
  CHECK(provider->endpoint("https://h/x/chat/completions", "m").url == "https://h/x/chat/completions");
  CHECK(provider->authenticate("k", {}).headers.at(0).name == "authorization");
  CHECK(provider->authenticate("k", {}).headers.at(0).value == "Bearer k");
}

TEST_CASE("openai: text, reasoning, usage and cost") {
  const Decoded decoded = decode_events(R"(
{"id":"1","object":"chat.completion.chunk","model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}
{"model":"gpt-x","choices":[{"index":0,"delta":{"reasoning_content":"hm","reasoning":"hm"}}]}
{"model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hel"}},{"index":1,"delta":{"content":"another answer"}}]}
{"model":"gpt-x","choices":[{"delta":{"content":"lo \u20ac"},"index":0}]}
{"model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
{"model":"gpt-x","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":5},"cost":0.25}}
[DONE]
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.done);
  CHECK(decoded.reply->blocks == std::vector<Block>{Reasoning{"hm", "", false}, Text{"Hello €"}});
  CHECK(decoded.reply->stop == StopReason::end_turn);
  CHECK(decoded.reply->usage == Usage{10, 20, 60, 30, 5});
  CHECK(decoded.reply->cost_usd == doctest::Approx(0.25));
  CHECK(decoded.reply->model == "gpt-x");
  CHECK(decoded.heard.text == "Hello €");
  CHECK(decoded.heard.reasoning == "hm");
}

TEST_CASE("openai: parallel calls by index, as OpenAI streams them") {
  const Decoded decoded = decode_events(R"(
{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":""}}]}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}}]}
{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
[DONE]
)");
  const ToolCall f{"call_a", "f", R"({"x":1})", {}}, g{"call_b", "g", "{}", {}};
  CHECK(calls_of(decoded) == std::vector{f, g});
  CHECK(decoded.reply->stop == StopReason::tool_calls);
  CHECK(decoded.heard.complete == std::vector<std::pair<std::size_t, ToolCall>>{{0, f}, {1, g}});
}

TEST_CASE("openai: calls are told apart whatever a server leaves out") {
  SUBCASE("a new id on a used index is a new call") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"a", "f", "{}", {}}, ToolCall{"b", "f", "{}", {}}});
  }
  SUBCASE("no index") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":":1}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"{"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"arguments":"}"}}]}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"a", "f", R"({"x":1})", {}}, ToolCall{"b", "g", "{}", {}}});
  }
  SUBCASE("no id, always index 0") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{\"a\":2}"}}]}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"", "f", R"({"a":1})", {}}, ToolCall{"", "f", R"({"a":2})", {}}});
  }
  SUBCASE("id and name with every fragment") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\""}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":":1}"}}]}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"a", "f", R"({"a":1})", {}}});
  }
  SUBCASE("name with every fragment, and no id") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\""}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":":1}"}}]}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"", "f", R"({"a":1})", {}}});
  }
  SUBCASE("arguments as an object, nulls and mistyped fields elsewhere") {
    CHECK(calls_of(decode_events(R"(
{"choices":[{"delta":{"tool_calls":[7,null,{"index":"0","id":null,"function":{"name":"f","arguments":{"a": 1}}}],"content":5,"reasoning":[]}}]}
{"choices":[{"delta":null,"finish_reason":7}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})")) == std::vector{ToolCall{"", "f", R"({"a":1})", {}}});
  }
}

TEST_CASE("openai: reasons to stop") {
  const auto stop_of = [](std::string_view reason) {
    const Decoded decoded = decode_events(R"({"choices":[{"delta":{"content":"x"},"finish_reason":")" + std::string(reason) + R"("}]})");
    REQUIRE(decoded.reply);
    return decoded.reply->stop;
  };
  CHECK(stop_of("stop") == StopReason::end_turn);
  CHECK(stop_of("length") == StopReason::max_tokens);
  CHECK(stop_of("content_filter") == StopReason::refusal);
  CHECK(stop_of("tool_calls") == StopReason::end_turn);  // there are none
  CHECK(stop_of("whatever") == StopReason::other);
  const Decoded refused = decode_events(R"(
{"choices":[{"delta":{"refusal":"I can"}}]}
{"choices":[{"delta":{"refusal":"not."}}]}
{"choices":[{"delta":{},"finish_reason":"stop"}]})");
  REQUIRE(refused.reply);
  CHECK(refused.reply->stop == StopReason::refusal);
  CHECK(refused.reply->blocks == std::vector<Block>{Text{"I cannot."}});
}

TEST_CASE("openai: the end is [DONE], or a finish_reason and a clean close") {
  const std::string text = R"({"choices":[{"delta":{"content":"x"}}]})" "\n";
  CHECK(decode_events(text).error->error == ModelErrorClass::network);
  CHECK(decode_events(text + "[DONE]").reply->stop == StopReason::end_turn);
  const Decoded call = decode_events(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]})" "\n[DONE]");
  CHECK(call.reply->stop == StopReason::tool_calls);
  CHECK(call.heard.complete.size() == 1);
  CHECK(decode_events(text + R"({"choices":[{"delta":{},"finish_reason":"stop"}]})").reply);
  // The last event without its blank line, or even its newline.
  CHECK(decode("openai", as_events(text) + "data: [DONE]").reply);
  CHECK(decode("openai", as_events(text) + R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})").reply);
  CHECK(decode("openai", as_events(text) + R"(data: {"choices":[{"delta":{},"finish_reason":"st)").error->error ==
        ModelErrorClass::network);
  // What follows the end does not matter.
  CHECK(decode("openai", as_events(text + "[DONE]") + "data: garbage\n\n").reply);
}

TEST_CASE("openai: errors in the stream") {
  const auto error_of = [](std::string_view payload) {
    const Decoded decoded = decode_events(payload);
    REQUIRE(decoded.error);
    return *decoded.error;
  };
  CHECK(error_of(R"({"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"upstream is ill"}},"choices":[{"delta":{},"finish_reason":"error"}]})") ==
        ModelError{ModelErrorClass::server, "Provider returned error: upstream is ill", 0, -1});
  CHECK(error_of(R"({"error":{"message":"Slow down","code":429}})").error == ModelErrorClass::rate);
  CHECK(error_of(R"({"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"You exceeded your current quota."}})").error ==
        ModelErrorClass::quota);
  CHECK(error_of(R"({"error":"model failed to load"})").error == ModelErrorClass::server);
  CHECK(error_of(R"({"object":"error","message":"This model's maximum context length is 8 tokens","code":400})").error ==
        ModelErrorClass::too_long);
  CHECK(error_of("not json").error == ModelErrorClass::malformed);
  CHECK(error_of("[1,2]").error == ModelErrorClass::malformed);
}

TEST_CASE("openai: a server that does not stream is understood too") {
  const Decoded decoded = decode("openai", R"({"object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",
"content":"hi","reasoning_content":"why","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}})");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{Reasoning{"why", "", false}, Text{"hi"}, ToolCall{"a", "f", R"({"x":1})", {}}});
  CHECK(decoded.reply->usage == Usage{3, 4, 0, 0, 0});
  CHECK(decode("openai", R"({"error":{"message":"Invalid API key"}})").error->error == ModelErrorClass::auth);
  CHECK(decode("openai", R"({"choices":[]})").error->error == ModelErrorClass::malformed);
}

TEST_CASE("openai: hostile streams end in an error, and soon") {
  const auto malformed = [](std::string_view bytes, const DecodeLimits& limits = {}) {
    const Decoded decoded = decode("openai", bytes, limits, 97);
    REQUIRE(decoded.error);
    return decoded.error->error == ModelErrorClass::malformed;
  };
  CHECK(malformed("data: " + std::string(5000, '[') + "\n\n"));
  CHECK(malformed("data: {\"choices\":" + std::string(5000, '[') + std::string(5000, ']') + "}\n\n"));
  CHECK(malformed("data: " + std::string(5000, 'x'), {1000, 1000, 1}));
  CHECK(malformed("{" + std::string(5000, ' '), {1000, 1000, 1}));
  std::string calls;
  for (int i = 0; i < 5; ++i) {
    calls += R"({"choices":[{"delta":{"tool_calls":[{"index":)" + std::to_string(i * 1'000'000'000LL) + R"(,"function":{"name":"f"}}]}}]})" "\n";
  }
  CHECK(malformed(as_events(calls), {1000, 1000, 4}));
  // Half a character is replaced, as are bytes that are not UTF-8; absurd numbers are cut.
  const Decoded halves = decode_events(R"(
{"choices":[{"delta":{"content":"\ud83d\ude00 \ud83d"}}]}
{"choices":[{"delta":{"content":"\ude00 \\ud83d \u00e9"},"finish_reason":"stop"}]})");
  REQUIRE(halves.reply);
  CHECK(halves.reply->blocks == std::vector<Block>{Text{"😀 \xEF\xBF\xBD\xEF\xBF\xBD \\ud83d é"}});
  const Decoded odd = decode_events("{\"choices\":[{\"delta\":{\"content\":\"a\xff\"},\"finish_reason\":\"stop\"}],"
                                    "\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":1e300}}");
  REQUIRE(odd.reply);
  CHECK(odd.reply->blocks == std::vector<Block>{Text{"a\xEF\xBF\xBD"}});
  CHECK(odd.reply->usage == Usage{0, 1'000'000'000'000, 0, 0, 0});
}

TEST_CASE("a conversation only grows at its end, on every wire") {
  const std::vector<Message> messages{
      {Role::user, {Text{"one"}}, {}},
      {Role::assistant, {Reasoning{"r", "s", false}, Text{"two"}, ToolCall{"c", "f", "{\"a\":1}", {}}}, "anthropic"},
      {Role::user, {ToolResult{"c", false, "three \x01\xff", {Image{"image/png", "aGk="}}}}, {}},
      {Role::assistant, {Text{""}}, "deepseek"},
      {Role::user, {Text{"four"}, Image{"image/png", "aGk="}}, {}},
  };
  const Prompt prompt{"system \"quoted\"\n", {{"f", "d", R"({"type":"object"})"}}};
  for (const char* wire : {"anthropic", "openai", "openrouter", "deepseek", "mistral", "responses", "azure", "xai"}) {
    CAPTURE(wire);
    const auto codec = make_provider(wire);
    std::string previous;
    for (std::size_t count = 1; count <= messages.size(); ++count) {
      const std::string body = encode(*codec, prompt, {"m", 5, 0.25}, {messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count)});
      CHECK(is_json(body));
      CHECK(body.starts_with(previous));
      previous = body.substr(0, body.size() - codec->encode_tail().size());
    }
  }
}

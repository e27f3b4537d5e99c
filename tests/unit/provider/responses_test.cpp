#include <doctest/doctest.h>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("responses");

std::string encoded(const Message& message, std::string_view wire = "responses") {
  std::string out;
  make_provider(wire)->encode_message(message, true, out);
  CHECK(is_json("[" + out + "]"));
  return out;
}

Decoded decode_events(std::string_view payloads, std::string_view wire = "responses") {
  return decode(wire, as_events(payloads));
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

const std::string thought =
    R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA="})";

}  // namespace

TEST_CASE("responses: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{
      {Role::user, {Text{"What is in a.txt and b.png?"}, Image{"image/png", "aGk="}}, {}},
      {Role::assistant,
       {Reasoning{"hm", thought, false}, Text{"I look.", "commentary"}, ToolCall{"call00001", "read_file", R"({"path":"a.txt"})", {}},
        ToolCall{"call00002", "read file", R"({"path":"b.png"})", {}}},
       "responses"},
      {Role::user,
       {ToolResult{"call00001", true, "no such file", {}}, ToolResult{"call00002", false, "an image", {Image{"image/png", "aGk="}}},
        Text{"Go on."}},
       {}},
  };
  const std::string body = encode(*provider, prompt, {"gpt-6.1-sol", 1024, 0.5, "xhigh"}, messages);
  CHECK(is_json(body));
  CHECK(body ==
        R"({"model":"gpt-6.1-sol","stream":true,"store":false,"max_output_tokens":1024,)"
        R"("include":["reasoning.encrypted_content"],"reasoning":{"effort":"xhigh","summary":"auto"},"instructions":"Be brief.",)"
        R"("parallel_tool_calls":true,"tools":[{"type":"function","name":"read_file","description":"Reads a file.",)"
        R"("parameters":{"type":"object","properties":{"path":{"type":"string"}}},"strict":false}],)"
        R"("prompt_cache_key":"joey-f2b339014290ed7f5f9cb2a7aa9b2a46","input":[)"
        R"({"role":"user","content":[{"type":"input_text","text":"What is in a.txt and b.png?"},)"
        R"({"type":"input_image","image_url":"data:image/png;base64,aGk="}]},)" +
            thought +
            R"(,{"role":"assistant","content":"I look.","phase":"commentary"},)"
            R"({"type":"function_call","call_id":"call00001","name":"read_file","arguments":"{\"path\":\"a.txt\"}"},)"
            R"({"type":"function_call","call_id":"call00002","name":"read_file","arguments":"{\"path\":\"b.png\"}"},)"
            R"({"type":"function_call_output","call_id":"call00001","output":"no such file"},)"
            R"({"type":"function_call_output","call_id":"call00002","output":[{"type":"input_text","text":"an image"},)"
            R"({"type":"input_image","image_url":"data:image/png;base64,aGk="}]},)"
            R"({"role":"user","content":[{"type":"input_text","text":"Go on."}]}]})");
  CHECK(encode(*provider, {}, {"gpt-4.1", 1024, 0.5}, {{Role::user, {Text{"Hi"}}, {}}}) ==
        R"({"model":"gpt-4.1","stream":true,"store":false,"max_output_tokens":1024,"temperature":0.5,)"
        R"("input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}]})");
}

TEST_CASE("responses: what a model is asked for depends on whether it thinks") {
  const auto head = [](std::string_view model, std::string_view effort, std::string_view wire = "responses") {
    return make_provider(wire)->encode_head({}, {std::string(model), 1, 1, std::string(effort)});
  };
  CHECK(head("gpt-6.1-sol", "") ==
        R"({"model":"gpt-6.1-sol","stream":true,"store":false,"max_output_tokens":16,"include":["reasoning.encrypted_content"],"input":[)");
  CHECK(has(head("gpt-5.1", "none"), R"("reasoning":{"effort":"none"},)"));
  CHECK(has(head("o3", "max"), R"("reasoning":{"effort":"high","summary":"auto"},)"));
  CHECK_FALSE(has(head("gpt-4.1", "high"), "reasoning"));
  CHECK(has(head("openai/gpt-6-sol", "max"), R"("effort":"max")"));
  CHECK(has(head("gpt-9-new", "high"), "encrypted_content"));
  CHECK_FALSE(has(head("gpt-5-chat-latest", "high"), "encrypted_content"));
  CHECK(head("grok-4.7", "max", "xai") ==
        R"({"model":"grok-4.7","stream":true,"store":false,"max_output_tokens":16,"temperature":1,)"
        R"("include":["reasoning.encrypted_content"],"reasoning":{"effort":"high"},"input":[)");
  CHECK_FALSE(has(head("grok-code-fast-1", "high", "xai"), "effort"));
}

TEST_CASE("responses: the key of the cache follows the prompt, and nothing else") {
  const auto key = [](const Prompt& prompt, const ModelParams& params, std::string_view wire = "responses") {
    const std::string head = make_provider(wire)->encode_head(prompt, params);
    const std::size_t at = head.find(R"("prompt_cache_key":")");
    return at == head.npos ? std::string() : head.substr(at + 20, 37);
  };
  const Prompt one{"a", {}}, other{"b", {}}, tools{"a", {{"f", "d", "{}"}}};
  CHECK(key(one, {"m", 1}).starts_with("joey-"));
  CHECK(key(one, {"m", 1}) == key(one, {"n", 2, 1, "high"}));
  CHECK(key(one, {"m", 1}) != key(other, {"m", 1}));
  CHECK(key(one, {"m", 1}) != key(tools, {"m", 1}));
  CHECK(key({}, {"m", 1}).empty());
  CHECK(key(one, {"m", 1}, "xai").empty());
}

TEST_CASE("responses: what others wrote, or is empty, is not sent") {
  const std::string part = R"({"type":"web_search_call","id":"ws_1","status":"completed"})";
  const Message own{Role::assistant, {Reasoning{"hm", thought, false}, ProviderPart{part}, Text{"It is.", "final_answer"}}, "responses"};
  CHECK(encoded(own) == thought + "," + part + R"(,{"role":"assistant","content":"It is.","phase":"final_answer"})");
  Message foreign = own;
  foreign.provider = "azure";
  CHECK(encoded(foreign) == R"({"role":"assistant","content":"It is."})");
  CHECK(encoded(own, "xai") == encoded(foreign));

  // Reasoning that led to nothing would be refused.
  CHECK(encoded({Role::assistant, {Text{"x"}, Reasoning{"hm", thought, false}}, "responses"}) == R"({"role":"assistant","content":"x"})");
  CHECK(encoded({Role::assistant, {Reasoning{"hm", thought, false}, Text{" "}}, "responses"}) == R"-({"role":"assistant","content":"(nothing)"})-");
  CHECK(encoded({Role::assistant, {Reasoning{"hm", "", false}, ToolCall{"c", "", "", {}}}, "responses"}) ==
        R"({"type":"function_call","call_id":"c","name":"unnamed","arguments":"{}"})");
  CHECK(encoded({Role::assistant, {}, "responses"}) == R"-({"role":"assistant","content":"(nothing)"})-");
  CHECK(encoded({Role::user, {Text{""}}, {}}) == R"-({"role":"user","content":[{"type":"input_text","text":"(nothing)"}]})-");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "", {}}, Text{""}}, {}}) == R"({"type":"function_call_output","call_id":"c","output":""})");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "", {Image{"image/png", "aGk="}}}}, {}}) ==
        R"({"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"data:image/png;base64,aGk="}]})");
}

TEST_CASE("responses: where requests go, and with what key") {
  CHECK(provider->endpoint("", "m").url == "https://api.openai.com/v1/responses");
  CHECK(provider->endpoint("http://127.0.0.1:1234", "m").url == "http://127.0.0.1:1234/v1/responses");
  CHECK(provider->authenticate("k", {}).headers.at(0).value == "Bearer k");
  const auto azure = make_provider("azure");
  CHECK(azure->endpoint("https://me.openai.azure.com", "m").url == "https://me.openai.azure.com/openai/v1/responses");
  CHECK(azure->endpoint("https://me.openai.azure.com/openai/v1/", "m").url == "https://me.openai.azure.com/openai/v1/responses");
  CHECK(azure->authenticate("k", {}).headers.at(0).name == "api-key");
  CHECK(azure->authenticate("k", {}).headers.at(0).value == "k");
  CHECK(make_provider("xai")->endpoint("", "m").url == "https://api.x.ai/v1/responses");
}

TEST_CASE("responses: reasoning, text, calls and usage") {
  const Decoded decoded = decode_events(R"(
{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"gpt-x","status":"in_progress","error":null,"output":[],"usage":null}}
{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":""}}
{"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}
{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"One"}
{"type":"response.reasoning_summary_text.done","item_id":"rs_1","output_index":0,"summary_index":0,"text":"One"}
{"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}}
{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":1,"delta":"two"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","status":"completed","content":[],"summary":[{"type":"summary_text","text":"One"},{"type":"summary_text","text":"two"}],"encrypted_content":"gA=="}}
{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}
{"type":"response.content_part.added","item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}
{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hel"}
{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"lo \u20ac"}
{"type":"response.output_text.annotation.added","item_id":"msg_1","output_index":1,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://a"}}
{"type":"response.output_text.done","item_id":"msg_1","output_index":1,"content_index":0,"text":"Hello \u20ac"}
{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"Hello \u20ac","annotations":[{"type":"url_citation","start_index":0,"end_index":5,"url":"https://a","title":"A"},{"type":"file_citation","file_id":"f","filename":"b.pdf"}]}]}}
{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"call_a","name":"f","arguments":""}}
{"type":"response.output_item.added","output_index":3,"item":{"type":"function_call","id":"fc_2","call_id":"call_b","name":"g","arguments":""}}
{"type":"response.function_call_arguments.delta","item_id":"fc_2","output_index":3,"delta":"{}"}
{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"{\"x\""}
{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":":1}"}
{"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":2,"arguments":"{\"x\":1}"}
{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","id":"fc_2","call_id":"call_b","name":"g","arguments":"{}","status":"completed"}}
{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"call_a","name":"f","arguments":"{\"x\":1}","status":"completed"}}
{"type":"response.completed","response":{"id":"resp_1","model":"gpt-x-2026","status":"completed","error":null,"incomplete_details":null,"output":[{"type":"reasoning"},{"type":"message"}],"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":120}}}
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.done);
  const ToolCall f{"call_a", "f", R"({"x":1})", {}}, g{"call_b", "g", "{}", {}};
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{
            Reasoning{"One\n\ntwo",
                      R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"One"},{"type":"summary_text","text":"two"}],"encrypted_content":"gA=="})",
                      false},
            Text{"Hello €", "commentary", {{"https://a", "A", ""}, {"", "b.pdf", ""}}}, f, g});
  CHECK(decoded.heard.complete == std::vector<std::pair<std::size_t, ToolCall>>{{1, g}, {0, f}});
  CHECK(decoded.heard.text == "Hello €");
  CHECK(decoded.heard.reasoning == "One\n\ntwo");
  CHECK(decoded.reply->stop == StopReason::tool_calls);
  CHECK(decoded.reply->usage == Usage{10, 20, 60, 30, 5});
  CHECK(decoded.reply->model == "gpt-x-2026");

  // The next request takes it all back.
  CHECK(encoded({Role::assistant, decoded.reply->blocks, "responses"}).starts_with(std::get<Reasoning>(decoded.reply->blocks[0]).signature + ","));
}

TEST_CASE("responses: an item's id may be another in every event, or its number be missing") {
  const Decoded rotating = decode_events(R"(
{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"x1"}}
{"type":"response.output_text.delta","item_id":"x2","output_index":0,"delta":"a"}
{"type":"response.output_text.delta","item_id":"x3","output_index":0,"delta":"b"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"x4","content":[{"type":"output_text","text":"ab"}]}}
{"type":"response.completed","response":{"status":"completed"}}
)");
  REQUIRE(rotating.reply);
  CHECK(rotating.reply->blocks == std::vector<Block>{Text{"ab"}});
  const Decoded unnumbered = decode_events(R"(
{"type":"response.output_item.added","item":{"type":"function_call","call_id":"a","name":"f","arguments":""}}
{"type":"response.function_call_arguments.delta","delta":"{\"a\":1}"}
{"type":"response.output_item.done","item":{"type":"function_call","call_id":"a","name":"f","arguments":"{\"a\":1}"}}
{"type":"response.output_item.added","item":{"type":"function_call","call_id":"b","name":"g","arguments":""}}
{"type":"response.function_call_arguments.delta","delta":"{\"b\":1}"}
{"type":"response.output_item.done","item":{"type":"function_call","call_id":"b","name":"g","arguments":"{\"b\":1}"}}
{"type":"response.output_text.delta","delta":"x"}
{"type":"response.completed","response":{"status":"completed"}}
)");
  REQUIRE(unnumbered.reply);
  CHECK(unnumbered.reply->blocks == std::vector<Block>{ToolCall{"a", "f", R"({"a":1})", {}}, ToolCall{"b", "g", R"({"b":1})", {}}, Text{"x"}});
}

TEST_CASE("responses: items that were not streamed come whole, in the stream's last event or as a body") {
  const std::string output =
      R"([{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":null},)"
      R"({"type":"web_search_call", "id":"ws", "status":"completed"},{"type":"local_shell_call","call_id":"c"},)"
      R"({"type":"message","content":[{"type":"output_text","text":"Hi","annotations":[]}]},7,)"
      R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}])";
  const std::vector<Block> blocks{Reasoning{"a\n\nb", "", false}, ProviderPart{R"({"type":"web_search_call","id":"ws","status":"completed"})"},
                                  Text{"Hi"}, ToolCall{"c1", "f", "{}", {}}};
  const Decoded last = decode_events(R"({"type":"response.completed","response":{"status":"completed","output":)" + output + "}}");
  REQUIRE(last.reply);
  CHECK(last.reply->blocks == blocks);
  CHECK(last.heard.text == "Hi");
  const Decoded body = decode("responses", R"({"id":"r","object":"response","model":"m","status":"completed","error":null,"output":)" + output +
                                               R"(,"usage":{"input_tokens":3,"output_tokens":4,"cost":0.5}})");
  REQUIRE(body.reply);
  CHECK(body.reply->blocks == blocks);
  CHECK(body.reply->usage == Usage{3, 4, 0, 0, 0});
  CHECK(body.reply->cost_usd == doctest::Approx(0.5));
  CHECK(decode("responses", R"({"object":"chat.completion"})").error->error == ModelErrorClass::malformed);
}

TEST_CASE("responses: reasons to stop") {
  const auto stop_of = [](std::string_view response) {
    const Decoded decoded = decode_events(R"({"type":"response.output_text.delta","output_index":0,"delta":"x"})" "\n" +
                                          std::string(R"({"type":"response.incomplete","response":)") + std::string(response) + "}");
    REQUIRE(decoded.reply);
    return decoded.reply->stop;
  };
  CHECK(stop_of(R"({"status":"completed","incomplete_details":null})") == StopReason::end_turn);
  CHECK(stop_of(R"({"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}})") == StopReason::max_tokens);
  CHECK(stop_of(R"({"status":"incomplete","incomplete_details":{"reason":"content_filter"}})") == StopReason::refusal);
  CHECK(stop_of(R"({"status":"incomplete"})") == StopReason::other);
  const Decoded refused = decode_events(R"(
{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I can"}
{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"not."}
{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"refusal","refusal":"I cannot."}]}}
{"type":"response.completed","response":{"status":"completed"}})");
  REQUIRE(refused.reply);
  CHECK(refused.reply->stop == StopReason::refusal);
  CHECK(refused.reply->blocks == std::vector<Block>{Text{"I cannot."}});
}

TEST_CASE("responses: an answer without its last event was cut") {
  CHECK(decode_events(R"({"type":"response.output_text.delta","output_index":0,"delta":"x"})").error->error == ModelErrorClass::network);
}

TEST_CASE("responses: errors in the stream") {
  using enum ModelErrorClass;
  const auto error_of = [](std::string_view payload) {
    const Decoded decoded = decode_events(payload);
    REQUIRE(decoded.error);
    return *decoded.error;
  };
  CHECK(error_of(R"({"type":"error","sequence_number":2,"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"You exceeded your current quota.","param":null}})").error == quota);
  CHECK(error_of(R"({"type":"error","code":"rate_limit_exceeded","message":"Slow down.","param":null})") == ModelError{rate, "Slow down", 0, -1});
  CHECK(error_of(R"({"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"The model failed."}}})").error == server);
  CHECK(error_of(R"({"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"Your input exceeds the context window of this model."}}})").error == too_long);
  CHECK(error_of(R"({"type":"response.failed","response":{"status":"failed","error":null}})").error == server);
  CHECK(error_of(R"({"error":{"message":"Bad gateway","code":502}})").error == server);
  CHECK(decode("responses", R"({"status":"failed","error":{"code":"server_error","message":"x"}})").error->error == server);
  CHECK(decode("responses", R"({"error":{"message":"x","type":"invalid_request_error"}})").error->error == bad_request);
}

TEST_CASE("responses: xAI may count what was cached beside the input, and bills in ticks") {
  const Decoded decoded = decode_events(
      R"({"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":20},"output_tokens":1,"cost_in_usd_ticks":20000000}}})",
      "xai");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->usage == Usage{10, 1, 20, 0, 0});
  CHECK(decoded.reply->cost_usd == doctest::Approx(0.002));
}

TEST_CASE("responses: limits hold") {
  const std::string call = R"({"type":"response.output_item.added","item":{"type":"function_call","call_id":"a","name":"f"}})" "\n";
  CHECK(decode("responses", as_events(call + call + call), {1 << 20, 1 << 20, 2}).error->error == ModelErrorClass::malformed);
  std::string items;
  for (int i = 0; i < 1025; ++i) items += R"({"type":"response.output_text.delta","output_index":)" + std::to_string(i) + R"(,"delta":"x"})" "\n";
  CHECK(decode_pieces("responses", {as_events(items)}).error->error == ModelErrorClass::malformed);
  const std::string part = R"({"type":"response.output_item.done","item":{"type":"web_search_call","x":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}})" "\n";
  CHECK(decode("responses", as_events(part + part + part), {256, 1 << 20, 2}).error->error == ModelErrorClass::malformed);
}

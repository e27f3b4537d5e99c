#include <doctest/doctest.h>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("ollama");

std::string encoded(const Message& message) {
  std::string out;
  provider->encode_message(message, true, out);
  CHECK(is_json("[" + out + "]"));
  return out;
}

std::string head(const ModelParams& params) {
  const std::string out = provider->encode_head({}, params);
  return out.substr(0, out.find(R"(,"messages")"));
}

Decoded decode_lines(std::string_view lines) { return decode("ollama", lines); }

ModelError refused(int status, std::string_view body) { return provider->classify(status, {}, body); }

}  // namespace

TEST_CASE("ollama: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{
      {Role::user, {Text{"What is in a.txt and b.png?"}, Image{"image/png", "aGk="}}, {}},
      {Role::assistant,
       {Reasoning{"hm", "", false}, Text{"I look."}, ToolCall{"call00001", "read_file", R"({"path":"a.txt"})", {}},
        ToolCall{"call00002", "read file", R"({"path":"b.png"})", {}}},
       "ollama"},
      {Role::user,
       {ToolResult{"call00001", true, "no such file", {}, "read_file"},
        ToolResult{"call00002", false, "an image", {Image{"image/png", "aGk="}}, "read file"}},
       {}},
      {Role::assistant, {Reasoning{"of another", "sig", false}, Text{"It says hi."}}, "anthropic"},
      {Role::user, {Text{"And?"}, Text{" "}, Text{"Well?"}}, {}},
  };
  const std::string body = encode(*provider, prompt, {"qwen3:8b", 1024, 0.5, "high", 16'384}, messages);
  CHECK(is_json(body));
  CHECK(body ==
        R"({"model":"qwen3:8b","stream":true,"think":true,"options":{"num_ctx":16384,"num_predict":1024,"temperature":0.5},)"
        R"("tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file.",)"
        R"("parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],"messages":[)"
        R"({"role":"system","content":"Be brief."},)"
        R"({"role":"user","content":"What is in a.txt and b.png?","images":["aGk="]},)"
        R"({"role":"assistant","content":"I look.","thinking":"hm","tool_calls":[{"function":{"name":"read_file","arguments":{"path":"a.txt"}}},)"
        R"({"function":{"name":"read_file","arguments":{"path":"b.png"}}}]},)"
        R"({"role":"tool","tool_name":"read_file","content":"no such file"},{"role":"tool","tool_name":"read_file","content":"an image"},)"
        R"({"role":"user","content":"The images of these results:","images":["aGk="]},)"
        R"({"role":"assistant","content":"It says hi."},{"role":"user","content":"And?\n\nWell?"}]})");
  CHECK(encode(*provider, {}, {"m", 0}, {{Role::user, {Text{"Hi"}}, {}}}) ==
        R"({"model":"m","stream":true,"options":{"num_predict":1},"messages":[{"role":"user","content":"Hi"}]})");
}

TEST_CASE("ollama: messages of nothing say so") {
  CHECK(encoded({Role::user, {}, {}}) == R"_({"role":"user","content":"(nothing)"})_");
  CHECK(encoded({Role::assistant, {Text{" "}}, {}}) == R"_({"role":"assistant","content":"(nothing)"})_");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "", {}, "t"}}, {}}) == R"_({"role":"tool","tool_name":"t","content":"(nothing)"})_");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "r", {}, "t"}, Text{"Go on."}}, {}}) ==
        R"({"role":"tool","tool_name":"t","content":"r"},{"role":"user","content":"Go on."})");
}

TEST_CASE("ollama: a model is told to think, or how much") {
  CHECK(head({"qwen3", 9}) == R"({"model":"qwen3","stream":true,"options":{"num_predict":9})");
  CHECK(head({"qwen3", 9, -1, "none"}) == R"({"model":"qwen3","stream":true,"think":false,"options":{"num_predict":9})");
  CHECK(head({"gpt-oss:20b", 9, -1, "xhigh"}) == R"({"model":"gpt-oss:20b","stream":true,"think":"high","options":{"num_predict":9})");
  CHECK(head({"gpt-oss:20b", 9, -1, "none"}) == R"({"model":"gpt-oss:20b","stream":true,"think":"low","options":{"num_predict":9})");
}

TEST_CASE("ollama: the server is found at any of its addresses") {
  for (const char* base : {"", "http://127.0.0.1:11434", "http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/api",
                           "http://127.0.0.1:11434/api/chat"}) {
    CAPTURE(base);
    CHECK(provider->endpoint(base, "m").url == "http://127.0.0.1:11434/api/chat");
  }
  CHECK(provider->endpoint("https://ollama.example/api", "m").url == "https://ollama.example/api/chat");
}

TEST_CASE("ollama: an answer with thinking, text and calls") {
  const Decoded decoded = decode_lines(
      R"({"model":"qwen3:8b","created_at":"2026-11-30T10:00:00Z","message":{"role":"assistant","content":"","thinking":"The "},"done":false}
{"model":"qwen3:8b","message":{"role":"assistant","content":"","thinking":"file."},"done":false}
{"model":"qwen3:8b","message":{"role":"assistant","content":"I "},"done":false}
{"model":"qwen3:8b","message":{"role":"assistant","content":"look."},"done":false}
{"model":"qwen3:8b","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"read_file","arguments":{"path":"a","n":1.5}}},{"id":"call_x","function":{"name":"list_files","arguments":{}}}]},"done":false}
{"model":"qwen3:8b","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":26,"eval_count":290}
)");
  REQUIRE(decoded.reply.has_value());
  const Reply& reply = *decoded.reply;
  CHECK(decoded.done);
  CHECK(reply.model == "qwen3:8b");
  CHECK(reply.stop == StopReason::tool_calls);
  CHECK((reply.usage.input == 26 && reply.usage.output == 290));
  REQUIRE(reply.blocks.size() == 4);
  CHECK(std::get<Reasoning>(reply.blocks[0]).text == "The file.");
  CHECK(std::get<Text>(reply.blocks[1]).text == "I look.");
  CHECK(std::get<ToolCall>(reply.blocks[2]).arguments == R"({"path":"a","n":1.5})");
  CHECK(std::get<ToolCall>(reply.blocks[3]).name == "list_files");
  CHECK(decoded.heard.text == "I look.");
  CHECK(decoded.heard.reasoning == "The file.");
  CHECK(decoded.heard.complete.size() == 2);
}

TEST_CASE("ollama: arguments that are text are taken for what they say") {
  const Decoded decoded =
      decode_lines(R"({"message":{"tool_calls":[{"function":{"name":"t","arguments":"{\"a\":1}"}}]},"done":true})" "\n");
  REQUIRE(decoded.reply.has_value());
  CHECK(std::get<ToolCall>(decoded.reply->blocks.at(0)).arguments == R"({"a":1})");
}

TEST_CASE("ollama: an answer that was cut short by its length") {
  const Decoded decoded = decode_lines(R"({"message":{"content":"word"},"done":true,"done_reason":"length"})" "\n");
  REQUIRE(decoded.reply.has_value());
  CHECK(decoded.reply->stop == StopReason::max_tokens);
}

TEST_CASE("ollama: an answer that was not streamed") {
  const Decoded decoded = decode_lines(R"({"model":"m","message":{"role":"assistant","content":"Hello"},"done":true,"done_reason":"stop"})");
  REQUIRE(decoded.reply.has_value());
  CHECK(std::get<Text>(decoded.reply->blocks.at(0)).text == "Hello");
}

TEST_CASE("ollama: an answer that breaks off, or tells of an error, is none") {
  const Decoded cut = decode_lines(R"({"message":{"content":"word"},"done":false})" "\n");
  REQUIRE(cut.error.has_value());
  CHECK(cut.error->error == ModelErrorClass::network);
  const Decoded failed = decode_lines(R"({"message":{"content":"word"},"done":false}
{"error":"llama runner process has terminated: signal: killed"}
)");
  REQUIRE(failed.error.has_value());
  CHECK(failed.error->message.find("has terminated") != std::string::npos);
  CHECK(decode_lines("no json\n").error.has_value());
}

TEST_CASE("ollama: errors say what to do") {
  const ModelError missing = refused(404, R"({"error":"model 'llama9' not found"})");
  CHECK(missing.error == ModelErrorClass::not_found);
  CHECK(missing.message.find("`ollama pull`") != std::string::npos);
  CHECK(missing.message.find("llama9") != std::string::npos);
  CHECK(refused(404, "404 page not found").message.find("ollama pull") != std::string::npos);
  CHECK(refused(400, R"({"error":"registry.ollama.ai/library/gemma3:4b does not support tools"})").message.find("choose one that calls tools") !=
        std::string::npos);
  CHECK(refused(400, R"({"error":"\"llama3\" does not support thinking"})").message.find("leave the reasoning effort out") != std::string::npos);
}

#include "provider/bedrock.hpp"

#include <doctest/doctest.h>

#include <string>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("bedrock");
const auto plain = make_provider("bedrock-plain");

std::string head(const ModelParams& params, const Provider& of = *provider) {
  const std::string out = of.encode_head({}, params);
  return out.substr(0, out.find(R"(,"messages")"));
}

std::string encoded(const Provider& of, const Message& message) {
  std::string out;
  of.encode_message(message, true, out);
  CHECK(is_json(out));
  return out;
}

// As ConverseStream's page shows an answer with a thought, a text and a call.
std::string answer() {
  return aws_frame("messageStart", R"({"role":"assistant"})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"The "}}})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"file."}}})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}})") +
         aws_frame("contentBlockStop", R"({"contentBlockIndex":0})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":1,"delta":{"text":"I look."},"p":"abcd"})") +
         aws_frame("contentBlockStop", R"({"contentBlockIndex":1})") +
         aws_frame("contentBlockStart", R"({"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"read_file"}}})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"path\""}}})") +
         aws_frame("contentBlockDelta", R"({"contentBlockIndex":2,"delta":{"toolUse":{"input":":\"a\"}"}}})") +
         aws_frame("contentBlockStop", R"({"contentBlockIndex":2})") + aws_frame("messageStop", R"({"stopReason":"tool_use"})");
}

const std::string metadata = aws_frame(
    "metadata",
    R"({"usage":{"inputTokens":30,"outputTokens":7,"totalTokens":1237,"cacheReadInputTokens":1000,"cacheWriteInputTokens":200},"metrics":{"latencyMs":1275}})");

}  // namespace

TEST_CASE("bedrock: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{
      {Role::user, {Text{"What is in a.txt and b.png?"}, Image{"image/png", "aGk="}}, {}},
      {Role::assistant,
       {Reasoning{"hm", "c2ln", false}, Reasoning{"", "cmVk", true}, Text{"I look."}, ToolCall{"call00001", "read_file", R"({"path":"a.txt"})", {}},
        ToolCall{"call00002", "read file", R"({"path":"b.png"})", {}}},
       "bedrock"},
      {Role::user,
       {Text{"Go on."}, ToolResult{"call00001", true, "no such file", {}, "read_file"},
        ToolResult{"call00002", false, "", {Image{"image/png", "aGk="}}, "read file"}},
       {}},
  };
  const std::string body = encode(*provider, prompt, {"anthropic.claude-sonnet-4-5-20250929-v1:0", 8'192, 0.5}, messages);
  CHECK(is_json(body));
  CHECK(body ==
        R"({"inferenceConfig":{"maxTokens":8192,"temperature":0.5},)"
        R"("toolConfig":{"tools":[{"toolSpec":{"name":"read_file","description":"Reads a file.",)"
        R"("inputSchema":{"json":{"type":"object","properties":{"path":{"type":"string"}}}}}}]},)"
        R"("system":[{"text":"Be brief."},{"cachePoint":{"type":"default"}}],"messages":[)"
        R"({"role":"user","content":[{"text":"What is in a.txt and b.png?"},{"image":{"format":"png","source":{"bytes":"aGk="}}}]},)"
        R"({"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}},)"
        R"({"reasoningContent":{"redactedContent":"cmVk"}},{"text":"I look."},)"
        R"({"toolUse":{"toolUseId":"call00001","name":"read_file","input":{"path":"a.txt"}}},)"
        R"({"toolUse":{"toolUseId":"call00002","name":"read_file","input":{"path":"b.png"}}}]},)"
        R"({"role":"user","content":[{"toolResult":{"toolUseId":"call00001","content":[{"text":"no such file"}],"status":"error"}},)"
        R"({"toolResult":{"toolUseId":"call00002","content":[{"image":{"format":"png","source":{"bytes":"aGk="}}}]}},{"text":"Go on."}]}]})");
}

TEST_CASE("bedrock: the prompt is cached where the model can") {
  CHECK(bedrock_variant("us.anthropic.claude-opus-4-5-20251101-v1:0") == "bedrock");
  CHECK(bedrock_variant("eu.amazon.nova-pro-v1:0") == "bedrock");
  CHECK(bedrock_variant("meta.llama3-3-70b-instruct-v1:0") == "bedrock-plain");
  const Message said{Role::user, {Text{"Go."}}, ""};
  std::string last;
  provider->encode_last(said, false, 3, last);
  CHECK(last == R"(,{"role":"user","content":[{"text":"Go."},{"cachePoint":{"type":"default"}}]})");
  last.clear();
  plain->encode_last(said, false, 3, last);
  CHECK(last.empty());
  const Prompt prompt{"", {{"t", "", "{}"}}};
  CHECK(provider->encode_head(prompt, {"m", 9}).find(R"("inputSchema":{"json":{"type":"object","properties":{}}}}},{"cachePoint":{"type":"default"}}])") !=
        std::string::npos);
  CHECK(plain->encode_head({"Be brief.", prompt.tools}, {"m", 9}).find("cachePoint") == std::string::npos);
  // Nor do others take the state of a result.
  CHECK(encoded(*plain, {Role::user, {ToolResult{"c", true, "no", {}, "t"}}, ""}) ==
        R"({"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"no"}]}}]})");
}

TEST_CASE("bedrock: Claude is told how much to think") {
  const std::string_view old = "anthropic.claude-sonnet-4-5-20250929-v1:0";
  CHECK(head({std::string(old), 64'000, 0.5, "low"}) ==
        R"({"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":4096},"anthropic_beta":["interleaved-thinking-2025-05-14"]},)"
        R"("inferenceConfig":{"maxTokens":64000})");
  CHECK(head({std::string(old), 64'000}) == R"({"inferenceConfig":{"maxTokens":64000})");
  CHECK(head({"anthropic.claude-opus-4-6-v1", 64'000, -1, "high"}) ==
        R"({"additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}},"inferenceConfig":{"maxTokens":64000})");
  CHECK(head({"meta.llama3-3-70b-instruct-v1:0", 100, 0.5, "high"}, *plain) == R"({"inferenceConfig":{"maxTokens":100,"temperature":0.5})");
}

TEST_CASE("bedrock: messages of nothing say so, and what another model thought stays with it") {
  CHECK(encoded(*provider, {Role::user, {}, {}}) == R"_({"role":"user","content":[{"text":"(nothing)"}]})_");
  CHECK(encoded(*provider, {Role::assistant, {Reasoning{"hm", "sig", false}, Text{"Yes."}}, "anthropic"}) ==
        R"({"role":"assistant","content":[{"text":"Yes."}]})");
  CHECK(encoded(*provider, {Role::user, {ToolResult{"c", false, " ", {}, "t"}}, {}}) ==
        R"_({"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"(nothing)"}]}}]})_");
}

TEST_CASE("bedrock: where a model is, and who asks") {
  const Endpoint endpoint = provider->endpoint("https://bedrock-runtime.eu-central-1.amazonaws.com", "eu.anthropic.claude-opus-4-5-20251101-v1:0");
  CHECK(endpoint.url == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.anthropic.claude-opus-4-5-20251101-v1%3A0/converse-stream");
  CHECK(provider->endpoint("", "arn:aws:bedrock:us-east-1:1:inference-profile/a").url ==
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa/converse-stream");
  const Authentication pair = provider->authenticate("AKIAIOSFODNN7EXAMPLE:secret", endpoint);
  CHECK((pair.headers.empty() && pair.aws_region == "eu-central-1" && pair.aws_service == "bedrock"));
  for (const char* token : {"bedrock-api-key-abc", "short:secret", "abcdefghijklmnopqr:secret"}) {
    const Authentication bearer = provider->authenticate(token, endpoint);
    CHECK(bearer.aws_region.empty());
    CHECK(bearer.headers.at(0).value == std::string("Bearer ") + token);
  }
  CHECK(provider->authenticate("AKIAIOSFODNN7EXAMPLE:secret", {"http://127.0.0.1:1/model/m", {}}).aws_region == "us-east-1");
}

TEST_CASE("bedrock: an answer with a thought, a text and a call") {
  const Decoded decoded = decode("bedrock", answer() + metadata, {}, 7);
  REQUIRE(decoded.reply.has_value());
  const Reply& reply = *decoded.reply;
  CHECK(decoded.done);
  CHECK(reply.stop == StopReason::tool_calls);
  CHECK((reply.usage.input == 30 && reply.usage.output == 7 && reply.usage.cache_read == 1'000 && reply.usage.cache_write == 200));
  REQUIRE(reply.blocks.size() == 3);
  CHECK(reply.blocks[0] == Block(Reasoning{"The file.", "c2ln", false}));
  CHECK(std::get<Text>(reply.blocks[1]).text == "I look.");
  CHECK(std::get<ToolCall>(reply.blocks[2]).arguments == R"({"path":"a"})");
  CHECK(decoded.heard.complete.size() == 1);
}

TEST_CASE("bedrock: an answer without its usage is whole, one without its stop is not") {
  CHECK(decode("bedrock", answer(), {}, 11).reply.has_value());
  const std::string whole = answer();
  const Decoded cut = decode("bedrock", whole.substr(0, whole.size() - 50), {}, 11);
  REQUIRE(cut.error.has_value());
  CHECK(cut.error->error == ModelErrorClass::network);
  std::string damaged = whole;
  damaged[60] ^= 1;
  CHECK(decode("bedrock", damaged, {}, 11).error.has_value());
}

TEST_CASE("bedrock: why an answer ended") {
  const auto stop = [](std::string_view reason) {
    const std::string text = aws_frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"x"}})");
    const Decoded decoded = decode("bedrock", text + aws_frame("messageStop", R"({"stopReason":")" + std::string(reason) + R"("})") + metadata, {}, 13);
    REQUIRE(decoded.reply.has_value());
    return decoded.reply->stop;
  };
  CHECK(stop("end_turn") == StopReason::end_turn);
  CHECK(stop("max_tokens") == StopReason::max_tokens);
  CHECK(stop("model_context_window_exceeded") == StopReason::max_tokens);
  CHECK(stop("content_filtered") == StopReason::refusal);
  CHECK(stop("malformed_tool_use") == StopReason::other);
}

TEST_CASE("bedrock: what goes wrong in a stream") {
  const auto error = [](std::string_view type, std::string_view message) {
    const Decoded decoded = decode("bedrock", aws_frame("messageStart", R"({"role":"assistant"})") +
                                                  aws_frame(type, R"({"message":")" + std::string(message) + R"("})", ":exception-type"));
    REQUIRE(decoded.error.has_value());
    CHECK(decoded.error->message.find(message) != std::string::npos);
    return decoded.error->error;
  };
  CHECK(error("throttlingException", "Too many tokens, please wait before trying again") == ModelErrorClass::rate);
  CHECK(error("serviceUnavailableException", "Try again") == ModelErrorClass::overload);
  CHECK(error("internalServerException", "Sorry") == ModelErrorClass::server);
  CHECK(error("modelStreamErrorException", "It broke") == ModelErrorClass::server);
  CHECK(error("validationException", "The toolConfig is malformed") == ModelErrorClass::bad_request);
  CHECK(error("validationException", "Input is too long for requested model") == ModelErrorClass::too_long);
  CHECK(provider->classify(424, {}, R"({"message":"The model failed."})").error == ModelErrorClass::server);
  CHECK(provider->classify(403, {}, R"({"message":"The security token included in the request is invalid."})").error == ModelErrorClass::auth);
  CHECK(provider->classify(429, {}, R"({"message":"Too many requests."})").error == ModelErrorClass::rate);
}

TEST_CASE("bedrock: an answer that was not streamed") {
  const Decoded decoded = decode(
      "bedrock", R"({"output":{"message":{"role":"assistant","content":[{"text":"Hello"},{"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}}]}},)"
                 R"("stopReason":"tool_use","usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}})");
  REQUIRE(decoded.reply.has_value());
  CHECK(decoded.reply->blocks.size() == 2);
  CHECK(decoded.reply->usage.input == 3);
}

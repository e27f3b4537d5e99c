#include <doctest/doctest.h>

#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto provider = make_provider("gemini");

std::string encoded(const Message& message, std::string_view wire = "gemini") {
  std::string out;
  make_provider(wire)->encode_message(message, true, out);
  CHECK(is_json(out));
  return out;
}

Decoded decode_events(std::string_view payloads) { return decode("gemini", as_events(payloads)); }

std::string config(std::string_view model, std::string_view effort) {
  const std::string head = provider->encode_head({}, {std::string(model), 9, -1, std::string(effort)});
  return head.substr(0, head.find(R"(,"contents")"));
}

}  // namespace

TEST_CASE("gemini: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{
      {Role::user, {Text{"What is in a.txt and b.png?"}, Image{"image/png", "aGk="}}, {}},
      {Role::assistant,
       {Reasoning{"hm", "c2ln", false}, Text{"I look."}, ToolCall{"call00001", "read_file", R"({"path":"a.txt"})", {}, "c2lnMg=="},
        ToolCall{"call00002", "read file", R"({"path":"b.png"})", {}}},
       "gemini"},
      {Role::user,
       {ToolResult{"call00001", true, "no such file", {}, "read_file"},
        ToolResult{"call00002", false, "an image", {Image{"image/png", "aGk="}}, "read file"}, Text{"Go on."}},
       {}},
  };
  const std::string body = encode(*provider, prompt, {"gemini-3.1-pro-preview", 1024, 0.5, "high"}, messages);
  CHECK(is_json(body));
  CHECK(body ==
        R"({"systemInstruction":{"parts":[{"text":"Be brief."}]},)"
        R"("tools":[{"functionDeclarations":[{"name":"read_file","description":"Reads a file.",)"
        R"("parametersJsonSchema":{"type":"object","properties":{"path":{"type":"string"}}}}]}],)"
        R"("generationConfig":{"maxOutputTokens":1024,"temperature":0.5,)"
        R"("thinkingConfig":{"includeThoughts":true,"thinkingLevel":"HIGH"}},"contents":[)"
        R"({"role":"user","parts":[{"text":"What is in a.txt and b.png?"},{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},)"
        R"({"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},{"text":"I look."},)"
        R"({"functionCall":{"id":"call00001","name":"read_file","args":{"path":"a.txt"}},"thoughtSignature":"c2lnMg=="},)"
        R"({"functionCall":{"id":"call00002","name":"read_file","args":{"path":"b.png"}}}]},)"
        R"({"role":"user","parts":[{"functionResponse":{"id":"call00001","name":"read_file","response":{"error":"no such file"}}},)"
        R"({"functionResponse":{"id":"call00002","name":"read_file","response":{"output":"an image"}}},)"
        R"({"inlineData":{"mimeType":"image/png","data":"aGk="}},{"text":"Go on."}]}]})");
  CHECK(encode(*provider, {}, {"gemini-2.0-flash", 0}, {{Role::user, {Text{"Hi"}}, {}}}) ==
        R"({"generationConfig":{"maxOutputTokens":1},"contents":[{"role":"user","parts":[{"text":"Hi"}]}]})");
}

TEST_CASE("gemini: how much to think is a level, and before Gemini 3 a number of tokens") {
  CHECK(config("gemini-3.1-pro-preview", "") == R"({"generationConfig":{"maxOutputTokens":9,"thinkingConfig":{"includeThoughts":true}})");
  CHECK(config("gemini-3.1-pro-preview", "none") ==
        R"({"generationConfig":{"maxOutputTokens":9,"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"LOW"}})");
  CHECK(config("gemini-3-flash-preview", "none").ends_with(R"("thinkingLevel":"MINIMAL"}})"));
  CHECK(config("gemini-3.8-flash", "max").ends_with(R"("thinkingLevel":"HIGH"}})"));
  CHECK(config("gemini-2.5-pro", "none").ends_with(R"("includeThoughts":true,"thinkingBudget":1024}})"));
  CHECK(config("gemini-2.5-flash-lite", "none") == R"({"generationConfig":{"maxOutputTokens":9,"thinkingConfig":{"thinkingBudget":0}})");
  CHECK(config("models/gemini-2.5-flash", "medium").ends_with(R"("thinkingBudget":8192}})"));
  CHECK(config("gemini-2.5-flash", "xhigh").ends_with(R"("thinkingBudget":24576}})"));
  CHECK(config("gemma-3-27b-it", "high") == R"({"generationConfig":{"maxOutputTokens":9})");
}

TEST_CASE("gemini: signatures and parts go back to who gave them, where they came; a first call of others says it has none") {
  const Message own{Role::assistant,
                    {ProviderPart{R"({"executableCode":{"code":"1"}})"}, Text{"It is."}, Text{"", "ZW5k"}, ToolCall{"c1", "f", "{}", {}, "c2ln"},
                     ToolCall{"c2", "f", "{}", {}}},
                    "gemini"};
  CHECK(encoded(own) ==
        R"({"role":"model","parts":[{"executableCode":{"code":"1"}},{"text":"It is."},{"text":"","thoughtSignature":"ZW5k"},)"
        R"({"functionCall":{"id":"c1","name":"f","args":{}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"c2","name":"f","args":{}}}]})");
  const std::string foreign =
      R"({"role":"model","parts":[{"text":"It is."},)"
      R"({"functionCall":{"id":"c1","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},)"
      R"({"functionCall":{"id":"c2","name":"f","args":{}}}]})";
  CHECK(encoded(own, "vertex") == foreign);
  Message other = own;
  other.provider = "anthropic";
  CHECK(encoded(other) == foreign);
}

TEST_CASE("gemini: what is empty is not sent, and names are made acceptable") {
  const std::string nothing_said = R"-({"role":"model","parts":[{"text":"(nothing)"}]})-";
  CHECK(encoded({Role::assistant, {}, "gemini"}) == nothing_said);
  CHECK(encoded({Role::assistant, {Text{" "}, Reasoning{"hm", "", false}}, "gemini"}) == nothing_said);
  CHECK(encoded({Role::assistant, {Reasoning{"hm", "c2ln", false}}, "anthropic"}) == nothing_said);
  CHECK(encoded({Role::assistant, {Reasoning{"hm", "c2ln", false}}, "gemini"}) ==
        R"-({"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},{"text":"(nothing)"}]})-");
  CHECK(encoded({Role::user, {Text{""}}, {}}) == R"-({"role":"user","parts":[{"text":"(nothing)"}]})-");
  CHECK(encoded({Role::assistant, {ToolCall{"c", "7 up", "", {}}}, "gemini"}) ==
        R"({"role":"model","parts":[{"functionCall":{"id":"c","name":"_7_up","args":{}}}]})");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "", {}, "7 up"}}, {}}) ==
        R"({"role":"user","parts":[{"functionResponse":{"id":"c","name":"_7_up","response":{"output":""}}}]})");
  CHECK(encoded({Role::user, {ToolResult{"c", false, "x", {}}}, {}}) ==
        R"({"role":"user","parts":[{"functionResponse":{"id":"c","name":"unnamed","response":{"output":"x"}}}]})");
  CHECK(encoded({Role::assistant, {ToolCall{"c", std::string(70, '1'), "", {}}}, "gemini"}).find("_" + std::string(63, '1') + "\"") !=
        std::string::npos);
}

TEST_CASE("gemini: where requests go, and with what key") {
  CHECK(provider->endpoint("", "gemini-3.1-pro-preview").url ==
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse");
  CHECK(provider->endpoint("http://127.0.0.1:1/v1/", "models/a b?").url ==
        "http://127.0.0.1:1/v1/models/a%20b%3F:streamGenerateContent?alt=sse");
  CHECK(provider->authenticate("k", {}).headers.at(0).name == "x-goog-api-key");
  CHECK(provider->authenticate("k", {}).headers.at(0).value == "k");
  const auto vertex = make_provider("vertex");
  CHECK(vertex->endpoint("https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4", "m").url ==
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/"
        "m:streamGenerateContent?alt=sse");
  CHECK(vertex->authenticate("k", {}).headers.at(0).value == "Bearer k");
  CHECK(vertex->endpoint("https://global-aiplatform.googleapis.com/v1/projects/p/locations/global", "m").url ==
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/m:streamGenerateContent?alt=sse");
  CHECK(vertex->endpoint("https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu", "m").url ==
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google/models/m:streamGenerateContent?alt=sse");
}

TEST_CASE("gemini: thoughts, text, calls and usage") {
  const Decoded decoded = decode_events(R"(
{"candidates":[{"content":{"parts":[{"text":"Let me ","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":30},"modelVersion":"gemini-x"}
{"candidates":[{"content":{"parts":[{"text":"see.","thought":true},{"text":"I lo\u00f6k"}],"role":"model"}}],"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":2}}
{"candidates":[{"content":{"parts":[{"text":" 😀."}],"role":"model"}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"id":"x1","name":"f","args":{"a": 1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"g"}},{"functionCall":{"name":"h","args":{}}}],"role":"model"}}]}
{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"ZW5k"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":30,"cachedContentTokenCount":20,"toolUsePromptTokenCount":3,"candidatesTokenCount":7,"thoughtsTokenCount":5,"totalTokenCount":45}}
)");
  REQUIRE(decoded.reply);
  Reply wanted;
  wanted.blocks = {Reasoning{"Let me see.", "", false}, Text{"I loök 😀."}, ToolCall{"x1", "f", R"({"a":1})", {}, "c2ln"},
                   ToolCall{"", "g", "{}", {}}, ToolCall{"", "h", "{}", {}}, Text{"", "ZW5k"}};
  wanted.stop = StopReason::tool_calls;
  wanted.usage = {13, 12, 20, 0, 5};
  wanted.model = "gemini-x";
  CHECK(*decoded.reply == wanted);
  CHECK(decoded.heard.text == "I loök 😀.");
  CHECK(decoded.heard.reasoning == "Let me see.");
  CHECK(decoded.heard.complete.size() == 3);
}

TEST_CASE("gemini: a text that is signed stays apart from those that are not") {
  const Decoded decoded = decode_events(R"(
{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b","thoughtSignature":"c2ln"},{"text":"c"},{"text":"d"}]},"finishReason":"MAX_TOKENS"}]}
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{Text{"a"}, Text{"b", "c2ln"}, Text{"cd"}});
  CHECK(decoded.reply->stop == StopReason::max_tokens);
}

TEST_CASE("gemini: arguments that come in pieces") {
  const Decoded decoded = decode_events(R"(
{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"c2ln"}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.items[0].name","stringValue":"a\"","willContinue":true}],"willContinue":true}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.items[0].name","stringValue":"b"},{"jsonPath":"$.items[0].size","numberValue":2.5}],"willContinue":true}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.items[1]","nullValue":"NULL_VALUE"},{"jsonPath":"$['x.y']","boolValue":true}],"willContinue":true}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}
{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","willContinue":true}}]},"finishReason":"STOP"}]}
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{ToolCall{"", "f", R"({"items":[{"name":"a\"b","size":2.5},null],"x.y":true})", {}, "c2ln"}, ToolCall{"", "g", "{}", {}}});
  CHECK(decoded.heard.complete.size() == 2);
  for (const char* path : {"", "a", "$a", "$[0", "$.a[", "$..."}) {
    CAPTURE(path);
    const Decoded broken = decode_events(R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":")" +
                                         std::string(path) + R"(","stringValue":"x"}]}}]},"finishReason":"STOP"}]})");
    CHECK((broken.reply ? is_json(std::get<ToolCall>(broken.reply->blocks.at(0)).arguments) : broken.error->error == ModelErrorClass::malformed));
  }
  std::string deep = "$";
  for (int i = 0; i < 100; ++i) deep += ".a";
  CHECK(decode_events(R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":")" + deep +
                      R"(","stringValue":"x"}]}}]},"finishReason":"STOP"}]})")
            .error->error == ModelErrorClass::malformed);
}

TEST_CASE("gemini: what the vendor's servers did is kept, what the answer rests on is cited once") {
  const Decoded decoded = decode_events(R"(
{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON", "code":"print 1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}},{"text":"One."}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}]}}]}
{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"retrievedContext":{"uri":"gs://b","text":"said"}},{"image":{}},7]}}]}
)");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks ==
        std::vector<Block>{ProviderPart{R"({"executableCode":{"language":"PYTHON","code":"print 1"}})"},
                           ProviderPart{R"({"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}})"},
                           Text{"One.", "", {{"https://a", "A", ""}, {"gs://b", "", "said"}}}});
  CHECK(decode_events(R"({"candidates":[{"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}]}}]})").reply->blocks.empty());
}

TEST_CASE("gemini: refusals, and answers that are none") {
  const auto stop = [](std::string_view payload) { return decode_events(payload).reply.value().stop; };
  CHECK(stop(R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3}})") == StopReason::refusal);
  CHECK(stop(R"({"candidates":[{"finishReason":"SAFETY"}]})") == StopReason::refusal);
  CHECK(stop(R"({"candidates":[{"finishReason":"RECITATION"}]})") == StopReason::refusal);
  CHECK(stop(R"({"candidates":[{"finishReason":"OTHER"}]})") == StopReason::other);
  const Decoded malformed = decode_events(R"({"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"call:f{"}]})");
  REQUIRE(malformed.error);
  CHECK(*malformed.error == ModelError{ModelErrorClass::malformed, "the answer ends with MALFORMED_FUNCTION_CALL: call:f{", 0, -1});
  const Decoded busy = decode_events(R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})");
  REQUIRE(busy.error);
  CHECK(busy.error->error == ModelErrorClass::overload);
  const Decoded cut = decode_events(R"({"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]})");
  REQUIRE(cut.error);
  CHECK(cut.error->error == ModelErrorClass::network);
}

TEST_CASE("gemini: an answer that was not streamed") {
  const Decoded decoded = decode("gemini", R"({"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"modelVersion":"m"})");
  REQUIRE(decoded.reply);
  CHECK(decoded.reply->blocks == std::vector<Block>{Text{"Hi"}});
  CHECK(decode("gemini", R"({"object":"list"})").error->error == ModelErrorClass::malformed);
}

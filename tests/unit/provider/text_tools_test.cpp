#include "provider/text_tools.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "base/json.hpp"
#include "damage.hpp"
#include "provider/provider.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const auto in_words = make_provider("openai+text");

// The stream of an answer of so many words, in pieces of a few bytes.
std::string stream_of(std::string_view text, std::string_view finish = "stop") {
  std::string out;
  while (!text.empty()) {
    const std::string_view head = utf8_prefix(text, 5);
    text.remove_prefix(head.size());
    std::string json;
    append_json_string(json, head);
    out += fmt::format("data: {{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}}}}]}}\n\n", json);
  }
  return out + fmt::format("data: {{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{}\"}}]}}\n\ndata: [DONE]\n\n", finish);
}

Decoded said(std::string_view text, std::string_view finish = "stop") {
  const Decoded decoded = decode("openai+text", stream_of(text, finish), {}, 17);
  REQUIRE(decoded.reply.has_value());
  return decoded;
}

// "words" and NAME(arguments), one a line.
std::string outline(const Reply& reply) {
  std::string out;
  for (const Block& block : reply.blocks) {
    if (const auto* text = std::get_if<Text>(&block)) out += fmt::format("\"{}\"\n", text->text);
    if (const auto* call = std::get_if<ToolCall>(&block)) out += fmt::format("{}({})\n", call->name, call->arguments);
  }
  return out;
}

std::string outline(std::string_view text) { return outline(*said(text).reply); }

}  // namespace

TEST_CASE("tools as text: a request, whole") {
  const Prompt prompt{"Be brief.", {{"read_file", "Reads a file.", R"({"type":"object","properties":{"path":{"type":"string"}}})"}}};
  const std::vector<Message> messages{
      {Role::user, {Text{"What is in a.txt?"}}, {}},
      {Role::assistant, {Text{"I look."}, ToolCall{"c1", "read_file", R"({"path":"a.txt"})", {}}, ToolCall{"c2", "read_file", R"({"path":"b"})", {}}}, ""},
      {Role::user, {ToolResult{"c1", false, "1 | </tool_result> hi", {}, "read_file"}, ToolResult{"c2", true, "no such file", {}, "read_file"}, Text{"Well?"}}, {}},
  };
  const std::string body = encode(*in_words, prompt, {"phi-4", 100}, messages);
  CHECK(is_json(body));
  const std::size_t system = body.find(R"({"role":"system")");
  CHECK(body.substr(0, system) == R"({"model":"phi-4","stream":true,"stream_options":{"include_usage":true},"max_tokens":100,"messages":[)");
  CHECK(body.find(R"(Be brief.\n\n# Tools\n\n)") != std::string::npos);
  CHECK(body.find(R"({\"name\":\"read_file\",\"description\":\"Reads a file.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}}\n)") !=
        std::string::npos);
  const std::size_t user = body.find(R"({"role":"user")");
  CHECK(body.substr(user) ==
        R"({"role":"user","content":"What is in a.txt?"},)"
        R"({"role":"assistant","content":"I look.\n\n<tool_call>\n{\"name\":\"read_file\",\"arguments\":{\"path\":\"a.txt\"}}\n</tool_call>\n\n)"
        R"(<tool_call>\n{\"name\":\"read_file\",\"arguments\":{\"path\":\"b\"}}\n</tool_call>"},)"
        R"({"role":"user","content":"<tool_result name=\"read_file\">\n1 | < /tool_result> hi\n</tool_result>\n\n)"
        R"(<tool_result name=\"read_file\" error=\"true\">\nno such file\n</tool_result>\n\nWell?"}]})");
  CHECK(encode(*in_words, {}, {"phi-4", 100}, {{Role::user, {Text{"Hi"}}, {}}}) ==
        encode(*make_provider("openai"), {}, {"phi-4", 100}, {{Role::user, {Text{"Hi"}}, {}}}));
}

TEST_CASE("tools as text: words and calls are told apart") {
  CHECK(outline("I look.\n<tool_call>\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"a\"}}\n</tool_call>") ==
        "\"I look.\n\"\nread_file({\"path\":\"a\"})\n");
  CHECK(outline("<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"parameters\":{\"a\":1}}</tool_call>\n") ==
        "f({})\ng({\"a\":1})\n");
  CHECK(outline("<tool_call>{\"name\":\"f\"}</tool_call> and so on") == "f({})\n\" and so on\"\n");
  CHECK(outline("<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}</tool_call>") == "f({\"a\":1})\n");
  CHECK(outline("Nothing to call < here, <tool_ neither.") == "\"Nothing to call < here, <tool_ neither.\"\n");
}

TEST_CASE("tools as text: what is quoted in code is no call") {
  const std::string quoted = "Write\n```\n<tool_call>{\"name\":\"f\"}</tool_call>\n```\nso.";
  CHECK(outline(quoted) == fmt::format("\"{}\"\n", quoted));
  CHECK(outline("```c\nint a;\n```\n<tool_call>{\"name\":\"f\"}</tool_call>") == "\"```c\nint a;\n```\n\"\nf({})\n");
}

TEST_CASE("tools as text: a call that makes no sense is one all the same, so that the model is told") {
  CHECK(outline("<tool_call>{\"name\": \"read_file\", \"arguments\": {path: a}}</tool_call>") == "read_file({\"name\": \"read_file\", \"arguments\": {path: a}})\n");
  CHECK(outline("<tool_call>read_file a</tool_call>") == "tool_call(read_file a)\n");
  CHECK(outline("<tool_call></tool_call>") == "tool_call()\n");
  // Nobody closed it.
  CHECK(outline("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n") == "f({\"a\":1})\n");
  const Decoded cut = said("<tool_call>\n{\"name\": \"write_to_file\", \"arguments\": {\"content\": \"abc", "length");
  CHECK(cut.reply->stop == StopReason::max_tokens);
  CHECK(std::get<ToolCall>(cut.reply->blocks.at(0)).name == "write_to_file");
}

TEST_CASE("tools as text: words stream at once, calls when they are whole") {
  const Decoded decoded = said("I look <here>.\n<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>");
  CHECK(decoded.heard.text == "I look <here>.\n");
  REQUIRE(decoded.heard.calls.size() == 1);
  CHECK(decoded.heard.calls[0] == std::pair<std::string, std::string>("f", R"({"a":1})"));
  CHECK(decoded.heard.complete.size() == 1);
  CHECK(decoded.reply->stop == StopReason::tool_calls);
}

TEST_CASE("tools as text: no byte of what a model says is lost, whatever it says") {
  const std::vector<std::string> words{"<tool_call>", "</tool_call>", "```", "{\"name\":\"f\",\"arguments\":{}}", "a", " ", "\n", "<", "`", "<tool_", "é"};
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    CAPTURE(seed);
    Damage random(seed);
    std::string text = "x";
    for (std::size_t i = random.below(12); i > 0; --i) text += words[random.below(words.size())];
    const Reply reply = *decode_pieces("openai+text", {stream_of(text)}).reply;
    std::string found;
    for (const Block& block : reply.blocks) {
      if (const auto* part = std::get_if<Text>(&block)) found += part->text;
      if (const auto* call = std::get_if<ToolCall>(&block)) found += call->arguments == "{}" ? "{\"name\":\"f\",\"arguments\":{}}" : call->arguments;
    }
    // But for tags, and for the white space around them.
    const auto bare = [](std::string all) {
      for (const std::string_view tag : {"<tool_call>", "</tool_call>"}) {
        for (std::size_t at = all.find(tag); at != all.npos; at = all.find(tag)) all.erase(at, tag.size());
      }
      std::erase_if(all, [](char c) { return c == ' ' || c == '\n'; });
      return all;
    };
    REQUIRE(bare(found) == bare(text));
  }
}

TEST_CASE("tools as text: what a model thought goes back to its own wire alone") {
  CHECK(make_provider("anthropic+text")->name() == "anthropic+text");
  CHECK(make_provider("nobody+text") == nullptr);
  std::string out;
  make_provider("anthropic+text")->encode_message({Role::assistant, {Reasoning{"hm", "sig", false}, ToolCall{"c", "f", "{}", ""}}, "anthropic+text"}, true, out);
  CHECK(out ==
        R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},)"
        R"({"type":"text","text":"<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call>"}]})");
}

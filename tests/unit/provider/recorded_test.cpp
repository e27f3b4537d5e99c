// Real answers of vendors, where they are at hand.
#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

namespace fs = std::filesystem;

fs::path folder() {
  const char* given = std::getenv("JOEY_PROVIDER_STREAMS");
  return given ? given : JOEY_PROVIDER_STREAMS_DEFAULT;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "anthropic", "gemini", "openai", "responses", or nothing when the payloads are of another wire.
std::string_view wire_of(std::string_view payloads) {
  if (payloads.starts_with(R"({"type":"message_start")")) return "anthropic";
  if (payloads.starts_with(R"({"candidates":[)")) return "gemini";
  if (payloads.substr(0, payloads.find('\n')).find(R"("object":"response")") != payloads.npos) return "responses";
  return payloads.substr(0, payloads.find('\n')).find(R"("choices":[{)") != payloads.npos && payloads.find(R"("delta":{)") != payloads.npos ? "openai" : "";
}

std::string text_of(const Reply& reply) {
  std::string text;
  for (const Block& block : reply.blocks) {
    if (const auto* said = std::get_if<Text>(&block)) text += said->text;
  }
  return text;
}

std::size_t calls_of(const Reply& reply) {
  return static_cast<std::size_t>(std::count_if(reply.blocks.begin(), reply.blocks.end(), [](const Block& block) {
    return std::holds_alternative<ToolCall>(block);
  }));
}

}  // namespace

TEST_CASE("recorded streams decode whole, the same at every cut") {
  if (!fs::exists(folder())) return;
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".chunks.txt")) continue;
    const std::string payloads = read(entry.path());
    const std::string_view wire = wire_of(payloads);
    if (wire.empty() || name == "parallel-tool-call-wrapper.1.chunks.txt") continue;  // two of its events lack a brace
    CAPTURE(name);
    ++count;
    const std::string bytes = as_events(payloads);
    const Decoded decoded = decode(wire, bytes, {}, bytes.size() / 60 + 1);
    if (name == "openai-error.1.chunks.txt") {
      REQUIRE(decoded.error);
      CHECK(decoded.error->error == ModelErrorClass::quota);
      continue;
    }
    REQUIRE_MESSAGE(decoded.reply, decoded.error->message);
    CHECK(decoded.heard.text == text_of(*decoded.reply));
    CHECK(decoded.heard.complete.size() == calls_of(*decoded.reply));
    CHECK_FALSE(decoded.reply->model.empty());
    CHECK((decoded.reply->usage.output > 0 || wire == "responses"));  // some of those were written by hand
    CHECK(decoded.reply->usage.reasoning <= decoded.reply->usage.output);
    for (const Block& block : decoded.reply->blocks) {
      if (const auto* call = std::get_if<ToolCall>(&block)) CHECK(is_json(call->arguments));
      if (const auto* part = std::get_if<ProviderPart>(&block)) CHECK(is_json(part->json));
    }
  }
  MESSAGE(count << " recorded streams");
}

TEST_CASE("recorded answers that were not streamed decode too") {
  if (!fs::exists(folder())) return;
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    if (entry.path().extension() != ".json") continue;
    const std::string body = read(entry.path());
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(body).get(root) != simdjson::SUCCESS) continue;
    std::string_view kind;
    const bool is_message = root["type"].get(kind) == simdjson::SUCCESS && kind == "message";
    const bool is_completion = root["object"].get(kind) == simdjson::SUCCESS && kind == "chat.completion";
    const bool is_response = root["object"].get(kind) == simdjson::SUCCESS && kind == "response";
    const bool is_gemini = root["candidates"].error() == simdjson::SUCCESS;
    if (!is_message && !is_completion && !is_response && !is_gemini) continue;
    CAPTURE(entry.path().string());
    ++count;
    const Decoded decoded = decode_pieces(is_message ? "anthropic" : is_response ? "responses" : is_gemini ? "gemini" : "openai", {body});
    REQUIRE_MESSAGE(decoded.reply, decoded.error->message);
    CHECK((decoded.reply->usage.output > 0 || is_response));
  }
  MESSAGE(count << " recorded answers");
}

TEST_CASE("recorded: what the vendor's servers did goes back, what they cite is kept") {
  if (!fs::exists(folder())) return;
  struct Row {
    const char* wire;
    const char* file;
    const char* blocks;  // a letter each: text, reasoning, call, part
    std::size_t citations;
  };
  for (const Row& row : {
           Row{"responses", "openai/github-copilot-id-rotation.1", "rt", 0},
           Row{"responses", "openai/openai-code-interpreter-tool.1", "pppt", 1},
           Row{"responses", "openai/openai-file-search-tool.1", "pt", 2},
           Row{"responses", "openai/openai-mcp-tool.1", "pppt", 0},
           Row{"responses", "openai/openai-local-shell-tool.1", "", 0},
           Row{"azure", "azure/azure-tool-call.1", "c", 0},
           Row{"xai", "xai/xai-web-search-tool.1", "pt", 5},
           Row{"gemini", "google/google-reasoning", "tt", 0},
           Row{"gemini", "google/google-tool-call-gemini3", "c", 0},
           Row{"gemini", "google/google-stream-tool-call-arguments", "cc", 0},
           Row{"vertex", "google/google-vertex-stream-tool-call-arguments-nested.1", "c", 0},
           Row{"openai", "perplexity/perplexity-text", "t", 5},
           Row{"anthropic", "anthropic/anthropic-web-search-tool.1", "ppttttttttttttttttttt", 14},
           Row{"anthropic", "anthropic/anthropic-web-fetch-tool.1", "tppt", 0},
           Row{"anthropic", "anthropic/anthropic-code-execution-20260120-prompt-cache.1", "ppppt", 0},
           Row{"anthropic", "anthropic/anthropic-advisor-stop-reasons", "pppp", 0},
           Row{"anthropic", "anthropic/anthropic-fallback", "pt", 0},
           Row{"anthropic", "anthropic/anthropic-tool-search-deferred-regex", "tc", 0},
           Row{"anthropic", "anthropic/anthropic-programmatic-tool-calling.1", "tc", 0},
           Row{"anthropic", "anthropic/anthropic-refusal", "", 0},
       }) {
    CAPTURE(row.file);
    const Decoded decoded = decode_pieces(row.wire, {as_events(read(folder() / (std::string(row.file) + ".chunks.txt")))});
    REQUIRE(decoded.reply);
    std::string blocks;
    std::size_t citations = 0;
    for (const Block& block : decoded.reply->blocks) {
      blocks += "tircup"[block.index()];
      if (const auto* text = std::get_if<Text>(&block)) citations += text->citations.size();
    }
    CHECK(blocks == row.blocks);
    CHECK(citations == row.citations);
  }
}

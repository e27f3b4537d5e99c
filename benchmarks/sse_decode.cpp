// What does it cost to decode a streamed answer, beside parsing the JSON in it?
#include <fmt/format.h>
#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider/provider.hpp"
#include "support.hpp"

namespace {

constexpr int deltas = 50'000;
constexpr std::size_t piece_bytes = 8 * 1024;  // as the transport hands them over
constexpr int rounds = 15;

struct CountingSink final : joey::StreamSink {
  void on_text(std::string_view fragment) override { bytes += fragment.size(); }
  void on_reasoning(std::string_view fragment) override { bytes += fragment.size(); }
  void on_tool_arguments(std::size_t, std::string_view, std::string_view fragment) override { bytes += fragment.size(); }
  std::size_t bytes{0};
};

struct Stream {
  std::string bytes;
  std::vector<simdjson::padded_string> payloads;

  void add(std::string_view name, const std::string& json) {
    if (!name.empty()) bytes += fmt::format("event: {}\n", name);
    bytes += fmt::format("data: {}\n\n", json);
    payloads.emplace_back(json);
  }
};

std::string word(int i) { return fmt::format(" word{} of\\n {}", i % 97, i % 7); }

Stream anthropic_stream() {
  Stream s;
  s.add("message_start",
        R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],)"
        R"("stop_reason":null,"usage":{"input_tokens":10,"output_tokens":1}}})");
  s.add("content_block_start", R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})");
  for (int i = 0; i < deltas; ++i) {
    s.add("content_block_delta",
          fmt::format(R"({{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{}"}}}})", word(i)));
  }
  s.add("content_block_stop", R"({"type":"content_block_stop","index":0})");
  s.add("message_delta",
        R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}})");
  s.add("message_stop", R"({"type":"message_stop"})");
  return s;
}

Stream openai_stream() {
  Stream s;
  const auto chunk = [](const std::string& delta, const char* finish) {
    return fmt::format(R"({{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",)"
                       R"("system_fingerprint":"fp_1","choices":[{{"index":0,"delta":{},"logprobs":null,)"
                       R"("finish_reason":{}}}]}})",
                       delta, finish);
  };
  s.add("", chunk(R"({"role":"assistant","content":""})", "null"));
  for (int i = 0; i < deltas; ++i) s.add("", chunk(fmt::format(R"({{"content":"{}"}})", word(i)), "null"));
  s.add("", chunk("{}", "\"stop\""));
  s.bytes += "data: [DONE]\n\n";
  return s;
}

Stream responses_stream() {
  Stream s;
  s.add("response.created", R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"m","status":"in_progress","output":[]}})");
  for (int i = 0; i < deltas; ++i) {
    s.add("response.output_text.delta",
          fmt::format(R"({{"type":"response.output_text.delta","sequence_number":{},"item_id":"msg_1","output_index":0,)"
                      R"("content_index":0,"delta":"{}","logprobs":[]}})",
                      i + 1, word(i)));
  }
  s.add("response.completed", R"({"type":"response.completed","response":{"id":"resp_1","model":"m","status":"completed","output":[]}})");
  return s;
}

double decode_ns(const joey::Provider& provider, const Stream& stream) {
  CountingSink sink;
  const bench::Nanoseconds began = bench::process_cpu_now();
  const auto decoder = provider.make_decoder({});
  for (std::string_view rest = stream.bytes; !rest.empty(); rest.remove_prefix(std::min(piece_bytes, rest.size()))) {
    if (!decoder->feed(rest.substr(0, piece_bytes), sink)) std::exit(1);
  }
  const auto reply = decoder->finish();
  const bench::Nanoseconds took = bench::process_cpu_now() - began;
  if (!reply || sink.bytes == 0) std::exit(1);
  return static_cast<double>(took) / deltas;
}

double simdjson_ns(const Stream& stream) {
  simdjson::dom::parser parser;
  std::size_t members = 0;
  const bench::Nanoseconds began = bench::process_cpu_now();
  for (const simdjson::padded_string& payload : stream.payloads) {
    simdjson::dom::object object;
    if (parser.parse(payload).get(object) != simdjson::SUCCESS) std::exit(1);
    members += object.size();
  }
  const bench::Nanoseconds took = bench::process_cpu_now() - began;
  if (members == 0) std::exit(1);
  return static_cast<double>(took) / deltas;
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  const std::pair<const char*, Stream> streams[] = {
      {"anthropic", anthropic_stream()}, {"openai", openai_stream()}, {"responses", responses_stream()}};
  for (const auto& [wire, stream] : streams) {
    const auto provider = joey::make_provider(wire);
    std::vector<double> decoding;
    std::vector<double> parsing;
    for (int round = 0; round < rounds; ++round) {
      decoding.push_back(decode_ns(*provider, stream));
      parsing.push_back(simdjson_ns(stream));
    }
    const double one = bench::median(decoding);
    const double alone = bench::median(parsing);
    const double delta_bytes = static_cast<double>(stream.bytes.size()) / deltas;
    const std::string name = std::string("sse_decode.") + wire;
    report.line(name, one, "ns", fmt::format("a delta of {:.0f} bytes, of {}", delta_bytes, deltas));
    report.line(name + ".rate", delta_bytes / one * 1e3, "MB/s");
    report.line(name + ".over_simdjson", one / alone, "ratio", fmt::format("simdjson alone: {:.0f} ns", alone));
  }
  return 0;
}

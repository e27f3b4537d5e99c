// Does request n begin with the bytes of request n-1, and does building it cost the same however long the conversation?
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "provider/provider.hpp"
#include "runtime/request_rope.hpp"
#include "support.hpp"

namespace {

long long number_after(const std::string& line, const char* key) {
  const std::size_t at = line.find(key);
  return at == std::string::npos ? -1 : std::atoll(line.c_str() + at + std::char_traits<char>::length(key));
}

// Of all bytes that could have been the same as in the request before, the share that was.
void report_prefix(const bench::Report& report, int turns) {
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  bench::write_notes(workspace, turns);
  bench::ScriptedModel model(scratch, bench::reading_script(turns), false, true);
  bench::Process({bench::program_path("joey"), "run", "Read the notes.", "--workspace", workspace, "--db",
                  scratch.path("journal.db"), "--durability", "process", "--provider", "anthropic", "--model", "scripted-1",
                  "--base-url", model.url(), "--auto-approve", "read"})
      .wait();
  long long previous = 0;
  long long possible = 0;
  long long shared = 0;
  for (const std::string& line : model.log_lines()) {
    if (previous > 0) {
      possible += previous;
      shared += std::max(0LL, number_after(line, "\"prefix_shared\":"));
    }
    previous = number_after(line, "\"bytes\":");
  }
  char detail[120];
  std::snprintf(detail, sizeof detail, "of request n-1 found again at the start of request n, %d turns, the last of %lld bytes",
                turns, previous);
  report.line("request_growth.prefix_shared", 100.0 * static_cast<double>(shared) / static_cast<double>(possible), "%", detail);
}

joey::Message answer_of(int turn) {
  const std::string id = "call" + std::to_string(10'000 + turn);
  return {joey::Role::assistant, {joey::ToolCall{id, "read_file", R"({"path":"notes/1.txt"})", ""}}, "anthropic"};
}

joey::Message result_of(int turn) {
  const std::string id = "call" + std::to_string(10'000 + turn);
  return {joey::Role::user, {joey::ToolResult{id, false, "1 | Bread, butter, cheese.\n2 | Call back before noon.", {}}}, ""};
}

// What clients give that make each request anew from the conversation and from what is around it: the time in the system
// prompt, or at the end of the last message alone.
void report_naive(const bench::Report& report, int turns) {
  const auto provider = joey::make_provider("anthropic");
  const auto shared_of = [&](bool in_system) {
    std::vector<joey::Message> conversation{{joey::Role::user, {joey::Text{"Read the notes."}}, ""}};
    std::string previous;
    double possible = 0;
    double shared = 0;
    for (int turn = 1; turn <= turns; ++turn) {
      const std::string time = "The time is " + std::to_string(100'000 + turn) + ".";
      std::string body = provider->encode_head({std::string(8'000, 's') + (in_system ? time : std::string()), {}}, {"claude", 8'192});
      for (std::size_t i = 0; i < conversation.size(); ++i) {
        joey::Message message = conversation[i];
        if (!in_system && i + 1 == conversation.size()) message.blocks.emplace_back(joey::Text{time});
        provider->encode_message(message, i == 0, body);
      }
      body += provider->encode_tail();
      const auto differs = std::mismatch(previous.begin(), previous.end(), body.begin(), body.end());
      shared += static_cast<double>(differs.first - previous.begin());
      possible += static_cast<double>(previous.size());
      previous = std::move(body);
      conversation.push_back(answer_of(turn));
      conversation.push_back(result_of(turn));
    }
    return 100.0 * shared / possible;
  };
  report.line("request_growth.naive_time_in_system", shared_of(true), "%", "the same of a client with the time in its system prompt");
  report.line("request_growth.naive_time_in_last_message", shared_of(false), "%", "the same with it at the end of the last message alone");
}

// As in a task: the answer joins while its request is still held, then that is let go, then the next is made.
void report_build(const bench::Report& report) {
  joey::RequestRope rope(joey::make_provider("anthropic"));
  rope.set_head(std::make_shared<const std::string>(16'000, 'h'));
  rope.append({joey::Role::user, {joey::Text{"Read the notes."}}, ""});
  joey::RequestRope::Request held = rope.request();
  std::vector<double> took;
  std::vector<std::size_t> pieces;
  constexpr int turns = 5'000;
  for (int turn = 1; turn <= turns; ++turn) {
    const joey::Message answer = answer_of(turn);
    const joey::Message result = result_of(turn);
    const bench::Nanoseconds began = bench::process_cpu_now();
    rope.append(answer);
    held = {};
    rope.append(result);
    held = rope.request();
    took.push_back(static_cast<double>(bench::process_cpu_now() - began) / 1e3);
    pieces.push_back(held.body.size());
  }
  for (const std::size_t turn : {10U, 1'000U, 5'000U}) {
    const auto end = took.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(turn + 5, took.size()));
    char detail[80];
    std::snprintf(detail, sizeof detail, "to add a turn and make the request; it is %zu pieces", pieces[turn - 1]);
    report.line("request_growth.build_" + std::to_string(turn), bench::median({end - 10, end}), "us", detail);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  report_prefix(report, 200);
  report_naive(report, 200);
  report_build(report);
  return 0;
}

#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "tool/common.hpp"
#include "tool_world.hpp"

using namespace joey;
using namespace std::chrono_literals;

namespace {

struct OutputWorld : ToolWorld {
  OutputWorld() { artifacts = std::make_shared<Artifacts>(loop, make_memory_chunks(loop, 1U << 30)); }

  // An artifact with these bytes; its writer is kept open when it is to grow.
  std::string artifact(std::string_view bytes, bool grows = false) {
    auto created = artifacts->create(std::to_string(++count), nullptr);
    const std::string id = created->id();
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 100'000))) {
      created->append(bytes.substr(0, 100'000));
    }
    if (grows) writer = std::move(created);
    return id;
  }
  ToolOutcome read(const std::string& id, const std::string& more = {}) {
    return run(*tool, R"({"artifact_id":")" + id + '"' + (more.empty() ? "" : ",") + more + "}");
  }

  std::shared_ptr<const Tool> tool = read_command_output_tool();
  std::unique_ptr<ArtifactWriter> writer;
  int count{0};
};

// The numbers in "bytes 12-345".
std::pair<std::uint64_t, std::uint64_t> range_in(std::string_view text) {
  const std::size_t at = text.find("Showing bytes ");
  REQUIRE(at != std::string_view::npos);
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  const auto [dash, error] = std::from_chars(text.data() + at + 14, text.data() + text.size(), from);
  std::from_chars(dash + 1, text.data() + text.size(), to);
  return {from, to};
}

std::string body_of(const std::string& text) {
  const std::size_t at = text.find("\n\n");
  return at == std::string::npos ? std::string() : text.substr(at + 2) + "\n";
}

}  // namespace

TEST_CASE_FIXTURE(OutputWorld, "output is shown from an offset on, with the size, the range and the true line numbers") {
  const std::string id = artifact("one\ntwo\nthree\nfour");
  CHECK(read(id).text == "[Command Output: " + id + "]\nTotal size: 18 bytes | Showing bytes 0-18 | COMPLETE\n\n"
                         "1 | one\n2 | two\n3 | three\n4 | four");
  CHECK(read(id, R"("offset":8,"limit":3)").text ==
        "[Command Output: " + id + "]\nTotal size: 18 bytes | Showing bytes 8-11 | TRUNCATED: read on with offset 11\n\n3 | thr");
  CHECK(read(id, R"("offset":18)").text == "[Command Output: " + id + "]\nTotal size: 18 bytes | Showing bytes 18-18 | COMPLETE");
  CHECK(read(artifact("\x1B[31mred\x1B[0m\r\n10%\r20%\r\n\xFF\n")).text.ends_with("\n\n1 | red\n2 | 20%\n3 | \uFFFD"));
  CHECK(read(artifact("")).text.ends_with("Total size: 0 bytes | Showing bytes 0-0 | COMPLETE"));
}

TEST_CASE_FIXTURE(OutputWorld, "pages at odd offsets never split a character, lose none, and number the lines truly") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += i % 7 == 0 ? "\n" : i % 3 == 0 ? "\u20AC" : i % 3 == 1 ? "\U0001F600" : "\u00E9x";
  const std::string id = artifact(bytes);
  for (const int limit : {1, 2, 3, 5, 7, 64, 1000}) {
    CAPTURE(limit);
    std::string joined;
    for (std::uint64_t offset = 0; offset < bytes.size();) {
      const auto outcome = read(id, "\"offset\":" + std::to_string(offset) + ",\"limit\":" + std::to_string(limit));
      REQUIRE(outcome.ok);
      CHECK(is_utf8(outcome.text));
      CHECK(outcome.text.find("\uFFFD") == std::string::npos);
      const auto [from, to] = range_in(outcome.text);
      CHECK(from == offset);
      REQUIRE(to > from);
      // The first line's number is one more than the lines that end before.
      const auto before = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(from), '\n');
      CHECK(body_of(outcome.text).starts_with(std::to_string(before + 1) + " | "));
      joined += bytes.substr(from, to - from);
      offset = to;
    }
    CHECK(joined == bytes);
  }
  // Offsets that the reader did not give: a character they cut is shown whole.
  for (std::uint64_t offset = 0; offset < bytes.size(); ++offset) {
    const auto outcome = read(id, "\"offset\":" + std::to_string(offset) + ",\"limit\":1");
    CHECK(outcome.text.find("\uFFFD") == std::string::npos);
    const auto [from, to] = range_in(outcome.text);
    CHECK(from <= offset);
    CHECK(to > offset);
  }
}

TEST_CASE_FIXTURE(OutputWorld, "a page across chunks is whole, whatever offset it has") {
  std::string bytes;
  for (int i = 0; bytes.size() < 300'000; ++i) bytes += "line " + std::to_string(i) + " \u20AC\n";
  const std::string id = artifact(bytes);
  for (std::uint64_t offset = 65'500; offset < 65'560; ++offset) {
    const auto outcome = read(id, "\"offset\":" + std::to_string(offset) + ",\"limit\":100");
    const auto [from, to] = range_in(outcome.text);
    const std::string expected = bytes.substr(from, to - from);
    const std::string first_line = expected.substr(0, expected.find('\n'));
    const auto number = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(from), '\n') + 1;
    CHECK(holds(outcome.text, "\n" + std::to_string(number) + " | " + first_line));
  }
}

TEST_CASE_FIXTURE(OutputWorld, "a page fits into the result, in whole lines where there are, and says where to read on") {
  std::string many;
  for (int i = 0; i < 50'000; ++i) many += "x\n";
  const std::vector<std::string> ids{artifact(many), artifact(std::string(300'000, 'x')), artifact(std::string(300'000, '\xFF')),
                                     artifact(std::string(300'000, '\0')), artifact("short\n" + std::string(300'000, '\x80'))};
  for (const std::size_t size_max : {std::size_t{2'000}, std::size_t{60'000}}) {
    result_bytes_max = size_max;
    for (const std::string& id : ids) {
      CAPTURE(id);
      const auto outcome = read(id, R"("limit":10000000)");
      REQUIRE(outcome.ok);
      CHECK(outcome.text.size() <= size_max);
      CHECK(is_utf8(outcome.text));
      const auto [from, to] = range_in(outcome.text);
      CHECK(to > from);
      CHECK(holds(outcome.text, "TRUNCATED: read on with offset " + std::to_string(to)));
      CHECK(outcome.text.find("bytes omitted") == std::string::npos);
    }
  }
  CHECK(range_in(read(ids[0], R"("limit":10000000)").text).second % 2 == 0);
}

TEST_CASE_FIXTURE(OutputWorld, "a search shows the lines that match, without regard to case, with their true numbers") {
  std::string bytes;
  for (int i = 1; i <= 20'000; ++i) bytes += "line " + std::to_string(i) + (i % 7000 == 0 ? " ERROR: \x1B[1mbad\x1B[0m\r\n" : " fine\r\n");
  const std::string id = artifact(bytes);
  auto outcome = read(id, R"("search":"error: b.d$")");
  CHECK(holds(outcome.text, "| Search \"error: b.d$\" | 2 lines match | COMPLETE\n\n"
                            "7000 | line 7000 ERROR: bad\n14000 | line 14000 ERROR: bad"));
  CHECK(holds(read(id, R"("search":"^line 20000 ")").text, "| 1 line matches | COMPLETE\n\n20000 | line 20000 fine"));
  CHECK(holds(read(id, R"("search":"no such line")").text, "| 0 lines match | COMPLETE"));
  CHECK(holds(read(id, "\"search\":\"error\",\"offset\":" + std::to_string(bytes.find("line 7001"))).text,
              "| 1 line matches | COMPLETE\n\n14000 | "));
  CHECK(holds(read(artifact("last line without an end"), R"("search":"WITHOUT")").text, "1 | last line without an end"));
}

TEST_CASE_FIXTURE(OutputWorld, "a search that finds more than fits says where to search on, and nothing is lost") {
  std::string bytes;
  for (int i = 1; i <= 5'000; ++i) bytes += "match " + std::to_string(i) + "\nother\n";
  const std::string id = artifact(bytes);
  std::string found;
  std::uint64_t offset = 0;
  for (bool more = true; more;) {
    const auto outcome = read(id, R"("search":"match","limit":5000,"offset":)" + std::to_string(offset));
    REQUIRE(outcome.text.size() < 6'000);
    found += body_of(outcome.text);
    const std::size_t at = outcome.text.find("search on with offset ");
    more = at != std::string::npos;
    if (more) offset = std::stoull(outcome.text.substr(at + 22));
  }
  std::string expected;
  for (int i = 1; i <= 5'000; ++i) expected += std::to_string(2 * i - 1) + " | match " + std::to_string(i) + "\n";
  CHECK(found == expected);
}

TEST_CASE_FIXTURE(OutputWorld, "a line of any length is searched, and shown around its match") {
  std::string line(400'000, 'a');
  line.replace(200'000, 6, "needle");
  const auto outcome = read(artifact("first\n" + line + "\nlast needle\n"), R"("search":"NEEDLE")");
  CHECK(holds(outcome.text, "2 lines match"));
  CHECK(holds(outcome.text, "\n2 | ...aaaa"));
  CHECK(holds(outcome.text, "aaneedleaa"));
  CHECK(holds(outcome.text, " [line cut]\n3 | last needle"));
  CHECK(outcome.text.size() < 1'000);
  const auto characters = read(artifact(std::string(3, 'a') + [] {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += "\u20AC";
    return text;
  }()), R"("search":"\u20ac")");
  CHECK(characters.text.find("\uFFFD") == std::string::npos);
}

TEST_CASE_FIXTURE(OutputWorld, "an invalid pattern is an error that says so, not a search for something else") {
  const std::string id = artifact("a ( b\n");
  for (const char* pattern : {"(", "[z-a]", "a{2,1}", "(?=x)", "\\\\1", "*"}) {
    CAPTURE(pattern);
    const auto outcome = read(id, std::string("\"search\":\"") + pattern + '"');
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text.starts_with("argument \"search\" is no regular expression (RE2): "));
    CHECK(is_one_line(outcome.text));
  }
  CHECK(is_one_line(read(id, "\"search\":\"" + std::string(2'000, 'x') + '"').text));
  CHECK_FALSE(read(id, R"("search":"((a{100}){100}){100}")").ok);
}

TEST_CASE_FIXTURE(OutputWorld, "a wrong call is one line that names what is wrong") {
  const std::string id = artifact("text");
  for (const std::string& arguments :
       {std::string("{}"), std::string(R"({"artifact_id":7})"), arguments_of({{"artifact_id", "../" + id}}),
        arguments_of({{"artifact_id", "cmd-1.txt/../x"}}), arguments_of({{"artifact_id", "/etc/passwd"}}),
        arguments_of({{"artifact_id", "cmd-999.txt"}}), arguments_of({{"artifact_id", id}, {"offset", "5"}}),
        arguments_of({{"artifact_id", id}, {"offset", "-1"}}), arguments_of({{"artifact_id", id}, {"limit", "0"}}),
        arguments_of({{"artifact_id", id}, {"offset", "99999999999999999"}})}) {
    CAPTURE(arguments);
    const auto outcome = run(*tool, arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
  }
  artifacts = nullptr;
  CHECK(read(id).text == id + ": command output is not kept here");
}

TEST_CASE_FIXTURE(OutputWorld, "output is read and searched while it grows") {
  const std::string id = artifact("one\ntwo\n", true);
  CHECK(holds(read(id).text, "Total size: 8 bytes until now, still growing | Showing bytes 0-8 | COMPLETE\n\n1 | one\n2 | two"));
  writer->append("three\n");
  CHECK(holds(read(id, R"("offset":8)").text, "\n3 | three"));
  CHECK(holds(read(id, R"("search":"THREE")").text, "\n3 | three"));
  writer.reset();
  CHECK(holds(read(id).text, "Total size: 14 bytes | "));
}

TEST_CASE_FIXTURE(OutputWorld, "what a command of this task wrote can be read, while it runs and after") {
  const auto started = run("execute_command", R"({"command":"seq 30000; until [ -e go ]; do sleep 0.01; done; echo more","timeout":1})");
  const std::string id = artifact_in(started.text);
  CHECK(holds(read(id, R"("search":"^12345$")").text, "12345 | 12345"));
  file("go", "");
  REQUIRE(loop.run_until([&] { return background.at(0)->ended(); }));
  CHECK(holds(read(id, R"("search":"^more$")").text, "30001 | more"));
}

TEST_CASE("an artifact of the largest size costs bounded memory, and a cancel ends its search") {
  // Lines of 64 bytes, made when they are read.
  struct Endless final : ChunkStore {
    explicit Endless(Scheduler& s) : scheduler(s) {
      for (int i = 0; i < 1024; ++i) *line_chunk += std::string(63, 'x') + '\n';
    }
    void append(const std::string&, std::uint64_t, Chunk, Completion<void>) override {}
    void read(const std::string&, std::uint64_t index, std::size_t chunks_max, Completion<std::vector<Chunk>> done) override {
      ++reads;
      chunks_asked_max = std::max(chunks_asked_max, chunks_max);
      std::vector<Chunk> found;
      if (index < 4096) found.assign(std::min<std::size_t>(chunks_max, 4096 - index), line_chunk);
      scheduler.post([found = std::move(found), done = std::move(done)]() mutable { done(std::move(found)); });
    }
    Scheduler& scheduler;
    std::shared_ptr<std::string> line_chunk = std::make_shared<std::string>();
    std::size_t chunks_asked_max{0};
    int reads{0};
  };
  ToolWorld world;
  const auto endless = std::make_shared<Endless>(world.loop);
  world.artifacts = std::make_shared<Artifacts>(world.loop, endless);
  const auto tool = read_command_output_tool();
  const auto outcome = world.run(*tool, R"({"artifact_id":"cmd-1.txt","offset":268435392})");
  CHECK(holds(outcome.text, "Total size: 256.0 MB (268435456 bytes) | Showing bytes 268435392-268435456 | COMPLETE\n\n4194304 | xxx"));
  CHECK(endless->chunks_asked_max <= 4);

  const auto context = world.context();
  std::optional<ToolOutcome> cancelled;
  const int reads = endless->reads;
  tool->run(R"({"artifact_id":"cmd-1.txt","search":"y"})", context, [&](ToolOutcome result) { cancelled = std::move(result); });
  REQUIRE(world.loop.run_until([&] { return endless->reads > reads + 30; }));
  context->cancel.cancel();
  REQUIRE(world.loop.run_until([&] { return cancelled.has_value(); }));
  CHECK(cancelled->text == "read_command_output was cancelled");
  CHECK(endless->reads < reads + 40);
  CHECK(endless->chunks_asked_max <= 4);
}

#include "workspace/search.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <regex.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "temporary.hpp"
#include "workspace/local.hpp"

using namespace joey;
using joey::test::TemporaryDirectory;

namespace {

std::shared_ptr<Workspace> open(const TemporaryDirectory& root, Resolver resolver = Resolver::kernel) {
  auto workspace = open_local_workspace(root.path(), {.resolver = resolver});
  REQUIRE(workspace);
  return *workspace;
}

SearchResult search(const Workspace& workspace, const SearchOptions& options, std::string_view path = ".") {
  const auto result = search_files(workspace, path, options, CancelToken());
  if (!result) FAIL(result.error().message);
  return *result;
}

// "path:number:text" of every line, with '-' instead of ':' for context.
std::vector<std::string> lines(const SearchResult& result) {
  std::vector<std::string> out;
  for (const SearchFile& file : result.files) {
    for (const SearchLine& line : file.lines) {
      const char mark = line.match ? ':' : '-';
      out.push_back(fmt::format("{}{}{}{}{}", file.path, mark, line.number, mark, line.text));
    }
  }
  return out;
}

std::vector<std::string> paths(const SearchResult& result) {
  std::vector<std::string> out;
  for (const SearchFile& file : result.files) out.push_back(file.path);
  return out;
}

// The matching lines of one file with this text.
std::vector<std::string> matching(const std::string& text, const std::string& pattern) {
  const TemporaryDirectory root;
  root.put("f", text);
  SearchOptions options;
  options.pattern = pattern;
  options.context_lines = 0;
  return lines(search(*open(root), options));
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("matches come with their context, each line once") {
  const TemporaryDirectory root;
  root.put("f", "one\ntwo\nthree\nfour\nfive\nsix\nseven");
  SearchOptions options;
  options.pattern = "three|five|seven";
  CHECK(lines(search(*open(root), options)) ==
        Lines{"f-2-two", "f:3:three", "f-4-four", "f:5:five", "f-6-six", "f:7:seven"});
  options.pattern = "one";
  options.context_lines = 2;
  CHECK(lines(search(*open(root), options)) == Lines{"f:1:one", "f-2-two", "f-3-three"});
  options.pattern = "seven";
  options.context_lines = 0;
  CHECK(lines(search(*open(root), options)) == Lines{"f:7:seven"});
}

TEST_CASE("a pattern matches within a line") {
  CHECK(matching("a\nb\n", "a\\s*b").empty());
  CHECK(matching("a\nb\n", "a[^x]b").empty());
  CHECK(matching("ab\nb\n\nab", "^b") == Lines{"f:2:b"});
  CHECK(matching("ab\nb\n\nba", "b$") == Lines{"f:1:ab", "f:2:b"});
  CHECK(matching("x\n\ny\n", "^$") == Lines{"f:2:"});
  CHECK(matching("x\ny", "z*") == Lines{"f:1:x", "f:2:y"});
  CHECK(matching("", "z*").empty());
  CHECK(matching("ab\ncb\n", "\\Acb\\z") == Lines{"f:2:cb"});
  CHECK(matching("ab\ncb\n", "(?-m)^cb$") == Lines{"f:2:cb"});
  CHECK(matching("Foo\nfoo\n", "(?i)FOO") == Lines{"f:1:Foo", "f:2:foo"});
  CHECK(matching("Foo\nfoo\n", "foo") == Lines{"f:2:foo"});
  CHECK(matching("\xEF\xBB\xBF" "x\n", "^x") == Lines{"f:1:x"});
  CHECK(matching("a.b\naxb\n", "a\\.b") == Lines{"f:1:a.b"});
  CHECK(matching("a{b\n", "a{b") == Lines{"f:1:a{b"});
  CHECK(matching("aab\nab\n", "a{2,3}b") == Lines{"f:1:aab"});
  CHECK(matching("xé\nx\n", "xé?") == Lines{"f:1:xé", "f:2:x"});
  CHECK(matching("a+b\n", "\\Qa+b\\E") == Lines{"f:1:a+b"});
  CHECK(matching("cost: $5\n", "\\$5$") == Lines{"f:1:cost: $5"});
  CHECK(matching("bad \xFF byte\n", "byte") == Lines{"f:1:bad \xEF\xBF\xBD byte"});
}

TEST_CASE("a carriage return belongs to the line's end") {
  CHECK(matching("foo\r\nbar\r\n", "foo$") == Lines{"f:1:foo"});
  CHECK(matching("a;\r\nb\r\n", "[^;]$") == Lines{"f:2:b"});
  CHECK(matching("a\r\n\r\nb\r\n", "^$") == Lines{"f:2:"});
  CHECK(matching("a\r\n", "\\s$").empty());
  CHECK(matching("foo\r\nbar\r\n", "o+$|r$") == Lines{"f:1:foo", "f:2:bar"});
}

TEST_CASE("defect 6: a bad pattern is an error that says what is wrong with it") {
  const TemporaryDirectory root;
  const auto workspace = open(root);
  const auto message = [&](const std::string& pattern, const std::string& glob = "") {
    SearchOptions options;
    options.pattern = pattern;
    options.file_glob = glob;
    const auto result = search_files(*workspace, ".", options, CancelToken());
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::invalid_argument);
    return result.error().message;
  };
  CHECK(message("a(b") == "pattern \"a(b\": missing ): a(b");
  CHECK(message("a)b(").find("unexpected ): a)b(") != std::string::npos);
  CHECK(message("(?=x)").find("look-around") != std::string::npos);
  CHECK(message("(a)\\1").find("back-references") != std::string::npos);
  CHECK(message("a\\nb").find("line feed") != std::string::npos);
  CHECK(message("").find("empty") != std::string::npos);
  CHECK(message("a{1000}{1000}{1000}").find("repetition") != std::string::npos);
  CHECK(message("\xFF").find("UTF-8") != std::string::npos);
  CHECK(message("x", "{a,b").find("'{'") != std::string::npos);
  CHECK(message("x", "[a").find("'['") != std::string::npos);
  std::string many = "x";
  for (int i = 0; i < 40; ++i) many += "{a,b}";
  CHECK(message("x", many).find("alternatives") != std::string::npos);
}

TEST_CASE("a file pattern picks names, or paths when it has a slash") {
  const TemporaryDirectory root;
  for (const char* name :
       {"a.ts", "a.tsx", "a.js", "src/b.ts", "src/api/c.ts", "src/[x].ts", "src/gen/d.ts", ".hid/e.ts"}) {
    root.put(name, "needle\n");
  }
  root.put(".gitignore", "src/gen/*\n*.js\n");
  const auto workspace = open(root);
  const auto found = [&](const std::string& glob, std::string_view path = ".") {
    SearchOptions options;
    options.pattern = "needle";
    options.file_glob = glob;
    return paths(search(*workspace, options, path));
  };
  CHECK(found("") == Lines{"a.ts", "a.tsx", "src/[x].ts", "src/api/c.ts", "src/b.ts"});
  CHECK(found("*.ts") == Lines{"a.ts", "src/[x].ts", "src/api/c.ts", "src/b.ts", "src/gen/d.ts"});  // over .gitignore
  CHECK(found("*.{tsx,js}") == Lines{"a.js", "a.tsx"});
  CHECK(found("src/*.ts") == Lines{"src/[x].ts", "src/b.ts"});
  CHECK(found("src/**/c.*") == Lines{"src/api/c.ts"});
  CHECK(found("**/b.ts") == Lines{"src/b.ts"});
  CHECK(found("./a.ts") == Lines{"a.ts"});
  CHECK(found("/a.ts") == Lines{"a.ts"});
  CHECK(found("src/api/") == Lines{"src/api/c.ts"});
  CHECK(found("{a,src/{b,api/c}}.ts") == Lines{"a.ts", "src/api/c.ts", "src/b.ts"});
  CHECK(found("[[]x].ts") == Lines{"src/[x].ts"});
  CHECK(found("!*.ts") == Lines{"a.tsx"});
  CHECK(found("!src") == Lines{"a.ts", "a.tsx"});
  CHECK(found(".hid/*") == Lines{".hid/e.ts"});
  CHECK(found("api/*.ts", "src") == Lines{"src/api/c.ts"});
  CHECK(found("src/api/*.ts", "src") == Lines{"src/api/c.ts"});
  CHECK(found("", "src/gen").empty());
  CHECK(found("", "src/gen/d.ts") == Lines{"src/gen/d.ts"});
  CHECK(found("", ".hid") == Lines{".hid/e.ts"});
}

TEST_CASE("only regular, readable text beneath the root is searched") {
  const TemporaryDirectory outside;
  outside.put("f", "needle\n");
  const TemporaryDirectory root;
  root.put("f", "needle\n");
  root.put("late", std::string(9'000, 'x') + '\0' + "\nneedle\n");
  root.put("binary", std::string("needle\n\0", 8));
  root.put(".rooignore", "secret*\n");
  root.put("secret/f", "needle\n");
  root.link("f", "link");
  root.link(outside.path(), "out");
  root.link("secret", "door");
  REQUIRE(::mkfifo((root / "pipe").c_str(), 0600) == 0);
  root.put("new\nline", "needle\n");
  for (const Resolver resolver : {Resolver::kernel, Resolver::portable}) {
    const auto workspace = open(root, resolver);
    SearchOptions options;
    options.pattern = "needle";
    const SearchResult result = search(*workspace, options);
    CHECK(paths(result) == Lines{"f", "late", "new\nline"});
    CHECK(result.binary == 1);
    CHECK(result.files_searched == 3);
    CHECK(search_files(*workspace, "secret/f", options, CancelToken()).error().code == ErrorCode::denied);
    CHECK(search_files(*workspace, "door", options, CancelToken()).error().code == ErrorCode::denied);
    CHECK(search_files(*workspace, "out", options, CancelToken()).error().code == ErrorCode::denied);
    CHECK(search_files(*workspace, "none", options, CancelToken()).error().code == ErrorCode::not_found);
    CHECK(search_files(*workspace, "pipe", options, CancelToken()).error().code == ErrorCode::invalid_argument);
  }
}

TEST_CASE("the first matches by path are given, whatever the number of threads") {
  const TemporaryDirectory root;
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    std::string text;
    for (int line = 0; line < 30; ++line) text += random() % 5 == 0 ? "needle\n" : "hay\n";
    root.put(fmt::format("d{}/{}/f{}", random() % 9, random() % 3, i), text);
    root.put(fmt::format("d{}.txt", random() % 9), text);
  }
  const auto workspace = open(root);
  SearchOptions options;
  options.pattern = "needle";
  options.threads = 1;
  options.matches_max = 100'000;
  const SearchResult all = search(*workspace, options);
  CHECK_FALSE(all.truncated);
  REQUIRE(all.matches > 1'000);
  for (const std::size_t matches_max : std::vector<std::size_t>{1, 7, 300, all.matches - 1, all.matches}) {
    CAPTURE(matches_max);
    options.matches_max = matches_max;
    options.threads = 1;
    const SearchResult one = search(*workspace, options);
    CHECK(one.matches == matches_max);
    CHECK(one.truncated == (matches_max < all.matches));
    for (int round = 0; round < 5; ++round) {
      options.threads = 4;
      CHECK(search(*workspace, options).files == one.files);
    }
    // A prefix of everything: every line given is there, and the files before the last are whole.
    for (std::size_t i = 0; i < one.files.size(); ++i) {
      CHECK(one.files[i].path == all.files[i].path);
      if (i + 1 < one.files.size()) CHECK(one.files[i] == all.files[i]);
    }
    const auto& last = one.files.back().lines;
    const auto& whole = all.files[one.files.size() - 1].lines;
    std::size_t found = 0;
    for (std::size_t i = 0; i < last.size(); ++i) {
      CHECK(last[i].number == whole[i].number);
      found += last[i].match ? 1U : 0U;
    }
    CHECK(found > 0);
  }
}

TEST_CASE("long lines are cut at characters") {
  const TemporaryDirectory root;
  std::string umlauts;
  for (int i = 0; i < 600; ++i) umlauts += "ü";
  root.put("f", "needle" + umlauts + "\n" + std::string(494, 'x') + "needle\n");
  SearchOptions options;
  options.pattern = "needle";
  const SearchResult result = search(*open(root), options);
  REQUIRE(result.files.size() == 1);
  const auto& found = result.files[0].lines;
  CHECK(found[0].cut);
  CHECK(found[0].text.size() == 6 + 2 * 494);
  CHECK(is_utf8(found[0].text));
  CHECK_FALSE(found[1].cut);
  CHECK(found[1].text.size() == 500);
}

TEST_CASE("files larger than the buffer keep their line numbers and context") {
  const TemporaryDirectory root;
  std::string text;
  std::vector<std::size_t> where;
  std::size_t number = 0;
  std::mt19937 random(3);
  while (text.size() < 5'000'000) {
    ++number;
    if (random() % 2'000 == 0) {
      text += "the needle\n";
      where.push_back(number);
    } else {
      text += std::string(random() % 150, 'h') + "\n";
    }
  }
  root.put("f", text);
  SearchOptions options;
  options.context_lines = 3;
  options.matches_max = 100'000;
  for (const char* pattern : {"needle", "n[e]+dle", "the.*needle$"}) {
    options.pattern = pattern;
    const SearchResult result = search(*open(root), options);
    REQUIRE(result.files.size() == 1);
    std::vector<std::size_t> found;
    const std::vector<std::string_view> split = split_lines(text);
    std::size_t last = 0;
    for (const SearchLine& line : result.files[0].lines) {
      if (line.match) found.push_back(line.number);
      CHECK(line.number > last);
      last = line.number;
      CHECK(line.text == split[line.number - 1]);
    }
    CHECK(found == where);
  }

  // A line longer than the buffer, with lines after it.
  root.put("f", "first\n" + std::string(3'000'000, 'x') + "tail\nneedle\nend");
  options.pattern = "needle";
  options.context_lines = 1;
  const SearchResult result = search(*open(root), options);
  REQUIRE(result.files.size() == 1);
  CHECK(result.files[0].lines[0].number == 3);
  CHECK(result.files[0].lines[0].match);
  CHECK(result.files[0].lines[1] == SearchLine{4, "end", false, false});
  root.put("f", "first\nneedle" + std::string(3'000'000, 'x') + "\nneedle\n");
  const SearchResult both = search(*open(root), options);
  REQUIRE(both.files.size() == 1);
  CHECK(both.matches == 2);
  CHECK(both.files[0].lines.back().number == 3);
  options.file_bytes_max = 1'000;
  CHECK(search(*open(root), options).matches == 1);
}

// The same matches as one line after another with another engine.
TEST_CASE("random patterns find the lines that a plain search finds") {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    static const std::vector<std::string> pieces = {
        "a", "b",     "ab",   "abc",  ".",    "a*",   "b+",     "c?",   "[ab]", "[^a]",   "^",     "$",
        "|", "(a|b)", "(bc)", "\\.",  "\\b",  "a{2}", "b{1,2}", "\\w",  "\\s",  "c{0,1}", "(ab)?", "\\+", "-"};
    std::string pattern;
    for (std::size_t n = 1 + pick(5); n > 0; --n) pattern += pieces[pick(pieces.size())];
    CAPTURE(pattern);
    regex_t reference = {};
    if (::regcomp(&reference, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) continue;
    std::string text;
    std::vector<std::string> expected;
    for (std::size_t number = 1; number <= 40; ++number) {
      std::string line;
      for (std::size_t n = pick(8); n > 0; --n) line += "aabbc.- +"[pick(9)];
      const bool matches = ::regexec(&reference, line.c_str(), 0, nullptr, 0) == 0;
      if (matches) expected.push_back(fmt::format("f:{}:{}", number, line));
      text += line + (pick(4) == 0 ? "\r\n" : "\n");
    }
    ::regfree(&reference);
    const TemporaryDirectory root;
    root.put("f", text);
    SearchOptions options;
    options.pattern = pattern;
    options.context_lines = 0;
    const auto result = search_files(*open(root), ".", options, CancelToken());
    if (!result) continue;  // "(ab)?{2}" and the like
    CHECK(lines(*result) == expected);
  }
}

TEST_CASE("a search can be cancelled and runs out of time") {
  const TemporaryDirectory root;
  for (int i = 0; i < 300; ++i) root.put(fmt::format("d{}/f", i), "needle\n");
  const auto workspace = open(root);
  SearchOptions options;
  options.pattern = "needle";
  const CancelToken cancelled;
  cancelled.cancel();
  CHECK(search_files(*workspace, ".", options, cancelled).error().code == ErrorCode::cancelled);
  options.time_max = std::chrono::milliseconds(0);
  CHECK(search(*workspace, options).timed_out);
  options.time_max = std::chrono::seconds(60);
  options.pattern = "(x+x+)+y|z{0,500}[a-z]*$";
  for (int i = 0; i < 20; ++i) root.put(fmt::format("big{}", i), std::string(1'000'000, 'x'));
  const CancelToken cancel;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel.cancel();
  });
  const auto begin = std::chrono::steady_clock::now();
  static_cast<void>(search_files(*workspace, ".", options, cancel));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  canceller.join();
}

TEST_CASE("symlinks and files swapped in meanwhile do not lead a search out, nor end it") {
  const TemporaryDirectory outside;
  outside.put("f", "OUTSIDE\n");
  const TemporaryDirectory root;
  root.put("d/f", "inside\n");
  root.put("grow", std::string(100'000, 'x'));
  root.link(outside.path(), "evil");
  const auto workspace = open(root);
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop) {
      ::renameat2(AT_FDCWD, (root / "d").c_str(), AT_FDCWD, (root / "evil").c_str(), RENAME_EXCHANGE);
      ::truncate((root / "grow").c_str(), 0);
      ::truncate((root / "grow").c_str(), 3'000'000);
    }
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  std::size_t leaked = 0;
  while (std::chrono::steady_clock::now() < end) {
    SearchOptions options;
    options.pattern = "OUTSIDE";
    leaked += search(*workspace, options).matches;
    const auto through = search_files(*workspace, "d", options, CancelToken());
    if (through) leaked += through->matches;
  }
  stop = true;
  swapper.join();
  CHECK(leaked == 0);
}

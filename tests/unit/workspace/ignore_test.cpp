#include "base/ignore.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "temporary.hpp"
#include "workspace/walk.hpp"

using namespace joey;
using joey::test::TemporaryDirectory;

namespace {

bool ignores(std::string_view file, std::string_view path, bool directory = false) {
  return IgnorePatterns(file).ignores(path, directory);
}

bool have_git() { return std::system("git --version >/dev/null 2>&1") == 0; }

// The paths git ignores, of those given.
std::set<std::string> git_ignored(const TemporaryDirectory& root, const std::vector<std::string>& paths) {
  std::string input;
  for (const std::string& path : paths) input += path + '\0';
  const TemporaryDirectory scratch;
  scratch.put("in", input);
  const std::string command =
      "cd '" + root.path() + "' && env -u GIT_DIR GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null " +
      "git -c core.excludesFile=/dev/null check-ignore --no-index -z --stdin" +  //
      " < '" + scratch.path() + "/in' > '" + scratch.path() + "/out' 2> '" + scratch.path() + "/err'";
  const int code = std::system(command.c_str());
  INFO(scratch.get("err"));
  REQUIRE((WEXITSTATUS(code) == 0 || WEXITSTATUS(code) == 1));
  std::set<std::string> ignored;
  const std::string out = scratch.get("out");
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = out.find('\0', begin);
    ignored.insert(out.substr(begin, end - begin));
    begin = end + 1;
  }
  return ignored;
}

}  // namespace

TEST_CASE("a pattern without a slash matches a name at any depth") {
  CHECK(ignores("*.o", "a.o"));
  CHECK(ignores("*.o", "src/deep/a.o"));
  CHECK_FALSE(ignores("*.o", "a.c"));
  CHECK(ignores("build", "x/build/file"));
}

TEST_CASE("a slash at the start or within anchors a pattern") {
  CHECK(ignores("/a", "a"));
  CHECK_FALSE(ignores("/a", "b/a"));
  CHECK(ignores("doc/*.txt", "doc/a.txt"));
  CHECK_FALSE(ignores("doc/*.txt", "doc/x/a.txt"));
  CHECK_FALSE(ignores("doc/*.txt", "x/doc/a.txt"));
}

TEST_CASE("a slash at the end matches directories only, and what is in them") {
  CHECK_FALSE(ignores("tmp/", "tmp"));
  CHECK(ignores("tmp/", "tmp", true));
  CHECK(ignores("tmp/", "x/tmp/file"));
}

TEST_CASE("two stars between slashes match any number of directories") {
  CHECK(ignores("**/foo", "foo"));
  CHECK(ignores("**/foo", "a/b/foo"));
  CHECK(ignores("a/**/b", "a/b"));
  CHECK(ignores("a/**/b", "a/x/y/b"));
  CHECK_FALSE(ignores("a/**/b", "a/xb"));
  CHECK(ignores("a/**", "a/x"));
  CHECK_FALSE(ignores("a/**", "a", true));
  CHECK(ignores("foo**/bar", "foo/x/bar"));  // as git has it
}

TEST_CASE("the last pattern decides, but nothing in an ignored directory comes back") {
  CHECK_FALSE(ignores("*.log\n!keep.log", "keep.log"));
  CHECK(ignores("!keep.log\n*.log", "keep.log"));
  CHECK(ignores("logs/\n!logs/keep.log", "logs/keep.log"));
  CHECK_FALSE(ignores("logs/*\n!logs/keep.log", "logs/keep.log"));
}

TEST_CASE("classes, escapes, comments and trailing spaces") {
  CHECK(ignores("[a-c]x", "bx"));
  CHECK_FALSE(ignores("[!a-c]x", "bx"));
  CHECK(ignores("[]]x", "]x"));
  CHECK(ignores("[[:digit:]]x", "7x"));
  CHECK_FALSE(ignores("[[:nonsense:]]x", "7x"));
  CHECK_FALSE(ignores("[a", "[a"));
  CHECK(ignores("\\#x", "#x"));
  CHECK(ignores("\\!x", "!x"));
  CHECK_FALSE(ignores("#x", "#x"));
  CHECK(ignores("x  ", "x"));
  CHECK(ignores("x\\ ", "x "));
  CHECK(ignores("x\r\n", "x"));
  CHECK(ignores("\xEF\xBB\xBFx", "x"));
  CHECK_FALSE(ignores("x\\", "x"));
}

TEST_CASE("many stars take no time") {
  std::string stars;
  for (int i = 0; i < 60; ++i) stars += "*a";
  const Glob glob(stars + "b");
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "**/a*/";
  const Glob directories(deep + "b");
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(glob.matches(std::string(200, 'a')));
  std::string path;
  for (int i = 0; i < 200; ++i) path += "aa/";
  CHECK_FALSE(directories.matches(path + "c"));
  CHECK(directories.matches(path + "b"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("random ignore files and trees are judged as git judges them") {
  if (!have_git()) {
    MESSAGE("skipped: git is not installed");
    return;
  }
  const char* seed_text = std::getenv("JOEY_TEST_SEED");
  const unsigned long first = seed_text != nullptr ? std::strtoul(seed_text, nullptr, 10) : 1;
  const char* count_text = std::getenv("JOEY_TEST_TREES");
  const unsigned long trees = count_text != nullptr ? std::strtoul(count_text, nullptr, 10) : 60;
  std::size_t cases = 0;
  for (unsigned long seed = first; seed < first + trees; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const auto name = [&] {
      static const std::vector<std::string> names = {"a",  "b",   "ab",  "ba", "aab", "a.o", "b.o", "x y", "foo", "bar",
                                                     "é", "a]",  "-",   "#a", "!a",  "a\\", "[a]", "a ",  "**",  "*"};
      return names[pick(names.size())];
    };
    const auto pattern = [&] {
      static const std::vector<std::string> pieces = {
          "a",  "b",   "ab",   "foo", "bar",     "*",      "**",      "?",          "/",           "/",  "/**/", "**/",
          ".o", "[ab]", "[!a]", "[^b", "[a-", "[]a]",     "[[:alpha:]]", "[[:punct:]]", "\\",  "\\*", " ",    "!",
          "#",  "é",  "[a-z]", "[b-a]", "[\\]]", "[[:x:]]", "[a-c-e]",  "\\/",         "[[:a]",       "-",  "]", "\t"};
      std::string text;
      if (pick(5) == 0) text += "!";
      if (pick(5) == 0) text += "/";
      for (std::size_t n = 1 + pick(5); n > 0; --n) text += pieces[pick(pieces.size())];
      if (pick(5) == 0) text += "/";
      if (pick(12) == 0) text += "  ";
      if (pick(12) == 0) text += "\r";
      return text;
    };

    const TemporaryDirectory root;
    REQUIRE(std::system(("git init -q '" + root.path() + "' 2>/dev/null").c_str()) == 0);
    std::vector<std::string> directories{""};
    std::map<std::string, bool> entries;  // path: is a directory
    for (int i = 0; i < 40; ++i) {
      const std::string path = directories[pick(directories.size())] + name();
      if (entries.count(path) != 0) continue;
      const bool directory = pick(2) == 0;
      entries[path] = directory;
      if (directory) {
        root.make(path);
        directories.push_back(path + "/");
      } else {
        root.put(path, "");
      }
    }
    const auto ignore_file = [&] {
      std::string text;
      for (std::size_t n = 1 + pick(4); n > 0; --n) text += pattern() + (n > 1 || pick(2) == 0 ? "\n" : "");
      return text;
    };
    std::string files;
    for (const std::string& directory : directories) {
      if (!directory.empty() && pick(4) != 0) continue;
      const std::string text = ignore_file();
      root.put(directory + ".gitignore", text);
      files += "--- " + directory + ".gitignore\n" + text + "\n";
    }
    if (pick(3) == 0) {
      const std::string text = ignore_file();
      root.put(".git/info/exclude", text);
      files += "--- exclude\n" + text + "\n";
    }
    INFO(files);

    std::vector<std::string> paths;
    for (const auto& [path, directory] : entries) paths.push_back(path);
    const std::set<std::string> expected = git_ignored(root, paths);

    const auto workspace = open_local_workspace(root.path());
    REQUIRE(workspace);
    std::set<std::string> given;
    WalkOptions options;
    options.well_known = false;
    REQUIRE(walk(**workspace, ".", options, CancelToken(), [&](WalkEntry& entry) {
      given.insert(entry.path);
      return true;
    }));
    for (const std::string& path : paths) {
      CAPTURE(path);
      CHECK((given.count(path) == 0) == (expected.count(path) != 0));
      ++cases;
    }
  }
  MESSAGE(cases << " paths compared with git");
}

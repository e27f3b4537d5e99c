#include "shell/programs.hpp"

#include <doctest/doctest.h>

#include <sstream>

using namespace joey;

namespace {

// The index of the word that makes it such a use, or "-". `$` begins a word that is certain up to there.
std::string escape(const std::string& line) {
  std::vector<ShellWord> words;
  std::istringstream in(line);
  for (std::string text; in >> text;) {
    const std::size_t at = text.find('$');
    words.push_back({text.substr(0, at), at == std::string::npos, false});
  }
  const std::optional<Escape> found = escape_of(words);
  if (!found) return "-";
  CHECK_FALSE(found->reason.empty());
  return found->word >= words.size() ? "end" : std::to_string(found->word);
}

}  // namespace

TEST_CASE("options that run programs are found shortened, attached and among letters") {
  CHECK(escape("tar --checkpoint-action=exec=x -cf a b") == "1");
  CHECK(escape("tar -cf a --checkpoint-ac=exec=x b") == "3");
  CHECK(escape("tar -cIx a") == "1");
  CHECK(escape("tar cIf x a") == "1");
  CHECK(escape("/usr/bin/tar -I x") == "1");
  CHECK(escape("tar -czf a b") == "-");
  CHECK(escape("python3.11 -c x") == "1");
  CHECK(escape("python3 -m x -c y") == "1");
  CHECK(escape("python3") == "end");
  CHECK(escape("python3 x.py") == "-");
}

TEST_CASE("an argument that is not certain may be an option, unless its beginning says otherwise") {
  CHECK(escape("find $x") == "1");
  CHECK(escape("find a$x") == "-");
  CHECK(escape("find -na$x") == "1");
  CHECK(escape("rg --regexp=$x") == "-");
  CHECK(escape("rg --pre=$x") == "1");
  CHECK(escape("rg a -- $x") == "-");
  CHECK(escape("rg --regexp -- $x") == "3");
  CHECK(escape("grep $x") == "-");
}

TEST_CASE("git is known by its subcommands") {
  CHECK(escape("git -c a=b log") == "1");
  CHECK(escape("git -C a -c b=c log") == "3");
  CHECK(escape("git -C a log") == "-");
  CHECK(escape("git config a b") == "1");
  CHECK(escape("git log config") == "-");
  CHECK(escape("git commit -m $x") == "-");
  CHECK(escape("git log -n $x") == "3");
  CHECK(escape("git $x") == "1");
}

TEST_CASE("variables that change what programs do are not harmless") {
  for (const char* name : {"CI", "LANG", "LC_ALL", "TZ", "NO_COLOR", "TERM", "NODE_ENV", "RUST_BACKTRACE", "i"}) CHECK(is_harmless_variable(name));
  for (const char* name : {"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "BASH_ENV", "ENV", "GIT_DIR", "PAGER", "EDITOR", "HOME", "PS4",
                           "NODE_OPTIONS", "PYTHONPATH", "http_proxy", "_", "", "I", "LC", "CI2"}) {
    CAPTURE(name);
    CHECK_FALSE(is_harmless_variable(name));
  }
}

TEST_CASE("the lists of programs are well formed") {
  CHECK(wrapper_named("sudo") != nullptr);
  CHECK(wrapper_named("git") == nullptr);
  CHECK(is_opaque_wrapper("strace"));
  CHECK_FALSE(is_opaque_wrapper(""));
  CHECK_FALSE(lists("a b", ""));
  CHECK_FALSE(lists("", "a"));
  CHECK_FALSE(lists("ab", "a"));
  CHECK(lists("a b", "b"));
  CHECK_FALSE(refused_builtin("alias").empty());
  CHECK(refused_builtin("echo").empty());
}

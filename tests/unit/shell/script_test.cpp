#include "shell/script.hpp"

#include <doctest/doctest.h>

using namespace joey;

namespace {

// Commands as their words in brackets, "..." where a word is not certain; redirections, assignments and what is unknown.
std::string shown(std::string_view text) {
  std::string out;
  const Script script = read_script(text);
  for (const ScriptItem& item : script.items) {
    if (!out.empty()) out += " ";
    switch (item.kind) {
      case ShellPart::Kind::assignment: out += item.variable + "="; break;
      case ShellPart::Kind::unknown: out += "?"; break;
      case ShellPart::Kind::redirect: out += item.reads && item.writes ? "<>" : item.reads ? "<" : ">"; [[fallthrough]];
      case ShellPart::Kind::command:
        for (const ScriptWord& word : item.words) out += "[" + word.value.text + (word.value.is_static ? "" : word.value.splits ? "...*" : "...") + "]";
    }
  }
  return out + (script.complete ? "" : " |");
}

}  // namespace

TEST_CASE("words lose their quotes as in Bash") {
  CHECK(shown("r'm' \"rm\" \\rm $'\\x72m' $'\\162m' r\"\"m") == "[rm][rm][rm][rm][rm][rm]");
  CHECK(shown("a 'b c' \"d 'e' \\\" \\$ \\x\" f\\ g ''") == "[a][b c][d 'e' \" $ \\x][f g][]");
  CHECK(shown("a \"b\\\nc\" 'b\\\nc'") == "[a][bc][b\\\nc]");
  CHECK(shown("a $'\\t\\'\\\\\\n'") == "[a][\t'\\\n]");
  CHECK(shown("a b#c d$ \"$\" é\\é") == "[a][b#c][d$][$][éé]");
}

TEST_CASE("of a word that is not certain the beginning is kept") {
  CHECK(shown("a b$c \"b$c\" b\"$@\" b*c b?c b[cd] b{c,d} {x,y} b{1..2} ~/b $b") ==
        "[a][b...*][b...][b...*][b...*][b...*][b...*][b...*][...*][b...*][...][...*]");
  CHECK(shown("a b[c b{c} {} stash@{0} a~b") == "[a][b[c][b{c}][{}][stash@{0}][a~b]");
  CHECK(shown("a b[$c") == "[a][b...*]");
}

TEST_CASE("commands are found wherever they stand") {
  CHECK(shown("a; b & c && d || e | f |& g\nh") == "[a] [b] [c] [d] [e] [f] [g] [h]");
  CHECK(shown("(a; (b)); { c; }; ! d; time -p e") == "[a] [b] [c] [d] [e]");
  CHECK(shown("if a; then b; elif c; then d; else e; fi") == "[a] [b] [c] [d] [e]");
  CHECK(shown("while a; do b; done; until c; do d; done; for x in $(e); do f; done") == "[a] [b] [c] [d] x= [e] [f]");
  CHECK(shown("case $(a) in b|(c) d;; *) e; esac") == "[a] ? |");
  CHECK(shown("case $(a) in (b|c) d;; *) e;& f) g;;& h) esac") == "[a] [d] [e] [g]");
  CHECK(shown("f() { a; }; function g { b; }; function h() (c)") == "[a] [b] [c]");
  CHECK(shown("a \"b $(c \"$(d)\")\" `e` ${x:-$(f)} <(g)") == "[d] [c][...] [e] [f] [g] [a][b ...][...*][...*][...]");
}

TEST_CASE("the text of a here-document is looked at unless its delimiter is quoted") {
  CHECK(shown("a <<E\n$(b) `c` \\$(d)\nE\ne") == "[a] [b] [c] [e]");
  CHECK(shown("a <<'E'\n$(b)\nE\ne") == "[a] [e]");
  CHECK(shown("a <<-E | b\n\t$(c)\n\tE\nd") == "[a] [b] [c] [d]");
  CHECK(shown("a <<E\nb") == "[a] ? |");
  CHECK(shown("a <<E\nb\nE c\nE\n") == "[a]");
}

TEST_CASE("redirections name their files, and descriptors are none") {
  CHECK(shown("a <b >c 2>>d &>e >|f <>g >&h") == "<[b] >[c] >[d] >[e] >[f] <>[g] >[h] [a]");
  CHECK(shown("a 2>&1 >&- <&0 3<&4- <<<b") == "[a]");
  CHECK(shown("> a") == ">[a]");
  CHECK(shown("a >$b") == ">[...*] [a]");
  CHECK(shown("a <&$b") == "? [a]");
  CHECK(shown("a {b}>c") == "? [a][{b}] |");
}

TEST_CASE("assignments are told from words") {
  CHECK(shown("A=1 B+=2 c D=3") == "A= B= [c][D=3]");
  CHECK(shown("A=$(b)") == "[b] A=");
  CHECK(shown("\"A\"=1 A\\=1") == "[A=1][A=1]");
  CHECK(shown("A[1]=2") == "? |");
  CHECK(shown("A=(b)") == "? |");
  CHECK(shown("a ${B:=c} ${D=e}") == "B= D= [a][...*][...*]");
}

TEST_CASE("what is not read with certainty is unknown") {
  for (const char* text : {"a\r", "a\x01", "a\x7f", "a\xff", "a\xc2\xa0""b", "a\xe2\x80\x8b", "'", "\"", "`", "$(", "${", "(", ")", "{ a", "a)",
                           "a;;", "a &&", "| a", "; a", "& a", "a | | b", "if a", "for", "case a", "a <", "a <<", "${a@P}", "${!a}", "${a[b]}",
                           "$[1]", "$((", "((1))", "$\"a\"", "$'\\c'", "$'\\x00'", "$'\\u0041'", "a\\", "a\\\nb", "a(b)", "@(a)", "a[1]=b", "`\\``",
                           "`a\nb`", "$(a # b\n)", "select a in b; do c; done", "coproc a", "a <<E$x\nE", "a <<\"E F\"\nE F\n", ">#a", "a b<(c)"}) {
    CAPTURE(std::string(text));
    CHECK(shown(text).find('?') != std::string::npos);
  }
}

TEST_CASE("a line that runs nothing has no items") {
  for (const char* text : {"", " ", "\n", "# a", "\t\n # b\n\n"}) CHECK(shown(text).empty());
}

TEST_CASE("nesting that is too deep is not read, and neither is it slow") {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "$(";
  CHECK_FALSE(read_script(text).complete);
}

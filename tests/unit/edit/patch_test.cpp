#include "edit/patch.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "text_support.hpp"

using namespace joey;

namespace {

std::string patch(std::string_view body) { return fmt::format("*** Begin Patch\n{}*** End Patch\n", body); }

// What was read, as text.
std::string shown(std::string_view text) {
  const auto sections = parse_patch(text);
  if (!sections) return "error: " + sections.error().message;
  std::string out;
  for (const PatchSection& section : *sections) {
    const bool adds = section.kind == PatchSection::Kind::add;
    out += fmt::format("{} {} {}", section.patch_line, adds ? "add" : section.kind == PatchSection::Kind::remove ? "remove" : "update",
                       section.path);
    if (!section.move_to.empty()) out += " -> " + section.move_to;
    if (adds) out += " " + quoted(section.content);
    for (const PatchChunk& chunk : section.chunks) {
      out += fmt::format(" {}(", chunk.patch_line);
      for (const std::string_view context : chunk.contexts) out += fmt::format("@{}@", context);
      for (const PatchLine& line : chunk.lines) {
        out += fmt::format("{}{};", line.kind == PatchLine::Kind::kept ? " " : line.kind == PatchLine::Kind::added ? "+" : "-", line.text);
      }
      out += chunk.at_end ? "end)" : ")";
    }
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("a patch names what it does to each file") {
  CHECK(shown(patch("*** Add File: docs/new.md\n+# New\n+\n+text\n"
                    "*** Delete File: old.md\n"
                    "*** Update File: a.cpp\n*** Move to: b.cpp\n@@ class A\n keep\n-gone\n+come\n"
                    "@@\n-x\n*** End of File\n")) ==
        "2 add docs/new.md # New\\n\\ntext\\n\n"
        "6 remove old.md\n"
        "7 update a.cpp -> b.cpp 9(@class A@ keep;-gone;+come;) 13(-x;end)\n");
}

TEST_CASE("what models write beside the letter of the form is understood") {
  CHECK(shown("<<'EOF'\n*** Begin Patch\n*** Delete File: a\n*** End Patch\nEOF\n") == "3 remove a\n");
  CHECK(shown("```\n*** Begin Patch\n*** Delete File: a\n*** End Patch\n```") == "3 remove a\n");
  CHECK(shown("\n *** Begin Patch  \n  *** Delete File:  a b \n\n*** End Patch ") == "3 remove a b\n");
  CHECK(shown("*** Begin Patch\r\n*** Update File: a\r\n x\r\n-y\r\n*** End Patch\r\n") == "2 update a 3( x;-y;)\n");
  CHECK(shown(patch("*** Update File: a\n x\n\n+y\n")) == "2 update a 3( x; ;+y;)\n");
  CHECK(shown(patch("*** Update File: a\n\n@@\n-x\n+y\n\n*** Delete File: b\n")) == "2 update a 4(-x;+y; ;)\n8 remove b\n");
  CHECK(shown(patch("*** Update File: a\n@@ class A\n@@ def f\n-x\n")) == "2 update a 3(@class A@@def f@-x;)\n");
  CHECK(shown(patch("*** Update File: a\n@@ -1,3 +1,4 @@\n-x\n@@ -9 +8,0 @@ def f:\n-y\n")) ==
        "2 update a 3(-x;) 5(@def f:@-y;)\n");
  CHECK(shown(patch("*** Update File: a\n@@ x += -1, 2\n-x\n")) == "2 update a 3(@x += -1, 2@-x;)\n");
  CHECK(shown(patch("*** Add File: a\n+x\n\n+y\n\n*** Add File: empty\n")) == "2 add a x\\n\\ny\\n\n7 add empty \n");
  CHECK(shown(patch("*** Update File: a\n*** Move to: b\n")) == "2 update a -> b\n");
  CHECK(shown(patch("*** Update File: a\n+*** End Patch\n")) == "2 update a 3(+*** End Patch;)\n");
  CHECK(shown(patch("*** Update File: a\n*** Move to: b\n-x\n- *** End of File\n")) == "2 update a -> b 4(-x;- *** End of File;)\n");
}

TEST_CASE("errors of a patch's form name the line and what was expected") {
  struct Case {
    std::string text, part;
  };
  const std::vector<Case> cases{
      {"", "the patch does not begin"},
      {"diff --git a/x b/x\n", "a line \"*** Begin Patch\" was expected"},
      {"*** Begin Patch\n*** Delete File: a\n", "a last line \"*** End Patch\" was expected"},
      {"*** End Patch\n*** Begin Patch\n", "a last line \"*** End Patch\" was expected"},
      {patch(""), "the patch changes no file"},
      {patch("*** Frobnicate File: a\n"), "line 2 of the patch: found \"*** Frobnicate File: a\" where *** Add File"},
      {patch("*** Add File:\n+x\n"), "line 2 of the patch: found \"*** Add File:\" where a path"},
      {patch("*** Update File: a\n*** Move to: \n-x\n"), "line 3 of the patch: found \"*** Move to:\""},
      {patch("*** Update File: a\n"), "line 2 of the patch: the update of \"a\" changes nothing"},
      {patch("*** Update File: a\n@@ b\n"), "line 3 of the patch: the chunk that begins there has no lines"},
      {patch("*** Update File: a\n@@\n*** End of File\n"), "has no lines"},
      {patch("*** Update File: a\n-x\ny\n"), "line 4 of the patch: found \"y\" where a line that begins with"},
      {patch("*** Delete File: a\n-x\n"), "line 3 of the patch: found \"-x\" where *** Add File"},
      {patch("*** Add File: a\nx\n"), "line 3 of the patch: found \"x\""},
      {patch("*** Delete File: a\n*** End Patch\n*** Begin Patch\n*** Delete File: b\n"), "line 3 of the patch: found \"*** End Patch\""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto sections = parse_patch(c.text);
    REQUIRE_FALSE(sections);
    CHECK(sections.error().code == ErrorCode::invalid_argument);
    CHECK(holds(sections.error().message, c.part));
    CHECK(sections.error().message.find('\n') == std::string::npos);
  }
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "*** Delete File: a\n";
  CHECK(holds(shown(patch(many)), "more than 1000 sections"));
  std::string chunks = "*** Update File: a\n";
  for (int i = 0; i < 10'001; ++i) chunks += "@@\n-x\n";
  CHECK(holds(shown(patch(chunks)), "more than 10000 chunks"));
}

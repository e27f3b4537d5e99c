// edit, search_replace, edit_file and insert_content; and what holds for every tool that edits.
#include <algorithm>

#include "interfering_workspace.hpp"
#include "document/encoding.hpp"
#include "tool/workspace_tools.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string replacing(std::string_view path, std::string_view before, std::string_view after) {
  return arguments_of({{"file_path", path}, {"old_string", before}, {"new_string", after}});
}

// A call of every tool that changes text it finds: "b" of the file becomes `after`.
std::vector<std::pair<std::string, std::string>> calls_on(std::string_view path, std::string_view after) {
  const std::string lines(after);
  return {{"edit", replacing(path, "b", after)},
          {"search_and_replace", replacing(path, "b", after)},
          {"search_replace", replacing(path, "b", after)},
          {"edit_file", replacing(path, "b", after)},
          {"apply_diff", arguments_of({{"path", path}, {"diff", "<<<<<<< SEARCH\nb\n=======\n" + lines + "\n>>>>>>> REPLACE\n"}})},
          {"apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Update File: " + std::string(path) + "\n-b\n+" + lines + "\n*** End Patch\n"}})}};
}

std::vector<PathUse> paths_of(std::string_view tool, std::string_view arguments) {
  for (const auto& each : workspace_tools()) {
    if (each->spec().name == tool) return each->spec().paths(arguments);
  }
  FAIL("no such tool");
  return {};
}

}  // namespace

TEST_CASE("every tool that edits changes what it is told, keeps the rest byte for byte, and says so") {
  ToolWorld world;
  const std::string text = "\xEF\xBB\xBF" "a  \r\nb\r\nc\td\n\xFFz";
  for (const auto& [tool, arguments] : calls_on("dir/f.txt", "&lt;$& `\\n` ")) {
    CAPTURE(tool);
    world.file("dir/f.txt", text);
    const auto outcome = world.run(tool, arguments);
    CHECK_MESSAGE(outcome.ok, outcome.text);
    CHECK(outcome.paths == std::vector<std::string>{"dir/f.txt"});
    CHECK(holds(outcome.text, R"("path":"dir/f.txt","operation":"modified")"));
    CHECK(holds(outcome.text, R"("notice":")"));
    CHECK(world.bytes("dir/f.txt") == "\xEF\xBB\xBF" "a  \r\n&lt;$& `\\n` \r\nc\td\n\xFFz");
  }
}

TEST_CASE("defects 7 and 8: no tool that edits unescapes HTML, and none loses trailing white space") {
  ToolWorld world;
  for (const auto& [tool, arguments] : calls_on("f", "&lt;&amp;&#39;\t ")) {
    CAPTURE(tool);
    world.file("f", "b\n");
    CHECK(world.run(tool, arguments).ok);
    CHECK(world.bytes("f") == "&lt;&amp;&#39;\t \n");
  }
  CHECK(world.run("write_to_file", arguments_of({{"path", "f"}, {"content", "&lt;&amp; \n"}})).ok);
  CHECK(world.bytes("f") == "&lt;&amp; \n");
  CHECK(world.run("insert_content", R"({"path":"f","line":1,"content":"&quot; "})").ok);
  CHECK(world.bytes("f") == "&quot; \n&lt;&amp; \n");
}

TEST_CASE("every tool that edits works on UTF-16, whichever end comes first") {
  ToolWorld world;
  for (const TextEncoding encoding : {TextEncoding::utf16_le, TextEncoding::utf16_be}) {
    for (const auto& [tool, arguments] : calls_on("w", "\u20AC\U0001F600")) {
      CAPTURE(tool);
      world.file("w", encode_text("\u00E9\r\nb\r\nc", encoding).value());
      CHECK(world.run(tool, arguments).ok);
      CHECK(world.bytes("w") == encode_text("\u00E9\r\n\u20AC\U0001F600\r\nc", encoding).value());
      const std::string damaged = encode_text("b", encoding).value() + "\xD8";  // half a character
      world.file("w", damaged);
      CHECK_FALSE(world.run(tool, arguments).ok);
      CHECK(world.bytes("w") == damaged);
    }
  }
}

TEST_CASE("every tool that edits finds nothing to do when the file holds the result already") {
  ToolWorld world;
  world.file("f", "b\n");
  for (const auto& [tool, arguments] :
       {std::pair<std::string, std::string>{"write_to_file", arguments_of({{"path", "f"}, {"content", "b\n"}})},
        {"apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Update File: f\n b\n*** End Patch\n"}})},
        {"edit_file", replacing("f", " b", "b")},
        {"apply_diff", arguments_of({{"path", "f"}, {"diff", "<<<<<<< SEARCH\n  b\n=======\n  b \n>>>>>>> REPLACE\n"}})}}) {
    CAPTURE(tool);
    world.file("f", tool == "apply_diff" ? "b \n" : "b\n");
    const auto outcome = world.run(tool, arguments);
    CHECK_MESSAGE(outcome.ok, outcome.text);
    CHECK(outcome.paths.empty());
    CHECK(holds(outcome.text, R"("operation":"unchanged")"));
    CHECK(holds(outcome.text, "No changes needed"));
  }
}

TEST_CASE("defects 24 and 28: a tool that edits refuses what it cannot edit, in one line, and makes nothing") {
  ToolWorld world;
  world.file("dir/file", "b");
  for (const std::string_view path : {"missing/f", "dir", "../out", "dir/file/x", "", "/etc/passwd"}) {
    for (const auto& [tool, arguments] : calls_on(path, "c")) {
      CAPTURE(tool);
      CAPTURE(path);
      const auto outcome = world.run(tool, arguments);
      CHECK_FALSE(outcome.ok);
      CHECK(outcome.paths.empty());
      CHECK((is_one_line(outcome.text) || outcome.text.starts_with("Nothing was changed.\n")));
    }
  }
  CHECK_FALSE(std::filesystem::exists(world.root + "/missing"));
  for (const std::string_view tool : {"edit", "search_and_replace", "search_replace", "edit_file", "insert_content"}) {
    for (const std::string_view arguments :
         {"{}", R"({"file_path":1})", R"({"file_path":"dir/file"})", R"({"file_path":"dir/file","old_string":1,"new_string":"a"})",
          R"({"file_path":"dir/file","line":-1,"content":"x"})", R"({"file_path":"dir/file","line":"end","content":"x"})"}) {
      CAPTURE(tool);
      CAPTURE(arguments);
      const auto outcome = world.run(tool, std::string(arguments));
      CHECK_FALSE(outcome.ok);
      CHECK(holds(outcome.text, "argument \""));
    }
  }
}

TEST_CASE("the file may be named by path or file_path, and the mode's pattern is held against the same one") {
  ToolWorld world;
  world.file("a", "b\n");
  world.file("x", "b\n");
  CHECK(world.run("edit", R"({"path":"a","file_path":"x","old_string":"b","new_string":"c"})").ok);
  CHECK(world.bytes("a") == "c\n");
  CHECK(paths_of("edit", R"({"path":"a","file_path":"x"})") == std::vector<PathUse>{{"a", true}});
  CHECK(world.run("apply_diff", R"({"file_path":"x","diff":"<<<<<<< SEARCH\nb\n=======\nc\n>>>>>>> REPLACE"})").ok);
  CHECK(world.bytes("x") == "c\n");
}

TEST_CASE("defect 27: an edit names its file whatever it puts there, so that empty content skips no mode's file pattern") {
  CHECK(paths_of("write_to_file", R"({"path":"a.cpp","content":""})") == std::vector<PathUse>{{"a.cpp", true}});
  CHECK(paths_of("edit_file", R"({"file_path":"a.cpp","old_string":"","new_string":""})") == std::vector<PathUse>{{"a.cpp", true}});
  CHECK(paths_of("insert_content", R"({"path":"a.cpp"})") == std::vector<PathUse>{{"a.cpp", true}});
  CHECK(paths_of("search_replace", R"({"file_path":"/w/a.cpp"})") == std::vector<PathUse>{{"/w/a.cpp", true}});
  CHECK(paths_of("search_and_replace", "{}").empty());
  CHECK(paths_of("edit", "[]").empty());
}

TEST_CASE("edit replaces text that is unique, or all of it") {
  ToolWorld world;
  world.file("f", "a\nb\na\n");
  auto outcome = world.run("edit", replacing("f", "a", "x"));
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "\"f\" is unchanged: old_string is in the file 2 times, at lines 1, 3: add lines around it until it "
                        "is unique, or set replace_all to true to change them all.");
  CHECK(world.run("edit", R"({"file_path":"f","old_string":"a","new_string":"$&","replace_all":true})").ok);
  CHECK(world.bytes("f") == "$&\nb\n$&\n");
  CHECK(world.run("edit", R"({"file_path":"f","old_string":"$&","new_string":"a","replace_all":"true"})").ok);
  CHECK(world.bytes("f") == "a\nb\na\n");
  outcome = world.run("edit", replacing("f", "zzzzzzzzz", "x"));
  CHECK(outcome.text == "\"f\" is unchanged: old_string is not in the file, nor anything like it: read the file again.");
  CHECK(world.run("edit", replacing("f", "a", "a")).text ==
        "old_string and new_string are the same, so nothing would change");
  CHECK(holds(world.run("edit", replacing("new", "a", "b")).text, "\"new\" does not exist: create it with write_to_file"));
}

TEST_CASE("search_replace wants exactly one place, and takes an absolute path beneath the workspace") {
  ToolWorld world;
  world.file("f", "a\nb\na\n");
  CHECK(holds(world.run("search_replace", replacing("f", "a", "x")).text, "2 times, at lines 1, 3"));
  CHECK(world.run("search_replace", replacing(world.root + "/f", "b", "$1")).ok);
  CHECK(world.bytes("f") == "a\n$1\na\n");
}

TEST_CASE("edit_file creates a file, and replaces as often as expected") {
  ToolWorld world;
  auto outcome = world.run("edit_file", replacing("d/f", "", "a\r\nb  c\n"));
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, R"("operation":"created")"));
  CHECK(world.bytes("d/f") == "a\r\nb  c\n");
  CHECK(world.run("edit_file", replacing("empty", "", "")).ok);
  CHECK(std::filesystem::is_empty(world.root + "/empty"));
  CHECK(holds(world.run("edit_file", replacing("d/f", "", "x")).text, "\"d/f\" exists already"));
  CHECK(holds(world.run("edit_file", replacing("none", "a", "x")).text, "leave old_string empty to create the file"));

  outcome = world.run("edit_file", replacing("d/f", "b c", "B"));
  CHECK(holds(outcome.text, "old_string matched at line 2 except for white space."));
  CHECK(world.bytes("d/f") == "a\r\nB\n");
  world.file("d/f", "a a\n");
  CHECK(holds(world.run("edit_file", replacing("d/f", "a", "x")).text, "set expected_replacements"));
  CHECK(world.run("edit_file", R"({"file_path":"d/f","old_string":"a","new_string":"x","expected_replacements":2})").ok);
  CHECK(world.bytes("d/f") == "x x\n");
  CHECK(holds(world.run("edit_file", R"({"file_path":"d/f","old_string":"x","new_string":"y","expected_replacements":0})").text,
              "must be an integer from 1"));
}

TEST_CASE("insert_content inserts before a line, at the end, and into a file that was not there") {
  ToolWorld world;
  world.file("f", "a\r\nb");
  CHECK(world.run("insert_content", R"({"path":"f","line":2,"content":"x\ny"})").ok);
  CHECK(world.bytes("f") == "a\r\nx\r\ny\r\nb");
  CHECK(world.run("insert_content", R"({"path":"f","line":"0","content":"z"})").ok);
  CHECK(world.bytes("f") == "a\r\nx\r\ny\r\nb\r\nz");
  CHECK(holds(world.run("insert_content", R"({"path":"f","line":7,"content":"z"})").text, "there is no line 7: the file has 5 lines"));
  CHECK(holds(world.run("insert_content", R"({"path":"new","line":2,"content":"z"})").text, "\"new\" does not exist: line 0 or 1 creates it"));
  CHECK(holds(world.run("insert_content", R"({"path":"new","line":1,"content":"z"})").text, R"("operation":"created")"));
  CHECK(world.bytes("new") == "z\n");
}

// ---- Somebody else changes files too ---------------------------------------------------------------------------------

TEST_CASE("a change that comes between an edit's read and its write is not lost: the edit is made on top of it") {
  ToolWorld world;
  for (const auto& [tool, arguments] : calls_on("f", "B")) {
    CAPTURE(tool);
    world.file("f", "a\nb\n");
    int changes = 0;
    auto context = world.context();
    context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view) -> Status {
      if (++changes == 1) world.file("f", "other\nb\n");
      return {};
    });
    for (const auto& each : workspace_tools()) {
      if (each->spec().name != tool) continue;
      const auto outcome = world.run(*each, arguments, context);
      CHECK_MESSAGE(outcome.ok, outcome.text);
    }
    CHECK(changes == 2);
    CHECK(world.bytes("f") == "other\nB\n");
  }
}

TEST_CASE("an edit gives up when the file changes again and again, and says so") {
  ToolWorld world;
  for (const auto& [tool, arguments] : calls_on("f", "B")) {
    CAPTURE(tool);
    world.file("f", "a\nb\n");
    int changes = 0;
    auto context = world.context();
    context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view) -> Status {
      world.file("f", std::to_string(++changes) + "\nb\n");
      return {};
    });
    for (const auto& each : workspace_tools()) {
      if (each->spec().name != tool) continue;
      const auto outcome = world.run(*each, arguments, context);
      CHECK_FALSE(outcome.ok);
      CHECK(holds(outcome.text, "somebody else has changed it meanwhile"));
    }
    CHECK(changes == 2);
    CHECK(world.bytes("f") == "2\nb\n");
  }
}

TEST_CASE("a file that is created while write_to_file is about to create it is seen before it is replaced") {
  ToolWorld world;
  int changes = 0;
  auto context = world.context();
  context->workspace = std::make_shared<InterferingWorkspace>(world.workspace, [&](std::string_view) -> Status {
    if (++changes == 1) world.file("f", "theirs");
    return {};
  });
  const auto tool = workspace_tools()[1];
  REQUIRE(tool->spec().name == "write_to_file");
  const auto outcome = world.run(*tool, arguments_of({{"path", "f"}, {"content", "ours"}}), context);
  CHECK(holds(outcome.text, R"("operation":"modified")"));
  CHECK(world.bytes("f") == "ours");
}

TEST_CASE("write_to_file does not replace a file that changed since the model read it") {
  ToolWorld world;
  auto context = world.context();
  context->files = std::make_shared<FileLedger>();
  const auto tool = workspace_tools()[1];
  const auto write = [&](std::string_view content) {
    return world.run(*tool, arguments_of({{"path", "f"}, {"content", content}}), context);
  };
  world.file("f", "never read");
  CHECK(write("1").ok);  // as in Roo Code
  CHECK(write("2").ok);  // what it holds is what the model wrote
  world.file("f", "theirs");
  const auto outcome = write("3");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "\"f\" was not written: somebody else has changed it since you read it; read it again");
  CHECK(world.bytes("f") == "theirs");
  context->files->saw("f", "theirs");
  CHECK(write("3").ok);
  std::filesystem::remove(world.root + "/f");
  CHECK(write("4").ok);  // nothing is lost
}

TEST_CASE("an edit of a file that changed since the model read it goes through where it matches exactly, and says so") {
  ToolWorld world;
  auto context = world.context();
  context->files = std::make_shared<FileLedger>();
  const auto run = [&](std::string_view name, const std::string& arguments) {
    for (const auto& each : workspace_tools()) {
      if (each->spec().name == name) return world.run(*each, arguments, context);
    }
    return ToolOutcome{};
  };
  for (const auto& [tool, arguments] : calls_on("f", "B")) {
    CAPTURE(tool);
    context->files->saw("f", "b\n");
    world.file("f", "theirs\nb\n");
    const auto outcome = run(tool, arguments);
    CHECK_MESSAGE(outcome.ok, outcome.text);
    CHECK(holds(outcome.text, "Somebody else has changed the file since you read it"));
    CHECK(world.bytes("f") == "theirs\nB\n");
    // What they changed is still unseen.
    CHECK_FALSE(run("write_to_file", arguments_of({{"path", "f"}, {"content", "x"}})).ok);
  }
  context->files->saw("f", "b\n");
  for (const auto& [tool, arguments] :
       {std::pair<std::string, std::string>{"edit_file", replacing("f", "b c", "B")},
        {"apply_diff", arguments_of({{"path", "f"}, {"diff", "<<<<<<< SEARCH\nb c\n=======\nB\n>>>>>>> REPLACE\n"}})},
        {"apply_diff", arguments_of({{"path", "f"}, {"diff", "<<<<<<< SEARCH\n:start_line:1\n=======\nB\n>>>>>>> REPLACE\n"}})},
        {"apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Update File: f\n-b c\n+B\n*** End Patch\n"}})},
        {"apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Delete File: f\n*** End Patch\n"}})},
        {"insert_content", R"({"path":"f","line":1,"content":"B"})"}}) {
    CAPTURE(arguments);
    world.file("f", tool == "edit_file" ? "theirs\nb  c\n" : "theirs\nb c \n");
    const auto outcome = run(tool, arguments);
    CHECK_FALSE(outcome.ok);
    CHECK(holds(outcome.text, "since you read it"));
    CHECK(holds(outcome.text, "read it again"));
    CHECK(world.bytes("f").starts_with("theirs\nb"));
  }
}

TEST_CASE("after an edit the model knows what the file holds") {
  ToolWorld world;
  auto context = world.context();
  context->files = std::make_shared<FileLedger>();
  for (const auto& [tool, arguments] : calls_on("f", "B")) {
    CAPTURE(tool);
    world.file("f", "b\n");
    context->files->saw("f", "b\n");
    for (const auto& each : workspace_tools()) {
      if (each->spec().name == tool) CHECK(world.run(*each, arguments, context).ok);
    }
    CHECK(context->files->knowledge("f", "B\n") == FileLedger::Knowledge::current);
  }
}

TEST_CASE("an edit that is cancelled before it writes changes nothing") {
  ToolWorld world;
  for (const auto& [tool, arguments] : calls_on("f", "B")) {
    CAPTURE(tool);
    world.file("f", "b\n");
    auto context = world.context();
    auto workspace = std::make_shared<InterferingWorkspace>(world.workspace, [](std::string_view) -> Status { return {}; });
    workspace->on_read = [&context] { context->cancel.cancel(); };
    context->workspace = workspace;
    for (const auto& each : workspace_tools()) {
      if (each->spec().name != tool) continue;
      const auto outcome = world.run(*each, arguments, context);
      CHECK_FALSE(outcome.ok);
      CHECK(holds(outcome.text, "cancelled"));
    }
    CHECK(world.bytes("f") == "b\n");
  }
}

TEST_CASE("a file too large to be read is replaced whole, and not edited") {
  ToolWorld world;
  world.file("big", std::string((16U << 20) + 1, 'b'));
  for (const auto& [tool, arguments] : calls_on("big", "c")) CHECK(holds(world.run(tool, arguments).text, "larger than"));
  CHECK(world.run("write_to_file", arguments_of({{"path", "big"}, {"content", "small"}})).ok);
  CHECK(world.bytes("big") == "small");
}

TEST_CASE("write_to_file says when it changed a file's encoding or line endings") {
  ToolWorld world;
  const auto notice = [&](std::string_view before, std::string_view after) {
    world.file("f", before);
    return world.run("write_to_file", arguments_of({{"path", "f"}, {"content", after}})).text;
  };
  CHECK(holds(notice("a\r\nb\r\n", "a\n"), "The file had CRLF line endings; they are LF now."));
  CHECK(holds(notice("\xEF\xBB\xBF" "a", "b"), "began with a byte order mark; it no longer does."));
  CHECK(holds(notice(encode_text("a", TextEncoding::utf16_le).value(), "b"), "The file was UTF-16; it is UTF-8 now."));
  for (const auto& [before, after] : {std::pair("a\r\n", "b\r\n"), {"a\r\n", "b"}, {"a\n", "b\n"}, {"", "x\n"}}) {
    CHECK(notice(before, after).find("The file h") == notice(before, after).find("The file holds exactly"));
  }
}

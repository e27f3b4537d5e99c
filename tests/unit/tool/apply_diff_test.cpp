#include "tool_world.hpp"

#include "document/encoding.hpp"

using namespace joey;

namespace {

std::string block(std::string_view search, std::string_view replace) {
  return "<<<<<<< SEARCH\n" + std::string(search) + "\n=======\n" + std::string(replace) + "\n>>>>>>> REPLACE\n";
}

}  // namespace

TEST_CASE("apply_diff changes the file and says so") {
  ToolWorld world;
  world.file("a.txt", "a\r\nb\r\nc");
  const auto outcome = world.run("apply_diff", arguments_of({{"path", "a.txt"}, {"diff", block("b", "B $&")}}));
  CHECK(outcome.ok);
  CHECK(outcome.paths == std::vector<std::string>{"a.txt"});
  CHECK(outcome.text.starts_with(R"({"path":"a.txt","operation":"modified","notice":)"));
  CHECK(holds(outcome.text, "several blocks into one call"));
  CHECK(world.bytes("a.txt") == "a\r\nB $&\r\nc");
}

TEST_CASE("apply_diff applies the blocks it can and reports each other one") {
  ToolWorld world;
  world.file("a.txt", "a\nb\n");
  const auto outcome = world.run(
      "apply_diff", arguments_of({{"path", "a.txt"}, {"diff", block("x", "1") + block("b", "B") + block("y", "2")}}));
  CHECK(outcome.ok);
  CHECK(outcome.text.starts_with("Only 1 of 3 blocks"));
  CHECK(holds(outcome.text, "Block 1 of 3"));
  CHECK(holds(outcome.text, "Block 3 of 3"));
  CHECK(holds(outcome.text, R"("operation":"modified")"));
  CHECK(world.bytes("a.txt") == "a\nB\n");
}

TEST_CASE("apply_diff leaves the file alone when nothing applies") {
  ToolWorld world;
  world.file("a.txt", "a\nb\n");
  auto outcome = world.run("apply_diff", arguments_of({{"path", "a.txt"}, {"diff", block("x", "1")}}));
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.paths.empty());
  CHECK(holds(outcome.text, "\"a.txt\" is unchanged"));
  outcome = world.run("apply_diff", arguments_of({{"path", "a.txt"}, {"diff", "nonsense"}}));
  CHECK_FALSE(outcome.ok);
  CHECK(is_one_line(outcome.text));
  CHECK(world.bytes("a.txt") == "a\nb\n");
}

TEST_CASE("defect 2: when every block fails, every one is reported, not only the last") {
  ToolWorld world;
  world.file("a.txt", "a\nb\n");
  const auto outcome = world.run("apply_diff", arguments_of({{"path", "a.txt"}, {"diff", block("x", "1") + block("y", "2")}}));
  CHECK_FALSE(outcome.ok);
  CHECK(holds(outcome.text, "Block 1 of 2 (line 1 of the diff) failed"));
  CHECK(holds(outcome.text, "Block 2 of 2 (line 6 of the diff) failed"));
}

TEST_CASE("apply_diff needs a file") {
  ToolWorld world;
  world.file("dir/x", "x");
  const auto error = [&](std::string_view path) {
    const auto outcome = world.run("apply_diff", arguments_of({{"path", path}, {"diff", block("x", "1")}}));
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
    return outcome.text;
  };
  CHECK(holds(error("missing.txt"), "create it with write_to_file"));
  CHECK(holds(error("dir"), "dir"));
  CHECK(holds(error("../x"), ".."));
}

TEST_CASE("apply_diff keeps a file's encoding, and refuses what would not come back") {
  ToolWorld world;
  const auto encoded = [](std::string_view text, TextEncoding encoding) { return encode_text(text, encoding).value(); };
  const auto change = [&world](std::string_view to) {
    return world.run("apply_diff", arguments_of({{"path", "w.txt"}, {"diff", block("b", to)}}));
  };
  for (const TextEncoding encoding : {TextEncoding::utf8_with_mark, TextEncoding::utf16_le, TextEncoding::utf32_be}) {
    world.file("w.txt", encoded("\u00E9\r\nb\r\n", encoding));
    CHECK(change("\u20AC").ok);
    CHECK(world.bytes("w.txt") == encoded("\u00E9\r\n\u20AC\r\n", encoding));
  }
  world.file("w.txt", "\xE9\nb\n");
  CHECK(change("\u20AC").ok);
  CHECK(world.bytes("w.txt") == "\xE9\n\x80\n");  // windows-1252
  world.file("w.txt", "\xE9\nb\n");
  auto outcome = change("\u2192");
  CHECK_FALSE(outcome.ok);
  CHECK(holds(outcome.text, "\"w.txt\": line 2 of the new text has \"\u2192\" (U+2192)"));
  CHECK(world.bytes("w.txt") == "\xE9\nb\n");

  const std::string damaged = "\u00E9\u00E9\u00E9\xE9\nb\n";  // UTF-8 but for a byte
  world.file("w.txt", damaged);
  CHECK(change("c").ok);
  CHECK(world.bytes("w.txt") == "\u00E9\u00E9\u00E9\xE9\nc\n");  // and stays so
}

#include "tool_world.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "tool/encoding.hpp"

using namespace joey;

namespace {

std::string lines(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) text += fmt::format("line {}\n", i);
  return text;
}

}  // namespace

TEST_CASE("read_file numbers the lines") {
  ToolWorld world;
  world.file("a.txt", lines(10));
  CHECK(world.run("read_file", R"({"path":"a.txt","offset":9})").text == "File: a.txt\n 9 | line 9\n10 | line 10");
  world.file("b.txt", "x\r\n\r\ny");
  CHECK(world.run("read_file", R"({"path":"b.txt"})").text == "File: b.txt\n1 | x\n2 | \n3 | y");
  world.file("c.txt", "\xEF\xBB\xBFx\n");
  CHECK(world.run("read_file", R"({"path":"c.txt"})").text == "File: c.txt\n1 | x");
}

TEST_CASE("read_file says what it does not show and how to read on") {
  ToolWorld world;
  world.file("a.txt", lines(3000));
  auto text = world.run("read_file", R"({"path":"a.txt"})").text;
  CHECK(holds(text, "showing lines 1-2000 of 3000 lines"));
  CHECK(holds(text, "offset 2001"));
  CHECK(text.ends_with("\n2000 | line 2000"));
  text = world.run("read_file", R"({"path":"a.txt","offset":"2001","limit":999})").text;
  CHECK(holds(text, "showing lines 2001-2999 of 3000 lines"));
  text = world.run("read_file", R"({"path":"a.txt","offset":2001})").text;
  CHECK(text.starts_with("File: a.txt\n2001 | line 2001\n"));

  world.result_bytes_max = 2000;
  text = world.run("read_file", R"({"path":"a.txt"})").text;
  CHECK(text.size() <= 2000);
  CHECK(holds(text, "showing lines 1-"));
  world.file("long.txt", std::string(100'000, 'x') + "\ny\n");
  text = world.run("read_file", R"({"path":"long.txt"})").text;
  CHECK(text.size() <= 2000);
  CHECK(holds(text, "showing lines 1-1 of 2 lines"));
}

TEST_CASE("reading a file part by part gives all of it, whatever the limit") {
  ToolWorld world;
  world.file("a.txt", lines(500));
  for (const std::size_t size_max : {700U, 1000U, 3000U}) {
    world.result_bytes_max = size_max;
    std::size_t offset = 1;
    std::size_t seen = 0;
    while (seen < 500) {
      const auto text = world.run("read_file", fmt::format(R"({{"path":"a.txt","offset":{}}})", offset)).text;
      REQUIRE(text.size() <= size_max);
      for (const std::string_view line : split_lines(text)) {
        if (line.find(" | line ") != std::string_view::npos) REQUIRE(line.ends_with(fmt::format("| line {}", ++seen)));
      }
      REQUIRE(seen >= offset);
      offset = seen + 1;
    }
  }
}

TEST_CASE("read_file past the end is an error that tells the number of lines") {
  ToolWorld world;
  world.file("a.txt", lines(3));
  const auto outcome = world.run("read_file", R"({"path":"a.txt","offset":4})");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "line 4 is past the end of \"a.txt\", which has 3 lines");
  world.file("e.txt", "");
  CHECK(world.run("read_file", R"({"path":"e.txt"})").text == "File: e.txt\n(The file is empty.)");
}

TEST_CASE("long lines are cut at characters") {
  ToolWorld world;
  std::string text;
  for (int i = 0; i < 2001; ++i) text += "\u20AC";
  world.file("a.txt", text);
  const auto shown = world.run("read_file", R"({"path":"a.txt"})").text;
  CHECK(is_utf8(shown));
  CHECK(shown.size() == std::string("File: a.txt\n1 | ...").size() + 6000);
}

TEST_CASE("read_file shows text of any encoding and says what it changed") {
  ToolWorld world;
  world.file("latin.txt", "caf\xE9\n");
  CHECK(holds(world.run("read_file", R"({"path":"latin.txt"})").text, "not UTF-8 are shown as \uFFFD.)\n1 | caf\uFFFD"));
  world.file("wide.txt", encode_text("h\u00E9\r\nx\r\n", TextEncoding::utf16_be));
  CHECK(holds(world.run("read_file", R"({"path":"wide.txt"})").text, "UTF-16; it is shown as UTF-8.)\n1 | h\u00E9\n2 | x"));
  world.file("bin", std::string("a\0b", 3));
  const auto outcome = world.run("read_file", R"({"path":"bin"})");
  CHECK(outcome.ok);
  CHECK(holds(outcome.text, "binary file of 3 bytes"));
}

TEST_CASE("images come as images, by their content") {
  ToolWorld world;
  const std::string png = "\x89PNG\r\n\x1A\n....";
  world.file("a.dat", png);
  auto outcome = world.run("read_file", R"({"path":"a.dat"})");
  REQUIRE(outcome.images.size() == 1);
  CHECK(outcome.images[0] == Image{"image/png", base64(png)});
  world.file("fake.png", "not an image\n");
  CHECK(world.run("read_file", R"({"path":"fake.png"})").images.empty());
  world.file("large.gif", "GIF89a" + std::string(6U << 20, 'x'));
  outcome = world.run("read_file", R"({"path":"large.gif"})");
  CHECK(outcome.images.empty());
  CHECK(holds(outcome.text, "too large"));
}

TEST_CASE("read_file errors are one line with a remedy") {
  ToolWorld world;
  world.file("dir/x", "x");
  const auto error = [&](std::string arguments) {
    const auto outcome = world.run("read_file", std::move(arguments));
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
    return outcome.text;
  };
  CHECK(holds(error(R"({"path":"dir"})"), "use list_files"));
  CHECK(holds(error(R"({"path":"none"})"), "none"));
  CHECK(holds(error(R"({"path":"../x"})"), ".."));
  CHECK(holds(error(R"({"path":"dir/x","offset":0})"), "\"offset\" must be an integer from 1"));
  CHECK(holds(error(R"({"path":"dir/x","mode":"all"})"), "\"slice\" or \"indentation\""));
  CHECK(holds(error(R"({"files":[]})"), "1 to 100 objects"));
  CHECK(holds(error(R"({"files":[{"path":"dir/x","line_ranges":[[2,1]]}]})"), "line_ranges"));
}

TEST_CASE("indentation mode shows a block and where it is") {
  ToolWorld world;
  world.file("a.py", "x = 1\n\ndef f():\n    a()\n    b()\n\ny = 2\nz = 3\n");
  const auto text = world.run("read_file", R"({"path":"a.py","mode":"indentation","indentation":{"anchor_line":4}})").text;
  CHECK(text == "File: a.py\n3 | def f():\n4 |     a()\n5 |     b()\n6 | \n7 | y = 2\n\nIncluded lines: 3-7 (of 8)");
}

TEST_CASE("the old form reads several files and ranges") {
  ToolWorld world;
  world.file("a.txt", lines(9));
  world.file("b.txt", "b\n");
  const std::string files = R"([{"path":"a.txt","line_ranges":[[2,3],"5-5"]},{"path":"b.txt"}])";
  const std::string expected = "File: a.txt\n2 | line 2\n3 | line 3\n5 | line 5\n---\nFile: b.txt\n1 | b";
  CHECK(world.run("read_file", "{\"files\":" + files + "}").text == expected);
  CHECK(world.run("read_file", arguments_of({{"files", files}})).text == expected);
  std::string twice;
  append_json_string(twice, files);
  CHECK(world.run("read_file", arguments_of({{"files", twice}})).text == expected);
  const auto outcome = world.run("read_file", R"({"files":[{"path":"b.txt"},{"path":"none"}]})");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text.starts_with("File: b.txt\n1 | b\n---\nFile: none\nError: "));
}

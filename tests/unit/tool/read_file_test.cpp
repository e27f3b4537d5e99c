#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "document/encoding.hpp"
#include "tool_world.hpp"

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

TEST_CASE(
    "defect 5: read_file past the end is an error that tells the number of lines, and only an empty file is empty") {
  ToolWorld world;
  world.file("a.txt", lines(3));
  for (const char* call : {R"({"path":"a.txt","offset":4})", R"({"path":"a.txt","offset":4,"column":2})",
                           R"({"path":"a.txt","mode":"indentation","indentation":{"anchor_line":4}})"}) {
    const auto outcome = world.run("read_file", call);
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text == "line 4 is past the end of \"a.txt\", which has 3 lines");
  }
  world.file("e.txt", "");
  for (const char* call : {R"({"path":"e.txt"})", R"({"path":"e.txt","offset":7,"column":2})",
                           R"({"path":"e.txt","mode":"indentation"})"}) {
    CHECK(world.run("read_file", call).text == "File: e.txt\n(The file is empty.)");
  }
  world.file("n.txt", "\n");
  CHECK(world.run("read_file", R"({"path":"n.txt"})").text == "File: n.txt\n1 | ");
}

TEST_CASE("long lines are cut at characters, with the call that shows the rest") {
  ToolWorld world;
  std::string text;
  for (int i = 0; i < 2001; ++i) text += "\u20AC";
  world.file("a.txt", "x\n" + text + "\n");
  const auto shown = world.run("read_file", R"({"path":"a.txt"})").text;
  CHECK(is_utf8(shown));
  CHECK(holds(shown, "showing lines 1-2 of 2 lines."));
  CHECK(holds(shown,
              "cut: 2. To see the rest of line 2: call read_file with the same path, offset 2 and column 2001.\n\n"));
  CHECK_FALSE(shown.find("To read on") != std::string::npos);
  CHECK(shown.ends_with("2 | " + text.substr(3) + "..."));
  CHECK(world.run("read_file", R"({"path":"a.txt","offset":2,"column":2001})").text ==
        "File: a.txt\nIMPORTANT: this is not the whole file.\nStatus: showing characters 2001-2001 of the 2001 of line "
        "2, of "
        "2 lines.\n\n2 | \u20AC");
  const auto outcome = world.run("read_file", R"({"path":"a.txt","offset":2,"column":2002})");
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.text == "column 2002 is past the end of line 2 of \"a.txt\", which has 2001 characters");
}

TEST_CASE("a file of one long line is read piece by piece, each result naming the next call") {
  ToolWorld world;
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i) text += fmt::format("{},\u00E9", i);
  world.file("min.js", text);
  std::string seen;
  std::string call = R"({"path":"min.js"})";
  for (int calls = 0; calls < 20 && !call.empty(); ++calls) {
    const std::string shown = world.run("read_file", call).text;
    REQUIRE(shown.size() <= world.result_bytes_max);
    REQUIRE(is_utf8(shown));
    std::string piece = shown.substr(shown.find("\n1 | ") + 5);
    if (piece.ends_with("...")) piece.resize(piece.size() - 3);
    seen += piece;
    const std::size_t column = shown.find(" and column ");
    call = column == std::string::npos
               ? ""
               : fmt::format(R"({{"path":"min.js","column":{}}})", std::stoi(shown.substr(column + 12)));
  }
  CHECK(seen.size() == text.size());
  CHECK((seen == text));  // not shown when it fails: it is long
}

TEST_CASE("read_file shows text of any encoding and says what it did") {
  ToolWorld world;
  const auto read = [&world](std::string_view bytes) {
    world.file("a.txt", bytes);
    return world.run("read_file", R"({"path":"a.txt"})").text;
  };
  const auto encoded = [](std::string_view text, TextEncoding encoding) { return encode_text(text, encoding).value(); };
  CHECK(read("caf\xE9\n") ==
        "File: a.txt\n(The file's encoding is windows-1252; it is shown as UTF-8.)\n1 | caf\u00E9");
  CHECK(read(encoded("h\u00E9\r\nx\r\n", TextEncoding::utf16_be)) ==
        "File: a.txt\n(The file's encoding is UTF-16; it is shown as UTF-8.)\n1 | h\u00E9\n2 | x");
  CHECK(read(encoded("\u00E9\n", TextEncoding::utf8_with_mark)) == "File: a.txt\n1 | \u00E9");
  CHECK(read(encoded("int x;\n", TextEncoding::utf16_le_unmarked)) ==
        "File: a.txt\n(The file's encoding is UTF-16LE; it is shown as UTF-8.)\n1 | int x;");
  CHECK(read("\u00E9\u00E9\xE9\n") ==
        "File: a.txt\n(Bytes that are not UTF-8 are shown as \uFFFD. The file can be changed with commands only.)\n"
        "1 | \u00E9\u00E9\uFFFD");
  CHECK(read(std::string(9000, 'a') + std::string("\0b\n", 3)).ends_with("..."));
}

TEST_CASE("a binary file is described, with its kind and what to do, and never shown") {
  ToolWorld world;
  world.file("bin", std::string("a\0b", 3));
  auto outcome = world.run("read_file", R"({"path":"bin"})");
  CHECK(outcome.ok);
  CHECK(outcome.text ==
        "File: bin\n(A binary file of 3 bytes: its content is not shown. To see it, look at it with a command, such as "
        "xxd, "
        "strings or file.)");
  world.file("x.txt", std::string("\x7F"
                                  "ELF\2\1\1\0",
                                  8));
  CHECK(holds(world.run("read_file", R"({"path":"x.txt"})").text, "8 bytes, of the kind ELF program or library"));
  world.file("x.tif", std::string("II*\0\0\0", 6));
  CHECK(holds(world.run("read_file", R"({"path":"x.tif"})").text,
              "TIFF image: its content is not shown. To see it, convert it to PNG"));
}

TEST_CASE("images come as images, by their content") {
  ToolWorld world;
  const auto image = [](char width) {
    return std::string("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0", 18) + width + std::string("\2\0\0\0\3....IEND", 14);
  };
  const std::string png = image(1);
  world.file("a.dat", png);
  auto outcome = world.run("read_file", R"({"path":"a.dat"})");
  REQUIRE(outcome.images.size() == 1);
  CHECK(outcome.images[0] == Image{"image/png", encode_base64(png)});
  CHECK(outcome.text == "File: a.dat\n(image/png of 258x3 pixels, 33 bytes)");
  const auto refused = [&](std::string_view bytes) {
    world.file("b.png", bytes);
    const auto result = world.run("read_file", R"({"path":"b.png"})");
    CHECK(result.ok);
    CHECK(result.images.empty());
    return result.text;
  };
  CHECK(refused("not an image\n") == "File: b.png\n1 | not an image");
  CHECK(holds(refused("<svg/>"), "1 | <svg/>"));
  CHECK(holds(refused(png.substr(0, 28)), "damaged or cut short"));  // a provider would refuse it, again and again
  CHECK(holds(refused(image(127)), "the limit is 8000 pixels a side"));
  CHECK(holds(refused("GIF89a" + std::string(6U << 20, 'x')), "too large to be shown, the limit is 5.0 MB"));
  CHECK(holds(refused("GIF89a" + std::string(20U << 20, 'x')), "too large to be shown, the limit is 5.0 MB"));
}

TEST_CASE("one call shows at most 20 MB of images") {
  ToolWorld world;
  world.file("a.gif", std::string("GIF89a\1\0\1\0", 10) + std::string(4U << 20, 'x'));
  std::string files;
  for (int i = 0; i < 6; ++i) files += R"({"path":"a.gif"},)";
  files.pop_back();
  const auto outcome = world.run("read_file", R"({"files":[)" + files + "]}");
  CHECK(outcome.images.size() == 4);
  CHECK(holds(outcome.text, "one call shows at most 20.0 MB of images. Read it with another call."));
}

TEST_CASE("a large file is read where it is asked for, without being in memory") {
  ToolWorld world;
  std::string million;
  for (int i = 1; i <= 1'000'000; ++i) million += fmt::format("{:08} a line of a log that is long\n", i);
  world.file("log", million);
  REQUIRE(million.size() > (32U << 20));
  auto text = world.run("read_file", R"({"path":"log","offset":900000,"limit":2})").text;
  CHECK(holds(text,
              "showing lines 900000-900001 of 1000000 lines.\nTo read on: call read_file with the same path and offset "
              "900002;"));
  CHECK(text.ends_with(
      "\n900000 | 00900000 a line of a log that is long\n900001 | 00900001 a line of a log that is long"));
  CHECK(world.run("read_file", R"({"path":"log","offset":1000001})").text ==
        "line 1000001 is past the end of \"log\", which has 1000000 lines");
  text =
      world
          .run("read_file", R"({"path":"log","mode":"indentation","indentation":{"anchor_line":500000,"max_lines":1}})")
          .text;
  CHECK(text.ends_with("\n500000 | 00500000 a line of a log that is long"));
  text = world.run("read_file", R"({"files":[{"path":"log","line_ranges":["7-7",[999999,1000000]]}]})").text;
  CHECK(text.ends_with(
      "999999 | 00999999 a line of a log that is long\n1000000 | 01000000 a line of a log that is long"));

  // Beyond a limit lines are not counted for their number alone.
  std::filesystem::resize_file(std::filesystem::path(world.root) / "log", 400U << 20);
  text = world.run("read_file", R"({"path":"log","limit":1})").text;
  CHECK(holds(text, "showing lines 1-1 of more than "));
  CHECK(holds(text, "offset 2;"));
}

TEST_CASE("a large file in a legacy encoding is decoded as it passes") {
  ToolWorld world;
  std::string text;
  while (text.size() < (20U << 20)) text += "\xCF\xF0\xE8\xE2\xE5\xF2, \xEC\xE8\xF0\n";
  world.file("log", text);
  const auto shown = world.run("read_file", R"({"path":"log","offset":1000000,"limit":1})").text;
  if (shown.find("windows-1251") == std::string::npos) return;  // built without a detector
  CHECK(shown.ends_with("1000000 | \u041F\u0440\u0438\u0432\u0435\u0442, \u043C\u0438\u0440"));
}

TEST_CASE("documents are shown as their text, with the same paging") {
  ToolWorld world;
  world.file("n.ipynb", R"({"cells":[{"cell_type":"code","source":["a\n","b"]}],"metadata":{},"nbformat":4})");
  CHECK(world.run("read_file", R"({"path":"n.ipynb"})").text ==
        "File: n.ipynb\n(The text of this Jupyter notebook. The file itself is JSON: change it with a command.)\n"
        "1 | --- Cell 1 (code) ---\n2 | a\n3 | b");
  CHECK(holds(world.run("read_file", R"({"path":"n.ipynb","offset":2,"limit":1})").text,
              "showing lines 2-2 of 3 lines.\nTo read on: call read_file with the same path and offset 3"));
  const std::string conflict = "{\n<<<<<<< HEAD\n \"cells\": [],\n \"nbformat\": 4\n}\n";
  world.file("n.ipynb", conflict);
  CHECK(holds(world.run("read_file", R"({"path":"n.ipynb"})").text, "2 | <<<<<<< HEAD"));
  world.file("x.zip", "PK\x03\x04nothing more");
  auto outcome = world.run("read_file", R"({"path":"x.zip"})");
  CHECK_FALSE(outcome.ok);
  CHECK(is_one_line(outcome.text));
  CHECK(outcome.text.starts_with("\"x.zip\": is "));
  world.file("x.pdf", "%PDF-1.4");
  outcome = world.run("read_file", R"({"path":"x.pdf"})");
  CHECK_FALSE(outcome.ok);
  CHECK(is_one_line(outcome.text));
  CHECK(outcome.text.starts_with("\"x.pdf\": is a PDF"));
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
  CHECK(holds(error(R"({"path":"dir/x","mode":"indentation","column":3})"), "\"column\" must be left out"));
  CHECK(holds(error(R"({"files":[]})"), "1 to 100 objects"));
  CHECK(holds(error(R"({"files":[{"path":"dir/x","line_ranges":[[2,1]]}]})"), "line_ranges"));
}

TEST_CASE("indentation mode shows a block and where it is") {
  ToolWorld world;
  world.file("a.py", "x = 1\n\ndef f():\n    a()\n    b()\n\ny = 2\nz = 3\n");
  const auto text =
      world.run("read_file", R"({"path":"a.py","mode":"indentation","indentation":{"anchor_line":4}})").text;
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

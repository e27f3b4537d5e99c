// Plays every transcript of transcripts/ and compares what the tasks did with what it says. To write the expected lines
// anew, run with JOEY_UPDATE_TRANSCRIPTS=1 and look at the difference.
#include "transcript.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/text.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string contents(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

struct Played {
  std::string text;      // of the file, with the lines that came
  std::string problems;  // for a person
};

// Each heading "## ..." begins a task; the lines of its code blocks are played in order.
Played play(std::string_view text) {
  Played out;
  Stage stage;
  bool in_block = false;
  std::string heading;
  std::string input;
  std::vector<std::string> expected;
  std::vector<std::string> actual;
  const auto compare = [&] {
    for (const std::string& line : actual) out.text += line + "\n";
    if (expected != actual) {
      out.problems += fmt::format("\n{}\n  {}\n", heading, input);
      for (const std::string& line : expected) out.problems += "  -" + line.substr(1) + "\n";
      for (const std::string& line : actual) out.problems += "  +" + line.substr(1) + "\n";
    }
    if (!stage.broken.empty()) out.problems += fmt::format("\n{}\n  {}\n  broken: {}\n", heading, input, stage.broken);
    stage.broken.clear();
    expected.clear();
    actual.clear();
  };
  for (const std::string_view line : split_lines(text)) {
    if (in_block && line.starts_with("< ")) {
      expected.emplace_back(line);
      continue;
    }
    compare();
    out.text.append(line).append("\n");
    if (line.starts_with("```")) in_block = !in_block;
    if (!in_block && line.starts_with("## ")) {
      heading = line;
      stage = Stage();
    }
    if (!in_block || !line.starts_with("> ")) continue;
    input = line;
    try {
      actual = stage.play(line.substr(2));
    } catch (const std::exception& problem) {
      actual = {fmt::format("< not understood: {}", problem.what())};
      out.problems += fmt::format("\n{}\n  {}\n  {}\n", heading, input, problem.what());
    }
  }
  compare();
  return out;
}

}  // namespace

TEST_CASE("tasks do what their transcripts say") {
  const bool update = std::getenv("JOEY_UPDATE_TRANSCRIPTS") != nullptr;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(JOEY_TRANSCRIPTS)) {
    if (entry.path().extension() != ".md") continue;
    ++files;
    const std::string before = contents(entry.path());
    const Played played = play(before);
    if (update && played.text != before) std::ofstream(entry.path()) << played.text;
    CHECK_MESSAGE(played.problems.empty(), entry.path().filename().string(), played.problems);
  }
  CHECK(files > 0);
}

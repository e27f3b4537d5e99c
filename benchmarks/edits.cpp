// What do edits of a large file, and of many files at once, cost, beside copying the same bytes?
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "session.hpp"

namespace {

constexpr int lines = 50'000;
constexpr int files = 100;
constexpr int file_lines = 200;
constexpr int rounds = 15;

std::string line(int i) {
  return fmt::format("    results[{}] = convert(inputs[{}], options.at(\"step\"), {});", i, i * 7919 % lines, i * 7907 % 99'991);
}

std::string text_of(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) text += line(i) + "\n";
  return text;
}

void write(const std::string& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string json_string(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    c == '\n' ? json += "\\n" : json += c;
  }
  return json + "\"";
}

// Copies as a change does: a new file beside the old one, put in its place.
double copy_ms(const std::string& path) {
  const bench::Nanoseconds began = bench::process_cpu_now();
  std::ifstream in(path, std::ios::binary);
  write(path + ".new", std::string(std::istreambuf_iterator<char>(in), {}));
  std::filesystem::rename(path + ".new", path);
  return static_cast<double>(bench::process_cpu_now() - began) / 1e6;
}

double run_ms(joey::Session& session, std::string_view tool, const std::string& arguments) {
  const bench::Nanoseconds began = bench::process_cpu_now();
  const joey::Text outcome = session.run_tool(tool, arguments);
  const bench::Nanoseconds took = bench::process_cpu_now() - began;
  if (std::string_view(outcome).find(R"("ok":true)") == std::string_view::npos) {
    fmt::print(stderr, "{} failed: {}\n", tool, std::string_view(outcome).substr(0, 500));
    std::exit(1);
  }
  return static_cast<double>(took) / 1e6;
}

// What a call that undoes itself in every second round takes.
double measure(joey::Session& session, std::string_view tool, const std::function<std::string(bool back)>& arguments) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) times.push_back(run_ms(session, tool, arguments(round % 2 == 1)));
  return bench::median(times);
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  const bench::Scratch scratch;
  const std::string workspace = scratch.path("workspace");
  std::filesystem::create_directories(workspace);
  const std::string large = workspace + "/large.cpp";
  const std::string text = text_of(0, lines);
  write(large, text);
  for (int i = 0; i < files; ++i) write(fmt::format("{}/small{}.cpp", workspace, i), text_of(i * file_lines, file_lines));

  joey::Engine engine;
  joey::Session session(engine, {.workspace = workspace, .provider = "ollama", .model = "none", .allow = "edit"});

  std::vector<double> copies;
  for (int round = 0; round < rounds; ++round) copies.push_back(copy_ms(large));
  const double copy = bench::median(copies);
  const std::string of_file = fmt::format("of {} lines, {:.1f} MB; copying it takes {:.1f} ms", lines, static_cast<double>(text.size()) / 1e6, copy);

  const std::string middle = text_of(lines / 2, 12);
  const double exact = measure(session, "edit", [&](bool back) {
    const std::string changed = middle + "    // changed\n";
    return fmt::format(R"({{"file_path":"large.cpp","old_string":{},"new_string":{}}})", json_string(back ? changed : middle),
                       json_string(back ? middle : changed));
  });
  report.line("edits.exact", exact, "ms", "edit, 12 lines " + of_file);
  report.line("edits.exact.over_copy", exact / copy, "ratio");

  // A word of each third line is another than the file's.
  std::string nearly = middle;
  for (std::size_t at = nearly.find("options"), n = 0; at != std::string::npos; at = nearly.find("options", at + 1), ++n) {
    if (n % 3 == 0) nearly.replace(at, 7, "option");
  }
  const double fuzzy = measure(session, "apply_diff", [&](bool back) {
    const std::string tail = "    // changed\n";
    return fmt::format(R"({{"path":"large.cpp","diff":{}}})",
                       json_string(fmt::format("<<<<<<< SEARCH\n{}{}=======\n{}{}>>>>>>> REPLACE\n", nearly, back ? tail : "", nearly,
                                          back ? "" : tail)));
  });
  report.line("edits.fuzzy", fuzzy, "ms", "apply_diff, 12 lines at 99 % similarity, " + of_file);
  report.line("edits.fuzzy.over_copy", fuzzy / copy, "ratio");

  copies.clear();
  for (int round = 0; round < rounds; ++round) {
    double all = 0;
    for (int i = 0; i < files; ++i) all += copy_ms(fmt::format("{}/small{}.cpp", workspace, i));
    copies.push_back(all);
  }
  const double copies_ms = bench::median(copies);
  const double patch = measure(session, "apply_patch", [&](bool back) {
    std::string body = "*** Begin Patch\n";
    for (int i = 0; i < files; ++i) {
      const int changed = i * file_lines + file_lines / 2;
      body += fmt::format("*** Update File: small{}.cpp\n {}\n", i, line(changed - 1));
      body += fmt::format("{}{}\n{}{} // changed\n", back ? '+' : '-', line(changed), back ? '-' : '+', line(changed));
      body += fmt::format(" {}\n", line(changed + 1));
    }
    return fmt::format(R"({{"patch":{}}})", json_string(body + "*** End Patch\n"));
  });
  report.line("edits.patch", patch, "ms",
              fmt::format("apply_patch of {} files of {} lines; copying them takes {:.1f} ms", files, file_lines, copies_ms));
  report.line("edits.patch.over_copy", patch / copies_ms, "ratio");
  return 0;
}

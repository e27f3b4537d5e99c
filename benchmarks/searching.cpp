// Are search_files and list_files as quick as the program people would use instead, ripgrep, on the same tree?
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"
#include "workspace/local.hpp"
#include "workspace/search.hpp"
#include "workspace/walk.hpp"

namespace {

constexpr int files_count = 10'000;
constexpr int lines_per_file = 200;
constexpr int rounds = 7;

// 100 files to a directory, an ignored one among ten; one line in 10,000 has the needle.
void write_tree(const std::string& root) {
  std::filesystem::create_directories(root + "/.git");  // ripgrep looks at .gitignore in repositories only
  std::ofstream(root + "/.gitignore") << "*.log\n";
  std::uint64_t line = 0;
  for (int i = 0; i < files_count; ++i) {
    const std::string directory = fmt::format("{}/d{}/e{}", root, i / 1'000, i / 100);
    std::filesystem::create_directories(directory);
    std::ofstream file(fmt::format("{}/f{}.{}", directory, i, i % 10 == 0 ? "log" : "cpp"));
    for (int n = 0; n < lines_per_file; ++n) {
      file << fmt::format("  const int value_{} = compute(left, right) + {};{}\n", n, i,
                          ++line % 10'000 == 0 ? "  // NEEDLE_42" : "");
    }
  }
}

double median_ms(const std::function<void()>& work) {
  std::vector<double> times;
  for (int round = 0; round <= rounds; ++round) {
    const bench::Nanoseconds began = bench::wall_now();
    work();
    if (round > 0) times.push_back(static_cast<double>(bench::wall_now() - began) / 1e6);  // the first warms the cache
  }
  return bench::median(std::move(times));
}

void run(const std::vector<std::string>& command) { static_cast<void>(bench::Process(command).wait()); }

void line(const bench::Report& report, const char* name, double ours, double theirs, bool has_ripgrep) {
  report.line(name, ours, "ms", has_ripgrep ? fmt::format("rg takes {:.1f} ms: {:.2f} times that", theirs, ours / theirs) : "");
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  const bench::Scratch scratch;
  const std::string root = scratch.path("tree");
  write_tree(root);
  const auto workspace = joey::open_local_workspace(root);
  if (!workspace) return 1;
  const bool has_ripgrep = std::system("rg --version >/dev/null 2>&1") == 0;
  if (!has_ripgrep) std::fprintf(stderr, "searching: ripgrep is not installed, so nothing is compared (Debian: ripgrep)\n");

  struct Case {
    const char* name;
    const char* pattern;
  };
  for (const Case& each : {Case{"searching.literal", "NEEDLE_42"}, Case{"searching.regex", R"(NEEDLE_\d+$)"},
                           Case{"searching.regex_without_literal", R"(\b[A-Z]{6}_[0-9]{2}\b)"}, Case{"searching.nothing", "no_such_word"}}) {
    joey::SearchOptions options;
    options.pattern = each.pattern;
    const double ours = median_ms([&] {
      if (!joey::search_files(**workspace, ".", options, joey::CancelToken())) std::exit(1);
    });
    const std::string pattern = each.pattern;
    const double theirs = has_ripgrep ? median_ms([&] {
      run({"/bin/sh", "-c", "rg --json --context 1 --no-messages -e '" + pattern + "' '" + root + "' || true"});
    }) : 0;
    line(report, each.name, ours, theirs, has_ripgrep);
  }
  joey::ListOptions options;
  options.recursive = true;
  options.limit = files_count;
  const double ours = median_ms([&] {
    if (!joey::list_files(**workspace, ".", options, joey::CancelToken())) std::exit(1);
  });
  const double theirs = has_ripgrep ? median_ms([&] { run({"/bin/sh", "-c", "rg --files '" + root + "'"}); }) : 0;
  line(report, "searching.list_files", ours, theirs, has_ripgrep);
  return 0;
}

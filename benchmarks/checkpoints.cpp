// What does a checkpoint cost beside `git add -A && git commit` on the same files?
//
// Trees of 10,000 and 100,000 files of 2 KB, ten in a directory, four levels deep. Ten files are changed in ten
// directories, then joey and git save that, in turn first. git's part is two processes, as a shell would run them.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "support.hpp"

namespace {

constexpr int files_per_directory = 10;

template <class T>
T checked(joey::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "checkpoints: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

double milliseconds(bench::Nanoseconds began) { return static_cast<double>(bench::wall_now() - began) / 1e6; }

std::string file_path(const std::string& root, int index) {
  const int directory = index / files_per_directory;
  char name[80];
  std::snprintf(name, sizeof name, "/m%03d/p%d/q%d/file_%d.txt", directory / 100, directory / 10 % 10, directory % 10,
                index % files_per_directory);
  return root + name;
}

void write_tree(const std::string& root, int files) {
  unsigned state = 7;
  for (int i = 0; i < files; ++i) {
    const std::string path = file_path(root, i);
    if (i % files_per_directory == 0) std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream out(path);
    for (int word = 0; word < 300; ++word) out << "word" << ((state = state * 1'103'515'245 + 12'345) >> 20) << (word % 8 == 7 ? '\n' : ' ');
  }
}

// Ten files of ten directories, all over the tree.
void change_ten(const std::string& root, int files, int round) {
  for (int i = 0; i < 10; ++i) std::ofstream(file_path(root, i * (files / 10) + round % 10), std::ios::app) << "round " << round << "\n";
}

void git(const std::string& root, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"/usr/bin/git", "-C", root, "-c", "user.name=bench", "-c", "user.email=bench@localhost"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  bench::Process(command).wait();
}

double git_saves(const std::string& root) {
  const bench::Nanoseconds began = bench::wall_now();
  git(root, {"add", "-A"});
  git(root, {"commit", "-q", "-m", "saved"});
  return milliseconds(began);
}

void measure(const bench::Report& report, int files, const std::string& name) {
  const bench::Scratch scratch;
  const std::string root = scratch.path("workspace");
  write_tree(root, files);
  git(root, {"init", "-q"});
  const std::unique_ptr<joey::Checkpoints> checkpoints =
      checked(joey::open_git_checkpoints(scratch.path("checkpoints"), root));
  const auto take = [&] { return checked(checkpoints->take({"task", 0, "bench"}, {})); };
  const auto times = [](double git_ms, double joey_ms) {
    char text[60];
    std::snprintf(text, sizeof text, "git %.1f ms, %.1f times", git_ms, git_ms / joey_ms);
    return std::string(text);
  };

  bench::Nanoseconds began = bench::wall_now();
  const std::string first = take().checkpoint.id;
  const double first_ms = milliseconds(began);
  report.line(name + ".first", first_ms, "ms", times(git_saves(root), first_ms));

  std::vector<double> joey_times;
  std::vector<double> joey_cpu;
  std::vector<double> git_times;
  std::vector<double> unchanged;
  std::vector<double> restores;
  for (int round = 0; round < 9; ++round) {
    change_ten(root, files, round);
    const auto joey_saves = [&] {
      const bench::Nanoseconds cpu = bench::process_cpu_now();
      began = bench::wall_now();
      if (take().checkpoint.changed != 10) std::exit(1);
      joey_times.push_back(milliseconds(began));
      joey_cpu.push_back(static_cast<double>(bench::process_cpu_now() - cpu) / 1e6);
    };
    if (round % 2 == 0) joey_saves();
    git_times.push_back(git_saves(root));
    if (round % 2 == 1) joey_saves();
    began = bench::wall_now();
    if (!take().unchanged) std::exit(1);
    unchanged.push_back(milliseconds(began));
  }
  const double joey_ms = bench::median(joey_times);
  report.line(name + ".ten_changed", joey_ms, "ms", times(bench::median(git_times), joey_ms));
  report.line(name + ".ten_changed.cpu", bench::median(joey_cpu), "ms", "of all threads");
  report.line(name + ".unchanged", bench::median(unchanged), "ms");

  std::string id = take().checkpoint.id;
  for (int round = 10; round < 15; ++round) {
    change_ten(root, files, round);
    began = bench::wall_now();
    const joey::RestoredCheckpoint restored = checked(checkpoints->restore(id, {"task", 0, "bench"}, {}));
    if (restored.written != 10 || restored.left_count != 0) std::exit(1);
    restores.push_back(milliseconds(began));
  }
  report.line(name + ".restore_ten", bench::median(restores), "ms", "with the checkpoint that is taken first");

  std::uintmax_t bytes = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(scratch.path("checkpoints"))) {
    if (each.is_regular_file()) bytes += each.file_size();
  }
  report.line(name + ".disk", static_cast<double>(bytes) / 1e6, "MB", "all of them");
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  measure(report, 10'000, "checkpoints.10k");
  measure(report, 100'000, "checkpoints.100k");
  return 0;
}

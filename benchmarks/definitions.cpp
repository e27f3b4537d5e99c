// What does an overview of a source tree cost: the definitions of 1,000 files in several languages?
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/uv_loop.hpp"
#include "support.hpp"
#include "symbols/symbols.hpp"
#include "tool/tool.hpp"
#include "tool/workspace_tools.hpp"
#include "workspace/local.hpp"

namespace {

constexpr int files_count = 1'000;
constexpr int units_per_file = 20;  // a type with two functions each
constexpr int rounds = 5;

struct Template {
  std::string_view extension;
  std::string_view unit;  // {0} is a number
};

constexpr Template templates[] = {
    {"cpp", "class Store{0} {{\n public:\n  int add(int a, int b) {{\n    const int sum = a + b * {0};\n    return sum;\n  }}\n"
            "  [[nodiscard]] bool empty() const {{ return size_ == 0; }}\n\n private:\n  int size_{{0}};\n}};\n\n"},
    {"py", "class Store{0}(Base):\n    def add(self, a, b):\n        total = a + b * {0}\n        return total\n\n"
           "    @property\n    def empty(self):\n        return not self.items\n\n"},
    {"ts", "export class Store{0} extends Base {{\n  add(a: number, b: number): number {{\n    const sum = a + b * {0};\n"
           "    return sum;\n  }}\n  get empty(): boolean {{ return this.items.length === 0; }}\n}}\n\n"},
    {"go", "type Store{0} struct {{\n\titems []int\n}}\n\nfunc (s *Store{0}) Add(a, b int) int {{\n\tsum := a + b*{0}\n"
           "\treturn sum\n}}\n\nfunc (s *Store{0}) Empty() bool {{ return len(s.items) == 0 }}\n\n"},
    {"rs", "pub struct Store{0} {{\n    items: Vec<i32>,\n}}\n\nimpl Store{0} {{\n    pub fn add(&self, a: i32, b: i32) -> i32 {{\n"
           "        let sum = a + b * {0};\n        sum\n    }}\n    fn empty(&self) -> bool {{ self.items.is_empty() }}\n}}\n\n"},
    {"java", "class Store{0} extends Base {{\n  int add(int a, int b) {{\n    int sum = a + b * {0};\n    return sum;\n  }}\n"
             "  boolean empty() {{ return items.isEmpty(); }}\n}}\n\n"},
};

// The tree's files: 50 to a directory, the languages in turn.
std::vector<std::string> write_tree(const std::string& root, std::size_t& bytes) {
  std::vector<std::string> paths;
  for (int i = 0; i < files_count; ++i) {
    const Template& kind = templates[static_cast<std::size_t>(i) % std::size(templates)];
    std::string text;
    for (int unit = 0; unit < units_per_file; ++unit) text += fmt::format(fmt::runtime(kind.unit), unit);
    const std::string directory = fmt::format("{}/d{}", root, i / 50);
    std::filesystem::create_directories(directory);
    paths.push_back(fmt::format("{}/f{}.{}", directory, i, kind.extension));
    std::ofstream(paths.back()) << text;
    bytes += text.size();
  }
  return paths;
}

// Every file on one thread: what finding definitions costs by itself.
double alone_ms(const std::vector<std::string>& sources, const std::vector<joey::Language>& languages, std::size_t& found) {
  const bench::Nanoseconds began = bench::process_cpu_now();
  joey::DefinitionFinder finder;
  found = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto definitions = finder.find(sources[i], languages[i]);
    if (!definitions) std::exit(1);
    found += definitions->list.size();
  }
  return static_cast<double>(bench::process_cpu_now() - began) / 1e6;
}

struct Cost {
  double wall_ms{0};
  double cpu_ms{0};
};

// The tool's call, with a result that has room for everything or for what a model is shown.
Cost tool_cost(joey::UvLoop& loop, const std::shared_ptr<joey::Workspace>& workspace, std::size_t result_bytes_max) {
  for (const auto& tool : joey::workspace_tools()) {
    if (tool->spec().name != "list_code_definition_names") continue;
    const auto context = std::make_shared<joey::ToolContext>();
    context->workspace = workspace;
    context->scheduler = &loop;
    context->result_bytes_max = result_bytes_max;
    const bench::Nanoseconds began = bench::wall_now();
    const bench::Nanoseconds cpu_began = bench::process_cpu_now();
    bool done = false;
    tool->run(R"({"path":".","recursive":true})", context, [&done](joey::ToolOutcome outcome) {
      if (!outcome.ok) std::exit(1);
      done = true;
    });
    while (!done) loop.step(-1);
    return {static_cast<double>(bench::wall_now() - began) / 1e6,
            static_cast<double>(bench::process_cpu_now() - cpu_began) / 1e6};
  }
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  const bench::Report report(bench::parse_options(count, arguments));
  if (!joey::DefinitionFinder().find("", joey::Language::c)) {
    std::fprintf(stderr, "definitions: this build has no grammars\n");
    return 0;
  }
  const bench::Scratch scratch;
  std::size_t bytes = 0;
  const std::vector<std::string> paths = write_tree(scratch.path("tree"), bytes);
  std::vector<std::string> sources;
  std::vector<joey::Language> languages;
  for (const std::string& path : paths) {
    std::ifstream in(path);
    sources.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    languages.push_back(*joey::language_of(path));
  }
  joey::UvLoop loop;
  const auto workspace = joey::open_local_workspace(scratch.path("tree"), {});
  if (!workspace) return 1;

  std::vector<double> alone;
  std::vector<double> all;
  std::vector<double> all_cpu;
  std::vector<double> shown;
  std::size_t found = 0;
  for (int round = 0; round < rounds; ++round) {
    alone.push_back(alone_ms(sources, languages, found));
    const Cost whole = tool_cost(loop, *workspace, 100U << 20);
    all.push_back(whole.wall_ms);
    all_cpu.push_back(whole.cpu_ms);
    shown.push_back(tool_cost(loop, *workspace, joey::ToolContext{}.result_bytes_max).wall_ms);
  }
  const double one = bench::median(alone);
  report.line("definitions.finder", one * 1e3 / files_count, "us",
              fmt::format("of one thread, a file of {} bytes; {} definitions in all", bytes / files_count, found));
  report.line("definitions.finder.rate", static_cast<double>(bytes) / 1e3 / one, "MB/s");
  report.line("definitions.tree", bench::median(all), "ms", fmt::format("the tool's call on all {} files", files_count));
  report.line("definitions.tree.cpu", bench::median(all_cpu), "ms", "of all threads, reading the files included");
  report.line("definitions.tree.shown", bench::median(shown), "ms", "the same with a model's limit: ends when it is full");
  return 0;
}

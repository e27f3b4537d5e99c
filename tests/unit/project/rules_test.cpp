#include <map>

#include "../../support/random.hpp"
#include "project/loading.hpp"
#include "world.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string numbered_name(std::size_t i) {
  return std::string(6 - std::to_string(i).size(), '0') + std::to_string(i) + ".md";
}

}  // namespace

TEST_CASE(
    "rules come in Roo Code's order: mode rules, .rooignore, agent rules, generic rules; global before the project's") {
  World world;
  world.home.put(".roo/rules-code/g.md", "mode rule of the person");
  world.home.put(".roo/rules/g.md", "generic rule of the person");
  world.repository.put(".roo/rules-code/p.md", "mode rule of the project");
  world.repository.put(".roo/rules/p.md", "\n\n  generic rule of the project\n\n");
  world.repository.put(".rooignore", "secrets/\n");
  world.repository.put("AGENTS.md", "agent rule");
  world.repository.put("AGENTS.local.md", "local agent rule");
  const Project project = world.load();
  CHECK(project.warnings.empty());
  CHECK(in_order(rules_text(project, "code"), {"## Rules from ~/.roo/rules-code/g.md\n\nmode rule of the person\n\n",
                                               "## Rules from .roo/rules-code/p.md\n\nmode rule of the project\n\n",
                                               "## Files closed by .rooignore\n\n", "secrets/\n\n",
                                               "## Rules for agents from AGENTS.md\n\nagent rule\n\n",
                                               "## Rules for agents from AGENTS.local.md\n\nlocal agent rule\n\n",
                                               "## Rules from ~/.roo/rules/g.md\n\ngeneric rule of the person\n\n",
                                               "## Rules from .roo/rules/p.md\n\ngeneric rule of the project"}));
  const std::string ask = rules_text(project, "ask");
  CHECK(lacks(ask, "mode rule"));
  CHECK(in_order(ask, {"secrets/", "agent rule", "generic rule of the person"}));
  CHECK(ask.back() != '\n');
}

TEST_CASE("a repository without rules adds nothing") {
  World world;
  const Project project = world.load();
  CHECK(rules_text(project, "code").empty());
  CHECK(project.warnings.empty());
}

TEST_CASE("the old single files count only where no directory has rules, and .roorules before .clinerules") {
  World world;
  world.repository.put(".roorules", "old generic");
  world.repository.put(".clinerules", "older generic");
  world.repository.put(".roorules-code", "old code");
  world.repository.put(".clinerules-code", "older code");
  world.repository.put(".clinerules-ask", "older ask");
  const std::string old = rules_text(world.load(), "code");
  CHECK(in_order(old, {".roorules-code", "old code", ".roorules\n", "old generic"}));
  CHECK(lacks(old, "older"));
  CHECK(in_order(rules_text(world.load(), "ask"), {".clinerules-ask", "older ask", "old generic"}));

  world.repository.put(".roo/rules-code/empty.md", " \n");  // a rule without text is none
  CHECK(holds(rules_text(world.load(), "code"), "old code"));
  world.repository.put(".roo/rules-code/new.md", "new code");
  world.home.put(".roo/rules/new.md", "new generic");
  const std::string now = rules_text(world.load(), "code");
  CHECK(in_order(now, {"new code", "new generic"}));
  CHECK(lacks(now, "old "));
}

TEST_CASE("AGENT.md stands in where there is no AGENTS.md, and agent rules can be turned off") {
  World world;
  world.repository.put("AGENT.md", "singular");
  CHECK(holds(rules_text(world.load(), "code"), "## Rules for agents from AGENT.md\n\nsingular"));
  world.repository.put("AGENTS.md", "plural");
  const std::string both = rules_text(world.load(), "code");
  CHECK(holds(both, "plural"));
  CHECK(lacks(both, "singular"));
  CHECK(rules_text(world.load({.agent_rules = false}), "code").empty());
  world.repository.put("AGENTS.md", "\n");
  CHECK(holds(rules_text(world.load(), "code"), "singular"));
}

TEST_CASE("subdirectories with a .roo bring their rules only when asked to, by path, after the project's") {
  World world;
  world.repository.put(".roo/rules/top.md", "top rule");
  world.repository.put("b/.roo/rules/b.md", "rule of b");
  world.repository.put("a/.roo/rules-code/a.md", "code rule of a");
  world.repository.put("a/.roo/rules/a.md", "rule of a");
  world.repository.put("a/AGENTS.md", "agents of a");
  world.repository.put("c/AGENTS.md", "c has no .roo");
  world.repository.put("node_modules/m/.roo/rules/x.md", "a module's rule");
  CHECK(lacks(rules_text(world.load(), "code"), "of a"));
  const std::string text = rules_text(world.load({.subfolder_rules = true}), "code");
  CHECK(in_order(text, {"## Rules from a/.roo/rules-code/a.md", "## Rules for agents from a/AGENTS.md", "top rule",
                        "## Rules from a/.roo/rules/a.md", "## Rules from b/.roo/rules/b.md"}));
  CHECK(lacks(text, "c has no .roo"));
  CHECK(lacks(text, "a module's rule"));
}

TEST_CASE("rules that .rooignore closes to the model are still the model's rules") {
  World world;
  world.repository.put(".rooignore", ".roo/\nAGENTS.md\n");
  world.repository.put(".roo/rules/a.md", "the rule");
  world.repository.put("AGENTS.md", "the agents' rule");
  const Project project = world.load();
  CHECK(project.warnings.empty());
  CHECK(in_order(rules_text(project, "code"), {".roo/\nAGENTS.md", "the agents' rule", "the rule"}));
}

TEST_CASE("defect 38: a rule file over its limit is cut at a line, and says how to read on") {
  World world;
  std::string text;
  for (int i = 1; text.size() < 200'000; ++i) text += "rule number " + std::to_string(i) + "\n";
  world.repository.put(".roo/rules/long.md", text);
  world.home.put(".roo/rules/long.md", text);
  world.repository.put(".roo/rules/one-line.md", std::string(200'000, 'x'));
  const Project project = world.load({.file_bytes_max = 1'000});
  const std::string rules = rules_text(project, "code");
  CHECK(rules.size() < 6'000);
  CHECK(in_order(rules, {"rule number 1\n", "\n(This is its beginning; the file has 200",
                         " bytes and lies outside the workspace.)", "rule number 1\n",
                         "Read on with read_file, offset ", "xxx", "Read on with read_file, offset 1.)"}));
  const RuleFile& own = project.generic_rules[1];
  CHECK(own.path == ".roo/rules/long.md");
  CHECK(own.text.ends_with("rule number " + std::to_string(own.cut_at_line - 1)));
}

TEST_CASE("defect 38: rules over the limit of all are named with how to read them") {
  World world;
  for (std::size_t i = 0; i < 200; ++i) world.repository.put(".roo/rules/" + numbered_name(i), std::string(1'000, 'r'));
  world.repository.put("AGENTS.md", "the agents' rule");
  const Project project = world.load({.rules_bytes_max = 10'000});
  const std::string rules = rules_text(project, "code");
  CHECK(in_order(rules, {"the agents' rule", "## Rules from .roo/rules/000008.md", "## More rules", "read_file",
                         "- .roo/rules/000009.md (1000 bytes)\n", "- and 141 more beside them: see list_files"}));
  CHECK(lacks(rules, "## Rules from .roo/rules/000009.md"));
  CHECK(rules.size() < 16'000);
}

TEST_CASE("defect 38: ten thousand rule files neither fill the prompt nor take long") {
  World world;
  for (std::size_t i = 0; i < 10'000; ++i)
    world.repository.put(".roo/rules-code/" + numbered_name(i), std::string(500, 'r'));
  const Project project = world.load();
  const std::string rules = rules_text(project, "code");
  CHECK(rules.size() < (256U << 10) + 50'000);
  CHECK(project.mode_rules.at("code").size() <= 600 + named_files_max);
  CHECK(warns(project.warnings, {"more than can be named"}));
  CHECK(project.seen.size() <= seen_files_max);
}

TEST_CASE("more entries than a directory may have are none, whichever the disk gives first") {
  World world;
  world.repository.make(".roo/rules");
  for (std::size_t i = 0; i <= directory_names_max; ++i) {
    const int file = ::open((world.repository / (".roo/rules/" + std::to_string(i))).c_str(), O_CREAT | O_WRONLY, 0600);
    REQUIRE(file >= 0);
    ::close(file);
  }
  const Project project = world.load();
  CHECK(project.generic_rules.empty());
  CHECK(warns(project.warnings, {".roo/rules: has more than 20000 entries, so none is read"}));
}

TEST_CASE("the same tree gives the same bytes, in whatever order it was written") {
  Random random(11);
  std::map<std::string, std::string> files;
  static constexpr std::string_view directories[] = {".roo/rules/",          ".roo/rules/sub/", ".roo/rules-code/",
                                                     ".roo/rules-code/x/y/", "pkg/.roo/rules/", ""};
  static constexpr std::string_view names[] = {"a.md",  "A.md", "b.txt",     "_c.md",
                                               "10.md", "9.md", "\u00e4.md", "AGENTS.md"};
  for (const std::string_view directory : directories) {
    for (const std::string_view name : names) {
      if (random.chance(0.8))
        files[std::string(directory) + std::string(name)] = "text of " + std::to_string(random.below(1'000));
    }
  }
  std::string first;
  for (int run = 0; run < 8; ++run) {
    World world;
    std::vector<std::pair<std::string, std::string>> shuffled(files.begin(), files.end());
    for (std::size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[random.below(i)]);
    for (const auto& [path, text] : shuffled) world.repository.put(path, text);
    const Project project = world.load({.subfolder_rules = true, .rules_bytes_max = 200});
    std::string all;
    for (const Mode& mode : project.modes) all += rules_text(project, mode.slug) + "\f";
    if (run == 0) first = all;
    CHECK(all == first);
  }
  CHECK(first.size() > 500);
}

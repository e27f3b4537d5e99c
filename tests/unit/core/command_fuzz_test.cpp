// What is judged `allow` is run in Bash, where the only programs are harmless stand-ins that note their names: nothing else
// may have run. JOEY_COMMAND_FUZZ=N makes it N times as long.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "command_table.hpp"

using namespace joey;
namespace fs = std::filesystem;

namespace {

// The real programs among them run nothing but what they find in PATH, which is the stand-ins.
constexpr std::array<const char*, 5> real_programs{"env", "find", "nice", "timeout", "xargs"};
constexpr std::array<const char*, 12> allowed_programs{"aa", "ls", "cat", "git", "grep", "npm", "make", "tail", "sort", "sed", "awk", "curl"};
constexpr std::array<const char*, 10> other_programs{"evil", "rm", "gitfoo", "lsof", "x", "a", "b", "EOF", "EO", "f"};
constexpr std::array<const char*, 16> allowed_builtins{"echo", "true", ":",    "cd",   "set",  "eval",   "command", "builtin",
                                                       "exec", "test", "[",    "false", "type", "printf", "pwd",     "exit"};

const CommandRules& fuzz_rules() {
  static const CommandRules rules = [] {
    CommandRules out;
    for (const char* name : allowed_programs) out.allow.emplace_back(name);
    for (const char* name : allowed_builtins) out.allow.emplace_back(name);
    for (const char* name : real_programs) out.allow.emplace_back(name);
    out.allow.insert(out.allow.end(), {"bash", "sh"});
    out.deny = {"rm"};
    return out;
  }();
  return rules;
}

bool is_allowed(const std::string& name) {
  const std::vector<std::string>& allow = fuzz_rules().allow;
  return std::find(allow.begin(), allow.end(), name) != allow.end();
}

// A directory in which lines are run.
class Arena {
 public:
  Arena() {
    std::string path = (fs::temp_directory_path() / "joey-commands-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    root_ = path;
    fs::permissions(root_, fs::perms(0755));
    for (const char* directory : {"bin", "work", "work/out", "work/src"}) fs::create_directory(root_ / directory);
    for (const char* name : allowed_programs) write_stand_in(name);
    for (const char* name : other_programs) write_stand_in(name);
    for (const char* name : real_programs) {
      for (const char* directory : {"/usr/bin/", "/bin/"}) {
        if (!fs::exists(std::string(directory) + name) || fs::exists(root_ / "bin" / name)) continue;
        fs::create_symlink(std::string(directory) + name, root_ / "bin" / name);
      }
    }
    fs::create_symlink("/bin/bash", root_ / "bin/bash");
    fs::create_symlink("/bin/sh", root_ / "bin/sh");
    // Every shell notes what it runs, builtins too.
    std::ofstream(root_ / "trace.sh") << "exec 19>>'" << (root_ / "trace").string() << "'\nBASH_XTRACEFD=19\nPS4='+ '\nset -x\n";
    for (const char* file : {"ran", "trace", "work/README.md"}) std::ofstream(root_ / file).flush();
    if (::geteuid() != 0) return;
    nobody_ = ::getpwnam("nobody");
    REQUIRE(nobody_ != nullptr);
    for (const char* each : {"ran", "trace", "work", "work/out", "work/src", "work/README.md"}) {
      REQUIRE(::chown((root_ / each).c_str(), nobody_->pw_uid, nobody_->pw_gid) == 0);
    }
  }
  ~Arena() { fs::remove_all(root_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // What ran, and is not allowed; empty when there is none.
  std::string run(const std::string& line) {
    for (const char* file : {"ran", "trace"}) fs::resize_file(root_ / file, 0);
    run_bash(line);
    std::string wrong = programs_problem() + trace_problem() + files_problem();
    return wrong;
  }

 private:
  void write_stand_in(const char* name) {
    const fs::path path = root_ / "bin" / name;
    std::ofstream(path) << "#!/bin/sh\necho " << name << " >> '" << (root_ / "ran").string() << "'\n";
    fs::permissions(path, fs::perms(0755));
  }

  void run_bash(const std::string& line) {
    const std::string work = (root_ / "work").string();
    const std::string path = "PATH=" + (root_ / "bin").string();
    const std::string trace = "BASH_ENV=" + (root_ / "trace.sh").string();
    const std::string home = "HOME=" + work;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::setsid();
      const auto limit = [](auto resource, rlim_t most) {
        const rlimit value{most, most};
        ::setrlimit(resource, &value);
      };
      limit(RLIMIT_CPU, 2);
      limit(RLIMIT_FSIZE, 1U << 20);
      limit(RLIMIT_AS, 1U << 29);
      limit(RLIMIT_NOFILE, 64);
      limit(RLIMIT_CORE, 0);
      if (nobody_ != nullptr) {
        limit(RLIMIT_NPROC, 200);
        if (::setgroups(0, nullptr) != 0 || ::setgid(nobody_->pw_gid) != 0 || ::setuid(nobody_->pw_uid) != 0) ::_exit(126);
      }
      const int null = ::open("/dev/null", O_RDWR);
      for (const int to : {0, 1, 2}) ::dup2(null, to);
      if (::chdir(work.c_str()) != 0) ::_exit(126);
      const char* const arguments[] = {"bash", "-c", "--", line.c_str(), nullptr};
      const char* const environment[] = {path.c_str(), trace.c_str(), home.c_str(), nullptr};
      ::execve("/bin/bash", const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
      ::_exit(127);
    }
    int status = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > until) {
        ::kill(-child, SIGKILL);
        ::waitpid(child, &status, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    ::kill(-child, SIGKILL);  // what it left in the background
  }

  [[nodiscard]] std::string programs_problem() const {
    std::ifstream file(root_ / "ran");
    for (std::string name; std::getline(file, name);) {
      if (!is_allowed(name)) return "the program " + name + " ran; ";
    }
    return {};
  }

  // Lines as "++ echo a": the first word is a builtin, a program, an assignment or a compound command.
  [[nodiscard]] std::string trace_problem() const {
    std::ifstream file(root_ / "trace");
    for (std::string line; std::getline(file, line);) {
      const std::size_t begin = line.find_first_not_of('+');
      if (begin == 0 || begin == std::string::npos || line[begin] != ' ') continue;
      std::string shown = line.substr(begin + 1);
      std::erase(shown, '\'');  // the trace quotes words: '['
      std::istringstream words(shown);
      std::string word;
      words >> word;
      if (is_allowed(word) || word == "for" || word == "case" || word == "[[") continue;
      if (word == "export" || word == "readonly" || word == "declare" || word == "typeset" || word == "local") {
        while (words >> word) {
          const bool is_fine = word[0] == '-' || word.find('=') == std::string::npos || is_harmless(word);
          if (!is_fine) return "declared " + word + "; ";
        }
        continue;
      }
      if (word.find('=') != std::string::npos && is_harmless(word)) continue;
      return "traced: " + line + "; ";
    }
    return {};
  }
  static bool is_harmless(const std::string& assignment) {
    const std::string name = assignment.substr(0, assignment.find_first_of("+="));
    return (name.size() == 1 && name[0] >= 'a' && name[0] <= 'z') || name == "CI" || name == "LANG" || name.starts_with("LC_") ||
           name == "NODE_ENV" || name == "NO_COLOR" || name == "dir" || name == "file" || name == "line";
  }

  // Only what is in out may be new.
  [[nodiscard]] std::string files_problem() const {
    std::string problem;
    for (const auto& entry : fs::directory_iterator(root_ / "work")) {
      const std::string name = entry.path().filename().string();
      if (name == "out" || name == "src" || name == "README.md") continue;
      problem += "wrote " + name + "; ";
      fs::remove_all(entry.path());
    }
    for (const auto& entry : fs::directory_iterator(root_ / "work/out")) fs::remove_all(entry.path());
    return problem;
  }

  fs::path root_;
  const passwd* nobody_{nullptr};
};

// Makes lines.
class Generator {
 public:
  Generator(std::uint64_t seed, std::vector<std::string> table) : random_(seed), table_(std::move(table)) {}

  std::string line() {
    switch (below(4)) {
      case 0: return soup();
      case 1: return mutated(table_[below(table_.size())]);
      case 2: return mutated(list(3));
      default: return list(3);
    }
  }

 private:
  static constexpr std::array<std::string_view, 118> tokens{
      "aa", "evil", "evil", "rm", "echo", "ls", " ", " ", " ", "  ", "\n", "\n", ";", ";", "&", "|", "&&", "||", "(", ")", "{ ", "; }",
      "$(", ")", "`", "`", "\"", "\"", "'", "'", "\\", "\\\n", " \\\n", "#", " #", "<<EOF", "<<'EOF'", "<<-EOF", "<<\"E\"", "\nEOF\n",
      "EOF", "\tEOF", "$'", "$\"", "${", "}", "x", "x=", "PATH=", "CI=1 ", "[", "]", "[[ ", " ]]", "! ", "if ", "; then ", "; fi",
      "else ", "for f in ", "; do ", "; done", "while ", "case x in ", " esac", ";;", ";&", "function ", "f()", "f() { ", "time ", "time -p ",
      "coproc ", ">", " > out/a", ">>", "<", "<(", ">(", "<<<", "2>&1", "&>", ">&", "((", "))", "$((", "*", "?", "~", "{a,b}", "eval ",
      "command ", "exec ", "builtin ", "bash -c ", "sh -c ", "env ", "xargs ", "find . -exec ", " {} \\;", "-c ", "@(", "!(", "\t", "é",
      "select ", "$x", "\"$@\"", "-v", "-e ", "export ", "a[", "]=", "+=", "\\\\", "\\'", "\\\"", "-- "};

  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  std::string_view token() { return tokens[below(tokens.size())]; }

  std::string soup() {
    std::string out;
    for (std::size_t n = 1 + below(14); n > 0; --n) out += token();
    return out;
  }

  std::string mutated(std::string line) {
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      const std::size_t at = below(line.size() + 1);
      switch (below(5)) {
        case 0: line.insert(at, token()); break;
        case 1: line.erase(std::min(at, line.size()), 1 + below(3)); break;
        case 2: line.replace(std::min(at, line.size()), 1, token()); break;
        case 3: line.insert(at, line.substr(below(line.size() + 1), below(8))); break;
        default: {
          const std::string& other = table_[below(table_.size())];
          line.insert(at, other.substr(below(other.size() + 1), below(12)));
        }
      }
    }
    return line;
  }

  std::string list(std::size_t depth) {
    static constexpr std::array<std::string_view, 7> operators{"; ", " && ", " || ", " | ", "\n", " & ", " |& "};
    std::string out = command(depth);
    while (chance(35)) {
      out += operators[below(operators.size())];
      out += command(depth);
    }
    return out;
  }

  std::string command(std::size_t depth) {
    if (depth == 0 || chance(60)) return simple(depth);
    const std::string inner = list(depth - 1);
    switch (below(14)) {
      case 0: return "(" + inner + ")";
      case 1: return "{ " + inner + "; }";
      case 2: return "if " + inner + "; then " + list(depth - 1) + "; fi";
      case 3: return "for f in " + word(depth) + " b; do " + inner + "; done";
      case 4: return "case " + word(depth) + " in " + word(depth) + ") " + inner + ";; *) " + list(depth - 1) + ";; esac";
      case 5: return "while " + inner + "; do " + list(depth - 1) + "; exit; done";
      case 6: return "! " + inner;
      case 7: return "time " + inner;
      case 8: return "cat <<EOF\n" + text(depth) + "\nEOF\n" + inner;
      case 9: return "cat <<'EOF'\n" + text(depth) + "\nEOF\n" + inner;
      case 10: return "[[ " + word(depth) + " == " + word(depth) + " ]] && " + inner;
      case 11: return "bash -c '" + without_quotes(inner) + "'";
      case 12: return "eval '" + without_quotes(inner) + "'";
      default: return "f() { " + inner + "; }";
    }
  }

  static std::string without_quotes(std::string text) {
    std::erase(text, '\'');
    return text;
  }

  std::string simple(std::size_t depth) {
    static constexpr std::array<std::string_view, 9> wrappers{"command ", "exec ", "env ", "xargs ", "nice ", "timeout 1 ", "builtin ", "env CI=1 ", "eval "};
    std::string out;
    if (chance(10)) out += chance(80) ? "CI=" + word(depth) + " " : "PATH=x ";
    if (chance(10)) out += wrappers[below(wrappers.size())];
    out += chance(4) ? "evil" : chance(50) ? "echo" : "aa";
    while (chance(55)) out += " " + word(depth);
    if (chance(10)) out += chance(70) ? " > out/a" : " 2>&1";
    if (chance(5)) out += " # " + word(0);
    return out;
  }

  // Many a word holds the name that must not run.
  std::string word(std::size_t depth) {
    const std::size_t kind = below(depth == 0 ? 12 : 18);
    switch (kind) {
      case 0: return "'; evil'";
      case 1: return "\"; evil; \"";
      case 2: return "\\;evil";
      case 3: return "a#evil";
      case 4: return "'$(evil)'";
      case 5: return "\"\\$(evil)\"";
      case 6: return "$'\\'; evil'";
      case 7: return "\"a'b\"";
      case 8: return "\"$x\"";
      case 9: return "a*";
      case 10: return "\"a\nevil\"";
      case 11: return "$((1+2))";
      case 12: return "$(" + list(depth - 1) + ")";
      case 13: return "\"$(" + list(depth - 1) + ")\"";
      case 14: return "`" + list(depth - 1) + "`";
      case 15: return "<(" + list(depth - 1) + ")";
      case 16: return "${x:-$(" + list(depth - 1) + ")}";
      default: return "a\"" + word(depth - 1) + "'" + word(depth - 1);
    }
  }

  std::string text(std::size_t depth) {
    std::string out = "it's \"quoted\" ; evil";
    if (chance(20)) out += " " + word(depth);
    if (chance(10)) out += "\n EOF\nevil";
    return out;
  }

  std::mt19937_64 random_;
  std::vector<std::string> table_;
};

// Whether it is out of the question that a line reaches beyond the arena: its programs are found by PATH only.
bool may_be_run(std::string line) {
  for (const std::string_view known : {"/dev/null", "out/", "src/", "./src", "-- ./"}) {
    for (std::size_t at = line.find(known); at != std::string::npos; at = line.find(known)) line.erase(at, known.size());
  }
  if (line.find('/') != std::string::npos || line.find("kill") != std::string::npos || line.find('~') != std::string::npos) return false;
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    if (line[i] == '\\' && (line[i + 1] == 'x' || line[i + 1] == 'u' || line[i + 1] == 'U' || (line[i + 1] >= '0' && line[i + 1] <= '9'))) return false;
  }
  return true;
}

std::size_t rounds() {
  const char* const text = std::getenv("JOEY_COMMAND_FUZZ");
  return text == nullptr ? 1 : std::max<std::size_t>(1, std::strtoul(text, nullptr, 10));
}

}  // namespace

TEST_CASE("nothing but what is allowed runs of a line that is allowed") {
  if (::access("/bin/bash", X_OK) != 0) {
    MESSAGE("skipped: there is no /bin/bash");
    return;
  }
  ShellParser parser;
  if (evaluate_command("ls", {{"*"}, {}}, {}, parser).verdict != Verdict::allow) {
    MESSAGE("skipped: the grammar of Bash is not built in, so nothing is allowed");
    return;
  }
  std::vector<std::string> table;
  for (const commands::Line& line : commands::read_table()) table.push_back(line.text);
  Arena arena;
  // The arena notices what runs, or the test would prove nothing.
  REQUIRE(arena.run("aa; echo x > out/a").empty());
  REQUIRE_FALSE(arena.run("evil").empty());
  REQUIRE_FALSE(arena.run("let 1").empty());
  REQUIRE_FALSE(arena.run("echo > a").empty());
  REQUIRE_FALSE(arena.run("PATH=x").empty());
  REQUIRE_FALSE(arena.run("bash -c 'let 1'").empty());

  const char* const seed_text = std::getenv("JOEY_COMMAND_FUZZ_SEED");
  const std::uint64_t seed = seed_text == nullptr ? 1 : std::strtoull(seed_text, nullptr, 10);
  CAPTURE(seed);
  Generator generator(seed, table);
  const CommandFiles files = commands::table_files();
  std::set<std::string> seen;
  std::size_t ran = 0;
  const std::size_t wanted = 400 * rounds();
  for (std::size_t judged = 0; judged < 60'000 * rounds() && ran < wanted; ++judged) {
    const std::string line = generator.line();
    if (evaluate_command(line, fuzz_rules(), files, parser).verdict != Verdict::allow) continue;
    if (!may_be_run(line) || !seen.insert(line).second) continue;
    // Lines that hold nothing of interest are not worth a process.
    if (line.find("evil") == std::string::npos && line.find("rm") == std::string::npos && judged % 4 != 0) continue;
    ++ran;
    const std::string problem = arena.run(line);
    CHECK_MESSAGE(problem.empty(), problem << "\n" << line);
  }
  MESSAGE(ran << " lines were run");
  CHECK(ran >= 300);
}

TEST_CASE("lines of any bytes are judged, in time linear in their size") {
  ShellParser parser;
  const CommandFiles files = commands::table_files();
  std::vector<std::string> table;
  for (const commands::Line& line : commands::read_table()) table.push_back(line.text);
  std::mt19937_64 random(7);
  for (std::size_t n = 0; n < 5'000 * rounds(); ++n) {
    std::string line = table[random() % table.size()];
    for (std::size_t i = 0; i < 1 + random() % 4; ++i) {
      const std::size_t at = random() % (line.size() + 1);
      if (random() % 2 == 0) line.insert(at, 1, static_cast<char>(random() % 256));
      else if (at < line.size()) line[at] = static_cast<char>(random() % 256);
    }
    static_cast<void>(evaluate_command(line, fuzz_rules(), files, parser));
  }
  for (const std::string_view unit : {"(", "((", "$(", "$((", "`", "${", "\"$(", "<(", "{ ", "if ", "a;", "a|", "a&&", "a ", "<<E ", "<<E\n",
                                      "$x", "\"", "'", "\\", "[[ ", "case x in ", "x=", "a=b ", ">a ", "env ", "sudo ", "eval ", "eval 'x' ", "#",
                                      "\n", "!", "! ", "time ", "[", "a[", "{a,", "é", "\xF0", "$'", "a() { ", "for a in b; do ", "${x:-", "echo $(a) ",
                                      "bash -c ", "xargs ", "find -exec ", "cat <<E\nE\n", "\\\n", " \\\n", "echo 'a", "*", "~", "<", ">", "&", "|", ";"}) {
    CAPTURE(std::string(unit));
    std::string line;
    while (line.size() + unit.size() <= ShellParser::line_size_max) line += unit;
    const auto began = std::chrono::steady_clock::now();
    static_cast<void>(evaluate_command(line, fuzz_rules(), files, parser));
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK_MESSAGE(took < std::chrono::seconds(2), std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms");
  }
  const std::string long_line(ShellParser::line_size_max + 1, 'a');
  CHECK(evaluate_command(long_line, {{"*"}, {}}, files, parser).verdict == Verdict::ask);
}

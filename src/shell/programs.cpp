#include "shell/programs.hpp"

#include <algorithm>
#include <array>

namespace joey {
namespace {

// Options that are not listed make the command unknown; those whose value is optional are not listed.
constexpr Wrapper wrappers[] = {
    {"builtin", "", "", 0, false, false},
    {"busybox", "", "", 0, false, false},
    {"command", "-p", "", 0, false, false},
    {"doas", "-n", "-u", 0, false, true},
    {"env", "-i --ignore-environment -0 --null -v --debug", "-u --unset -C --chdir", 0, true, true},
    {"exec", "-c -l", "-a", 0, false, false},
    {"genv", "-i --ignore-environment -0 --null -v --debug", "-u --unset -C --chdir", 0, true, true},
    {"gtimeout", "--preserve-status --foreground -v --verbose", "-k --kill-after -s --signal", 1, false, false},
    {"ionice", "-t --ignore", "-c --class -n --classdata", 0, false, false},
    {"nice", "", "-n --adjustment", 0, false, false},
    {"nohup", "", "", 0, false, false},
    {"setsid", "-c --ctty -f --fork -w --wait", "", 0, false, false},
    {"stdbuf", "", "-i --input -o --output -e --error", 0, false, false},
    {"sudo", "-n --non-interactive -E --preserve-env -H --set-home -S --stdin -b --background -k --reset-timestamp",
     "-u --user -g --group -p --prompt", 0, true, true},
    {"taskset", "-a --all-tasks -c --cpu-list", "", 1, false, false},
    {"time", "-p --portability -v --verbose -q --quiet", "-f --format", 0, false, false},
    {"timeout", "--preserve-status --foreground -v --verbose", "-k --kill-after -s --signal", 1, false, false},
    {"toybox", "", "", 0, false, false},
    {"unbuffer", "-p", "", 0, false, false},
    {"watch", "-b --beep -c --color --differences -e --errexit -g --chgexit -p --precise -t --no-title",
     "-n --interval", 0, false, false},
    {"xargs", "-0 --null -p --interactive -r --no-run-if-empty -t --verbose -x --exit",
     "-d --delimiter -E -I -L -n --max-args -P --max-procs -s --max-chars", 0, false, false},
};

constexpr std::string_view opaque_wrappers =
    "at batch bwrap capsh catchsegv cgexec chpst chroot chrt cpulimit dbus-launch dbus-run-session direnv dotenv dumb-init "
    "eatmydata entr expect fakechroot fakeroot faketime firejail flock gdb gosu gtime hyperfine linux32 linux64 lldb ltrace nsenter numactl parallel "
    "pkexec perf prlimit proot proxychains proxychains4 rlwrap run-parts runuser schroot screen script setarch setpriv sg "
    "softlimit ssh-agent start-stop-daemon strace su su-exec systemd-inhibit systemd-run tini tmux torsocks torify tsocks unshare valgrind "
    "with-contenv xvfb-run";

struct Builtin {
  std::string_view names;
  std::string_view reason;
};
constexpr Builtin builtins[] = {
    {"alias unalias shopt enable hash bind", "a builtin that changes what later words mean"},
    {"complete compgen compopt trap fc history jobs mapfile readarray", "a builtin that may run what its arguments say"},
    {"let read unset getopts wait", "a builtin that may evaluate the names it is given"},
    {"unsetenv noglob nocorrect repeat autoload zmodload emulate setopt unsetopt vared zle", "a command of another shell"},
};

constexpr std::string_view harmless_variables =
    "CI LANG LANGUAGE TZ TERM COLUMNS LINES NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE COLORTERM VERBOSE DEBIAN_FRONTEND "
    "NODE_ENV RUST_BACKTRACE RUST_LOG CARGO_TERM_COLOR CTEST_OUTPUT_ON_FAILURE CMAKE_BUILD_PARALLEL_LEVEL GTEST_COLOR "
    "GOOS GOARCH PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PIP_NO_INPUT SOURCE_DATE_EPOCH "
    "dir file item line name";

// Uses by which a program runs other programs or writes files although nothing of its name says so. Options are matched
// wherever they stand, attached to a value or to other letters, and shortened as far as programs allow it.
//
//   -x        a letter among an option's letters
//   -word     this word
//   --word    this word, shortened or with =value
//   ^text     a word that begins so
struct Row {
  std::string_view programs;
  std::string_view subcommands;  // the first word that is no option is one of these; alone it is such a use if options is empty
  std::string_view options;
  std::string_view reason;
};
constexpr Row rows[] = {
    {"git", "bisect citool config credential cvsserver daemon difftool fast-import filter-branch gui hook imap-send instaweb "
            "maintenance mergetool p4 remote-ext remote-fd send-email shell submodule svn upload-pack web--browse", "",
     "git runs other programs by it"},
    {"git", "", "--exec --receive-pack --upload-pack --output --extcmd ^ext:: ^fd::", "git runs another program or writes a file by it"},
    {"git", "clone", "-c --config -u --template", "git runs other programs by its configuration"},
    {"git", "init", "--template", "git runs other programs by its hooks"},
    {"git", "grep", "-O --open-files-in-pager", "git runs another program by it"},
    {"git", "rebase", "-x -i --interactive", "git runs another program by it"},
    {"git", "archive format-patch", "-o", "git writes a file by it"},
    {"tar gtar bsdtar", "", "-I -F --checkpoint-action --to-command --use-compress-program --rsh-command --rmt-command "
     "--info-script --new-volume-script --index-file", "tar runs another program by it"},
    {"cpio", "", "-F --rsh-command --rmt-command", "cpio runs another program by it"},
    {"rsync", "", "-e -M --rsh --rsync-path --remote-option --daemon --config --write-batch --only-write-batch --log-file",
     "rsync runs another program or writes a file by it"},
    {"ssh scp sftp slogin", "", "-o -F -E -I -J -S -D", "ssh runs another program by its configuration"},
    {"find gfind", "", "-delete -fprint -fprint0 -fprintf -fls -files0-from", "find deletes or writes files by it"},
    {"fd fdfind", "", "-x -X --exec --exec-batch", "fd runs another program by it"},
    {"rg", "", "-z --pre --hostname-bin --search-zip", "rg runs another program by it"},
    {"ag ack bat batcat delta", "", "--pager --output", "it runs another program by it"},
    {"sort gsort", "", "-o --output --compress-program", "sort runs another program or writes a file by it"},
    {"shuf tree", "", "-o --output", "it writes a file by it"},
    {"split csplit", "", "--filter", "split runs another program by it"},
    {"yq", "", "-i --inplace --in-place -s --split-exp", "yq writes files by it"},
    {"less more most pg", "", "-o -O -k ^+ --log-file --LOG-FILE --lesskey-file --lesskey-src --lesskey-content",
     "the pager runs commands or writes a file by it"},
    {"man", "", "-P -H -C -M -p -l --pager --html --config-file --preprocessor --manpath --local-file",
     "man runs another program by it"},
    {"vi vim view nvim gvim ex rvim vimdiff nvi elvis", "", "-c -S -s -u -U -w -W -i -e -E -V -l --cmd --startuptime ^+",
     "the editor runs commands by it"},
    {"emacs emacsclient", "", "-l -f -e --load --eval --funcall --execute --script --batch -eval -load -funcall -script -batch",
     "the editor runs commands by it"},
    {"python pypy python2 ipython", "", "-c -m -i -", "it runs what its arguments or its input say"},
    {"perl", "", "-e -E -M -m -d -I -i -p -n -x -", "it runs what its arguments or its input say"},
    {"ruby jruby irb", "", "-e -r -I -n -p -i -x -", "it runs what its arguments or its input say"},
    {"node nodejs bun", "", "-e -p -r -i --eval --print --require --import --loader --experimental-loader --interactive --env-file -",
     "it runs what its arguments or its input say"},
    {"deno", "eval repl", "", "it runs what its arguments say"},
    {"php", "", "-r -B -R -E -F -d -z -c -a", "it runs what its arguments say"},
    {"lua luajit", "", "-e -l -i -", "it runs what its arguments or its input say"},
    {"Rscript R guile racket julia elixir erl ghc scala groovy tclsh wish osascript", "", "-e -E -c --eval --expr -eval -",
     "it runs what its arguments say"},
    {"sqlite", "", "-cmd -init ^. .shell .system -", "sqlite runs commands by it"},
    {"psql mysql mariadb", "", "-c -e -f -o -L --command --execute --file --output --log-file --tee --pager", "it runs commands by it"},
    {"curl", "", "-o -O -J -K -D -c --output --remote-name --remote-name-all --output-dir --config --dump-header --cookie-jar "
     "--trace --trace-ascii --stderr --libcurl --hsts --alt-svc --etag-save", "curl writes a file by it"},
    {"wget", "", "-e -O -P -o -a -i --execute --use-askpass --output-document --directory-prefix --output-file --append-output --config",
     "wget runs another program or writes a file by it"},
    {"nc ncat netcat socat", "", "-e -c -E --exec --sh-exec --lua-exec ^EXEC ^SYSTEM ^exec ^system", "it runs another program by it"},
    {"go", "", "-exec -toolexec -vettool -overlay ^-exec= ^-toolexec= ^-vettool= ^--exec ^--toolexec ^--vettool",
     "go runs another program by it"},
    {"cargo", "", "--config", "cargo runs another program by its configuration"},
    {"npm npx pnpm yarn", "", "--script-shell --node-options --node-arg --init-module", "npm runs another program by it"},
    {"gcc g++ cc c++ clang clang++ gfortran", "", "-wrapper ^-fplugin ^-specs ^--specs ^-B -load", "the compiler runs another program by it"},
    {"gh", "alias extension", "", "gh runs other programs by it"},
    {"hg", "", "--config --debugger", "hg runs other programs by its configuration"},
    {"svn", "", "--diff-cmd --diff3-cmd --editor-cmd --config-option --config-dir", "svn runs another program by it"},
    {"ip", "netns vrf", "", "ip runs other programs by it"},
    {"tcpdump", "", "-z -w", "tcpdump runs another program or writes a file by it"},
    {"ldd", "", "^", "ldd may run the program it looks at"},
    {"rename prename file-rename", "", "^", "it runs the Perl code of its arguments"},
    {"crontab", "", "^", "what it is given runs later"},
    {"zip", "", "-T --test --unzip-command", "zip runs another program by it"},
    {"pdflatex latex xelatex lualatex tex", "", "-shell-escape --shell-escape -enable-write18 --enable-write18", "it runs other programs by it"},
};

// What git does with these it does whatever their arguments are.
constexpr std::string_view inert_git_subcommands = "add branch checkout commit ls-files mv reset restore rev-parse rm status switch tag";

// Programs whose input may hold commands, whatever their arguments.
constexpr std::string_view readers_of_commands = "dc m4 ed pry";

// Shells that are not Bash: what they read is not read here.
constexpr std::string_view other_shells = "zsh ksh ksh93 mksh fish csh tcsh pwsh powershell yash elvish nu xonsh rc es";

// Calls `visit` with each word of a space-separated list until it returns true.
template <class Visit>
bool any_word(std::string_view list, Visit&& visit) {
  while (!list.empty()) {
    const std::size_t size = std::min(list.find(' '), list.size());
    if (visit(list.substr(0, size))) return true;
    list.remove_prefix(std::min(size + 1, list.size()));
  }
  return false;
}

bool matches_option(std::string_view word, std::string_view option) {
  if (option[0] == '^') return word.starts_with(option.substr(1));
  if (option.starts_with("--")) {
    const std::string_view name = word.substr(0, word.find('='));
    return name.size() > 2 && option.starts_with(name);
  }
  if (option.size() == 2) return word.size() > 1 && word[0] == '-' && word[1] != '-' && word.find(option[1]) != std::string_view::npos;
  return word == option;
}

// Whether what is not known of a word may make an option of it.
bool may_be_option(const ShellWord& word) {
  if (word.is_static) return false;
  if (word.splits || word.text.empty()) return true;
  return word.text[0] == '-' && word.text.find('=') == std::string_view::npos;
}

// From `begin` on; words after `--` are operands where that is certain.
std::optional<Escape> find_options(std::span<const ShellWord> words, std::size_t begin, std::string_view options,
                                   std::string_view reason) {
  std::optional<Escape> found;
  bool operands_only = false;
  for (std::size_t i = begin; i < words.size(); ++i) {
    const ShellWord& word = words[i];
    // After an option it might be that option's value.
    if (word.is_static && word.text == "--" && !words[i - 1].text.starts_with('-')) operands_only = true;
    if (!operands_only && may_be_option(word)) found = Escape{i, "an argument that is known only when it runs, and may be an option"};
    if (any_word(options, [&](std::string_view option) { return matches_option(word.text, option); })) found = Escape{i, reason};
  }
  return found;
}

std::size_t first_operand(std::span<const ShellWord> words, std::size_t begin = 1) {
  while (begin < words.size() && words[begin].text.starts_with('-') && words[begin].text != "-") ++begin;
  return begin;
}

void keep_last(std::optional<Escape>& kept, const std::optional<Escape>& found) {
  if (found && (!kept || found->word >= kept->word)) kept = found;
}

// The subcommand of git; what comes before it configures git, but for a few options.
std::size_t git_subcommand(std::span<const ShellWord> words, std::optional<Escape>& escape) {
  static constexpr std::string_view safe = "--no-pager -P --version --help --no-optional-locks --literal-pathspecs --no-replace-objects";
  std::size_t i = 1;
  for (; i < words.size(); ++i) {
    const ShellWord& word = words[i];
    if (word.is_static && !word.text.starts_with('-')) break;
    if (word.is_static && word.text == "-C" && i + 1 < words.size() && !words[i + 1].splits) {
      ++i;
      continue;
    }
    if (!word.is_static || !lists(safe, word.text)) escape = Escape{i, "git runs other programs by its configuration"};
  }
  return i;
}

// Whether a sed script only prints, deletes and substitutes.
class SedScript {
 public:
  explicit SedScript(std::string_view text) : text_(text) {}

  bool is_plain() {
    while (true) {
      skip(" \t\n;");
      if (at_ >= text_.size()) return true;
      if (!addresses() || !command()) return false;
      skip(" \t");
      if (at_ < text_.size() && text_[at_] != ';' && text_[at_] != '\n' && text_[at_] != '}') return false;
    }
  }

 private:
  void skip(std::string_view set) {
    while (at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  // To after the next delimiter.
  bool delimited(char delimiter) {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') ++at_;
      else if (text_[at_] == delimiter) return ++at_, true;
      else if (text_[at_] == '[' || text_[at_] == '\n') {
        // In brackets a delimiter may or may not count.
        if (text_[at_] == '\n' || text_.substr(at_, text_.find(']', at_) - at_).find(delimiter) != std::string_view::npos) return false;
      }
    }
    return false;
  }
  bool addresses() {
    while (at_ < text_.size()) {
      skip("0123456789$,~+! \t");
      if (at_ >= text_.size() || text_[at_] != '/') return true;
      ++at_;
      if (!delimited('/')) return false;
      skip("IM");
    }
    return true;
  }
  bool command() {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (std::string_view("pdq=lgGhHxnND{}").find(c) != std::string_view::npos) return true;
    if (c != 's' && c != 'y') return false;
    if (at_ >= text_.size()) return false;
    const char delimiter = text_[at_++];
    if (delimiter == '\\' || delimiter == '\n' || delimiter == '[') return false;
    if (!delimited(delimiter) || !delimited(delimiter)) return false;
    if (c == 's') skip("gpiI0123456789");
    return true;
  }

  std::string_view text_;
  std::size_t at_{0};
};

std::optional<Escape> sed_escape(std::span<const ShellWord> words) {
  static constexpr std::string_view reason = "sed runs commands or writes files by it";
  std::optional<Escape> escape;
  const auto check_script = [&](std::size_t i, std::string_view script) {
    if (!words[i].is_static || !SedScript(script).is_plain()) escape = Escape{i, reason};
  };
  bool has_script = false;
  std::size_t operand = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const ShellWord& word = words[i];
    const std::string_view text = word.text;
    if (may_be_option(word)) {
      escape = Escape{i, "an argument that is known only when it runs, and may be an option"};
    } else if (text.starts_with("--expression=")) {
      check_script(i, text.substr(13));
      has_script = true;
    } else if (lists("--quiet --silent --regexp-extended --separate --unbuffered --null-data --debug --version --help", text)) {
      continue;
    } else if (text.size() > 1 && text[0] == '-') {
      const std::size_t last = text.find_first_not_of("nErsuz", 1);
      if (last == std::string_view::npos) continue;
      if (text[last] != 'e') {
        escape = Escape{i, reason};
        continue;
      }
      has_script = true;
      if (last + 1 < text.size()) check_script(i, text.substr(last + 1));
      else if (++i < words.size()) check_script(i, words[i].text);
    } else if (operand == 0) {
      operand = i;
    }
  }
  // Options may also come after the operands; without one of them that is a script, the first operand is.
  if (!has_script && operand != 0) {
    const std::optional<Escape> later = escape;
    check_script(operand, words[operand].text);
    keep_last(escape, later);
  }
  return escape;
}

std::optional<Escape> awk_escape(std::span<const ShellWord> words) {
  static constexpr std::string_view reason = "awk runs commands or writes files by it";
  std::optional<Escape> escape = find_options(words, 1, "-f -i -l -E -D -d -o -p", reason);
  std::size_t i = 1;
  while (i < words.size() && words[i].text.starts_with('-')) {
    const std::string_view text = words[i].text;
    if (text != "-F" && text != "-v" && !text.starts_with("-F") && !text.starts_with("-v")) escape = Escape{i, reason};
    i += text.size() == 2 && text != "--" ? 2U : 1U;
  }
  if (i >= words.size()) return escape;
  std::string program = words[i].text;
  for (std::size_t at = program.find("||"); at != std::string::npos; at = program.find("||", at)) program.replace(at, 2, "  ");
  const bool prints_to = program.find("print") != std::string::npos && program.find('>') != std::string::npos;
  const bool runs = program.find('|') != std::string::npos || program.find('@') != std::string::npos ||
                    program.find("system") != std::string::npos || program.find("getline") != std::string::npos ||
                    program.find("close") != std::string::npos;
  if (!words[i].is_static || prints_to || runs) keep_last(escape, Escape{i, reason});
  return escape;
}

// Without a file to run, an interpreter reads its input.
std::optional<Escape> interpreter_escape(std::span<const ShellWord> words) {
  if (first_operand(words) < words.size()) return std::nullopt;
  if (words.size() == 2 && lists("--version -V -v --help -h", words[1].text)) return std::nullopt;
  return Escape{words.size(), "it runs what its input says"};
}

std::optional<Escape> printf_escape(std::span<const ShellWord> words) {
  if (words.size() < 2) return std::nullopt;
  const Escape refused{words.size(), "printf may assign to a variable"};
  const bool has_end = words[1].is_static && words[1].text == "--";
  if (has_end && words.size() < 3) return std::nullopt;
  const ShellWord& format = words[has_end ? 2 : 1];
  if (!format.is_static || (!has_end && format.text.starts_with('-'))) return refused;
  // %n assigns.
  const std::string_view text = format.text;
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    const std::size_t conversion = text.find_first_not_of("-+ #'0123456789.*hlLjzt", at + 1);
    if (conversion == std::string_view::npos) break;
    if (text[conversion] == 'n') return refused;
    at = conversion;
  }
  return std::nullopt;
}

// `test` finds operators among its arguments, and one of them evaluates a name.
std::optional<Escape> test_escape(std::span<const ShellWord> words) {
  const Escape refused{words.size(), "test may evaluate a variable's name"};
  if (words[0].text == "[" && words.size() > 1) words = words.first(words.size() - 1);
  bool is_static = true;
  for (const ShellWord& word : words) {
    if (word.splits || word.text == "-v" || word.text == "-R") return refused;
    is_static = is_static && word.is_static;
  }
  words = words.subspan(1);
  if (words.size() > 1 && words[0].is_static && words[0].text == "!") words = words.subspan(1);
  if (is_static || words.size() < 2) return std::nullopt;
  if (words.size() == 2 && words[0].is_static && words[0].text.starts_with('-')) return std::nullopt;
  if (words.size() == 3 && words[1].is_static && lists("= == != -eq -ne -lt -le -gt -ge -nt -ot -ef", words[1].text)) return std::nullopt;
  return refused;
}

std::optional<Escape> set_escape(std::span<const ShellWord> words) {
  const Escape refused{words.size(), "set changes how later words are read"};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view text = words[i].text;
    if (!words[i].is_static) return refused;
    if (text == "--") break;
    if (text.size() < 2 || (text[0] != '-' && text[0] != '+')) return refused;
    const std::size_t other = text.find_first_not_of("eux", 1);
    if (other == std::string_view::npos) continue;
    if (text[other] != 'o' || other + 1 != text.size() || i + 1 >= words.size()) return refused;
    if (!lists("errexit nounset pipefail xtrace", words[++i].text)) return refused;
  }
  return std::nullopt;
}

// Its second operand is written.
std::optional<Escape> uniq_escape(std::span<const ShellWord> words) {
  std::size_t operands = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].splits) operands += 1;
    if (!words[i].text.starts_with('-')) operands += 1;
    if (operands > 1) return Escape{i, "uniq writes a file by it"};
  }
  return std::nullopt;
}

std::string_view without_version(std::string_view name) {
  const std::size_t last = name.find_last_not_of("0123456789.");
  return last == std::string_view::npos ? name : name.substr(0, last + 1);
}

std::optional<Escape> row_escape(const Row& row, std::span<const ShellWord> words, std::size_t operand) {
  if (!row.subcommands.empty()) {
    if (operand >= words.size() || !lists(row.subcommands, words[operand].text)) return std::nullopt;
    if (row.options.empty()) return Escape{operand, row.reason};
  }
  std::optional<Escape> found = find_options(words, row.programs == "git" ? operand + 1 : 1, row.options, row.reason);
  // What follows -c or -m is the argument of what Python runs by it.
  while (found && row.programs.starts_with("python ")) {
    const std::optional<Escape> earlier = find_options(words.first(found->word), 1, row.options, row.reason);
    if (!earlier) break;
    found = earlier;
  }
  return found;
}

}  // namespace

bool lists(std::string_view words, std::string_view word) {
  return any_word(words, [&](std::string_view each) { return each == word; });
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

const Wrapper* wrapper_named(std::string_view name) {
  for (const Wrapper& wrapper : wrappers) {
    if (wrapper.program == name) return &wrapper;
  }
  return nullptr;
}

bool is_opaque_wrapper(std::string_view name) { return lists(opaque_wrappers, name); }

std::string_view refused_builtin(std::string_view name) {
  for (const Builtin& each : builtins) {
    if (lists(each.names, name)) return each.reason;
  }
  return {};
}

bool is_harmless_variable(std::string_view name) {
  if (name.size() == 1) return name[0] >= 'a' && name[0] <= 'z';
  if (name.starts_with("LC_")) return true;
  return lists(harmless_variables, name);
}

std::optional<Escape> escape_of(std::span<const ShellWord> words) {
  const std::string_view name = base_name(words[0].text);
  const std::string_view general = without_version(name);
  if (name == "[" || name == "test") return test_escape(words);
  if (name == "printf") return printf_escape(words);
  if (name == "set") return set_escape(words);
  if (lists("sed gsed ssed", name)) return sed_escape(words);
  if (lists("awk gawk mawk nawk", name)) return awk_escape(words);
  if (name == "source" || name == ".") return Escape{1, "the shell runs a file by it"};
  if (lists(other_shells, name)) return Escape{words.size(), "a shell whose language is not read here"};
  if (lists(readers_of_commands, name)) return Escape{words.size(), "it runs commands that its input holds"};
  if (name == "uniq") return uniq_escape(words);

  std::optional<Escape> escape;
  std::size_t operand = first_operand(words);
  if (name == "git") {
    operand = git_subcommand(words, escape);
    if (operand < words.size() && lists(inert_git_subcommands, words[operand].text)) return escape;
  }
  bool is_known = false;
  for (const Row& row : rows) {
    if (!lists(row.programs, name) && !lists(row.programs, general)) continue;
    is_known = true;
    keep_last(escape, row_escape(row, words, operand));
  }
  if (is_known && lists("python pypy perl ruby node nodejs lua luajit php", general)) keep_last(escape, interpreter_escape(words));
  // The letters of tar's first word are options without a dash.
  if (lists("tar gtar bsdtar", name) && words.size() > 1 && !words[1].text.starts_with('-') &&
      words[1].text.find_first_of("IF") != std::string::npos) {
    keep_last(escape, Escape{1, "tar runs another program by it"});
  }
  return escape;
}

}  // namespace joey

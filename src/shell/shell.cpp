#include "shell/shell.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/text.hpp"
#include "shell/programs.hpp"
#include "shell/script.hpp"
#include "shell/second.hpp"

namespace joey {
namespace {

constexpr std::size_t text_size_max = 200;  // of a part, in bytes
constexpr std::size_t depth_max = 8;        // of wrappers and of shells in one another

// Where a command stands.
struct Place {
  std::size_t depth{0};
  bool elsewhere{false};  // it may run in another directory than the line's
};

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// Whether every shell of the Bourne family reads `script` as Bash does. In others $'\'' ends at the second quote, [[ is a
// command, and &> ends one.
bool is_portable(std::string_view script) {
  for (const std::string_view own : {"$'", "[[", "&>", "|&", "<<<", "<(", ">(", "+=", ";&", "time", "function", "((", "@("}) {
    if (script.find(own) != std::string_view::npos) return false;
  }
  return true;
}

// Makes parts of what was read.
class Interpreter {
 public:
  explicit Interpreter(SecondReader& second) : second_(second) {}

  void script(std::string_view text, Place place) {
    if (place.depth > depth_max) {
      unknown("shells that are nested too deep", text);
      return;
    }
    Script script = read_script(text);
    for (const ScriptItem& item : script.items) {
      if (parts_.size() >= ShellParser::parts_max) break;
      part(item, text.substr(item.begin, item.end - item.begin), place);
    }
    if (!script.complete) return;
    if (const std::string_view objection = second_.objection(text, script); !objection.empty()) unknown(objection, text);
  }

  std::vector<ShellPart> take() {
    // A relative path is read where the line starts, so after a change of directory it says nothing.
    for (ShellPart& part : parts_) {
      if (moves_ && part.kind == ShellPart::Kind::redirect && !part.path.text.starts_with('/')) part.path.is_static = false;
    }
    if (parts_.size() >= ShellParser::parts_max) unknown("more parts than are looked at", "");
    return std::move(parts_);
  }

 private:
  using Words = std::span<const ShellWord>;

  ShellPart& add(ShellPart::Kind kind, std::string_view text) {
    ShellPart& part = parts_.emplace_back();
    part.kind = kind;
    part.text = utf8_prefix(text, text_size_max);
    return part;
  }
  void unknown(std::string_view reason, std::string_view text) { add(ShellPart::Kind::unknown, text).reason = reason; }

  void part(const ScriptItem& item, std::string_view text, Place place) {
    switch (item.kind) {
      case ShellPart::Kind::command: {
        std::vector<ShellWord> words;
        words.reserve(item.words.size());
        for (const ScriptWord& word : item.words) words.push_back(word.value);
        command(words, text, place);
        return;
      }
      case ShellPart::Kind::redirect: redirect(item, text, place); return;
      case ShellPart::Kind::assignment: assignment(item.variable, text, {}); return;
      case ShellPart::Kind::unknown: unknown(item.reason, text); return;
    }
  }

  void assignment(std::string_view variable, std::string_view text, Words words) {
    ShellPart& part = add(ShellPart::Kind::assignment, text);
    part.variable = variable;
    part.is_harmless = is_harmless_variable(variable);
    part.words.assign(words.begin(), words.end());
  }

  void redirect(const ScriptItem& item, std::string_view text, Place place) {
    const ShellWord& path = item.words.front().value;
    if (path.is_static) {
      static constexpr std::string_view nothing = "/dev/null /dev/stdin /dev/stdout /dev/stderr /dev/fd/0 /dev/fd/1 /dev/fd/2";
      if (lists(nothing, path.text)) return;
    }
    if (path.text.starts_with("/dev/tcp") || path.text.starts_with("/dev/udp")) {
      unknown("a network connection", text);
      return;
    }
    ShellPart& part = add(ShellPart::Kind::redirect, text);
    part.path = path;
    part.reads = item.reads;
    part.writes = item.writes;
    if (place.elsewhere && !path.text.starts_with('/')) part.path.is_static = false;
  }

  void command(Words words, std::string_view text, Place place) {
    if (place.depth > depth_max) {
      unknown("commands that are wrapped too often", text);
      return;
    }
    if (!words[0].is_static || words[0].text.empty()) {
      unknown("a program that is known only when it runs", text);
      return;
    }
    const std::string_view name = words[0].text;
    const std::string_view base = base_name(name);
    if (lists("export declare typeset readonly local", name)) {
      declaration(words, text);
      return;
    }
    ShellPart& part = add(ShellPart::Kind::command, text);
    part.words.assign(words.begin(), words.end());
    if (const std::optional<Escape> escape = escape_of(words)) {
      part.escape_word = escape->word;
      part.reason = escape->reason;
    }
    if (const std::string_view reason = refused_builtin(name); !reason.empty()) unknown(reason, text);
    if (lists("cd pushd popd", name)) moves_ = true;
    place.depth += 1;
    run_by(base, words, text, place);
  }

  // What the command runs in its turn.
  void run_by(std::string_view base, Words words, std::string_view text, Place place) {
    if (base == "eval") {
      joined_script(words.subspan(1), text, place);
    } else if (base == "trap" && words.size() > 1 && words[1].is_static) {
      script(words[1].text, place);
    } else if (lists("bash sh dash ash rbash", base)) {
      shell(words, text, place);
    } else if (lists("find gfind", base)) {
      find(words, text, place);
    } else if (const Wrapper* wrapper = wrapper_named(base)) {
      wrapped(*wrapper, words, text, place);
    } else if (is_opaque_wrapper(base)) {
      unknown("a program that runs others", text);
      std::size_t i = 1;
      while (i < words.size() && words[i].text.starts_with('-')) ++i;
      if (i < words.size()) command(words.subspan(i), joined(words.subspan(i)), place);
    }
  }

  static std::string joined(Words words) {
    std::string out;
    for (const ShellWord& word : words) {
      if (!out.empty()) out += ' ';
      out += word.text;
      if (!word.is_static) out += "...";
    }
    return out;
  }
  static bool all_static(Words words) {
    return std::all_of(words.begin(), words.end(), [](const ShellWord& word) { return word.is_static; });
  }

  // Words that a shell joins and reads again.
  void joined_script(Words words, std::string_view text, Place place) {
    if (all_static(words)) script(joined(words), place);
    else unknown("a script that is known only when it runs", text);
  }

  void shell(Words words, std::string_view text, Place place) {
    bool has_script = false;
    std::size_t i = 1;
    for (; i < words.size(); ++i) {
      const std::string_view option = words[i].text;
      if (!words[i].is_static) break;
      if (lists("--norc --noprofile --login", option)) continue;
      if (option == "--") {
        ++i;
        break;
      }
      if (option.size() < 2 || (option[0] != '-' && option[0] != '+')) break;
      const std::size_t other = option.find_first_not_of("cehluvx", 1);
      has_script = has_script || (option[0] == '-' && option.find('c') != std::string_view::npos);
      if (other == std::string_view::npos) continue;
      if (option[other] != 'o' || other + 1 != option.size() || i + 1 >= words.size() ||
          !lists("errexit nounset pipefail xtrace", words[++i].text)) {
        unknown("a shell with options that are not read here", text);
        return;
      }
    }
    if (i >= words.size()) {
      unknown("a shell that runs what its input says", text);
    } else if (has_script && words[i].is_static) {
      if (!lists("bash rbash", base_name(words[0].text)) && !is_portable(words[i].text)) {
        unknown("a script that shells read in different ways", text);
      }
      script(words[i].text, place);
    } else if (has_script || !words[i].is_static) {
      unknown("a script that is known only when it runs", text);
    } else {
      parts_.back().escape_word = i;
      parts_.back().reason = "the shell runs a file by it";
    }
  }

  void find(Words words, std::string_view text, Place place) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!lists("-exec -execdir -ok -okdir", words[i].text)) continue;
      std::vector<ShellWord> run;
      for (++i; i < words.size(); ++i) {
        const std::string& word = words[i].text;
        if (word == ";" || (word == "+" && !run.empty() && words[i - 1].text == "{}")) break;
        run.push_back(words[i]);
        if (word.find("{}") == std::string::npos) continue;
        run.back().text.resize(word.find("{}"));
        run.back().is_static = false;
      }
      if (i >= words.size() || run.empty()) {
        unknown("a command that is known only when it runs", text);
        return;
      }
      command(run, joined(run), {place.depth, true});
    }
  }

  // Past the options of a wrapper; none when it has one that is not known.
  static std::optional<std::size_t> after_options(const Wrapper& wrapper, Words words) {
    std::size_t i = 1;
    while (i < words.size()) {
      const ShellWord& word = words[i];
      const std::string_view text = word.text;
      if (text.empty() || text[0] != '-') {
        if (!word.is_static && (text.empty() || word.splits) && !(wrapper.assigns && text.find('=') != std::string_view::npos)) return {};
        return i;
      }
      if (!word.is_static && (word.splits || text.find('=') == std::string_view::npos)) return {};
      if (text == "--") return i + 1;
      if (wrapper.program == "nice" && text.size() > 1 && text.find_first_not_of("0123456789", 1) == std::string_view::npos) {
        ++i;
        continue;
      }
      if (text.starts_with("--")) {
        const std::size_t equals = text.find('=');
        const bool has_value = equals != std::string_view::npos;
        if (lists(wrapper.valued, text.substr(0, equals))) i += has_value ? 1 : 2;
        else if (!has_value && lists(wrapper.flags, text)) i += 1;
        else return {};
        continue;
      }
      // Letters: flags, then perhaps one with a value, which is the rest or the next word.
      std::size_t at = 1;
      std::array<char, 2> option{'-', ' '};
      const auto is_in = [&](std::string_view list) {
        option[1] = text[at];
        return lists(list, {option.data(), option.size()});
      };
      while (at < text.size() && is_in(wrapper.flags)) ++at;
      i += 1;
      if (at == text.size() && at > 1) continue;
      if (at == text.size() || !is_in(wrapper.valued)) return {};
      if (at + 1 < text.size()) continue;
      if (i >= words.size() || words[i].splits) return {};
      i += 1;
    }
    return i;
  }

  void wrapped(const Wrapper& wrapper, Words words, std::string_view text, Place place) {
    static constexpr std::string_view reason = "a command that is known only when it runs";
    if (wrapper.program == "command" && words.size() > 1 && words[1].is_static && words[1].text.size() > 1 &&
        words[1].text[0] == '-' && words[1].text.find_first_not_of("pvV", 1) == std::string::npos && words[1].text != "-p") {
      return;  // only says what it would run
    }
    std::optional<std::size_t> i = after_options(wrapper, words);
    if (!i) {
      unknown(reason, text);
      return;
    }
    for (std::size_t n = 0; n < wrapper.operands && *i < words.size(); ++n, ++*i) {
      if (!words[*i].splits) continue;
      unknown(reason, text);
      return;
    }
    for (; wrapper.assigns && *i < words.size(); ++*i) {
      const ShellWord& word = words[*i];
      const std::size_t equals = word.text.find('=');
      if (equals == std::string::npos) break;
      if (word.splits) {
        unknown(reason, text);
        return;
      }
      assignment(std::string_view(word.text).substr(0, equals), word.text, {});
    }
    place.elsewhere = place.elsewhere || wrapper.moves;
    Words rest = words.subspan(std::min(*i, words.size()));
    if (wrapper.program == "xargs") {
      xargs(words.first(words.size() - rest.size()), rest, text, place);
    } else if (rest.empty()) {
      return;
    } else if (rest[0].text.starts_with('-')) {
      unknown(reason, text);
    } else if (wrapper.program == "watch") {
      joined_script(rest, text, place);
    } else {
      command(rest, joined(rest), place);
    }
  }

  // Its command gets words of its input: at the end, or with -I in place of a text.
  void xargs(Words options, Words words, std::string_view text, Place place) {
    std::vector<ShellWord> run(words.begin(), words.end());
    if (run.empty()) run.push_back({"echo"});
    std::string_view replaced;
    for (std::size_t i = 1; i < options.size(); ++i) {
      const std::string_view option = options[i].text;
      if (option == "-I" && i + 1 < options.size()) replaced = options[i + 1].text;
      else if (option.starts_with("-I")) replaced = option.substr(2);
      else if (option.starts_with("-") && option.find('I') != std::string_view::npos) replaced = "?";
    }
    if (replaced == "?" || (!replaced.empty() && !all_static(options))) {
      unknown("a command that is known only when it runs", text);
      return;
    }
    for (ShellWord& word : run) {
      const std::size_t at = replaced.empty() ? std::string::npos : word.text.find(replaced);
      if (at == std::string::npos) continue;
      word.text.resize(at);
      word.is_static = false;
    }
    if (replaced.empty()) run.push_back({"", false, true});
    command(run, joined(run), place);
  }

  void declaration(Words words, std::string_view text) {
    bool assigns = false;
    for (const ShellWord& word : words.subspan(1)) {
      const std::string_view name = std::string_view(word.text).substr(0, word.text.find('='));
      const bool is_name_certain = word.is_static || name.size() < word.text.size();
      if (word.is_static && lists("-x -r -p", word.text)) continue;
      if (word.splits || !is_name_certain || !is_name(name.substr(0, name.ends_with('+') ? name.size() - 1 : name.size()))) {
        unknown("a declaration that is not read here", text);
        return;
      }
      assignment(name, text, words);
      assigns = true;
    }
    if (!assigns) add(ShellPart::Kind::command, text).words.assign(words.begin(), words.end());
  }

  SecondReader& second_;
  std::vector<ShellPart> parts_;
  bool moves_{false};
};

}  // namespace

ShellParser::ShellParser() : second_(std::make_unique<SecondReader>()) {}
ShellParser::~ShellParser() = default;

std::vector<ShellPart> ShellParser::parse(std::string_view line) {
  if (line.size() > line_size_max) {
    ShellPart part;
    part.reason = "a line that is too long";
    return {std::move(part)};
  }
  Interpreter interpreter(*second_);
  interpreter.script(line, {});
  return interpreter.take();
}

}  // namespace joey

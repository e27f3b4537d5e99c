#include "shell/script.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t nesting_max = 100;  // of compound commands, substitutions and expansions in one another

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }
bool is_any_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool ends_word(char c) { return is_any_of(c, " \t\n;&|()<>"); }

// Spaces that Bash does not take for blanks although others do, and what makes text look other than it is.
bool is_deceptive(std::string_view sequence) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> ranges{{
      {"\u0080", "\u00A0"}, {"\u00AD", "\u00AD"}, {"\u061C", "\u061C"}, {"\u1680", "\u1680"}, {"\u180E", "\u180E"},
      {"\u2000", "\u200F"}, {"\u2028", "\u202F"}, {"\u205F", "\u206F"}, {"\u3000", "\u3000"}}};
  if (sequence == "\uFEFF") return true;
  // UTF-8 sorts as the characters do.
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return sequence >= range.first && sequence <= range.second; });
}

// Why no reading of `text` is begun; empty when it is.
std::string_view unreadable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) {
      if (byte == '\r') return "a carriage return";
      if (byte != '\t' && byte != '\n') return "a control character";
    }
    if (byte < 0x80) {
      ++i;
      continue;
    }
    const std::size_t size = utf8_sequence_size(text.substr(i));
    if (size == 0) return "text that is not UTF-8";
    if (is_deceptive(text.substr(i, size))) return "a space or a mark that is not seen";
    i += size;
  }
  return {};
}

// Recursive descent. When it stops, the text ends for it, so that every loop ends too.
class Reader {
 public:
  Reader(std::string_view text, Script& out) : text_(text), end_(text.size()), out_(out) {}

  void read() {
    if (const std::string_view reason = unreadable(text_); !reason.empty()) {
      stop(reason);
      return;
    }
    commands();
    if (at_ < end_) stop("a word or an operator that is out of place");
    if (!heredocs_.empty()) stop("a here-document without its end");
    out_.complete = !stopped_;
  }

 private:
  struct Heredoc {
    std::string delimiter;
    bool is_quoted{false};
    bool strips_tabs{false};
    std::size_t begin{0};  // of the delimiter after <<
  };

  // Counts how deep the reading is in the text; too deep is not read.
  class Level {
   public:
    explicit Level(Reader& reader) : reader_(reader) {
      if (++reader_.level_ > nesting_max) reader_.stop("nesting that is too deep");
    }
    ~Level() { --reader_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Reader& reader_;
  };

  void stop(std::string_view reason) {
    if (!stopped_) unknown(reason);
    stopped_ = true;
    end_ = at_;
  }
  void unknown(std::string_view reason) {
    ScriptItem item;
    item.begin = at_;
    item.end = std::min(text_.size(), at_ + 1);
    item.reason = reason;
    out_.items.push_back(std::move(item));
  }
  void mark(ScriptMark::Kind kind, std::size_t begin, std::size_t end) { out_.marks.push_back({begin, end, kind}); }

  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < end_ ? text_[at_ + ahead] : '\0'; }
  [[nodiscard]] bool at_end() const { return at_ >= end_; }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_, end_ - std::min(at_, end_)); }
  [[nodiscard]] std::string_view raw_word() const {
    std::size_t i = at_;
    while (i < end_ && !ends_word(text_[i])) ++i;
    return text_.substr(at_, i - at_);
  }
  bool take_word(std::string_view word) {
    if (raw_word() != word) return false;
    at_ += word.size();
    return true;
  }
  void expect_word(std::string_view word) {
    if (!take_word(word)) stop("a compound command without its end");
  }
  void expect(char c) {
    if (peek() != c) {
      stop("a parenthesis without its end");
      return;
    }
    ++at_;
  }

  // Blanks and joined lines. Where the joining could make one token of two, or a comment, it is not read.
  void skip_blanks() {
    while (!at_end()) {
      if (is_blank(peek())) {
        ++at_;
      } else if (peek() == '\\' && peek(1) == '\n') {
        const char before = at_ == 0 ? '\n' : text_[at_ - 1];
        const char after = peek(2);
        const bool is_clear = is_any_of(before, " \t\n") ? after != '#' : is_any_of(before, ";&|") && (is_blank(after) || is_name(after));
        if (!is_clear) {
          stop("a joined line within a word or an operator");
          return;
        }
        at_ += 2;
      } else {
        return;
      }
    }
  }

  void skip_comment() {
    if (peek() != '#') return;
    if (substitutions_ > 0) {
      stop("a comment in a substitution");
      return;
    }
    const std::size_t begin = at_;
    at_ = std::min(text_.find('\n', at_), end_);
    mark(ScriptMark::Kind::comment, begin, at_);
  }

  // Blanks, comments and line ends, and the here-documents that begin after a line's end.
  void skip_lines() {
    while (true) {
      skip_blanks();
      skip_comment();
      if (peek() != '\n') return;
      ++at_;
      end_line();
    }
  }

  void end_line() {
    if (outer_heredocs_) {
      stop("a substitution over several lines before a here-document");
      return;
    }
    for (const Heredoc& heredoc : std::exchange(heredocs_, {})) read_heredoc(heredoc);
  }

  // A line's end within a word.
  void pass_newline() {
    if (outer_heredocs_ || !heredocs_.empty()) stop("a word over several lines before a here-document");
  }

  void read_heredoc(const Heredoc& heredoc) {
    const std::size_t begin = at_;
    while (at_ < end_) {
      std::size_t line = at_;
      const std::size_t line_end = std::min(text_.find('\n', at_), end_);
      while (heredoc.strips_tabs && line < line_end && text_[line] == '\t') ++line;
      const std::string_view shown = text_.substr(line, line_end - line);
      if (shown == heredoc.delimiter) {
        mark(ScriptMark::Kind::heredoc, heredoc.begin, line_end);
        if (!heredoc.is_quoted) heredoc_text(begin, at_);
        if (!stopped_) at_ = std::min(line_end + 1, end_);
        return;
      }
      if (trim(shown).starts_with(heredoc.delimiter) && (substitutions_ > 0 || trim(shown) == heredoc.delimiter)) {
        stop("a here-document with a line that is nearly its end");
        return;
      }
      at_ = std::min(line_end + 1, end_);
    }
    stop("a here-document without its end");
  }

  void heredoc_text(std::size_t begin, std::size_t end) {
    const std::size_t end_after = std::exchange(end_, end);
    const bool outer = std::exchange(in_heredoc_, true);
    ShellWord ignored;
    at_ = begin;
    while (!at_end()) {
      const char c = peek();
      if (c == '\\' && peek(1) == '\n') {
        stop("a joined line in a here-document");
      } else if (c == '\\') {
        at_ += 2;
      } else if (c == '$') {
        dollar(ignored, true);
      } else if (c == '`') {
        backticks(ignored, true);
      } else {
        ++at_;
      }
    }
    in_heredoc_ = outer;
    if (!stopped_) end_ = end_after;
  }

  // Lists and pipelines

  [[nodiscard]] bool at_closer() const {
    if (peek() == ')') return true;
    if (peek() == ';') return peek(1) == ';' || peek(1) == '&';
    const std::string_view word = raw_word();
    static constexpr std::array<std::string_view, 8> closers{"then", "do", "done", "fi", "elif", "else", "esac", "}"};
    return std::find(closers.begin(), closers.end(), word) != closers.end();
  }

  void commands() {
    const Level level(*this);
    while (true) {
      skip_lines();
      if (at_end() || at_closer()) return;
      and_or();
      skip_blanks();
      skip_comment();
      if (peek() == ';' && peek(1) != ';' && peek(1) != '&') {
        ++at_;
      } else if (peek() == '&') {
        ++at_;
      } else if (peek() != '\n') {
        return;
      }
    }
  }

  void and_or() {
    pipeline();
    while (true) {
      skip_blanks();
      const std::string_view two = rest().substr(0, 2);
      if (two != "&&" && two != "||") return;
      at_ += 2;
      skip_lines();
      pipeline();
    }
  }

  void pipeline() {
    while (true) {
      skip_blanks();
      const std::size_t begin = at_;
      if (raw_word() == "time") {
        at_ += 4;
        skip_blanks();
        // `time -p` is the keyword too; with any other option it is the program.
        if (peek() == '-' && !take_word("-p")) {
          at_ = begin;
          break;
        }
        out_.keywords.insert(out_.keywords.end(), {begin, at_});
      } else if (!take_word("!")) {
        break;
      }
    }
    command();
    while (true) {
      skip_blanks();
      if (peek() != '|' || peek(1) == '|') return;
      at_ += peek(1) == '&' ? 2U : 1U;
      skip_lines();
      command();
    }
  }

  // Commands

  void command() {
    const Level level(*this);
    skip_blanks();
    if (at_end()) {
      stop("an operator without a command after it");
      return;
    }
    if (peek() == '(') {
      if (peek(1) == '(') {
        stop("an arithmetic command");
        return;
      }
      ++at_;
      commands();
      expect(')');
      redirects();
      return;
    }
    if (compound()) redirects();
    else simple();
  }

  bool compound() {
    if (take_word("{")) {
      commands();
      expect_word("}");
    } else if (take_word("if")) {
      do {
        commands();
        expect_word("then");
        commands();
      } while (take_word("elif"));
      if (take_word("else")) commands();
      expect_word("fi");
    } else if (take_word("while") || take_word("until")) {
      commands();
      do_group();
    } else if (take_word("for")) {
      for_loop();
    } else if (take_word("case")) {
      case_command();
    } else if (take_word("[[")) {
      conditional();
    } else if (take_word("function")) {
      function_keyword();
    } else if (const std::string_view word = raw_word(); word == "select" || word == "coproc" || word == "in" || at_closer()) {
      stop("a reserved word that is not read here");
    } else {
      return false;
    }
    return true;
  }

  void do_group() {
    expect_word("do");
    commands();
    expect_word("done");
  }

  void for_loop() {
    skip_blanks();
    const std::size_t begin = at_;
    while (is_name(peek())) ++at_;
    if (at_ == begin || !is_name_start(text_[begin]) || !(at_end() || is_any_of(peek(), " \t\n;"))) {
      stop("a loop that is not read here");
      return;
    }
    assignment(begin, at_, at_);
    skip_lines();
    if (take_word("in")) {
      while (true) {
        skip_blanks();
        if (at_end() || ends_word(peek())) break;
        static_cast<void>(word());
      }
      if (peek() != ';' && peek() != '\n') {
        stop("a loop that is not read here");
        return;
      }
    }
    if (peek() == ';') ++at_;
    skip_lines();
    do_group();
  }

  void case_command() {
    skip_blanks();
    static_cast<void>(word());
    skip_lines();
    expect_word("in");
    while (true) {
      skip_lines();
      if (take_word("esac")) return;
      if (at_end()) {
        stop("a case without its end");
        return;
      }
      if (peek() == '(') ++at_;
      do {
        skip_blanks();
        const std::size_t begin = at_;
        static_cast<void>(word());
        if (at_ == begin) stop("a case without a pattern");
        skip_blanks();
      } while (peek() == '|' && ++at_ > 0);
      expect(')');
      commands();
      if (take_word("esac")) return;
      if (rest().starts_with(";;&")) at_ += 3;
      else if (rest().starts_with(";;") || rest().starts_with(";&")) at_ += 2;
      else stop("a case without its end");
    }
  }

  // Only what evaluates nothing: numbers are compared as expressions, which may hold commands.
  void conditional() {
    while (true) {
      skip_blanks();
      if (rest().starts_with("&&") || rest().starts_with("||")) {
        at_ += 2;
        continue;
      }
      if (at_end() || ends_word(peek())) {
        stop("a conditional that is not read here");
        return;
      }
      const std::string_view raw = raw_word();
      static constexpr std::array<std::string_view, 8> evaluating{"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"};
      if (std::find(evaluating.begin(), evaluating.end(), raw) != evaluating.end()) {
        unknown("a conditional that evaluates its operands");
      }
      if (take_word("]]")) return;
      static_cast<void>(word());
    }
  }

  void function_keyword() {
    skip_blanks();
    const std::size_t begin = at_;
    while (is_name(peek()) || peek() == '-') ++at_;
    const bool has_name = at_ > begin && is_name_start(text_[begin]);
    skip_blanks();
    if (peek() == '(') function_parentheses();
    if (has_name) function_body();
    else stop("a function with an unusual name");
  }

  void function_parentheses() {
    ++at_;
    skip_blanks();
    expect(')');
  }

  void function_body() {
    skip_lines();
    if (raw_word() != "{" && (peek() != '(' || peek(1) == '(')) {
      stop("a function without braces");
      return;
    }
    command();
  }

  [[nodiscard]] bool at_redirect() const {
    std::size_t i = 0;
    while (is_digit(peek(i))) ++i;
    const char c = peek(i);
    if (c == '&') return i == 0 && peek(1) == '>';
    return (c == '<' || c == '>') && peek(i + 1) != '(';
  }

  void redirects() {
    skip_blanks();
    while (at_redirect()) {
      redirect();
      skip_blanks();
    }
  }

  void simple() {
    const std::size_t begin = at_;
    std::size_t last = at_;
    std::vector<ScriptWord> words;
    while (true) {
      skip_blanks();
      if (at_redirect()) {
        redirect();
        last = at_;
        continue;
      }
      if (at_end() || is_any_of(peek(), "\n;&|)") || peek() == '#') break;
      if (peek() == '(') {
        if (words.size() == 1 && last == words[0].end && words[0].begin == begin) {
          function_definition(words[0]);
          return;
        }
        stop("a parenthesis that is out of place");
        break;
      }
      if (words.empty() && take_assignment()) {
        last = at_;
        continue;
      }
      const std::size_t before = at_;
      words.push_back(word());
      if (at_ == before) {
        stop("an operator that is out of place");
        break;
      }
      last = at_;
      // {name}> assigns the descriptor's number.
      if (text_[before] == '{' && text_[at_ - 1] == '}' && is_any_of(peek(), "<>") && peek() != '\0') {
        stop("a file descriptor that is assigned to a variable");
      }
    }
    if (last == begin && !stopped_) stop("an operator without a command before it");
    if (words.empty()) return;
    mark(ScriptMark::Kind::command, words[0].begin, words[0].end);
    for (std::size_t i = 1; i < words.size() && words[0].value.text != "["; ++i) {
      mark(ScriptMark::Kind::word, words[i].begin, words[i].end);
    }
    ScriptItem item;
    item.kind = ShellPart::Kind::command;
    item.begin = begin;
    item.end = last;
    item.words = std::move(words);
    out_.items.push_back(std::move(item));
  }

  void function_definition(const ScriptWord& name) {
    const std::string_view raw = text_.substr(name.begin, name.end - name.begin);
    const bool is_usual = is_name_start(raw[0]) && std::all_of(raw.begin(), raw.end(), [](char c) { return is_name(c) || c == '-'; });
    if (!is_usual) {
      stop("a function with an unusual name");
      return;
    }
    function_parentheses();
    function_body();
    redirects();
  }

  // name=value, where a command may begin.
  bool take_assignment() {
    if (!is_name_start(peek())) return false;
    const std::size_t begin = at_;
    std::size_t i = at_;
    while (i < end_ && is_name(text_[i])) ++i;
    const std::size_t name_end = i;
    if (i < end_ && text_[i] == '[') {
      const std::string_view raw = raw_word();
      if (raw.find("]=") == std::string_view::npos && raw.find("]+=") == std::string_view::npos) return false;
      stop("an assignment to an element");
      return true;
    }
    if (i < end_ && text_[i] == '+') ++i;
    if (i >= end_ || text_[i] != '=') return false;
    at_ = i + 1;
    if (peek() == '(') {
      stop("an assignment of an array");
      return true;
    }
    mark(ScriptMark::Kind::assignment, begin, 0);
    static_cast<void>(word());
    assignment(begin, name_end, at_);
    return true;
  }

  void assignment(std::size_t begin, std::size_t name_end, std::size_t end) {
    ScriptItem item;
    item.kind = ShellPart::Kind::assignment;
    item.begin = begin;
    item.end = end;
    item.variable = text_.substr(begin, name_end - begin);
    out_.items.push_back(std::move(item));
  }

  void redirect() {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    if (at_ - begin > 3) {
      stop("a file descriptor that is too large");
      return;
    }
    static constexpr std::array<std::string_view, 12> operators{"<<<", "<<-", "&>>", "<<", ">>", "<>", ">|",
                                                                ">&",  "<&",  "&>",  "<",  ">"};
    std::string_view op;
    for (const std::string_view each : operators) {
      if (op.empty() && rest().starts_with(each)) op = each;
    }
    at_ += op.size();
    skip_blanks();
    if (op == "<<" || op == "<<-") {
      heredoc(op == "<<-");
      return;
    }
    if (at_end() || (ends_word(peek()) && !(is_any_of(peek(), "<>") && peek(1) == '('))) {
      stop("a redirection without a target");
      return;
    }
    ScriptWord target = word();
    const ShellWord& value = target.value;
    const bool is_descriptor = value.is_static && !value.text.empty() &&
                               std::all_of(value.text.begin(), value.text.end(), [](char c) { return is_digit(c) || c == '-'; });
    if (op == "<<<") {
      mark(ScriptMark::Kind::word, target.begin, target.end);
      return;
    }
    mark(ScriptMark::Kind::redirect, begin, 0);
    if (target.value.text != "-" || (op != ">&" && op != "<&")) mark(ScriptMark::Kind::word, target.begin, target.end);
    if ((op == ">&" || op == "<&") && is_descriptor) return;
    if (is_any_of(text_[target.begin], "<>")) return;  // a process substitution: a pipe
    if (op == "<&") {
      unknown("a file descriptor that is known only when it runs");
      return;
    }
    ScriptItem item;
    item.kind = ShellPart::Kind::redirect;
    item.begin = begin;
    item.end = target.end;
    item.reads = op == "<" || op == "<>";
    item.writes = op != "<";
    item.words.push_back(std::move(target));
    out_.items.push_back(std::move(item));
  }

  void heredoc(bool strips_tabs) {
    if (in_heredoc_ || in_backticks_) {
      stop("a here-document in a here-document or in backticks");
      return;
    }
    const std::string_view raw = raw_word();
    std::string_view name = raw;
    bool is_quoted = false;
    if (name.size() > 2 && is_any_of(name[0], "'\"") && name.back() == name[0]) {
      name = name.substr(1, name.size() - 2);
      is_quoted = true;
    } else if (name.size() > 1 && name[0] == '\\') {
      name.remove_prefix(1);
      is_quoted = true;
    }
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_name)) {
      stop("a here-document with an unusual delimiter");
      return;
    }
    heredocs_.push_back({std::string(name), is_quoted, strips_tabs, at_});
    at_ += raw.size();
  }

  // Words

  static void put(ShellWord& word, std::string_view bytes) {
    if (word.is_static) word.text += bytes;
  }
  static void make_dynamic(ShellWord& word, bool splits) {
    word.is_static = false;
    word.splits = word.splits || splits;
  }

  // What makes an unquoted word a pattern, a list or a home directory.
  struct Special {
    bool bracket{false};
    bool brace{false};
    char before{'='};  // the character before, unquoted; at the beginning as after `=`

    // Whether the word is not what it says from this character on.
    bool add(char c, char next) {
      const char previous = std::exchange(before, c);
      bracket = bracket || c == '[';
      brace = brace || c == '{';
      if (c == '*' || c == '?') return true;
      if (c == '~') return previous == '=' || previous == ':';
      if (c == ']') return bracket;
      return brace && (c == ',' || (c == '.' && next == '.'));
    }
  };

  ScriptWord word() {
    const Level level(*this);
    ScriptWord out;
    out.begin = at_;
    if (peek() == '#') stop("a comment that is out of place");
    // Where the word may turn out to be a list or a pattern, its text is certain only up to there.
    std::size_t certain = std::string::npos;
    Special special;
    while (!at_end()) {
      const char c = peek();
      if (is_any_of(c, "<>") && peek(1) == '(') {
        if (at_ != out.begin) {
          stop("a process substitution within a word");
          break;
        }
        make_dynamic(out.value, false);
        substitution(2);
        if (!at_end() && !ends_word(peek())) stop("a process substitution within a word");
        break;
      }
      if (ends_word(c)) break;
      if (c == '\\') {
        special.before = '\\';
        escaped(out.value);
      } else if (c == '\'') {
        special.before = c;
        single_quotes(out.value);
      } else if (c == '"') {
        special.before = c;
        double_quotes(out.value);
      } else if (c == '$') {
        special.before = c;
        dollar(out.value, false);
      } else if (c == '`') {
        special.before = c;
        backticks(out.value, false);
      } else {
        if (is_any_of(c, "[{") && certain == std::string::npos && out.value.is_static) certain = out.value.text.size();
        if (special.add(c, peek(1))) {
          make_dynamic(out.value, c != '~');
        }
        put(out.value, {&c, 1});
        ++at_;
      }
    }
    if (!out.value.is_static && certain < out.value.text.size()) out.value.text.resize(certain);
    out.end = at_;
    return out;
  }

  void escaped(ShellWord& word) {
    if (peek(1) == '\n') {
      stop("a joined line within a word or an operator");
      return;
    }
    if (at_ + 1 >= end_) {
      stop("a backslash at the end");
      return;
    }
    const std::size_t size = std::max<std::size_t>(1, utf8_sequence_size(text_.substr(at_ + 1)));
    put(word, text_.substr(at_ + 1, size));
    at_ += 1 + size;
  }

  void single_quotes(ShellWord& word) {
    const std::size_t close = text_.find('\'', at_ + 1);
    if (close >= end_) {
      stop("a quote without its end");
      return;
    }
    const std::string_view inner = text_.substr(at_ + 1, close - at_ - 1);
    if (inner.find('\n') != std::string_view::npos) pass_newline();
    if (stopped_) return;
    put(word, inner);
    at_ = close + 1;
  }

  void double_quotes(ShellWord& word) {
    ++at_;
    while (true) {
      if (at_end()) {
        stop("a quote without its end");
        return;
      }
      const char c = peek();
      if (c == '"') {
        ++at_;
        return;
      }
      if (c == '\\') {
        if (peek(1) == '\n') {
          pass_newline();
        } else {
          if (!is_any_of(peek(1), "$`\"\\")) put(word, "\\");
          if (at_ + 1 < end_) put(word, text_.substr(at_ + 1, 1));
        }
        at_ = std::min(at_ + 2, end_);
      } else if (c == '$') {
        dollar(word, true);
      } else if (c == '`') {
        backticks(word, true);
      } else {
        if (c == '\n') pass_newline();
        if (stopped_) return;
        put(word, {&c, 1});
        ++at_;
      }
    }
  }

  void dollar(ShellWord& word, bool is_quoted) {
    const char next = peek(1);
    if (next == '(') {
      make_dynamic(word, !is_quoted);
      if (peek(2) == '(') arithmetic();
      else substitution(2);
    } else if (next == '{') {
      make_dynamic(word, !is_quoted);
      parameter(word);
    } else if (is_name_start(next)) {
      make_dynamic(word, !is_quoted);
      ++at_;
      while (is_name(peek())) ++at_;
    } else if (next != '\0' && is_any_of(next, "0123456789@*#?$!-")) {
      make_dynamic(word, !is_quoted || next == '@');
      at_ += 2;
    } else if (next == '\'' && !is_quoted) {
      ansi_quotes(word);
    } else if (next == '[' || (next == '"' && !is_quoted) || next == '\\') {
      stop(next == '[' ? "an arithmetic expression" : "a dollar sign before a quote");
    } else {
      put(word, "$");
      ++at_;
    }
  }

  // $'...'
  void ansi_quotes(ShellWord& word) {
    at_ += 2;
    while (!at_end() && peek() != '\'') {
      if (peek() == '\n') pass_newline();
      if (stopped_) return;
      if (peek() != '\\') {
        put(word, text_.substr(at_, 1));
        ++at_;
        continue;
      }
      static constexpr std::string_view names = "abeEfnrtv\\'\"?";
      static constexpr std::string_view values = "\a\b\033\033\f\n\r\t\v\\'\"?";
      const char c = peek(1);
      if (const std::size_t i = names.find(c); c != '\0' && i != std::string_view::npos) {
        put(word, values.substr(i, 1));
        at_ += 2;
        continue;
      }
      const bool is_hex = c == 'x';
      if (!is_hex && !(c >= '0' && c <= '7')) break;
      at_ += is_hex ? 2 : 1;
      unsigned value = 0;
      std::size_t digits = 0;
      for (; digits < (is_hex ? 2U : 3U); ++digits, ++at_) {
        const std::string_view known = is_hex ? std::string_view("0123456789abcdef") : std::string_view("01234567");
        const std::size_t digit = peek() == '\0' ? std::string_view::npos : known.find(static_cast<char>(is_name_start(peek()) ? peek() | 0x20 : peek()));
        if (digit == std::string_view::npos) break;
        value = value * (is_hex ? 16 : 8) + static_cast<unsigned>(digit);
      }
      if (digits == 0 || value == 0 || value > 0x7F) {
        stop("an escape sequence that is not read here");
        return;
      }
      const char byte = static_cast<char>(value);
      put(word, {&byte, 1});
    }
    if (peek() != '\'') {
      stop("an escape sequence that is not read here");
      return;
    }
    ++at_;
  }

  // $(...), <(...), >(...)
  void substitution(std::size_t open_size) {
    const Level level(*this);
    const std::size_t begin = at_;
    at_ += open_size;
    std::vector<Heredoc> outer = std::exchange(heredocs_, {});
    const bool outer_heredocs = std::exchange(outer_heredocs_, outer_heredocs_ || !outer.empty());
    ++substitutions_;
    commands();
    --substitutions_;
    if (!heredocs_.empty()) stop("a here-document without its end");
    heredocs_ = std::move(outer);
    outer_heredocs_ = outer_heredocs;
    expect(')');
    mark(ScriptMark::Kind::substitution, begin, at_);
  }

  void backticks(ShellWord& word, bool is_quoted) {
    const Level level(*this);
    make_dynamic(word, !is_quoted);
    const std::size_t begin = at_;
    const std::size_t close = text_.find('`', at_ + 1);
    if (close >= end_) {
      stop("a backtick without its end");
      return;
    }
    const std::string_view inner = text_.substr(at_ + 1, close - at_ - 1);
    if (in_backticks_ || inner.find('\\') != std::string_view::npos || inner.find('\n') != std::string_view::npos) {
      stop("backticks with a backslash or a line's end in them");
      return;
    }
    const std::size_t end_after = std::exchange(end_, close);
    in_backticks_ = true;
    ++substitutions_;
    ++at_;
    commands();
    --substitutions_;
    in_backticks_ = false;
    if (!at_end()) stop("a word or an operator that is out of place");
    if (stopped_) return;
    end_ = end_after;
    at_ = close + 1;
    mark(ScriptMark::Kind::substitution, begin, at_);
  }

  // $((...)): names are evaluated, and what they hold may hold commands.
  void arithmetic() {
    at_ += 3;
    std::size_t open = 0;
    bool has_names = false;
    for (; !at_end(); ++at_) {
      const char c = peek();
      if (c == ')' && open == 0) break;
      if (c == '(') ++open;
      else if (c == ')') --open;
      else if (is_name_start(c) || c == '$' || c == '#') has_names = true;
      else if (!is_digit(c) && !is_any_of(c, " \t+-*/%<>=!&|^~?:,")) break;
      if (c == '$' && peek(1) == '(') break;
    }
    if (!rest().starts_with("))")) {
      stop("an arithmetic expression");
      return;
    }
    if (has_names) unknown("an arithmetic expression with names in it");
    at_ += 2;
  }

  // ${...}, in its usual forms.
  void parameter(ShellWord& word) {
    const Level level(*this);
    at_ += 2;
    if (peek() == '#' && peek(1) != '}') {
      ++at_;
      if (!parameter_name(word) || peek() != '}') stop("an expansion that is not read here");
      if (!stopped_) ++at_;
      return;
    }
    const std::size_t begin = at_;
    if (!parameter_name(word)) {
      stop("an expansion that is not read here");
      return;
    }
    const std::size_t name_end = at_;
    if (peek() == ':' && (is_digit(peek(1)) || is_blank(peek(1)))) {
      while (is_any_of(peek(), ": -") || is_digit(peek())) ++at_;
    } else if (peek() != '}') {
      if (!parameter_operator()) {
        stop("an expansion that is not read here");
        return;
      }
      if (text_[at_ - 1] == '=') assignment(begin, name_end, at_);
      parameter_word(word);
    }
    if (stopped_) return;
    if (peek() != '}') {
      stop("an expansion that is not read here");
      return;
    }
    ++at_;
  }

  bool parameter_name(ShellWord& word) {
    if (is_name_start(peek())) {
      while (is_name(peek())) ++at_;
    } else if (is_digit(peek())) {
      while (is_digit(peek())) ++at_;
    } else if (peek() != '\0' && is_any_of(peek(), "@*#?")) {
      word.splits = word.splits || peek() == '@';
      ++at_;
    } else {
      return false;
    }
    if (peek() != '[') return true;
    const std::size_t begin = ++at_;
    while (is_digit(peek())) ++at_;
    if (at_ == begin && (peek() == '@' || peek() == '*')) {
      word.splits = true;
      ++at_;
    }
    if (at_ == begin || peek() != ']') return false;
    ++at_;
    return true;
  }

  bool parameter_operator() {
    static constexpr std::array<std::string_view, 20> operators{":-", ":+", ":?", ":=", "-",  "+",  "?", "=", "##", "#",
                                                                "%%", "%",  "//", "/#", "/%", "/",  "^^", "^", ",,", ","};
    for (const std::string_view each : operators) {
      if (!rest().starts_with(each)) continue;
      at_ += each.size();
      return true;
    }
    return false;
  }

  // Quotes in it follow rules of their own, so there are none.
  void parameter_word(ShellWord& word) {
    while (!at_end() && peek() != '}') {
      if (peek() == '$') {
        dollar(word, true);
        continue;
      }
      if (!is_name(peek()) && !is_any_of(peek(), "./:,@%+=~^ *?#-")) {
        stop("an expansion that is not read here");
        return;
      }
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_{0};
  std::size_t end_{0};
  Script& out_;
  bool stopped_{false};
  std::size_t level_{0};
  std::size_t substitutions_{0};  // that the reading is in
  bool in_backticks_{false};
  bool in_heredoc_{false};
  std::vector<Heredoc> heredocs_;  // whose text begins after this line
  bool outer_heredocs_{false};     // so it is outside of the substitution that is read
};

}  // namespace

Script read_script(std::string_view text) {
  Script script;
  Reader(text, script).read();
  return script;
}

}  // namespace joey

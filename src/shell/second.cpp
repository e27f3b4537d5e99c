#include "shell/second.hpp"

#include <tree_sitter/api.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

extern "C" const TSLanguage* tree_sitter_bash();

namespace joey {
namespace {

// What a kind of node is to us.
enum class Role : std::uint8_t {
  other,  // and its children are looked at
  command,
  command_name,
  declaration,  // export and its like, unset
  test,         // [ or [[
  redirect,
  heredoc,
  herestring,
  assignment,
  substitution,
  heredoc_start,
  heredoc_end,
  comment,
  descriptor,
  statement,  // never a word
};

Role role_of(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, Role>, 21> roles{{
      {"command", Role::command},
      {"command_name", Role::command_name},
      {"declaration_command", Role::declaration},
      {"unset_command", Role::declaration},
      {"test_command", Role::test},
      {"file_redirect", Role::redirect},
      {"heredoc_redirect", Role::heredoc},
      {"herestring_redirect", Role::herestring},
      {"variable_assignment", Role::assignment},
      {"command_substitution", Role::substitution},
      {"process_substitution", Role::substitution},
      {"heredoc_start", Role::heredoc_start},
      {"heredoc_end", Role::heredoc_end},
      {"comment", Role::comment},
      {"file_descriptor", Role::descriptor},
      {"heredoc_body", Role::statement},
      {"heredoc_content", Role::statement},
      {"pipeline", Role::statement},
      {"list", Role::statement},
      {"subshell", Role::statement},
      {"compound_statement", Role::statement},
  }};
  for (const auto& [name, role] : roles) {
    if (name == type) return role;
  }
  return Role::other;
}

// The text in small pieces, so many in all: the parser may read a text over and over.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : text_(text), left_(text.size() / piece_size * times_max + times_max) {}

  [[nodiscard]] bool exhausted() const { return left_ == 0; }
  [[nodiscard]] TSInput input() { return {.payload = this, .read = read, .encoding = TSInputEncodingUTF8, .decode = nullptr}; }

 private:
  static constexpr std::size_t piece_size = 512;
  static constexpr std::size_t times_max = 64;  // that a text may be read over

  static const char* read(void* payload, std::uint32_t byte, TSPoint, std::uint32_t* size) {
    Pieces& pieces = *static_cast<Pieces*>(payload);
    if (pieces.left_ > 0) --pieces.left_;
    // Then it is as if the text ended here.
    const std::size_t at = pieces.exhausted() ? pieces.text_.size() : std::min<std::size_t>(byte, pieces.text_.size());
    *size = static_cast<std::uint32_t>(std::min(piece_size, pieces.text_.size() - at));
    return pieces.text_.data() + at;
  }

  std::string_view text_;
  std::size_t left_;
};

}  // namespace

struct SecondReader::Parts {
  std::unique_ptr<TSParser, decltype(&ts_parser_delete)> parser{ts_parser_new(), ts_parser_delete};
  std::vector<Role> roles;  // by symbol
  std::vector<Role> path;   // of the nodes around the one that is looked at
  std::vector<ScriptMark> marks;
  std::size_t heredoc{0};  // the marks before this one are no here-documents without an end
  std::string text;

  Parts() {
    const TSLanguage* const language = tree_sitter_bash();
    if (!ts_parser_set_language(parser.get(), language)) return;
    for (std::uint32_t i = 0; i < ts_language_symbol_count(language); ++i) {
      const auto symbol = static_cast<TSSymbol>(i);
      const bool is_named = ts_language_symbol_type(language, symbol) == TSSymbolTypeRegular;
      roles.push_back(is_named ? role_of(ts_language_symbol_name(language, symbol)) : Role::other);
    }
  }

  void mark(ScriptMark::Kind kind, std::size_t begin, std::size_t end) { marks.push_back({begin, end, kind}); }

  // Within double quotes the node begins with the spaces before it.
  std::size_t past_spaces(std::size_t begin) const { return std::min(text.find_first_not_of(" \t\n", begin), text.size()); }

  void visit(TSNode node, Role role, Role parent) {
    using Kind = ScriptMark::Kind;
    const std::size_t begin = ts_node_start_byte(node);
    const std::size_t end = ts_node_end_byte(node);
    switch (role) {
      case Role::command_name: mark(Kind::command, begin, end); break;
      case Role::substitution: mark(Kind::substitution, past_spaces(begin), end); break;
      case Role::redirect: mark(Kind::redirect, begin, 0); break;
      case Role::comment: mark(Kind::comment, begin, end); break;
      case Role::heredoc_start: mark(Kind::heredoc, begin, 0); break;
      case Role::heredoc_end:
        // Here-documents follow one another in their order, and each has its start before its end.
        while (heredoc < marks.size() && marks[heredoc].kind != Kind::heredoc) ++heredoc;
        if (heredoc < marks.size()) marks[heredoc++].end = end;
        break;
      case Role::assignment:
        if (parent != Role::declaration) mark(Kind::assignment, begin, 0);
        break;
      case Role::declaration:
      case Role::test: {
        const TSNode first = ts_node_child(node, 0);
        if (text.compare(ts_node_start_byte(first), 2, "[[") == 0) break;
        mark(Kind::command, ts_node_start_byte(first), ts_node_end_byte(first));
        break;
      }
      default: break;
    }
    if (!ts_node_is_named(node)) return;
    const bool in_words = parent == Role::command || parent == Role::declaration || parent == Role::redirect ||
                          parent == Role::heredoc || parent == Role::herestring;
    const bool is_word = role == Role::other || role == Role::substitution || (role == Role::assignment && parent == Role::declaration);
    if (in_words && is_word) mark(Kind::word, begin, end);
  }

  void walk(TSNode root) {
    TSTreeCursor cursor = ts_tree_cursor_new(root);
    path.assign(1, Role::other);
    while (true) {
      const TSNode node = ts_tree_cursor_current_node(&cursor);
      const TSSymbol symbol = ts_node_symbol(node);
      const Role role = symbol < roles.size() ? roles[symbol] : Role::other;
      visit(node, role, path.back());
      if (ts_tree_cursor_goto_first_child(&cursor)) {
        path.push_back(role);
        continue;
      }
      while (!ts_tree_cursor_goto_next_sibling(&cursor)) {
        if (!ts_tree_cursor_goto_parent(&cursor)) {
          ts_tree_cursor_delete(&cursor);
          return;
        }
        path.pop_back();
      }
    }
  }
};

SecondReader::SecondReader() : parts_(std::make_unique<Parts>()) {}
SecondReader::~SecondReader() = default;

std::string_view SecondReader::objection(std::string_view text, Script& script) {
  Parts& parts = *parts_;
  if (parts.roles.empty()) return "the grammar of Bash, which is of a version that cannot be used";
  parts.text = text;
  for (std::size_t i = 0; i + 1 < script.keywords.size(); i += 2) {
    std::fill(parts.text.begin() + static_cast<std::ptrdiff_t>(script.keywords[i]),
              parts.text.begin() + static_cast<std::ptrdiff_t>(script.keywords[i + 1]), ' ');
  }
  Pieces pieces(parts.text);
  const std::unique_ptr<TSTree, decltype(&ts_tree_delete)> tree(ts_parser_parse(parts.parser.get(), nullptr, pieces.input()),
                                                                ts_tree_delete);
  ts_parser_reset(parts.parser.get());
  if (!tree || pieces.exhausted()) return "a line that takes too long to read";
  const TSNode root = ts_tree_root_node(tree.get());
  if (ts_node_has_error(root)) return "a line that the grammar of Bash finds wrong";
  parts.marks.clear();
  parts.heredoc = 0;
  parts.walk(root);
  std::sort(parts.marks.begin(), parts.marks.end());
  std::sort(script.marks.begin(), script.marks.end());
  if (parts.marks != script.marks) return "a line that can be read in two ways";
  return {};
}

}  // namespace joey

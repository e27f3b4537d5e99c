#include "symbols/query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace joey {
namespace {

constexpr std::size_t nesting_max = 32;  // of a pattern
constexpr std::string_view name_capture = "name";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
         c == '?' || c == '!' || c == '#';
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::string_view text_of(TSNode node, std::string_view source) {
  const std::size_t start = std::min<std::size_t>(ts_node_start_byte(node), source.size());
  const std::size_t end = std::clamp<std::size_t>(ts_node_end_byte(node), start, source.size());
  return source.substr(start, end - start);
}

}  // namespace

// Reads a query's text. The first problem ends it.
class QueryReader {
 public:
  QueryReader(const TSLanguage* language, std::string_view text, Query& query)
      : language_(language), text_(text), query_(query) {}

  Status read() {
    for (skip(); at_ < text_.size() && !problem_; skip()) read_pattern();
    if (problem_) return tl::unexpected(*problem_);
    return {};
  }

 private:
  void read_pattern() {
    pattern_ = {};
    Query::Step step;
    // Parentheses around a pattern and its predicates.
    const std::size_t before = at_;
    bool group = false;
    if (take('(')) {
      skip();
      group = at_ < text_.size() && (text_[at_] == '(' || text_[at_] == '[');
      if (!group) at_ = before;
    }
    read_node(step, 0);
    if (group) {
      while (!problem_ && !take(')')) {
        if (!take('(')) return fail("a predicate or \")\" is missing");
        read_predicate();
      }
    }
    if (problem_) return;
    pattern_.step = std::move(step);
    query_.patterns_.push_back(std::move(pattern_));
  }

  void read_node(Query::Step& step, std::size_t depth) {
    if (depth > nesting_max) return fail("a pattern is nested too deeply");
    if (take('[')) {
      while (!problem_ && !take(']')) read_node(step.alternatives.emplace_back(), depth + 1);
      if (step.alternatives.empty()) fail("there is nothing in \"[]\"");
    } else if (take('"')) {
      step.symbol = symbol(rest_of_string(), false);
    } else if (take('(')) {
      const std::string_view type = word();
      if (type == "_") {
        step.any = true;
      } else {
        step.symbol = symbol(type, true);
      }
      while (!problem_ && !take(')')) read_child(step, depth);
    } else {
      fail("a node is missing");
    }
    while (!problem_ && take('@')) step.captures.push_back(capture(word()));
  }

  void read_child(Query::Step& step, std::size_t depth) {
    skip();
    if (text_.substr(at_).starts_with("(#")) {
      take('(');
      return read_predicate();
    }
    Query::Step& child = step.children.emplace_back();
    if (at_ < text_.size() && is_word(text_[at_])) {
      const std::string_view name = word();
      child.field = ts_language_field_id_for_name(language_, name.data(), static_cast<std::uint32_t>(name.size()));
      if (child.field == 0) return fail(fmt::format("there is no field \"{}\"", name));
      if (!take(':')) return fail("\":\" is missing after a field");
    }
    read_node(child, depth + 1);
  }

  // After its parenthesis.
  void read_predicate() {
    const std::string_view name = word();
    if (name == "#set!") {
      const std::string_view property = word();
      const std::string_view digits = word();
      std::size_t value = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc() || end != digits.data() + digits.size()) return fail("a number is missing");
      if (property == "lines-min") {
        pattern_.lines_min = value;
      } else if (property == "depth-max") {
        pattern_.depth_max = value;
      } else {
        return fail(fmt::format("there is no property \"{}\"", property));
      }
    } else if (name == "#any-of?") {
      if (!take('@')) return fail("a capture is missing");
      Query::Predicate predicate{capture(word()), {}};
      while (!problem_ && take('"')) predicate.texts.emplace_back(rest_of_string());
      pattern_.predicates.push_back(std::move(predicate));
    } else {
      return fail(fmt::format("there is no predicate \"{}\"", name));
    }
    if (!take(')')) fail("\")\" is missing after a predicate");
  }

  void skip() {
    while (at_ < text_.size()) {
      if (text_[at_] == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (is_space(text_[at_])) {
        ++at_;
      } else {
        break;
      }
    }
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    skip();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (begin == at_) fail("a word is missing");
    return text_.substr(begin, at_ - begin);
  }
  // After its first quote.
  std::string_view rest_of_string() {
    const std::size_t end = std::min(text_.find('"', at_), text_.size());
    const std::string_view text = text_.substr(at_, end - at_);
    at_ = std::min(end + 1, text_.size());
    return text;
  }
  TSSymbol symbol(std::string_view name, bool named) {
    const TSSymbol found =
        ts_language_symbol_for_name(language_, name.data(), static_cast<std::uint32_t>(name.size()), named);
    if (found == 0) fail(fmt::format("there is no node \"{}\"", name));
    return found;
  }
  std::size_t capture(std::string_view name) {
    const auto found = std::find(query_.kinds_.begin(), query_.kinds_.end(), name);
    if (found != query_.kinds_.end()) return static_cast<std::size_t>(found - query_.kinds_.begin());
    query_.kinds_.emplace_back(name);
    return query_.kinds_.size() - 1;
  }
  void fail(std::string what) {
    if (!problem_) problem_ = Error{ErrorCode::internal, fmt::format("query, byte {}: {}", at_, what)};
    at_ = text_.size();
  }

  const TSLanguage* language_;
  std::string_view text_;
  Query& query_;
  Query::Pattern pattern_;
  std::size_t at_{0};
  std::optional<Error> problem_;
};

Result<Query> Query::create(const TSLanguage* language, std::string_view text) {
  Query query;
  if (const Status read = QueryReader(language, text, query).read(); !read) return tl::unexpected(read.error());
  query.by_symbol_.resize(ts_language_symbol_count(language));
  for (std::uint32_t i = 0; i < query.patterns_.size(); ++i) query.index(query.patterns_[i].step, i);
  return query;
}

void Query::index(const Step& step, std::uint32_t pattern) {
  for (const Step& alternative : step.alternatives) index(alternative, pattern);
  if (!step.alternatives.empty()) return;
  for (std::size_t symbol = 0; symbol < by_symbol_.size(); ++symbol) {
    if (step.any || symbol == step.symbol) by_symbol_[symbol].push_back(pattern);
  }
}

// Matches one pattern at a time at a node.
class QueryMatcher {
 public:
  // A tree's cursor, freed with its owner.
  class Cursor {
   public:
    explicit Cursor(TSNode node) : cursor_(ts_tree_cursor_new(node)) {}
    ~Cursor() { ts_tree_cursor_delete(&cursor_); }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;

    void reset(TSNode node) { ts_tree_cursor_reset(&cursor_, node); }
    [[nodiscard]] TSNode node() const { return ts_tree_cursor_current_node(&cursor_); }
    [[nodiscard]] TSFieldId field() const { return ts_tree_cursor_current_field_id(&cursor_); }
    bool to_first_child() { return ts_tree_cursor_goto_first_child(&cursor_); }
    bool to_next_sibling() { return ts_tree_cursor_goto_next_sibling(&cursor_); }
    bool to_parent() { return ts_tree_cursor_goto_parent(&cursor_); }

   private:
    TSTreeCursor cursor_;
  };

  QueryMatcher(const Query& query, TSNode root, std::string_view source) : query_(query), cursor_(root), source_(source) {}

  std::optional<Query::Match> match(const Query::Pattern& pattern, TSNode node) {
    pattern_ = &pattern;
    match_ = {};
    match_.lines_min = pattern.lines_min;
    match_.depth_max = pattern.depth_max;
    cursor_.reset(node);
    if (!fits(pattern.step) || match_.kind == nullptr) return std::nullopt;
    return match_;
  }

 private:
  // Whether the cursor's node fits `step`. The cursor comes back to it.
  bool fits(const Query::Step& step) {
    const TSNode node = cursor_.node();
    const Query::Match before = match_;
    if (!fits_itself(step, node) || !fits_children(step) || !capture(step, node)) {
      match_ = before;
      return false;
    }
    return true;
  }

  bool fits_itself(const Query::Step& step, TSNode node) {
    if (!step.alternatives.empty()) {
      return std::any_of(step.alternatives.begin(), step.alternatives.end(),
                         [this](const Query::Step& alternative) { return fits(alternative); });
    }
    return step.any ? ts_node_is_named(node) : ts_node_symbol(node) == step.symbol;
  }

  bool fits_children(const Query::Step& step) {
    if (step.children.empty()) return true;
    if (!cursor_.to_first_child()) return false;
    std::size_t next = 0;
    do {
      const Query::Step& child = step.children[next];
      if ((child.field == 0 || cursor_.field() == child.field) && fits(child)) ++next;
    } while (next < step.children.size() && cursor_.to_next_sibling());
    cursor_.to_parent();
    return next == step.children.size();
  }

  bool capture(const Query::Step& step, TSNode node) {
    for (const std::size_t captured : step.captures) {
      for (const Query::Predicate& predicate : pattern_->predicates) {
        if (predicate.capture == captured &&
            std::find(predicate.texts.begin(), predicate.texts.end(), text_of(node, source_)) == predicate.texts.end()) {
          return false;
        }
      }
      const std::string& kind = query_.kinds_[captured];
      if (kind == name_capture) {
        match_.name = node;
      } else if (!kind.starts_with('_')) {
        match_.node = node;
        match_.kind = &kind;
      }
    }
    return true;
  }

  const Query& query_;
  Cursor cursor_;
  std::string_view source_;
  const Query::Pattern* pattern_{nullptr};
  Query::Match match_;
};

void Query::search(TSNode root, std::string_view source, const UniqueFunction<bool(const Match&)>& visit) const {
  QueryMatcher matcher(*this, root, source);
  QueryMatcher::Cursor cursor(root);
  while (true) {
    const TSNode node = cursor.node();
    // The symbol of what could not be parsed is beyond all others.
    if (const TSSymbol symbol = ts_node_symbol(node); symbol < by_symbol_.size()) {
      for (const std::uint32_t pattern : by_symbol_[symbol]) {
        const auto match = matcher.match(patterns_[pattern], node);
        if (match && !visit(*match)) return;
      }
    }
    if (cursor.to_first_child()) continue;
    while (!cursor.to_next_sibling()) {
      if (!cursor.to_parent()) return;
    }
  }
}

}  // namespace joey

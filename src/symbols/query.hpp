// The patterns by which a language's definitions are found in its syntax tree.
#pragma once

#include <tree_sitter/api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.hpp"
#include "base/result.hpp"

namespace joey {

// A query, written in a part of tree-sitter's query language and matched here: the library's own takes up to a fifth of a
// second to prepare a query for a large grammar, and cannot be bounded while it matches.
//
//   ; a comment
//   (class_definition name: (_) @name body: (block)) @class
//   [(arrow_function) (function_expression)] @function        one of them
//   (class_declaration "struct" name: (_) @name) @struct      a token
//   ((pair key: (_) @name) @key (#set! lines-min 2))
//   (element (start_tag (tag_name) @name) (#any-of? @name "h1" "h2")) @heading
//
// Patterns of children are looked for among a node's children in their order, and each takes the first that fits; a pattern
// matches a node at most once. @name is the definition's name, captures that begin with `_` are for predicates, @body is
// not a definition, and any other capture is one, of that kind. Per pattern, (#set! lines-min N) leaves out shorter
// definitions, and (#set! depth-max N) those that are in more than N others.
class Query {
 public:
  // Why `text` is not such a query for `language`: a defect of the query, not of what it is asked.
  [[nodiscard]] static Result<Query> create(const TSLanguage* language, std::string_view text);

  struct Match {
    TSNode node{};
    TSNode name{};                     // null when the pattern has none
    const std::string* kind{nullptr};  // lives as long as the query
    std::size_t lines_min{1};
    std::size_t depth_max{std::numeric_limits<std::size_t>::max()};
  };
  // Gives the matches of a tree, outer nodes first, until `visit` returns false. In time linear in the tree's size.
  void search(TSNode root, std::string_view source, const UniqueFunction<bool(const Match&)>& visit) const;

 private:
  friend class QueryReader;
  friend class QueryMatcher;

  // A pattern of one node.
  struct Step {
    TSSymbol symbol{0};
    bool any{false};                 // `_`: every named node
    TSFieldId field{0};              // of its parent that it must be; 0: any or none
    std::vector<Step> alternatives;  // if not empty it is one of these, and has no symbol and children
    std::vector<Step> children;
    std::vector<std::size_t> captures;  // of kinds_
  };
  struct Predicate {
    std::size_t capture{0};
    std::vector<std::string> texts;  // it is one of these
  };
  struct Pattern {
    Step step;
    std::vector<Predicate> predicates;
    std::size_t lines_min{1};
    std::size_t depth_max{std::numeric_limits<std::size_t>::max()};
  };

  Query() = default;
  void index(const Step& step, std::uint32_t pattern);

  std::vector<std::string> kinds_;  // names of captures
  std::vector<Pattern> patterns_;
  std::vector<std::vector<std::uint32_t>> by_symbol_;  // the patterns a node of that symbol may match
};

}  // namespace joey

#include "symbols/tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "symbols/grammar.hpp"
#include "symbols/query.hpp"

namespace joey {
namespace {

constexpr std::size_t candidates_max = 100'000;
constexpr std::string_view body_kind = "body";

// A source as the parser reads it: in small pieces, so many in all. The parser looks at the time only between tokens, and
// there are grammars that read on to the end of the source at each character that is no token.
class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source), left_(source.size() / piece_size * times_max + times_max) {}

  [[nodiscard]] bool exhausted() const { return left_ == 0; }
  [[nodiscard]] TSInput input() { return {.payload = this, .read = read, .encoding = TSInputEncodingCustom, .decode = decode}; }

 private:
  static constexpr std::size_t piece_size = 512;
  static constexpr std::size_t times_max = 64;  // that a source may be read over

  static const char* read(void* payload, std::uint32_t byte, TSPoint, std::uint32_t* size) {
    Reader& reader = *static_cast<Reader*>(payload);
    if (reader.left_ > 0) --reader.left_;
    // Then it is as if the source ended here.
    const std::size_t at = reader.exhausted() ? reader.source_.size() : std::min<std::size_t>(byte, reader.source_.size());
    *size = static_cast<std::uint32_t>(std::min(piece_size, reader.source_.size() - at));
    return reader.source_.data() + at;
  }

  // UTF-8, as the library's own but for a source that ends within a character, which that follows to address 0.
  static std::uint32_t decode(const std::uint8_t* bytes, std::uint32_t size, std::int32_t* character) {
    if (size == 0 || bytes[0] < 0x80) {
      *character = size == 0 ? 0 : bytes[0];  // 0 is the end
      return 1;
    }
    constexpr std::int32_t invalid = -1;
    *character = invalid;
    const std::size_t count = utf8_sequence_size({reinterpret_cast<const char*>(bytes), size});
    if (count == 0) return 1;
    std::uint32_t code = bytes[0] & (0x7FU >> count);
    for (std::size_t i = 1; i < count; ++i) code = code << 6 | (bytes[i] & 0x3FU);
    *character = static_cast<std::int32_t>(code);
    return static_cast<std::uint32_t>(count);
  }

  std::string_view source_;
  std::size_t left_;
};

// A place in a source.
struct Spot {
  std::size_t byte{0};
  std::size_t row{0};  // from 0
};

// What a query gave, before it is known what it is in.
struct Candidate {
  Spot start;
  std::size_t end_byte{0};
  std::size_t last_row{0};
  std::optional<Spot> name;
  std::size_t name_end{0};
  const std::string* kind{nullptr};
  std::size_t lines_min{1};
  std::size_t depth_max{0};

  [[nodiscard]] std::size_t lines() const { return last_row - start.row + 1; }
  [[nodiscard]] bool is_body() const { return *kind == body_kind; }
};

// Outer before inner; of two with the same bytes a body first, since what it equals is in it.
bool comes_before(const Candidate& a, const Candidate& b) {
  if (a.start.byte != b.start.byte) return a.start.byte < b.start.byte;
  if (a.end_byte != b.end_byte) return a.end_byte > b.end_byte;
  return a.is_body() && !b.is_body();
}

// The row of a node's last character: some end with white space that follows what they are.
std::size_t last_row_of(TSNode node, std::string_view source) {
  constexpr std::size_t look_back_max = 1'000;
  std::size_t row = ts_node_end_point(node).row;
  const std::size_t end = std::min<std::size_t>(ts_node_end_byte(node), source.size());
  const std::size_t begin = std::max<std::size_t>(ts_node_start_byte(node), end - std::min(end, look_back_max));
  for (std::size_t i = end; i > begin; --i) {
    const char c = source[i - 1];
    if (c == '\n') --row;
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') break;
  }
  return row;
}

Candidate candidate_of(const Query::Match& match, std::string_view source) {
  Candidate candidate;
  candidate.start = {ts_node_start_byte(match.node), ts_node_start_point(match.node).row};
  candidate.end_byte = ts_node_end_byte(match.node);
  candidate.last_row = last_row_of(match.node, source);
  if (!ts_node_is_null(match.name)) {
    candidate.name = Spot{ts_node_start_byte(match.name), ts_node_start_point(match.name).row};
    candidate.name_end = ts_node_end_byte(match.name);
  }
  candidate.kind = match.kind;
  candidate.lines_min = match.lines_min;
  candidate.depth_max = match.depth_max;
  return candidate;
}

std::string_view line_at(std::string_view source, std::size_t byte) {
  const std::size_t before = byte == 0 ? std::string_view::npos : source.rfind('\n', byte - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return source.substr(begin, std::min(source.find('\n', byte), source.size()) - begin);
}

std::string_view trim_end(std::string_view line) {
  const std::size_t last = line.find_last_not_of(" \t\r");
  return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// `text` as it may be shown: UTF-8, cut.
std::string shown(std::string_view text, std::size_t size_max) {
  const std::string_view cut = utf8_prefix(text, size_max);
  std::string out = to_utf8(cut);
  if (cut.size() < text.size()) out += "...";
  return out;
}

std::string text_of(const Candidate& candidate, std::string_view source, std::size_t size_max) {
  std::string text = shown(trim_end(line_at(source, candidate.start.byte)), size_max);
  if (candidate.name && candidate.name->row != candidate.start.row) {
    text += " ... ";
    text += shown(trim(line_at(source, candidate.name->byte)), size_max);
  }
  return text;
}

// Chooses among candidates that come in their order: each definition once.
class Selection {
 public:
  Selection(std::string_view source, const DefinitionLimits& limits) : source_(source), limits_(limits) {}

  void add(const Candidate& candidate) {
    while (!open_.empty() && open_.back() <= candidate.start.byte) open_.pop_back();
    if (candidate.is_body()) {
      body_end_ = std::max(body_end_, candidate.end_byte);
      return;
    }
    if (is_left_out(candidate)) return;
    Definition definition;
    definition.kind = *candidate.kind;
    if (candidate.name) {
      const std::size_t size = candidate.name_end - candidate.name->byte;
      definition.name = shown(source_.substr(candidate.name->byte, size), limits_.text_size_max);
    }
    definition.first_line = candidate.start.row + 1;
    definition.last_line = candidate.last_row + 1;
    definition.text = text_of(candidate, source_, limits_.text_size_max);
    definition.depth = open_.size();
    open_.push_back(candidate.end_byte);
    definitions_.list.push_back(std::move(definition));
  }

  [[nodiscard]] bool full() const { return definitions_.list.size() > limits_.definitions_max; }

  Definitions take() {
    if (full()) {
      definitions_.list.resize(limits_.definitions_max);
      definitions_.truncated = true;
    }
    return std::move(definitions_);
  }

 private:
  bool is_left_out(const Candidate& candidate) {
    const std::size_t depth = open_.size();
    if (candidate.lines() < candidate.lines_min) return true;
    if (depth > candidate.depth_max || depth > limits_.depth_max) return true;
    if (candidate.lines() == 1 && candidate.start.byte < body_end_) return true;
    // What two patterns found, as a template and the function in it, is one definition.
    if (candidate.name && !names_.insert(candidate.name->byte).second) return true;
    return !ranges_.emplace(candidate.start.row, candidate.last_row).second;
  }

  std::string_view source_;
  const DefinitionLimits& limits_;
  Definitions definitions_;
  std::vector<std::size_t> open_;  // ends of the definitions the next one is in
  std::size_t body_end_{0};        // of the bodies so far: they nest
  std::unordered_set<std::size_t> names_;
  std::set<std::pair<std::size_t, std::size_t>> ranges_;
};

}  // namespace

struct TreeFinder::Parts {
  std::unique_ptr<TSParser, decltype(&ts_parser_delete)> parser{ts_parser_new(), ts_parser_delete};
  std::array<std::optional<Query>, languages_count> queries;

  Result<const Query*> query_of(Language language, const Grammar& grammar) {
    std::optional<Query>& query = queries.at(static_cast<std::size_t>(language));
    if (!query) {
      Result<Query> created = Query::create(grammar.language, grammar.query);
      if (!created) return failure(created.error().code, fmt::format("{}: {}", name_of(language), created.error().message));
      query = std::move(*created);
    }
    return &*query;
  }

  using Tree = std::unique_ptr<TSTree, decltype(&ts_tree_delete)>;
  Result<Tree> parse(std::string_view source, Language language, const Grammar& grammar,
                     std::chrono::milliseconds time_max) {
    if (!ts_parser_set_language(parser.get(), grammar.language)) {
      return failure(ErrorCode::internal,
                     fmt::format("the grammar of {} is of a version that cannot be used", name_of(language)));
    }
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(time_max).count();
    ts_parser_set_timeout_micros(parser.get(), static_cast<std::uint64_t>(microseconds));
    Reader reader(source);
    Tree tree(ts_parser_parse(parser.get(), nullptr, reader.input()), ts_tree_delete);
    ts_parser_reset(parser.get());  // or it would go on with a source it gave up
    if (!tree || reader.exhausted()) {
      return failure(ErrorCode::timeout, fmt::format("parsing it as {} takes too long", name_of(language)));
    }
    return tree;
  }
};

TreeFinder::TreeFinder() : parts_(std::make_unique<Parts>()) {}
TreeFinder::~TreeFinder() = default;

Result<Definitions> TreeFinder::find(std::string_view source, Language language, const DefinitionLimits& limits) {
  const Grammar grammar = grammar_of(language);
  const Result<const Query*> query = parts_->query_of(language, grammar);
  if (!query) return tl::unexpected(query.error());
  const auto tree = parts_->parse(source, language, grammar, limits.time_max);
  if (!tree) return tl::unexpected(tree.error());

  std::vector<Candidate> candidates;
  (*query)->search(ts_tree_root_node(tree->get()), source, [&](const Query::Match& match) {
    candidates.push_back(candidate_of(match, source));
    return candidates.size() < candidates_max;
  });
  std::stable_sort(candidates.begin(), candidates.end(), comes_before);
  Selection selection(source, limits);
  for (const Candidate& candidate : candidates) {
    if (selection.full()) break;
    selection.add(candidate);
  }
  Definitions definitions = selection.take();
  definitions.truncated = definitions.truncated || candidates.size() == candidates_max;
  return definitions;
}

}  // namespace joey

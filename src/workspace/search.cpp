#include "workspace/search.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <re2/re2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t block_size = 1U << 20;   // bytes of a file in memory at once; longer lines are searched so far
constexpr std::size_t binary_prefix = 8'192;   // bytes in which a NUL says that a file is binary
constexpr std::size_t context_lines_max = 50;
constexpr std::size_t batch_files_max = 32;    // files that one thread takes at a time
constexpr std::size_t alternatives_max = 1'000;  // of `{a,b}` in a glob
constexpr std::size_t literals_max = 8;        // looked for one after another: beyond a few, all at once is faster
constexpr std::size_t threads_max = 4;         // unless asked for more
constexpr std::size_t npos = std::string_view::npos;

// In pieces of a fixed size, which compilers make wide instructions of.
std::size_t count_newlines(std::string_view text) {
  constexpr std::size_t piece = 128;
  std::size_t count = 0;
  const char* data = text.data();
  std::size_t left = text.size();
  for (; left >= piece; data += piece, left -= piece) {
    std::uint8_t in_piece = 0;
    for (std::size_t i = 0; i < piece; ++i) in_piece = static_cast<std::uint8_t>(in_piece + (data[i] == '\n' ? 1 : 0));
    count += in_piece;
  }
  return count + static_cast<std::size_t>(std::count(data, data + left, '\n'));
}

// --- The pattern ---

// What a look at a pattern's text tells about its matches. It needs to understand only the syntax that it draws
// conclusions from; where it does not, it draws none.
struct PatternFacts {
  std::vector<std::string> literals;  // every match contains one of them; empty: none known
  bool is_literal{false};    // there is one, and what contains it matches
  bool whole_text{false};    // \A, \z, (?-m) or `$` within: depends on the line's ends, so lines are matched one by one
  bool newline{false};       // demands a line feed, which no line has
  std::string rewritten;     // with `$` also before the '\r' of a line end
};

class PatternScanner {
 public:
  explicit PatternScanner(std::string_view pattern) : pattern_(pattern) {}

  PatternFacts scan() {
    while (at_ < pattern_.size()) step();
    end_branch();
    if (unknown_ || facts_.literals.size() > literals_max) facts_.literals.clear();
    facts_.is_literal = plain_ && facts_.literals.size() == 1;
    return std::move(facts_);
  }

 private:
  void step() {
    const std::size_t begin = at_;
    const char c = pattern_[at_++];
    switch (c) {
      case '\\': escape(); break;
      case '[': end_run(), set(); break;
      case '(': end_run(), group(); break;
      case ')': end_run(), depth_ -= depth_ > 0 ? 1 : 0; break;
      case '|':
        end_run();
        if (depth_ == 0) end_branch();
        break;
      case '*':
      case '?': drop_last(), end_run(); break;
      case '{':
        if (const std::size_t size = repetition(); size > 0) {
          drop_last(), end_run();
          at_ += size;
        } else {
          literal("{");
        }
        break;
      case '+':
      case '^':
      case '.': end_run(); break;
      case '$':
        end_run();
        // What comes after it would be looked for behind the '\r'.
        if (at_ < pattern_.size() && (pattern_[at_] != '|' || depth_ > 0)) facts_.whole_text = true;
        facts_.rewritten += "(?:\\r?$)";
        return;
      case '\n': facts_.newline = true; break;
      default: literal(pattern_.substr(begin, 1)); break;
    }
    facts_.rewritten += pattern_.substr(begin, at_ - begin);
  }

  void escape() {
    if (at_ == pattern_.size()) return;
    const char c = pattern_[at_++];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == 't') return literal("\t");
    if (!letter && !(c >= '0' && c <= '9') && static_cast<unsigned char>(c) < 0x80) {
      return literal(pattern_.substr(at_ - 1, 1));
    }
    end_run();
    if (c == 'n') facts_.newline = true;
    if (c == 'A' || c == 'z') facts_.whole_text = true;
    if (c == 'Q') {  // literal to the end or \E
      const std::size_t end = pattern_.find("\\E", at_);
      at_ = end == npos ? pattern_.size() : end + 2;
    } else if (c == 'x' || c == 'p' || c == 'P') {
      if (at_ < pattern_.size() && pattern_[at_] == '{') {
        const std::size_t end = pattern_.find('}', at_);
        at_ = end == npos ? pattern_.size() : end + 1;
      } else {
        at_ = std::min(pattern_.size(), at_ + (c == 'x' ? 2U : 1U));
      }
    } else if (!letter) {
      while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9') ++at_;
    }
  }

  void set() {
    if (at_ < pattern_.size() && pattern_[at_] == '^') ++at_;
    if (at_ < pattern_.size() && pattern_[at_] == ']') ++at_;
    while (at_ < pattern_.size() && pattern_[at_] != ']') {
      if (pattern_[at_] == '\\') {
        ++at_;
      } else if (pattern_.substr(at_).starts_with("[:")) {
        const std::size_t end = pattern_.find(":]", at_ + 2);
        if (end != npos) at_ = end + 1;
      }
      ++at_;
    }
    at_ = std::min(at_ + 1, pattern_.size());
  }

  void group() {
    ++depth_;
    if (at_ == pattern_.size() || pattern_[at_] != '?') return;
    const std::string_view rest = pattern_.substr(at_);
    const std::size_t end = rest.find_first_of(rest.starts_with("?P<") ? ">" : ":)");
    const std::string_view flags = rest.substr(0, end);
    if (!rest.starts_with("?P<") && flags != "?") {
      unknown_ = true;  // with (?i), the text's letters may be others
      facts_.whole_text = facts_.whole_text || flags.find('m') != npos;
    }
    if (end == npos) {
      at_ = pattern_.size();
    } else {
      at_ += end + 1;
      if (rest[end] == ')') --depth_;
    }
  }

  // Bytes after '{' of a repetition, with its '}'.
  [[nodiscard]] std::size_t repetition() const {
    const std::string_view rest = pattern_.substr(at_);
    const std::size_t end = rest.find('}');
    if (end == npos || end == 0 || rest.front() == ',') return 0;
    return rest.substr(0, end).find_first_not_of("0123456789,") == npos ? end + 1 : 0;
  }

  void literal(std::string_view bytes) {
    if (depth_ == 0) run_ += bytes;
  }
  // A quantifier says that the last character need not be there.
  void drop_last() {
    while (!run_.empty()) {
      const auto last = static_cast<unsigned char>(run_.back());
      run_.pop_back();
      if ((last & 0xC0) != 0x80) break;
    }
  }
  // What follows is not literal.
  void end_run() {
    plain_ = false;
    keep_run();
  }
  void keep_run() {
    if (run_.size() > longest_.size()) longest_ = run_;
    run_.clear();
  }
  void end_branch() {
    keep_run();
    unknown_ = unknown_ || longest_.empty();
    facts_.literals.push_back(std::exchange(longest_, {}));
  }

  std::string_view pattern_;
  std::size_t at_{0};
  std::size_t depth_{0};
  std::string run_;
  std::string longest_;  // run of this branch of the outermost alternation
  bool plain_{true};     // nothing but literals so far
  bool unknown_{false};  // no literal is certain
  PatternFacts facts_;
};

// A compiled pattern that finds lines.
class Query {
 public:
  [[nodiscard]] static Result<std::unique_ptr<const Query>> create(const std::string& pattern) {
    const auto bad = [&pattern](std::string_view why) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("pattern \"{}\": {}", to_utf8(elide_middle(pattern, 200)), to_utf8(why)));
    };
    if (pattern.empty()) return bad("is empty: every line would match");
    if (pattern.find('\0') != std::string::npos) return bad("holds a NUL byte");
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_nl(true);
    if (const re2::RE2 plain(pattern, options); !plain.ok()) {
      const bool perl = plain.error().find("(?") != std::string::npos ||
                        plain.error_code() == re2::RE2::ErrorBadEscape;
      return bad(plain.error() + (perl ? " (look-around and back-references are not available)" : ""));
    }
    std::unique_ptr<Query> query(new Query);
    query->facts_ = PatternScanner(pattern).scan();
    if (query->facts_.newline) return bad("demands a line feed, but each line is matched alone: look for one line");
    if (!query->facts_.is_literal) {
      query->line_ = std::make_unique<re2::RE2>("(?m)" + pattern, options);
      query->text_ = std::make_unique<re2::RE2>("(?m)" + query->facts_.rewritten, options);
      if (!query->line_->ok()) return bad(query->line_->error());
      if (!query->text_->ok()) return bad(query->text_->error());
    }
    return std::unique_ptr<const Query>(std::move(query));
  }

  // Where each literal comes next in a text: what one search of it has found out for the following ones.
  using Hits = std::vector<std::size_t>;
  [[nodiscard]] Hits new_hits() const { return Hits(facts_.literals.size(), 0); }

  // The start of the first line at or after `at` that matches, or npos. `at` is the start of a line.
  [[nodiscard]] std::size_t find_line(std::string_view text, std::size_t at, Hits& hits) const {
    while (at < text.size()) {
      at = candidate(text, at, hits);
      if (at == npos) return npos;
      const std::size_t end = std::min(text.find('\n', at), text.size());
      if (confirm(text.substr(at, end - at))) return at;
      at = end + 1;
    }
    return npos;
  }

 private:
  Query() = default;

  // The start of a line at or after `at` that may match: none before it does.
  [[nodiscard]] std::size_t candidate(std::string_view text, std::size_t at, Hits& hits) const {
    std::size_t found = at;
    if (!hits.empty()) {
      for (std::size_t i = 0; i < hits.size(); ++i) {
        if (hits[i] == npos || hits[i] > at) continue;
        const std::string& literal = facts_.literals[i];
        const void* hit = ::memmem(text.data() + at, text.size() - at, literal.data(), literal.size());
        hits[i] = hit == nullptr ? npos : static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
      }
      found = *std::min_element(hits.begin(), hits.end());
      if (found == npos) return npos;
    } else if (!facts_.whole_text) {
      // Without the last line feed, after which there is no other line.
      const std::size_t end = text.size() - (text.back() == '\n' ? 1 : 0);
      re2::StringPiece match;
      const re2::StringPiece rest(text.data() + at, end - at);
      if (!text_->Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, &match, 1)) return npos;
      found = static_cast<std::size_t>(match.data() - text.data());
    }
    const std::size_t newline = found == at ? npos : text.rfind('\n', found - 1);
    return newline == npos || newline < at ? at : newline + 1;
  }

  // A carriage return before the line feed belongs to the line's end.
  [[nodiscard]] bool confirm(std::string_view line) const {
    if (facts_.is_literal) return true;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    } else if (facts_.literals.empty() && !facts_.whole_text) {
      return true;
    }
    return re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *line_);
  }

  PatternFacts facts_;
  std::unique_ptr<re2::RE2> line_;  // for one line
  std::unique_ptr<re2::RE2> text_;  // for many
};

// --- The file pattern ---

class FileGlob {
 public:
  [[nodiscard]] static Result<FileGlob> create(std::string_view glob) {
    const auto bad = [glob](std::string_view why) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("file pattern {}: {}", quoted_path(glob), why));
    };
    FileGlob result;
    std::string_view rest = glob;
    if (rest.starts_with('!')) {
      result.negated_ = true;
      rest.remove_prefix(1);
    }
    std::vector<std::string> alternatives;
    if (!expand(std::string(rest), alternatives)) return bad("a '{' is not closed, or it has too many alternatives");
    for (std::string& each : alternatives) {
      if (each.starts_with("./")) each.erase(0, 2);
      if (each.ends_with('/')) each += "**";
      Alternative alternative;
      alternative.name_only = each.find('/') == npos;
      if (each.starts_with('/')) each.erase(0, 1);
      result.hidden_ = result.hidden_ || each.starts_with('.') || each.find("/.") != npos;
      alternative.glob = Glob(each);
      if (!alternative.glob.valid()) return bad("a '[' is not closed or names no class, or a '\\' ends it");
      result.alternatives_.push_back(std::move(alternative));
    }
    return result;
  }

  [[nodiscard]] bool negated() const { return negated_; }
  [[nodiscard]] bool hidden() const { return hidden_ && !negated_; }

  // `path` from the root; its first `base` bytes name the searched directory.
  [[nodiscard]] bool wants(std::string_view path, std::size_t base) const {
    const bool named = std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Alternative& each) {
      if (each.name_only) return each.glob.matches(path.substr(path.rfind('/') + 1));
      return each.glob.matches(path.substr(base)) || (base > 0 && each.glob.matches(path));
    });
    return named != negated_;
  }

 private:
  struct Alternative {
    Glob glob;
    bool name_only{false};
  };

  // `{a,b}` as several globs, the innermost last.
  static bool expand(std::string glob, std::vector<std::string>& out) {
    std::vector<std::string> waiting{std::move(glob)};
    while (!waiting.empty()) {
      if (out.size() + waiting.size() > alternatives_max) return false;
      const std::string next = std::move(waiting.back());
      waiting.pop_back();
      std::size_t open = npos;
      std::vector<std::size_t> commas;
      std::size_t depth = 0;
      std::size_t close = npos;
      for (std::size_t i = 0; i < next.size() && close == npos; ++i) {
        switch (next[i]) {
          case '\\': ++i; break;
          case '[': i = end_of_set(next, i); break;
          case '{':
            if (depth++ == 0) open = i;
            break;
          case ',':
            if (depth == 1) commas.push_back(i);
            break;
          case '}':
            if (depth > 0 && --depth == 0) close = i;
            break;
          default: break;
        }
      }
      if (open == npos) {
        out.push_back(next);
        continue;
      }
      if (close == npos) return false;
      commas.push_back(close);
      std::size_t begin = open + 1;
      for (const std::size_t comma : commas) {
        waiting.push_back(next.substr(0, open) + next.substr(begin, comma - begin) + next.substr(close + 1));
        begin = comma + 1;
      }
    }
    return true;
  }

  // The ']' of the set that begins at `i`; `i` when there is none.
  static std::size_t end_of_set(std::string_view glob, std::size_t i) {
    std::size_t first = i + 1;
    if (first < glob.size() && (glob[first] == '!' || glob[first] == '^')) ++first;
    const std::size_t end = glob.find(']', first + 1);
    return end == npos ? i : end;
  }

  std::vector<Alternative> alternatives_;
  bool negated_{false};
  bool hidden_{false};
};

// --- Results ---

// Orders paths so that what a directory holds stands together: '/' before all other bytes.
struct PathLess {
  bool operator()(std::string_view a, std::string_view b) const {
    const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [rank](char x, char y) { return rank(x) < rank(y); });
  }
};

struct FileMatches {
  std::vector<SearchLine> lines;
  std::size_t matches{0};
};

// The first matches by path, whatever the order in which they are found. It wants one more match than it gives, to know
// that there are more.
class Collector {
 public:
  explicit Collector(std::size_t matches_max) : matches_max_(matches_max) {}

  // Whether a match in `path`, or beneath it, could still be among the first.
  [[nodiscard]] bool wants(std::string_view path) {
    if (!full_.load(std::memory_order_acquire)) return true;
    const std::lock_guard lock(mutex_);
    return !PathLess()(files_.rbegin()->first, path);
  }

  void add(std::string path, FileMatches found) {
    const std::lock_guard lock(mutex_);
    matches_ += found.matches;
    files_.emplace(std::move(path), std::move(found));
    while (matches_ - files_.rbegin()->second.matches > matches_max_) {
      matches_ -= files_.rbegin()->second.matches;
      files_.erase(std::prev(files_.end()));
    }
    full_.store(matches_ > matches_max_, std::memory_order_release);
  }

  void give(SearchResult& result, std::size_t context_lines) {
    result.truncated = matches_ > matches_max_;
    result.matches = std::min(matches_, matches_max_);
    if (result.truncated && !files_.empty()) {
      FileMatches& last = files_.rbegin()->second;
      cut(last, last.matches - (matches_ - matches_max_), context_lines);
      if (last.lines.empty()) files_.erase(std::prev(files_.end()));
    }
    result.files.reserve(files_.size());
    for (auto& [path, found] : files_) result.files.push_back({path, std::move(found.lines)});
  }

 private:
  // Keeps the first `matches` and their context.
  static void cut(FileMatches& found, std::size_t matches, std::size_t context_lines) {
    std::size_t seen = 0;
    std::size_t last = 0;
    std::size_t keep = 0;
    for (const SearchLine& line : found.lines) {
      if (line.match && ++seen > matches) break;
      if (line.match) last = line.number;
      if (seen == matches && line.number > last + context_lines) break;
      ++keep;
    }
    found.lines.resize(matches == 0 ? 0 : keep);
  }

  const std::size_t matches_max_;
  std::mutex mutex_;
  std::map<std::string, FileMatches, PathLess> files_;
  std::size_t matches_{0};
  std::atomic<bool> full_{false};
};

// --- One file ---

enum class FileEnd : std::uint8_t { searched, binary, unreadable, stopped };

// Searches files one after another with one buffer. Files are read, never mapped: a mapped file that somebody makes
// shorter ends the process that looks at it.
class FileSearcher {
 public:
  FileSearcher(const Query& query, const SearchOptions& options) : query_(query), options_(options) {}

  // `size`: the file's, as far as is known; 0: not at all.
  template <class Stop>
  FileEnd search(const Descriptor& file, std::uint64_t size, Stop&& stop, FileMatches& found) {
    if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(block_size);
    start(found);
    std::size_t read_total = 0;
    bool skipping = false;  // the rest of a line longer than the buffer
    bool first = true;
    for (bool last = false; !last; first = false) {
      if (stop()) return FileEnd::stopped;
      while (!last && size_ < block_size) {
        const ssize_t count = ::read(file.get(), buffer_.get() + size_, block_size - size_);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return FileEnd::unreadable;
        size_ += static_cast<std::size_t>(count);
        read_total += static_cast<std::size_t>(count);
        last = count == 0 || read_total >= options_.file_bytes_max || read_total == size;
      }
      if (first && std::memchr(buffer_.get(), 0, std::min(size_, binary_prefix)) != nullptr) {
        return FileEnd::binary;
      }
      if (skipping) {
        const std::size_t newline = text().find('\n');
        skipping = newline == npos;
        discard(skipping ? size_ : newline + 1);
        if (!skipping) ++number_;
        if (skipping || size_ == 0) continue;
      } else if (first && text().starts_with("\xEF\xBB\xBF")) {
        discard(3);
      }
      std::size_t end = size_;
      if (!last) {
        const std::size_t newline = text().rfind('\n');
        skipping = newline == npos || newline < begin_;
        if (!skipping) end = newline + 1;
      }
      if (!search_block(end, last)) return FileEnd::searched;
      keep_context(end, skipping);
    }
    return FileEnd::searched;
  }

 private:
  void start(FileMatches& found) {
    found_ = &found;
    size_ = begin_ = 0;
    number_ = 1;
    emitted_ = 0;
    after_ = 0;
  }
  [[nodiscard]] std::string_view text() const { return {buffer_.get(), size_}; }
  void discard(std::size_t bytes) {
    std::memmove(buffer_.get(), buffer_.get() + bytes, size_ - bytes);
    size_ -= bytes;
  }

  // Searches the lines [begin_, end). False: enough was found, or nothing comes after them.
  bool search_block(std::size_t end, bool last) {
    Query::Hits hits = query_.new_hits();
    while (begin_ < end) {
      const std::size_t hit = query_.find_line(text().substr(0, end), begin_, hits);
      const std::size_t line = std::min(hit, end);
      while (after_ > 0 && begin_ < line) --after_, emit_next(false);
      if (hit == npos) break;
      if (found_->matches > options_.matches_max) return false;  // one more is enough to know of more
      advance(line);
      emit_before();
      emit_next(true);
      ++found_->matches;
      after_ = options_.context_lines;
    }
    if (last) return false;  // nobody asks for the number of the line after
    advance(end);
    return true;
  }

  // Emits the line at begin_ and goes past it.
  void emit_next(bool match) {
    const std::size_t end = std::min(text().find('\n', begin_), size_);
    emit(number_, text().substr(begin_, end - begin_), match);
    begin_ = std::min(end + 1, size_);
    if (end < size_) ++number_;
  }

  // Emits the lines before begin_ that are its context and were not emitted yet.
  void emit_before() {
    std::size_t first = begin_;
    std::size_t lines = 0;
    while (lines < options_.context_lines && first > 0 && number_ - lines - 1 > emitted_) {
      const std::size_t newline = first < 2 ? npos : text().rfind('\n', first - 2);
      first = newline == npos ? 0 : newline + 1;
      ++lines;
    }
    for (; lines > 0; --lines) {
      const std::size_t end = text().find('\n', first);
      emit(number_ - lines, text().substr(first, end - first), false);
      first = end + 1;
    }
  }

  void emit(std::size_t number, std::string_view line, bool match) {
    emitted_ = number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    SearchLine emitted{number, {}, match, false};
    // A character has at most four bytes, and a byte that is none becomes one.
    std::string_view bytes = utf8_prefix(line, std::min(line.size(), 4 * options_.line_characters_max));
    emitted.text = to_utf8(bytes);
    std::size_t size = 0;
    for (std::size_t left = options_.line_characters_max; left > 0 && size < emitted.text.size(); --left) {
      size += std::max<std::size_t>(1, utf8_sequence_size(std::string_view(emitted.text).substr(size)));
    }
    emitted.cut = size < emitted.text.size() || bytes.size() < line.size();
    emitted.text.resize(size);
    found_->lines.push_back(std::move(emitted));
  }

  // Goes to the line that begins at `position`, without emitting.
  void advance(std::size_t position) {
    number_ += count_newlines(text().substr(begin_, position - begin_));
    begin_ = position;
  }

  // Makes room: what was searched goes, but for the lines that may become context.
  void keep_context(std::size_t end, bool all) {
    std::size_t first = end;
    for (std::size_t lines = 0; !all && lines < options_.context_lines && first > 0; ++lines) {
      const std::size_t newline = first < 2 ? npos : text().rfind('\n', first - 2);
      first = newline == npos ? 0 : newline + 1;
    }
    if (end - first > block_size / 2) first = end;
    discard(first);
    begin_ = end - first;
  }

  const Query& query_;
  const SearchOptions& options_;
  std::unique_ptr<char[]> buffer_;
  FileMatches* found_{nullptr};
  std::size_t size_{0};     // bytes in the buffer: context, then from begin_ what is to be searched
  std::size_t begin_{0};    // start of a line
  std::size_t number_{1};   // of that line
  std::size_t emitted_{0};  // number of the last line emitted
  std::size_t after_{0};    // lines of context still to emit
};

// --- The tree ---

// Directories and files still to be searched, taken from the end. What a directory holds is put there in reverse: so
// work goes on in the order of paths, few directories wait, and later ones are skipped once enough is found.
class TreeSearch {
 public:
  TreeSearch(const Walker& walker, const WalkOptions& walk_options, const Query& query, const FileGlob* glob,
             const SearchOptions& options, const CancelToken& cancel)
      : walker_(walker),
        walk_options_(walk_options),
        query_(query),
        glob_(glob),
        options_(options),
        cancel_(cancel),
        deadline_(Clock::now() + options.time_max),
        base_(walker.start().path.empty() ? 0 : walker.start().path.size() + 1),
        collector_(options.matches_max) {}

  Result<SearchResult> run() {
    if (walker_.kind() == FileKind::directory) {
      waiting_.push_back({walker_.start(), {}});
    } else {
      waiting_.push_back({{}, {walker_.start().path}});
    }
    threads_max_ = options_.threads > 0 ? options_.threads
                                        : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, threads_max);
    work();
    for (std::thread& helper : helpers_) helper.join();  // none is started once work() has returned
    if (failure_) std::rethrow_exception(failure_);
    if (cancel_.cancelled()) return failure(ErrorCode::cancelled, "the search was cancelled");
    if (start_error_) return tl::unexpected(std::move(*start_error_));
    collector_.give(result_, options_.context_lines);
    result_.timed_out = late_.load();
    return std::move(result_);
  }

 private:
  // A directory to read, or some files of one.
  struct Work {
    WalkDirectory directory;
    std::vector<std::string> files;  // their paths
  };
  struct Counts {
    std::size_t searched{0};
    std::size_t binary{0};
    std::size_t unreadable{0};
  };

  // What every thread does, the caller's included, until nothing waits and nobody works.
  void work() noexcept {
    Counts counts;
    try {
      FileSearcher searcher(query_, options_);
      std::unique_lock lock(mutex_);
      while (true) {
        changed_.wait(lock, [this] { return ended_ || !waiting_.empty() || working_ == 0; });
        if (ended_ || waiting_.empty()) break;
        Work next = std::move(waiting_.back());
        waiting_.pop_back();
        ++working_;
        start_helper();
        lock.unlock();
        std::vector<Work> more;
        if (must_stop()) {
          lock.lock();
          end();
        } else {
          if (next.files.empty()) {
            read_directory(next.directory, more, counts);
          } else {
            search_files_of(next.files, searcher, counts);
          }
          lock.lock();
        }
        std::move(more.rbegin(), more.rend(), std::back_inserter(waiting_));
        --working_;
        if (more.size() > 1 || working_ == 0) changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      end();
    }
    const std::lock_guard lock(mutex_);
    result_.files_searched += counts.searched;
    result_.binary += counts.binary;
    result_.unreadable += counts.unreadable;
  }

  void end() {
    ended_ = true;
    waiting_.clear();
    changed_.notify_all();
  }

  // Only where there is enough to share: most searches are over before a thread has started.
  void start_helper() {
    if (waiting_.size() < 4 || helpers_.size() + 1 >= threads_max_) return;
    // The host's signals are for the host's threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      helpers_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
      threads_max_ = 1;  // no more to be had: go on with these
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[nodiscard]] bool must_stop() {
    if (cancel_.cancelled()) return true;
    if (Clock::now() < deadline_ && seen_.load(std::memory_order_relaxed) < walk_options_.entries_max) return false;
    late_.store(true, std::memory_order_relaxed);
    return true;
  }

  void read_directory(const WalkDirectory& directory, std::vector<Work>& more, Counts& counts) {
    if (!collector_.wants(directory.path)) return;
    const bool keep_ignored = glob_ != nullptr && !glob_->negated();
    Result<Walker::Entries> read = walker_.read(directory, walk_options_.entries_max, keep_ignored);
    if (!read) {
      ++counts.unreadable;
      const std::lock_guard lock(mutex_);
      if (directory.depth == 0) start_error_ = std::move(read.error());
      return;
    }
    seen_.fetch_add(read->seen, std::memory_order_relaxed);
    bool batch = false;
    for (Walker::Entry& entry : read->entries) {
      if (entry.kind == FileKind::directory) {
        batch = false;
        if (glob_ != nullptr && glob_->negated() && !glob_->wants(entry.path, base_)) continue;
        if (directory.depth < walk_options_.depth_max) {
          more.push_back({{std::move(entry.path), directory.depth + 1, read->ignore}, {}});
        } else {
          ++counts.unreadable;
        }
      } else if (entry.kind == FileKind::file && (glob_ == nullptr || glob_->wants(entry.path, base_))) {
        if (!batch || more.back().files.size() >= batch_files_max) more.push_back({});
        batch = true;
        more.back().files.push_back(std::move(entry.path));
      }
    }
  }

  void search_files_of(const std::vector<std::string>& paths, FileSearcher& searcher, Counts& counts) {
    const std::size_t slash = paths.front().rfind('/');
    const std::size_t name = slash == npos ? 0 : slash + 1;
    const Descriptor directory = walker_.root().open_at(slash == npos ? std::string() : paths.front().substr(0, slash),
                                                        O_PATH | O_DIRECTORY, Root::Links::refuse);
    for (const std::string& path : paths) search_file(directory, path, name, searcher, counts);
  }

  void search_file(const Descriptor& directory, const std::string& path, std::size_t name, FileSearcher& searcher,
                   Counts& counts) {
    if (!collector_.wants(path) || must_stop()) return;
    const Descriptor file = Root::open_entry(directory, path.substr(name), O_RDONLY);
    struct stat status = {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      ++counts.unreadable;
      if (walker_.kind() == FileKind::file) start_error_ = file_error(file ? ENXIO : errno, path);
      return;
    }
    FileMatches found;
    switch (searcher.search(file, static_cast<std::uint64_t>(status.st_size), [this] { return must_stop(); }, found)) {
      case FileEnd::searched: ++counts.searched; break;
      case FileEnd::binary: ++counts.binary; return;
      case FileEnd::unreadable: ++counts.unreadable; break;  // what was found before is given
      case FileEnd::stopped: return;
    }
    if (found.matches > 0) collector_.add(path, std::move(found));
  }

  const Walker& walker_;
  const WalkOptions& walk_options_;
  const Query& query_;
  const FileGlob* glob_;
  const SearchOptions& options_;
  const CancelToken& cancel_;
  const Clock::time_point deadline_;
  const std::size_t base_;  // bytes of a path that name the searched directory
  Collector collector_;
  std::atomic<std::size_t> seen_{0};
  std::atomic<bool> late_{false};

  std::mutex mutex_;  // for all below
  std::condition_variable changed_;
  std::vector<Work> waiting_;
  std::vector<std::thread> helpers_;
  std::size_t threads_max_{1};
  std::size_t working_{0};
  bool ended_{false};
  std::exception_ptr failure_;
  std::optional<Error> start_error_;
  SearchResult result_;
};

}  // namespace

Result<SearchResult> search_files(const Workspace& workspace, std::string_view path, const SearchOptions& options,
                                  const CancelToken& cancel) {
  const Result<std::unique_ptr<const Query>> query = Query::create(options.pattern);
  if (!query) return tl::unexpected(query.error());
  std::optional<FileGlob> glob;
  if (!options.file_glob.empty()) {
    Result<FileGlob> created = FileGlob::create(options.file_glob);
    if (!created) return tl::unexpected(std::move(created.error()));
    glob = std::move(*created);
  }
  SearchOptions limited = options;
  limited.context_lines = std::min(limited.context_lines, context_lines_max);

  WalkOptions walk_options;
  walk_options.well_known = false;  // a repository's own pkg/ is worth searching; .gitignore says what is not
  walk_options.hidden = glob && glob->hidden();
  const Result<Walker> walker = Walker::create(workspace, path, walk_options);
  if (!walker) return tl::unexpected(walker.error());
  if (walker->kind() == FileKind::other) return tl::unexpected(file_error(ENXIO, path));
  return TreeSearch(*walker, walk_options, **query, glob ? &*glob : nullptr, limited, cancel).run();
}

}  // namespace joey

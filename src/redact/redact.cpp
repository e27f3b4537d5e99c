#include "redact/redact.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "redact/key_shapes.hpp"
#include "redact/private_keys.hpp"
#include "redact/readings.hpp"

namespace joey {
namespace {

constexpr std::uint64_t secret_size_max = 64U << 10;  // a longer one is several, so that it can be let go
constexpr std::size_t sequence_size_max = 64;         // bytes of a terminal's escape sequence
constexpr std::size_t sequences_max = 64;             // of them between two characters
constexpr char escape = '\x1b';

// What a text consists of.
class Parts {
 public:
  virtual ~Parts() = default;
  virtual void on_text(std::string_view text) = 0;
  // `shown` is what a terminal shows of it, `bytes` what it is.
  virtual void on_secret(std::string_view name, std::string_view shown, std::string_view bytes) = 0;
};

enum class Sequence : unsigned char { none, open, complete };

// Whether `bytes` begin, or are, a sequence that colours text: those are put into the middle of words. Others are looked at
// as what they are, or a terminal's sequence would swallow the beginning of a secret.
Sequence sequence_of(std::string_view bytes) {
  if (bytes.size() > sequence_size_max) return Sequence::none;
  if (bytes.size() == 1) return Sequence::open;
  if (bytes[1] == '(') return bytes.size() == 2 ? Sequence::open : bytes[2] == 'B' ? Sequence::complete : Sequence::none;
  if (bytes[1] != '[') return Sequence::none;
  if (bytes.size() == 2) return Sequence::open;
  const char last = bytes.back();
  if (last == 'm' || last == 'K') return Sequence::complete;
  return (last >= '0' && last <= '9') || last == ';' ? Sequence::open : Sequence::none;
}

// Two secrets that overlap are one, with the name of the first, and rather of a known one. In whatever order.
SecretSpan joined(SecretSpan a, const SecretSpan& b) {
  const auto rank = [](const SecretSpan& span) {
    return std::make_tuple(!span.known, span.named_from, ~span.named_to, span.name);
  };
  if (rank(b) < rank(a)) {
    a.name = b.name;
    a.known = b.known;
    a.named_from = b.named_from;
    a.named_to = b.named_to;
  }
  a.end = std::max(a.end, b.end);
  return a;
}

}  // namespace

// One text on its way. What a terminal shows of it goes into a window, which the scanners look through; the sequences
// between are kept by their place. What all scanners have settled leaves.
class RedactionStream::Scan {
 public:
  explicit Scan(const Redactor& redactor) {
    if (!redactor.needles_.empty()) {
      for (const Reading reading : {Reading::plain, Reading::bare, Reading::decoded}) {
        readings_.emplace_back(redactor.needles_, reading);
      }
    }
    if (redactor.key_shapes_) {
      shapes_.emplace();
      private_keys_.emplace();
    }
  }

  // In steps: of a text that is full of secrets their places would take more room than the text.
  void feed(std::string_view bytes, bool last, Parts& parts) {
    constexpr std::size_t step = 64U << 10;
    for (; bytes.size() > step; bytes.remove_prefix(step)) feed_step(bytes.substr(0, step), false, parts);
    feed_step(bytes, last, parts);
  }

 private:
  struct Mark {
    std::uint64_t at{0};  // the character it stands before
    std::string bytes;
  };

  void feed_step(std::string_view bytes, bool last, Parts& parts) {
    while (!bytes.empty()) {
      if (sequence_.empty()) {
        const std::size_t size = std::min(bytes.find(escape), bytes.size());
        take(bytes.substr(0, size));
        bytes.remove_prefix(size);
        if (bytes.empty()) break;
      }
      take_sequence_byte(bytes.front());
      bytes.remove_prefix(1);
    }
    if (last) take(std::exchange(sequence_, {}));
    look(last);
    let_go(last, parts);
  }

  [[nodiscard]] std::uint64_t end() const { return begin_ + shown_.size(); }

  void take(std::string_view shown) {
    shown_ += shown;
    if (!shown.empty()) marks_here_ = 0;
  }

  void take_sequence_byte(char c) {
    // So many for nothing are no display: they are text like any other.
    if (sequence_.empty() && marks_here_ == sequences_max) return take(std::string_view(&c, 1));
    sequence_ += c;
    switch (sequence_of(sequence_)) {
      case Sequence::open: return;
      case Sequence::complete:
        marks_.push_back({end(), std::exchange(sequence_, {})});
        ++marks_here_;
        return;
      case Sequence::none: break;
    }
    // The last byte may begin another.
    sequence_.pop_back();
    take(std::exchange(sequence_, {}));
    if (c == escape) return take_sequence_byte(c);
    take(std::string_view(&c, 1));
  }

  void look(bool last) {
    const TextWindow window{shown_, begin_, last};
    std::vector<SecretSpan> found;
    for (ReadingScan& reading : readings_) reading.advance(window, found);
    if (shapes_) shapes_->advance(window, found);
    if (private_keys_) private_keys_->advance(window, found);
    spans_.insert(spans_.end(), found.begin(), found.end());
  }

  // No span that is yet to be reported begins before.
  [[nodiscard]] std::uint64_t settled(bool last) const {
    std::uint64_t settled = end();
    if (last) return settled;
    for (const ReadingScan& reading : readings_) settled = std::min(settled, reading.settled());
    if (shapes_) settled = std::min(settled, shapes_->settled());
    if (private_keys_) settled = std::min(settled, private_keys_->settled());
    return settled;
  }

  // A secret is whole when what is settled reaches its end.
  void let_go(bool last, Parts& parts) {
    const std::uint64_t limit = settled(last);
    join_spans();
    while (!spans_.empty()) {
      SecretSpan& secret = spans_.front();
      const std::uint64_t cut = std::min(secret.end, secret.begin + secret_size_max);
      if (cut > limit) break;
      give_text(secret.begin, parts);
      give_secret(secret, cut, parts);
      if (cut == secret.end) {
        spans_.pop_front();
      } else {
        secret.begin = cut;
        join_spans();
      }
    }
    give_text(spans_.empty() ? limit : std::min(limit, spans_.front().begin), parts);
    if (last) give_marks(end(), parts);
    forget();
  }

  // What begins behind the place where a long secret is cut is joined when it has been.
  void join_spans() {
    std::sort(spans_.begin(), spans_.end(), [](const SecretSpan& a, const SecretSpan& b) { return a.begin < b.begin; });
    std::deque<SecretSpan> joint;
    for (const SecretSpan& span : spans_) {
      if (!joint.empty() && span.begin < std::min(joint.back().end, joint.back().begin + secret_size_max)) {
        joint.back() = joined(joint.back(), span);
      } else {
        joint.push_back(span);
      }
    }
    spans_ = std::move(joint);
  }

  [[nodiscard]] std::string_view shown(std::uint64_t from, std::uint64_t to) const {
    return std::string_view(shown_).substr(static_cast<std::size_t>(from - begin_), static_cast<std::size_t>(to - from));
  }

  void give_marks(std::uint64_t at, Parts& parts) {
    for (; !marks_.empty() && marks_.front().at <= at; marks_.pop_front()) parts.on_text(marks_.front().bytes);
  }

  void give_text(std::uint64_t to, Parts& parts) {
    while (given_ < to) {
      give_marks(given_, parts);
      const std::uint64_t piece = marks_.empty() ? to : std::min(to, marks_.front().at);
      parts.on_text(shown(given_, piece));
      given_ = piece;
    }
  }

  void give_secret(const SecretSpan& secret, std::uint64_t to, Parts& parts) {
    while (given_ < to) {
      const std::string_view rest = shown(given_, to);
      constexpr std::string_view breaks = "\r\n";
      if (breaks.find(rest.front()) != std::string_view::npos) {
        give_text(given_ + std::min(rest.find_first_not_of("\r\n \t"), rest.size()), parts);
      } else {
        give_line(secret.name, given_ + std::min(rest.find_first_of(breaks), rest.size()), parts);
      }
    }
  }

  void give_line(std::string_view name, std::uint64_t to, Parts& parts) {
    give_marks(given_, parts);
    std::string bytes;
    std::uint64_t from = given_;
    for (; !marks_.empty() && marks_.front().at < to; marks_.pop_front()) {
      bytes.append(shown(from, marks_.front().at)).append(marks_.front().bytes);
      from = marks_.front().at;
    }
    bytes.append(shown(from, to));
    parts.on_secret(name, shown(given_, to), bytes);
    given_ = to;
  }

  // What has been given, but for what scanners look back at.
  void forget() {
    const auto given = static_cast<std::size_t>(given_ - begin_);
    if (given < context_size + shown_.size() / 2) return;
    shown_.erase(0, given - context_size);
    begin_ += given - context_size;
  }

  std::vector<ReadingScan> readings_;
  std::optional<KeyShapeScan> shapes_;
  std::optional<PrivateKeyScan> private_keys_;
  std::deque<SecretSpan> spans_;  // found and not given

  std::string shown_;        // from begin_ on
  std::uint64_t begin_{0};
  std::uint64_t given_{0};
  std::deque<Mark> marks_;   // not given
  std::size_t marks_here_{0};
  std::string sequence_;     // one that is not complete
};

namespace {

class Redaction final : public Parts {
 public:
  explicit Redaction(const RedactionKey& key) : key_(key) {}

  void on_text(std::string_view part) override { text += part; }
  void on_secret(std::string_view name, std::string_view shown, std::string_view /*bytes*/) override {
    text += placeholder(key_, name, shown);
  }

  std::string text;

 private:
  const RedactionKey& key_;
};

class Concealment final : public Parts {
 public:
  explicit Concealment(const RedactionKey& key) : key_(key) {}

  void on_text(std::string_view part) override { text += part; }
  void on_secret(std::string_view name, std::string_view shown, std::string_view bytes) override {
    const std::string mark = placeholder(key_, name, shown);
    text += mark;
    add(mark, bytes);
  }

  void add(std::string_view mark, std::string_view bytes) {
    const auto [known, is_new] = secrets.emplace(mark, bytes);
    if (!is_new && known->second != bytes) ambiguous.emplace(mark);
  }

  std::string text;
  std::map<std::string, std::string, std::less<>> secrets;
  std::set<std::string, std::less<>> ambiguous;

 private:
  const RedactionKey& key_;
};

std::vector<KnownSecret> admitted(std::span<const KnownSecret> secrets) {
  std::vector<KnownSecret> out;
  std::size_t size = 0;
  for (const KnownSecret& secret : secrets) {
    if (!check_secret(secret)) continue;
    size += secret.value.size();
    if (size > known_secrets_size_max) break;
    out.push_back(secret);
  }
  return out;
}

}  // namespace

Status check_secret(const KnownSecret& secret) {
  if (trim(secret.value).size() < known_secret_size_min) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("secret \"{}\" has fewer than {} bytes: it would be found in ordinary text", secret.name,
                               known_secret_size_min));
  }
  if (secret.value.size() > known_secret_size_max) {
    return failure(ErrorCode::limit, fmt::format("secret \"{}\" has {} bytes, more than {}", secret.name,
                                                 secret.value.size(), known_secret_size_max));
  }
  return {};
}

Result<std::string> ConcealedText::reveal(std::string_view edited) const {
  std::string out;
  std::size_t done = 0;
  for (;;) {
    const std::string_view mark = find_placeholder(edited, done);
    const auto at = static_cast<std::size_t>(mark.data() - edited.data());
    out += edited.substr(done, at - done);
    if (mark.empty()) return out;
    if (ambiguous_.contains(mark)) {
      return failure(ErrorCode::conflict, fmt::format("{} stands for several secrets here: change this file with a command",
                                                      mark));
    }
    const auto secret = secrets_.find(mark);
    if (secret == secrets_.end()) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("{} stands for a secret that the file does not hold: a placeholder can only stay in the "
                                 "file it was read from; read the file again, or have the secret filled in by the person",
                                 mark));
    }
    out += secret->second;
    done = at + mark.size();
  }
}

Redactor::Redactor(const RedactionKey& key, std::span<const KnownSecret> secrets, bool key_shapes)
    : key_(key), needles_(admitted(secrets)), key_shapes_(key_shapes) {}

Redactor::~Redactor() = default;

std::string Redactor::redact(std::string_view text) const {
  Redaction redaction(key_);
  RedactionStream::Scan(*this).feed(text, true, redaction);
  return std::move(redaction.text);
}

ConcealedText Redactor::conceal(std::string_view text) const {
  Concealment concealment(key_);
  RedactionStream::Scan(*this).feed(text, true, concealment);
  // What only looks like a placeholder stands for itself.
  for (std::string_view mark = find_placeholder(text, 0); !mark.empty();
       mark = find_placeholder(text, static_cast<std::size_t>(mark.data() - text.data()) + mark.size())) {
    concealment.add(mark, mark);
  }
  ConcealedText concealed;
  concealed.text_ = std::move(concealment.text);
  concealed.secrets_ = std::move(concealment.secrets);
  concealed.ambiguous_ = std::move(concealment.ambiguous);
  return concealed;
}

RedactionStream::RedactionStream(std::shared_ptr<const Redactor> redactor)
    : redactor_(std::move(redactor)), scan_(std::make_unique<Scan>(*redactor_)) {}
RedactionStream::~RedactionStream() = default;
RedactionStream::RedactionStream(RedactionStream&&) noexcept = default;
RedactionStream& RedactionStream::operator=(RedactionStream&&) noexcept = default;

std::string RedactionStream::feed(std::string_view bytes) {
  Redaction redaction(redactor_->key_);
  scan_->feed(bytes, false, redaction);
  return std::move(redaction.text);
}

std::string RedactionStream::finish() {
  Redaction redaction(redactor_->key_);
  scan_->feed({}, true, redaction);
  scan_ = std::make_unique<Scan>(*redactor_);
  return std::move(redaction.text);
}

}  // namespace joey
